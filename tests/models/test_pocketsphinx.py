"""Sphinx writes down dictation and sentences of a grammar, hears a phrase of one's choice, and no text breaks it."""

from __future__ import annotations

import sys
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom.errors import MissingExtra, ModelFailed
from loom.models import _sphinx, keyphrase, pocketsphinx
from loom.models.catalog import BACKENDS
from loom.worker import Worker
from tests.models import speech

pytest.importorskip("pocketsphinx")

HEAD = "#JSGF V1.0; grammar a; "
CARDS = HEAD + "public <card> = (five | six | seven) of (clubs | hearts | spades);"
MOVES = HEAD + "public <move> = go (forward | back) [(ten | twenty) meters];"
_MADE: dict[str, Any] = {}


@pytest.fixture(scope="module")
def methods() -> Any:
    return pocketsphinx.factory(speech.Host())


def wake() -> Any:
    if "wake" not in _MADE:
        _MADE["wake"] = keyphrase.factory(speech.Host({"phrase": "go forward"}))["wake"]
    return _MADE["wake"]


def ask(methods: Any, pcm: object, **options: object) -> Any:
    return methods["transcribe"]({"input": pcm, "options": options}, None)


def test_dictation(methods: Any) -> None:
    pcm = speech.recording("go_forward")
    reply = ask(methods, pcm)
    assert reply["text"] == "go forward ten meters"
    assert 0.0 < reply["confidence"] <= 1.0
    assert reply["seconds"] == pytest.approx(len(pcm) / 32000, abs=0.001)


def test_a_grammar_is_heard_and_nothing_else(methods: Any) -> None:
    assert ask(methods, speech.recording("seven_of_clubs"), grammar=CARDS)["text"] == "seven of clubs"
    assert ask(methods, speech.recording("go_forward"), grammar=MOVES)["text"] == "go forward ten meters"
    fits = ask(methods, speech.recording("go_forward"), grammar=MOVES)["confidence"]
    forced = ask(methods, speech.recording("go_forward"), grammar=CARDS)
    assert forced["text"] == "" or forced["confidence"] < fits


def test_what_was_heard_before_changes_next_to_nothing(methods: Any) -> None:
    pcm = speech.recording("go_forward")
    first = ask(methods, pcm, grammar=MOVES)
    for other in (bytes(2), speech.silence(1), speech.noise(1), speech.recording("seven_of_clubs")):
        ask(methods, other, grammar=MOVES)
    for word in ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine"):
        ask(methods, speech.recording("seven_of_clubs"), grammar=f"{HEAD} public <x> = {word};")
    again = ask(methods, pcm, grammar=MOVES)
    assert again["text"] == first["text"]
    assert again["confidence"] == pytest.approx(first["confidence"], abs=0.05)


@pytest.mark.parametrize(
    "pcm",
    [b"", bytes(2), bytes(320), speech.silence(2), speech.noise(2), speech.noise(2, 30), speech.tone(2)],
)
def test_silence_noise_and_tones_have_no_words(methods: Any, pcm: bytes) -> None:
    assert ask(methods, pcm)["text"] == ask(methods, pcm, grammar=CARDS)["text"] == ""


def test_guesses_come_as_it_goes_and_the_last_is_final(methods: Any) -> None:
    body = {"input": speech.recording("go_forward"), "options": {"grammar": MOVES}}
    items = list(methods["transcribe_stream"](body, None))
    assert [item["final"] for item in items] == [False] * (len(items) - 1) + [True]
    assert len(items) > 1
    assert items[-1]["text"] == "go forward ten meters"


def test_sound_is_gathered_by_session_until_the_last_part(methods: Any) -> None:
    pcm = speech.recording("seven_of_clubs")
    assert ask(methods, pcm[:20_000], session="a", grammar=CARDS)["seconds"] == 0.625
    assert ask(methods, pcm[20_000:], session="a", final=True, grammar=CARDS)["text"] == "seven of clubs"


@pytest.mark.parametrize(
    "grammar",
    [
        "hello",
        HEAD,
        HEAD + "public <x> = ;",
        HEAD + "public <x> = zzqx;",
        HEAD + "public <x> = hello <x>;",
        "\x00",
        "x" * 20_000,
    ],
)
def test_a_grammar_that_cannot_be_used_is_refused_and_the_next_call_works(methods: Any, grammar: str) -> None:
    with pytest.raises(ModelFailed, match="grammar"):
        ask(methods, speech.recording("seven_of_clubs"), grammar=grammar)
    assert ask(methods, speech.recording("seven_of_clubs"), grammar=CARDS)["text"] == "seven of clubs"


def test_old_grammars_are_forgotten() -> None:
    sphinx = pocketsphinx.Sphinx({})
    made = [sphinx._search(f"{HEAD} public <x> = {'five ' * (number + 1)};") for number in range(10)]
    for search in made[-pocketsphinx.MOST_GRAMMARS :]:
        sphinx._decoder.activate_search(search)
    for search in made[: -pocketsphinx.MOST_GRAMMARS]:
        with pytest.raises(KeyError):
            sphinx._decoder.activate_search(search)


@pytest.mark.parametrize("wrong", speech.HOSTILE)
def test_what_is_no_sound_is_refused(methods: Any, wrong: object) -> None:
    with pytest.raises(ModelFailed, match="s16le"):
        ask(methods, wrong)
    with pytest.raises(ModelFailed, match="s16le"):
        wake()({"input": wrong}, None)


