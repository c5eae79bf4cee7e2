"""llama.cpp's server inside this process: counts tokens and generates, one request at a time.

Its HTTP side cannot be switched off; it listens on a Unix socket in a directory that only this user can enter.
"""

from __future__ import annotations

import http.client
import json
import os
import queue
import re
import secrets
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from loom.errors import MissingExtra, ModelFailed

BATCH = 64  # tokens of a prompt between two looks at whether anybody still waits
AHEAD = 16  # pieces that wait for the reader
LOOK = 0.05  # seconds between two such looks while nothing comes
PREFIX = "loom-llama-"
LONGEST_PATH = 90  # a Unix socket's path has 103 characters on macOS


@dataclass(frozen=True, slots=True)
class Settings:
    """Which *file*, with how many tokens of *context*, *threads*, and layers on a GPU."""

    file: str
    context: int
    threads: int
    gpu_layers: int


class LlamaServer:
    """A loaded model; raises MissingExtra without xllamacpp, ModelFailed when llama.cpp refuses the file."""

    def __init__(self, settings: Settings) -> None:
        try:
            import xllamacpp
        except ModuleNotFoundError:
            raise MissingExtra("llm", "xllamacpp") from None
        except ImportError as error:  # it is there and cannot be loaded, for want of memory for instance
            raise ModelFailed(
                f"xllamacpp cannot be loaded: {error}; does `memory_limit` leave it room?"
            ) from None
        self._key = secrets.token_hex(16)
        self._place = _place()
        self._socket = os.path.join(self._place, "s.sock")
        try:
            self._server = xllamacpp.Server(self._parameters(xllamacpp.CommonParams(), settings))
        except (RuntimeError, ValueError) as error:
            self.close()
            raise ModelFailed(
                f"{settings.file} cannot be loaded by llama.cpp {xllamacpp.__version__}: {error}"
                " The file may be damaged, of a newer kind, or too big: raise `memory_limit`, lower `context`, or name"
                " another `file`"
            ) from None

    def _parameters(self, made: Any, settings: Settings) -> Any:
        values: dict[str, object] = dict(
            n_ctx=settings.context,
            n_gpu_layers=settings.gpu_layers,
            n_batch=BATCH,
            n_ubatch=BATCH,
            n_parallel=1,
            n_threads_http=1,
            cache_ram_mib=0,  # one conversation in the context is cache enough
            n_ctx_checkpoints=0,
            fit_params=False,
            warmup=False,
            offline=True,  # nothing is ever downloaded
            ui=False,
            endpoint_slots=False,
            api_keys=[self._key],
            hostnames=[self._socket],
            verbosity=0,
        )
        for name, value in values.items():
            setattr(made, name, value)
        made.model.path = settings.file
        made.cpuparams.n_threads = made.cpuparams_batch.n_threads = settings.threads
        return made

    def count(self, messages: Sequence[Mapping[str, str]]) -> int:
        """How many tokens *messages* are, with the chat template around them; raises ModelFailed."""
        body = json.dumps({"messages": list(messages)})
        connection = _UnixConnection(self._socket)
        try:
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"}
            connection.request("POST", "/v1/chat/completions/input_tokens", body, headers)
            answer = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ModelFailed(f"llama.cpp does not count tokens: {error}") from None
        finally:
            connection.close()
        if "input_tokens" not in answer:
            raise ModelFailed(f"llama.cpp does not count tokens: {_reason(answer)}")
        return int(answer["input_tokens"])

    def generate(self, body: Mapping[str, Any], gone: Callable[[], bool]) -> Iterator[dict[str, Any]]:
        """The chunks of a streamed chat completion, as llama.cpp gives them; raises ModelFailed.

        Ends early once *gone* says so, or when the iterator is closed: the generation then ends at its next token, or
        after at most 64 tokens of the prompt.
        """
        chunks: queue.Queue[dict[str, Any] | Exception | None] = queue.Queue(AHEAD)
        stop = threading.Event()
        thread = threading.Thread(target=self._run, args=(body, chunks, stop), daemon=True, name="llama")
        thread.start()
        try:
            while not gone():
                try:
                    chunk = chunks.get(timeout=LOOK)
                except queue.Empty:
                    continue
                if chunk is None:
                    return
                if isinstance(chunk, Exception):
                    raise chunk
                yield chunk
        finally:
            stop.set()
            thread.join()

    def _run(self, body: Mapping[str, Any], chunks: queue.Queue[Any], stop: threading.Event) -> None:
        def put(item: object) -> None:
            while not stop.is_set():
                with suppress(queue.Full):
                    chunks.put(item, timeout=LOOK)
                    return

        def take(chunk: Any) -> bool:
            parsed = json.loads(chunk) if isinstance(chunk, str | bytes) else chunk
            put(ModelFailed(_reason(parsed)) if "error" in parsed else parsed)
            return stop.is_set()

        try:
            self._server.handle_chat_completions({**body, "stream": True, "return_progress": True}, take)
        except Exception as error:  # noqa: BLE001 - whatever llama.cpp throws is told to who asked
            put(ModelFailed(f"llama.cpp refuses the request: {str(error)[:600]}"))
        put(None)

    def close(self) -> None:
        """Remove the socket."""
        shutil.rmtree(self._place, ignore_errors=True)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _place() -> str:
    """A directory of our own for the socket; those of processes that were killed are removed."""
    for root in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 - mkdtemp below makes a private directory
        if len(root) + len(PREFIX) + 30 < LONGEST_PATH:
            break
    for name in os.listdir(root):
        if (found := re.fullmatch(rf"{PREFIX}(\d+)-\w+", name)) and not _alive(int(found[1])):
            shutil.rmtree(os.path.join(root, name), ignore_errors=True)  # fails for those of others
    return tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=root)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _reason(answer: Any) -> str:
    error = answer.get("error", answer) if isinstance(answer, dict) else answer
    message = error.get("message", error) if isinstance(error, dict) else error
    return f"llama.cpp refuses the request: {str(message)[:600]}"
