"""What recognisers make up is told from what was said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.errors import MissingExtra
from loom.models import _heard
from loom.models._heard import Heard, Part


@pytest.mark.parametrize(
    ("part", "believed"),
    [
        (Part("What time is it?", -0.3, 0.05), True),
        (Part("Thank you.", -0.2, 0.05), True),
        (Part("Thank you.", -0.6, 0.05), False),
        (Part(" Thanks for watching!", -0.7), False),
        (Part("five five", -0.72, 0.56), True),
        (Part("five five", -0.9, 0.7), False),
        (Part("mumble", -1.3), False),
        (Part("no no no no no no no no", -0.1, 0.0, 3.0), False),
        (Part("[MUSIC] (laughs) *sighs* \u266a", -0.1), False),
        (Part("", 0.0), False),
        (Part("...", -0.1), False),
    ],
)
def test_what_is_believed(part: Part, believed: bool) -> None:
    heard = Heard()
    heard.add(part)
    assert bool(heard.text) is believed
    assert (heard.confidence > 0) is believed


PARTS = st.builds(
    Part,
    st.text(max_size=20),
    st.floats(-20, 1),
    st.floats(0, 1),
    st.floats(0, 5),
    st.floats(-1, 30),
)


@given(st.lists(PARTS, max_size=6))
def test_confidence_is_a_probability(parts: list[Part]) -> None:
    heard = Heard()
    for part in parts:
        heard.add(part)
    reply = heard.reply(1.0)
    assert 0.0 <= float(str(reply["confidence"])) <= 1.0
    assert reply["text"] == " ".join(part.cleaned for part in parts if part.believed)


def test_without_a_voice_detector_everything_but_silence_may_be_speech(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing() -> None:
        raise MissingExtra("voice", "pymicro-vad")

    monkeypatch.setattr(_heard, "Ear", missing)
    assert not _heard.has_voice(bytes(32000))
    assert not _heard.has_voice(b"\x01\x00")
    assert _heard.has_voice(b"\x01\x00" * 16000)
