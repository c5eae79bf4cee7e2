"""The agent that runs a query: its state, its position and its timer are those of any other agent."""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar

from loom.agent import Agent, Context, on
from loom.agent.agent import check_name
from loom.event import Event, QoS
from loom.event.topic import check_topic, matches
from loom.queries import _partitions
from loom.queries._partitions import Turn
from loom.queries.pattern import Pattern
from loom.queries.query import Match, Query, State


class QueryAgent(Agent):
    """Holds the partitions of one query; ``found`` counts matches, ``lost`` why events were not used."""

    _query: ClassVar[Query[State]]
    _topic: ClassVar[str]

    parts: dict[str, State] = {}
    dues: dict[str, int] = {}
    found: int = 0
    lost: dict[str, int] = {}
    timer: str = ""
    due: int = 0

    def _take(self, event: Event, ctx: Context) -> None:
        turn = _partitions.take(self._query, self.parts, self.dues, event, ctx.now_ms())
        self._tell(turn, ctx)
        self._set_timer(ctx)

    def _ring(self, event: Event, ctx: Context) -> None:
        if event.source != ctx.agent:  # another agent of this class
            return
        if event.payload == self.due:
            self.timer, self.due = "", 0
        for turn in _partitions.ring(self._query, self.parts, self.dues, event.payload):
            self._tell(turn, ctx)
        self._set_timer(ctx)

    def _tell(self, turn: Turn, ctx: Context) -> None:
        if turn.lost:
            self.lost = dict(Counter(self.lost) + Counter(turn.lost))
        self.found += len(turn.matches)
        fields = _key_fields(self._query.by, turn.key) if turn.key else {}
        for match in turn.matches:
            payload = {"query": self._query.kind, "key": turn.key or None, **_as_payload(match)}
            ctx.publish(self._topic, payload, type="match", timestamp_ms=ctx.now_ms(), **fields)

    def _set_timer(self, ctx: Context) -> None:
        due = min(self.dues.values(), default=0)
        if due == self.due:
            return
        if self.timer:
            ctx.cancel_timer(self.timer)
        self.due, self.timer = due, ctx.at(due, _due_topic(type(self)), due) if due else ""


def query_agent(
    query: Query[Any],
    *,
    name: str,
    topic: str | None = None,
    qos: QoS = QoS.BATCHED,
    durable: bool = True,
) -> type[Agent]:
    """An agent class that runs *query* and publishes each match, an event of type ``match``, on *topic*.

    The topic is ``loom.query.<name>`` unless said. The payload holds ``events`` (each with ``topic``, ``id``,
    ``payload`` and ``timestamp_ms``, in order of time), ``key`` (of the partition), ``since_ms``, ``until_ms`` and
    ``value``. *qos* and *durable* are those of its subscriptions, as in ``@on``. Raises ConfigError, InvalidTopic.
    """
    topic = check_topic(topic or f"loom.query.{check_name(name)}")

    async def observe(self: QueryAgent, event: Event, ctx: Context) -> None:
        self._take(event, ctx)

    async def ring(self: QueryAgent, event: Event, ctx: Context) -> None:
        self._ring(event, ctx)

    for number, pattern in enumerate(query.patterns):
        only = _not_before(query.patterns[:number], pattern)
        observe = on(pattern.topic, qos=qos, where=only, durable=durable)(observe)
    body: dict[str, Any] = {
        "__doc__": f"Runs a {query.kind} and publishes on {topic}.",
        "__module__": __name__,
        "__annotations__": {"parts": dict[str, query.state]},  # type: ignore[name-defined]
        "parts": {},
        "observe": observe,
        "ring": on(f"loom.timer.{name}.ring", qos=qos, durable=durable)(ring),
        "_query": query,
        "_topic": topic,
    }
    outbox = 2 * _partitions.AT_ONCE + 2 * query.limit  # one partition may find as much as it remembers
    return type(f"Query_{name}", (QueryAgent,), body, name=name, outbox=outbox)


def _due_topic(cls: type[QueryAgent]) -> str:
    return f"loom.timer.{cls._options['name']}.ring"


def _not_before(earlier: tuple[Pattern, ...], pattern: Pattern) -> Any:
    """A filter for the events of *pattern* that come by no earlier subscription of the same query."""
    others = [tuple(p.topic.split(".")) for p in earlier]
    if not others:
        return None
    return lambda event: not any(matches(other, event.topic.split(".")) for other in others)


def _key_fields(by: str | None, key: str) -> dict[str, Any]:
    """What tells a keyed agent which of its instances a match is for: the key itself, and where the query found it."""
    field, _, name = (by or "").partition(".")
    return {"key": key, "metadata": {name: key}} if field == "metadata" else {"key": key}


def _as_payload(match: Match) -> dict[str, Any]:
    events = [
        {"topic": s.topic, "id": s.id, "payload": s.payload, "timestamp_ms": s.timestamp_ms}
        for s in match.events
    ]
    return {
        "events": events,
        "since_ms": match.since_ms,
        "until_ms": match.until_ms,
        "value": match.value,
    }
