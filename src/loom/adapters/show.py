"""Cards for people: shown on the console, told to whoever draws them, and the last ones kept."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

from loom.actions import Action, action
from loom.actions.action import ACTION
from loom.adapters.console import Console, plain
from loom.adapters.sink import ActionSink
from loom.adapters.source import Out, Source
from loom.errors import ConfigError

WAITING = 64


class Cards:
    """A host of one action, NAME.show, and one source that publishes each card on *topic*.

    A card is {"id", "title", "text", "fields"}; one shown under an id that is kept replaces that card. The last *keep*
    are in ``cards``, oldest first. Cards that nobody takes as events wait, at most 64; then the oldest is ``shed``.
    """

    def __init__(
        self,
        name: str = "ui",
        topic: str = "ui.card",
        keep: int = 20,
        quiet: bool = False,
        stream: TextIO | None = None,
    ) -> None:
        if not 1 <= keep <= 10_000:
            raise ConfigError(f"{name}: keep is {keep}; keep 1 to 10000 cards")
        self.name = name
        self.topic = topic
        self.keep = keep
        self.shed = 0
        self.cards: dict[str, Mapping[str, Any]] = {}
        self._console = None if quiet else Console(name, stream)
        self._waiting: deque[Mapping[str, Any]] = deque()
        self._more = asyncio.Event()
        self._numbers = itertools.count(1)
        self._sink = _CardSink(name, [self._show()])

    def sources(self) -> Iterable[Source]:
        """What publishes the cards."""
        return [Source(self.name, self.run, (self.topic,))]

    def sinks(self) -> Iterable[ActionSink]:
        """What shows them."""
        return [self._sink]

    async def start(self) -> None:
        """There is nothing to get ready."""

    async def close(self) -> None:
        """There is nothing to give back."""

    async def run(self, out: Out) -> None:
        """Publish every card, in order, until cancelled."""
        while True:
            while self._waiting:
                card = self._waiting.popleft()
                try:
                    await out(self.topic, card)
                except BaseException:  # cancelled too: the card is shown by the next run
                    self._waiting.appendleft(card)
                    raise
            self._more.clear()
            await self._more.wait()

    def statistics(self) -> Mapping[str, object]:
        """Cards kept, waiting to be published, and shed."""
        return {"cards": len(self.cards), "waiting": len(self._waiting), "shed": self.shed}

    def _show(self) -> Action:
        @action(f"{self.name}.show", timeout=30, attempts=1)
        async def show(title: str, text: str = "", fields: dict[str, Any] | None = None, id: str = "") -> str:
            """Show a card; returns its id, under which it can be replaced."""
            known = {"id": id[:100] or str(next(self._numbers)), "title": plain(title, 200)}
            card = {**known, "text": plain(text, 4000), "fields": _fields(fields or {})}
            self._keep(card)
            if self._console is not None:
                await self._console.write(_drawn(card))
            return known["id"]

        made: Action = getattr(show, ACTION)
        return made

    def _keep(self, card: Mapping[str, Any]) -> None:
        self.cards.pop(card["id"], None)
        self.cards[card["id"]] = card
        if len(self.cards) > self.keep:
            del self.cards[next(iter(self.cards))]
        if len(self._waiting) >= WAITING:
            self.shed += 1
            self._waiting.popleft()
        self._waiting.append(card)
        self._more.set()


class _CardSink:
    def __init__(self, name: str, actions: Sequence[Action]) -> None:
        self.name = name
        self._actions = actions

    def actions(self) -> Iterable[Action]:
        return self._actions

    async def close(self) -> None:
        """Nothing is open."""


def _fields(fields: Mapping[str, Any]) -> dict[str, str]:
    """At most twenty short lines of a name and a value."""
    return {plain(str(key), 40): plain(str(value), 200) for key, value in list(fields.items())[:20]}


def _drawn(card: Mapping[str, Any]) -> str:
    lines = [f"── {card['title']}", *card["text"].splitlines()]
    return "\n".join([*lines, *(f"{key}: {value}" for key, value in card["fields"].items())])


def ui(name: str, topic: str = "ui.card", keep: int = 20, quiet: bool = False) -> Cards:
    """The action NAME.show and the cards on *topic*; *quiet*: they are not printed. Raises ConfigError."""
    return Cards(name, topic, keep, quiet)
