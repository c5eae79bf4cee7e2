"""The shipped model of difficulty on prompts that it was not made from: no multiple choice, written by hand."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

from loom.router.learned import features_of, need
from loom.router.learned.features import PERSONS, TERMS

FILE = Path(__file__).parent / "free_prompts.jsonl"
"""Of five kinds, the hard ones longer than the easy ones; and *short* ones, all of about the same length."""


def auc(*kinds: str) -> float:
    """How often a hard prompt of *kinds* has the larger need than an easy one; 0.5 is what chance has."""
    prompts = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
    easy, hard = (
        [
            need(features_of(each["text"]))
            for each in prompts
            if each["kind"] in kinds and each["hard"] is which
        ]
        for which in (False, True)
    )
    pairs = list(product(easy, hard))
    return sum((h > e) + (h == e) / 2 for e, h in pairs) / len(pairs)


def test_hard_prompts_of_other_kinds_need_the_strong_model_more() -> None:
    """As docs/ROUTING.md says it: 0.863, and 0.62 where length tells nothing."""
    assert round(auc("questions", "code", "chat", "translation", "maths"), 2) == 0.86
    assert round(auc("short"), 2) == 0.62


def test_one_word_of_a_short_text_says_little() -> None:
    three = features_of("Is consciousness computable?")
    assert TERMS < three.terms < 3 * TERMS
    assert features_of("Help me.").persons < 3 * PERSONS
    assert abs(features_of("").terms - TERMS) < 0.002
    assert need(features_of("Prove that pi is transcendental.")) > need(features_of("What is 6 - 1?"))
