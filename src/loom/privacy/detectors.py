"""The detectors by name: what the core has, and what an extra brings."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from difflib import get_close_matches

from loom.errors import ConfigError, MissingExtra
from loom.privacy._contacts import Mail, Phone
from loom.privacy._keys import Keys
from loom.privacy._network import Network
from loom.privacy._numbers import Card, Iban, SocialSecurity
from loom.privacy._streets import Street
from loom.privacy.finding import Detector

CORE: dict[str, type[Detector]] = {
    "mail": Mail, "phone": Phone, "card": Card, "iban": Iban, "ssn": SocialSecurity, "keys": Keys, "address": Street,
    "network": Network,
}  # fmt: skip
EXTRA = {"stdnum": "loom.privacy._stdnum", "presidio": "loom.privacy._presidio"}
"""Detectors of the extra ``privacy``, and the modules they are in."""


def make_detectors(names: Sequence[str] = ("core",)) -> list[Detector]:
    """The detectors called *names*, of CORE or EXTRA; "core" is all of CORE.

    Raises ConfigError for a name that there is not, MissingExtra for one whose package is not installed.
    """
    wanted = [each for name in names for each in (CORE if name == "core" else (name,))]
    return [_make(name) for name in dict.fromkeys(wanted)]


def _make(name: str) -> Detector:
    if name in CORE:
        return CORE[name]()
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
