"""What a Keep promises, by the one in memory."""

import asyncio

import pytest

from loom.errors import LoomError
from loom.router.keep import LARGEST, LONGEST, ForgetfulKeep


def test_what_was_written_last_is_read_and_none_forgets_it() -> None:
    async def main() -> None:
        keep = ForgetfulKeep()
        await keep.write("a/1", b"one")
        await keep.write("a/1", b"two")
        await keep.write("a/0", b"")
        await keep.write("b", b"three")
        assert (keep.read("a/1"), keep.read("a/0"), keep.read("c")) == (b"two", b"", None)
        assert keep.names("a/") == ["a/0", "a/1"]
        assert keep.names() == ["a/0", "a/1", "b"]
        await keep.write("a/1", None)
        await keep.write("a/1", None)
        assert keep.names("a/") == ["a/0"]

    asyncio.run(main())


@pytest.mark.parametrize("name", ["", "a\0b", "é" * LONGEST], ids=["empty", "nul", "long"])
def test_a_name_that_no_medium_takes_is_refused(name: str) -> None:
    with pytest.raises(LoomError, match="cannot be called"):
        asyncio.run(ForgetfulKeep().write(name, b"x"))


def test_a_value_over_the_limit_is_refused_and_one_at_it_is_not() -> None:
    keep = ForgetfulKeep()
    asyncio.run(keep.write("fits", b"x" * LARGEST))
    with pytest.raises(LoomError, match="at most 65,536"):
        asyncio.run(keep.write("large", b"x" * (LARGEST + 1)))
    assert keep.names() == ["fits"]
