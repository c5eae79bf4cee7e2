"""What one try may take, and what it took: tokens, money, time. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from loom.models import ModelReply, ModelRequest, Usage
from loom.models.price import Price
from loom.router.budget import Remaining, Spend
from loom.router.size import ANSWER, Size, stated, tokens_of

AROUND = 64
"""Tokens that a server's own template adds to a request at most."""
WORST = 4
"""Tokens of a byte-level tokenizer for each token that is expected: one for every byte."""
LONGEST = 60.0
"""Seconds that a try without a timeout may take where a budget limits them."""


class Bound(NamedTuple):
    """At most what a try takes; *tokens_out* and *seconds* are enforced (None: without a limit)."""

    spend: Spend
    tokens_out: int | None
    seconds: float | None


def bound(
    size: Size, price: Price | None, left: Remaining, seconds: float | None, capped: bool = False
) -> Bound:
    """What to reserve for a request of *size* with *seconds* left, so that a budget with *left* is never overspent.

    Texts are counted as a tokenizer would at worst, answers as long as they may get. *capped*: the request itself may
    cost so much only, so its answer has an end too.
    """
    limited = left.tokens is not None or (
        (capped or left.money is not None) and price is not None and price.million_out > 0
    )
    time = None
    if left.seconds is not None:
        time = min(LONGEST if seconds is None else max(seconds, 0.0), max(left.seconds, 0.0))
    worst = Usage(
        size.tokens_in * WORST + AROUND if size.tokens_in or size.tokens_out else 0,
        size.tokens_out,
        size.seconds,
    )
    return Bound(
        Spend.at(price, worst, time or 0.0), size.tokens_out if limited and size.tokens_out else None, time
    )


def within(request: ModelRequest, most: Bound) -> ModelRequest:
    """*request* with an answer that is no longer than what was reserved for it."""
    if most.tokens_out is None or stated(request.options.get("max_tokens")):
        return request
    return replace(request, options={**request.options, "max_tokens": min(most.tokens_out, ANSWER)})


def usage_of(reply: ModelReply) -> Usage:
    """What *reply* says it took; its output's figures where it does not. What makes no sense counts as nothing."""
    used = reply.usage
    if isinstance(used, tuple) and len(used) == 3 and any(used):
        return Usage(*(_sane(each) for each in used))
    output = reply.output
    return figures(output) if isinstance(output, Mapping) else Usage()


def figures(output: Mapping[str, Any]) -> Usage:
    """What an output, or the last item of a stream, says it took."""
    return Usage(
        int(_sane(output.get("tokens_in"))),
        int(_sane(output.get("tokens_out"))),
        _sane(output.get("seconds")),
    )


def _sane(value: object) -> Any:
    if type(value) is int and 0 <= value < 1e15:
        return value
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15
    return value if good else 0


def told_ms(value: object) -> float | None:
    """The milliseconds that a backend says something took; None for what is no time."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15
    return float(value) if good else None  # type: ignore[arg-type]  # a number, see above


class Meter:
    """What a try took so far: the request from the moment it is sent, and each piece of its answer."""

    __slots__ = ("_said", "_talks", "piecewise", "read", "sent", "written")

    def __init__(self, size: Size) -> None:
        self.reads(size)
        self.sent = False
        self._talks = size.tokens_out > 0
        self.piecewise = not self._talks  # nothing is written: what was read is all there is
        self.written = 0
        self._said: Usage | None = None

    def reads(self, size: Size) -> None:
        """What is sent is of this size."""
        self.read = Usage(size.tokens_in, 0, size.seconds)

    def piece(self, item: object) -> None:
        """One item of a stream arrived."""
        if not isinstance(item, Mapping):
            return
        text = item.get("text")
        if isinstance(text, str) and text:
            self.written += max(tokens_of(text), 1)
        if item.get("done"):
            self.said(figures(item))

    def answered(self, reply: ModelReply) -> None:
        """The whole answer is there; one that says nothing of what it took is counted as its text."""
        self.said(usage_of(reply))
        if self._said is None:
            self.piecewise = True
        if self._said is None or not self._said.tokens_out:
            self.piece(reply.output)

    def said(self, usage: Usage) -> None:
        """The backend said what it took."""
        if any(usage):
            self._said = usage

    @property
    def known(self) -> bool:
        """Whether that is all there can be: the backend said so, or each piece was seen."""
        return self._said is not None or self.piecewise

    @property
    def usage(self) -> Usage:
        """What the backend said, else what is known; of a chat that was read and written no figure is 0."""
        said = self._said
        if said is not None and self._talks:
            return said._replace(
                tokens_in=said.tokens_in or self.read.tokens_in, tokens_out=said.tokens_out or self.written
            )
        if said is not None:
            return said
        return self.read._replace(tokens_out=self.written) if self.sent else Usage()
