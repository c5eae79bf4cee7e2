"""What the attributes of a CloudEvent are called, and which texts they may carry as they are."""

from __future__ import annotations

import re

from loom.event._codec_payload import JSON

NAMELESS = "loom:nameless"
"""The source of an event without one: the standard wants a URI reference."""

EXACT = "loomexact"
"""The attribute with the JSON of those texts that their own attributes cannot carry."""

STANDARD = ("specversion", "id", "source", "type", "subject", "time", "datacontenttype")
TEXTS = {
    "id": "id", "source": "source", "type": "type", "topic": "loomtopic", "key": "loomkey", "thread": "loomthread",
    "scope": "loomscope", "cause": "loomcause", "trace": "traceparent",
}  # fmt: skip
"""The fields of an Event that are texts, and their attributes."""

OWN = frozenset({
    *TEXTS.values(), *STANDARD, "loomlabel", "loomhop", "loompriority", "loomconfidence", "loomdeadline", "loomtime",
    "loomtags", "loommetadata", "loomseq", EXACT, "partitionkey",
})  # fmt: skip
"""The attributes that are read; those of strangers become metadata."""

INT32, UINT32, INT64 = 2**31, 2**32, 2**63
_SURROGATE = re.compile("[\ud800-\udfff]")
_PLAIN = re.compile("[^\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]+\\Z")
_REFERENCE = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+\Z")


def is_text(text: object) -> bool:
    """Whether *text* is a str that UTF-8 can carry."""
    return isinstance(text, str) and not _SURROGATE.search(text)


def is_plain(text: str) -> bool:
    """Whether a String attribute may be *text*: not empty, without control characters."""
    return _PLAIN.match(text) is not None


def is_reference(text: str) -> bool:
    """Whether the attribute `source` may be *text*: made of the characters of a URI reference."""
    return _REFERENCE.match(text) is not None and text != NAMELESS


def is_json_type(content_type: str) -> bool:
    """Whether data of *content_type* is a JSON value."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind == JSON or kind.endswith("+json")


def is_text_type(content_type: str) -> bool:
    """Whether data of *content_type* is characters."""
    return content_type.strip().lower().startswith("text/")
