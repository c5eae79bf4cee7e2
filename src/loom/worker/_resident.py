"""How much memory a process has."""

from __future__ import annotations

import os


def resident(pid: int) -> int:
    """Resident bytes of process *pid*, 0 when the system does not tell."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")
    except (OSError, ValueError, IndexError):
        return 0
