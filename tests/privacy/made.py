"""Secrets drawn by lot, of each kind and in many forms, and sentences to hide them in."""
# ruff: noqa: E501, SIM905 - tables of forms, one line for each sort

import base64
import string
from collections.abc import Callable
from random import Random
from typing import NamedTuple
from urllib.parse import quote

LOWER, UPPER, DIGITS = string.ascii_lowercase, string.ascii_uppercase, string.digits
ALNUM = UPPER + LOWER + DIGITS


class Made(NamedTuple):
    """*text* as it stands in a sentence, and the *parts* of it that may not be seen by anybody."""

    kind: str
    text: str
    parts: tuple[str, ...]


def draw(random: Random, alphabet: str, size: int) -> str:
    return "".join(random.choices(alphabet, k=size))


# --- one generator for each kind --------------------------------------------------------------------------------------

NAMES = "anna bob carlos dieter elif fatima giulia hans ines jürgen keiko luc marta noor olga piotr rené søren tomás uwe".split()
FAMILIES = "smith müller garcía rossi nowak yılmaz dubois jansen kim tanaka ivanova o'neil lópez-díaz schulz berg".split()
DOMAINS = "example.com mail.example.org firma.de uni-bonn.de correo.es post.example.co.uk gmail.com münchen.example 163.com x.io".split()


def mail(random: Random) -> Made:
    name, family = random.choice(NAMES), random.choice(FAMILIES)
    local = random.choice(
        [f"{name}.{family}", f"{name}{random.randrange(100)}", f"{name[0]}{family}", f"{name}_{family}", f"{name}+{draw(random, LOWER, 4)}", f"{name}-{random.randrange(1970, 2010)}"]
    )  # fmt: skip
    domain = random.choice(DOMAINS)
    text = f"{local}@{domain}"
    text = random.choice([text, text, text.upper(), text.title()])
    if random.random() < 0.1:
        text = f"{local} (at) {domain.replace('.', ' (dot) ')}" if "'" not in local else text
    return Made("EMAIL", text, (text,))


def _numbers(random: Random, form: str) -> str:
    return "".join(
        random.choice(DIGITS) if c == "#" else random.choice("23456789") if c == "N" else c for c in form
    )


INTERNATIONAL = (
    "+1 N## N## ####", "+1-N##-N##-####", "+1 (N##) N##-####", "+44 20 #### ####", "+44 7### ######", "+49 30 #######", "+49 (0)89 / ######",
    "+49-151-########", "+33 6 ## ## ## ##", "+34 6## ### ###", "+39 06 #### ####", "+31 6 ########", "+48 ### ### ###", "+7 (9##) ###-##-##",
    "+86 13# #### ####", "+81 90-####-####", "+90 5## ### ## ##", "+55 11 9####-####", "+91 9#### #####", "0049 171 #######", "+4915#########",
)  # fmt: skip
NATIONAL = (
    "(N##) N##-####", "N##-N##-####", "N##.N##.####", "N## N## ####", "020 7### ####", "07### ######", "030 / 12#####", "0151-########", "089 ######",
    "06 ## ## ## ##", "01.##.##.##.##", "6## ### ###", "0171 #######", "06-########", "(0221) ######", "8 (9##) ###-##-##", "13# #### ####", "090-####-####",
)  # fmt: skip


def phone(random: Random) -> Made:
    text = _numbers(random, random.choice(INTERNATIONAL + NATIONAL))
    return Made("PHONE", text, (text,))


def luhn_digit(digits: str) -> str:
    """The digit that makes *digits* a card number; written apart from the code under test."""
    total = 0
    for place, char in enumerate(reversed(digits)):
        number = int(char) * (2 if place % 2 == 0 else 1)
        total += number - 9 if number > 9 else number
    return str(-total % 10)


