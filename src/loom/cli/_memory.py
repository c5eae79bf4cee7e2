"""How much memory a process of ours uses."""

from __future__ import annotations

import os
import resource
import sys


def memory_of(pid: int) -> int:
    """Resident bytes of a process that are its own (anonymous and file, shared memory apart); 0 when unknown."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
            lines = dict(line.split(":", 1) for line in status if line.startswith(("RssAnon", "RssFile")))
        return sum(int(value.split()[0]) for value in lines.values()) * 1024
    except (OSError, ValueError):
        return _own() if pid == os.getpid() else 0


def _own() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
