"""The voice assistant with its real models: from the end of a question to the first sound, and what listening costs.

Questions are fed as fast as they are listened to: what counts is processor time and what Loom adds, not waiting.
"""

import asyncio
import os
from collections.abc import Iterator
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks._assistant import Assistant, Moment
from benchmarks._harness import Ratio, bench
from loom.adapters.audio import RATE
from loom.cli._memory import memory_of

WAKE = "Hey Jarvis,"
QUESTIONS = (
    "what time is it?", "set a timer for ten minutes.", "what is the capital of France?", "turn on the kitchen light.",
    "what day is it today?", "why is the sky blue?", "how much time is left on the timer?",
    "who wrote Romeo and Juliet?", "cancel the timer.", "tell me something about cats.",
)  # fmt: skip
QUIET = 60.0


async def conversation() -> tuple[list[Moment], dict[str, Any]]:
    """The moments of ten questions, and what a minute of silence costs."""
    assistant = Assistant()
    await assistant.begin()
    try:
        spoken = [(await assistant.speech(f"{WAKE} {question}"), question) for question in QUESTIONS]
        moments = [await assistant.ask(pcm, question) for pcm, question in spoken]
        before, began = assistant.cpu(), perf_counter()
        await assistant.feed(bytes(int(QUIET * RATE) * 2))
        await assistant.loom.idle()
        after = assistant.cpu()
        listening: dict[str, Any] = {name: (after[name] - before[name]) / QUIET for name in after}
        listening["seconds"] = perf_counter() - began
        listening["memory"] = memory_of(os.getpid())
        return [moment for moment in moments if moment is not None], listening
    finally:
        await assistant.end()


@bench
def voice() -> Iterator[Ratio]:
    moments, listening = asyncio.run(conversation())
    answered = len(moments)
    cpu = median(sum(moment.cpu.values()) for moment in moments)
    own = median(moment.own for moment in moments)
    worst = max(moments, key=lambda moment: sum(moment.cpu.values()))
    note = f"{answered} of {len(QUESTIONS)} answered; worst {sum(worst.cpu.values()):.2f} s: {worst.text}"
    yield Ratio("voice.first_sound_cpu", cpu, 2.5, "lower", "s", slack=0.3, note=note)
    yield Ratio(
        "voice.own_part", own * 1000, 5.0, "lower", "ms", slack=2.0, note="outside the models, median"
    )
    workers = ", ".join(
        f"{name} {share:.1%}" for name, share in listening.items() if name in ("wakeword", "microvad")
    )
    yield Ratio(
        "voice.listening_cpu", listening["runtime"], 0.03, "lower", "of a core", slack=0.005, note=workers
    )
    yield Ratio(
        "voice.listening_memory",
        listening["memory"] / 1e6,
        60.0,
        "lower",
        "MB",
        slack=5.0,
        note="runtime process",
    )