def card(random: Random) -> Made:
    start, size = random.choice(
        [
            ("4", 16),
            ("51", 16),
            ("55", 16),
            ("2221", 16),
            ("37", 15),
            ("34", 15),
            ("6011", 16),
            ("36", 14),
            ("3528", 16),
            ("62", 16),
            ("6304", 19),
        ]
    )
    digits = start + draw(random, DIGITS, size - 1 - len(start))
    digits += luhn_digit(digits)
    gap = random.choice(["", "", " ", "-", "  ", ".", " - "])
    sizes = (4, 6, 5) if size == 15 else (4,) * 5
    groups, at = [], 0
    for each in sizes:
        groups.append(digits[at : at + each])
        at += each
    text = gap.join(group for group in groups if group)
    return Made("CARD", text, (text,))


BBANS = {
    "DE": "#" * 18, "FR": "#" * 10 + "@" * 11 + "##", "GB": "AAAA" + "#" * 14, "NL": "AAAA" + "#" * 10, "ES": "#" * 20, "IT": "A" + "#" * 10 + "@" * 12,
    "AT": "#" * 16, "CH": "#" * 5 + "@" * 12, "PL": "#" * 24, "BE": "#" * 12, "NO": "#" * 11, "SE": "#" * 20, "PT": "#" * 21, "TR": "#" * 6 + "@" * 16,
    "MT": "AAAA" + "#" * 5 + "@" * 18, "SA": "##" + "@" * 18,
}  # fmt: skip


def iban(random: Random) -> Made:
    country = random.choice(list(BBANS))
    bban = "".join(random.choice({"#": DIGITS, "A": UPPER, "@": UPPER + DIGITS}[c]) for c in BBANS[country])
    number = "".join(str(int(c, 36)) for c in f"{bban}{country}00")
    text = f"{country}{98 - int(number) % 97:02d}{bban}"
    if random.random() < 0.6:
        text = random.choice([" ", " ", "-"]).join(text[i : i + 4] for i in range(0, len(text), 4))
    return Made("IBAN", text.lower() if random.random() < 0.1 else text, (text,))


def _b64(random: Random, size: int) -> str:
    return base64.urlsafe_b64encode(random.randbytes(size)).decode().rstrip("=")


def _jwt(random: Random) -> str:
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
    body = base64.urlsafe_b64encode(f'{{"sub":"{random.randrange(10**9)}"}}'.encode()).decode().rstrip("=")
    return f"{head}.{body}.{_b64(random, 32)}"


def _pem(random: Random) -> str:
    body = base64.b64encode(random.randbytes(120)).decode()
    lines = "\n".join(body[i : i + 64] for i in range(0, len(body), 64))
    kind = random.choice(["RSA PRIVATE KEY", "PRIVATE KEY", "OPENSSH PRIVATE KEY", "EC PRIVATE KEY"])
    return f"-----BEGIN {kind}-----\n{lines}\n-----END {kind}-----"


KEYS: tuple[Callable[[Random], str], ...] = (
    lambda r: "sk-" + draw(r, ALNUM, 48), lambda r: "sk-proj-" + draw(r, ALNUM + "-_", 60) + "A", lambda r: "sk-ant-api03-" + draw(r, ALNUM, 50),
    lambda r: "ghp_" + draw(r, ALNUM, 36), lambda r: "github_pat_" + draw(r, ALNUM + "_", 60) + "A", lambda r: "glpat-" + draw(r, ALNUM, 20),
    lambda r: f"xoxb-{draw(r, DIGITS, 12)}-{draw(r, DIGITS, 12)}-{draw(r, ALNUM, 24)}", lambda r: "AKIA" + draw(r, UPPER + DIGITS, 16),
    lambda r: "AIza" + draw(r, ALNUM, 35), lambda r: "hf_" + draw(r, ALNUM, 34), lambda r: "npm_" + draw(r, ALNUM, 36), lambda r: "sk_live_" + draw(r, ALNUM, 24),
    lambda r: f"SG.{draw(r, ALNUM, 22)}.{draw(r, ALNUM, 43)}", lambda r: "gsk_" + draw(r, ALNUM, 52), lambda r: f"{draw(r, DIGITS, 9)}:AA{draw(r, ALNUM, 33)}",
    _jwt, _jwt, _pem,
)  # fmt: skip


