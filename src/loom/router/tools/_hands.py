"""Who asks the model and does what it wants: an agent's step, or whoever else has actions to offer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Hands(Protocol):
    """What the loop needs of whoever runs it. Each `ask` and each `do` may be recorded and given again."""

    async def ask(
        self, messages: Sequence[Mapping[str, Any]], timeout: float | None, options: Mapping[str, Any]
    ) -> Any:
        """A chat backend's output; raises what asking a model raises."""
        ...

    async def do(self, capability: str, arguments: Mapping[str, Any]) -> Any:
        """The result of *capability*; raises ActionDenied, ActionFailed, ActionTimeout."""
        ...

    def refused(self, tool: str, why: str) -> None:
        """A call that cannot be done was refused."""
        ...

    def asking(self, window: Mapping[str, Any]) -> None:
        """A model is about to be asked; *window* says what of the conversation goes to it."""
        ...

    def seconds(self) -> float:
        """A clock that never goes back."""
        ...
