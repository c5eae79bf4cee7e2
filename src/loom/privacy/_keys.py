"""Keys, tokens and passwords: by their well-known beginnings, or by the word that tells what follows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from math import log2

from loom.privacy._armour import armoured
from loom.privacy.finding import Finding
from loom.privacy.view import small

_W = r"[A-Za-z0-9_\-]"
_FORMS = (
    rf"sk-{_W}{{12,}}+", r"(?:sk|rk|pk|whsec|rzp|tok)_(?:(?:live|test)_)?[A-Za-z0-9]{12,}+",
    rf"gh[opusr]_{_W}{{20,}}+", rf"github_pat_{_W}{{20,}}+", rf"gl(?:pat|dt|cbt|rt|soat|ft)-{_W}{{16,}}+",
    rf"xox[a-z](?:\.xox[a-z])?-{_W}{{8,}}+", rf"xapp-{_W}{{10,}}+",
    r"(?:AKIA|ASIA|AROA|AIDA|AGPA|ANPA|ANVA|ABIA|ACCA)[A-Z0-9]{12,}+",
    rf"AIza{_W}{{30,}}+", rf"ya29\.{_W}{{16,}}+", rf"GOCSPX-{_W}{{20,}}+",
    r"hf_[A-Za-z0-9]{20,}+", r"npm_[A-Za-z0-9]{30,}+", rf"pypi-{_W}{{16,}}+", r"do[opr]_v1_[a-f0-9]{32,}+",
    rf"SG\.{_W}{{16,}}+\.{_W}{{16,}}+", r"shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{24,}+", rf"sq0(?:atp|csp|idp)-{_W}{{16,}}+",
    r"key-[0-9a-f]{24,}+", r"lin_api_[A-Za-z0-9]{20,}+", r"(?:ntn|secret)_[A-Za-z0-9]{20,}+",
    r"gsk_[A-Za-z0-9]{20,}+", rf"xai-{_W}{{20,}}+", r"r8_[A-Za-z0-9]{20,}+", rf"pplx-{_W}{{20,}}+",
    rf"nvapi-{_W}{{20,}}+", rf"tskey-{_W}{{16,}}+", r"AGE-SECRET-KEY-1[A-Z0-9]{40,}+",
    r"dckr_pat_[\w-]{20,}+", r"atlasv1-[\w-]{16,}+", rf"(?:hvs|hvb|s)\.{_W}{{22,}}+", r"\d{8,10}:AA[\w-]{30,}+",
    rf"[MNO][A-Za-z0-9]{{22,27}}\.{_W}{{6}}\.{_W}{{25,}}+",
    rf"ey[A-K]{_W}{{6,}}+\.(?:{_W}{{6,}}+|\.{_W}{{6,}}+)(?:\.{_W}*+){{0,3}}+",
    rf"gl(?:c|sa)_{_W}{{20,}}+", rf"sntry[su]_{_W}{{20,}}+",
    r"PMAK-[0-9a-f]{20,}+-[0-9a-f]{20,}+", r"NRAK-[A-Z0-9]{20,}+",
    rf"ATATT3{_W}{{20,}}+", rf"HRKU-{_W}{{20,}}+",
    r"\$(?:2[abxy]?|[1567y]|apr1|argon2\w{1,2})\$[./A-Za-z0-9$=,+]{16,}+",
    r"(?:AC|SK)[0-9a-f]{32}(?![0-9a-f])", r"dapi[0-9a-f]{32}",
    r"sbp_[0-9a-f]{40}", r"EAA[A-Za-z0-9]{40,}+",
    r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}", r"figd_[\w-]{20,}+",
    r"phc_[A-Za-z0-9]{30,}+", r"dp\.(?:pt|st|ct)\.[A-Za-z0-9]{30,}+",
    r"[5KL][1-9A-HJ-NP-Za-km-z]{50,51}(?![A-Za-z0-9])", r"0x[0-9a-fA-F]{64}(?![0-9a-fA-F])",
    r"https://hooks\.slack\.com/[\w/]++", r"https://discord(?:app)?\.com/api/webhooks/[\w/\-]++",
)  # fmt: skip
_PREFIXED = re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(_FORMS)})")
_URL = re.compile(r"(?<=://)[^\s/@:]{0,128}+:([^\s/@]{1,256}+)@")
_CALLED = (
    r"pass(?:word|code|phrase|wd)s?|pwd|pw|(?<=[_-])pass|passwort|kennwort|zugangscode|geheimzahl|mot de passe|"
    r"contrase[ñn]a|clave|senha|wachtwoord|has[łl]o|parola|şifre|heslo|jelsz[óo]|κωδικ[όο][ςσ]|mật khẩu|"
    r"kata sandi|adgangskode|passord|l[öo]senord|salasana|secrets?|geheimnis|token|"
    r"(?:api|access|secret|private|auth|account|encryption|signing|master|shared|storage)[_\- ]?key|apikey|"
    r"client[_\- ]?secret|credentials?|pin(?:[_\- ]?code)?|otp|cvv2?|cvc2?|auth(?:orization)?(?:[_\- ]?code)?|bearer|"
    r"seed phrase|mnemonic|(?:verification|security|access|one[- ]time) code|"
    r"signature|sig(?=\s?=)|session[_\- ]?id|cookie"
)
_FOREIGN = (  # no space stands around them
    r"парол[ьяеі]|पासवर्ड|סיסמה|密码|密碼|パスワード|비밀번호|كلمة المرور|رمز عبور|گذرواژه|รหัสผ่าน"
)
_WHOSE = r"(?:\s\(?(?:for|of|on|in|at|from|von|f[üu]r|zu|vom|de|del|du|para|pour|per)(?:\s[^\s:=\"']{1,30}+){1,4}?\)?)?"
_IS = (
    r":=|=>|->|==?|:(?!//)|>|\?|-(?=\s)|\b(?:is|was|ist|lautet|lauten|war|est|es|era|[eé]|to|jest|je|är|on)(?=[\s:])|"
    r"は|是|为|を"
)
_TELLING = re.compile(
    rf"(?:(?<![^\W_])(?:{_CALLED})(?![^\W_])|{_FOREIGN}){_WHOSE}[\"'`*_)\]]{{0,3}}\s{{0,3}}({_IS})[\s:]{{0,3}}",
)
_QUOTED = re.compile(
    r"\"((?:[^\"\\\n]|\\.){1,256}+)\"|'((?:[^'\\\n]|\\.){1,256}+)'|"  # with quotes in them, as JSON and code have them
    r"\"([^\"\n]{1,256}+)\"|'([^'\n]{1,256}+)'|`([^`\n]{1,256}+)`|“([^”\n]{1,256}+)”|"
    r"„([^“”\n]{1,256}+)[“”]|«([^»\n]{1,256}+)»"
)
_BARE = re.compile(
    r"(?:(?:bearer|basic|token|digest|apikey)\s{1,3})?([^\s\"'`,;&<>|\u3002]{1,1024}+)", re.IGNORECASE
)
_LINE = re.compile(r"[^\n\"]{1,256}+")
_PHRASE = re.compile(r"phrase|mnemonic", re.IGNORECASE)
_PASS = re.compile(
    r"pass|pwd|kennwort|mot de|contrase|senha|clave|wachtwoord|has[łl]o|parola|парол|密|パス|비밀",
    re.IGNORECASE,
)
_DULL = frozenset(
    [
        *(
            "none",
            "null",
            "nil",
            "true",
            "false",
            "required",
            "optional",
            "needed",
            "missing",
            "empty",
            "invalid",
        ),
        *(
            "valid",
            "expired",
            "wrong",
            "incorrect",
            "correct",
            "unknown",
            "string",
            "number",
            "integer",
            "boolean",
        ),
        *(
            "object",
            "array",
            "type",
            "text",
            "value",
            "field",
            "hidden",
            "redacted",
            "secret",
            "password",
            "token",
        ),
        *(
            "please",
            "here",
            "there",
            "this",
            "that",
            "your",
            "my",
            "the",
            "a",
            "an",
            "not",
            "never",
            "also",
            "very",
        ),
        *(
            "too",
            "only",
            "still",
            "now",
            "just",
            "set",
            "unset",
            "changed",
            "stored",
            "sent",
            "used",
            "always",
        ),
        *(
            "auto",
            "default",
            "basic",
            "bearer",
            "important",
            "difficult",
            "easy",
            "good",
            "bad",
            "about",
            "what",
        ),
        *(
            "which",
            "when",
            "where",
            "how",
            "in",
            "on",
            "at",
            "to",
            "for",
            "with",
            "from",
            "of",
            "by",
            "or",
            "and",
        ),
        *(
            "must",
            "should",
            "may",
            "can",
            "will",
            "shall",
            "use",
            "uses",
            "enter",
            "choose",
            "str",
            "int",
            "bytes",
        ),
        *(
            "bool",
            "float",
            "dict",
            "list",
            "any",
            "self",
            "mandatory",
            "it",
            "is",
            "if",
            "as",
            "safe",
            "unsafe",
        ),
    ]
)
_FLAG = re.compile(
    r"(?<!\S)--?[\w-]{0,24}?(?:password|passwd|token|secret|api-key)[ \t]{1,3}(?!-)([^\s\"']{3,256}+)"
    r"|\b(?:pin|cvv2?|cvc2?|otp)[ \t#]{1,3}(\d{3,8})\b"
    r"|(?<!\S)(?:-u|--user)[ =]{1,2}[\"']?[^\s:\"']{1,64}+:([^\s\"']{1,256}+)"
    r"|\bidentified by [\"']([^\s\"']{1,256}+)"
    rf"|(?:(?<![^\W_])(?:password|passwort|passwd|pwd|kennwort|secret|token)|{_FOREIGN})"
    r"[ \t]{1,3}(?=[^\s\d]{0,64}\d)(?=[^\sA-Za-z]{0,64}[A-Za-z])([^\s\"'<>,;]{6,256}+)"
    r"|\bbearer[ \t]{1,3}(?=[A-Za-z._~+/=\-]{0,64}\d)([\w.~+/=\-]{8,512}+)",
)
_LONG = re.compile(r"(?<![A-Za-z0-9+/_=.\-])[A-Za-z0-9+/_=.\-]{16,512}+")
_NEAR = re.compile(
    rf"(?<![^\W_])(?:{_CALLED}|keys?|schl[üu]ssel|cl[ée]|llave|ключ|login|hash|salt)(?![^\W_])", re.IGNORECASE
)


class Keys:
    """Keys and tokens of known form, and what follows a word such as "password"."""

    name = "keys"

    def find(self, text: str) -> Iterator[Finding]:
        for match in _PREFIXED.finditer(text):
            yield Finding(*match.span(), "KEY")
        if "://" in text:
            for match in _URL.finditer(text):
                yield Finding(*match.span(1), "SECRET")
        yield from (
            Finding(*match.span(match.lastindex or 0), "SECRET") for match in _FLAG.finditer(small(text))
        )
        yield from armoured(text)
        yield from _told(text)
        yield from _random(text)


_PASS = re.compile(
    r"pass|pwd|kennwort|contrase|senha|clave|wachtwoord|has[łl]o|parola|парол|密|パス|비밀", re.IGNORECASE
)


def _told(text: str) -> Iterator[Finding]:
    for match in _TELLING.finditer(small(text)):
        quoted = _QUOTED.match(text, match.end())
        if quoted and quoted.lastindex:
            yield Finding(*quoted.span(quoted.lastindex), "SECRET")
        elif _PHRASE.search(match[0]) and match[1] in (":", "="):
            line = _LINE.match(text, match.end())
            yield from [Finding(*line.span(), "SECRET")] if line else []
        elif (bare := _BARE.match(text, match.end())) and (
            (match[1] + match[0].rstrip())[-1] in ":=>" or _is_secret(bare, _PASS.match(match[0]) is not None)
        ):
            yield from _bare(bare)


def _is_secret(match: re.Match[str], password: bool) -> bool:
    """Whether what follows a word such as "is" is no prose: an odd word, or the last of a sentence on a password."""
    value = match[1].rstrip(".,!?)]}。*")
    if len(value) < 4:
        return False
    if not value.replace("-", "").isalpha() or value != value[:1] + value[1:].lower():
        return True
    return password and match.string[match.start(1) + len(value) :][:1] in (
        "",
        ".",
        "!",
        "\n",
        ",",
        ";",
        "。",
    )


def _bare(match: re.Match[str]) -> Iterator[Finding]:
    """An unquoted value, unless it is a word that says something about one."""
    value = match[1].rstrip(".,!?)]}。*")
    if value.lower() in _DULL or not any(char.isalnum() for char in value):
        return
    yield Finding(match.start(1), match.start(1) + len(value), "SECRET")


def _random(text: str) -> Iterator[Finding]:
    """Long strings that look drawn by lot beside a telling word."""
    for match in _LONG.finditer(text):
        name, _, value = match[0].partition("=")
        start = match.end() - len(value) if value and _NEAR.search(name) else match.start()
        around = text[max(0, start - 48) : start], text[match.end() : match.end() + 24]
        if looks_random(text[start : match.end()]) and any(_NEAR.search(part) for part in around):
            yield Finding(start, match.start() + len(match[0].rstrip(".-")), "KEY")


def looks_random(text: str) -> bool:
    """Whether *text* has letters and digits and more than 3 bits of entropy per character."""
    if not (any(char.isdigit() for char in text) and any(char.isalpha() for char in text)):
        return False
    size = len(text)
    return -sum(n / size * log2(n / size) for n in Counter(text).values()) > 3.0
