"""Labels are a lattice: the join covers both, and nothing less does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.event import PUBLIC, Confidentiality, Label
from loom.event.label import join

LABELS = st.builds(Label, st.sampled_from(list(Confidentiality)), st.booleans())


@given(LABELS, LABELS, LABELS)
def test_join_is_commutative_associative_and_idempotent_with_public_as_identity(
    a: Label, b: Label, c: Label
) -> None:
    assert a.join(b) == b.join(a)
    assert a.join(b).join(c) == a.join(b.join(c))
    assert a.join(a) == a
    assert a.join(PUBLIC) == a
    assert join([a, b, c]) == a.join(b).join(c)
    assert join([]) == PUBLIC


@given(LABELS, LABELS, LABELS)
def test_the_join_is_the_least_label_that_covers_both(a: Label, b: Label, c: Label) -> None:
    both = a.join(b)
    assert both.covers(a)
    assert both.covers(b)
    assert not (c.covers(a) and c.covers(b)) or c.covers(both)


@given(LABELS, LABELS, LABELS)
def test_covers_is_a_partial_order(a: Label, b: Label, c: Label) -> None:
    assert a.covers(a)
    assert not (a.covers(b) and b.covers(a)) or a == b
    assert not (a.covers(b) and b.covers(c)) or a.covers(c)
    assert a.covers(b) == (a.join(b) == a)


@given(LABELS)
def test_a_label_reads_as_it_is_written(label: Label) -> None:
    assert Label.parse(str(label)) == label


@given(LABELS)
def test_a_join_keeps_its_types(label: Label) -> None:
    joined = label.join(Label(Confidentiality.SENSITIVE, True))
    assert isinstance(joined.confidentiality, Confidentiality)
    assert isinstance(joined.untrusted, bool)


@pytest.mark.parametrize("text", ["", " , ", "secret", "private public", "private, secret"])
def test_a_word_that_is_no_label_is_never_taken_for_public(text: str) -> None:
    with pytest.raises(ValueError, match="use one of public, sensitive, private, local-only"):
        Label.parse(text)


def test_untrusted_alone_says_nothing_of_confidentiality() -> None:
    assert Label.parse("untrusted") == Label(Confidentiality.PUBLIC, True)
    assert Label.parse("LOCAL_ONLY untrusted") == Label(Confidentiality.LOCAL_ONLY, True)
