"""How long a long prompt holds the event loop while it is redacted: in one go, and in turns with others.

    python -m benchmarks.bench_redaction [--megabytes 1]

Prints the table of docs/PRIVACY.md.
"""

import argparse
import asyncio
import time

from loom.errors import NotRedacted
from loom.models import ModelRequest
from loom.privacy import Guard

TEXTS = {
    "words": "some ordinary words, 17 of them; ",
    "one long token": "a",
    "at signs": "@",
    "dashes": "-",
    "digits in pairs": "41 ",
}


async def held(text: str, in_turns: bool) -> tuple[float, float]:
    """Seconds that redaction of *text* took, and the longest that others had to wait for their turn."""
    guard, waits = Guard(), [0.0]
    guard.outbound(ModelRequest("chat", "patterns are compiled"))

    async def others() -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            waits.append(now - last)
            last = now

    other = asyncio.create_task(others())
    await asyncio.sleep(0)
    began, request = time.perf_counter(), ModelRequest("chat", text)
    try:
        await guard.outbound_in_turns(request) if in_turns else guard.outbound(request)
    except NotRedacted as error:
        print(error)
    took = time.perf_counter() - began
    await asyncio.sleep(0)
    other.cancel()
    return took, max(waits)


def main() -> None:
    parser = argparse.ArgumentParser(description="How long redaction holds the event loop.")
    parser.add_argument("--megabytes", type=int, default=1)
    size = parser.parse_args().megabytes * 1_000_000
    print(
        f"| {size // 1_000_000} MB | in one go: longest wait of others | in turns: longest wait | in turns: all of it |"
    )
    print("|---|---|---|---|")
    for name, piece in TEXTS.items():
        text = (piece * (size // len(piece) + 1))[:size]
        _, blocked = asyncio.run(held(text, in_turns=False))
        took, waited = asyncio.run(held(text, in_turns=True))
        print(f"| {name} | {blocked:.1f} s | {waited * 1000:.0f} ms | {took:.1f} s |")


if __name__ == "__main__":
    main()
