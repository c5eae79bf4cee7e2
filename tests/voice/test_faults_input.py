"""Sound and words that nobody should send: too long, of another form, from a device that goes away."""

import asyncio
import tracemalloc
from typing import Any

import pytest

from loom.adapters.audio import Audio
from loom.adapters.microphone import Microphone
from loom.errors import NoDevice, WorkerDied
from loom.testing import Probe, run_until_idle, virtual_time
from loom.voice.floor import is_echo
from loom.voice.mouth import PART, parts
from loom.voice.recording import Recording
from loom.voice.scribe import LONGEST
from tests.adapters.test_microphone import Mike
from tests.voice.room import begin, hear, room
from tests.voice.test_ear import LOUD, PHRASE, QUIET, house, sound

QUESTION = [LOUD] * 4 + [PHRASE] + [LOUD] * 15
PAUSE = [QUIET] * 15


@virtual_time
async def test_a_hundred_thousand_characters_are_spoken_part_by_part_and_stopped_at_once() -> None:
    def speak(request: Any) -> list[dict[str, Any]]:
        number = 7 if "these" in request.input else 1
        return [{"pcm": number.to_bytes(2, "little") * 1000, "rate": 1000, "text": request.input}] * 2

    loom, speaker = room(delay=0.0, models={"speak": speak})
    long = "Words like these go on and on. " * 3226
    async with loom:
        asked = Probe(loom.bus, "voice.sounds")
        model: Any = next(each for each in loom.models._models if each.name == "speak")
        await hear(loom, "mic#1", "tell me about 1", woken=True)
        await run_until_idle(loom, 10)
        tracemalloc.start()
        await loom.publish("voice.notice", {"text": long})
        await asyncio.sleep(100)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < 20_000_000
        assert all(len(each.input) <= PART for each in model.requests)
        assert 7 in speaker.heard
        before = len(model.requests)
        await begin(loom, "mic#2")
        await hear(loom, "mic#2", "stop it now please")
        await run_until_idle(loom, 1)
        heard = speaker.heard.count(7)
        await run_until_idle(loom, 60)
        assert speaker.heard.count(7) == heard
        assert sum("these" in each.input for each in model.requests[before:]) == 0
        assert asked.count < 150  # of 330


@pytest.mark.parametrize(
    "text", ["a" * 100_000, "one. " * 20_000, "1234567890 " * 9_000, "\n" * 5000 + "x" * 601]
)
def test_parts_are_the_whole_text(text: str) -> None:
    made = parts(text)
    assert "".join("".join(made).split()) == "".join(text.split())
    assert all(0 < len(each) <= PART for each in made)


@virtual_time
async def test_a_transcript_of_ten_thousand_words_is_cut_and_that_is_told() -> None:
    loom, models = house()
    models["transcribe"]._always = lambda request: {"text": "word " * 10_000, "confidence": 0.9}
    async with loom:
        heard, troubles = Probe(loom.bus, "voice.heard"), Probe(loom.bus, "voice.trouble")
        await sound(loom, QUESTION + PAUSE)
        await run_until_idle(loom)
        [said] = heard.payloads
        assert 1000 < len(said["text"]) <= LONGEST
        assert [each["stage"] for each in troubles.payloads] == ["transcribe"]
        assert "50,000 characters" in troubles.payloads[0]["error"]


def test_ten_thousand_words_are_no_echo() -> None:
    assert not is_echo(["word"] * 10_000, "word " * 400)
    assert is_echo(["word"] * 200, "word " * 400)


@virtual_time
async def test_what_did_not_fit_the_chat_model_is_told() -> None:
    def chat(request: Any) -> list[dict[str, Any]]:
        return [{"text": "I heard a part of it. "}, {"text": "", "done": True, "stopped": "end", "cut": 123}]

    loom, _ = room(models={"chat": chat})
    async with loom:
        cuts, said = Probe(loom.bus, "voice.cut"), Probe(loom.bus, "voice.said")
        await hear(loom, "mic#1", "tell me about " + "this and that " * 800, woken=True)
        await run_until_idle(loom, 10)
        assert cuts.payloads == [{"turn": 1, "characters": 123}]
        assert said.count == 1


@virtual_time
async def test_an_apology_is_said_and_not_remembered() -> None:
    def chat(request: Any) -> list[Any]:
        return [{"text": "It is one. It "}, WorkerDied("killed")]

    loom, _ = room(models={"chat": chat})
    async with loom:
        says, said = Probe(loom.bus, "voice.say"), Probe(loom.bus, "voice.said")
        await hear(loom, "mic#1", "tell me about 1", woken=True)
        await run_until_idle(loom, 10)
        assert [each["text"] for each in says.payloads] == ["It is one.", "I lost my thread, sorry."]
        assert said.count == 1
        assert loom.agent("mind").instance.history == []


WRONG = [
    Audio(bytes(2560), rate=44_100, last=True),
    Audio(bytes(2560), channels=2),
    Audio(bytes(2560), width=4),
    Audio(bytes(2_000_000)),
    b"\0" * 2560,
    {"pcm": bytes(100)},
    None,
    "sound",
    7,
]


@pytest.mark.parametrize("wrong", WRONG, ids=[str(n) for n in range(len(WRONG))])
def test_sound_of_another_form_is_told_once_and_nothing_breaks(wrong: Any) -> None:
    @virtual_time
    async def scene() -> None:
        loom, models = house()
        async with loom:
            troubles, heard = Probe(loom.bus, "voice.trouble"), Probe(loom.bus, "voice.heard")
            for _ in range(5):
                await loom.publish("mic.kitchen", wrong)
                await run_until_idle(loom)
            assert [each["stage"] for each in troubles.payloads] == ["ear"]
            assert troubles.payloads[0]["error"].startswith("UnreadableAudio: mic.kitchen: ")
            assert not models["vad"].requests
            await sound(loom, QUESTION + PAUSE)
            await run_until_idle(loom)
            assert heard.count == 1
            assert loom.statistics().dead_letters == 0

    scene()


