"""The publishers as seen from outside: what each has asked for, what was acknowledged, what hangs in the air."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

from torture._oracle import Book
from torture._plan import ALL, Item, items
from torture._process import Process

WINDOW = 4


class Publisher:
    """Publishes its items in order; the process under test works on one at a time and has the next few in its pipe."""

    def __init__(self, todo: list[Item]) -> None:
        self.todo = deque(todo)
        self.flying: deque[Item] = deque()


class Publishers:
    """All publishers of a round, and the book they keep."""

    def __init__(self, seed: int, publishers: int, count: int, kinds: frozenset[str] = ALL) -> None:
        self.book = Book()
        self.repeats: dict[str, int] = {}
        self._chance = random.Random(f"{seed} publishers")
        self._all = {p: Publisher(items(seed, p, count, kinds)) for p in range(publishers)}
        self._held = set(self._chance.sample(sorted(self._all), publishers // 4))
        self._again: list[Item] = []
        self._refusals: list[Item] = []
        self.refused = 0
        self.repeating = True
        """Whether ids are kept for long: only then may an event be published again after others."""

    def feed(self, process: Process, last: bool = False) -> None:
        """Hand over what fits; the delayed publishers only begin in the *last* life."""
        for number, publisher in self._all.items():
            while publisher.todo and len(publisher.flying) < WINDOW and (last or number not in self._held):
                self._send(process, publisher, publisher.todo.popleft())
        while self._again:
            self._publish(process, self._again.pop(), 1000 + self._chance.randrange(4))

    def _send(self, process: Process, publisher: Publisher, item: Item) -> None:
        publisher.flying.append(item)
        self._publish(process, item, item.publisher)

    def _publish(self, process: Process, item: Item, line: int) -> None:
        self.book.tried.setdefault(item.id, item)
        process.say(do="publish", p=line, id=item.id, topic=item.topic, payload=item.payload)

    def take(self, told: dict[str, Any]) -> bool:
        """Note an acknowledgement or a refusal; False when *told* is neither."""
        known = told.get("ack") or told.get("refused")
        if known is None:
            return False
        item = self.book.tried.get(known)
        if item is None:  # a repetition of what was refused and given up
            return True
        flying = self._all[item.publisher].flying
        if flying and flying[0].id == known:
            flying.popleft()
        if "refused" in told:
            self._refused(item, sure=told["why"].startswith("StoreFull"))
        else:
            self.book.acked.add(known)
            if self.repeating and self._chance.random() < 0.05:
                self.repeat(item)
        return True

    def _refused(self, item: Item, sure: bool) -> None:
        """Tried again when the disk works, or never: then it must not be there, if it is *sure* that it was not."""
        self.refused += 1
        if item.id in self.book.acked:
            return
        if self._chance.random() < 0.5:
            self.book.late.add(item.id)
            self._refusals.append(item)
        elif sure:
            del self.book.tried[item.id]

    def try_again(self) -> None:
        """There is space again: publish what was refused."""
        self._again += self._refusals
        self._refusals.clear()

    def repeat(self, item: Item) -> None:
        """Publish an acknowledged item once more with the same id, as after an acknowledgement that was lost."""
        self.repeats[item.id] = self.repeats.get(item.id, 0) + 1
        self._again.append(item)

    def died(self) -> None:
        """The process is dead: the first that flies may have been kept, what was behind it was never tried."""
        for publisher in self._all.values():
            if not publisher.flying:
                continue
            doubtful = publisher.flying.popleft()
            rest = list(publisher.flying)
            publisher.flying.clear()
            for item in rest:
                del self.book.tried[item.id]
            self._doubt(publisher, doubtful, rest)

    def _doubt(self, publisher: Publisher, doubtful: Item, rest: list[Item]) -> None:
        publisher.todo.extendleft(reversed(rest))
        choice = self._chance.random()
        if not self.repeating:
            return
        if choice < 0.5:
            publisher.todo.appendleft(doubtful)  # again at once, so in order
        elif choice < 0.75:
            self.book.late.add(doubtful.id)
            self._again.append(doubtful)

    @property
    def waiting(self) -> int:
        """How many items are still to be published or acknowledged."""
        flying = sum(len(p.todo) + len(p.flying) for p in self._all.values())
        return flying + len(self._again) + len(self._refusals)
