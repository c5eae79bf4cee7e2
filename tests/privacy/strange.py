"""Secrets as strangers write them: keys of a hundred services, and the files, commands and tables that carry passwords."""
# ruff: noqa: E501, SIM905 - tables of forms, one line for each sort

import re
import string
from random import Random

_UUID = "h8-h4-h4-h4-h12"
SORTS = {
    "a": string.ascii_letters + string.digits, "w": string.ascii_letters + string.digits + "_-", "h": "0123456789abcdef", "d": string.digits,
    "U": string.ascii_uppercase + string.digits, "l": string.ascii_lowercase + string.digits, "A": "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "b": string.ascii_letters + string.digits + "+/", "q": "023456789acdefghjklmnpqrstuvwxyz",
}  # fmt: skip
KEYS = (  # {sort size}: so many characters of that sort, drawn by lot
    "A3-{U6}-{U6}-{U5}-{U5}-{U5}-{U5}", "p8e-{l32}", "LTAI{a20}", "AKCp{a69}", "A3TX{A16}", "ABSK{b109}==", "amzn.mws." + _UUID, "{a3}8Q~{a34}", "CLOJARS_{l60}", "v1.0-{h24}-{h146}",
    "dapi{h32}-2", "dp.st.dev.{a43}", "sl.u.{w130}", "duffel_live_{w43}", "dt0c01.{A24}.{A64}", "EZAK{a54}", "EAAM{a110}", "{d15}|{a27}", "FLWSECK_TEST-{h32}-X", "fo1_{w43}", "fm2_{b110}",
    "1//0{w70}", "GOOG1E{U55}", "AQ.Ab8{w47}", "v1.{h40}", "glpat-{w27}.{l2}.{l9}", "glffct-{w20}", "glptt-{h40}", "GR1348941{w20}", "eyJrIjoi{a80}", "pat.{w22}.{a24}.{a20}", "{a14}.atlasv1.{w64}",
    "api_org_{a34}", "ico-{a32}", "lin_oauth_{h64}", "{h32}-us12", "pk.eyJ{a60}.{w22}", "{a6}_{a29}_mmk", "NRII-{a32}", "{h36}NRAL", "API-{U26}", "sk-svcacct-{w58}T3BlbkFJ{w58}", "sk-or-v1-{h64}",
    "sha256~{w43}", "access-production-" + _UUID, "pscale_tkn_{w43}", "pnu_{a36}", "pul-{h40}", "rdme_{l70}", "rubygems_{h48}", "tk-us-{w48}", "xkeysib-{h64}-{a16}", "sntrys_eyJpYXQiO{b60}_{b43}",
    "sgp_{h16}_{h40}", "sm_aat_{a16}", "shippo_live_{h40}", "shpua_{h32}", "xoxd-{b150}", "tfp_{w59}", "t1.{w40}.{w86}", "AQVN{w36}", "y0_{w55}", "ATBB{a24}{U8}", "tgp_v1_{w43}", "fw_{a24}",
    "csk-{l48}", "lsv2_pt_{h32}_{h10}", "sk-lf-" + _UUID, "pcsk_{a6}_{a63}", "tvly-{a32}", "e2b_{h40}", "re_{a8}_{a24}", "sb_secret_{w22}_{w8}", "nfp_{a36}", "vercel_blob_rw_{a16}_{a30}", "rnd_{a28}",
    "dckr_oat_{w32}", "2/{d16}:{h32}", "pat-eu1-" + _UUID, "CCIPAT_{a22}_{h40}", "bkua_{h40}", "squ_{h40}", "CFPAT-{w43}", "napi_{l64}", "npg_{a12}", "cio{a32}", "nsec1{q58}", "IQoJb3JpZ2luX2Vj{b200}",
    "{a52}JQQJ99{a26}", "b3BlbnNzaC1rZXktdjEA{b100}", "pbkdf2_sha256$600000${a22}${a43}=", "https://chat.x.webhook.office.com/webhookb2/{h30}/IncomingWebhook/{h32}/{h30}",
)  # fmt: skip
DRAWN = ("{a32}", "{a40}", "{b40}", "{w43}")
"""Keys that nothing tells but that they are drawn by lot."""
PLAIN = (
    "Here it is: {}", "try {} for now", "请用{}登录", "| prod | {} |", "prod,{},2024", "https://x.example/v1?k={}&z=1", '{"v": "{}"}', "12:00:01 INFO got {} from upstream",
    "v={}", "<b>{}</b>", "'{}';", "({}).", "a\n{}\nb", "[{}]", "`{}`", "Nimm {} bitte",
)  # fmt: skip
NAMES = (
    "DB_PASSWORD MYSQL_PWD SECRET_KEY_BASE AWS_SECRET_ACCESS_KEY SMTP_PASS APP_KEY WIFI_PSK db.pass dbPassword userPassword clientSecret apiKey accessToken refreshToken "
    "secretAccessKey sharedAccessKey passwordHash bearerToken adminPass PASSWORD_PROD token2 Ocp-Apim-Subscription-Key"
).split()  # fmt: skip
CARRIERS = (
    "{n}={v}\n", "export {n}='{v}'", "  {n}: {v}\n", '{"{n}": "{v}"}', '{"{n}": {"value": "{v}"}}', "- name: {n}\n  value: {v}\n", '{"name": "{n}", "value": "{v}"}', '<add key="{n}" value="{v}" />',
    '<input name="{n}" value="{v}">', "<{n}>{v}</{n}>", "define('{n}', '{v}');", 'props.put("{n}", "{v}");', "const {n}: string = '{v}';", 'let {n}: &str = "{v}";', 'variable "{n}" {\n  default = "{v}"\n}',
    "{n}: |\n    {v}\n", "{n}: >-\n  {v}\n", 'name="{n}"\r\n\r\n{v}\r\n', "{n},{v}\n", "{n}\t{v}\n", "| {n} | {v} |\n", "set {n} {v}\n", ":{n} => '{v}'", '{\\"{n}\\": \\"{v}\\"}', "?{n}={v}&b=1", "{n} = N'{v}'",
)  # fmt: skip
PHRASES = (
    "sshpass -p {v} ssh h", "mysql -u root -p{v} db", "docker login -u bob -p {v} r.example", "redis-cli -h h -a {v} ping", "htpasswd -bc f bob {v}", "openssl rsa -passin pass:{v} -in f", "net user bob {v} /add",
    "echo {v} | sudo -S ls", "echo 'bob:{v}' | chpasswd", "WIFI:T:WPA;S:home;P:{v};;", 'ConvertTo-SecureString "{v}" -AsPlainText', 'requests.get(u, auth=("bob", "{v}"))', 'smtp.login("bob", "{v}")',
    "sqlplus scott/{v}@orcl", "jdbc:oracle:thin:scott/{v}@//h:1521/x", "ALTER USER bob WITH PASSWORD '{v}';", "SET PASSWORD FOR 'bob' = '{v}';", "postgres://bob:{v}@db/x", "//r.example/:_authToken={v}",
    "gh auth login --with-token <<< {v}", "SharedAccessKeyName=Root;SharedAccessKey={v}", "PuTTY-User-Key-File-3: x\nPrivate-Lines: 1\n{v}\nPrivate-MAC: 00", "CVV: 731 CID: 4821 {v} is my password",
    "**Password:** {v}", "Password → {v}", "the password's {v}", "use {v} as the new password", "{v} is my password", "pass: {v}", "token (prod): {v}", "<tr><th>Password</th><td>{v}</td></tr>",
    "la password è {v}.", "mdp : {v}", "a senha do wifi é {v}.", "hasło do serwera to {v}.", "пароль от сервера {v}", "口令：{v}", "暗証番号：{v}", "비밀번호는 {v} 입니다", "şifrem {v}", "كلمة السر هي {v}",
    "lösenordet är {v}.", "adgangskoden er {v}.", "salasanani on {v}.", "הסיסמה היא {v}", "ο κωδικός είναι {v}", "mật khẩu là {v}",
)  # fmt: skip
NUMBERS = (
    "téléphone : {}", "Tél. {}", "тел. {}", "моб. {}", "мой номер {}", "my number is {}", "meine Nummer ist {}", "mon numéro est le {}", "mi número es {}", "llámame al {}", "il mio numero è {}",
    "o meu telemóvel é {}", "mijn nummer is {}", "我的手机号是{}", "手机号码：{}", "電話番号は{}です", "전화번호 {}", "휴대폰: {}", "numaram {}", "cep: {}", "رقم هاتفي {}", "الجوال: {}", "फोन नंबर {}",
    "mitt nummer är {}", "puhelin {}", "τηλέφωνο {}", "טלפון: {}", "số điện thoại {}", "telp. {}", "เบอร์โทร {}", "mob {}", "Tlf. {}", "GSM {}", "Rückruf unter {}",
)  # fmt: skip
TABLES = (
    "name,password,age\nann,,4\nbob,{v},3\n", "user;api_key\nann;zz9\nbob;{v}\n", '"name","db password"\n"bob, the first","{v}"\n', "name\tpassword\tx\nbob\t{v}\t1\n",
    "| user | api key | host |\n|:--|:-:|--:|\n| ann | a1 | h |\n| bob | {v} | h |\n", "+------+----------+\n| user | password |\n+------+----------+\n| bob  | {v} |\n", "id, pw, mail\n1, {v}, x\n",
    "Use this: name,password\nbob,{v}\n", '{"rows": [{"note": "name,password\\nann,zz9\\nbob,{v}\\n"}]}',
)  # fmt: skip


def drawn(random: Random, form: str) -> str:
    """A key of *form*, drawn by lot; with a letter and a digit of each case, as nearly all have."""
    form = form.replace(_UUID, "{h8}-{h4}-{h4}-{h4}-{h12}")
    return re.sub(
        r"\{(\w)(\d+)\}", lambda m: "".join(random.choices(SORTS[m[1]], k=int(m[2]) - 1)) + "7", form
    )


def password(random: Random) -> str:
    """A password as people and programs make them, without what would end it in a shell or a URL."""
    return random.choice(
        [
            random.choice("Tiger Sommer Kr0kus Banane".split()) + str(random.randint(10, 9999)),
            "".join(random.choices(SORTS["a"], k=14)) + "x7",
            "".join(random.choices(SORTS["h"], k=30)) + "a7",
        ]
    )
