"""Mail addresses and phone numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from loom.privacy.finding import Finding

_LOCAL = r"[\w.!#$%&'*+/=?^`{|}~-]"
_DOMAIN = r"[^\W_](?:[\w-]*+)(?:\.[\w-]++)++"
_MAIL = re.compile(
    rf'(?<!{_LOCAL}){_LOCAL}++ ?@ ?{_DOMAIN}|"[^"@\n]{{1,64}}+"@{_DOMAIN}'
    rf"|(?<!{_LOCAL}){_LOCAL}++@\[[0-9A-Fa-f.:]++\]"
)
_PIECE = r"[^\W_][\w-]*+"
_SPELLED = re.compile(
    rf"(?<![\w.+-])[\w.+-]++(?: ?[\[({{<] ?(?:at|arroba|chez|@) ?[\])}}>] ?| (?:at|arroba) ){_PIECE}"
    rf"(?:(?: ?[\[({{<] ?(?:dot|punkt|point|punto|\.) ?[\])}}>] ?| (?:dot|punkt|punto) |\.){_PIECE})++",
    re.IGNORECASE,
)


_SURE = re.compile(
    r"[\[({<]|(?:gmail|googlemail|outlook|hotmail|yahoo|icloud|proton|protonmail|gmx|web|aol|live|yandex|qq|163)\.\w+\Z",
    re.IGNORECASE,
)


class Mail:
    """Mail addresses, also those spelled with "at" and "dot"."""

    name = "mail"

    def find(self, text: str) -> Iterator[Finding]:
        if "@" in text:
            for match in _MAIL.finditer(text):
                yield Finding(match.end() - len(_own(match[0])), match.end(), "EMAIL")
        for match in _SPELLED.finditer(text):
            if "." not in match[0] or _SURE.search(match[0]):  # "look at example.com" is prose
                yield Finding(*match.span(), "EMAIL")


def _own(found: str) -> str:
    """A mail address without what stands before it: quotes, marks, the rest of a URL."""
    local = found.partition("@")[0]
    if "=" in local or "?" in local:
        found = found[max(local.rfind(char) for char in "=?&/") + 1 :]
    return found.lstrip("'`*_.~|{!#$%&?/=^")


_RUN = re.compile(r"(?:\+ ?|(?<!\d))\(?\d(?:[ \t\r\n()./\-\u00b7]{0,3}+\d){5,}+")
_NATIONAL = re.compile(
    r"\(?\d{3}\)?[ .\-]{0,2}\d{3}[ .\-]\d{4}"  # North America
    r"|\(0\d{1,5}\)[ ./\-]{0,2}\d[\d ./\-]{3,14}"
    r"|0\d[\d ()./\-]{6,16}"
    r"|\(\d{2,5}\)[ .\-]{0,2}\d{3,5}[ .\-]?\d{3,5}"
    r"|[6-9]\d{2}(?: \d{3}){2}|[6-9]\d{2}(?: \d{2}){3}|[67]\d{8}"  # Spain and others without a leading zero
    r"|[2-9]\d(?: \d\d){3}|[2-9]\d\d \d{3} \d{3}|(?!(?:19|20)\d\d-(?:19|20)\d\d)[2-9]\d{3}[ -]\d{4}"
    r"|8 ?\(\d{3,4}\)[\d \-]{6,10}|[6-9]\d{4}[ \-]?\d{5}|1[3-9]\d[ \-]?\d{4}[ \-]?\d{4}"
)
_TELLS = re.compile(
    r"\b(?:tele?phone|phone|phones|ph|tel|telp|telefon\w*|t[eé]l[eé]fono?s?|t[eé]l[eé]phone|t[eé]l|tlf|telem[oó]vel|gsm|natel|"
    r"mobile?|mobil|mob|m[oó]vil|cell\w*|call|calls|ring|fax|sms|text|whatsapp|signal|dial|handy\w*|rufnummer|r[üu]ckruf\w*|"
    r"anrufen|ruf|rufen|appel\w*|portable|ll[aá]m\w+|celular|telefone|ligar|cellulare|chiama\w*|bel|numer|zadzwo\w+|"
    r"reach|contact|puhelin\w*|cep|numaram|nomor|hp|đt|sđt|тел|моб|"
    r"(?:my|his|her|our|your|meine?|mon|mi|mio|meu|mijn|mój|mitt?|min) (?:num(?:ber|mer|[eé]ro)|n[uú]mero))\b"
    r"\W[^\n]{0,24}\Z"
    r"|(?:телефон|звон|мой номер|电话|電話|手机|手機|携帯|전화|휴대폰|핸드폰|هاتف|جوال|"
    r"फोन|मोबाइल|τηλ[εέ]φων|κινητ|טלפון|נייד|điện thoại|โทร|เบอร์)[^\n]{0,25}\Z",
    re.IGNORECASE,
)
_EXTENSION = re.compile(
    r"(?: ?x|,? ?(?:ext(?:ension)?|extn|poste|durchwahl|anexo|ramal|доб)\.?:? ?|,? ?#)(\d{1,6})(?!\w)",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"(?:19|20)\d\d([-./])[01]?\d\1[0-3]?\d(?!\d)|[0-3]?\d([-./])[01]?\d\2(?:19|20)?\d\d(?!\d|[-./]\d)"
)


class Phone:
    """Phone numbers: international ones, national forms, and any number after a word such as "tel"."""

    name = "phone"

    def find(self, text: str) -> Iterator[Finding]:
        for match in _RUN.finditer(text):
            if _is_phone(match[0], text[max(0, match.start() - 40) : match.start()], text[match.end() :][:1]):
                more = _EXTENSION.match(text, match.end())
                yield Finding(match.start(), more.end() if more else match.end(), "PHONE")
            elif len(match[0]) > 16:
                yield from _within(match)


def _is_phone(found: str, before: str, after: str) -> bool:
    found = found[found.count("(") > found.count(")") :] if found[0] == "(" else found
    digits = sum(char.isdigit() for char in found)
    if found[0] == "+" or found.startswith(("00", "(+", "(00")):
        return 7 <= digits <= 17 and not found.lstrip("(+ ").startswith("0.")
    if digits > 15 or _DATE.match(found):
        return False
    if _NATIONAL.fullmatch(found) and digits >= 7 and not _is_amount(found, before):
        return True
    return _TELLS.search(before) is not None and after not in ("%", "€", "$")


def _is_amount(found: str, before: str) -> bool:
    """A decimal number, the middle of an identifier, or money."""
    if found.count(".") == 1 and not any(char in found for char in " ()/-"):
        return True
    last = before[-2:]
    return (
        last[-1:] in ("_", "$", "€", "£", "#")
        or last[-1:].isalpha()
        or (last[:1].isdigit() and last[1:] in (",", "."))
    )


_INNER = re.compile(
    r"(?:\+|(?<!\d)00)\d(?:[ ./()\-]{0,2}+\d){6,14}|(?<!\d)\(?\d{3}\)?[ .\-]\d{3}[ .\-]\d{4}(?!\d)"
)


def _within(run: re.Match[str]) -> Iterator[Finding]:
    """Phone numbers among other numbers that stand close by."""
    for match in _INNER.finditer(run[0]):
        yield Finding(run.start() + match.start(), run.start() + match.end(), "PHONE")
