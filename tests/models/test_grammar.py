"""Grammars are looked at before they are compiled: a small text can keep the compiler busy for minutes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.errors import ModelFailed
from loom.models._grammar import checked_grammar

HEAD = "#JSGF V1.0; grammar a; "


@pytest.mark.parametrize(
    "rules",
    [
        "public <x> = hello world;",
        "public <x> = <y> [ please ] ; <y> = (go | stop)* {tag};",
        "/* a comment ( */ public <x> = hello; // another )",
        "public <x> = <NULL> | hello;",
    ],
)
def test_grammars_that_pass(rules: str) -> None:
    assert checked_grammar(HEAD + rules) == HEAD + rules


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "begins with"),
        ("hello", "begins with"),
        (HEAD, "public"),
        (HEAD + "<x> = hello;", "public"),
        (HEAD + "import <a.b>; public <x> = <a.b>;", "import"),
        (HEAD + "public <x> = <y>;", "does not define"),
        (HEAD + "public <x> = hello <x>;", "contains itself"),
        (HEAD + "public <x> = <y>; <y> = a <x>;", "contains itself"),
        (HEAD + "public <x> = " + "(" * 9 + "a" + ")" * 9 + ";", "9 nested"),
        (HEAD + "public <x> = (hello;", "unbalanced"),
        (HEAD + "public <x> = " + "a " * 501 + ";", "501 words"),
        (HEAD + "public <x> = h\u00e9;", "ASCII"),
        (HEAD + "public <x> = a\x00;", "ASCII"),
        (HEAD + "public <x> = " + "a" * 10_000 + ";", "10,000"),
        (
            HEAD
            + "public <x> = <a0>;"
            + "".join(f"<a{i}> = <a{i + 1}> <a{i + 1}>;" for i in range(7))
            + "<a7> = a b c d e f;",
            "words",
        ),
        (
            HEAD + "public <x> = <a0>;" + "".join(f"<a{i}> = <a{i + 1}>;" for i in range(12)) + "<a12> = a;",
            "through more",
        ),
    ],
)
def test_grammars_that_are_refused_and_why(text: str, says: str) -> None:
    with pytest.raises(ModelFailed, match=says):
        checked_grammar(text)


@given(st.text(st.sampled_from("<>[](){}|*+;= ab/public "), max_size=200))
def test_whatever_the_text_the_answer_is_yes_or_a_reason(rules: str) -> None:
    try:
        checked_grammar(HEAD + rules)
    except ModelFailed:
        pass
