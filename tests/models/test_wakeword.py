"""Wake words are heard at the end of their phrase, however the sound is cut up, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom.errors import MissingExtra, ModelFailed
from loom.models import wakeword
from loom.models.catalog import BACKENDS
from loom.worker import Worker

pytest.importorskip("pymicro_wakeword")
pytest.importorskip("hibari")

from tests.models import speech

PHRASES = {"alexa": "Alexa.", "hey_jarvis": "Hey Jarvis.", "hey_mycroft": "Hey Mycroft."}
HIGHER = (1.0, 0.9)


@pytest.fixture(scope="module")
def wake() -> Any:
    return wakeword.factory(speech.Host())["wake"]


def ask(wake: Any, pcm: object, **options: object) -> Any:
    return wake({"input": pcm, "options": options}, None)


@pytest.mark.parametrize("phrase", PHRASES)
@pytest.mark.parametrize("pitch", HIGHER)
def test_a_phrase_is_heard_at_its_end_and_once(wake: Any, phrase: str, pitch: float) -> None:
    said = speech.say(PHRASES[phrase], 1.0, pitch)
    hits = ask(wake, speech.silence(1.0) + said + speech.silence(0.6))
    assert [hit["phrase"] for hit in hits] == [phrase]
    assert 0.5 < hits[0]["score"] <= 1.0
    assert 0.3 < hits[0]["at"] - 1.0 < speech.speech_end(said) + 0.1


def test_the_phrase_at_the_very_beginning_is_heard(wake: Any) -> None:
    assert [hit["phrase"] for hit in ask(wake, speech.say("Alexa.") + speech.silence(0.3))] == ["alexa"]


def test_a_phrase_said_twice_is_two_hits(wake: Any) -> None:
    once = speech.say("Alexa.") + speech.silence(1.5)
    hits = ask(wake, once + once)
    assert [hit["phrase"] for hit in hits] == ["alexa", "alexa"]


def test_one_call_is_one_hit_even_where_noise_makes_two_networks_feel_called(wake: Any) -> None:
    pcm = speech.noisy(speech.silence(1.0) + speech.say("Hey Mycroft.") + speech.silence(0.7), 10)
    assert len(ask(wake, pcm)) == 1


@pytest.mark.parametrize("text", ["What time is it?", "Good morning everybody.", "The carpet is red."])
def test_other_sentences_are_no_wake_word(wake: Any, text: str) -> None:
    assert ask(wake, speech.say(text) + speech.silence(0.5)) == []


@pytest.mark.parametrize(
    "pcm",
    [
        b"",
        speech.silence(2),
        speech.noise(2),
        speech.noise(1, 30000),
        speech.tone(1),
        b"\xff\x7f\x00\x80" * 8000,
    ],
)
def test_silence_noise_tones_and_the_loudest_square_are_no_wake_word(wake: Any, pcm: bytes) -> None:
    assert ask(wake, pcm) == []


def test_people_who_say_something_else_are_not_the_wake_word(wake: Any) -> None:
    assert ask(wake, speech.recording("go_forward")) == ask(wake, speech.recording("seven_of_clubs")) == []


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(1, 12_000), min_size=1, max_size=30))
def test_the_same_hits_however_the_sound_is_cut(sizes: list[int]) -> None:
    wake = _wake()
    pcm = speech.silence(0.3) + speech.say("Hey Jarvis, what time is it?")
    whole = ask(wake, pcm, session="whole", reset=True)
    assert [hit["phrase"] for hit in whole] == ["hey_jarvis"]
    parts, at, reset = [], 0, True
    for size in (*sizes, len(pcm)):
        parts += ask(wake, pcm[at : at + size * 2], session="parts", reset=reset)
        at, reset = at + size * 2, False
    assert parts == whole


_MADE: list[Any] = []


def _wake() -> Any:
    if not _MADE:
        _MADE.append(wakeword.factory(speech.Host({"phrases": ["hey_jarvis", "alexa"]}))["wake"])
    return _MADE[0]


def test_sessions_do_not_hear_each_other(wake: Any) -> None:
    said = speech.silence(0.2) + speech.say("Alexa.") + speech.silence(0.4)
    half = len(said) // 4 * 2
    assert ask(wake, said[:half], session="a") == []
    assert ask(wake, said[half:], session="b") == []
    assert [hit["phrase"] for hit in ask(wake, said[half:], session="a")] == ["alexa"]


@pytest.mark.parametrize("wrong", speech.HOSTILE)
def test_what_is_no_sound_is_refused_and_the_next_call_works(wake: Any, wrong: object) -> None:
    with pytest.raises(ModelFailed, match="s16le"):
        ask(wake, wrong)
    assert ask(wake, speech.silence(0.1)) == []


def test_nobody_waits_and_it_stops(wake: Any) -> None:
    call = speech.Call(2)
    with pytest.raises(ModelFailed, match="cancelled"):
        wake({"input": speech.silence(60)}, call)
    assert call.asked == 3


@pytest.mark.parametrize("phrases", [[], 7, [7], "hey computer", ["/none/there.json"]])
def test_phrases_that_are_not_there_are_named(phrases: object) -> None:
    with pytest.raises(ModelFailed, match=r"phrase|there\.json"):
        wakeword.factory(speech.Host({"phrases": phrases}))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A copy of a packaged network, as a user's own."""
    for ending in ("json", "tflite"):
        source = wakeword.packaged_file(wakeword.PACKAGE, f"models/alexa.{ending}", wakeword.PINNED)
        (tmp_path / f"alexa.{ending}").write_bytes(source.read_bytes())
    (tmp_path / "alexa.json").rename(tmp_path / "computer.json")
    return tmp_path / "computer.json"


