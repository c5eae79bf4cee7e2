"""The voice says anything without stumbling, the first sound early, and a book in bounded memory."""

from __future__ import annotations

import sys
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom.errors import MissingExtra, ModelFailed
from loom.models import hibari
from loom.models.catalog import BACKENDS
from loom.worker import Worker

pytest.importorskip("hibari")
np = pytest.importorskip("numpy")

from tests.models import speech  # noqa: E402

_MADE: list[Any] = []


def methods() -> Any:
    if not _MADE:
        _MADE.append(hibari.factory(speech.Host()))
    return _MADE[0]


def speak(text: object, **options: object) -> Any:
    return methods()["speak"]({"input": text, "options": options}, None)


def stream(text: object, call: object = None, **options: object) -> Any:
    return methods()["speak_stream"]({"input": text, "options": options}, call)


def test_a_sentence_has_a_sound_of_a_plausible_length() -> None:
    reply = speak("The timer is set for ten minutes.")
    assert reply["rate"] == 24_000
    assert 1.0 < reply["seconds"] < 5.0
    assert len(reply["pcm"]) == round(reply["seconds"] * 24_000) * 2
    assert np.abs(np.frombuffer(reply["pcm"], "<i2")).max() > 3000


def test_the_same_text_sounds_the_same_and_other_text_does_not() -> None:
    assert speak("Hello there.") == speak("Hello there.")
    assert speak("Hello there.")["pcm"] != speak("Good night.")["pcm"]


def test_the_stream_says_the_text_in_order_with_a_short_first_piece() -> None:
    text = "The timer is set for ten minutes, and I will tell you when it is over. Is there anything else? Good night."
    items = list(stream(text))
    assert "".join(item["text"] for item in items) == text
    assert len(items) == 4
    assert len(items[0]["text"]) < 40
    assert all(len(item["pcm"]) > 10_000 and item["rate"] == 24_000 for item in items)


def test_speed_is_pace() -> None:
    slow, fast = speak("How do you do?", speed=0.5)["seconds"], speak("How do you do?", speed=2.0)["seconds"]
    assert slow > 1.5 * fast


STRANGE = [
    "9" * 60,
    "1234567890 " * 3,
    "a" * 500,
    "$" + "9" * 16,
    "1" * 15 + "." + "2" * 15 + "e400",
    "[foo](/bar/) <b>bold</b> {x} `code`",
    "\u65e5\u672c\u8a9e \U0001f642 caf\u00e9 \u0661\u0662 \u00b2\u00bd \u216b",
    "a\x00b\x01\ufffe",
    "Dr. Smith paid $9.99 on 3/4/2024 at 12:99pm, i.e. 1,2,,3..4!?",
    "https://example.org/" + "path/" * 30,
]


@pytest.mark.parametrize("text", STRANGE)
def test_strange_text_has_a_sound(text: str) -> None:
    assert speak(text)["seconds"] > 0.2


@pytest.mark.parametrize(
    "text", ["", " \n\t ", "...", "?!", "\U0001f642", "\x00", "[]()", "'" * 50 + "-" * 50]
)
def test_text_without_a_sound_is_silence_of_no_length(text: str) -> None:
    assert speak(text) == {"pcm": b"", "rate": 24_000, "seconds": 0.0}
    assert "".join(item["text"] for item in stream(text)) == text


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60) | st.text("0123456789.,$%-/:'\u00b2x ", max_size=60))
def test_no_text_makes_it_stumble(text: str) -> None:
    assert speak(text)["seconds"] >= 0.0


def test_what_the_voice_stumbles_over_is_said_in_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    voice = speech._voice()
    say = voice._sound

    def stumbles(part: str, speed: float) -> bytes:
        if "*" in part or "9" * 9 in part:
            raise IndexError("list index out of range")
        return say(part, speed)

    monkeypatch.setattr(voice, "_sound", stumbles)
    assert voice.say("Call 999999999 now", 1.0) == say("Call 9 9 9 9 9 9 9 9 9 now", 1.0)


