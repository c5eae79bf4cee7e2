"""Spoken test material: sentences said by the bundled voice, higher, lower, faster or quieter, in noise or without;
and recordings of people, out of Debian's package pocketsphinx-testdata, with what they say.

Everything is s16le mono at 16 kHz, and the same in every run.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import soxr

from loom.models.hibari import RATE as SPOKEN_RATE
from loom.models.hibari import Voice

RATE = 16_000
HUMAN = Path("/usr/share/pocketsphinx/test/data")
WAITS: Any = SimpleNamespace(cancelled=False)


@cache
def _voice() -> Voice:
    return Voice({})


@cache
def say(text: str, speed: float = 1.0, pitch: float = 1.0, volume: float = 1.0) -> bytes:
    """*text* spoken at 16 kHz: *pitch* 1.1 is a tenth higher, at the same speed; *volume* 1 is as the voice has it."""
    made = _voice().whole(text, min(2.0, max(0.5, speed / pitch)), WAITS)
    return resampled(bytes(made["pcm"]), SPOKEN_RATE * pitch, volume)  # type: ignore[call-overload]


def resampled(pcm: bytes, rate: float, volume: float = 1.0) -> bytes:
    """*pcm* of *rate* at 16 kHz."""
    sound = soxr.resample(np.frombuffer(pcm, "<i2").astype(np.float32), rate, RATE) * volume
    return bytes(np.clip(sound, -32768, 32767).astype("<i2").tobytes())


def silence(seconds: float) -> bytes:
    return bytes(int(seconds * RATE) * 2)


def noise(seconds: float, loudness: float = 1000.0, seed: int = 0) -> bytes:
    """White noise; *loudness* is its RMS in units of a sample."""
    made = np.random.default_rng(seed).standard_normal(int(seconds * RATE)) * loudness
    return np.clip(made, -32768, 32767).astype("<i2").tobytes()


def noisy(pcm: bytes, snr: float, seed: int = 0) -> bytes:
    """*pcm* with white noise *snr* decibels below the mean power of its loud part."""
    sound = np.frombuffer(pcm, "<i2").astype(np.float64)
    blocks = sound[: len(sound) // 160 * 160].reshape(-1, 160)
    power = np.square(blocks).mean(axis=1)
    loud = power[power >= power.max() / 1000].mean()
    made = np.random.default_rng(seed).standard_normal(len(sound)) * np.sqrt(loud / 10 ** (snr / 10))
    return bytes(np.clip(sound + made, -32768, 32767).astype("<i2").tobytes())


def tone(seconds: float, frequency: float = 440.0, loudness: float = 8000.0) -> bytes:
    return (
        (loudness * np.sin(np.arange(int(seconds * RATE)) * 2 * np.pi * frequency / RATE))
        .astype("<i2")
        .tobytes()
    )


def speech_end(pcm: bytes) -> float:
    """Seconds until the last 10 ms that are louder than a hundredth of the loudest."""
    sound = np.frombuffer(pcm, "<i2").astype(np.float64)
    power = np.square(sound[: len(sound) // 160 * 160].reshape(-1, 160)).mean(axis=1)
    return float(np.flatnonzero(power > power.max() / 1e4)[-1] + 1) / 100


@cache
def human() -> dict[str, tuple[bytes, str]]:
    """Recordings of people by name, with what is said; empty where pocketsphinx-testdata is not installed."""
    if not HUMAN.is_dir():
        return {}
    found = {"goforward": ((HUMAN / "goforward.raw").read_bytes(), "go forward ten meters")}
    for folder, name in (("cards", "cards.transcription"), ("librivox", "transcription")):
        for line in (HUMAN / folder / name).read_text().splitlines():
            text, _, key = line.rpartition("(")
            path = HUMAN / folder / (key.rstrip(")") + ".wav")
            said = " ".join(text.replace("<s>", "").replace("</s>", "").split())
            found[f"{folder}/{path.stem[-4:].lstrip('-')}"] = (path.read_bytes()[44:], said)
    return found


FIGURES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
NUMBERS = {word: str(figure) for figure, word in enumerate(FIGURES)}


def words(text: str) -> list[str]:
    """What is compared: lower-case words without punctuation, numbers up to ten as figures."""
    plain = text.lower().replace("-", " ").replace("mr.", "mister").replace(" mr ", " mister ")
    kept = "".join(c if c.isalnum() or c in "' " else " " for c in plain).split()
    return [NUMBERS.get(word, word) for word in kept]


def errors(said: str, heard: str) -> tuple[int, int]:
    """Word errors (the least number of insertions, deletions and substitutions) and words of what was said."""
    wanted, got = words(said), words(heard)
    row = list(range(len(got) + 1))
    for i, word in enumerate(wanted, 1):
        above, row[0] = row[0], i
        for j, other in enumerate(got, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (word != other))
    return row[-1], len(wanted)


RECORDINGS = Path(__file__).parent / "recordings"


def recording(name: str) -> bytes:
    """A person saying something: go_forward ("go forward ten meters") or seven_of_clubs."""
    return (RECORDINGS / f"{name}.raw").read_bytes()


class Host(NamedTuple):
    """What a factory needs of its worker."""

    config: Mapping[str, Any] = {}


class Call:
    """A call that is given up after its host has been asked *patience* times."""

    def __init__(self, patience: int) -> None:
        self.asked = 0
        self._patience = patience

    @property
    def cancelled(self) -> bool:
        self.asked += 1
        return self.asked > self._patience


HOSTILE = [7, "sound", None, b"abc", [1, 2], {"a": 1}, True]
"""Inputs that are no sound."""
