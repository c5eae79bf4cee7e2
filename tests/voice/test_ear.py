"""The ear, with models that follow what is written into the sound, in virtual time."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from loom.adapters.audio import Audio
from loom.errors import WorkerDied
from loom.testing import FakeBackend, Probe, new_loom, run, run_until_idle, virtual_time
from loom.voice import Ear, Scribe

QUIET, LOUD, PHRASE = 0, 1, 2


def chunk(kind: int, number: int, last: bool = False) -> Audio:
    pcm = kind.to_bytes(2, "little") * 1280
    return Audio(pcm, number=number, at=number * 0.08, last=last)


def vad(request):
    return {"speech": [0.9 if request.input[0] else 0.0] * 8, "seconds": 0.01}


def wake(request):
    return [{"phrase": "alexa", "score": 1.0, "at": 0.0}] if request.input[0] == PHRASE else []


def house(vad=vad, wake=wake, *more):
    loom = new_loom(Ear, Scribe, *more)
    models = {
        "vad": FakeBackend("vad", vad, name="vad"),
        "wake": FakeBackend("wake", wake, name="wake"),
        "transcribe": FakeBackend(
            "transcribe", lambda r: {"text": "what time is it", "confidence": 0.9}, name="t"
        ),
    }
    for model in models.values():
        loom.add_model(model)
    return loom, models


async def sound(loom, kinds, topic="mic.kitchen", first=0, last=False):
    for number, kind in enumerate(kinds, first):
        await loom.publish(topic, chunk(kind, number, last and number == first + len(kinds) - 1))
        await asyncio.sleep(0.08)


@virtual_time
async def test_a_question_is_heard_after_the_wake_phrase_and_nothing_else_is():
    loom, models = house()
    async with loom:
        heard, wakes = Probe(loom.bus, "voice.heard"), Probe(loom.bus, "voice.wake")
        await sound(loom, [QUIET] * 10 + [LOUD] * 15 + [QUIET] * 15)
        await sound(loom, [LOUD] * 6 + [PHRASE] + [LOUD] * 15 + [QUIET] * 15, first=40)
        await run_until_idle(loom)
        assert [each["text"] for each in heard.payloads] == ["what time is it"]
        assert [each["phrase"] for each in wakes.payloads] == ["alexa"]
        assert len(models["transcribe"].requests) == 1


@virtual_time
async def test_when_the_microphone_is_gone_what_was_being_said_has_been_said():
    loom, _ = house()
    async with loom:
        spoken = Probe(loom.bus, "voice.utterance")
        await sound(loom, [LOUD] * 4 + [PHRASE] + [LOUD] * 15)
        await run_until_idle(loom, 20)
        assert len(spoken.payloads) == 1


@virtual_time
async def test_the_end_of_a_recording_ends_what_is_said_in_it():
    loom, _ = house()
    async with loom:
        heard = Probe(loom.bus, "voice.heard")
        await sound(loom, [LOUD] * 4 + [PHRASE] + [LOUD] * 15, last=True)
        await run_until_idle(loom)
        assert len(heard.payloads) == 1


@virtual_time
async def test_a_model_that_fails_is_told_once_and_listening_goes_on():
    dead = [False]

    def frail(request):
        if dead[0]:
            raise WorkerDied("killed")
        return vad(request)

    loom, _ = house(frail)
    async with loom:
        troubles, heard = Probe(loom.bus, "voice.trouble"), Probe(loom.bus, "voice.heard")
        await sound(loom, [QUIET] * 5)
        dead[0] = True
        await sound(loom, [QUIET] * 20, first=5)
        dead[0] = False
        await sound(loom, [LOUD] * 4 + [PHRASE] + [LOUD] * 15 + [QUIET] * 15, first=25)
        await run_until_idle(loom)
        assert [each["stage"] for each in troubles.payloads] == ["vad"]
        assert len(heard.payloads) == 1


@virtual_time
async def test_recognition_is_tried_twice_and_then_nothing_was_understood():
    loom, models = house()

    def dies(request):
        raise WorkerDied("killed")

    models["transcribe"]._always = dies
    async with loom:
        heard, troubles = Probe(loom.bus, "voice.heard"), Probe(loom.bus, "voice.trouble")
        await sound(loom, [LOUD] * 4 + [PHRASE] + [LOUD] * 15 + [QUIET] * 15)
        await run_until_idle(loom)
        assert [each["text"] for each in heard.payloads] == [""]
        assert [each["again"] for each in troubles.payloads] == [True, False]


@virtual_time
async def test_two_microphones_do_not_disturb_each_other():
    loom, _ = house()
    async with loom:
        heard = Probe(loom.bus, "voice.heard")
        words = [LOUD] * 4 + [PHRASE] + [LOUD] * 15 + [QUIET] * 15
        await asyncio.gather(sound(loom, words, "mic.a"), sound(loom, [LOUD] * 20 + [QUIET] * 15, "mic.b"))
        await run_until_idle(loom)
        assert [each["speech"] for each in heard.payloads] == ["mic.a#1"]


KINDS = st.lists(st.tuples(st.sampled_from([QUIET, LOUD, PHRASE]), st.integers(1, 15)), max_size=12)


@given(KINDS, st.sets(st.integers(0, 150)), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_no_end_is_ever_lost(kinds, lost, seed):
    """Whatever is said, and whichever chunks are shed on the way: each beginning has one end."""

    async def scene():
        loom, _ = house()
        async with loom:
            begun, faded = Probe(loom.bus, "voice.began"), Probe(loom.bus, "voice.faded")
            spoken, heard = Probe(loom.bus, "voice.utterance"), Probe(loom.bus, "voice.heard")
            for number, kind in enumerate(kind for kind, count in kinds for _ in range(count)):
                if number not in lost:
                    await loom.publish("mic.kitchen", chunk(kind, number))
                await asyncio.sleep(0.08)
            await run_until_idle(loom, 30)
            ends = [each["speech"] for each in faded.payloads + spoken.payloads]
            assert sorted(ends) == sorted(each["speech"] for each in begun.payloads)
            assert len(heard.payloads) == len(spoken.payloads)

    run(scene(), seed=seed)
