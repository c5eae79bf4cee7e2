"""JSON as the store writes it: compact, the same as the standard library's, and nothing else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.store.text import dump, load

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(JSON)
def test_it_is_what_the_standard_library_writes_and_comes_back(value: Any) -> None:
    text = dump(value)
    assert text == json.dumps(value, separators=(",", ":"))
    assert text.isascii()
    assert load(text) == load(text.encode()) == value


@pytest.mark.parametrize("value", [object(), {"a": b"x"}, [{1, 2}], 1j])
def test_what_has_no_form_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        dump(value)
