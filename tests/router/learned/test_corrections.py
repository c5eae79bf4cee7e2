"""Whether the next thing said is a correction, and which answer it is about."""

from __future__ import annotations

import pytest

from loom.router.learned import corrections
from loom.router.learned.corrections import Talks

ASKED = "Turn on the light"


def corrects(said: str) -> bool:
    talks = Talks()
    talks.answered(("ann", "t"), "d", ASKED)
    return talks.said(("ann", "t"), said) == ("d", True)


@pytest.mark.parametrize(
    "said",
    ["No, the other one", "no!", "That's wrong.", "that is not what I said", "WRONG", "I meant the lamp", "nein, links",
     "Das stimmt nicht", "  turn  on the LIGHT ", "try again please", "... nope"],
)  # fmt: skip
def test_these_are_corrections(said: str) -> None:
    assert corrects(said)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "   ",
        "thanks",
        "Now the other one",
        "nobody is at home",
        "Is it wrong to lie?",
        "notice me",
        "No one",
    ],
)
def test_these_are_not(said: str) -> None:
    assert not corrects(said)


def test_it_is_about_the_last_answer_of_this_conversation_once() -> None:
    talks = Talks()
    talks.answered(("ann", "t"), "d1", ASKED)
    assert talks.said(("bob", "t"), "wrong") == ("", False)
    assert talks.said(("ann", "t"), "wrong") == ("d1", True)
    assert talks.said(("ann", "t"), "wrong") == ("", False)


def test_no_text_is_kept() -> None:
    talks = Talks()
    talks.answered(("ann", "t"), "d", "my secret")
    assert "secret" not in repr(vars(talks))


def test_conversations_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corrections, "REMEMBERED", 3)
    talks = Talks()
    for number in range(10):
        talks.answered(("", str(number)), f"d{number}", "x" * 1_000_000)
    assert talks.said(("", "6"), "x") == ("", False)
    assert talks.said(("", "7"), "wrong") == ("d7", True)
