"""What happened, for whoever wants to know: observers, counters and histograms of the standard library alone."""

from loom.telemetry.histogram import Histogram
from loom.telemetry.observer import Observer, Observers

__all__ = ["Histogram", "Observer", "Observers"]
