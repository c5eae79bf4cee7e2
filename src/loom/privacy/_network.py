"""Addresses of machines: IP addresses, of either version, and MAC addresses."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from loom.privacy.finding import Finding

_FOUR = re.compile(r"\d(?<!\w.)(?<!\d\..)\d{0,2}(?:\.\d{1,3}){3}(?![\w]|\.\d)")
_SIX = re.compile(
    r"(?=[0-9A-Fa-f:]{2})(?:(?<![\w:.])|(?<=[G-Zg-z]:)|(?<=[Vv]6:))"
    r"[0-9A-Fa-f]{0,4}+(?::[0-9A-Fa-f]{0,4}+){2,8}+(?:(?:\.\d{1,3}){3})?(?![\w:])"
)
_PAIR = "[0-9A-Fa-f]{2}"
_MAC = re.compile(
    rf"{_PAIR}(?<![\w-]..)(?<![:-]{_PAIR}[:-]..)(?<![^\w:-]{_PAIR}[:-]..)"  # "MAC:", but in no longer row of pairs
    rf"(?:([:-]){_PAIR}(?:\1{_PAIR}){{4}}|{_PAIR}(?:\.{_PAIR}{_PAIR}){{2}})(?!\w|[:-]{_PAIR})"
)


class Network:
    """IP addresses but those of nobody (loopback, unspecified), and MAC addresses."""

    name = "network"

    def find(self, text: str) -> Iterator[Finding]:
        for pattern in (_FOUR, _SIX):
            for match in pattern.finditer(text):
                if _tells(match[0]) or (match[0][-1] == ":" and _tells(match[0][:-1])):
                    yield Finding(*match.span(), "IP")
        for match in _MAC.finditer(text):
            yield Finding(*match.span(), "MAC")


def _tells(found: str) -> bool:
    try:
        address = ipaddress.ip_address(found)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)
