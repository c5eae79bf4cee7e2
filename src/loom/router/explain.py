"""A decision in words: what came of it, and what was found about each candidate. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

WENT = {
    "local": "answered here",
    "cloud": "sent elsewhere",
    "hybrid": "asked here and elsewhere",
    "local_fallback": "answered here, though better was wanted",
    "defer": "deferred",
    "drop": "refused",
}
MANNERS = {
    "cascade": "one after the other until one is sure",
    "speculative": "here at once, refined elsewhere",
    "hedged": "the second too when the first is late",
}
HEADS = ("backend", "where", "quality", "p95", "cost")

MINUTE = 60_000  # ms


class Row(NamedTuple):
    """One candidate: its place in the order of those that are asked (0: refused), figures as text, and why."""

    place: int
    backend: str
    where: str
    quality: str
    latency: str
    cost: str
    why: str


def rows(decision: Mapping[str, Any]) -> list[Row]:
    """The candidates in ``Decision.facts()``: those that are asked first, in their order, then those refused."""
    order = [str(each) for each in decision.get("order", ())]
    found = [_row(each, order) for each in decision.get("verdicts", ()) if isinstance(each, Mapping)]
    return sorted(found, key=lambda row: row.place or len(order) + 1)


def _row(verdict: Mapping[str, Any], order: Sequence[str]) -> Row:
    name, rule = str(verdict.get("backend", "")), str(verdict.get("rule", ""))
    place = order.index(name) + 1 if name in order else 0
    why = str(verdict.get("why", ""))
    told = f"{'taken' if place else rule}: {why}" + (", redacted" if verdict.get("redact") else "")
    latency, cost, quality = (verdict.get(key) for key in ("latency_ms", "cost", "quality"))
    return Row(
        place, name, str(verdict.get("location", "")), _figure(quality, "{:.2f}"), _time(latency),
        "free" if cost == 0 else _figure(cost, "{:.4g}"), told,
    )  # fmt: skip


def _figure(value: object, form: str) -> str:
    return form.format(value) if isinstance(value, int | float) and not isinstance(value, bool) else "?"


def _time(ms: object) -> str:
    if isinstance(ms, int | float) and ms >= MINUTE:
        return _figure(ms / 1000, "{:.4g} s")
    return _figure(ms, "{:,.0f} ms")


def table(decision: Mapping[str, Any], width: int = 100) -> list[str]:
    """Lines of at most *width* columns (40 or more): where it goes and why, then a row for each candidate."""
    lines = [line for text in _heads(decision) for line in _wrapped(text, width)]
    found = rows(decision)
    if not found:
        return [*lines, "", "no backend was a candidate"]
    names = min(max(7, *(len(row.backend) for row in found)), max(7, width - 46))
    lines += ["", _line("  ", HEADS, names)]
    for row in found:
        mark = f"{row.place} " if row.place else "- "
        lines.append(_line(mark, row[1:6], names))
        lines += [f"  {line}" for line in _wrapped(row.why, width - 2)]
    return lines


def _heads(decision: Mapping[str, Any]) -> Iterator[str]:
    route = str(decision.get("route", ""))
    profile = f", profile {decision['profile']}" if decision.get("profile") else ""
    manner = MANNERS.get(str(decision.get("manner", "")))
    how = f" ({decision['manner']}: {manner})" if manner else ""
    yield f"{decision.get('task')}, {decision.get('label')}: {WENT.get(route, route)}{how}"
    yield f"because {decision.get('why')} (rule {decision.get('rule')}{profile})"
    if decision.get("retry_after") is not None:
        yield f"somebody may be there again in {decision['retry_after']:.3g} s"


def _line(mark: str, cells: Sequence[str], names: int) -> str:
    name, where, quality, latency, cost = cells
    return f"{mark}{name[:names]:{names}}  {where:6}{quality:>8}{latency:>12}{cost:>10}"


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False) or [""]
