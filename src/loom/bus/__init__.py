"""The event bus: topics to bounded queues, with quality of service and backpressure."""

from loom.bus._policy import OVERFLOWS, Overflow
from loom.bus._queue import Queue
from loom.bus._route import Entry
from loom.bus._statistics import QueueStatistics
from loom.bus._ticket import Ticket
from loom.bus._ticketing import Line
from loom.bus.bus import Bus
from loom.bus.spool import Spool
from loom.bus.subscription import Subscription

__all__ = [
    "OVERFLOWS",
    "Bus",
    "Entry",
    "Line",
    "Overflow",
    "Queue",
    "QueueStatistics",
    "Spool",
    "Subscription",
    "Ticket",
]
