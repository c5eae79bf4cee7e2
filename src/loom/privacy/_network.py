"""Addresses of machines: IP addresses, of either version, and MAC addresses."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from loom.privacy.finding import Finding

_FOUR = re.compile(r"(?<!\w)(?<!\d\.)\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)")
_SIX = re.compile(
    r"(?:(?<![\w:.])|(?<=[G-Zg-z]:)|(?<=[Vv]6:))[0-9A-Fa-f]{0,4}+(?::[0-9A-Fa-f]{0,4}+){2,8}+(?:(?:\.\d{1,3}){3})?(?![\w:])"
)
_MAC = re.compile(
    r"(?<![\w-])(?<![:-][0-9A-Fa-f]{2}[:-])(?<![^\w:-][0-9A-Fa-f]{2}[:-])"  # "MAC:", but in no longer row of pairs
    r"(?:[0-9A-Fa-f]{2}(?:([:-])[0-9A-Fa-f]{2})(?:\1[0-9A-Fa-f]{2}){4}|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4})"
    r"(?!\w|[:-][0-9A-Fa-f]{2})"
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