@pytest.mark.parametrize("wrong", [7, None, b"bytes", ["a"], {"a": "b"}, True])
def test_what_is_no_text_is_refused_and_the_next_call_works(wrong: object) -> None:
    with pytest.raises(ModelFailed, match="is text, not"):
        speak(wrong)
    assert speak("Yes.")["seconds"] > 0.2


def test_another_voice_is_refused_and_never_looked_for() -> None:
    assert speak("Yes.", voice="heart") == speak("Yes.")
    with pytest.raises(ModelFailed, match=r"voice 'emma'.*'heart'"):
        speak("Yes.", voice="emma")
    for options in ({"voice": 7}, {"speed": 3}, {"speed": "fast"}):
        with pytest.raises(ModelFailed, match=r"voice|speed"):
            speak("Yes.", **options)


def test_a_hundred_thousand_characters_come_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "This is a sentence of a very long book, and it goes on. " * 1800
    assert len(text) > 100_000
    coming = stream(text)
    for _ in range(10):
        assert len(next(coming)["pcm"]) < 1_000_000
    coming.close()
    monkeypatch.setattr(hibari, "LONGEST_ANSWER", 20.0)
    with pytest.raises(ModelFailed, match=r"more than 20 s.*stream"):
        speak(text)
    with pytest.raises(ModelFailed, match="1,000,000"):
        speak("a" * 1_000_001)


def test_nobody_listens_and_it_stops_after_the_sentence() -> None:
    coming = stream("One. Two. Three. Four.", speech.Call(2))
    assert [next(coming)["text"], next(coming)["text"]] == ["One. ", "Two. "]
    with pytest.raises(ModelFailed, match="cancelled"):
        next(coming)
    with pytest.raises(ModelFailed, match="cancelled"):
        methods()["speak"]({"input": "One. Two."}, speech.Call(1))


@pytest.mark.parametrize(
    "damage", [lambda data: data[: len(data) // 2], lambda _: b"hello" * 1000, lambda _: b""]
)
def test_a_broken_voice_is_an_error_that_names_it(tmp_path: Path, damage: Any) -> None:
    whole = hibari.packaged_file(hibari.PACKAGE, "assets/hibari.onnx", hibari.PINNED).read_bytes()
    path = tmp_path / "voice.onnx"
    path.write_bytes(damage(whole))
    with pytest.raises(ModelFailed, match=r"voice\.onnx.*pip install"):
        hibari.factory(speech.Host({"model": str(path)}))
    with pytest.raises(ModelFailed, match=r"none\.onnx.*pip install"):
        hibari.factory(speech.Host({"model": str(tmp_path / "none.onnx")}))


def test_another_network_is_no_voice() -> None:
    other = hibari.packaged_file(hibari.PACKAGE, "assets/oov.onnx", hibari.PINNED)
    with pytest.raises(ModelFailed, match=r"oov\.onnx.*pip install"):
        hibari.factory(speech.Host({"model": str(other)}))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hibari", None)
    with pytest.raises(MissingExtra, match="hibari-tts"):
        hibari.factory(speech.Host())


async def test_it_speaks_in_a_worker_and_survives_what_is_no_text() -> None:
    text = "The first clause, and then the rest of it. The second sentence. " * 200
    async with Worker("voice", hibari.SPEC, memory_limit=BACKENDS["hibari"].memory_limit) as worker:
        async with aclosing(worker.stream("speak_stream", {"input": text}, timeout=60)) as items:
            assert (await anext(items))["text"] == "The first clause, "
        for wrong in (b"abc", 7, None):
            with pytest.raises(ModelFailed):
                await worker.call("speak", {"input": wrong}, timeout=60)
        reply: Any = await worker.call("speak", {"input": "Good night."}, timeout=60)
        assert reply["seconds"] > 0.3
        assert worker.statistics()["deaths"] == 0
