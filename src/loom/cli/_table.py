"""The statistics of a running runtime as lines of text for any width from 40 columns. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from loom.cli._output import count, field, megabytes

LOSSES = ("merged", "expired", "cancelled", "refused")


class Growth:
    """Steps per second over the last few documents."""

    def __init__(self, readings: int = 6) -> None:
        self._seen: deque[tuple[float, int]] = deque(maxlen=readings)

    def __call__(self, seconds: float, steps: int) -> float:
        """The growth since the oldest document that is kept; over the whole life when there is only one."""
        at, before = self._seen[0] if self._seen else (0.0, 0)
        self._seen.append((seconds, steps))
        return (steps - before) / max(seconds - at, 1e-6)


def table(now: Mapping[str, Any], width: int, growth: Growth) -> list[str]:
    """The whole view."""
    speed = growth(now["seconds"], now["steps"])
    head = f"loom {now['name']} · {now['state']} · {_duration(now['seconds'])}"
    lines = [head[:width], ""]
    lines += field("steps", f"{count(now['steps'])}, {count(speed)}/s", width)
    actions = ", ".join(f"{count(n)} {how}" for how, n in now["actions"].items() if n) or "none"
    lines += field("actions", actions, width)
    lines += field(
        "dead", f"{count(now['dead_letters'])} letters, {count(now['unrouted'])} events nobody wanted", width
    )
    lines += field("memory", f"{megabytes(now['memory'])}, process {now['pid']}", width)
    return [
        *lines,
        "",
        *_agents(now, width),
        "",
        *_queues(now, width),
        *_sources(now, width),
        *_models(now, width),
    ]


def _agents(now: Mapping[str, Any], width: int) -> list[str]:
    lines = [f"{'agent':17}{'steps':>11}{'failed':>11}"]
    for name, agent in now["agents"].items():
        row = f"{name[:16]:17}{count(agent['committed']):>11}{count(agent['failed']):>11}"
        lines += _with(row, "" if agent["status"] == "running" else agent["status"], width)
    return lines


def _queues(now: Mapping[str, Any], width: int) -> list[str]:
    lines = [f"{'queue':17}{'waiting':>11}{'handled':>11}"]
    for queue in now["queues"]:
        depth = f"{count(queue['queued'])}/{count(queue['capacity'])}"
        row = f"{queue['name'][-16:]:17}{depth:>11}{count(queue['delivered']):>11}"
        losses = {**queue["dropped_by"], **{why: queue[why] for why in LOSSES}}
        lost = ", ".join(f"{count(number)} {why}" for why, number in losses.items() if number)
        lines += _with(row, lost, width)
    return lines


def _with(row: str, more: str, width: int) -> list[str]:
    """The row and what is to be said of it, below it where there is no room beside it."""
    if not more:
        return [row]
    return [f"{row}  {more}"] if len(row) + 2 + len(more) <= width else [row, f"  {more}"[:width]]


def _sources(now: Mapping[str, Any], width: int) -> list[str]:
    told = ", ".join(
        f"{name} {count(number)}{_more(now.get('senses', {}).get(name))}"
        for name, number in now["sources"].items()
    )
    return ["", *field("sources", told, width)] if told else []


def _more(source: Mapping[str, Any] | None) -> str:
    """What is to be said of a source beside what it published: that it is silent, what it shed."""
    if source is None:
        return ""
    status = "" if source["status"] in ("running", "stopped") else str(source["status"])
    shed = f"{count(source['shed'])} shed" if source["shed"] else ""
    told = ", ".join(word for word in (status, shed) if word)
    return f" ({told})" if told else ""


def _models(now: Mapping[str, Any], width: int) -> list[str]:
    told = []
    for name, model in now.get("models", {}).items():
        answered, deaths = model.get("answered", 0), model.get("deaths", 0)
        told.append(f"{name} {count(answered)} answers" + (f", died {deaths} times" if deaths else ""))
    return field("models", "; ".join(told), width) if told else []


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
