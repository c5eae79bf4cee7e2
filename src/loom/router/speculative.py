"""Speculative answers: a fast backend answers provisionally at once, a better one refines it."""

from __future__ import annotations

import asyncio
from asyncio import FIRST_COMPLETED as FIRST
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from loom.models import ModelReply
from loom.router import single
from loom.router._finish import end
from loom.router._pump import Pump
from loom.router.attempt import Attempt
from loom.router.backend import Backend
from loom.router.call import Call

LONGEST = 65_536
"""Characters of a provisional answer that are told."""


async def ask(call: Call, backends: Sequence[Backend]) -> ModelReply:
    """The refined answer, or the provisional one when refining fails; the provisional one is told when it is there.

    Both are asked at once. Who refines before there is anything provisional wins, and the other is cancelled.
    """
    first = Attempt(call, backends[0])
    draft = asyncio.ensure_future(first.infer())
    better = asyncio.ensure_future(single.ask(call, backends[1:]))
    try:
        await asyncio.wait((draft, better), return_when=asyncio.FIRST_COMPLETED)
        if not better.done() and draft.exception() is None:
            told(call, backends[0].name, draft.result().output)
        await asyncio.wait((better,))
        if better.exception() is None:
            first.lost = not draft.done()
            return call.renewed(better.result())
        await asyncio.wait((draft,))
        if draft.exception() is not None:
            raise single.explained(call, better.exception())  # type: ignore[arg-type]
        call.stood = True
        return call.renewed(draft.result())
    finally:
        await end((draft, better))


async def stream(call: Call, backends: Sequence[Backend]) -> AsyncGenerator[Any, None]:
    """The provisional items, marked so, then ``{"text": "", "refining": True}`` and the refined ones.

    As soon as there is a refined item the provisional ones end. When refining fails before that, they go on, and the
    last item of all is theirs; later it raises.
    """
    first = Attempt(call, backends[0])
    draft, better = Pump(first.stream()), Pump(single.stream(call, backends[1:]))
    begun = asyncio.ensure_future(anext(better, _OVER))
    drafts = _Drafts(call, draft)
    try:
        async with aclosing(drafts.until(begun)) as items:
            async for item in items:
                yield item
        if not _refined(begun):
            if drafts.error is not None:
                raise single.explained(call, drafts.error)
            call.stood = True
            yield {**drafts.last, "provisional": True, "cost": call.cost}
            return
        first.lost = not draft.over
        await draft.close()
        yield {"text": "", "refining": True}
        yield begun.result()
        async for item in better:
            yield item
    finally:
        await end((begun, draft.task, better.task))  # at once: a second cancel must not leave one behind


class _Drafts:
    """The provisional items of a stream, until something better has begun."""

    def __init__(self, call: Call, pump: Pump) -> None:
        self._call, self._pump = call, pump
        self.last: dict[str, Any] = {"text": "", "done": True}
        self.error: Exception | None = None
        self._text: list[str] = []
        self._length = 0

    async def until(self, better: asyncio.Future[Any]) -> AsyncGenerator[Any, None]:
        """The items, marked; ends when *better* has an item, or, if that fails, when there are no more."""
        while not _refined(better):
            following = asyncio.ensure_future(anext(self._pump, _OVER))
            try:
                await asyncio.wait((following,) if better.done() else (following, better), return_when=FIRST)
                if not following.done():
                    continue
                item = following.result()
            except Exception as error:  # noqa: BLE001 - a model is a stranger's code; the better one may still answer
                self.error = error
                break
            finally:
                await end((following,))
            if item is _OVER:
                self._tell()
                break
            if marked := self._marked(item):
                yield marked
        if not better.done():
            await asyncio.wait((better,))

    def _marked(self, item: Any) -> Any:
        if not isinstance(item, Mapping):
            return item
        if item.get("done"):
            self.last = {**item}
            return None
        text = str(item.get("text", ""))
        if self._length < LONGEST:
            self._text.append(text)
            self._length += len(text)
        return {**item, "provisional": True}

    def _tell(self) -> None:
        whole = {**self.last, "text": "".join(self._text)[:LONGEST]}
        told(self._call, str(self.last.get("backend", "")), whole)


def _refined(better: asyncio.Future[Any]) -> bool:
    """Whether there is something better."""
    done = better.done() and not better.cancelled() and better.exception() is None
    return done and better.result() is not _OVER


def told(call: Call, backend: str, output: object) -> None:
    """Tell the provisional answer, on the thread and with the label of the request."""
    if call.parties.tell is not None:
        said = {
            "decision": call.decision.id, "thread": call.request.thread, "task": call.request.task,
            "label": str(call.request.label), "backend": backend, "output": output,
        }  # fmt: skip
        call.parties.tell("loom.router.provisional", said, call.request)


_OVER = object()
