"""What the headers ask for, and that they never loosen what a key allows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.event import Confidentiality
from loom.web.call import Call
from loom.web.client import Client, word
from loom.web.refusal import Refusal
from loom.web.wishes import HEADERS, Wishes, read_wishes, request_of

CALL = Call("chat", "auto", "Hi")


def headers(**values: str) -> list[tuple[bytes, bytes]]:
    return [
        (f"x-loom-{name.replace('_', '-')}".encode(), value.encode("latin-1"))
        for name, value in values.items()
    ]


def test_every_header_is_read() -> None:
    found = read_wishes(
        headers(label="Private", max_cost="0.5", min_quality="0.8", profile="cheap", timeout="9", thread="t/1",
                user="u", cache="off")
    )  # fmt: skip
    assert found == Wishes(Confidentiality.PRIVATE, 0.5, 0.8, "cheap", 9.0, "t/1", "u", False)
    assert read_wishes([(b"x-other", b"1")]) == Wishes()
    assert len(HEADERS) == 8


@pytest.mark.parametrize(
    "wrong",
    [{"label": "secret"}, {"max_cost": "-1"}, {"max_cost": "nan"}, {"max_cost": "inf"}, {"max_cost": "1" * 50},
     {"min_quality": "2"}, {"timeout": "0"}, {"thread": ""}, {"thread": "a b"}, {"thread": "x" * 129},
     {"user": "é"}, {"user": "a:b"},
     {"cache": "maybe"}, {"labels": "private"}, {"profile": "../x y"}],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_its_name(wrong: dict[str, str]) -> None:
    with pytest.raises(Refusal) as caught:
        read_wishes(headers(**wrong))
    assert caught.value.status == 400
    assert "x-loom-" in str(caught.value)


def test_twice_is_refused() -> None:
    with pytest.raises(Refusal, match="twice"):
        read_wishes(headers(label="private") * 2)


levels = st.sampled_from(list(Confidentiality))
amounts = st.none() | st.floats(0, 100)
clients = st.builds(
    lambda one, two, cost: Client("k", max(one, two), min(one, two), max_cost=cost), levels, levels, amounts
)
wished = st.builds(
    Wishes,
    st.none() | levels,
    amounts,
    st.none() | st.floats(0, 1),
    timeout=st.none() | st.floats(0.001, 86_400),
)


@given(clients, wished)
def test_a_request_is_never_laxer_than_its_key(client: Client, wishes: Wishes) -> None:
    wanted = max(client.label, wishes.label or Confidentiality.PUBLIC)
    if wanted > client.clearance:
        with pytest.raises(Refusal) as caught:
            request_of(CALL, wishes, client, 60)
        assert caught.value.status == 403
        return
    made = request_of(CALL, wishes, client, 60)
    assert client.label <= made.label.confidentiality <= client.clearance
    assert made.label.confidentiality >= (wishes.label or Confidentiality.PUBLIC)
    assert made.timeout is not None
    assert made.timeout <= 60
    for most in (client.max_cost, wishes.max_cost):
        assert most is None or (made.max_cost is not None and made.max_cost <= most)


names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,20}", fullmatch=True)


users = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,20}", fullmatch=True)
ours = st.tuples(st.sampled_from(["alice", "bob", "a"]), st.just("") | users, names)


@given(ours, ours)
def test_no_two_clients_or_users_share_a_thread(one: Any, other: Any) -> None:
    made = [request_of(CALL, Wishes(thread=t, user=u), Client(c), 60).thread for c, u, t in (one, other)]
    assert (made[0] == made[1]) == (one == other)


@given(users, names, names)
def test_a_thread_belongs_to_one_client(one: str, other: str, thread: str) -> None:
    first = request_of(CALL, Wishes(thread=thread), Client("alice"), 60).thread
    assert first is not None
    assert first.startswith("gateway:alice:")
    assert request_of(CALL, Wishes(thread=thread, user=one), Client("bob"), 60).thread != first
    assert not request_of(
        CALL, Wishes(user=one), Client("bob"), 60
    ).cache  # it would tell what others have asked
    assert request_of(CALL, Wishes(thread=other, user=one), Client("bobby"), 60).user == "bobby"


def test_a_key_uses_the_models_it_names_and_no_others() -> None:
    client = Client("k", models=("local", "profile:cheap", "mini-*"))
    for model in ("local", "profile:cheap", "mini-2"):
        request_of(Call("chat", model, "Hi"), Wishes(), client, 60)
    for call, wishes in (
        (CALL, Wishes()),
        (Call("chat", "profile:best", "Hi"), Wishes()),
        (Call("chat", "local", "Hi"), Wishes(profile="best")),
    ):
        with pytest.raises(Refusal) as caught:
            request_of(call, wishes, client, 60)
        assert caught.value.status == 403


def test_a_profile_is_said_once_or_the_same_twice() -> None:
    made = request_of(Call("chat", "profile:cheap", "Hi"), Wishes(profile="cheap"), Client(), 60)
    assert (made.route, made.profile) == ("auto", "cheap")
    with pytest.raises(Refusal, match="say one"):
        request_of(Call("chat", "profile:cheap", "Hi"), Wishes(profile="best"), Client(), 60)


@given(levels)
def test_a_level_is_read_as_it_is_written(level: Any) -> None:
    assert read_wishes(headers(label=word(level))).label == level
