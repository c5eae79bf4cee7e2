"""What can be seen of a request without understanding it: its length, its build, the kind of question."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import log1p
from typing import NamedTuple

LOOKED_AT = 1_500
"""Characters of a longer text that are read: two thirds from its beginning, the rest from its end."""

NEGATION = (
    "not except never no none neither nor without incorrect false least cannot wrong exclude isn "
    "doesn don didn wasn aren couldn wouldn"
)
CONDITION = "if suppose assume given let then unless whether when would could should"
REASONING = (
    "because therefore thus hence since why explain argue prove show reason conclude conclusion imply "
    "implies follows likely primarily best"
)
COMBINATION = "both statement statements ii iii respectively"
FACT = "what"
CALCULATION = (
    "calculate compute solve determine evaluate probability percent percentage total sum average many "
    "much rate ratio equation difference product degree area volume cost price find twice half"
)
PERSON = (
    "i my me he his him she her they their you your man woman patient mr mrs plaintiff defendant student "
    "boy girl"
)
LISTS = (NEGATION, CONDITION, REASONING, COMBINATION, FACT, CALCULATION, PERSON)
KIND = {word: number for number, words in enumerate(LISTS) for word in words.split()}
CODE = ("{", "}", ";\n", "```", "==", "()", "def ", "return ", "import ", "::", "->", "</")
GIVEN = 3
"""Numbers in a text that is a calculation then, whatever it asks for."""
SHORT = 16
"""Characters of an option that is little more than a number."""
TERM = 12
"""Letters of a word that is more likely a term than a word."""
FEW = 20
"""Words as usual that stand beside those of a text: one long word of three says little, five of a hundred much."""
TERMS, PERSONS, COMMAS = 0.022, 0.025, 0.033
"""Shares of words as usual."""

_WORD = re.compile("[a-z\u00b5-\uffff]+")
_OPTION = re.compile(r"\n[ \t]{0,4}\(?[a-j1-9][.):][ \t]+([^\n]*)")
_NUMBER = re.compile(r"[0-9]+")
_SYMBOL = re.compile(r"[=+*^<>≤≥√∑∫×÷→∨∧·⊃≡±∂\\]")
_DIGITS = frozenset("0123456789")
_END = re.compile(r"[.!?](?=\s|$)")


class Features(NamedTuple):
    """Counts are log(1 + n), shares 0..1; *options* are lettered or numbered lines to choose from.

    Of few words *terms*, *persons* and *commas* are near what is usual.
    """

    length: float = 0.0
    sentences: float = 0.0
    negations: float = 0.0
    conditions: float = 0.0
    reasons: float = 0.0
    combinations: float = 0.0
    facts: float = 0.0
    calculations: float = 0.0
    persons: float = 0.0
    terms: float = 0.0
    commas: float = 0.0
    symbols: float = 0.0
    code: float = 0.0
    numbers: float = 0.0
    options: float = 0.0
    alike: float = 0.0
    """Share of the words of the options that stand in several of them."""
    reckoned: float = 0.0
    """Share of the options that are numbers."""
    steps: float = 0.0
    """Sentences and numbers of a text without options: how much there is to work through."""
    foreign: float = 0.0
    """Bytes of UTF-8 above one for each character."""
    history: float = 0.0
    """Characters of the conversation before."""


def text_of(input: object) -> tuple[str, int]:
    """The text that is asked - the last thing said by a user - and the characters said before it; "" where none is."""
    if isinstance(input, str):
        return input, 0
    if not isinstance(input, Sequence) or isinstance(input, bytes | bytearray):
        return "", 0
    said = [each for each in input if isinstance(each, Mapping) and isinstance(each.get("content"), str)]
    last = next((n for n in range(len(said) - 1, -1, -1) if said[n].get("role") == "user"), None)
    if last is None:
        return "", 0
    return said[last]["content"], sum(len(each["content"]) for each in said[:last])


def features_of(text: str, history: int = 0) -> Features:
    """What *text* looks like, in a time that its length does not change."""
    length = len(text)
    if length > LOOKED_AT:
        text = text[: LOOKED_AT * 2 // 3] + "\n" + text[-(LOOKED_AT // 3) :]
    lower = text.lower()
    options = _OPTION.findall(lower)
    words = _WORD.findall(lower)
    counts = [0] * len(LISTS)
    for kind in [KIND[each] for each in words if each in KIND]:
        counts[kind] += 1
    many = len(words) or 1
    sentences, numbers = len(_END.findall(text)), len(_NUMBER.findall(text))
    negations, conditions, reasons, combinations, facts, calculations, persons = counts
    return Features(
        length=log1p(length),
        sentences=log1p(sentences),
        negations=log1p(negations),
        conditions=log1p(conditions),
        reasons=log1p(reasons),
        combinations=log1p(combinations),
        facts=0.0 if numbers >= GIVEN and not options else log1p(facts),
        calculations=log1p(calculations),
        persons=_share(persons, many, PERSONS),
        terms=_share(len([each for each in words if len(each) >= TERM]), many, TERMS),
        commas=_share(text.count(","), many, COMMAS),
        symbols=log1p(len(_SYMBOL.findall(text))),
        code=log1p(sum(map(text.count, CODE))),
        numbers=log1p(numbers),
        options=log1p(len(options)),
        alike=_alike(options),
        reckoned=_reckoned(options),
        steps=0.0 if options else log1p(sentences + numbers),
        foreign=0.0 if text.isascii() else len(text.encode(errors="surrogatepass")) / len(text) - 1,
        history=log1p(history),
    )


def _share(count: int, many: int, usual: float) -> float:
    return (count + FEW * usual) / (many + FEW)


def _alike(options: Sequence[str]) -> float:
    words = [set(each.split()) for each in options]
    total = sum(map(len, words))
    return 1 - len(set().union(*words)) / total if total else 0.0


def _reckoned(options: Sequence[str]) -> float:
    figures = [each for each in options if len(each) < SHORT and not _DIGITS.isdisjoint(each)]
    return len(figures) / (len(options) or 1)
