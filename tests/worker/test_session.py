"""What a worker says of a failure becomes an error of Loom, whatever it says."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loom import errors
from loom.errors import LoomError, PayloadTooLarge, WorkerError
from loom.v1 import plugin_pb2
from loom.worker._session import failed

TREE = [name for name, value in vars(errors).items() if isinstance(value, type)]


def failure(code: str, attributes: bytes = b"") -> plugin_pb2.Failure:
    return plugin_pb2.Failure(code=code, message="it broke", attributes=attributes, trace="line 1")


def test_an_error_of_the_tree_comes_back_with_its_attributes_and_where_it_happened() -> None:
    error = failed(failure("PayloadTooLarge", b'{"size": 2000, "limit": 1000}'), "here")
    assert isinstance(error, PayloadTooLarge)
    assert (error.size, error.limit, str(error)) == (2000, 1000, "it broke")
    assert error.__notes__ == ["in the worker:\nline 1"]


@given(st.sampled_from(TREE) | st.text(max_size=20), st.binary(max_size=50))
@example("PayloadTooLarge", b'{"add_note": 1, "with_traceback": 2, "args": [], "__class__": "x"}')
@example("Deadlock", b'{"x": NaN}')
@example("os", b"")
@example("install_command", b"")
def test_whatever_a_worker_says_is_an_error_that_can_be_raised(code: str, attributes: bytes) -> None:
    error = failed(failure(code, attributes), "here")
    assert "it broke" in str(error)
    with pytest.raises(LoomError) as caught:
        raise error.with_traceback(None)
    assert isinstance(caught.value, getattr(errors, code, WorkerError) if code in TREE else WorkerError)


def test_attributes_without_bottom_are_left_out() -> None:
    assert vars(failed(failure("ActionFailed", b"[" * 100_000), "here")).keys() == {
        "retryable",
        "code",
        "__notes__",
    }
