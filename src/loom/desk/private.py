"""A source whose every event is private, the names of files included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from loom.desk.topics import PRIVATE
from loom.event import Label


class Told(Protocol):
    """A source, as ``loom.adapters.EventSource``."""

    @property
    def name(self) -> str: ...

    @property
    def topics(self) -> Sequence[str]: ...

    async def run(self, out: Any) -> None: ...


class Private:
    """*source* with *label* joined to the label of whatever it publishes."""

    def __init__(self, source: Told, label: Label = PRIVATE) -> None:
        self.name, self.topics = source.name, source.topics
        self._source, self._label = source, label

    async def run(self, out: Any) -> None:
        """Run the source until it ends."""
        await self._source.run(_Labelled(out, self._label))


class _Labelled:
    """The way out of a source, where every event gets a label."""

    def __init__(self, out: Any, label: Label) -> None:
        self.name, self.lost, self.found = out.name, out.lost, out.found
        self._out, self._label = out, label

    async def __call__(self, topic: Any, payload: Any = None, **fields: Any) -> Any:
        return await self._out(topic, payload, **self._joined(fields))

    def offer(self, topic: Any, payload: Any = None, **fields: Any) -> bool:
        taken: bool = self._out.offer(topic, payload, **self._joined(fields))
        return taken

    def _joined(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {**fields, "label": self._label.join(fields.get("label", Label()))}