def key(random: Random) -> Made:
    text = random.choice(KEYS)(random)
    return Made(
        "KEY", text, tuple(line for line in text.splitlines() if len(line) > 12 and "-----" not in line)
    )


TOLD = (
    "password: {}", "Password = {}", "my password is {}", "the root password for the server is {}", "PASSWORD={}", '"password": "{}"', "passwd:{}", "pwd = '{}'",
    "das Passwort lautet {}", "Passwort: {}", "mot de passe : {}", "la contraseña es {}", "contraseña: {}", "senha: {}", "пароль: {}", "密码是{}", "パスワード：{}",
    "token={}", "https://example.com/a?token={}&x=1", "api_key: {}", 'API_KEY="{}"', "client_secret={}", "Authorization: Bearer {}", "access key: {}",
    "postgres://admin:{}@db.example/x", "curl -H 'X-Auth-Token: {}'", "secret={};", "wachtwoord: {}", "hasło: {}", "passphrase = {}",
)  # fmt: skip


def secret(random: Random) -> Made:
    values = [
        random.choice(NAMES).title() + draw(random, DIGITS, 4),
        draw(random, ALNUM, random.randint(8, 24)) + "7",
        draw(random, LOWER, 5) + "-" + draw(random, DIGITS, 3) + "-" + draw(random, UPPER, 3),
        "P4" + draw(random, ALNUM + "!#$%*?", 9) + "x",
    ]
    value = random.choice(values)
    return Made("SECRET", random.choice(TOLD).format(value), (value,))


STREETS = (
    ("{n} {s} Street, {t}", "Baker Oak Maple Cedar Elm Lincoln Walnut"), ("{n} {s} Ave, Apt {a}", "Madison Park Lexington Jefferson"), ("{n}{l} {s} Road", "Abbey Kings Victoria Mill"),
    ("{s}straße {m}, {p} {t}", "Haupt Bahnhof Schiller Goethe Garten"), ("{s}weg {m}", "Birken Linden Rosen"), ("{m} rue de la {s}", "République Paix Liberté"), ("{m}, avenue {s}", "Foch Montaigne Victor"),
    ("Calle {s} {m}", "Mayor Alcalá Serrano"), ("Via {s}, {m}", "Garibaldi Mazzini Roma"), ("{s}straat {m}", "Kerk Dorps Molen"), ("ul. {s} {m}", "Długa Polna Leśna"), ("P.O. Box {n}", "Post"),
    ("{n} {s} Lane, {t}, CA 9{q}", "Penny Drury Primrose"), ("{s}gasse {m}", "Kirch Burg Mühl"), ("Rua {s} {m}", "Augusta Direita"),
)  # fmt: skip


def address(random: Random) -> Made:
    form, names = random.choice(STREETS)
    fields = dict(
        n=random.randint(100, 9999), m=random.randint(1, 199), s=random.choice(names.split()), t=random.choice(["London", "Berlin", "Boston", "Springfield", "Köln"]),
        a=random.randint(1, 40), l=random.choice(["", "a", "B"]), p=random.randint(10000, 99999), q=draw(random, DIGITS, 4),
    )  # fmt: skip
    text = form.format(**fields)
    return Made("ADDRESS", text, (text.partition(",")[0] if "," in text[6:] else text,))


def network(random: Random) -> Made:
    if random.random() < 0.5:
        text = ".".join(str(random.randint(1, 254)) for _ in range(4))
        text = text if not text.startswith("127.") else f"10{text[3:]}"
        return Made("IP", text, (text,))
    text = random.choice([":", "-"]).join(f"{random.randrange(256):02x}" for _ in range(6))
    return Made("MAC", text, (text,))


