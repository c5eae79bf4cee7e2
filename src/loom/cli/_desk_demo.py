"""`loom demo desk`: a folder that is read and indexed in the background while you ask it questions."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from loom.cli._desk_input import typed
from loom.cli._desk_lines import answer_lines, event_lines
from loom.cli._output import columns, complain, say
from loom.cli._signals import on_first_signal
from loom.errors import ConfigError, LoomError, MissingExtra

NEEDED = {
    "numpy": "numpy",
    "google.protobuf": "protobuf",
    "onnxruntime": "onnxruntime",
    "tokenizers": "tokenizers",
}


def describe(parser: argparse.ArgumentParser) -> None:
    """What `loom demo desk` takes."""
    parser.description = (
        "A desk: what appears in a folder is read, classified, embedded and summarised in\n"
        "the background, and questions are answered from it at once - all on this machine.\n"
        "Without --folder it drops papers of its own, is killed once in the middle, asks\n"
        "what it knows, and exits with 0 only when everything was seen to hold."
    )
    parser.add_argument("--folder", metavar="DIR", help="watch this folder; questions come from you")
    parser.add_argument("--ask", metavar="TEXT", action="append", help="ask this and end (repeatable)")
    parser.add_argument("--data", metavar="DIR", help="keep what was read here, for the next time")
    parser.add_argument("--recursive", action="store_true", help="the folders in the folder too")
    parser.add_argument("--no-chat", action="store_true", help="passages only, without the chat model")
    parser.add_argument("--model", metavar="GGUF", help="another chat model, from a file")
    parser.add_argument("--plain", action="store_true", help="plain lines, no prompt")
    parser.add_argument("--json", action="store_true", help="only a summary, as JSON")
    parser.add_argument("--events", action="store_true", help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    """Run the demo; 0 when everything that it claims was seen to hold, and every question got an answer."""
    from loom.cli._extras import there

    for name, package in NEEDED.items():
        if not there(name):
            raise MissingExtra("onnx", package)
    if options.folder is None:
        for option in ("ask", "data", "recursive", "model"):
            if getattr(options, option):
                raise ConfigError(
                    f"loom demo desk: --{option} is for a folder of yours; say which by --folder DIR"
                )
    elif not Path(options.folder).is_dir():
        raise ConfigError(f"loom demo desk: {options.folder!r} is not a folder; make it, or name another one")
    else:
        options.folder = Path(options.folder).absolute()
        if options.data and options.recursive and options.folder in Path(options.data).absolute().parents:
            raise ConfigError(
                f"loom demo desk: --data {options.data} lies in the folder that is read; name another place"
            )
    with TemporaryDirectory(prefix="loom-desk-", ignore_cleanup_errors=True) as home:
        return asyncio.run(
            _play(options, Path(home)) if options.folder is None else _serve(options, Path(home))
        )


async def _play(options: argparse.Namespace, home: Path) -> int:
    from loom.cli._desk_script import Script
    from loom.cli._desk_verdict import verdict

    quiet = options.json
    if not quiet:
        say("A desk of its own: papers are dropped, and it is killed once in the middle (half a minute) ...")
    script = Script(
        home,
        not options.no_chat,
        lambda run, event: None if quiet else _say(event_lines(event, run.progress(), columns())),
        lambda answer: None if quiet else _say(answer_lines(answer, columns())),
    )
    _end_on_signal()
    try:
        seen = await script.play()
    except asyncio.CancelledError:
        complain("ended before everything was seen")
        return 1
    checks = verdict(seen)
    if quiet:
        answers = [{**answer, "expected": known.name} for known, answer in seen.answers]
        ok = all(check.ok for check in checks)
        document = {
            "ok": ok, "files": seen.papers, "not_filed": seen.troubled, "answers": answers, "waiting": seen.waiting,
            "before_kill": seen.before, "filed": seen.filed, "checks": [check._asdict() for check in checks],
        }  # fmt: skip
        say(json.dumps(document, indent=2))
    else:
        say()
        _say([f"{'yes' if check.ok else 'NO '}  {check.text}" for check in checks])
    return 0 if all(check.ok for check in checks) else 1


async def _serve(options: argparse.Namespace, home: Path) -> int:
    from loom.cli._desk_run import DeskRun, Plan
    from loom.desk.topics import FILED, TROUBLE

    data = Path(options.data or home / "data")
    plan = Plan(Path(options.folder), data, not options.no_chat, options.recursive, options.model)
    quiet = options.json or options.events
    desk = DeskRun(plan, lambda event: _tell(event, desk, options))
    if not quiet:
        kept = f"what is read is kept in {data}" if options.data else "nothing is kept: --data DIR keeps it"
        say(f"Reading {options.folder}; {kept}.")
    _end_on_signal()
    answers: list[dict[str, Any]] = []
    try:
        await desk.start()
        answers += [await _asked(desk, question, quiet) async for question in _questions(options, desk)]
    except asyncio.CancelledError:  # a signal: end in order
        _go_on()
        complain("ended; what was not read yet is read the next time" if options.data else "ended")
    finally:
        await desk.stop()
    if options.json:
        papers = {
            n: {"kind": p.kind, "summary": p.summary, "passages": len(p.texts)}
            for n, p in desk.papers().items()
        }
        troubles = {e.payload["name"]: e.payload["reason"] for e in desk.told if e.topic == TROUBLE}
        filed = [e.payload["name"] for e in desk.told if e.topic == FILED]
        say(
            json.dumps({"files": papers, "filed": filed, "not_filed": troubles, "answers": answers}, indent=2)
        )
    return 1 if any(answer.get("error") for answer in answers) else 0


async def _asked(desk: Any, question: str, quiet: bool) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = await desk.ask(question)
    except LoomError as error:
        answer = {"question": question, "hits": [], "error": str(error)}
    if not quiet:
        _say(answer_lines(answer, columns()))
    return answer


async def _questions(options: argparse.Namespace, desk: Any) -> Any:
    """Those of --ask, or the lines of standard input; the first comes when the folder was read, but for a terminal."""
    terminal = sys.stdin.isatty() and not options.plain and not options.json
    if options.ask or not terminal:
        if options.ask is None and options.events:
            await asyncio.Event().wait()
        await desk.settled()
    if options.ask:
        for question in options.ask:
            yield question
        return
    if terminal:
        say("Ask what is in it; an empty line or Ctrl-D ends.")
    async for text in typed():
        if not text and terminal:
            return
        if text:
            yield text


def _go_on() -> None:
    """Forget the cancellation, which was a signal: what follows ends in order."""
    task = asyncio.current_task()
    assert task is not None
    task.uncancel()


def _end_on_signal() -> None:
    task = asyncio.current_task()
    assert task is not None

    def end() -> None:
        task.cancel()

    on_first_signal(end)


def _tell(event: Any, desk: Any, options: argparse.Namespace) -> None:
    if options.events:
        payload = event.payload
        say(
            json.dumps(
                {"topic": event.topic, "name": payload.get("name", ""), "path": payload.get("path", "")}
            )
        )
    elif not options.json:
        _say(event_lines(event, desk.progress(), columns()))


def _say(lines: list[str]) -> None:
    for line in lines:
        say(line)
