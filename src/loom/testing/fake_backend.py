"""A model backend that says what the test tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from loom.errors import ModelFailed
from loom.models import ModelReply, ModelRequest


class FakeBackend:
    """Does *task* by a script: each answer is returned, raised if it is an exception, or called with the request.

    *answers* is one callable for every request, or a list used up in order. *delay* seconds pass before each answer.
    ``requests`` holds what was asked.
    """

    location = "local"

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
        self._always = answers if callable(answers) else None
        self._script = iter(()) if callable(answers) else iter(answers)
        self._delay = delay

    async def infer(self, request: ModelRequest) -> ModelReply:
        """The next answer; raises ModelFailed when the script is used up."""
        self.requests.append(request)
        answer = self._always or next(self._script, _END)
        if self._delay:
            await asyncio.sleep(self._delay)
        if answer is _END:
            raise ModelFailed(
                f"{self.name!r} was asked {len(self.requests)} times; its script has no answer left"
            )
        if isinstance(answer, BaseException):
            raise answer
        output = answer(request) if callable(answer) else answer
        return ModelReply(output, self.name, 0.0, self._delay * 1000)

    async def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True

    def statistics(self) -> Mapping[str, object]:
        """How often it was asked."""
        return {"requests": len(self.requests)}


_END = object()
