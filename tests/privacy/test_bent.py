"""However a value is bent that has a form, it is found: invisible characters of every sort, marks, escapes of JSON."""

import json
import sys
import unicodedata
from collections.abc import Callable

import pytest

from loom.privacy import make_detectors
from loom.privacy.redaction import Redaction
from tests.privacy.talks import conversation

VALUES = (
    "jane.doe42@post.example.org", "4539 5787 6362 1486", "DE89 3704 0044 0532 0130 00", "536-90-4399", "10.1.2.3",
    "+49 30 1234567", "00:1a:2b:3c:4d:5e", "ghp_abcdefghijKLMNOPQRST0123456789abcd12", "password: Tiger77",
    "Tel. 12345678", "12 Baker Street",
)  # fmt: skip
FORMATS = [
    chr(code)
    for code in range(sys.maxunicode + 1)
    if unicodedata.category(chr(code)) in ("Cf", "Cc") and chr(code) not in "\t\n\v\f\r\x85"
]
MARKS = [
    chr(code) for code in (0x300, 0x336, 0x483, 0x5B0, 0x64B, 0x1AB0, 0x1DC4, 0x20DD, 0xFE20, 0xFFFC, 0xFE0F)
]


def left(text: str, value: str) -> bool:
    """Whether nothing of *value* but its first word, which tells of it, is left of *text*."""
    told = value.split()[-1] if value[0] in "pT" else value
    redacted = Redaction(make_detectors()).redact(text, conversation())
    return told not in redacted and told[-4:] not in redacted


@pytest.mark.parametrize("value", VALUES)
def test_no_invisible_character_there_is_hides_a_value(value: str) -> None:
    seen = []
    for char in [*FORMATS, *MARKS]:
        redacted = Redaction(make_detectors()).redact(f"it is {char.join(value)} then", conversation())
        if value.split()[-1][-3:] in redacted.replace(char, ""):
            seen.append(hex(ord(char)))
    assert seen == []


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("end", ["\n", "\t", "\r\n"])
@pytest.mark.parametrize("value", VALUES)
def test_what_begins_a_line_in_json_is_found(value: str, end: str, depth: int) -> None:
    text = f"first{end}{value}{end}last"
    for _ in range(depth):
        text = json.dumps(text)
    assert left(text, value)


@pytest.mark.parametrize(
    ("bend", "values"),
    [
        (lambda text: "".join(f"\\U{ord(char):08x}" for char in text), VALUES),
        (lambda text: "".join(f"&#{ord(char)}" for char in text), VALUES),
        (lambda text: text.replace("_", "\\_").replace("-", "\\-").replace("+", "\\+"), VALUES),
        (lambda text: text.replace("-", "\u207b").replace(" ", "\u02d7"), VALUES[1:6]),
        (lambda text: text.replace(" ", "\u2022"), VALUES[1:3]),
        (lambda text: text.replace(" ", "\u2800"), VALUES[1:3]),
        (lambda text: f"\x1b[1;31m{text}\x1b[0m", VALUES),
        (lambda text: text.replace(" ", "\r\n"), VALUES[1:3]),
    ],
    ids=["\\U", "&#", "markdown", "minus", "bullet", "braille", "colours", "lines"],
)
def test_escapes_and_odd_gaps_are_seen_through(bend: Callable[[str], str], values: tuple[str, ...]) -> None:
    assert [value for value in values if not left(f"it is {bend(value)} then", value)] == []
