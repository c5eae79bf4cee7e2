"""What travels: events, topics, quality of service and labels. Standard library only."""

from loom.event.event import HOP_LIMIT, ROOT, Event, Origin
from loom.event.label import PUBLIC, Confidentiality, Label
from loom.event.qos import QoS

__all__ = ["HOP_LIMIT", "PUBLIC", "ROOT", "Confidentiality", "Event", "Label", "Origin", "QoS"]
