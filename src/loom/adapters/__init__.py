"""The thin layer to devices, systems and protocols: sources of events and sinks for actions."""

from loom.adapters.host_adapter import HostAdapter
from loom.adapters.sink import ActionSink
from loom.adapters.source import EventSource, Out, Source, source

__all__ = ["ActionSink", "EventSource", "HostAdapter", "Out", "Source", "source"]
