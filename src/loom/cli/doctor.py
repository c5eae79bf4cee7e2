"""`loom doctor`: what this machine can do with Loom, what is missing, and the command that brings it."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
from collections.abc import Iterator
from typing import NamedTuple

from loom.cli._extras import EXTRAS, missing
from loom.cli._output import columns, field, is_terminal, say

FINE, MISSING, BROKEN = "ok", "--", "NO"


class Finding(NamedTuple):
    """One thing looked at: `ok`, `--` for something optional that is not there, `NO` for something broken."""

    mark: str
    what: str
    text: str


def describe(parser: argparse.ArgumentParser) -> None:
    """What `loom doctor` takes."""
    parser.description = (
        "ok: works. --: not there, and only needed for what it says. NO: broken.\n"
        "Exit code 1 when something is broken."
    )


def run(options: argparse.Namespace) -> int:
    """Look at everything and say it."""
    found = []
    for finding in findings():
        found.append(finding)
        for line in field(f"{finding.mark}  {finding.what}", finding.text, columns(), 16):
            say(line)
    broken = [finding.what for finding in found if finding.mark == BROKEN]
    say()
    say(f"broken: {', '.join(broken)}" if broken else "nothing that Loom needs is broken")
    return 1 if broken else 0


def findings() -> Iterator[Finding]:
    """Everything there is to find out, one at a time."""
    yield _python()
    yield _core()
    for extra in EXTRAS:
        yield _extra(extra)
    if not missing("worker"):
        yield _worker()
    yield _key()
    yield _shared_memory()
    yield _sockets()
    yield _faces()
    yield _terminal()
    yield _nats()


def _python() -> Finding:
    text = f"{'.'.join(map(str, sys.version_info[:3]))} on {sys.platform}, {os.cpu_count()} processors"
    return Finding(FINE if sys.version_info >= (3, 11) else BROKEN, "python", f"{text}; {sys.executable}")


def _core() -> Finding:
    """One event through one agent."""
    from loom import Loom, __version__, on

    seen: list[object] = []

    @on("doctor.test")
    async def patient(event: object) -> None:
        seen.append(event)

    async def visit() -> None:
        async with Loom() as loom:
            loom.add(patient)
            await loom.publish("doctor.test")
            await loom.idle()

    try:
        asyncio.run(asyncio.wait_for(visit(), 10))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the user wants to know
        return Finding(BROKEN, "runtime", f"{type(error).__name__}: {error}")
    return Finding(FINE if seen else BROKEN, "runtime", f"loom {__version__}: an event went through an agent")


def _extra(name: str) -> Finding:
    from loom.errors import install_command

    gone = missing(name)
    if not gone:
        return Finding(FINE, f"[{name}]", ", ".join(EXTRAS[name].values()))
    return Finding(MISSING, f"[{name}]", f"without {', '.join(gone)}; run: {install_command(name)}")


def _worker() -> Finding:
    """Start a worker process and let it calculate."""
    from loom.worker.pool import ProcessPool

    async def visit() -> float:
        async with ProcessPool(1) as pool:
            return await pool.run(pow, 2, 10, timeout=30)

    try:
        answer = asyncio.run(visit())
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the user wants to know
        return Finding(BROKEN, "worker", f"{type(error).__name__}: {error}")
    return Finding(FINE if answer == 1024 else BROKEN, "worker", "a worker process started and answered")


def _key() -> Finding:
    """Whether what is private is encrypted on disk."""
    from loom.errors import LoomError
    from loom.store._master_key import VARIABLE, find_master_key

    if VARIABLE not in os.environ:
        text = (
            f"{VARIABLE} is not set; private data in data folders is in the clear (only you can open them) "
            "unless the project names a key"
        )
        return Finding(MISSING, "key", text)
    try:
        find_master_key()
    except LoomError as error:
        return Finding(BROKEN, "key", str(error))
    return Finding(FINE, "key", f"{VARIABLE} holds one; private data in data folders is encrypted")


def _shared_memory() -> Finding:
    try:
        from loom.worker.arena import Arena

        with Arena("doctor", slots=1, slot_bytes=1_000_000):
            pass
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the user wants to know
        return Finding(BROKEN, "frames", f"no shared memory: {type(error).__name__}: {error}")
    kind = "anonymous" if hasattr(os, "memfd_create") else "an unlinked file"
    return Finding(FINE, "frames", f"shared memory works ({kind})")


def _sockets() -> Finding:
    from loom.cli._socket import folder
    from loom.errors import LoomError

    try:
        return Finding(FINE, "loom top", f"sockets go into {folder()}")
    except LoomError as error:
        return Finding(BROKEN, "loom top", str(error))


def _faces() -> Finding:
    from loom.errors import LoomError

    try:
        from loom.models.face import model_file

        return Finding(FINE, "face models", model_file("face_detection_back.tflite"))
    except (LoomError, ImportError) as error:
        return Finding(MISSING, "face models", f"for the camera demo: {error}")


def _terminal() -> Finding:
    if not is_terminal():
        return Finding(MISSING, "terminal", "none here; views become plain lines")
    size = shutil.get_terminal_size()
    return Finding(FINE, "terminal", f"{size.columns} x {size.lines}, {os.environ.get('TERM')}")


def _nats() -> Finding:
    path = os.pathsep.join((os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)))
    found = shutil.which("nats-server", path=path)
    text = found or "not there; only the differential test of topics uses it"
    return Finding(FINE if found else MISSING, "nats-server", text)
