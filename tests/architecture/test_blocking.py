"""A coroutine test notices when code of Loom blocks the event loop."""

import time

import pytest
from blockbuster import BlockingError

import loom

# Code that claims to stand in loom/__init__.py, so that the guard takes it for Loom's own.
BLOCKS = compile("time.sleep(0)", loom.__file__ or "", "exec")


async def test_a_blocking_call_of_loom_in_a_coroutine_test_is_an_error() -> None:
    with pytest.raises(BlockingError):
        exec(BLOCKS, {"time": time})


@pytest.mark.blocks("that is what is tested")
async def test_a_marked_test_may_block() -> None:
    exec(BLOCKS, {"time": time})


def test_a_plain_test_may_block() -> None:
    exec(BLOCKS, {"time": time})
