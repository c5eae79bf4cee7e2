"""For tests of agents: time that jumps, interleavings from a seed, probes, and a model that follows a script."""

from loom.testing._run import new_loom, run, run_until_idle, virtual_time
from loom.testing._virtual_loop import Stalled
from loom.testing.clock import VirtualClock
from loom.testing.fake_backend import FakeBackend
from loom.testing.probe import Probe

__all__ = [
    "FakeBackend",
    "Probe",
    "Stalled",
    "VirtualClock",
    "new_loom",
    "run",
    "run_until_idle",
    "virtual_time",
]
