"""What goes out: headers of one line, whatever is in them; numbers that programs read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.web.call import Told
from loom.web.refusal import Refusal
from loom.web.replying import Reply, decided, headers_of, refusal_headers


class Sent:
    """An ASGI `send` that keeps what it is given."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    async def __call__(self, message: Any) -> None:
        self.messages.append(message)


async def sent(told: Told) -> list[tuple[bytes, bytes]]:
    send = Sent()
    await Reply(send, 5.0, {}).begin(200, headers_of(told))
    found: list[tuple[bytes, bytes]] = send.messages[0]["headers"]
    return found


@pytest.mark.parametrize("evil", ["x\r\nset-cookie: a=b", "x\ny", "\0", "é€\U0001f600", "x\x7f"])
async def test_a_header_is_one_line_whatever_is_in_it(evil: str) -> None:
    for _, value in await sent(Told("i", 0, "m", evil, evil, evil, 0.5)):
        assert all(0x20 <= byte <= 0x7E for byte in value)


@given(st.floats(0, 1e9))
def test_a_cost_is_a_plain_number(cost: float) -> None:
    text = headers_of(Told("i", 0, "m", cost=cost))["x-loom-cost"]
    assert "e" not in text
    assert abs(float(text) - cost) <= 1e-9 + cost * 1e-12


def test_what_is_not_known_is_not_there() -> None:
    assert headers_of(Told("i", 0, "m")) == {}
    assert headers_of(Told("i", 0, "m", cost=0.0)) == {"x-loom-cost": "0"}


def test_a_pause_is_whole_seconds_and_at_least_one() -> None:
    for seconds, text in ((0.0, "1"), (1.2, "2"), (60.0, "60")):
        assert refusal_headers(Refusal(503, "x", "y", retry_after=seconds)) == {"retry-after": text}
    assert "retry-after" not in refusal_headers(Refusal(503, "x", "y", retry_after=float("inf")))


@pytest.mark.parametrize(
    ("status", "pause", "waits"),
    [
        (429, 60.0, True),
        (429, 61.0, False),
        (429, None, False),
        (503, 3_600.0, False),
        (503, 5.0, True),
        (502, None, True),
    ],
)
def test_nobody_is_told_to_try_again_by_itself_for_minutes_or_in_vain(
    status: int, pause: float | None, waits: bool
) -> None:
    headers = refusal_headers(Refusal(status, "x", "y", retry_after=pause))
    assert headers.get("x-should-retry") == (None if waits else "false")


@pytest.mark.parametrize("item", ["text", None, {}, {"cost": "much"}, {"decision": None}])
def test_an_item_that_says_nothing_changes_nothing(item: Any) -> None:
    told = Told("i", 0, "m", "d", "local", "b", 1.0)
    assert decided(told, item) == told
