"""A model backend that says what the test tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from typing import Any

from loom.errors import ModelFailed
from loom.models import ModelReply, ModelRequest


class FakeBackend:
    """Does *task* by a script: each answer is returned, raised if it is an exception, or called with the request.

    *answers* is one callable for every request, or a list used up in order. *delay* seconds pass before each answer.
    A stream gives the items of an answer that is a list, *delay* seconds before each; an exception among them is
    raised. ``requests`` holds what was asked, ``broken_off`` counts streams that were closed before their end.
    """

    location = "local"
    features = frozenset({"tools", "schema"})

    def __init__(
        self,
        task: str,
        answers: Callable[[Any], Any] | Iterable[Any],
        *,
        delay: float = 0.0,
        name: str = "fake",
    ) -> None:
        self.name = name
        self.tasks = frozenset([task])
        self.requests: list[ModelRequest] = []
        self.closed = False
        self.broken_off = 0
        self._always = answers if callable(answers) else None
        self._script = iter(()) if callable(answers) else iter(answers)
        self._delay = delay

    async def infer(self, request: ModelRequest) -> ModelReply:
        """The next answer; raises ModelFailed when the script is used up."""
        self.requests.append(request)
        answer = self._always or next(self._script, _END)
        if self._delay:
            await asyncio.sleep(self._delay)
        return ModelReply(self._said(answer, request), self.name, 0.0, self._delay * 1000)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Any, None]:
        """The items of the next answer; raises ModelFailed when the script is used up."""
        self.requests.append(request)
        answer = self._said(self._always or next(self._script, _END), request)
        try:
            for item in answer if isinstance(answer, list | tuple) else [answer]:
                if self._delay:
                    await asyncio.sleep(self._delay)
                yield self._said(item, request)
        except (GeneratorExit, asyncio.CancelledError):
            self.broken_off += 1
            raise

    def _said(self, answer: Any, request: ModelRequest) -> Any:
        if answer is _END:
            raise ModelFailed(
                f"{self.name!r} was asked {len(self.requests)} times; its script has no answer left"
            )
        if isinstance(answer, BaseException):
            raise answer
        return answer(request) if callable(answer) else answer

    async def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True

    def statistics(self) -> Mapping[str, object]:
        """How often it was asked."""
        return {"requests": len(self.requests)}


_END = object()
