"""Whose turn it is, with agents, models and a loudspeaker in virtual time."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from loom.testing import Probe, run, run_until_idle, virtual_time
from tests.voice.room import begin, hear, room

ANSWER = [4, 5, 4]  # words of each sentence that `chat` answers; 0.1 s a word


def blocks(number: int) -> list[int]:
    return [number] * (5 * sum(ANSWER))


@virtual_time
async def test_a_question_after_the_wake_phrase_is_answered_in_sentences():
    loom, speaker = room()
    async with loom:
        said = Probe(loom.bus, "voice.said")
        await hear(loom, "mic#1", "tell me about 7", woken=True)
        await run_until_idle(loom, 10)
        assert speaker.heard == blocks(7)
        assert said.payloads == [{"turn": 1}]


@virtual_time
async def test_speech_without_the_wake_phrase_does_nothing():
    loom, speaker = room()
    async with loom:
        questions = Probe(loom.bus, "voice.question")
        await begin(loom, "mic#1")
        await hear(loom, "mic#1", "tell me about 7")
        await run_until_idle(loom, 10)
        assert (speaker.heard, questions.payloads, speaker.holds) == ([], [], 0)


@virtual_time
async def test_an_interruption_with_words_takes_the_turn_down_and_is_answered():
    loom, speaker = room()
    async with loom:
        interrupted, said = Probe(loom.bus, "voice.interrupted"), Probe(loom.bus, "voice.said")
        await hear(loom, "mic#1", "tell me about 1", woken=True)
        await asyncio.sleep(0.9)
        before = len(speaker.heard)
        assert before > 0
        await begin(loom, "mic#2")
        await asyncio.sleep(0.5)
        assert len(speaker.heard) - before <= 1, "it is silent while somebody speaks"
        await hear(loom, "mic#2", "no, about 2 please")
        await run_until_idle(loom, 10)
        assert set(speaker.heard[:before]) == {1}
        assert speaker.heard[-len(blocks(2)) :] == blocks(2)
        assert speaker.heard.count(1) <= before + 1
        assert interrupted.payloads == [{"turn": 1}]
        assert said.payloads == [{"turn": 2}]


@virtual_time
async def test_a_false_alarm_goes_on_from_the_last_sound():
    loom, speaker = room()
    async with loom:
        await hear(loom, "mic#1", "tell me about 3", woken=True)
        await asyncio.sleep(0.8)
        await begin(loom, "mic#2")
        await asyncio.sleep(2)
        held = len(speaker.heard)
        assert 0 < held < len(blocks(3))
        await hear(loom, "mic#2", "Um.")
        await run_until_idle(loom, 10)
        assert speaker.heard == blocks(3), "nothing lost, nothing twice"
        assert loom.agent("turns").instance.false_alarms == 1


@virtual_time
async def test_the_assistant_is_not_interrupted_by_its_own_voice():
    loom, speaker = room()
    async with loom:
        await hear(loom, "mic#1", "tell me about 3", woken=True)
        await asyncio.sleep(0.8)
        await begin(loom, "mic#2")
        await hear(loom, "mic#2", "answer 3 begins here")
        await run_until_idle(loom, 10)
        assert speaker.heard == blocks(3)


@virtual_time
async def test_what_is_never_understood_holds_the_assistant_for_a_while_only():
    loom, speaker = room()
    async with loom:
        await hear(loom, "mic#1", "tell me about 3", woken=True)
        await asyncio.sleep(0.8)
        await begin(loom, "mic#2")
        await run_until_idle(loom, 60)
        assert speaker.heard == blocks(3)
        assert not speaker.silent


@virtual_time
async def test_a_question_while_it_thinks_takes_the_place_of_the_first():
    loom, speaker = room(delay=1.0)
    async with loom:
        await hear(loom, "mic#1", "tell me about 1", woken=True)
        await asyncio.sleep(1.5)
        await hear(loom, "mic#2", "tell me about 2", woken=True)
        await run_until_idle(loom, 120)
        assert speaker.heard == blocks(2)
        assert loom.models._models[1].broken_off >= 1, "the model's call was cancelled"


@virtual_time
async def test_a_timer_that_rings_is_told_after_what_is_being_said():
    loom, speaker = room()
    async with loom:
        await hear(loom, "mic#1", "set a timer for ten seconds", woken=True)
        await asyncio.sleep(8)
        speaker.heard.clear()
        await hear(loom, "mic#2", "tell me about 7", woken=True)
        await run_until_idle(loom, 20)
        assert speaker.heard[: len(blocks(7))] == blocks(7)
        assert set(speaker.heard[len(blocks(7)) :]) == {10}, "Your timer for 10 seconds is up"


@virtual_time
async def test_a_conversation_is_remembered_and_begins_anew_after_silence():
    loom, _ = room()
    async with loom:
        for n in (1, 2):
            await hear(loom, f"mic#{n}", f"tell me about {n}", woken=True)
            await run_until_idle(loom, 10)
        mind = loom.agent("mind").instance
        assert [each["content"] for each in mind.history if each["role"] == "user"] == [
            "tell me about 1",
            "tell me about 2",
        ]
        await run_until_idle(loom, 400)
        await hear(loom, "mic#3", "tell me about 3", woken=True)
        await run_until_idle(loom, 10)
        assert [each["content"] for each in mind.history if each["role"] == "user"] == ["tell me about 3"]


# A script: at each moment something happens. Numbers tell the questions apart by what is heard of them.
HAPPENS = st.tuples(st.sampled_from(["ask", "barge", "noise", "mumble", "nothing"]), st.floats(0.0, 2.5))


@given(
    script=st.lists(HAPPENS, min_size=1, max_size=8),
    seed=st.integers(0, 10_000),
    delay=st.sampled_from([0.01, 0.2, 0.7]),
)
@settings(max_examples=60, deadline=None)
def test_a_cancel_takes_down_the_turn_and_only_the_turn(script, seed, delay):
    """Whatever happens in whatever order: each turn is heard whole, or up to its interruption and not a block more."""

    async def scene() -> None:
        loom, speaker = room(delay=delay)
        async with loom:
            ends = Probe(loom.bus, "voice.said")
            taken = Probe(loom.bus, "voice.interrupted")
            asked = Probe(loom.bus, "voice.question")
            for n, (what, pause) in enumerate(script, 1):
                speech = f"mic#{n}"
                if what != "nothing":
                    await begin(loom, speech)
                    await asyncio.sleep(0.3)
                if what in ("ask", "barge"):
                    await hear(loom, speech, f"tell me about {n}", woken=what == "ask")
                elif what == "noise":
                    await loom.publish(
                        "voice.faded", {"speech": speech, "start": 0.0, "end": 0.1, "ended_ms": 0}
                    )
                await asyncio.sleep(pause)
            await run_until_idle(loom, 120)
            number_of = {q["turn"]: int(q["text"].split()[-1]) for q in asked.payloads}
            cut = [t["turn"] for t in taken.payloads]
            done = [t["turn"] for t in ends.payloads]
            assert sorted(cut + done) == sorted(number_of), "each turn ends once"
            assert done == sorted(done)
            for turn, number in number_of.items():
                heard = [each for each in speaker.heard if each == number]
                assert heard == blocks(number) if turn in done else len(heard) <= len(blocks(number))
            order = [n for i, n in enumerate(speaker.heard) if i == 0 or n != speaker.heard[i - 1]]
            assert order == sorted(order), "no turn is heard after a later one has begun"
            assert not speaker.silent
            for queue in loom.bus.queues():
                assert queue.statistics().balanced()

    run(scene(), seed=seed)
