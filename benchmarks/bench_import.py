"""Import Loom, let one event through one agent, exit: processes of their own, beside `import asyncio`."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import loom
from benchmarks._harness import Ratio, bench, interleave, quantile

WARM = 2
ONE_EVENT = """
import asyncio
from loom import Agent, Loom, on

class Greeter(Agent):
    faces: int = 0

    @on("camera.*.face")
    async def greet(self, event, ctx):
        self.faces += 1

async def main():
    greeter = Greeter()
    async with Loom() as loom:
        loom.add(greeter)
        await loom.publish("camera.front.face", {"score": 0.92})
        await loom.idle()
    assert greeter.faces == 1

asyncio.run(main())
"""
RUN_ASYNCIO = "import asyncio\nasync def main(): pass\nasyncio.run(main())"
TELL_PEAK = "\nimport sys\nif sys.platform == 'linux': print(open('/proc/self/status').read())"
CORE = (
    "__init__.py", "clock.py", "errors.py", "event", "privacy", "telemetry", "bus", "store", "journal", "actions",
    "agent", "runtime", "adapters/__init__.py", "adapters/source.py", "adapters/sink.py", "adapters/host_adapter.py",
)  # fmt: skip
"""The core: without the adapters to devices and protocols, each of which is a leaf that nobody has to install for."""
LEAVES = (
    "event/codec.py", "event/_codec_payload.py", "event/_codec_buffer.py", "store/rocksdb.py", "store/_rocksdb_open.py",
    "store/_rocksdb_repair.py", "store/_rocksdb_upkeep.py", "store/crypto.py", "agent/_cron.py", "privacy/_presidio.py",
    "privacy/_stdnum.py",
)  # fmt: skip
"""What of it needs a package of somebody else."""


class Child:
    """Runs one program again and again, with its bytecode in place as after an installation; keeps its peak memory.

    Linux reports the peak of the parent for a child that was forked, so the child reads its own at the end.
    """

    def __init__(self, code: str, cache: str) -> None:
        self._arguments = [sys.executable, "-c", code + TELL_PEAK]
        without = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        self._environment = {**without, "PYTHONPYCACHEPREFIX": cache}
        self._peaks: list[float] = []

    def __call__(self) -> float:
        """Milliseconds of CPU time of one run, user and system."""
        child = subprocess.Popen(self._arguments, env=self._environment, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        told = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0, child.returncode
        kilobytes = [int(line.split()[1]) for line in told.splitlines() if line.startswith("VmHWM:")]
        self._peaks.append(kilobytes[0] * 1024 / 1e6 if kilobytes else usage.ru_maxrss / 1e6)
        return (usage.ru_utime + usage.ru_stime) * 1e3

    def peak(self) -> float:
        """The median of the peaks, megabytes; the first runs, which write the bytecode, do not count."""
        return quantile(self._peaks[WARM:], 0.5)


def installed_bytes(*parts: str) -> int:
    """The size of the source files of these parts of the package."""
    root = Path(loom.__file__).parent
    files = [
        f
        for part in parts
        for f in ((root / part).rglob("*.py") if (root / part).is_dir() else [root / part])
    ]
    return sum(file.stat().st_size for file in files if file.exists())


@bench
def one_event() -> Iterator[Ratio]:
    with tempfile.TemporaryDirectory() as cache:
        programs = {"loom": ONE_EVENT, "asyncio": "import asyncio", "running": RUN_ASYNCIO, "empty": ""}
        children = {name: Child(code, cache) for name, code in programs.items()}
        got = interleave(15, WARM, **children)
    note = f"asyncio alone {children['asyncio'].peak():.3g}, a bare interpreter {children['empty'].peak():.3g} MB"
    yield Ratio("import.peak_memory", children["loom"].peak(), 24.0, "lower", "MB", note=note)
    note = f"{got.note('loom', 'asyncio', 'ms')}, a bare interpreter {got.median('empty'):.3g}"
    yield Ratio("import.cpu", got.ratio("loom", "asyncio"), 1.25, "lower", note=note)
    note = got.note("loom", "running", "ms")
    yield Ratio("import.cpu.against_asyncio_run", got.ratio("loom", "running"), None, "lower", note=note)


@bench
def code_size() -> Iterator[Ratio]:
    core, leaves = installed_bytes(*CORE) / 1e6, installed_bytes(*LEAVES) / 1e6
    yield Ratio("import.core_source", core - leaves, 1.0, "lower", "MB", note=f"leaves {leaves:.3f}")
    yield Ratio("import.all_source", installed_bytes(".") / 1e6, None, "lower", "MB")
