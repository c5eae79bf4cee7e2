"""The kinds of personal data of an imported policy, and those that the router's own detectors find."""

from __future__ import annotations

NAMES = {
    "CREDIT_CARD": "card", "EMAIL_ADDRESS": "email", "IBAN_CODE": "iban", "IP_ADDRESS": "ip", "PHONE_NUMBER": "phone",
    "STREET_ADDRESS": "address", "US_SSN": "ssn",
}  # fmt: skip


def loom_kinds(allowed: set[str]) -> frozenset[str]:
    """The kinds that are found and not *allowed* in a text."""
    return frozenset(kind for name, kind in NAMES.items() if name not in allowed)


def kinds_in(text: str) -> frozenset[str]:
    """The kinds of personal data in *text*."""
    return frozenset()
