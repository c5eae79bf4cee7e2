"""How much work a request is, as far as it can be told before a model has seen it."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeGuard

from loom.models.model import ModelRequest
from loom.models.price import Usage

ANSWER = 512
"""Tokens that an answer is taken to have where ``max_tokens`` does not say."""
MESSAGE = 4
"""Tokens around each message of a chat."""
NUMBER = 6
"""Tokens of a number that is no whole one, at most; three digits of one that is are a token."""
SECOND = 32_000
"""Bytes of a second of sound: signed 16 bit, mono, 16 kHz."""
TALKS = ("chat", "generate")
"""Tasks whose answers are written token by token."""
DEEP = 100_000
"""Values within an input that are looked at; numbers are none where they are not read as text."""
UNCOUNTED = 1 << 40
"""Tokens that an input of more values, or a longer answer, is taken to have: no budget pays for that."""


class Size(NamedTuple):
    """Tokens to read, tokens to write, seconds of sound; *room*: tokens that must fit into a model's context."""

    tokens_in: int
    tokens_out: int
    seconds: float = 0.0
    room: int = 0

    @property
    def usage(self) -> Usage:
        """What it will have taken if all of it is used."""
        return Usage(self.tokens_in, self.tokens_out, self.seconds)


def size_of(request: ModelRequest) -> Size:
    """The size of *request*: a token for four characters of plain text, more for other alphabets."""
    what, options = request.input, request.options
    if isinstance(what, bytes | bytearray | memoryview):
        heard = len(what) / SECOND if request.task == "transcribe" else 0.0
        return Size(0, 0, heard)
    talks = request.task in TALKS
    tokens = _tokens(what, talks)
    for name in ("system", "tools", "schema"):
        if options.get(name):
            tokens += _tokens(options[name], True)
    if not talks:
        return Size(tokens, 0, 0.0, tokens)
    most = options.get("max_tokens")
    if stated(most):
        most = min(most, UNCOUNTED)
        return Size(tokens, most, 0.0, tokens + most)
    return Size(tokens, ANSWER, 0.0, tokens + 1)


def stated(most: object) -> TypeGuard[int]:
    """Whether *most*, the ``max_tokens`` of a request, is a limit: a whole number above 0."""
    return type(most) is int and most > 0


def _tokens(value: Any, written: bool) -> int:
    """The tokens of every text in *value*, which may be nested, keys of mappings included.

    *written*: numbers are read as text, too; those of an array or a vector are not.
    """
    if type(value) is str:
        return tokens_of(value)
    holds = _is_read if written else _holds
    tokens = seen = 0
    left = [*filter(holds, (value,))]
    while left:
        each = left.pop()
        seen += 1
        if seen > DEEP:
            return tokens + UNCOUNTED
        if isinstance(each, str):
            tokens += tokens_of(each)
        elif isinstance(each, dict):
            tokens += max(MESSAGE, len(each)) if written else MESSAGE
            left += filter(_counts, each)
            left += filter(holds, each.values())
        elif isinstance(each, list | tuple):
            left += filter(holds, each)
        else:
            tokens += NUMBER if isinstance(each, float) else each.bit_length() // 10 + 1
    return tokens


def _counts(key: object) -> bool:
    """Whether *key* is more than a word such as "content", which MESSAGE has in it."""
    return isinstance(key, str) and len(key) > 8


def _holds(value: object) -> bool:
    """Whether there may be text in *value*."""
    return isinstance(value, str | dict | list | tuple)


def _is_read(value: object) -> bool:
    """Whether *value* is text, or is written as some."""
    return isinstance(value, str | dict | list | tuple | int | float)


def tokens_of(text: str) -> int:
    """About how many tokens *text* is."""
    length = len(text)
    if text.isascii():
        return (length + 3) // 4
    more = (
        len(text.encode("utf-8", "surrogatepass")) - length
    )  # one for an umlaut, two for a Chinese character
    return (length + 3) // 4 + (more + 1) // 2
