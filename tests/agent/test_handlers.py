"""What may be a handler, and what is refused before anything runs."""

import subprocess
from typing import Any

import pytest

from loom import Agent, Context, Event, QoS, at, every, on
from loom.agent import function_spec, spec_of
from loom.agent._handlers import capabilities_in
from loom.errors import ConfigError, InvalidTopic, SignatureError


def test_a_handler_takes_none_one_or_both_of_event_and_ctx() -> None:
    class Fine(Agent):
        @on("a")
        def none(self) -> None: ...

        @on("a")
        def one(self, event: Event) -> None: ...

        @on("a")
        async def both(self, event: Event, ctx: Context, extra: int = 0) -> None: ...

        @on("a")
        def any(self, *arguments: Any) -> None: ...

    handlers = spec_of(Fine).handlers
    assert [h.arguments for h in handlers] == [0, 1, 2, 2]
    assert [h.is_async for h in handlers] == [False, False, True, False]


def too_many(self: Any, event: Event, ctx: Context, more: int) -> None: ...
def keyword(self: Any, event: Event, *, ctx: Context) -> None: ...
def nothing() -> None: ...


async def stream(self: Any, event: Event) -> Any:
    yield event


@pytest.mark.parametrize("function", [too_many, keyword, nothing, stream])
def test_a_wrong_signature_is_refused_with_the_right_one(function: Any) -> None:
    class Bad(Agent):
        handle = on("a")(function)

    with pytest.raises(SignatureError, match=r"Bad\.handle"):
        spec_of(Bad)
    del function.__loom_handlers__


def test_a_function_without_a_mark_is_refused() -> None:
    with pytest.raises(SignatureError, match="decorate it with @on"):
        function_spec(lambda event: None)


def test_hooks_are_checked_too_and_may_leave_ctx_out() -> None:
    class Short(Agent):
        def on_start(self) -> None: ...  # type: ignore[override]

        async def on_error(self, event: Event, error: Exception) -> None: ...  # type: ignore[override]

    assert spec_of(Short).hooks == {"on_start": 0, "on_error": 2}

    class Long(Agent):
        async def on_stop(self, ctx: Context, more: int) -> None: ...  # type: ignore[override]

    with pytest.raises(SignatureError, match=r"Long\.on_stop"):
        spec_of(Long)


def test_an_overriding_method_without_a_mark_is_no_handler() -> None:
    class Base(Agent):
        @on("a")
        def one(self) -> None: ...

        @on("b")
        def two(self) -> None: ...

    class Derived(Base):
        def one(self) -> None: ...

    assert [h.name.rpartition(".")[2] for h in spec_of(Derived).handlers] == ["two"]


def test_a_method_may_have_several_marks() -> None:
    class Many(Agent):
        @on("a", qos=QoS.REALTIME)
        @on("b")
        @every(5)
        def one(self) -> None: ...

    marks = [(h.name.rpartition(".")[2], h.trigger.pattern, h.trigger.every) for h in spec_of(Many).handlers]
    assert marks == [
        ("one", "", 5.0),
        ("one#2", "b", None),
        ("one#3", "a", None),
    ]


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_every_needs_more_than_no_time(seconds: float) -> None:
    with pytest.raises(ConfigError, match="more than 0"):
        every(seconds)


@pytest.mark.parametrize("text", ["", "25:00", "7:30", "noon", 730, None])
def test_at_needs_a_time_of_day(text: Any) -> None:
    with pytest.raises(ConfigError, match="07:30"):
        at(text)


@pytest.mark.parametrize("pattern", ["", "a..b", "a.>.b", " a"])
def test_a_pattern_is_checked_when_written(pattern: str) -> None:
    with pytest.raises(InvalidTopic):
        on(pattern)


def test_only_realtime_interrupts() -> None:
    with pytest.raises(ConfigError, match="REALTIME"):
        on("a", interrupts=True)


@pytest.mark.parametrize("options", [{"colour": 1}, {"names": "x"}])
def test_an_unknown_agent_option_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="no agent option"):
        type("Bad", (Agent,), {}, **options)


@pytest.mark.parametrize("name", ["a b", "a.b", "", "ä", "x" * 129])
def test_a_name_is_one_token(name: str) -> None:
    with pytest.raises(ConfigError, match="agent name"):
        spec_of(type("Bad", (Agent,), {}, name=name or " "))


def test_only_what_is_called_on_ctx_counts_as_a_use_of_an_action() -> None:
    class Uses(Agent):
        _tool: Any = None

        @on("a")
        async def handle(self, event: Event, c: Context) -> None:
            c.act("one", x=1)
            if event.payload:
                await c.call("two", y=c.agent)
            name = "three"
            c.act(name)
            self._tool.call("GET")
            subprocess.call("ls")

    assert spec_of(Uses).handlers[0].uses == ("one", "two")
    assert list(capabilities_in(lambda c: c.act("x"), "c")) == ["x"]
    assert list(capabilities_in(lambda c: c.act("x"), "ctx")) == []


def test_a_name_that_is_made_at_run_time_is_no_literal() -> None:
    async def handler(event: Event, ctx: Context) -> None:
        kind = str(event.payload)
        ctx.act(f"do.{kind}", n=1)
        ctx.act("tts.speak", text=f"hello {kind} {event}")
        await ctx.call("lamp." + kind)
        await ctx.call("lamp.on", a="x" + kind, b=str(kind))
        ctx.act(f"do.{kind!r}")
        ctx.act("a.b".upper())
        ctx.act("c.d")

    assert list(capabilities_in(handler, "ctx")) == ["tts.speak", "lamp.on", "c.d"]
