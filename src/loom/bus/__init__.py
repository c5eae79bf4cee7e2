"""The event bus: topics to bounded queues, with quality of service and backpressure."""

from loom.bus._queue import OVERFLOWS, Overflow, Queue, QueueStatistics, Ticket
from loom.bus._route import Entry
from loom.bus.bus import Bus
from loom.bus.subscription import Subscription

__all__ = ["OVERFLOWS", "Bus", "Entry", "Overflow", "Queue", "QueueStatistics", "Subscription", "Ticket"]
