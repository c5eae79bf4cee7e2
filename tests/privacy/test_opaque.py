"""A file written as base64 is no text, whatever it is wrapped in; text in base64 is."""

import base64
from random import Random

import pytest

from loom.errors import NotRedacted
from loom.models import ModelRequest
from loom.privacy import Guard
from loom.privacy.opaque import opaque

FILE = Random(1).randbytes(900)
WRITTEN = base64.b64encode(FILE).decode()


def test_files_are_no_texts() -> None:
    assert opaque("data:image/png;base64,iVBORw0KGgo=")
    assert opaque("see data:application/pdf;name=x.pdf;base64,JVBERi0=")
    assert opaque(f"here: {WRITTEN}")
    assert opaque(f"x{WRITTEN}")
    assert opaque(base64.urlsafe_b64encode(FILE).decode())
    assert opaque(base64.encodebytes(FILE).decode())


def test_texts_are() -> None:
    said = "What is said in base64 is read there, été. " * 30
    written = base64.b64encode(said.encode()).decode()
    for text in (
        written,
        "a" * 9_000,
        "ACGT" * 900,
        FILE.hex(),
        said,
        "data:text/plain;base64,aGk=",
        "word-" * 900,
    ):
        assert not opaque(text), text[:40]


def test_a_key_in_armour_is_left_to_the_detectors() -> None:
    key = f"-----BEGIN PRIVATE KEY-----\n{base64.encodebytes(FILE).decode()}-----END PRIVATE KEY-----"
    outbound = Guard().outbound(ModelRequest("chat", f"my key\n{key}\nok"))
    assert outbound.restore(outbound.request.input) == f"my key\n{key}\nok"
    assert outbound.sent.kinds == {"KEY": 1}
    assert WRITTEN[:20] not in outbound.request.input


def test_a_picture_in_a_message_does_not_leave() -> None:
    url = f"data:image/png;base64,{WRITTEN}"
    parts = [{"type": "text", "text": "who?"}, {"type": "image_url", "image_url": {"url": url}}]
    guard, input = Guard(), [{"role": "user", "content": parts}]
    assert not guard.redactable(input)
    with pytest.raises(NotRedacted):
        guard.outbound(ModelRequest("chat", input))
