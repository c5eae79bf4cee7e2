"""Payment cards and bank accounts, told from other numbers by their check digits."""

from __future__ import annotations

import re
from collections.abc import Iterator

from loom.privacy.finding import Finding

_GAP = r"[ \t\r\n.\-_/,:|+\u00b7]{0,3}+"
_RUN = re.compile(rf"(?<![\d])\d(?:{_GAP}\d){{12,}}+")
_GROUP = re.compile(r"\d+")
_ISSUERS = re.compile(r"4|5[0-9]|2[2-7]|2131|3[045678]|6[0-9]|8[16]|9[27]|1[78]00")
SIZES = range(13, 20)
"""How many digits a card has (ISO/IEC 7812-1)."""
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def luhn(digits: str) -> bool:
    """Whether the last of *digits* is their check digit (Luhn, US patent 2950048, 1960)."""
    even = sum(map(int, digits[-1::-2]))
    return (even + sum(_DOUBLED[int(digit)] for digit in digits[-2::-2])) % 10 == 0


class Card:
    """Payment cards: 13 to 19 digits with a check digit, in groups or not, also among other numbers."""

    name = "card"

    def find(self, text: str) -> Iterator[Finding]:
        for run in _RUN.finditer(text):
            groups = [group.span() for group in _GROUP.finditer(text, run.start(), run.end())]
            for first in range(len(groups)):
                yield from _cards(text, groups, first)


def _cards(text: str, groups: list[tuple[int, int]], first: int) -> Iterator[Finding]:
    """Cards that begin with the group *first*."""
    start, digits = groups[first][0], ""
    for begin, end in groups[first : first + SIZES[-1]]:
        if len(digits) + end - begin > SIZES[-1]:
            return
        digits += text[begin:end]
        if len(digits) in SIZES and _ISSUERS.match(digits) and len(set(digits)) > 1 and luhn(digits):
            yield Finding(start, end, "CARD")


_SSN = re.compile(r"(?<![\w-])(?!000|666|9\d\d)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\w-])")


class SocialSecurity:
    """Social security numbers of the United States, with their dashes; those of other states are stdnum's."""

    name = "ssn"

    def find(self, text: str) -> Iterator[Finding]:
        for match in _SSN.finditer(text):
            yield Finding(*match.span(), "ID")


_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[ -]?\d{2}(?:[ \t\r\n\-./\u00b7]{0,2}+[A-Za-z0-9]){11,40}+")
_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29,
    "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29,
    "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28,
    "HN": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20,
    "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19,
    "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29,
    "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24,
    "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
    "YE": 30,
}  # fmt: skip


def mod97(number: str) -> bool:
    """Whether *number* (letters and digits) passes the check of ISO 13616: rearranged, its remainder by 97 is 1."""
    moved = (number[4:] + number[:4]).upper()
    return int("".join(str(int(char, 36)) for char in moved)) % 97 == 1


class Iban:
    """Bank accounts (IBAN) of the registry's countries and lengths, in groups or not."""

    name = "iban"

    def find(self, text: str) -> Iterator[Finding]:
        for match in _IBAN.finditer(text):
            places = [
                at for at, char in enumerate(match[0], match.start()) if char.isascii() and char.isalnum()
            ]
            number = "".join(text[at] for at in places)
            size = _LENGTHS.get(number[:2].upper(), 0)
            if size and len(number) >= size and mod97(number[:size]):
                yield Finding(match.start(), places[size - 1] + 1, "IBAN")
