"""The numbers of one queue at one moment."""

from __future__ import annotations

from typing import NamedTuple

from loom.event import QoS


class QueueStatistics(NamedTuple):
    """A snapshot of one queue. Counts are events since it was made; ``dropped_by`` says why.

    ``waiting`` are publishers in line, ``errors`` what a filter or an aggregate of the subscriber has raised.
    """

    name: str
    qos: QoS
    capacity: int
    offered: int
    accepted: int
    refused: int
    queued: int
    in_flight: int
    delivered: int
    merged: int
    dropped: int
    expired: int
    cancelled: int
    waiting: int
    dropped_by: dict[str, int]
    errors: int = 0

    def balanced(self) -> bool:
        """Whether the law of the queue holds."""
        ends = self.delivered + self.merged + self.dropped + self.expired + self.cancelled
        return (
            self.offered == self.accepted + self.refused
            and self.accepted == self.queued + self.in_flight + ends
            and min(self.queued, self.in_flight, self.refused, ends) >= 0
        )
