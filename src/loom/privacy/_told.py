"""Secrets by the word that tells of them: "password", "api_key", and what such words are elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from loom.privacy.finding import Finding

_PASSWORDS = (
    "pass(?:word|code|phrase|wd)s?", "passwort", "pswd", "pwd", "pw", "psk", "kennwort", "zugangscode", "geheimzahl",
    "mot de passe", "mdp", "contrase[ñn]a", "clave", "senha", "wachtwoord", "has[łl][oaeu]m?",
    "parola(?:m|sı| d['’]ordine)?", "şifre(?:m|si|miz|niz)?", "hesl[oau]", "jelsz[óo]", "κωδικ[όο][ςσ]", "mật khẩu",
    "kata sandi", "adgangskoden?", "kodeord(?:et)?", "passord(?:et)?", "l[öo]senord(?:et)?", r"salasana\w{0,3}",
)  # fmt: skip
_KINDS = (
    "access", "api", "secret", "private", "account", "signing", "encryption", "subscription", "master", "storage",
    "auth", "shared", "app", "application", "licen[sc]e", "hmac", "jwt", "session", "deploy", "webhook", "consumer",
    "service", "project", "wpa2?", "wlan", "wifi", "openai",
)  # fmt: skip
_KEYS = tuple(rf"{kind}[_\- ]?key" for kind in _KINDS)
_OTHERS = (
    r"pass(?=[\"'`*_)\]]{0,3}\s{0,3}[:=])", "secrets?", "geheimnis", "token", r"client[_\- ]?secret", "credentials?",
    "wlan-schl[üu]ssel", r"pin(?:[_\- ]?code)?", "otp", "cvv2?", "cvc2?", "cvn", r"auth(?:orization)?(?:[_\- ]?code)?",
    "bearer", "seed phrase", "mnemonic", "verification code", "security code", "access code", "one[- ]time code",
    "signature", r"sig(?=\s?=)", "cookie",
)  # fmt: skip
_PARTS = (  # the end of a name that is written together
    "passwor[dt]", "passwd", "p(?<=[a-z]p)(?:wd|ass(?:phrase)?)", "p(?<=[_.-]p)ass",
    "a(?<=[_.-]a)uth", "s(?<=[a-z]s)ecret", "t(?<=[a-z]t)oken", "k(?<=[a-z]k)ennwort", r"sess(?:ion)?[_\- ]?id",
    "sid(?==)",
    *(f"{kind}key" for kind in _KINDS[:11]),
)  # fmt: skip
_FOREIGN = (  # no space stands around them
    "парол[ьяеі]", "पासवर्ड", "ססמה", "סיסמ[הא]", "密码", "密碼", "口令", "密钥", "パスワード", "暗証番号",
    "비밀번호[는은이가]?", "패스워드[는은이가]?", "암호[는은이가]?", "كلمة المرور", "كلمة السر", "رمز عبور",
    "گذرواژه", "รหัสผ่าน",
)  # fmt: skip
_LATER = r"(?:hash|[_\-](?:base|hash|prod|dev|test|staging|live|old|new|value|confirm(?:ation)?|repeat)|[_\-]?\d{1,2})?"
_WHOSE = (
    r"(?:\s\(?(?:for|of|on|in|at|from|von|f[üu]r|zu|vom|de|del|du|do|da|della?|para|pour|per|dla|til|för|от|для|к|på|voor|"
    r"van)"
    r"(?:\s[^\s:=\"']{1,30}+){1,4}?\)?|\sfor\s'[^'\n]{1,64}+'|\s\([^\s()]{1,30}\)|\s(?:i|we|you)\s[^\s:=\"']{1,20})?"
)
_STRING = (
    r":\s?(?:&(?:'static\s)?)?(?:str|string|bytes|any|secretstr|optional\[str\])"
    r"(?:\s?[?|]\s?(?:none|null|undefined)?)?\s?=(?!=)"
)
_SURE = (
    rf"{_STRING}|[:=]?\s?[,;{{]?\s{{0,40}}+[\"']?\b(?:value|default)[\"']?\s?[:=]|:=|=>|->|→|==?|:(?!//)|"
    r"</t[hd]>\s{0,40}+<td>|</dt>\s{0,40}+<dd>|>"
)
_IS = (
    r"\?|-(?=\s)|\b(?:is|was|ist|lautet|lauten|war|est|es|era|[eéè]|to|jest|je|är|er|on|adalah|là|είναι|هي|היא)(?=[\s:])|"
    r"は|是|为|を|['’]s(?=\s)"
)
_WEAK = r",\s?(?=[\"'])|,(?=\S)|\|(?!\|)|\t|(?:\r?\n){2}|\s{1,3}(?=[\"'“„«])"
_AFTER = (
    r"[\s:]{0,3}(?:\*{1,2} {0,3}|[|>][+\-]?[ \t]{0,3}\n[ \t]{0,24}|[\[(]\s{0,3}(?=[^\s\])])|"
    r"[nbrufl]{1,2}(?=[\"']))?"
)


def _alone(words: Iterable[str]) -> Iterator[str]:
    """Patterns for *words* that no letter touches in front; it is looked at behind the first two: that is faster."""
    for word in words:
        size = 2 if word[1].isalpha() else 1
        yield rf"{word[:size]}(?<![^\W_]{word[:size]}){word[size:]}{_LATER}(?![^\W_])"


PASSWORD, _FAR = "|".join(_PASSWORDS), "|".join(_FOREIGN)
KEY = "|".join(_KEYS)
WORD = re.compile(
    "|".join(
        [
            *_alone((*_PASSWORDS, *_KEYS, *_OTHERS)),
            *(rf"{part}{_LATER}(?![^\W_])" for part in _PARTS),
            *_FOREIGN,
        ]
    )
)
"""A word that tells of a secret, in small letters."""
_PASS = re.compile(rf"{PASSWORD}|{_FAR}|\w*passwor[dt]")
_NEXT = re.compile(
    rf"{_WHOSE}[\"'`*_)\]]{{0,3}}\s{{0,3}}(?:(?P<sure>{_SURE})|(?P<is>{_IS})|(?P<weak>{_WEAK})){_AFTER}"
)
_QUOTED = re.compile(
    r"\"((?:[^\"\\\n]|\\.){1,256}+)\"|'((?:[^'\\\n]|\\.){1,256}+)'|"  # with quotes in them, as JSON and code have them
    r"\"([^\"\n]{1,256}+)\"|'([^'\n]{1,256}+)'|`([^`\n]{1,256}+)`|“([^”\n]{1,256}+)”|"
    r"„([^“”\n]{1,256}+)[“”]|«([^»\n]{1,256}+)»"
)
_MARK = r"[,;&|]{1,3}+(?![\w.\-]{1,40}+\s?[:=])"  # ends a value, unless it is a part of one
_BARE = re.compile(
    r"(?:(?:bearer|basic|token|digest|apikey)\s{1,3})?"
    rf"((?:{_MARK})?[^\s\"'`,;&<>|\u3002]{{1,1024}}+(?:{_MARK}[^\s\"'`,;&<>|\u3002]{{1,256}}+){{0,16}}+)",
    re.IGNORECASE,
)
_LINE = re.compile(r"[^\n\"]{1,256}+")
_PHRASE = re.compile(r"phrase|mnemonic")
_DULL = re.compile(
    r"(?:a|about|also|always|an|and|any|array|as|at|auto|bad|basic|bearer|bool|boolean|by|bytes|can|changed|choose|correct|"
    r"default|dict|difficult|easy|empty|enter|expired|false|field|float|for|from|good|here|hidden|how|if|important|in|"
    r"incorrect|int|integer|invalid|is|it|just|list|mandatory|may|missing|must|my|needed|never|nil|none|not|now|null|number|"
    r"object|of|on|only|optional|or|password|please|redacted|required|safe|secret|self|sent|set|shall|should|still|stored|"
    r"str|string|text|that|the|there|this|to|token|too|true|type|unknown|unsafe|unset|use|used|uses|valid|value|very|what|"
    r"when|where|which|will|with|wrong|your)\Z",
    re.IGNORECASE,
)
_ODD = r"(?=[^\s\d]{0,64}\d)(?=[^\sA-Za-z]{0,64}[A-Za-z])([^\s\"'<>,;]{5,256}+)"
_CLOSE = re.compile(rf"[ \t]{{1,3}}{_ODD}")
_CLOSE_OF = re.compile(rf"{_WHOSE}[ \t]{{1,3}}{_ODD}")
_IS_THE = (
    frozenset(["is", "as", "ist", "est", "es"]),
    frozenset(["my", "the", "our", "your", "a", "das", "le", "la", "mein"]),
)
_BACK = 320
_CLOSELY = ("key", "secret", "token", "pass", "pwd")


def told(text: str, low: str, words: Iterable[re.Match[str]]) -> Iterator[Finding]:
    """What follows one of *words*, or stands close to one and is no word; *low* is *text* in small letters."""
    for word in words:
        if (
            word[0] == "pass"
            and text[word.start()] == "p"
            and text[word.start() - 1 : word.start()].isalpha()
        ):
            continue  # "compass", but "adminPass"
        password = _PASS.match(word[0]) is not None
        if follows := _NEXT.match(low, word.end()):
            yield from _value(text, word, follows, password)
        if password or any(part in word[0] for part in _CLOSELY):
            close = (_CLOSE_OF if password else _CLOSE).match(low, word.end())
            yield from [Finding(*close.span(1), "SECRET")] if close else []
            yield from _before(low, word.start())


def _before(low: str, end: int) -> Iterator[Finding]:
    """What is called a password before the word comes: "x is my new password", "use x as the password"."""
    words = low[max(end - _BACK, 0) : end].split(" ")
    for last in range(len(words) - 1, max(len(words) - 4, 2), -1) if words[-1] == "" else ():
        value, verb, article = words[last - 3 : last]
        if verb in _IS_THE[0] and article in _IS_THE[1] and is_odd(value):
            start = end - len(" ".join(words[last - 3 :]))
            yield Finding(start, start + len(value), "SECRET")


def _value(text: str, word: re.Match[str], match: re.Match[str], password: bool) -> Iterator[Finding]:
    sure = match["sure"] is not None or match[0].rstrip().endswith(":")
    odd = match["weak"] is not None or (
        word[0] == "pass" and not _joined(text[word.start() - 1 : word.start()])
    )
    quoted = _QUOTED.match(text, match.end())
    if quoted and quoted.lastindex:
        if not odd or is_odd(quoted[quoted.lastindex]):
            yield Finding(*quoted.span(quoted.lastindex), "SECRET")
    elif _PHRASE.search(word[0]) and match["sure"] in (":", "="):
        line = _LINE.match(text, match.end())
        yield from [Finding(*line.span(), "SECRET")] if line else []
    elif (bare := _BARE.match(text, match.end())) and (
        is_odd(bare[1]) if odd else sure or _is_secret(bare, password)
    ):
        yield from _bare(bare)


def _joined(char: str) -> bool:
    """Whether a word that *char* stands before is the end of a name."""
    return char.isalnum() or char in ("_", ".", "-")


def is_odd(value: str) -> bool:
    """Whether no word is like *value*: letters and digits."""
    value = value[:256]
    return len(value) > 4 and any(map(str.isdigit, value)) and any(map(str.isalpha, value))


def is_dull(value: str) -> bool:
    """Whether *value* is a word that says something about a secret, and none itself."""
    return _DULL.match(value) is not None


def _is_secret(match: re.Match[str], password: bool) -> bool:
    """Whether what follows a word such as "is" is no prose: an odd word, or the last of a sentence on a password."""
    value = match[1].rstrip(".,!?)]}。*")
    if len(value) < 4:
        return False
    if not value.replace("-", "").isalpha() or value != value[:1] + value[1:].lower():
        return True
    after = match.string[match.start(1) + len(value) :][:1]
    return password and after in ("", ".", "!", "\n", ",", ";", "。")


def _bare(match: re.Match[str]) -> Iterator[Finding]:
    """An unquoted value, unless it is a word that says something about one."""
    value = match[1].rstrip(".,!?)]}。*")
    if not is_dull(value) and any(map(str.isalnum, value)):
        yield Finding(match.start(1), match.start(1) + len(value), "SECRET")
