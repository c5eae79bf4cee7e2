"""How much memory this process has."""

from __future__ import annotations

import resource
import sys


def resident() -> int:
    """Resident bytes now; where the system does not tell, the most there have been."""
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
