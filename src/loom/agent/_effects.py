"""What a step has buffered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loom.event import Event

if TYPE_CHECKING:
    from loom.actions import Invocation


class Effects:
    """What a step has buffered: it leaves when the step commits, or never."""

    __slots__ = ("acts", "called", "ended", "keys", "outputs", "reply", "timers")

    def __init__(self) -> None:
        self.outputs: list[Event] = []
        self.acts: list[Invocation] = []
        self.timers: list[tuple[str, float, Event, str | None]] = []
        self.ended: list[str] = []
        self.reply: Any = None
        self.keys = 0
        self.called: dict[str, int] | None = None  # how often what was called, by its mark
