"""The thin layer to devices, systems and protocols: sources of events and sinks for actions."""

from loom.adapters.source import Source, source

__all__ = ["Source", "source"]
