"""`loom demo voice`: an assistant that hears, thinks and speaks, all of it on this machine."""

from __future__ import annotations

import argparse
import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loom.cli._extras import missing
from loom.cli._output import say
from loom.cli._signals import on_first_signal
from loom.errors import ConfigError, MissingExtra

WAKE = "Hey Jarvis"
CHATS = ("why is the sky blue?", "is it a problem that my password is the name of my cat?")
"""What is asked where there is a cloud: something that a small model is not sure of, and something that stays here."""


def describe(parser: argparse.ArgumentParser) -> None:
    """What `loom demo voice` takes."""
    parser.description = (
        "A voice assistant: voice activity and wake word, transcription, intents and a\n"
        "small chat model, speech - each model in a worker, each part an agent. Without\n"
        "options somebody with the bundled voice asks it questions, interrupts it and\n"
        "makes a noise. Exit code 0 when everything was seen to hold."
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--wav", metavar="FILE", help="listen to a recording; it waits while it is answered")
    where.add_argument("--mic", action="store_true", help="listen to the microphone, until Ctrl-C")
    where.add_argument(
        "--say", metavar="TEXT", action="append", help="say this with the bundled voice (repeatable)"
    )
    parser.add_argument("--live", action="store_true", help="a recording does not wait: it may interrupt")
    parser.add_argument("--fast", action="store_true", help="as fast as it goes, not in real time")
    parser.add_argument("--speaker", action="store_true", help="speak aloud (default with --mic)")
    parser.add_argument("--out", metavar="FILE", help="write the answers to this WAV file")
    parser.add_argument("--data", metavar="DIR", help="remember timers and the conversation here")
    parser.add_argument("--model", metavar="GGUF", help="another chat model, from a file")
    parser.add_argument(
        "--cloud",
        metavar="URL",
        help="ask this OpenAI-compatible server too, when the local model is not sure",
    )
    parser.add_argument("--cloud-key", metavar="WHERE", default="", help="its key: env:NAME or file:PATH")
    parser.add_argument(
        "--cloud-model", metavar="NAME", default="", help="its model (default: the first it lists)"
    )
    parser.add_argument("--wake", metavar="NAME", action="append", help="only this wake word (repeatable)")
    parser.add_argument("--plain", action="store_true", help="plain lines (they are what there is)")
    parser.add_argument("--json", action="store_true", help="only a summary, as JSON")


def run(options: argparse.Namespace) -> int:
    """Run the demo; 0 when everything that it claims was seen to hold."""
    for extra in ("voice", "llm", *(("cloud",) if options.cloud else ())):
        for package in missing(extra):
            raise MissingExtra(extra, package)
    if options.wav is not None:
        from loom.adapters.wav import check_readable

        check_readable(Path(options.wav))
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    from loom.cli._voice_run import VoiceRun
    from loom.cli._voice_timeline import decisions, table
    from loom.cli._voice_verdict import verdict

    quiet = options.json
    tell = (lambda line: None) if quiet else say
    voice = VoiceRun(_plan(options), tell)
    if voice.plan.script:
        _stage(voice)
    on_first_signal(voice.stop)
    try:
        tell("Starting the models, each in a process of its own ...")
        await voice.prepare()
        tell(_invitation(options))
        await voice.perform()
    finally:
        await voice.close()
    if voice.failure is not None:
        raise voice.failure
    checks = verdict(voice)
    turns = list(voice.timeline.turns.values())
    if quiet:
        print(json.dumps(_summary(voice, checks)))
    else:
        for line in (
            "",
            *table(turns),
            "",
            *decisions(turns),
            *(f"  {'yes' if check.ok else 'NO':>3}  {check.text}" for check in checks),
        ):
            say(line)
        if options.out:
            say(f"\n  The answers are in {options.out}.")
    return 0 if all(check.ok for check in checks) else 1


def _plan(options: argparse.Namespace) -> Any:
    from loom.cli._voice_people import Line
    from loom.cli._voice_run import Plan

    given = ((name, getattr(options, name)) for name in ("wav", "out", "data", "model"))
    path = {name: Path(value) if value else None for name, value in given}
    lines = [Line(text) for text in options.say or ()]
    return Plan(
        lines=lines,
        mic=options.mic,
        live=options.live,
        fast=options.fast,
        speaker=options.speaker or (options.mic and not options.out),
        wake=options.wake or (),
        cloud=_cloud(options),
        script=not (lines or options.mic or options.wav),
        surroundings=not missing("vision"),
        **path,
    )


def _cloud(options: argparse.Namespace) -> Any:
    from loom.cli._voice_cloud import Cloud

    if options.cloud is None:
        if options.cloud_key or options.cloud_model:
            raise ConfigError("--cloud-key and --cloud-model go with --cloud URL")
        return None
    return Cloud(options.cloud, options.cloud_key, options.cloud_model)


def _stage(voice: Any) -> None:
    """The scene that is played when the user has said nothing else."""
    from loom.cli._voice_people import Line

    def arrive() -> None:
        (voice.folder / "plumber_invoice.txt").write_text("Invoice 17: one tap, 80 euros.\n")

    there = voice.plan.surroundings
    voice.lines = [
        Line(f"{WAKE}, what time is it?"),
        Line("I wonder what we should have for dinner."),
        Line(f"{WAKE}, set a timer for five seconds.", then=lambda: voice.timeline.rung),
        *([Line(f"{WAKE}, who is at the door?")] if there else []),
        *([Line(f"{WAKE}, what arrived in the folder?", first=arrive)] if there else []),
        Line(f"{WAKE}, turn on the kitchen light."),
        Line(f"{WAKE}, what is the capital of France?"),
        Line("Uh, um.", over=0.3),
        *([Line(f"{WAKE}, {text}") for text in CHATS] if voice.plan.cloud else []),
        Line(f"{WAKE}, tell me a story about the sea."),
        Line("Stop talking please.", over=1.5),
    ]


def _invitation(options: argparse.Namespace) -> str:
    if options.mic:
        return f"Listening. Say “{WAKE}” and a question; Ctrl-C ends it."
    if options.wav:
        return f"Listening to {options.wav}."
    return "Somebody comes in. (? what was understood, > what is answered, * what is done)"


def _summary(voice: Any, checks: Any) -> dict[str, Any]:
    line = voice.timeline
    return {
        "ok": all(check.ok for check in checks),
        "seconds": round(voice.seconds, 3),
        "turns": [
            {
                "question": turn.question,
                "intent": turn.intent,
                "reply": " ".join(turn.reply),
                "end": turn.end,
                "wake_ms": turn.after_phrase(turn.wake),
                "transcript_ms": turn.after_phrase(turn.transcript),
                "first_token_ms": turn.after_phrase(turn.token),
                "first_sound_ms": turn.after_phrase(turn.sound),
                "decisions": turn.decisions,
            }
            for turn in line.turns.values()
        ],
        "wakes": [asdict(wake) for wake in line.wakes],
        "speech_ignored": line.ignored,
        "false_alarms": line.false_alarms,
        "troubles": list(line.troubles),
        "lights": voice.lights,
        "left": voice.left,
        "checks": [check._asdict() for check in checks],
    }
