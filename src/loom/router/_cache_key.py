"""What makes two requests the same to a cache, and which requests and answers it may remember."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import NamedTuple
from unicodedata import normalize

from loom.models.decision import Route
from loom.models.model import ROUTING, ModelReply, ModelRequest

LARGEST_INPUT = 1 << 20
"""Bytes of a request that is looked for at most."""
LONGEST_TEXT = 500
"""Characters of a text that is compared by meaning: embeddings do not see the end of long ones."""
_DEEPEST, _PARTS = 32, 10_000


class Address(NamedTuple):
    """Where an answer is: the hash of its whole request, that of all but the words, and the words.

    *text* is "" when the request has none that could be compared by meaning.
    """

    exact: bytes
    partition: bytes
    text: str


class Uncacheable(ValueError):
    """Data that has no stable form: an array, a picture, an object, or more than the limits."""


def address(request: ModelRequest, sampled: bool = False) -> Address | None:
    """Where the answer to *request* would be; None when it may not be remembered.

    It may not with ``cache`` False, with tools, with a temperature or a seed (unless *sampled*, or the option ``cache``
    asks for it), with an input that is not plain data. User, label, task, options, route and profile are part of it.
    """
    options = request.options
    asked = sampled or options.get("cache") is True
    if not request.cache or options.get("tools") or not (asked or _steady(options)):
        return None
    around, text = _apart(request)
    mine = {name: value for name, value in options.items() if name not in ROUTING}
    whose = (
        request.user,
        str(request.label),
        request.task,
        request.route,
        request.profile,
        request.min_quality,
    )
    try:
        partition = digest((whose, mine, around))
        return Address(digest((partition, text)), partition, text if isinstance(text, str) else "")
    except Uncacheable:
        return None


def worth_keeping(reply: ModelReply) -> bool:
    """Whether *reply* is a whole answer that anybody would want again: not cut, not empty, no call of a tool.

    Nor one that was given in place of a better one, which may be there again in a minute.
    """
    if reply.decision is not None and reply.decision.route is Route.LOCAL_FALLBACK:
        return False
    output = reply.output
    if not isinstance(output, Mapping):
        return output is not None
    if output.get("tool_calls") or output.get("stopped", "end") != "end" or output.get("error"):
        return False
    text = output.get("text")
    return text is None or bool(isinstance(text, str) and text.strip())


def _steady(options: Mapping[str, object]) -> bool:
    """Whether the same request would be answered the same again, as far as its options say."""
    return options.get("seed") is None and options.get("temperature") in (None, 0)


def _apart(request: ModelRequest) -> tuple[object, object]:
    """The input as (all but the last words of the user, these words); a text to chat is a message of the user."""
    data = request.input
    if request.task != "chat":
        return "", tidy(data) if isinstance(data, str) else data
    if isinstance(data, str):
        data = [{"role": "user", "content": data}]
    last = data[-1] if isinstance(data, list) and data else None
    plain = isinstance(last, Mapping) and set(last) == {"role", "content"} and last["role"] == "user"
    if plain and isinstance(text := last["content"], str):  # type: ignore[index]  # a mapping, see above
        return data[:-1], tidy(text)  # type: ignore[index]  # a list, see above
    return data, None


def tidy(text: str) -> str:
    """*text* in one Unicode form and with one kind of line ends, without blanks around it; too large a one as it is."""
    if len(text) > LARGEST_INPUT:
        return text
    return normalize("NFC", text).replace("\r\n", "\n").strip()


def digest(data: object) -> bytes:
    """A hash of plain *data*: two values have the same only when they are the same, of the same types.

    Raises Uncacheable for what is not plain data, or too much of it.
    """
    hashed = sha256()
    size = 0
    for part in _parts(data):
        size += len(part)
        if size > LARGEST_INPUT:
            raise Uncacheable("too large")
        hashed.update(part)
    return hashed.digest()


def copied(data: object, largest: int) -> tuple[object, int]:
    """Plain *data* once more and its size in bytes; raises Uncacheable for other data, or above *largest*."""
    size = 0
    for part in _parts(data):
        size += len(part)
        if size > largest:
            raise Uncacheable("too large")
    return again(data), size


def again(data: object) -> object:
    """Plain *data* once more, so that nobody changes the one that is kept."""
    if isinstance(data, Mapping):
        return {key: again(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return (
            type(data)([again(each) for each in data])
            if type(data) in (list, tuple)
            else list(map(again, data))
        )
    return data


def _parts(data: object) -> Iterator[bytes]:
    """*data* as bytes with its types and lengths, piece by piece."""
    left = _PARTS
    stack: list[tuple[object, int]] = [(data, 0)]
    while stack:
        value, depth = stack.pop()
        left -= 1
        if left < 0 or depth > _DEEPEST:
            raise Uncacheable("too many parts")
        inside: list[object] = []
        if isinstance(value, Mapping):
            names = [name for name in value if isinstance(name, str)]
            if len(names) != len(value):
                raise Uncacheable("a key that is no text")
            inside = [each for name in sorted(names) for each in (name, value[name])]
            yield b"{%d" % len(inside)
        elif isinstance(value, (list, tuple)):
            inside = list(value)
            yield b"[%d" % len(inside)
        else:
            yield _leaf(value)
        stack += [(each, depth + 1) for each in reversed(inside)]


def _leaf(value: object) -> bytes:
    if isinstance(value, str):
        told = value.encode("utf-8", "surrogatepass")
        return b"s%d:" % len(told) + told
    if isinstance(value, (bytes, bytearray)):
        return b"b%d:" % len(value) + bytes(value)
    if value is None or type(value) in (bool, int, float):
        return f"{type(value).__name__}:{value!r};".encode()
    raise Uncacheable(f"a {type(value).__name__}")
