"""The kinds of personal data of an imported policy, and those that the router's own detectors find."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from loom.errors import MissingExtra
from loom.privacy import Detector, make_detectors

NAMES = {
    "CREDIT_CARD": "CARD", "EMAIL_ADDRESS": "EMAIL", "IBAN_CODE": "IBAN", "IP_ADDRESS": "IP", "PHONE_NUMBER": "PHONE",
    "STREET_ADDRESS": "ADDRESS", "US_SSN": "ID",
}  # fmt: skip
SEEN = 65_536
"""Characters of a text that are looked through: the last ones."""


def loom_kinds(allowed: set[str]) -> frozenset[str]:
    """The kinds that are found and not *allowed* in a text."""
    return frozenset(kind for name, kind in NAMES.items() if name not in allowed)


def kinds_in(text: str, detectors: Iterable[Detector]) -> frozenset[str]:
    """The kinds of personal data that *detectors* find in *text*."""
    seen = text[-SEEN:]
    return frozenset(found.kind for detector in detectors for found in detector.find(seen))


@cache
def detectors() -> tuple[Detector, ...]:
    """Those of the core, and of identity papers where python-stdnum is installed; the first call reads files."""
    try:
        return tuple(make_detectors(("core", "stdnum")))
    except MissingExtra:
        return tuple(make_detectors(("core",)))
