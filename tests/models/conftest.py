"""What the tests of models share."""

import sys

import pytest


@pytest.fixture(autouse=True, scope="module")
def voice_at_hand() -> None:
    """The bundled voice has read its dictionaries, known words and unknown ones, before there is a loop to block."""
    speech = sys.modules.get("tests.models.speech")
    if speech is not None:
        speech.say("Mycroft.")
