"""The laws of redaction: what is hidden comes back, what was redacted stays so, nothing that was found shows."""

import base64
import json
import time
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from loom.errors import NotRedacted
from loom.privacy import make_detectors
from loom.privacy.placeholders import Limits, Placeholders
from loom.privacy.redaction import Conversation, Redaction
from loom.privacy.steps import done
from loom.privacy.view import plain
from tests.privacy.made import leaked
from tests.privacy.talks import conversation, texts

CORE = Redaction(make_detectors())


@settings(max_examples=300, deadline=None)
@given(st.lists(texts, max_size=4))
@example(["a@b.co", "<EMAIL_1_BCDFG>"])
@example(["<EMAIL_1_BCDFG> is a@b.co"])
@example(["\\a@b.co\\>", "EMAIL_1_bcdfg", "a@b.co"])
@example(["password: '+1'", "+1"])
def test_what_is_hidden_comes_back_to_the_letter(said: list[str]) -> None:
    talk = conversation()
    for text in said:
        issued = talk.placeholders.holes(text)
        redacted = CORE.redact(text, talk)
        if not issued:
            assert talk.placeholders.restore(redacted) == text
        assert CORE.redact(redacted, talk) == redacted


@settings(max_examples=200, deadline=None)
@given(st.lists(texts, min_size=1, max_size=4))
def test_nothing_that_was_found_shows_in_any_form(said: list[str]) -> None:
    talk = conversation()
    redacted = [CORE.redact(text, talk) for text in said]
    redacted = [
        CORE.redact(text, talk) for text in redacted
    ]  # what was found late is looked for in the earlier ones
    shown = "\n".join(talk.placeholders.restore("") + _bare(text, talk) for text in redacted)
    for placeholder, row in talk.placeholders._rows.items():
        value = str(row.value)
        if len(plain(value).strip()) >= 6 and not placeholder.startswith("<TEXT"):
            assert leaked(value, shown) is None


def _bare(text: str, talk: Conversation) -> str:
    pieces, at = [], 0
    for start, end in talk.placeholders.holes(text):
        pieces.append(text[at:start])
        at = end
    return "\ufffc".join([*pieces, text[at:]])


def test_the_same_value_has_the_same_placeholder_in_every_text_of_a_conversation() -> None:
    talk = conversation()
    first, second = (
        CORE.redact("write to bob@example.com", talk),
        CORE.redact("bob@example.com? or ann@example.com", talk),
    )
    assert (first, second) == ("write to <EMAIL_1_BCDFG>", "<EMAIL_1_BCDFG>? or <EMAIL_2_BCDFG>")


def test_a_value_is_found_again_where_nothing_tells_of_it() -> None:
    talk = conversation()
    CORE.redact("password: Winter99x", talk)
    encoded = [base64.b64encode(text).decode() for text in (b"Winter99x", b"the word is Winter99x, ok")]
    hexes = [b"Winter99x".hex(), b"Winter99x".hex(" ").upper(), quote(quote("Winter99x").replace("W", "%57"))]
    plain = [
        "Winter99x",
        "wINTER99X",
        "W\u200binter99x",
        "Ｗｉｎｔｅｒ９９ｘ",
        "a Winter99x b",
        "%57inter99x",
        "&#87;inter99x",
    ]
    for form in [*plain, *encoded, *hexes]:
        redacted = CORE.redact(f"so {form} there", talk)
        assert form.casefold() not in redacted.casefold(), form
        assert talk.placeholders.restore(redacted) == f"so {form} there"


def test_what_stands_close_by_is_told_apart() -> None:
    for text, redacted in {
        "+44 20 79460958+44 20 79460959": "<PHONE_1_BCDFG><PHONE_2_BCDFG>",
        "https://x.com/?email=bob%40example.com&n=1": "https://x.com/?email=<EMAIL_1_BCDFG>&n=1",
        "a@example.com,b@example.com;c@example.com": "<EMAIL_1_BCDFG>,<EMAIL_2_BCDFG>;<EMAIL_3_BCDFG>",
        "5555555555554444 4111111111111111": "<CARD_1_BCDFG> <CARD_2_BCDFG>",
    }.items():
        assert CORE.redact(text, conversation()) == redacted


def test_json_within_json_is_read() -> None:
    talk = conversation()
    text = json.dumps({"body": json.dumps({"password": "pear", "to": "bob@example.com"})})
    redacted = CORE.redact(text, talk)
    assert "pear" not in redacted
    assert "bob" not in redacted
    assert talk.placeholders.restore(redacted) == text


def test_known_values_are_hidden_in_every_form() -> None:
    known = Redaction([], ["Kr0nenberg", "correct horse"])
    encoded = [b"Kr0nenberg".hex(), base64.b64encode(b"xKr0nenberg!").decode(), "correct%20horse"]
    bent = ["KR0NENBERG", "Correct Horse", "Kr0\u00adnenberg", "correct\u00a0horse"]
    for form in ["Kr0nenberg", *bent, *encoded]:
        talk = conversation()
        redacted = known.redact(f"see {form}.", talk)
        assert "<WORD_1_BCDFG>" in redacted
        assert leaked(form, redacted) is None
        assert known.knows(f"see {form}.")
    assert not known.knows("see Kronenberg, correct houses")


