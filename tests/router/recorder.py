"""A cloud that writes down every byte that reaches it, and answers well or badly; and what is sought in what it saw."""

import asyncio
import base64
import json
import re
import sys
from collections.abc import Iterable, Iterator
from random import Random
from types import TracebackType
from typing import Any
from urllib.parse import quote, quote_plus, unquote

_ODD = (*["answer"] * 24, "429", "500", "reset", "no json", "cut", "no answer for it")
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"transfer-encoding: *chunked", re.IGNORECASE)


class Recorder:
    """Speaks OpenAI's chat completions under ``/NAME/v1`` for any NAME while it is entered; ``saw`` is what came.

    What it answers is drawn by *random*: mostly what the user said last, in pieces of any size for a stream, with a
    call of the first tool where there are tools; now and then a failure of some sort.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.saw: dict[str, list[bytes]] = {}
        self.raw: list[bytes] = []
        self.keys: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Recorder":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        body = await self._body(head, reader)
        self.raw.append(head + body)
        path = head.split(b" ", 2)[1].decode()
        name = path.split("/")[1]
        kept, _ = re.subn(rb"(?im)^authorization:.*\r\n", b"", head)
        self.keys.update(re.findall(r"(?im)^authorization: *Bearer (\S+)", head.decode("latin-1")))
        self.saw.setdefault(name, []).append(kept + body)
        how = self.random.choice(_ODD)
        if how == "reset":
            writer.transport.abort()
            return False
        answer = _plain(404, "what?") if b"POST" not in head[:5] else self._answer(how, json.loads(body))
        writer.write(answer)
        await writer.drain()
        return how != "cut"

    async def _body(self, head: bytes, reader: asyncio.StreamReader) -> bytes:
        if _CHUNKED.search(head):
            pieces = []
            while size := int(await reader.readline(), 16):
                pieces.append((await reader.readexactly(size + 2))[:-2])
            await reader.readline()
            return b"".join(pieces)
        length = _LENGTH.search(head)
        return await reader.readexactly(int(length[1])) if length else b""

    def _answer(self, how: str, asked: dict[str, Any]) -> bytes:
        if how in ("429", "500"):
            return _plain(
                int(how), json.dumps({"error": {"message": f"no: {said(asked)}"}}), "retry-after: 0\r\n"
            )
        if how == "no json":
            return _plain(200, f"<html>{said(asked)}")
        text = said(asked)
        whole = (
            self._stream(text, asked)
            if asked.get("stream")
            else _plain(200, json.dumps(self._completion(text, asked)))
        )
        if how == "no answer for it":
            return _plain(200, json.dumps({"choices": []}))
        return whole[: len(whole) // 2] if how == "cut" else whole

    def _calls(self, text: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
        if not asked.get("tools"):
            return []
        name = asked["tools"][0]["function"]["name"]
        return [
            {
                "index": 0,
                "id": "c1",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps({"text": text})},
            }
        ]

    def _completion(self, text: str, asked: dict[str, Any]) -> dict[str, Any]:
        message = {
            "role": "assistant",
            "content": text,
            **({"tool_calls": calls} if (calls := self._calls(text, asked)) else {}),
        }
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}
        return {
            "model": asked["model"],
            "choices": [choice],
            "usage": {"prompt_tokens": 5, "completion_tokens": 5},
        }

    def _stream(self, text: str, asked: dict[str, Any]) -> bytes:
        deltas: list[dict[str, Any]] = [{"content": piece} for piece in self._pieces(text)]
        deltas += [{"tool_calls": [call]} for call in self._calls(text, asked)]
        finish = "tool_calls" if asked.get("tools") else "stop"
        items = [
            {"model": asked["model"], "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
            for delta in deltas
        ]
        items.append(
            {
                "model": asked["model"],
                "choices": [{"index": 0, "delta": {}, "finish_reason": finish}],
                "usage": {"prompt_tokens": 5, "completion_tokens": 5},
            }
        )
        lines = "".join(f"data: {json.dumps(item)}\n\n" for item in items) + "data: [DONE]\n\n"
        return _plain(200, lines, kind="text/event-stream")

    def _pieces(self, text: str) -> Iterator[str]:
        at = 0
        while at < len(text):
            size = self.random.choice((1, 2, 3, 7, 40))
            yield text[at : at + size]
            at += size


def said(asked: dict[str, Any]) -> str:
    """What the user said last."""
    texts = [each["content"] for each in asked["messages"] if each["role"] == "user"]
    return str(texts[-1]) if texts else "nothing"


def _plain(status: int, text: str, more: str = "", kind: str = "application/json") -> bytes:
    body = text.encode()
    return (
        f"HTTP/1.1 {status} Told\r\ncontent-type: {kind}\r\n{more}content-length: {len(body)}\r\n\r\n".encode()
        + body
    )


# --- what is sought --------------------------------------------------------------------------------------------------


def forms(secret: str) -> set[str]:
    """*secret* as it might be written down: as it is, escaped, percent-encoded, in base64 at any place, in hex."""
    data = secret.encode()
    found = {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], data.hex()}
    for offset in range(3):
        whole = base64.b64encode(bytes(offset) + data).decode().rstrip("=")
        sure = whole[(0, 2, 3)[offset] : len(whole) - bool((offset + len(data)) % 3)]
        found |= {sure, sure.replace("+", "-").replace("/", "_")}
    return {form.casefold() for form in found if len(form) >= 6}


def haystacks(pieces: Iterable[bytes]) -> list[str]:
    """All *pieces* one after the other, as they came, unescaped, and without what parts the pieces of a stream."""
    whole = b"".join(pieces).decode("utf-8", "replace")
    contents = [
        found[1]
        for found in re.finditer(r"\"(?:content|arguments|text)\": ?\"((?:[^\"\\\\]|\\\\.)*)\"", whole)
    ]
    inner = "".join(contents)
    plain = re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), whole).replace("\\", "")
    return [whole.casefold(), plain.casefold(), unquote(whole).casefold(), inner.casefold()]


def found_in(stacks: Iterable[str], secrets: Iterable[str]) -> list[tuple[str, str]]:
    """Which of *secrets* stand in *stacks*, with the form in which they do; one pass over each stack."""
    begun: dict[str, list[tuple[str, str]]] = {}
    for secret in secrets:
        for form in forms(secret):
            begun.setdefault(form[:6], []).append((form, secret))
    result = []
    for stack in stacks:
        for at in range(len(stack) - 5):
            for form, secret in begun.get(stack[at : at + 6], ()):
                if stack.startswith(form, at):
                    result.append((secret, stack[max(0, at - 60) : at + len(form) + 20]))
    return result


# --- where else something might go -----------------------------------------------------------------------------------


class Connects:
    """Every address that this process connects to while it is entered."""

    _hooked: "Connects | None" = None
    _installed = False

    def __init__(self) -> None:
        self.addresses: set[Any] = set()

    def __enter__(self) -> "Connects":
        if not Connects._installed:
            sys.addaudithook(_note)
            Connects._installed = True
        Connects._hooked = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        Connects._hooked = None


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto") and Connects._hooked is not None:
        Connects._hooked.addresses.add(arguments[1])
