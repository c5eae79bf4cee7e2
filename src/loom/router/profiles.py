"""Profiles: policies with names, from which a runtime or a single request picks one."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Protocol

from loom.bus import Bus, Queue
from loom.errors import ConfigError
from loom.event import Event, QoS
from loom.router.policy import Policy

log = logging.getLogger("loom.router")
TOPIC = "loom.router.profile"
"""What is published here changes the profile while it runs."""
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


class Follows(Protocol):
    """A router, as far as profiles are concerned."""

    policy: Policy

    @property
    def profiles(self) -> Mapping[str, Policy]: ...


def choose(router: Follows, name: object) -> str:
    """Have *router* follow the profile called *name* from now on; what to say of it. Raises ConfigError."""
    router.policy = profile_of(name, router.profiles)
    return f"the router follows profile {name!r} now"


def listen(bus: Bus, router: Follows) -> None:
    """Follow what is published on ``loom.router.profile`` from now on: ``{"profile": NAME}``.

    What is untrusted, or names no profile, is logged and changes nothing.
    """
    queue = Queue(TOPIC, QoS.REALTIME, 16)

    def follow() -> None:
        for event in queue.take_batch(16, 0):
            _follow(router, event)
        queue.settle()

    queue.notify = follow
    bus.attach(TOPIC, queue)


def _follow(router: Follows, event: Event) -> None:
    told = event.payload
    try:
        if event.label.untrusted:
            raise ConfigError("its label is untrusted")
        log.info("%s", choose(router, told.get("profile") if isinstance(told, Mapping) else told))
    except ConfigError as error:
        log.warning("an event on %s was not followed: %s (event %s)", TOPIC, error, event.id)
