"""A long text is looked at in slices, and what is hidden in it is what one look at the whole would hide."""

import base64
from itertools import pairwise
from random import Random

import pytest

from loom.models import ModelRequest
from loom.privacy import Guard, make_detectors
from loom.privacy.finding import Finding, joined, merged
from loom.privacy.placeholders import LONGEST
from loom.privacy.redaction import Redaction
from loom.privacy.slices import MARGIN, REACH, SLICE, slices
from tests.privacy.made import MAKERS, leaked, planted
from tests.privacy.talks import conversation

CORE = Redaction(make_detectors())
MOST = SLICE + 2 * (MARGIN + REACH)


@pytest.mark.parametrize("piece", ["word ", "a", "我", "\u200b", "<EMAIL_1_BCDFG>", "4"])
@pytest.mark.parametrize("size", [0, 1, SLICE + MARGIN, SLICE + MARGIN + 1, 5 * SLICE + 7])
def test_slices_cover_a_text_and_overlap_and_are_short(piece: str, size: int) -> None:
    text = (piece * (size // len(piece) + 1))[:size]
    parts = list(slices(text))
    assert parts[0].first == 0
    assert parts[-1].last == parts[-1].end == size
    for one, next_one in pairwise(parts):
        assert one.last == next_one.first
        assert one.end >= one.last + MARGIN - LONGEST or one.end == size
        assert next_one.start <= one.last - MARGIN or next_one.start == 0
    for part in parts:
        assert part.end - part.start <= MOST
        shown = text[part.start : part.end]
        assert piece != "<EMAIL_1_BCDFG>" or part.end == size or shown.count("<") == shown.count(">")


@pytest.mark.parametrize("seed", range(6))
def test_a_value_is_hidden_wherever_a_slice_ends(seed: int) -> None:
    random = Random(seed)
    for name in MAKERS:
        said, made = planted(random, name)
        before = "Nothing to see here. " * 600
        before = before[: SLICE - random.randrange(len(said) + 40)] + " "
        redacted = CORE.redact(f"{before}{said} {before}", conversation())
        for part in made.parts:
            assert leaked(part, redacted.replace(before, "")) is None, (seed, name)


LONG = {
    "key": "sk-" + "Ab1" * 9_000,
    "mail": "a" * 30_000 + "@example.com",
    "token": "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIi" * 4_000 + ".c2lnbmF0dXJl",
    "armour": "-----BEGIN PRIVATE KEY-----\n"
    + "MIIEvQIBADANBgkqhkiG9w0BAQEF\n" * 900
    + "-----END PRIVATE KEY-----",
}


@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("at", [0, 100, SLICE - 20, SLICE + MARGIN - 30])
def test_a_value_longer_than_a_slice_is_hidden_whole(name: str, at: int) -> None:
    talk = conversation()
    text = f"{'. ' * (at // 2)} {LONG[name]} {'. ' * SLICE}"
    redacted = CORE.redact(text, talk)
    assert not any(LONG[name][i : i + 40] in redacted for i in range(0, len(LONG[name]), 20))
    assert talk.placeholders.restore(redacted) == text


def test_a_known_value_longer_than_what_slices_share_is_found() -> None:
    secret = "".join(Random(5).choices("abcdefgh ", k=4 * MARGIN))
    known = Redaction([], [secret])
    for at in (0, SLICE - 100, SLICE - 2 * MARGIN, SLICE + 50):
        for form in (secret, secret.encode().hex(), base64.b64encode(secret.encode()).decode()):
            text = f"{'. ' * (at // 2)}{form}{' .' * SLICE}"
            assert known.knows(text)
            assert form[10:-10] not in known.redact(text, conversation())


def test_a_placeholder_is_never_cut() -> None:
    talk = conversation()
    CORE.redact("bob@example.com", talk)
    for edge in (SLICE - MARGIN, SLICE + MARGIN):
        before = edge - 8
        text = "." * before + "<EMAIL_1_BCDFG>" + "." * (SLICE + MARGIN)
        assert CORE.find(text, talk) == []
    many = "<EMAIL_1_BCDFG>" * 3_000
    assert CORE.redact(many, talk) == many


def test_findings_of_neighbours_are_put_together() -> None:
    found = [Finding(0, 5, "EMAIL"), Finding(8, 20, "ADDRESS")]
    more = [Finding(3, 4, "PHONE"), Finding(18, 25, "KEY"), Finding(30, 31, "IP")]
    want = merged([*found, *more])
    joined(found, more)
    assert found == want
    joined(found, [])
    assert found == want


def test_what_was_found_late_in_a_long_text_is_hidden_at_its_beginning() -> None:
    long = "and so on. " * 3_000
    outbound = Guard().outbound(ModelRequest("chat", f"winter99 {long} password: winter99", thread="t"))
    assert "winter99" not in outbound.request.input
