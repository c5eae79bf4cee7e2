"""What a recogniser says it heard, and whether to believe it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import exp

from loom.errors import MissingExtra
from loom.models._pcm import BYTES_PER_SECOND
from loom.models.micro_vad import Ear

FEWEST_VOICED = 5  # frames of 10 ms
VOICE = 0.5
LEAST_LOGPROB = -1.2
NO_SPEECH, UNSURE_LOGPROB = 0.6, -0.8
MOST_REPEATED = 2.4
# What Whisper makes of music, breath and hum: it was trained on subtitles.
MADE_UP = frozenset(
    [
        "",
        "you",
        "thank you",
        "thanks for watching",
        "thank you for watching",
        "thank you very much",
        "please subscribe",
        "subscribe",
        "bye",
        "bye bye",
        "oh",
        "hmm",
        "mm",
        "uh",
        "so",
        "the end",
        "silence",
        "music",
        "applause",
        "blank audio",
    ]
)
MADE_UP_LOGPROB = -0.5
_NOISES = re.compile(r"\[[^\]]*\]|\([^)]*\)|\*[^*]*\*|[\u266a\u266b]+")
_NOT_LETTERS = re.compile(r"[^a-z0-9 ]+")


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of text with the recogniser's own doubts: mean log probability, that nobody speaks, repetition."""

    text: str
    logprob: float
    no_speech: float = 0.0
    repeated: float = 1.0
    seconds: float = 1.0

    @property
    def believed(self) -> bool:
        """Whether somebody said this, as far as can be told."""
        if self.logprob < LEAST_LOGPROB or self.repeated > MOST_REPEATED:
            return False
        if self.no_speech > NO_SPEECH and self.logprob < UNSURE_LOGPROB:
            return False
        plain = _NOT_LETTERS.sub("", self.cleaned.lower()).strip()
        return bool(plain) and not (plain in MADE_UP and self.logprob < MADE_UP_LOGPROB)

    @property
    def cleaned(self) -> str:
        """The text without marks for noises."""
        return " ".join(_NOISES.sub(" ", self.text).split())

    @property
    def confidence(self) -> float:
        """Probability of a token, lowered by the chance that nobody speaks."""
        return min(1.0, exp(min(0.0, self.logprob)) * (1 - self.no_speech / 2))


class Heard:
    """The parts of one recording that are believed."""

    def __init__(self) -> None:
        self._parts: list[Part] = []

    def add(self, part: Part) -> None:
        """One more part."""
        if part.believed:
            self._parts.append(part)

    @property
    def text(self) -> str:
        """All that was said."""
        return " ".join(part.cleaned for part in self._parts)

    @property
    def confidence(self) -> float:
        """Mean of the parts by their length, 0 when nothing was said."""
        weights = [max(part.seconds, 0.01) for part in self._parts]
        total = sum(part.confidence * weight for part, weight in zip(self._parts, weights, strict=True))
        return total / sum(weights) if weights else 0.0

    def reply(self, length: float) -> dict[str, object]:
        """The answer of a `transcribe` over *length* seconds of sound."""
        return {"text": self.text, "confidence": round(self.confidence, 4), "seconds": round(length, 3)}


def has_voice(pcm: bytes, least: float = VOICE) -> bool:
    """Whether anything in *pcm* can be speech; asked first, since recognisers make words out of noise.

    By the small voice activity network where it is installed (1 % of real time): 50 ms of at least *least*, a
    probability. Without it everything that is not silent can be.
    """
    if len(pcm) < BYTES_PER_SECOND // 10 or not any(pcm):
        return False
    try:
        ear = Ear()
    except MissingExtra:
        return True
    return sum(value >= least for value in ear.hear(pcm)) >= FEWEST_VOICED
