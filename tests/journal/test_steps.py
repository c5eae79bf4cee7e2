"""The row of a step: facts, label and change come back; anything else is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.errors import StoreCorrupt
from loom.event import PUBLIC, Confidentiality, Event, Label
from loom.journal.steps import StepRow, changes_of, read_step, step_key, step_row
from loom.store.vault import Vault
from tests.store.shelf import Shelf

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=8)


@given(
    st.builds(
        StepRow,
        st.integers(1, 2**60),
        NAMES,
        NAMES,
        NAMES,
        st.integers(1, 9),
        st.integers(0, 2**42).map(float),
        NAMES,
        st.builds(Label, st.sampled_from(list(Confidentiality)), st.booleans()),
        st.none() | st.binary(max_size=20),
    )
)
def test_a_step_comes_back(step: StepRow) -> None:
    event = Event("t", id=step.event_id)
    event._journal = step.seq
    again = read_step(step_key(event, 0, step.place), step_row(step))
    assert again == (step if step.change is not None else step._replace(label=PUBLIC))


def test_the_step_of_an_event_that_was_not_kept_stands_after_the_last_that_was() -> None:
    event = Event("t", id="e1")
    key = step_key(event, 41, "A.take")
    row = step_row(StepRow(0, "", "A", "e1", 2, 5.0, "", PUBLIC, None))
    assert read_step(key, row)[:5] == (41, "A.take", "A", "e1", 2)


def test_changes_are_read_with_the_vault() -> None:
    shelf, puts = Shelf(), []  # type: ignore[var-annotated]
    vault = Vault(shelf)
    change = {"seen": ["x" * 1000]}
    packed = vault.pack(("u", PUBLIC), change, puts)
    shelf.write(puts)
    step = StepRow(1, "A.take", "A", "e", 1, 1.0, "u", PUBLIC, packed)
    assert changes_of(vault, step) == change
    assert changes_of(vault, step._replace(change=None)) is None


@pytest.mark.parametrize("row", [b"", b"[1]", b"[1,2,3,4]", b"x", b'[1,2,"e","a",""]\nx\n{}'])
def test_a_row_that_makes_no_sense_is_told(row: bytes) -> None:
    with pytest.raises(StoreCorrupt, match="loom store verify"):
        read_step(step_key(Event("t", id="e"), 1, "A.take"), row)