MAKERS: dict[str, Callable[[Random], Made]] = {
    "mail": mail, "phone": phone, "card": card, "iban": iban, "key": key, "secret": secret, "address": address, "network": network,
}  # fmt: skip

# --- sentences ---------------------------------------------------------------------------------------------------------

SENTENCES = (
    "Please write to {} before noon.", "Kannst du {} bitte prüfen?", "Voici : {} - merci !", "Mi dato es {}, gracias.", "Il mio è {}.", "O meu é {} ok", "Mijn gegevens: {}.",
    "Moje dane to {}!", "Вот: {} .", "请看 {} 谢谢", "これです→ {} 。", "Here it is ({}), thanks", "\"{}\" is what she said", "<{}>", "[{}]", "* {}\n* next", "a,{},b", "x;{};y",
    '{{"user": "{}"}}', "Name|{}|end", "old: {} new: none", "Hi!!! {}??", "see…{}…", "{}", "\t{}\r\n", "(see: {}), ok?", "> {}\n> quoted", "`{}`", "**{}**", "‘{}’ «{}»",
)  # fmt: skip
HELD_OUT = (
    "I told the clerk that {} was right, but he would not listen.", "Sehr geehrte Damen und Herren, hiermit teile ich Ihnen {} mit.", "D'après le dossier, {} figure en annexe.",
    "Anote usted {} en la ficha del cliente.", "row 17 :: {} :: verified", "<td>{}</td><td>yes</td>", "- [x] ask about {} (urgent)", "Subject: re {} / follow-up", "user> {}\nbot> thanks",
    "lorem ipsum {} dolor sit amet", "what does {} mean?", "Forwarded: {}; please file it.", "сообщите {} в отдел", "请把 {} 发给他", "value={} # from the form", "({})",
)  # fmt: skip


def wide(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if c.isascii() and c.isdigit() else c for c in text)


def laced(text: str, odd: str = "\u200b") -> str:
    return odd.join([text[: len(text) // 2], text[len(text) // 2 :]])


DISGUISES: dict[str, Callable[[str], str]] = {
    "wide": wide, "zero-width": laced, "soft hyphen": lambda text: laced(text, "\u00ad"), "no-break": lambda text: text.replace(" ", "\u00a0"),
    "dashes": lambda text: text.replace("-", "\u2011"), "percent": lambda text: quote(text, safe=""), "entities": lambda text: "".join(f"&#{ord(c)};" for c in text),
    "base64": lambda text: base64.b64encode(text.encode()).decode(), "upper": str.upper, "hex": lambda text: text.encode().hex(),
}  # fmt: skip
BENDABLE = {"mail", "card", "iban", "network"}
"""Kinds that are found in any disguise; the others keep their form, or need the word that tells of them."""


def disguised(random: Random, name: str, made: Made) -> Made:
    """*made* in a disguise, now and then."""
    if name not in BENDABLE or random.random() < 0.7 or "(at)" in made.text:
        return made
    bent = random.choice(list(DISGUISES.values()))(made.text)
    return Made(made.kind, bent, (*made.parts, bent))


def planted(random: Random, name: str, sentences: tuple[str, ...] = SENTENCES) -> tuple[str, Made]:
    """A sentence with a secret of kind *name* in it, and the secret."""
    made = disguised(random, name, MAKERS[name](random))
    return random.choice(sentences).replace("{{", "{").replace("}}", "}").replace("{}", made.text), made


def forms(part: str) -> list[str]:
    """What *part* looks like to somebody who looks closely, in small letters."""
    data = part.encode()
    sure = base64.b64encode(data).decode().rstrip("=")
    shown = [
        part,
        quote(part, safe=""),
        sure[: len(sure) - bool(len(data) % 3)],
        data.hex(),
        part.encode("unicode_escape").decode(),
    ]
    return [form.casefold() for form in shown]


def leaked(part: str, text: str) -> str | None:
    """The form in which *part* stands in *text*, None if it does not."""
    low = text.casefold()
    return next((form for form in forms(part) if form in low), None)