def test_texts_that_are_harmless_alone_are_found_where_they_meet() -> None:
    talk = conversation()
    known = Redaction([], ["Kr0nenberg"])
    assert known.spanning(["the Kr0nen", "berg is ours"], talk)
    assert not known.spanning(["the Kr0nen", " berg is ours"], talk)


def test_a_conversation_hides_so_much_and_no_more() -> None:
    talk = Conversation(Placeholders("BCDFG", Limits(values=3)))
    CORE.redact("a@b.co c@d.co e@f.co", talk)
    with pytest.raises(NotRedacted, match="over 3 values"):
        CORE.redact("g@h.co", talk)
    with pytest.raises(NotRedacted, match="100 characters"):
        CORE.redact("x" * 99 + "@b.co", Conversation(Placeholders("BCDFG", Limits(characters=100))))


def test_no_value_shows_in_a_representation() -> None:
    talk = conversation()
    CORE.redact("a@b.co", talk)
    assert "a@b.co" not in repr(talk) + repr(talk.placeholders) + str(talk)


@pytest.mark.parametrize(
    "around", ["请把{}发给他", "これは{}です", "이것은{}입니다", "โทร{}นะ", "_{}_", "__{}__"]
)
@pytest.mark.parametrize(
    "value",
    [
        "203.0.113.77",
        "2001:db8:85a3::8a2e:370:7334",
        "00:1A:2B:3C:4D:5E",
        "030/1234567",
        "(415) 555-2671",
        "06 12 34 56 78",
        "221B Baker Street",
        "12 rue de la Paix",
        "heslo=9 password=Kotek123",
    ],
)
def test_a_value_is_found_where_no_space_parts_it_from_the_words_around(around: str, value: str) -> None:
    redacted = CORE.redact(around.format(value), conversation())
    assert value.split()[-1].rpartition("=")[2] not in redacted
    assert redacted != around.format(value)


HOSTILE: dict[str, Callable[[int], str]] = {
    "letters": lambda n: "a" * n,
    "letters and @": lambda n: "a" * n + "@",
    "words": lambda n: ("The quick brown Fox jumps over 12 lazy dogs in Baker street. " * (n // 61 + 1))[:n],
    "digits": lambda n: "4" * n,
    "spaced digits": lambda n: "4 " * (n // 2),
    "groups": lambda n: "4111 " * (n // 5),
    "at": lambda n: "a@" * (n // 2),
    "dots": lambda n: "a." * (n // 2),
    "almost mail": lambda n: "a@b" * (n // 3),
    "spaces": lambda n: " " * n,
    "begin": lambda n: "-----BEGIN A-----" * (n // 17),
    "password": lambda n: "password" * (n // 8),
    "password:": lambda n: "password: " * (n // 10),
    "key x": lambda n: "key aaaaaaaaaaaaaaaaaa1 " * (n // 24),
    "iban": lambda n: "DE89 " * (n // 5),
    "colons": lambda n: "a:" * (n // 2),
    "capitals": lambda n: "Aa " * (n // 3),
    "number street": lambda n: "12 Aaaa " * (n // 8),
    "entities": lambda n: "&#38;#38;" * (n // 9),
    "percent": lambda n: "%25" * (n // 3),
    "zero width": lambda n: "a\u200b" * (n // 2),
    "base64": lambda n: ("QUJDREVGR0g" * (n // 11 + 1))[:n],
    "hex": lambda n: "6a" * (n // 2),
    "eyJ": lambda n: "eyJ" * (n // 3),
    "brackets": lambda n: "<EMAIL_" * (n // 7),
    "quotes": lambda n: "'\"" * (n // 2),
    "under_scores": lambda n: "a_" * (n // 2),
    "lookalikes": lambda n: "EMAIL_1_BCDF " * (n // 13),
}


def _cpu(text: str) -> float:
    """Of one look at all of *text*: in slices not even a square would show."""
    began = time.process_time()
    done(CORE._within(text, conversation(), again=False))
    return time.process_time() - began


@pytest.mark.parametrize("name", HOSTILE)
def test_the_time_for_a_hostile_text_grows_with_its_length_and_no_faster(name: str) -> None:
    """Eight times the text takes at most 20 times the processor time (a square would take 64 times)."""
    make = HOSTILE[name]
    _cpu(make(2_000))  # patterns and tables are made
    small = max(min(_cpu(make(8_000)) for _ in range(3)), 0.002)
    assert min(_cpu(make(64_000)) for _ in range(2)) < 20 * small


@pytest.mark.timeout(300)
def test_a_prompt_of_ten_megabytes_is_redacted() -> None:
    text = "some ordinary words, 17 of them; " * 150_000
    redacted = CORE.redact(f"{text} bob@example.com {text}", conversation())
    assert len(redacted) > 9_900_000
    assert "bob@example" not in redacted
    assert "<EMAIL_1_BCDFG>" in redacted
