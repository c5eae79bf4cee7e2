"""Real models are killed in the middle of what they do: that is told, the turn ends, and the next one is answered."""

from collections.abc import Iterator
from typing import Any

import pytest

from loom import Loom, local_model
from loom.testing import Probe
from loom.voice import Mind
from loom.worker import Worker  # noqa: F401 - imported before there is a loop that it could block
from tests.voice.victims import Ward

TIME, FRANCE = "what time is it?", "what is the capital of France?"
LONG = "The first thing is short. The second one takes longer. Then there is a third. And a fourth one ends it all."


@pytest.fixture(scope="module")
def ward() -> Iterator[Ward]:
    made = Ward()
    for question in (TIME, FRANCE):  # spoken by a voice that nobody has doomed yet
        made.run(made.speech(f"Hey Jarvis, {question}"))
    yield made
    made.close()


@pytest.fixture(autouse=True)
def pardon(ward: Ward) -> Iterator[None]:
    """Whoever was to die and did not, lives on."""
    yield
    for victim in ward.models.values():
        victim.times = 0


class Seen:
    """What an assistant tells while something happens to it."""

    def __init__(self, ward: Ward) -> None:
        bus = ward.assistant.loom.bus
        self._of = {
            name: Probe(bus, f"voice.{name}") for name in ("trouble", "question", "said", "interrupted")
        }
        self._of |= {name: Probe(bus, f"voice.{name}") for name in ("began", "utterance", "faded", "sounds")}

    def __getitem__(self, name: str) -> list[Any]:
        return self._of[name].payloads

    @property
    def troubles(self) -> list[str]:
        return [f"{each['stage']} {each['error'].split(':')[0]}" for each in self["trouble"]]

    def check(self) -> None:
        """All that has begun has ended, once."""
        said, interrupted = ([each["turn"] for each in self[name]] for name in ("said", "interrupted"))
        begun_turns = sorted({each["turn"] for each in self["sounds"] + self["question"]})
        assert begun_turns == sorted(said + interrupted), f"said {said}, interrupted {interrupted}"
        begun = sorted(each["speech"] for each in self["began"])
        assert begun == sorted(each["speech"] for each in self["utterance"] + self["faded"])


@pytest.mark.parametrize(
    ("model", "stage"), [("micro_vad", "vad"), ("wakeword", "wake")], ids=["vad", "wake"]
)
def test_who_listens_is_killed_in_the_middle_of_a_question(ward: Ward, model: str, stage: str) -> None:
    async def scene() -> None:
        seen, before = Seen(ward), len(ward.models[model].killed)
        pcm = await ward.speech(f"Hey Jarvis, {TIME}")
        await ward.assistant.feed(bytes(40_000) + pcm[: len(pcm) // 3])
        ward.models[model].doom()
        await ward.assistant.feed(pcm[len(pcm) // 3 :] + bytes(60_000))
        await ward.assistant.loom.idle()
        assert len(ward.models[model].killed) == before + 1
        assert seen.troubles == [f"{stage} WorkerDied"]
        assert any("It is" in each for each in await ward.ask(TIME))
        seen.check()

    ward.run(scene())


def test_who_writes_down_is_killed_once_and_the_answer_is_right(ward: Ward) -> None:
    async def scene() -> None:
        seen = Seen(ward)
        ward.models["whisper"].doom()
        assert any("It is" in each for each in await ward.ask(TIME))
        assert [(each["stage"], each["again"]) for each in seen["trouble"]] == [("transcribe", True)]
        assert seen.troubles == ["transcribe WorkerDied"]
        seen.check()

    ward.run(scene())


def test_who_writes_down_is_killed_twice_and_the_next_question_is_answered(ward: Ward) -> None:
    async def scene() -> None:
        seen = Seen(ward)
        ward.models["whisper"].doom(times=2)
        assert await ward.ask(TIME) == []
        assert [each["again"] for each in seen["trouble"]] == [True, False]
        assert any("It is" in each for each in await ward.ask(TIME))
        seen.check()

    ward.run(scene())


def test_who_finds_out_what_is_meant_is_killed_and_words_in_common_do(ward: Ward) -> None:
    async def scene() -> None:
        seen = Seen(ward)
        ward.models["minilm"].doom()
        assert any("It is" in each for each in await ward.ask(TIME))
        assert seen.troubles == ["classify WorkerDied"]
        assert any("Paris" in each for each in await ward.ask(FRANCE))
        seen.check()

    ward.run(scene())


@pytest.mark.parametrize("pieces", [0, 2], ids=["before it begins", "in the middle"])
def test_who_chats_is_killed_and_says_so(ward: Ward, pieces: int) -> None:
    async def scene() -> None:
        seen = Seen(ward)
        ward.models["llama"].doom(pieces=pieces)
        assert "I lost my thread, sorry." in await ward.ask(FRANCE)
        assert seen.troubles == ["chat WorkerDied"]
        assert any("Paris" in each for each in await ward.ask(FRANCE))
        seen.check()

    ward.run(scene())


@pytest.mark.parametrize("pieces", [0, 1, 2], ids=["at once", "after a sentence", "after two"])
def test_who_speaks_is_killed_and_nothing_is_lost_or_said_twice(ward: Ward, pieces: int) -> None:
    async def scene() -> None:
        seen = Seen(ward)
        ward.models["hibari"].doom(pieces=pieces)
        await ward.assistant.loom.publish("voice.notice", {"text": LONG})
        await ward.assistant.loom.idle()
        assert len(ward.models["hibari"].killed) > 0
        assert "".join(each["text"] for each in seen["sounds"]) == LONG
        assert seen.troubles in (["speak WorkerDied"], []), "all of it may have been made before it died"
        assert any("It is" in each for each in await ward.ask(TIME))
        seen.check()

    ward.run(scene())


def test_all_of_them_are_killed_at_once(ward: Ward) -> None:
    async def scene() -> None:
        for victim in ward.models.values():
            victim.doom()
        await ward.ask(FRANCE)
        for victim in ward.models.values():
            victim.times = 0
        seen = Seen(ward)
        assert any("Paris" in each for each in await ward.ask(FRANCE))
        assert seen.troubles == []
        seen.check()

    ward.run(scene())


async def test_a_question_longer_than_the_model_can_hold_is_answered_and_the_cut_is_told() -> None:
    text = "Tell me about the sea and the ships. " * 600
    async with Loom(watchdog=None) as loom:
        loom.add(Mind).add_model(local_model("llama", context=400))
        with Probe(loom.bus, "voice.cut") as cuts, Probe(loom.bus, "voice.say") as said:
            asked = {"turn": 1, "text": text, "asked_ms": loom.clock.now_ms()}
            await loom.publish("voice.question", asked)
            await loom.idle()
            [cut] = cuts.payloads
            assert 20_000 < cut["characters"] < len(text)
            assert any(each["text"] for each in said.payloads)
            assert [each["last"] for each in said.payloads][-1]
