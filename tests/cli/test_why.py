"""`loom why` as people run it: a tree in the terminal, JSON for machines, plain messages for what is not there."""

import json
import os
from pathlib import Path

import pytest

from loom import Agent, Retry, on
from loom.store import Family
from loom.store.sqlite import SqliteBackend
from loom.testing import new_loom, run, run_until_idle
from tests.cli.command import loom, running


class Ear(Agent, retry=Retry(attempts=2, base=0.1, jitter=0.0)):
    """Hears, and fails once."""

    heard: int = 0

    @on("mic.>")
    async def hear(self, event, ctx):
        if event.payload == "bad" or ctx.attempt == 1:
            raise ValueError(f"too loud: {event.payload}")
        self.heard += 1
        for _ in range(20):
            ctx.publish("word.spoken", "hello")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which an event was heard at the second attempt, and another one never."""
    folder = tmp_path_factory.mktemp("why") / "data"

    async def main() -> None:
        async with new_loom(Ear, data=folder) as runtime:
            runtime.journal("word.>", keep=True)
            await runtime.publish("mic.kitchen", "good", id="good")
            await runtime.publish("mic.kitchen", "bad", id="bad")
            await run_until_idle(runtime, 5)

    run(main())
    return folder


def why(data: Path, *arguments: str) -> tuple[int, str, str]:
    done = loom("why", *arguments, "--data", str(data), env={**os.environ, "COLUMNS": "80", "TZ": "UTC"})
    return done.returncode, done.stdout, done.stderr


def test_the_chain_and_what_came_of_it_as_a_tree_of_80_columns(data: Path) -> None:
    code, out, _ = why(data, "good")
    text = out.splitlines()
    assert code == 0
    assert text[0] == "event good on mic.kitchen"
    assert "from the source" in text[2]
    assert text[3].endswith("▶ mic.kitchen  #1")
    words = " ".join(out.replace("│", "").split())
    assert "attempt 1 at Ear.hear failed, again after 100 ms: ValueError: too loud: good" in words
    assert "Ear.hear handled it at attempt 2, changed heard" in out
    assert "… 8 more" in text[-1]
    assert all(len(line) <= 80 for line in text)
    assert "\x1b" not in out


def test_an_effect_names_its_source(data: Path) -> None:
    _, out, _ = why(data, "#5")
    assert "mic.kitchen" in out
    assert "▶ word.spoken  #5  by Ear" in out


def test_json_has_a_schema_that_stays(data: Path) -> None:
    code, out, _ = why(data, "bad", "--json")
    document = json.loads(out)
    assert code == 0
    assert list(document) == ["schema", "asked", "found", "message", "ends", "chain"]
    assert (document["schema"], document["ends"]) == (1, "source")
    subject = document["chain"][-1]
    assert list(subject) == [
        "kind", "id", "at_ms", "what", "by", "seq", "kept", "facts", "ahead", "more", "endless",
    ]  # fmt: skip
    assert [hop["kind"] for hop in subject["ahead"]] == ["retry", "dead"]
    assert subject["ahead"][1]["facts"]["error"] == "ValueError: too loud: bad"


def test_a_terminal_gets_colours_unless_it_wants_none(data: Path) -> None:
    given = ("why", "dead:1", "--data", str(data))
    with running(*given, columns=80, env={**os.environ, "TERM": "xterm"}) as process:
        process.until("dead letter 1 of")
        assert process.end() == 0
        assert "\x1b[" in process.text
    with running(*given, columns=80, env={**os.environ, "TERM": "xterm", "NO_COLOR": "1"}) as process:
        process.until("dead letter 1 of")
        assert "\x1b[" not in process.text


@pytest.mark.parametrize(
    ("id", "code", "words"),
    [
        ("#999", 1, "the journal has no #999; its last number is #"),
        ("nonsense", 1, "nothing is known of nonsense"),
        (
            "0123456789ab-0123456789abcdef-0123456789",
            1,
            "is no longer kept, or it was never on a topic that is",
        ),
        ("dead:77", 1, "there is no dead letter 77"),
        ("#x", 2, "is no journal number; write it as #123"),
        ("\x1b[2Jgone", 2, "printable characters"),
        ("x" * 600, 2, "printable characters"),
        ("agent:nobody", 2, "the store knows no agent 'nobody'"),
    ],
)
def test_what_is_not_there_is_a_plain_message(data: Path, id: str, code: int, words: str) -> None:
    found, out, err = why(data, id)
    assert found == code
    assert words in " ".join((out + err).split())
    assert "\x1b" not in out + err
    assert "Traceback" not in err


def test_a_store_that_was_not_closed_is_read_all_the_same(data: Path, tmp_path: Path) -> None:
    source = SqliteBackend(data)
    try:  # held by this process, its log not folded in
        assert source.count(Family.JOURNAL) > 20
        assert why(data, "good")[0] == 0
    finally:
        source.close()
