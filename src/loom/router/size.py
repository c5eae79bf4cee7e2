"""How much work a request is, as far as it can be told before a model has seen it."""

from __future__ import annotations

from typing import Any, NamedTuple

from loom.models.model import ModelRequest
from loom.models.price import Usage

ANSWER = 512
"""Tokens that an answer is taken to have where ``max_tokens`` does not say."""
MESSAGE = 4
"""Tokens around each message of a chat."""
SECOND = 32_000
"""Bytes of a second of sound: signed 16 bit, mono, 16 kHz."""
_TALKS = ("chat", "generate")


class Size(NamedTuple):
    """Tokens to read, tokens to write at most, seconds of sound, and characters of text."""

    tokens_in: int
    tokens_out: int
    seconds: float = 0.0
    characters: int = 0

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
    characters, tokens = _text(what)
    for name in ("system", "tools", "schema"):
        if options.get(name):
            more = _text(options[name])
            characters, tokens = characters + more[0], tokens + more[1]
    if request.task not in _TALKS:
        return Size(tokens, 0, 0.0, characters)
    most = options.get("max_tokens")
    return Size(tokens, most if type(most) is int and most >= 0 else ANSWER, 0.0, characters)


def _text(value: Any) -> tuple[int, int]:
    """The characters and the tokens of every text in *value*, which may be nested."""
    if type(value) is str:
        return len(value), tokens_of(value)
    characters = tokens = 0
    left, seen = [value], 0
    while left and seen < 100_000:
        each = left.pop()
        seen += 1
        if isinstance(each, str):
            characters, tokens = characters + len(each), tokens + tokens_of(each)
        elif isinstance(each, dict):
            tokens += MESSAGE
            left += each.values()
        elif isinstance(each, list | tuple):
            left += each
    return characters, tokens


def tokens_of(text: str) -> int:
    """About how many tokens *text* is."""
    length = len(text)
    if text.isascii():
        return (length + 3) // 4
    more = (
        len(text.encode("utf-8", "surrogatepass")) - length
    )  # one for an umlaut, two for a Chinese character
    return (length + 3) // 4 + (more + 1) // 2
