"""What ``ctx.ask`` is asked beyond a task: actions to choose from, a shape of the answer, bounds. Checked, pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from loom.errors import ConfigError
from loom.router.tools._answers import Shape, shape_of

CHAT = "chat"
ROLES = ("system", "user", "assistant", "tool")
STEPS = 8
MOST_STEPS = 100
CONTEXT_TOKENS = 8_192
LEAST_TOKENS = 256


class Wish(NamedTuple):
    """A conversation that may use tools: *actions* are patterns, *steps* the most model calls, *room* in tokens.

    *options* go to the model with each call; *compact*: what does not fit is summarised by the model, else left out.
    """

    messages: tuple[Mapping[str, Any], ...]
    actions: tuple[str, ...] | None
    shape: Shape | None
    steps: int
    room: int
    compact: bool
    timeout: float | None
    options: Mapping[str, Any]


def wish_of(task: Any, input: Any, timeout: float | None, options: Mapping[str, Any]) -> Wish:
    """The wish in the arguments of ``ctx.ask``; without *input* the *task* is the prompt. Raises ConfigError."""
    rest = dict(options)
    actions, schema = rest.pop("actions", None), rest.pop("schema", None)
    steps, compact = rest.pop("max_steps", STEPS), rest.pop("compact", True)
    room = rest.pop("context_tokens", CONTEXT_TOKENS)
    if input is not None and task != CHAT:
        raise ConfigError(
            f"ask({task!r:.80}, ...): answers of a type and actions are for {CHAT!r}; give the prompt alone, or "
            f"ask({CHAT!r}, ...)"
        )
    if actions is not None and "tools" in rest:
        raise ConfigError("ask() takes actions=, or tools= of your own that you answer yourself; not both")
    messages = _messages(task if input is None else input)
    if rest.get("system") is not None:
        messages = ({"role": "system", "content": str(rest.pop("system"))}, *messages)
    rest.pop("system", None)
    return Wish(
        messages,
        None if actions is None else _patterns(actions),
        None if schema is None else shape_of(schema),
        _whole("max_steps", steps, 1, MOST_STEPS),
        _whole("context_tokens", room, LEAST_TOKENS, 100_000_000),
        bool(compact),
        _seconds(timeout),
        rest,
    )


def _patterns(actions: Any) -> tuple[str, ...]:
    patterns = (
        (actions,) if isinstance(actions, str) else tuple(actions) if isinstance(actions, Sequence) else ()
    )
    if not patterns or not all(isinstance(each, str) and each for each in patterns):
        raise ConfigError(f'actions= is a list of patterns such as ["light.*"], not {actions!r:.80}')
    return patterns


def _messages(input: Any) -> tuple[Mapping[str, Any], ...]:
    if isinstance(input, str):
        if not input.strip():
            raise ConfigError("ask(): nothing is asked, the prompt is empty")
        return ({"role": "user", "content": input},)
    if not isinstance(input, list | tuple) or not input:
        raise ConfigError(f"ask() takes a prompt, or a list of messages, not {type(input).__name__}")
    for each in input:
        if not isinstance(each, Mapping) or each.get("role") not in ROLES:
            raise ConfigError(
                f'a message is {{"role": {" | ".join(ROLES)}, "content": ...}}, not {each!r:.80}'
            )
        calls = each.get("tool_calls") or []
        if not isinstance(calls, list | tuple) or not all(isinstance(call, Mapping) for call in calls):
            raise ConfigError(
                f'a message\'s tool_calls are a list of {{"id", "name", "arguments"}}, not {calls!r:.80}'
            )
    return tuple(dict(each) for each in input)


def _seconds(timeout: Any) -> float | None:
    if timeout is not None and (
        isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout >= 0
    ):
        raise ConfigError(f"timeout={timeout!r:.40}: it must be a number of seconds, 0 or more")
    return timeout


def _whole(name: str, value: Any, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ConfigError(f"{name} is a whole number from {least} to {most:,}, not {value!r:.40}")
    return value
