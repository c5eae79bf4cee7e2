"""Quality of service: what a subscriber promises the flow it takes, and what the flow may expect."""

from __future__ import annotations

from enum import StrEnum


class QoS(StrEnum):
    """How urgent a subscriber's events are; chosen by the subscriber, never by the publisher.

    ``REALTIME`` is served first and may shed, ``BATCHED`` and ``BACKGROUND`` make the publisher wait and lose nothing.
    """

    REALTIME = "realtime"
    BATCHED = "batched"
    BACKGROUND = "background"

    @property
    def default_capacity(self) -> int:
        """Events a queue of this class holds unless told otherwise: 64, 1024, 4096."""
        return _CAPACITY[self]

    @property
    def rank(self) -> int:
        """0 for the most urgent class, 2 for the least."""
        return _RANK[self]


_CAPACITY = {QoS.REALTIME: 64, QoS.BATCHED: 1024, QoS.BACKGROUND: 4096}
_RANK = {QoS.REALTIME: 0, QoS.BATCHED: 1, QoS.BACKGROUND: 2}
