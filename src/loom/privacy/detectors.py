"""The detectors by name: what the core has, and what an extra brings."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from loom.errors import ConfigError, MissingExtra
from loom.privacy.finding import Detector, Finding

CORE = {
    "mail": ("loom.privacy._contacts", "Mail"),
    "phone": ("loom.privacy._contacts", "Phone"),
    "card": ("loom.privacy._numbers", "Card"),
    "iban": ("loom.privacy._numbers", "Iban"),
    "ssn": ("loom.privacy._numbers", "SocialSecurity"),
    "keys": ("loom.privacy._keys", "Keys"),
    "address": ("loom.privacy._streets", "Street"),
    "network": ("loom.privacy._network", "Network"),
}
"""Detectors that need the standard library only, and where they are."""
EXTRA = {"stdnum": "loom.privacy._stdnum", "presidio": "loom.privacy._presidio"}
"""Detectors of the extra ``privacy``, and the modules they are in."""


class CoreDetector:
    """The detector *name* of CORE; its patterns are compiled when it first looks at a text."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._made: Detector | None = None

    def find(self, text: str) -> Iterable[Finding]:
        """What it finds in *text*."""
        if self._made is None:
            module, kind = CORE[self.name]
            self._made = getattr(importlib.import_module(module), kind)()
        return self._made.find(text)


def make_detectors(names: Sequence[str] = ("core",)) -> list[Detector]:
    """The detectors called *names*, of CORE or EXTRA; "core" is all of CORE.

    Raises ConfigError for a name that there is not, MissingExtra for one whose package is not installed.
    """
    wanted = [each for name in names for each in (CORE if name == "core" else (name,))]
    return [_make(name) for name in dict.fromkeys(wanted)]


def _make(name: str) -> Detector:
    if name in CORE:
        return CoreDetector(name)
    if name not in EXTRA:
        near = get_close_matches(name, ["core", *CORE, *EXTRA], 1)
        hint = f"did you mean {near[0]!r}" if near else f"use core, {', '.join([*CORE, *EXTRA])}"
        raise ConfigError(f"there is no detector {name!r}; {hint}")
    try:
        detector: Detector = importlib.import_module(EXTRA[name]).make()
    except MissingExtra:
        raise
    except ImportError as error:
        raise MissingExtra("privacy", error.name or name) from error
    return detector
