"""A sink: the actions of one device, system or protocol, as one object."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from loom.actions import Action


@runtime_checkable
class ActionSink(Protocol):
    """What does something to the world: a speaker, a lamp, a protocol's publisher."""

    @property
    def name(self) -> str:
        """What it is called: letters, digits, '-' and '_'."""

    def actions(self) -> Iterable[Action]:
        """The capabilities that it adds to a runtime; the same ones whenever it is asked."""

    async def close(self) -> None:
        """Give the device back; called once, when the runtime ends and its actions have."""