@virtual_time
async def test_empty_chunks_change_nothing_and_take_no_room() -> None:
    loom, _ = house()
    async with loom:
        heard = Probe(loom.bus, "voice.heard")
        for number, kind in enumerate(QUESTION + PAUSE):
            await loom.publish("mic.kitchen", Audio(b"", number=number, at=number * 0.08))
            await sound(loom, [kind], first=number)
        await run_until_idle(loom)
        assert heard.count == 1


def test_a_recording_of_nothing_is_empty() -> None:
    recording = Recording()
    for number in range(10_000):
        recording.add(number * 0.08, b"")
    assert len(recording._pieces) == 0


@pytest.mark.parametrize("first", [0, 3], ids=["from its first chunk", "its first chunks were shed"])
def test_a_microphone_that_begins_anew_while_somebody_speaks(first: int) -> None:
    @virtual_time
    async def scene() -> None:
        loom, models = house()
        async with loom:
            begun, spoken = Probe(loom.bus, "voice.began"), Probe(loom.bus, "voice.utterance")
            faded, heard = Probe(loom.bus, "voice.faded"), Probe(loom.bus, "voice.heard")
            await sound(loom, [QUIET] * 20 + QUESTION)
            await sound(loom, ([QUIET] * 3 + QUESTION + PAUSE)[first:], first=first)
            await run_until_idle(loom, 20)
            assert [each["speech"] for each in begun.payloads] == ["mic.kitchen#1", "mic.kitchen#2"]
            assert [each["speech"] for each in spoken.payloads] == ["mic.kitchen#1", "mic.kitchen#2"]
            assert faded.count == 0
            assert heard.count == 2
            assert all(len(each["pcm"]) > 10 * 2560 for each in spoken.payloads)
            assert sum(each.options["reset"] for each in models["vad"].requests) == 2

    scene()


@virtual_time
async def test_more_streams_than_it_listens_to_lose_no_end() -> None:
    loom, _ = house()
    async with loom:
        begun, faded = Probe(loom.bus, "voice.began"), Probe(loom.bus, "voice.faded")
        await asyncio.gather(*(sound(loom, [LOUD] * 10, topic=f"mic.n{number}") for number in range(16)))
        await asyncio.gather(*(sound(loom, [LOUD] * 10, topic=f"mic.n{number}") for number in range(16, 20)))
        await run_until_idle(loom, 20)
        assert sorted(each["speech"] for each in faded.payloads) == sorted(
            each["speech"] for each in begun.payloads
        )
        assert begun.count == 20


@virtual_time
async def test_a_microphone_that_is_pulled_out_ends_what_is_said_and_is_found_again() -> None:
    mike = Mike()
    loom, _ = house()
    loom.add(Microphone("mic", opener=mike.open))

    async def say(kinds: list[int]) -> None:
        for kind in kinds:
            for _ in range(4):
                mike.heard(kind.to_bytes(2, "little") * 320)
                await asyncio.sleep(0.02)

    async with loom:
        told, heard = Probe(loom.bus, "loom.adapter.mic.>"), Probe(loom.bus, "voice.heard")
        begun, spoken = Probe(loom.bus, "voice.began"), Probe(loom.bus, "voice.utterance")
        await asyncio.sleep(0.1)
        await say(QUESTION)
        mike.active, mike.fault = False, NoDevice("there is no microphone")
        await asyncio.sleep(10)
        assert (begun.count, spoken.count, heard.count) == (1, 1, 1)
        mike.active, mike.fault = True, None
        while loom.source("mic").status != "running":
            await asyncio.sleep(1)
        await say(QUESTION + PAUSE)
        await run_until_idle(loom)
        assert (begun.count, spoken.count, heard.count) == (2, 2, 2)
        assert [event.type for event in told.events] == ["lost", "found"]


@virtual_time
async def test_the_wake_phrase_alone_is_good_for_the_question_that_comes_after_it() -> None:
    loom, models = house()
    answers = iter([("", 0.0), ("what time is it", 0.9)])
    models["transcribe"]._always = lambda request: dict(
        zip(("text", "confidence"), next(answers), strict=True)
    )
    async with loom:
        heard = Probe(loom.bus, "voice.heard")
        pause = [QUIET] * 20
        await sound(
            loom, [LOUD] * 6 + [PHRASE] + [LOUD] * 10 + pause + [LOUD] * 15 + pause + [LOUD] * 15 + pause
        )
        await run_until_idle(loom)
        assert [each["text"] for each in heard.payloads] == ["", "what time is it"]
        assert all(each["woken"] for each in heard.payloads)


@virtual_time
async def test_the_wake_phrase_is_good_for_one_question_only_and_for_a_while() -> None:
    loom, models = house()
    models["transcribe"]._always = lambda request: {"text": "", "confidence": 0.0}
    async with loom:
        heard = Probe(loom.bus, "voice.heard")
        pause = [QUIET] * 20
        await sound(loom, [LOUD] * 6 + [PHRASE] + ([LOUD] * 10 + pause) * 5)
        await run_until_idle(loom)
        assert heard.count == 2
        await sound(
            loom, [LOUD] * 6 + [PHRASE] + [LOUD] * 10 + [QUIET] * 100 + [LOUD] * 10 + pause, first=500
        )
        await run_until_idle(loom)
        assert heard.count == 3
