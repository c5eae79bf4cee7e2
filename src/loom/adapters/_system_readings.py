"""What psutil reads of this machine. A leaf."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import psutil

MOST = 1000


class Running(NamedTuple):
    """One process, told apart from a later one with the same number by when it was started (Unix milliseconds)."""

    pid: int
    started_ms: int
    name: str


def metrics(disks: Sequence[str]) -> dict[str, Any]:
    """Percentages, bytes, degrees Celsius; None for what this machine does not have. CPU: since the last call."""
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    return {
        "cpu": psutil.cpu_percent(None),
        "cpus": psutil.cpu_count() or 1,
        "memory": {"total": memory.total, "available": memory.available, "percent": memory.percent},
        "swap": {"total": swap.total, "used": swap.used, "percent": swap.percent},
        "disks": {path: _disk(path) for path in disks},
        "battery": _battery(),
        "temperatures": _temperatures(),
    }


def traffic() -> tuple[int, int]:
    """Bytes sent and received since the machine was started."""
    counted = psutil.net_io_counters()
    return (0, 0) if counted is None else (counted.bytes_sent, counted.bytes_recv)


def running(patterns: Sequence[str]) -> frozenset[Running]:
    """The processes whose names match, at most a thousand, the oldest numbers first."""
    found = set()
    for process in psutil.process_iter(["name", "create_time"]):
        name, started = process.info["name"] or "", process.info["create_time"] or 0.0
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            found.add(Running(process.pid, round(started * 1000), name))
            if len(found) >= MOST:
                break
    return frozenset(found)


def _disk(path: str) -> dict[str, Any] | None:
    try:
        usage = psutil.disk_usage(path)
    except OSError:
        return None
    return {"total": usage.total, "free": usage.free, "percent": usage.percent}


def _battery() -> dict[str, Any] | None:
    read = getattr(psutil, "sensors_battery", None)
    battery = _tried(read)
    return None if battery is None else {"percent": battery.percent, "plugged": battery.power_plugged}


def _temperatures() -> dict[str, float]:
    found = _tried(getattr(psutil, "sensors_temperatures", None)) or {}
    return {
        f"{chip}.{each.label or number}": each.current
        for chip, sensors in found.items()
        for number, each in enumerate(sensors)
    }


def _tried(read: Any) -> Any:
    try:
        return None if read is None else read()
    except (OSError, RuntimeError, ValueError):  # a sensor that is listed and cannot be read
        return None
