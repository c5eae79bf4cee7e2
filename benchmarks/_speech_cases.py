"""What the speech models are measured on: who says what, how, and in which noise."""

from collections.abc import Iterator
from typing import NamedTuple

from tests.models import speech

# The packaged voice says "nabu" best when it is spelt as it sounds; the recogniser of the phrase knows other voices.
POSITIVES = {
    "alexa": ("Alexa.",),
    "hey_jarvis": ("Hey Jarvis.",),
    "hey_mycroft": ("Hey Mycroft.",),
    "okay_nabu": ("Okay nah boo.",),
}
# speed, pitch, volume
MANNERS = (
    (1.0, 1.0, 1.0),
    (0.9, 1.0, 1.0),
    (1.15, 1.0, 1.0),
    (1.0, 0.85, 1.0),
    (1.0, 0.9, 1.0),
    (1.0, 1.1, 1.0),
    (1.0, 1.0, 0.3),
    (1.0, 1.0, 0.1),
)
NEGATIVES = (
    "Hey Travis, come here.",
    "Hey Charlie, look at this.",
    "Alex, are you there?",
    "The lexicon is on the shelf.",
    "A Lexus is a car.",
    "Elections are soon.",
    "I like jars of jam.",
    "They jar the lids.",
    "Hey Marvin, what is it?",
    "Hey Microsoft.",
    "My craft is pottery.",
    "Okay, not you.",
    "Okay, now boil the water.",
    "What time is it?",
    "Good morning everybody.",
    "The harvest was good this year.",
    "A relaxed evening at home.",
    "Hey, just a minute.",
    "The carpet is red.",
    "Turn on the kitchen light.",
)
NOISES = (None, 10, 5)  # decibels between the voice and white noise
SENTENCES = (
    "What time is it?",
    "Set a timer for ten minutes.",
    "Turn on the kitchen light.",
    "Who is at the door?",
    "What arrived in the folder this morning?",
    "The timer is set, and I will tell you when it is over.",
    "Nobody has been at the door since noon.",
    "Three new letters came in today.",
    "Please remind me to water the plants.",
    "Tell me something about the history of the telephone.",
)


class Spoken(NamedTuple):
    """A sound, the phrase in it ("" for none) and when that ends, seconds."""

    name: str
    pcm: bytes
    phrase: str = ""
    end: float = 0.0


def wake_cases(snr: float | None) -> Iterator[Spoken]:
    """All positives and negatives in a noise *snr* decibels below the voice."""
    for phrase, spellings in POSITIVES.items():
        for text in spellings:
            for manner in MANNERS:
                said = speech.say(text, *manner)
                pcm = speech.silence(1.0) + said + speech.silence(0.7)
                name = f"{text} {manner}"
                yield Spoken(name, _in_noise(pcm, snr), phrase, 1.0 + speech.speech_end(said))
    for text in NEGATIVES:
        pcm = speech.silence(1.0) + speech.say(text) + speech.silence(0.7)
        yield Spoken(text, _in_noise(pcm, snr))
    for name, (pcm, _) in speech.human().items():
        yield Spoken(name, _in_noise(pcm, snr))


def _in_noise(pcm: bytes, snr: float | None) -> bytes:
    return pcm if snr is None else speech.noisy(pcm, snr)
