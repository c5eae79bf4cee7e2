"""An effect's row in the ledger: what was wanted, what is known of it, and what was answered about it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from loom.errors import StoreCorrupt
from loom.event import PUBLIC, Confidentiality, Label
from loom.journal.queue import cursor_of
from loom.store import Family, Put
from loom.store.families import join, number
from loom.store.text import dump

if TYPE_CHECKING:
    from loom.actions import Action
    from loom.agent._ledger import Ledger
    from loom.agent.context import Context

ENDED = frozenset({"done", "failed", "denied", "cancelled", "unknown"})
APPROVAL, DOUBT = "approval", "outcome unknown"
_OUTCOME = 500  # characters of an outcome that are kept
_ARGUMENTS = 2048  # characters of the arguments of an ended effect that are kept
_RESULT = 65536  # characters of the result of a call that are kept with its effect
_ANSWERS = 8


class Entry:
    """One effect. ``former`` is when an earlier life of it under the same key had ended, 0 for none.

    What is ``light`` may be repeated, or is REALTIME: it is not noted before its function is called.
    """

    __slots__ = ("_ledger", "arguments", "doubtful", "former", "key", "light", "row")

    def __init__(self, ledger: Ledger, key: str, row: dict[str, Any], arguments: str, light: bool) -> None:
        self._ledger = ledger
        self.key = key
        self.row = row
        self.arguments = arguments
        self.light = light
        self.doubtful = False
        self.former = 0

    # --- what the executor and the approvals ask --------------------------------------------------------------------

    @property
    def lasting(self) -> bool:
        """Whether it outlives the process."""
        return "realtime" not in self.row

    @property
    def allowed(self) -> bool:
        """Whether somebody has said yes, and it has not begun since."""
        return bool(self.row.get("question", {}).get("allow"))

    @property
    def cause(self) -> str:
        """The id of the event it came of."""
        cause: str = self.row["cause"]
        return cause

    @property
    def label(self) -> Label:
        """The label of its arguments."""
        kept = self.row.get("label")
        return PUBLIC if kept is None else Label(Confidentiality(kept[0]), bool(kept[1]))

    def plain(self) -> dict[str, Any]:
        """The arguments as JSON has them, whatever they were: a question may be journalled."""
        found: dict[str, Any] = json.loads(self.arguments)
        return found

    def question(self, timeout: float) -> tuple[str, float]:
        """The id of the question whether it may run, and the seconds that are left of *timeout* to answer it."""
        now = self._ledger.now_ms()
        asked = self.row.get("question")
        if asked is None:
            why = DOUBT if self.doubtful else APPROVAL
            asked = {
                "id": question_id(self.key),
                "why": why,
                "asked": now,
                "deadline": now + round(timeout * 1000),
            }
            self.row["question"] = asked
            if self.doubtful:
                self.row["doubt"] = True
            self._become("asking")
            self._ledger.note(self)
        return asked["id"], min(timeout, (asked["deadline"] - now) / 1000)

    async def answered(self, allow: bool, by: str) -> None:
        """Note who said what; when it was yes, return when that is on disk."""
        asked, now = self.row.get("question", {}), self._ledger.now_ms()
        asked["allow"] = allow
        answer = {"id": asked.get("id", ""), "allow": allow, "by": by, "at": now, "why": asked.get("why", "")}
        self.row["answers"] = [*self.row.get("answers", ()), answer][-_ANSWERS:]
        if allow and self.lasting:
            await self._ledger.keep(self)

    async def begin(self) -> None:
        """Return when the function may be called: what must not happen twice is noted as running before."""
        row = self.row
        row["runs"] = row.get("runs", 0) + 1
        row.pop("doubt", None)
        self.doubtful = False
        if not self.light:
            self._become("running")
            await self._ledger.keep(self)

    def end(self, status: str, outcome: str = "", result: object = None) -> None:
        """Note how it ended; what was doubtful and did not run again is unknown."""
        row = self.row
        if status != "done" and (self.doubtful or (status == "failed" and self._may_have_run(outcome))):
            status = "unknown"
        row.pop("doubt", None)
        self._become(status)
        if outcome:
            row["outcome"] = outcome[:_OUTCOME]
        else:
            row.pop("outcome", None)
        if status == "done" and row["kind"] == "call":
            kept = self._ledger.values.write(result)
            if kept is not None and len(kept) <= _RESULT:
                row["result"] = json.loads(kept)
        self._ledger.note(self)

    # --- rows -----------------------------------------------------------------------------------------------------

    @property
    def status(self) -> str:
        """Pending, asking, running, done, failed, denied, cancelled or unknown."""
        status: str = self.row["status"]
        return status

    def intent(self) -> list[Put]:
        """What goes into the commit of the step that wants it."""
        key = self.key.encode()
        return [
            Put(Family.EFFECTS, key, self._text()),
            Put(Family.OPEN, join(number(self.row["n"]), key), b""),
            Put(Family.CAUSES, join(self.cause, "act", key), b""),
        ]

    def puts(self) -> list[Put]:
        """What keeps the row as it is now."""
        key, row = self.key.encode(), self.row
        ended = row["status"] in ENDED
        spot = join(number(row["n"]), key)
        found = [Put(Family.EFFECTS, key, self._text())]
        if self.lasting and (ended or row["kind"] == "call"):
            found.append(Put(Family.OPEN, spot, None if ended else b""))
        if ended:
            found.append(Put(Family.ENDED, join(number(row["changed"]), key), self.cause.encode()))
        if row["kind"] == "call" or not self.lasting:
            found.append(Put(Family.CAUSES, join(self.cause, "act", key), b""))
        if self.former and self.former != row["changed"]:
            found.append(Put(Family.ENDED, join(number(self.former), key), None))
        return found

    def take_over(self, known: Mapping[str, Any]) -> None:
        """Go on from an earlier row of the same key."""
        row = self.row
        if known["status"] in ENDED:
            self.former = known["changed"]
            names: tuple[str, ...] = ("runs", "answers")
        else:
            names = ("n", "at", "runs", "answers", "question")
        row.update((name, known[name]) for name in names if name in known)

    def _become(self, status: str) -> None:
        self.row["status"] = status
        self.row["changed"] = self._ledger.now_ms()

    def _may_have_run(self, outcome: str) -> bool:
        """Whether it timed out and may run at most once: then nobody is to try it again."""
        return bool(self.row.get("once")) and outcome.startswith("ActionTimeout")

    def _text(self) -> bytes:
        head, arguments = self.row, self.arguments
        if head["status"] in ENDED and len(arguments) > _ARGUMENTS:
            return dump({**head, "arguments_size": len(arguments)}).encode()
        return f'{dump(head)[:-1]},"arguments":{arguments}}}'.encode()


def new_row(ctx: Context, action: Action, kind: str) -> dict[str, Any]:
    """The row of an effect that a step wants now."""
    event, door = ctx._event, ctx.door
    row: dict[str, Any] = {
        "capability": action.name, "version": action.version, "agent": ctx.agent,
        "handler": door.handler.name.rpartition(".")[2],
        "kind": kind, "cause": event.id, "seq": 0 if cursor_of(door.queue) is None else event.seq, "n": 0,
        "status": "pending", "at": ctx.now_ms(), "changed": 0,
    }  # fmt: skip
    row["changed"] = row["at"]
    if event.scope is not None:
        row["scope"] = event.scope
    if action.at_most_once:
        row["once"] = True
    if door.hook:
        row["hook"] = True
    if not door.lane.rank:
        row["realtime"] = True
    return row


def labelled(row: dict[str, Any], label: Label) -> None:
    """Give *row* the label of what the step derives."""
    if label != PUBLIC:
        row["label"] = [int(label.confidentiality), int(label.untrusted)]


def read_row(key: str, data: bytes) -> dict[str, Any]:
    """A kept row; raises StoreCorrupt."""
    try:
        row = json.loads(data)
        if not {"capability", "version", "agent", "kind", "cause", "n", "status", "changed"} <= row.keys():
            raise ValueError("a field is missing")
    except (ValueError, TypeError, AttributeError) as error:
        raise StoreCorrupt(f"effect {key!r} cannot be read ({error}); run: loom store verify") from None
    found: dict[str, Any] = row
    return found


def question_id(key: str) -> str:
    """The id under which the effect *key* is asked about, in every process the same."""
    return f"approval-{hashlib.blake2b(key.encode(), digest_size=6).hexdigest()}"
