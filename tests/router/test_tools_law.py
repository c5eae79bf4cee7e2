"""The law of the loop: whatever a model says, it ends, is told what is well formed, and does what is offered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from loom.errors import ActionDenied, ActionFailed, ActionTimeout, ModelError, SchemaMismatch, ToolLoop
from loom.router.tools import Tool, run, wish_of
from loom.router.tools._window import total

TOOLS = {
    "light_set": Tool(
        "light_set",
        "Switch a light.",
        {
            "type": "object",
            "properties": {"room": {"type": "string"}, "on": {"type": "boolean"}},
            "required": ["room"],
            "additionalProperties": False,
        },
        "light.set",
    ),
    "log_read": Tool("log_read", "Read the log.", {"type": "object", "properties": {}}, "log.read"),
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
GOOD = st.builds(
    lambda name, room, id: {"name": name, "arguments": {"room": room} if "light" in name else {}, "id": id},
    st.sampled_from(["light_set", "light.set", "log_read"]),
    st.sampled_from(["hall", "attic", "x" * 3000]),
    st.none() | st.sampled_from(["a", "b", ""]),
)
READS = st.builds(
    lambda ref, offset: {"name": "read_output", "arguments": {"ref": ref, "offset": offset}},
    st.sampled_from(["out-1", "out-2", "nothing"]),
    st.integers(-1, 10_000),
)
CALLS = st.lists(GOOD | READS | JSON, max_size=20)
REPLIES = st.fixed_dictionaries(
    {"text": st.none() | st.text(max_size=50)},
    optional={"tool_calls": CALLS | JSON, "stopped": st.just("tools")},
)
RESULTS = st.sampled_from([None, "ok", {"a": 1}, "long " * 1000, object(), b"x", ActionFailed("broken"),
                           ActionDenied("no"), ActionTimeout("late")])  # fmt: skip


class Hands:
    """Asks and does by a script."""

    def __init__(self, replies: list[Any], results: list[Any]) -> None:
        self.replies, self.results = replies, results
        self.asked: list[tuple[list[Mapping[str, Any]], Mapping[str, Any]]] = []
        self.done: list[tuple[str, Mapping[str, Any]]] = []
        self.refusals = 0

    async def ask(
        self, messages: Sequence[Mapping[str, Any]], timeout: float | None, options: Mapping[str, Any]
    ) -> Any:
        self.asked.append((list(messages), options))
        return self.replies[len(self.asked) % len(self.replies)]

    async def do(self, capability: str, arguments: Mapping[str, Any]) -> Any:
        self.done.append((capability, arguments))
        result = self.results[len(self.done) % len(self.results)]
        if isinstance(result, Exception):
            raise result
        return result

    def refused(self, tool: str, why: str) -> None:
        self.refusals += 1

    def asking(self, window: Mapping[str, Any]) -> None:
        assert window["tokens"] <= window["room"]

    def seconds(self) -> float:
        return 0.0


@given(
    st.lists(REPLIES, min_size=1, max_size=8),
    st.lists(RESULTS, min_size=1, max_size=5),
    st.integers(1, 12),
    st.booleans(),
)
def test_whatever_a_model_says_the_loop_ends_and_does_only_what_is_offered(
    replies: list[Any], results: list[Any], steps: int, typed: bool
) -> None:
    hands = Hands(replies, results)
    options: dict[str, Any] = {"actions": ["*"], "max_steps": steps, "context_tokens": 3000}
    wish = wish_of("do it", None, None, options | ({"schema": int} if typed else {}))
    stopped: ModelError | None = None
    try:
        answer = asyncio.run(run(hands, wish, dict(TOOLS)))
        assert isinstance(answer, int if typed else dict)
    except (ToolLoop, SchemaMismatch) as error:
        stopped = error
    assert len(str(stopped)) < 2_000
    conversations = [each for each in hands.asked if "Summarise" not in str(each[0][0]["content"])]
    assert len(conversations) <= steps + (1 if typed else 0)
    assert {name for name, _ in hands.done} <= {"light.set", "log.read"}
    for name, arguments in hands.done:
        assert name != "light.set" or isinstance(arguments["room"], str)
    for messages, _ in hands.asked:
        assert total(messages) <= 3000
        _well_formed(messages)
    if stopped is not None and isinstance(stopped, ToolLoop):
        assert stopped.reason in {"max_steps", "repeated", "mistakes"}


def _well_formed(messages: list[Mapping[str, Any]]) -> None:
    """Every call has its result right after it, under an id of its own."""
    ids = [call["id"] for each in messages for call in each.get("tool_calls", ())]
    assert len(set(ids)) == len(ids)
    waiting: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            assert message["tool_call_id"] == waiting.pop(0)
            continue
        assert not waiting
        waiting = [call["id"] for call in message.get("tool_calls", ())]
    assert not waiting
