"""Topics and patterns, exactly as NATS subjects: tokens between dots, ``*`` for one token, ``>`` for the rest.

Stricter than a server on purpose: NUL, vertical tab, form feed and lone surrogates are refused, and so is anything
over 1024 characters. What is valid here is valid there, which a test holds against a real server.
"""

from __future__ import annotations

import re

from loom.errors import InvalidTopic

MAX_LENGTH = 1024
_GOOD_TOPIC = re.compile(
    r"(?!(?:.*\.)?[*>](?:\.|\Z))[^\s.\x00\ud800-\udfff]+(?:\.[^\s.\x00\ud800-\udfff]+)*\Z", re.ASCII
)


def check_topic(topic: str) -> str:
    """Return *topic* if events can be published on it; raise InvalidTopic naming the bad token."""
    if isinstance(topic, str) and len(topic) <= MAX_LENGTH and _GOOD_TOPIC.match(topic):
        return topic
    for place, token in enumerate(_tokens(topic, "topic")):
        if token in ("*", ">"):
            raise InvalidTopic(
                f"topic {topic!r}: token {place + 1} is the wildcard {token!r}; wildcards are for subscriptions"
            )
    raise InvalidTopic(f"topic {topic!r} is not a subject")  # the loop above has named the token


def check_pattern(pattern: str) -> tuple[str, ...]:
    """Return the tokens of *pattern*; raise InvalidTopic naming the bad token."""
    tokens = _tokens(pattern, "pattern")
    for place, token in enumerate(tokens[:-1]):
        if token == ">":
            raise InvalidTopic(f"pattern {pattern!r}: '>' is token {place + 1} and must be the last one")
    return tuple(tokens)


def _tokens(text: str, what: str) -> list[str]:
    if not isinstance(text, str):
        raise InvalidTopic(f"a {what} is a string such as 'camera.front.face', not {type(text).__name__}")
    if len(text) > MAX_LENGTH:
        raise InvalidTopic(f"{what} of {len(text)} characters; at most {MAX_LENGTH} are allowed")
    tokens = text.split(".")
    for place, token in enumerate(tokens):
        if not token:
            raise InvalidTopic(f"{what} {text!r}: token {place + 1} is empty")
        bad = next((c for c in token if c in "\x00\t\n\x0b\f\r " or "\ud800" <= c <= "\udfff"), None)
        if bad is not None:
            raise InvalidTopic(f"{what} {text!r}: token {place + 1}, {token!r}, contains {bad!r}")
    return tokens


def is_exact(tokens: tuple[str, ...]) -> bool:
    """Whether the pattern of these tokens matches one topic only."""
    return "*" not in tokens and tokens[-1] != ">"


def matches(pattern: tuple[str, ...], topic: tuple[str, ...] | list[str]) -> bool:
    """Whether a topic, split into tokens, matches a pattern, split into tokens."""
    if pattern[-1] == ">":
        head = pattern[:-1]
        if len(topic) <= len(head):
            return False
    elif len(pattern) != len(topic):
        return False
    else:
        head = pattern
    return all(p == t or p == "*" for p, t in zip(head, topic, strict=False))
