"""The cloud of `loom demo voice --cloud URL`: a second chat model elsewhere, and when it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loom.event import Confidentiality, Label

QUALITY_HERE, QUALITY_THERE = 0.6, 0.9
"""What is expected of the small model here, which is below what is wanted, and of the one there."""
ESCALATE = 0.75
"""The confidence of the local answer with which the cloud is not asked."""
PRIVATE = ("pin", "password", "passcode", "secret", "private", "diagnosis", "doctor")
"""Words with which a question does not leave, whatever else it says."""
SPOKEN = Label(Confidentiality.SENSITIVE)
"""The label of what a microphone hears: it may leave, redacted."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """A server at *url* that speaks OpenAI's API, its *key* (``env:NAME``, ``file:PATH``) and its *model*."""

    url: str
    key: str = ""
    model: str = ""


def backend(cloud: Cloud) -> Any:
    """The model behind *cloud*; raises ConfigError, MissingExtra."""
    from loom.adapters.openai import openai

    return openai(
        "cloud", url=cloud.url, key=cloud.key, model=cloud.model, clearance="sensitive", quality=QUALITY_THERE,
        price={"million_in": 0.15, "million_out": 0.6},
    )  # fmt: skip


def policy() -> Any:
    """Hybrid: the local model answers first, the cloud when that is not sure; some words stay here."""
    from loom.router.policy import Policy
    from loom.router.rules import Rule, When

    private = Rule(
        "private words", When(tasks=("chat",), keywords=PRIVATE), route="local",
        why="it is about something that stays at home",
    )  # fmt: skip
    return Policy(
        threshold=0.8, band=0.4, hybrid="cascade", escalate=ESCALATE, rules=(private,), name="voice"
    )


def decided(payload: dict[str, Any]) -> str:
    """A decision on a chat as one line."""
    order = " then ".join(payload["order"]) or "nobody"
    hidden = " (redacted)" if any(each["redact"] and each["taken"] for each in payload["verdicts"]) else ""
    return f"{payload['route']}: {order}{hidden}; {payload['why']}"


def verdicts(payload: dict[str, Any]) -> list[str]:
    """What was found about each candidate, a line each."""
    return [
        f"{each['backend']:8} {'taken  ' if each['taken'] else 'refused'} {_estimates(each)}  {each['why']}"
        for each in payload["verdicts"]
    ]


def _estimates(verdict: dict[str, Any]) -> str:
    quality, cost, latency = verdict["quality"], verdict["cost"], verdict["latency_ms"]
    cells = (
        f"quality {'?' if quality is None else f'{quality:.2f}':>4}",
        f"cost {'?' if cost is None else f'{cost:.6f}':>8}",
        f"{'?' if latency is None else f'{latency:,.0f}':>6} ms",
    )
    return "  ".join(cells)


def ended(payload: dict[str, Any]) -> str:
    """What became of it as one line."""
    spent = f", cost {payload['cost']:.6f}" if payload.get("cost") else ""
    took = payload.get("total_ms")
    time = f" in {took:,.0f} ms" if isinstance(took, int | float) else ""
    return f"{payload['outcome']} by {payload['backend'] or 'nobody'}{time}{spent}"