def test_too_much_and_other_languages_are_refused(methods: Any) -> None:
    with pytest.raises(ModelFailed, match="limit of 120 s"):
        ask(methods, speech.silence(121))
    with pytest.raises(ModelFailed, match="knows en"):
        ask(methods, b"", language="de")
    with pytest.raises(ModelFailed, match="option grammar"):
        ask(methods, b"", grammar=7)


def test_nobody_waits_and_it_stops_and_the_next_call_works(methods: Any) -> None:
    pcm = speech.recording("go_forward")
    for patience in (0, 3, 14):
        with pytest.raises(ModelFailed, match="cancelled"):
            methods["transcribe"]({"input": pcm, "options": {"grammar": MOVES}}, speech.Call(patience))
    assert ask(methods, pcm, grammar=MOVES)["text"] == "go forward ten meters"


def test_a_phrase_of_ones_own_is_heard_when_it_ends() -> None:
    (hit,) = wake()({"input": speech.recording("go_forward")}, None)
    assert (hit["phrase"], 1.0 < hit["at"] < 1.6, 0 < hit["score"] <= 1) == ("go forward", True, True)
    for pcm in (b"", speech.silence(2), speech.noise(2), speech.tone(1), speech.recording("seven_of_clubs")):
        assert wake()({"input": pcm}, None) == []


@settings(max_examples=6, deadline=None)
@given(sizes=st.lists(st.integers(0, 8000), min_size=1, max_size=20))
def test_the_same_hits_however_the_sound_is_cut(sizes: list[int]) -> None:
    pcm = speech.recording("go_forward")
    parts, at, reset = [], 0, True
    for size in (*sizes, len(pcm)):
        body = {"input": pcm[at : at + size * 2], "options": {"session": "s", "reset": reset}}
        parts += wake()(body, None)
        at, reset = at + size * 2, False
    whole = wake()({"input": pcm}, None)
    assert [(hit["phrase"], hit["at"]) for hit in parts] == [(hit["phrase"], hit["at"]) for hit in whole]
    assert all(abs(one["score"] - other["score"]) < 0.05 for one, other in zip(parts, whole, strict=True))


@pytest.mark.parametrize(
    "phrase", ["", "Hey Loom", "hey zzqxy", 7, "a b c d e f g h i", "hey\nloom", "x" * 100]
)
def test_phrases_that_cannot_be_spotted_are_refused(phrase: object) -> None:
    with pytest.raises(ModelFailed, match="word"):
        keyphrase.factory(speech.Host({"phrase": phrase}))


def test_a_broken_model_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ModelFailed, match=r"has no .*pip install"):
        pocketsphinx.factory(speech.Host({"model": str(tmp_path)}))
    whole = _sphinx.directory({})
    for name in (_sphinx.DICTIONARY, _sphinx.LANGUAGE):
        (tmp_path / name).symlink_to(whole / name)
    (tmp_path / _sphinx.ACOUSTIC).mkdir()
    for file in (whole / _sphinx.ACOUSTIC).iterdir():
        (tmp_path / _sphinx.ACOUSTIC / file.name).symlink_to(file)
    means = tmp_path / _sphinx.ACOUSTIC / "means"
    for damage in (whole.joinpath(_sphinx.ACOUSTIC, "means").read_bytes()[:5000], b"hello" * 1000, b""):
        means.unlink()
        means.write_bytes(damage)
        with pytest.raises(ModelFailed, match=r"cannot be loaded.*pip install"):
            keyphrase.factory(speech.Host({"model": str(tmp_path)}))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    with pytest.raises(MissingExtra, match="pocketsphinx"):
        pocketsphinx.factory(speech.Host())


async def test_it_writes_in_a_worker_within_its_memory_and_survives_what_is_no_sound() -> None:
    async with Worker(
        "sphinx", pocketsphinx.SPEC, memory_limit=BACKENDS["pocketsphinx"].memory_limit
    ) as worker:
        body: Any = {"input": speech.recording("seven_of_clubs"), "options": {"grammar": CARDS}}
        async with aclosing(worker.stream("transcribe_stream", body, timeout=60)) as items:
            heard = [item async for item in items]
        assert (heard[-1]["text"], heard[-1]["final"]) == ("seven of clubs", True)
        for wrong in (b"abc", "sound", 7):
            with pytest.raises(ModelFailed):
                await worker.call("transcribe", {"input": wrong}, timeout=60)
        body["options"] = {"grammar": HEAD + "public <x> = " + "(" * 4000 + "a" + ")" * 4000 + ";"}
        with pytest.raises(ModelFailed, match="nested"):
            await worker.call("transcribe", body, timeout=60)
        assert worker.statistics()["deaths"] == 0


async def test_a_phrase_is_spotted_in_a_worker_within_its_memory() -> None:
    config = {"phrase": "go forward"}
    async with Worker(
        "spot", keyphrase.SPEC, config, memory_limit=BACKENDS["keyphrase"].memory_limit
    ) as worker:
        for session in range(6):
            body = {"input": speech.recording("go_forward"), "options": {"session": str(session)}}
            hits: Any = await worker.call("wake", body, timeout=60)
            assert [hit["phrase"] for hit in hits] == ["go forward"]
        assert worker.statistics()["deaths"] == 0
