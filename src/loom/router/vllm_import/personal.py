"""The kinds of personal data of an imported policy, and those that the router's own detectors find."""

from __future__ import annotations

from functools import cache

from loom.privacy import Detector, make_detectors

NAMES = {
    "CREDIT_CARD": "CARD", "EMAIL_ADDRESS": "EMAIL", "IBAN_CODE": "IBAN", "IP_ADDRESS": "IP", "PHONE_NUMBER": "PHONE",
    "STREET_ADDRESS": "ADDRESS",
}  # fmt: skip
SEEN = 65_536
"""Characters of a text that are looked through: the last ones."""


def loom_kinds(allowed: set[str]) -> frozenset[str]:
    """The kinds that are found and not *allowed* in a text."""
    return frozenset(kind for name, kind in NAMES.items() if name not in allowed)


def kinds_in(text: str) -> frozenset[str]:
    """The kinds of personal data in *text*."""
    seen = text[-SEEN:]
    return frozenset(found.kind for detector in _detectors() for found in detector.find(seen))


@cache
def _detectors() -> list[Detector]:
    return make_detectors(("core",))
