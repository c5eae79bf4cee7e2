"""What a queue does when it is full: the policies, and which of them go with which QoS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from loom.errors import ConfigError
from loom.event import Event, QoS

Overflow = Literal["drop_oldest", "drop_newest", "latest", "sample", "aggregate", "wait"]
OVERFLOWS = ("drop_oldest", "drop_newest", "latest", "sample", "aggregate")
Aggregate = Callable[[Event, Event], Event]


class Policy(NamedTuple):
    """The settings of one queue."""

    name: str
    qos: QoS
    capacity: int
    overflow: Overflow
    sample: int
    aggregate: Aggregate | None
    shed_at: int | None

    def checked(self) -> Policy:
        """These settings; raises ConfigError when they contradict each other."""
        for what, number in (("capacity", self.capacity), ("sample", self.sample), ("shed_at", self.shed_at)):
            if number is not None and (type(number) is not int or number < 1):
                raise ConfigError(
                    f"{what} of {self.name!r} must be a whole number of at least 1, not {number!r}"
                )
        if self.overflow == "aggregate" and not callable(self.aggregate):
            raise ConfigError(
                f"{self.name!r} uses overflow='aggregate' and needs aggregate=function(old, new)"
            )
        return self


def resolve_overflow(name: str, qos: QoS, overflow: Overflow | None) -> Overflow:
    """The policy that a queue of *qos* follows; raises ConfigError for one that has no meaning there."""
    if qos is not QoS.REALTIME:
        if overflow not in (None, "wait"):
            raise ConfigError(
                f"{name!r} is {qos}: its publishers wait and nothing is lost, so overflow={overflow!r} "
                "has no meaning; use qos=QoS.REALTIME for it"
            )
        return "wait"
    if overflow is not None and overflow not in OVERFLOWS:
        raise ConfigError(
            f"no overflow policy {overflow!r} for the realtime queue {name!r}; use one of {', '.join(OVERFLOWS)}"
        )
    return overflow or "drop_oldest"


def resolve_qos(name: str, qos: QoS) -> QoS:
    """*qos*, also given as its word; raises ConfigError for anything else."""
    try:
        return QoS(qos)
    except ValueError:
        raise ConfigError(f"no QoS {qos!r} for {name!r}; use one of {', '.join(QoS)}") from None
