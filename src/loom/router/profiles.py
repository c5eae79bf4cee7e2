"""Profiles: policies with names, from which a runtime or a single request picks one."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from loom.errors import ConfigError
from loom.router.policy import Policy

DEFAULT = "balanced"
PROFILES: Mapping[str, Policy] = {
    # here where that is good enough, here and there in a band below, else there
    "balanced": Policy(name="balanced"),
    # nothing leaves this device, redacted or not
    "private": Policy(remote=False, hybrid="off", name="private"),
    # the first good answer: the second backend is asked as soon as the first is slow
    "fast": Policy(threshold=0.6, band=0.3, hybrid="hedged", prefer="latency", name="fast"),
    # money is spent only on what is not sure enough here
    "cheap": Policy(threshold=0.5, band=0.3, hybrid="cascade", prefer="cost", name="cheap"),
    # whoever is expected to answer best; what nothing is known of here is not taken to be good
    "best": Policy(threshold=0.95, hybrid="off", unknown=0.5, name="best"),
}


def profile_of(name: object, profiles: Mapping[str, Policy] = PROFILES) -> Policy:
    """The policy called *name*; raises ConfigError with the nearest there is."""
    found = profiles.get(name) if isinstance(name, str) else None
    if found is None:
        near = get_close_matches(str(name), profiles, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(profiles)}"
        raise ConfigError(f"no profile {name!r:.60}; {hint}")
    return found