def test_a_network_of_ones_own(own: Path) -> None:
    wake = wakeword.factory(speech.Host({"phrases": str(own)}))["wake"]
    assert [hit["phrase"] for hit in ask(wake, speech.say("Alexa.") + speech.silence(0.3))] == ["computer"]


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize("damage", [_cut, lambda data: data[:-100], lambda _: b"hello" * 1000, lambda _: b""])
def test_a_broken_network_is_an_error_that_names_it_and_not_the_end_of_the_process(
    own: Path, damage: Any
) -> None:
    network = own.parent / "alexa.tflite"
    network.write_bytes(damage(network.read_bytes()))
    with pytest.raises(ModelFailed, match=r"alexa\.tflite.*pip install"):
        wakeword.factory(speech.Host({"phrases": [str(own)]}))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps({"model": "none.tflite"})])
def test_a_broken_description_is_named(own: Path, text: str) -> None:
    own.write_text(text)
    with pytest.raises(ModelFailed, match=r"computer\.json|none\.tflite"):
        wakeword.factory(speech.Host({"phrases": [str(own)]}))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pymicro_wakeword", None)
    with pytest.raises(MissingExtra, match="pymicro-wakeword"):
        wakeword.factory(speech.Host())


async def test_it_listens_in_a_worker_within_its_memory_and_survives_what_is_no_sound() -> None:
    said = speech.say("Hey Mycroft.") + speech.silence(0.5)
    async with Worker("wake", wakeword.SPEC, memory_limit=BACKENDS["wakeword"].memory_limit) as worker:
        hits: Any = await worker.call("wake", {"input": said, "options": {"session": "s"}}, timeout=60)
        assert [hit["phrase"] for hit in hits] == ["hey_mycroft"]
        for wrong in (b"abc", "sound", 7):
            with pytest.raises(ModelFailed):
                await worker.call("wake", {"input": wrong}, timeout=60)
        for session in range(70):
            options = {"session": str(session)}
            assert await worker.call("wake", {"input": bytes(3200), "options": options}, timeout=60) == []
        assert worker.statistics()["deaths"] == 0
