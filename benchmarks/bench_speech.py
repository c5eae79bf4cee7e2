"""How well the speech models hear and speak: wake words, dictation, the way there and back, and what they cost.

Bundled voice: "heart" of hibari-tts (synthetic, American, female), in eight manners of speed, pitch and volume. People:
pocketsphinx-testdata of Debian, left out where it is not installed. Figures are counts and audio time, which do not
depend on the machine; costs are CPU time of the worker process.
"""

import asyncio
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

from benchmarks._harness import Ratio, bench
from benchmarks._speech_cases import NOISES, POSITIVES, SENTENCES, Spoken, wake_cases
from loom.models import hibari, keyphrase, micro_vad, pocketsphinx, silero_vad, wakeword, whisper
from loom.models.catalog import BACKENDS
from loom.worker import Worker
from tests.models import speech

HOST = SimpleNamespace(config={})
CARDS = speech.HUMAN / "cards" / "cards.gram"
TICK = os.sysconf("SC_CLK_TCK")


@bench
def wake_words() -> Iterator[Ratio]:
    wake: Any = wakeword.factory(HOST)["wake"]
    for snr in NOISES:
        tally = _listen(wake, snr)
        for phrase in POSITIVES:
            of, late = tally.count[phrase], tally.late[phrase]
            note = f"{len(late)} of {of}, {_late(late)}; {tally.other[phrase]} woken by another phrase"
            yield Ratio(
                f"speech.wake_{phrase}_{snr or 'clean'}", len(late) / of, slack=0.15, unit="", note=note
            )
        note = f"of {tally.count['']}: {', '.join(tally.false) or 'none'}"
        yield Ratio(f"speech.wake_false_{snr or 'clean'}", len(tally.false), None, "lower", "", 1.0, note)


class Tally:
    """What was said, how late it was heard, and what was heard wrongly."""

    def __init__(self) -> None:
        self.count: dict[str, int] = defaultdict(int)
        self.late: dict[str, list[float]] = defaultdict(list)
        self.other: dict[str, int] = defaultdict(int)
        self.false: list[str] = []

    def add(self, case: Spoken, hits: list[dict[str, Any]]) -> None:
        """*hits* were heard in *case*."""
        self.count[case.phrase] += 1
        own = [hit["at"] - case.end for hit in hits if hit["phrase"] == case.phrase]
        others = [hit["phrase"] for hit in hits if hit["phrase"] != case.phrase]
        if own:
            self.late[case.phrase].append(own[0])
        elif others and case.phrase:
            self.other[case.phrase] += 1
        if not case.phrase:
            self.false += [f"{phrase} in {case.name!r}" for phrase in others]


def _listen(wake: Any, snr: float | None) -> Tally:
    tally = Tally()
    for case in wake_cases(snr):
        tally.add(case, wake({"input": case.pcm}, None))
    return tally


def _late(seconds: list[float]) -> str:
    if not seconds:
        return "never"
    return f"{median(seconds) * 1000:+.0f} ms after the phrase, {max(seconds) * 1000:+.0f} at most"


@bench
def dictation() -> Iterator[Ratio]:
    people = speech.human()
    if not people:
        return
    whispered: Any = whisper.factory(HOST)["transcribe"]
    for snr in NOISES:
        said = {name: (_in(pcm, snr), text) for name, (pcm, text) in people.items()}
        yield _wer(f"speech.wer_whisper_{snr or 'clean'}", whispered, said)
    sphinx: Any = pocketsphinx.factory(HOST)["transcribe"]
    yield _wer("speech.wer_pocketsphinx_clean", sphinx, people)
    cards = {name: case for name, case in people.items() if name.startswith("cards/")}
    yield _wer("speech.wer_pocketsphinx_grammar", sphinx, cards, {"grammar": CARDS.read_text()})


@bench
def there_and_back() -> Iterator[Ratio]:
    said = {text: (speech.say(text), text) for text in SENTENCES}
    for backend, factory in (("whisper", whisper.factory), ("pocketsphinx", pocketsphinx.factory)):
        yield _wer(f"speech.wer_spoken_{backend}", factory(HOST)["transcribe"], said)


def _in(pcm: bytes, snr: float | None) -> bytes:
    return pcm if snr is None else speech.noisy(pcm, snr)


def _wer(
    name: str, hear: Any, said: Mapping[str, tuple[bytes, str]], options: Mapping[str, str] | None = None
) -> Ratio:
    wrong = total = 0
    for pcm, text in said.values():
        reply = hear({"input": pcm, "options": dict(options or {})}, None)
        errors, words = speech.errors(text, reply["text"])
        wrong, total = wrong + errors, total + words
    note = f"{wrong} errors in {total} words of {len(said)} recordings"
    return Ratio(name, wrong / total, None, "lower", "", 0.05, note)


@bench
def costs() -> Iterator[Ratio]:
    pcm = speech.say("Tell me something about the history of the telephone.")
    text = "The timer is set for ten minutes, and I will tell you when it is over. Is there anything else?"
    calls = [
        ("wakeword", wakeword.SPEC, "wake", pcm),
        ("keyphrase", keyphrase.SPEC, "wake", pcm),
        ("micro_vad", micro_vad.SPEC, "vad", pcm),
        ("silero_vad", silero_vad.SPEC, "vad", pcm),
        ("pocketsphinx", pocketsphinx.SPEC, "transcribe", pcm),
        ("whisper", whisper.SPEC, "transcribe", pcm),
        ("hibari", hibari.SPEC, "speak", text),
    ]
    for name, spec, method, what in calls:
        factor, megabytes, load = asyncio.run(_cost(name, spec, method, what))
        note = f"{megabytes:.0f} MB RSS, {load:.1f} s CPU to load"
        yield Ratio(f"speech.cost_{name}", factor, None, "lower", "CPU s/s", 0.2, note)
    yield Ratio(
        "speech.first_sound_ms", asyncio.run(_first_sound(text)) * 1000, None, "lower", "ms CPU", 50.0
    )


async def _cost(name: str, spec: str, method: str, what: object) -> tuple[float, float, float]:
    """CPU seconds for a second of sound, MB of the process, CPU seconds until it can work."""
    async with Worker(name, spec, memory_limit=BACKENDS[name].memory_limit) as worker:
        await worker.call(method, {"input": what})
        pid = worker.statistics()["pid"]
        load = _cpu(pid)
        reply: Any = None
        for _ in range(5):
            reply = await worker.call(method, {"input": what})
        seconds = reply["seconds"] if method == "speak" else len(what) / 32000  # type: ignore[arg-type]
        return (_cpu(pid) - load) / 5 / seconds, _resident(pid), load


async def _first_sound(text: str) -> float:
    async with Worker("hibari", hibari.SPEC) as worker:
        await worker.call("speak", {"input": "Hello."})
        pid = worker.statistics()["pid"]
        before = _cpu(pid)
        for _ in range(10):
            async with aclosing(worker.stream("speak_stream", {"input": text}, window=1)) as items:
                await anext(items)
        return (_cpu(pid) - before) / 10


def _cpu(pid: object) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def _resident(pid: object) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
