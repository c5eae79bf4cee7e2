"""A house with two lights that a model may switch: what the tests of tools share."""

from __future__ import annotations

from typing import Any

from loom import Agent, Context, Event, Loom, Retry, action, on
from loom.models import ModelReply, ModelRequest


class House:
    """``done`` is what was done to its lights, in order."""

    def __init__(self) -> None:
        self.done: list[Any] = []

    def actions(self, **options: Any) -> list[Any]:
        @action("light.set", **options)
        async def set_light(room: str, on: bool, level: int = 100) -> dict[str, Any]:
            """Switch the light of a room."""
            self.done.append((room, on, level))
            return {"room": room, "on": on}

        @action("light.get")
        async def get_light(room: str) -> str:
            """Whether the light of a room is on."""
            return "on" if any(room == each[0] and each[1] for each in self.done) else "off"

        @action("door.open")
        async def open_door() -> None:
            """Open the front door."""
            self.done.append("door")

        return [set_light, get_light, open_door]


class Script:
    """A chat backend that says what it is told to, in order, and keeps what it was asked."""

    location = "local"
    features = frozenset({"tools", "schema"})

    def __init__(self, *answers: Any, name: str = "script") -> None:
        self.name = name
        self.tasks = frozenset(["chat"])
        self.asked: list[ModelRequest] = []
        self._answers = list(answers)

    async def infer(self, request: ModelRequest) -> ModelReply:
        self.asked.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if callable(answer):
            answer = answer(request)
        if hasattr(answer, "__await__"):
            answer = await answer
        if isinstance(answer, Exception):
            raise answer
        return ModelReply(answer, self.name, 0.0, 0.0)

    async def close(self) -> None:
        pass

    def statistics(self) -> dict[str, Any]:
        return {}

    def last(self, number: int = -1) -> str:
        """The content of the last message of a request."""
        messages: Any = self.asked[number].input
        return str(messages[-1]["content"])


def use(name: str, id: str = "", **arguments: Any) -> dict[str, Any]:
    return {"id": id, "name": name, "arguments": arguments}


def calls(*each: dict[str, Any], text: str = "") -> dict[str, Any]:
    return {"text": text, "tool_calls": list(each), "stopped": "tools"}


def says(text: str, **more: Any) -> dict[str, Any]:
    return {"text": text, "stopped": "end", **more}


class Butler(Agent, retry=Retry(attempts=1)):
    """Asks as its class says; keeps what came."""

    _ask: dict[str, Any] = {"actions": ["light.*"], "max_steps": 5}
    _prompt: Any = "make the kitchen bright"
    answers: list[Any] = []
    failures: list[str] = []
    _errors: list[Exception] = []
    _answered: list[Any] = []

    @on("ask")
    async def asked(self, event: Event, ctx: Context) -> None:
        try:
            answer = await ctx.ask(event.payload or self._prompt, **self._ask)
        except Exception as error:
            self._errors.append(error)
            self.failures.append(f"{type(error).__name__}: {error}")
            return
        self._answered.append(answer)
        self.answers.append(answer if isinstance(answer, dict) else repr(answer))


def butler(**ask: Any) -> type[Butler]:
    """A butler that asks with *ask*."""

    class Made(Butler, name="Butler"):
        _ask: dict[str, Any] = ask
        _errors: list[Exception] = []
        _answered: list[Any] = []

    return Made


async def ask(loom: Loom, prompt: Any = None, **fields: Any) -> Any:
    """What the butler was answered; raises what the asking raised."""
    await loom.publish("ask", prompt, **fields)
    await loom.idle()
    made: Any = loom.agent("Butler").instance
    if made._errors:
        raise made._errors[-1]
    return made._answered[-1]
