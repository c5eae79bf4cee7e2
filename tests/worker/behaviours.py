"""What test workers do, well or badly; imported by the worker process."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

from loom.worker.host import CallContext, Handler, Host


def factory(host: Host) -> Mapping[str, Handler]:
    """Methods for every test."""
    return {
        "echo": lambda body, call: body,
        "pid": lambda body, call: os.getpid(),
        "config": lambda body, call: dict(host.config),
        "environment": lambda body, call: dict(os.environ),
        "open_files": lambda body, call: sorted(os.listdir("/proc/self/fd")),
        "raise": _raise,
        "die": lambda body, call: os.kill(os.getpid(), signal.SIGKILL),
        "exit": lambda body, call: os._exit(body),
        "stop": lambda body, call: os.kill(os.getpid(), signal.SIGSTOP),
        "hang": lambda body, call: time.sleep(3600),
        "wait": lambda body, call: call.wait(3600),
        "say": _say,
        "eat": lambda body, call: len(bytearray(body)),
        "garbage": lambda body, call: _raw().sendall(bytes.fromhex(body)),
        "flood": _flood,
        "numbers": _numbers,
        "forever": _forever,
        "frames": lambda body, call: _frames(host, body, call),
        "offer": lambda body, call: _offer(host, body),
        "fill": lambda body, call: host.writer("frames").write(bytes([body["with"]]) * body["size"]),
        "sum": lambda body, call: sum(body.view()),
        "look": _look,
        "shape": lambda body, call: [list(body["frame"].shape), body["frame"].dtype, body["note"]],
        "log": lambda body, call: host.log(body),
    }


def broken(host: Host) -> Mapping[str, Handler]:
    """A factory that fails."""
    print("about to fail", flush=True)
    raise ValueError("no such model")


def missing(host: Host) -> Mapping[str, Handler]:
    """A factory whose package is not installed."""
    from loom.errors import MissingExtra

    raise MissingExtra("vision", "ai-edge-litert")


def dies_at_start(host: Host) -> Mapping[str, Handler]:
    """A factory that takes the process down."""
    os._exit(7)


def _raise(body: Any, call: CallContext) -> object:
    from loom import errors

    known = getattr(errors, body["class"], None)
    raise known(*body["args"]) if known else ValueError(*body["args"])


def _say(body: Any, call: CallContext) -> None:
    for line in body["out"]:
        print(line)
    for line in body["err"]:
        print(line, file=sys.stderr)


def _raw() -> socket.socket:
    for fd in range(3, 64):
        try:
            if os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
                return socket.socket(fileno=os.dup(fd))
        except OSError:
            continue
    raise LookupError("no socket")


def _flood(body: Any, call: CallContext) -> None:
    from loom.worker import _wire
    from loom.worker._framing import frame

    sock = _raw()
    message = (
        {"heartbeat": {"rss": 1}}
        if body == "heartbeat"
        else {"item": {"id": call.id, "body": {"data": b"x"}}}
    )
    data = frame(_wire.envelope(**message), 1 << 20, "test")
    while True:
        sock.sendall(data * 100)


def _numbers(body: Any, call: CallContext) -> Iterator[int]:
    yield from range(body)


def _forever(body: Any, call: CallContext) -> Iterator[int]:
    number = 0
    while not call.cancelled:
        yield number
        number += 1


def _frames(host: Host, body: Any, call: CallContext) -> Iterator[object]:
    """`count` frames, each filled with its number; waits for a slot."""
    writer = host.writer("frames")
    for number in range(body["count"]):
        while (frame := writer.write(bytes([number % 251]) * body["size"])) is None:
            if call.wait(0.001):
                return
        yield {"frame": frame, "number": number}


def _look(picture: Any, call: CallContext) -> dict[str, object]:
    """Shape and all the colours of a picture."""
    content = bytes(picture.view())
    return {
        "shape": list(picture.shape),
        "pixels": sorted({tuple(content[at : at + 3]) for at in range(0, len(content), 3)}),
    }


def _offer(host: Host, body: Any) -> dict[str, object]:
    """One frame if there is a slot, and how many have been shed."""
    writer = host.writer("frames")
    frame = writer.write(bytes([7]) * body)
    return {"frame": frame, "shed": writer.shed} if frame else {"shed": writer.shed}
