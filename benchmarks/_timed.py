"""Things at a fixed rate, and how late they are: from the moment they were due, not the moment they were sent."""

import asyncio
import resource
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

Tick = Callable[[float], None]


async def pace(rate: float, seconds: float, tick: Tick) -> int:
    """Calls ``tick(due)`` *rate* times a second by ``loop.call_at`` for *seconds*; returns how often.

    A tick that comes late does not put off the next one, so a stalled loop shows in every tick that it delayed.
    """
    loop = asyncio.get_running_loop()
    count = int(rate * seconds)
    start = loop.time() + 0.02
    ahead = perf_counter() - loop.time()
    finished = loop.create_future()

    def fire(number: int) -> None:
        tick(start + number / rate + ahead)
        if number + 1 == count:
            finished.set_result(None)
        else:
            loop.call_at(start + (number + 1) / rate, fire, number + 1)

    loop.call_at(start, fire, 0)
    await finished
    return count


async def bare_lateness(rate: float, seconds: float) -> list[float]:
    """How many seconds late each tick of a bare timer loop is, with nothing else in the process."""
    late: list[float] = []
    await pace(rate, seconds, lambda due: late.append(perf_counter() - due))
    return late


def resident_bytes() -> int:
    """The resident memory of this process now; its peak where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * resource.getpagesize()
