"""The Entry protocol: what a ledger that outlives the process hears of one invocation, and what it knows already."""

from __future__ import annotations

from typing import Any, Protocol

from loom.event import Label


class Entry(Protocol):
    """The line of one invocation.

    ``doubtful``: an earlier process may have run it already; then it runs only when somebody says so. ``lasting``: it
    outlives the process, and so does what is asked about it. ``allowed``: somebody has said yes.
    """

    @property
    def doubtful(self) -> bool: ...

    @property
    def lasting(self) -> bool: ...

    @property
    def allowed(self) -> bool: ...

    @property
    def label(self) -> Label: ...

    @property
    def cause(self) -> str: ...

    def plain(self) -> dict[str, Any]:
        """The arguments as JSON has them, whatever they were."""
        ...

    def question(self, timeout: float) -> tuple[str, float]:
        """The id of the question whether it may run, and the seconds that are left of *timeout* to answer it."""
        ...

    async def answered(self, allow: bool, by: str) -> None:
        """Note who said what; when it was yes, return when that is on disk."""
        ...

    async def begin(self) -> None:
        """Return when the function may be called; raises StoreError when that could not be noted and must be."""
        ...

    def end(self, status: str, outcome: str = "", result: object = None) -> None:
        """Note how it ended: done, failed, denied or cancelled."""
        ...
