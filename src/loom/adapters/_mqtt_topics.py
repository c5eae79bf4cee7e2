"""MQTT topics as topics of Loom and back. Pure; each MQTT topic has its own topic here, and that one leads back to it.

A level is a token: ``/`` is ``.``. What a token cannot hold is written ``%XX``: ``%``, ``.``, space and control
characters, and a level that is ``*`` or ``>`` alone. An empty level is the token ``%``.
"""

from __future__ import annotations

import re

from loom.errors import ConfigError, InvalidTopic
from loom.event.topic import check_topic

_UNFIT = re.compile(r"[%.\x00-\x20]")
_ESCAPE = re.compile(r"%(..)?", re.DOTALL)
MAX_BYTES = 65_535


def to_loom(topic: str, prefix: str = "") -> str:
    """The topic of Loom, below *prefix*, for an MQTT topic; raises InvalidTopic for one that is none, or too long."""
    check_name(topic)
    mapped = ".".join(map(_token, topic.split("/")))
    return check_topic(f"{prefix}.{mapped}" if prefix else mapped)


def to_mqtt(topic: str, prefix: str = "") -> str:
    """The MQTT topic that ``to_loom`` makes *topic* of; raises InvalidTopic where there is none."""
    inner = topic
    if prefix:
        inner = topic.removeprefix(f"{prefix}.")
        if inner == topic:
            raise InvalidTopic(f"topic {topic!r} is not below {prefix!r}")
    name = "/".join(map(_level, inner.split(".")))
    try:
        same = to_loom(name, prefix) == topic
    except InvalidTopic:
        same = False
    if not same:
        raise InvalidTopic(
            f"topic {topic!r} has no MQTT topic: '/', '+', '#' and stray '%' are no part of one"
        )
    return name


def check_name(topic: str) -> str:
    """*topic* if messages can be published on it; raises InvalidTopic."""
    if not topic or len(topic.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise InvalidTopic(f"an MQTT topic has 1 to {MAX_BYTES} bytes; this one has {len(topic)} characters")
    bad = re.search(r"[+#\x00\ud800-\udfff]", topic)
    if bad is not None:
        raise InvalidTopic(f"MQTT topic {topic!r:.200} contains {bad[0]!r}")
    return topic


def check_filter(text: object) -> str:
    """*text* if it is a filter, such as ``home/+/light`` or ``home/#``; raises ConfigError."""
    if not isinstance(text, str) or not text or len(text) > 1024 or re.search(r"[\x00\ud800-\udfff]", text):
        raise ConfigError(f"{text!r:.200} is no MQTT filter; write text such as 'home/+/light' or 'home/#'")
    levels = text.split("/")
    for place, level in enumerate(levels):
        last = place == len(levels) - 1
        if (level != "+" and "+" in level) or ("#" in level and (level != "#" or not last)):
            raise ConfigError(f"{text!r}: '+' is a whole level, and '#' a whole last one")
    return text


def matches(pattern: str, topic: str) -> bool:
    """Whether an MQTT filter covers an MQTT topic (MQTT 3.1.1, 4.7): ``a/#`` covers ``a``, wildcards no ``$...``."""
    levels, names = pattern.split("/"), topic.split("/")
    if topic.startswith("$") and levels[0] in ("+", "#"):
        return False
    if levels[-1] == "#":
        levels.pop()
        names = names[: len(levels)] if len(names) >= len(levels) else names
    return len(levels) == len(names) and all(a in ("+", b) for a, b in zip(levels, names, strict=True))


def _token(level: str) -> str:
    if level in ("*", ">"):
        return f"%{ord(level):02X}"
    return _UNFIT.sub(lambda found: f"%{ord(found[0]):02X}", level) or "%"


def _level(token: str) -> str:
    return "" if token == "%" else _ESCAPE.sub(_unescape, token)


def _unescape(found: re.Match[str]) -> str:
    try:
        return chr(int(found[1], 16))
    except (TypeError, ValueError):
        return found[0]
