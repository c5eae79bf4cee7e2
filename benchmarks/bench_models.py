"""Chat, embeddings and intents: what they cost, and how often the nearest example is the right intent.

Costs are CPU time of the worker process, not of the clock: `python -m benchmarks models`.
"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

from benchmarks._harness import Ratio, bench
from benchmarks._intents import ASKED, EXAMPLES
from loom.models import llama, minilm
from loom.models.catalog import BACKENDS
from loom.models.classify import examples
from loom.worker import Worker

TICK = os.sysconf("SC_CLK_TCK")
QUESTION = "What is the capital of France, and what is it known for?"


@bench
def intents() -> Iterator[Ratio]:
    yield _intents("models.intents", -1.0)
    yield _intents("models.intents_or_none", minilm.THRESHOLD)


def _intents(name: str, threshold: float) -> Ratio:
    """The part of the utterances whose nearest example is of their intent; what is near none of them is chat."""
    model, given = minilm.MiniLm({}), examples(EXAMPLES)
    wrong: list[str] = []
    for intent, utterances in ASKED.items():
        for each in utterances:
            best = model.classify(each, given, threshold)[0]["label"] or "chat"
            if best != intent:
                wrong.append(f"{each!r} {best}")
    asked = sum(map(len, ASKED.values()))
    note = f"{asked - len(wrong)} of {asked}; wrong: {'; '.join(wrong) or 'none'}"
    return Ratio(name, 1 - len(wrong) / asked, 0.8, unit="", slack=0.05, note=note)


@bench
def chat() -> Iterator[Ratio]:
    figures = asyncio.run(_chat())
    note = f"{figures['rss']:.0f} MB RSS, {figures['load']:.2f} s CPU to load"
    yield Ratio("models.chat_tokens", figures["tokens"], unit="tokens/CPU s", slack=10, note=note)
    first = figures["first"] * 1000
    note = f"{figures['prompt']} tokens of prompt"
    yield Ratio("models.chat_first_token", first, None, "lower", "ms CPU", 100, note)


@bench
def embeddings() -> Iterator[Ratio]:
    each, rss, load = asyncio.run(_embeddings())
    note = f"{rss:.0f} MB RSS, {load:.2f} s CPU to load"
    yield Ratio("models.embed_sentence", each * 1000, None, "lower", "ms CPU", 3, note)


async def _chat() -> dict[str, Any]:
    limit = BACKENDS["llama"].memory_limit
    async with Worker("llama", llama.SPEC, {"threads": 1}, memory_limit=limit) as worker:
        await worker.start()
        pid = worker.statistics()["pid"]
        found: dict[str, Any] = {"load": _cpu(pid)}
        body = {"input": QUESTION, "options": {"max_tokens": 1}}
        prompt: Any = await worker.call("chat", body)
        found |= {"first": _cpu(pid) - found["load"], "prompt": prompt["tokens_in"]}
        long = {"input": "Tell me a long story about a dragon.", "options": {"max_tokens": 128}}
        before, last = _cpu(pid), prompt
        async with aclosing(worker.stream("chat_stream", long)) as items:
            async for each in items:
                last = each
                if "began" not in found:
                    found["began"] = _cpu(pid) - before
        spent = _cpu(pid) - before - found["began"]
        return {**found, "tokens": (last["tokens_out"] - 1) / max(spent, 1 / TICK), "rss": _resident(pid)}


async def _embeddings() -> tuple[float, float, float]:
    sentences = [each for group in ASKED.values() for each in group]
    async with Worker("minilm", minilm.SPEC, memory_limit=BACKENDS["minilm"].memory_limit) as worker:
        await worker.call("embed", {"input": "warm"})
        pid = worker.statistics()["pid"]
        load = _cpu(pid)
        for each in sentences:
            await worker.call("embed", {"input": each})
        return (_cpu(pid) - load) / len(sentences), _resident(pid), load


def _cpu(pid: object) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def _resident(pid: object) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
