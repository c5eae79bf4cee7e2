"""A worker for models that are none."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from typing import Any

from loom.worker import Handler, Host
from loom.worker.host import CallContext


def factory(host: Host) -> Mapping[str, Handler]:
    """One method for each way a model ends."""
    seen: list[Any] = []

    def note(body: Any, call: CallContext) -> list[Any]:
        seen.append(body["input"])
        return seen

    return {
        "echo": lambda body, call: body,
        "die": lambda body, call: os.kill(os.getpid(), signal.SIGKILL),
        "wait": lambda body, call: call.wait(3600),
        "fail": lambda body, call: 1 // 0,
        "pid": lambda body, call: os.getpid(),
        "eat": lambda body, call: len(bytearray(body["input"])),
        "grow": lambda body, call: len(bytearray(body["input"])),
        "note": note,
        "count": _count,
        "crash": _crash,
        "loop": _loop,
        "config": lambda body, call: dict(host.config),
    }


def broken(host: Host) -> Mapping[str, Handler]:
    """A model whose file is not one."""
    from loom.errors import ModelFailed

    raise ModelFailed("/models/x.bin is no model; give another file")


def _count(body: Any, call: CallContext) -> Iterator[dict[str, Any]]:
    number = 0
    while body["input"] is None or number < body["input"]:
        yield {"number": number, "pcm": bytes(2), **body["options"]}
        number += 1


def _crash(body: Any, call: CallContext) -> Iterator[int]:
    yield 1
    yield 1 // 0


def _loop(body: Any, call: CallContext) -> None:
    """A long computation that looks up now and then, as models do."""
    while True:
        call.check()
