"""Whether `loom demo voice` truly worked: what must hold, each with what was seen. Pure but for reading the run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from loom.cli._verdict import Check

if TYPE_CHECKING:
    from loom.cli._voice_run import VoiceRun
    from loom.cli._voice_timeline import Turn


def verdict(voice: VoiceRun) -> list[Check]:
    """Every check of a finished run."""
    turns = list(voice.timeline.turns.values())
    checks = [*_any(voice, turns)]
    if not voice.plan.script:
        return checks
    cloud = _cloud(turns) if voice.plan.cloud else ()
    return [*_script(voice, turns), *cloud, *checks]


def _any(voice: VoiceRun, turns: list[Turn]) -> Iterator[Check]:
    """What holds whatever was said."""
    open_ones = [turn.turn for turn in turns if not turn.end]
    yield Check(not open_ones, f"every turn came to its end: {len(turns)}")
    silent = [
        turn.question for turn in turns if turn.end == "said" and turn.intent != "stop" and not turn.reply
    ]
    yield Check(not silent, f"every question that was not taken back was answered{_list(silent)}")
    unbalanced = [queue.name for queue in voice.queues if not queue.balanced()]
    yield Check(not unbalanced, f"the books balance for all {len(voice.queues)} queues{_list(unbalanced)}")
    troubles = [f"{each['stage']}: {each['error']}" for each in voice.timeline.troubles]
    yield Check(not troubles, f"no model and no device failed{_list(troubles)}")
    yield Check(voice.left == 0 and not voice.dead, f"left undone: {voice.left}, dead letters: {voice.dead}")


def _script(voice: VoiceRun, turns: list[Turn]) -> Iterator[Check]:
    """What holds for the scene that we know."""
    intents = [turn.intent for turn in turns if turn.question]
    wanted = [
        "time",
        "timer.set",
        *(["door", "folder"] if voice.plan.surroundings else []),
        "light.on",
        "chat",
        *(["chat", "chat"] if voice.plan.cloud else []),
        "chat",
    ]
    got = [intent for intent in intents if intent != "stop"]
    yield Check(
        got == wanted,
        f"each question was understood as what it was{'' if got == wanted else ': ' + str(got)}",
    )
    yield Check(voice.lights.get("kitchen") is True, "the kitchen light is on")
    france = " ".join(" ".join(turn.reply) for turn in turns if "France" in turn.question)
    yield Check("Paris" in france, f"the capital of France: {france[:60] or 'no answer'}")
    rung = [turn for turn in turns if not turn.question and "timer" in " ".join(turn.reply)]
    yield Check(len(rung) == 1, f"the timer rang once: {' '.join(rung[0].reply) if rung else 'it did not'}")
    yield Check(voice.timeline.ignored > 0, "what was said to somebody else was not understood, only heard")
    alarms = voice.timeline.false_alarms
    yield Check(alarms == 1, f"a hum made it pause and go on: {alarms} time{'' if alarms == 1 else 's'}")
    cut = [turn for turn in turns if turn.end == "interrupted"]
    yield Check(
        len(cut) == 1 and "story" in cut[0].question, "an interruption ended the story, and nothing else"
    )


def _cloud(turns: list[Turn]) -> Iterator[Check]:
    """What holds where a cloud may be asked."""
    made = [(turn, each) for turn in turns for each in turn.decisions]
    chats = [turn for turn in turns if turn.intent == "chat"]
    asked = [turn for turn, each in made if each.get("outcome", {}).get("backend") == "cloud"]
    yield Check(
        all(turn.decisions for turn in chats), f"each answer had a decision, and each was shown: {len(made)}"
    )
    which = ", ".join(str(turn.turn) for turn in asked) or "none"
    yield Check(bool(asked), f"the cloud was asked where the local model was not sure: turn {which}")
    secret = [each for turn, each in made if "password" in turn.question]
    stayed = bool(secret) and all(each["order"] == ["llama"] for each in secret)
    yield Check(
        stayed, f"the question with a password stayed here: {secret[0]['why'] if secret else 'not asked'}"
    )


def _list(things: list[str]) -> str:
    return f", but: {'; '.join(things)[:200]}" if things else ""
