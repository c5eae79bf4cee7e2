"""The parts of the desk's demo: when it counts as proven, what it shows, and when it has caught up."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import pytest

from loom import Event
from loom.cli._desk_input import typed
from loom.cli._desk_lines import answer_lines, event_lines
from loom.cli._desk_papers import BROKEN, KNOWN, UNKNOWN
from loom.cli._desk_run import behind
from loom.cli._desk_script import Seen
from loom.cli._desk_verdict import verdict
from loom.desk.topics import FILED, FOUND, GONE, TROUBLE

LABEL = "private, untrusted"


def hit(name: str, text: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "first": 1, "last": 2, "text": text, "score": 0.5, "path": f"/{name}", **more}


def proven() -> Seen:
    """A run in which everything held."""
    known = [
        (
            k,
            {
                "question": k.question,
                "hits": [hit(k.name, k.word)],
                "line": hit(k.name, k.word),
                "label": LABEL,
            },
        )
        for k in KNOWN
    ]
    unknown = [(k, {"question": k.question, "hits": [], "label": LABEL}) for k in UNKNOWN]
    return Seen(
        before=["a.txt"], filed=["b.txt"], troubled=dict.fromkeys(BROKEN, "no"), papers=["a.txt", "b.txt"],
        expected=["a.txt", "b.txt"], answers=[*known, *unknown], waiting=3,
    )  # fmt: skip


def failed(seen: Seen) -> list[str]:
    return [check.text for check in verdict(seen) if not check.ok]


def test_a_run_in_which_everything_held_is_proven() -> None:
    assert failed(proven()) == []


def test_a_run_that_saw_nothing_is_not() -> None:
    assert len(failed(Seen())) >= 6


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"papers": ["a.txt"]}, "missing: b.txt, too many: none"),
        ({"papers": ["a.txt", "b.txt", "c.txt"]}, "missing: none, too many: c.txt"),
        ({"filed": ["a.txt", "b.txt"]}, "none of them was read again, but for a.txt"),
        ({"filed": ["b.txt", "b.txt"]}, "no file was filed twice: b.txt"),
        ({"before": []}, "kill -9 after 0 files"),
        ({"troubled": {"scan.pdf": "no"}}, "not backup.bin, empty.txt, half.json"),
        ({"waiting": 0}, "a question overtook 0 files"),
        ({"left": 2}, "accepted events left undone: 2"),
        ({"dead": 1}, "dead letters: 1"),
    ],
)
def test_each_claim_that_did_not_hold_is_told(change: dict[str, Any], said: str) -> None:
    assert any(said in text for text in failed(dataclasses.replace(proven(), **change)))


@pytest.mark.parametrize(
    ("number", "answer", "said"),
    [
        (0, {"hits": [hit("other.txt", "154.40")]}, "questions that the right file answered: 11 of 12"),
        (
            0,
            {"hits": [hit(KNOWN[0].name, "something else")]},
            "questions that the right file answered: 11 of 12",
        ),
        (
            0,
            {"hits": [hit("other.txt", "x"), hit(KNOWN[0].name, KNOWN[0].word)]},
            "questions that the right file answered: 11 of 12",
        ),
        (-1, {"hits": [hit("a.txt", "anything")]}, "questions that no file answers: 2 of 3"),
        (-1, {"hits": [], "error": "it fell over"}, "questions that no file answers: 2 of 3"),
        (0, {"label": "public"}, "answers are labelled: private, untrusted, public"),
    ],
)
def test_a_wrong_answer_is_told(number: int, answer: dict[str, Any], said: str) -> None:
    seen = proven()
    known, right = seen.answers[number]
    seen.answers[number] = (known, {**right, **answer})
    assert any(said in text for text in failed(seen))


def test_one_answer_to_every_question_is_told() -> None:
    seen = proven()
    seen.answers = [(k, {**a, "line": hit("a", "the same")}) if k.name else (k, a) for k, a in seen.answers]
    assert "different questions gave 1 different answers" in failed(seen)


def plain(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())


def event(topic: str, **payload: Any) -> Event:
    return Event("x", {"path": "/a", "name": "a.txt", **payload}, topic=topic)


@pytest.mark.parametrize("width", [40, 80, 100])
def test_every_line_fits_and_says_what_became_of_a_file(width: int) -> None:
    filed = event(FILED, kind="recipe", summary="word " * 40, passages=3, whole=False)
    shown = [
        *event_lines(filed, (3, 12), width),
        *event_lines(event(TROUBLE, reason="binary, not text"), (3, 12), width),
        *event_lines(event(GONE), (3, 12), width),
    ]
    assert max(map(len, shown)) <= width
    text = plain(shown)
    for words in ("filed", "[3/12] a.txt", "recipe", "the first pages only", "not filed", "binary", "gone"):
        assert words in text
    assert event_lines(event(FOUND), (0, 0), width) == []
    lost = Event("lost", {"reason": "gone"}, topic="loom.adapter.folder.lost")
    assert plain(event_lines(lost, (0, 0), width)) == "folder lost: gone"


@pytest.mark.parametrize("width", [40, 80])
def test_an_answer_shows_the_line_the_place_and_what_the_model_says_apart(width: int) -> None:
    answer = {
        "question": "How long?",
        "hits": [hit("soup.md", "20 minutes")],
        "line": hit("soup.md", "20 minutes"),
    }
    lines = answer_lines({**answer, "model": "It takes 20 minutes."}, width)
    assert max(map(len, lines)) <= width
    text = plain(lines)
    for words in (
        "How long?",
        "“20 minutes” (soup.md:1-2)",
        "small model's words, which may be wrong",
        "0.50 soup.md:1-2",
    ):
        assert words in text
    refused = plain(answer_lines({**answer, "refused": "95"}, width))
    assert "left out" in refused
    assert "95" not in refused
    assert "(the chat model failed: it fell over)" in plain(
        answer_lines({**answer, "failed": "it fell over"}, width)
    )
    assert "nothing about that" in plain(answer_lines({"question": "?", "hits": []}, width))
    assert "it fell over" in plain(
        answer_lines({"question": "?", "hits": [], "error": "it fell over"}, width)
    )


def test_names_and_texts_of_strangers_do_nothing_to_the_terminal() -> None:
    nasty = "\x1b[2J\x07evil\u202ename\r.txt"
    lines = [
        *event_lines(event(TROUBLE, name=nasty, reason=nasty), (0, 0), 80),
        *answer_lines(
            {"question": nasty, "hits": [hit(nasty, nasty)], "line": hit(nasty, nasty), "model": nasty}, 80
        ),
    ]
    assert not [sign for line in lines for sign in line if not sign.isprintable()]


def test_the_desk_has_caught_up_when_all_there_is_was_seen_as_it_is_and_nothing_else() -> None:
    assert behind({"/a": 1}, {"/a": 1}, set()) == []
    assert behind({"/a": 2}, {"/a": 1}, set()) == ["/a"]
    assert behind({"/a": 1, "/b": 1}, {"/a": 1}, set()) == ["/b"]
    assert behind({"/b": 1}, {}, {"/b"}) == []
    assert behind({}, {"/a": 1}, set()) == ["/a"]


async def test_lines_are_read_to_the_end_however_they_come() -> None:
    ours, theirs = os.pipe()
    os.write(theirs, b"one\n\n  two \xff\r\n" + b"x" * 12_000 + b"\nlast")
    os.close(theirs)
    try:
        lines = [line async for line in typed(ours)]
    finally:
        os.close(ours)
    assert [line[:5] for line in lines] == ["one", "", "two \ufffd", "xxxxx", "last"]
    assert len(lines[3]) == 10_000
