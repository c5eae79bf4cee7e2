"""When to try again: growing pauses, what the peer asks for, and what ends them."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.adapters._retrying import LONGEST, Link, Pauses, keep, refused, retry_after
from loom.errors import EgressRefused, RemoteFailed
from loom.testing import virtual_time
from tests.adapters.heard import Heard


@given(st.integers(1, 2000), st.floats(0, 1), st.none() | st.floats(0, 1e12))
def test_pauses_grow_within_bounds_and_never_undercut_what_was_asked(
    failures: int, chance: float, asked: float | None
) -> None:
    pause = Pauses(1, 60).after(failures, asked, chance)
    assert 0.8 <= pause <= max(72.0, LONGEST)
    assert pause >= min(asked or 0, LONGEST)
    assert Pauses(1, 60).after(failures, chance=0.5) == min(60.0, 2.0 ** min(failures - 1, 60))


NOW = 1_767_225_600.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        (format_datetime(datetime.fromtimestamp(NOW + 90, UTC), usegmt=True), 90.0),
        (format_datetime(datetime.fromtimestamp(NOW - 90, UTC), usegmt=True), 0.0),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("٣", None),
        ("Fri, 99 Foo 2026", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": text}, NOW) == seconds


@given(st.text(max_size=50))
def test_retry_after_never_raises(text: str) -> None:
    assert (retry_after({"retry-after": text}, NOW) or 0.0) >= 0


@virtual_time
async def test_a_connection_is_made_again_until_the_peer_wants_no_more() -> None:
    import asyncio

    heard, ends = (
        Heard(),
        iter([RemoteFailed("a"), EgressRefused("b"), None, RemoteFailed("c", retry_after=100)]),
    )
    link, began = Link(heard, Pauses(1, 8)), asyncio.get_running_loop().time()

    async def connect(link: Link) -> bool:
        end = next(ends, "done")
        if isinstance(end, Exception):
            raise end
        if end is None:
            link.stands()
            link.works()
        return end == "done"

    await keep(link, connect)
    closed = "lost: the peer closed the connection"
    assert heard.links == ["lost: a", "lost: b", "found", closed, "lost: c"]
    assert 0.8 + 1.6 + 0.8 + 100 <= asyncio.get_running_loop().time() - began <= 1.2 + 2.4 + 1.2 + 100


def test_a_refusal_carries_status_and_patience() -> None:
    error = refused("x", 429, {"retry-after": "7"})
    assert (error.status, error.retry_after, error.retryable) == (429, 7.0, True)
