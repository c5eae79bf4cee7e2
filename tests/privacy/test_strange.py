"""What services, files, commands and tables of strangers hold does not leave, and their ordinary text does."""
# ruff: noqa: E501 - tables of forms, one line for each sort

from random import Random

import pytest

from loom.privacy import make_detectors
from loom.privacy.redaction import Redaction
from tests.privacy import strange
from tests.privacy.talks import conversation

SEED = 20261123
ROUNDS = 3


def redacted(text: str) -> str:
    return Redaction(make_detectors()).redact(text, conversation())


def shown(form: str, value: str, **names: str) -> str | None:
    """The text and what was left of it, if *value* shows in it."""
    text = form
    for name, put in names.items():
        text = text.replace(f"{{{name}}}", put)
    text = text.replace("{v}", value).replace("{}", value)
    left = redacted(text)
    return f"{text!r} -> {left!r}" if value in left or value[-8:] in left else None


@pytest.mark.parametrize("form", strange.KEYS)
def test_a_key_of_a_known_service_is_found_where_nothing_tells_of_it(form: str) -> None:
    random = Random(f"{SEED}{form}")
    found = [shown(carrier, strange.drawn(random, form)) for carrier in strange.PLAIN]
    assert [each for each in found if each] == []


@pytest.mark.parametrize("form", strange.DRAWN)
def test_a_long_key_that_is_drawn_by_lot_is_found_without_any_word(form: str) -> None:
    random = Random(f"{SEED}{form}")
    found = [shown(carrier, strange.drawn(random, form)) for carrier in strange.PLAIN for _ in range(20)]
    assert len([each for each in found if each]) <= len(found) // 20, "one in twenty looks like a name"


@pytest.mark.parametrize("name", strange.NAMES)
def test_a_value_by_a_telling_name_is_found_in_every_sort_of_file(name: str) -> None:
    random = Random(f"{SEED}{name}")
    cases = [(form, strange.password(random)) for form in strange.CARRIERS for _ in range(ROUNDS)]
    assert [each for form, value in cases if (each := shown(form, value, n=name))] == []


@pytest.mark.parametrize("form", [*strange.PHRASES, *strange.TABLES])
def test_a_password_is_found_by_its_place_in_a_command_a_sentence_or_a_table(form: str) -> None:
    random = Random(f"{SEED}{form}")
    cases = [strange.password(random) for _ in range(ROUNDS * 3)]
    assert [each for value in cases if (each := shown(form, value))] == []


def test_every_row_of_a_table_is_hidden_and_nothing_but_the_column() -> None:
    rows = "".join(f"ann{at},Tiger{at}{at}x,note {at}\n" for at in range(100, 160))
    left = redacted(f"name,password,remark\n{rows}\nprose, as ever, follows\n")
    assert "Tiger" not in left
    assert all(f"ann{at}," in left and f",note {at}\n" in left for at in range(100, 160))
    assert left.endswith("prose, as ever, follows\n")


@pytest.mark.parametrize(
    "text",
    [
        "def test_async_gen_aclose_with_different_coros(self): pass", "import { FallTokenProvider9 } from './southern'", "napi_create_function(env, NULL)", "hf_hub_download_to_cache",
        "sectionKeyboardLayoutVersion2Manager", "sha512:" + "0a1b" * 32, "U29tZSBvcmRpbmFyeSB3b3JkcywgYW5kIG5vdGhpbmcgZWxzZSB0byBoaWRlLg==", "3f786850-e387-550f-daba-36ed7e6dc881",
        "user, password, and host are\nasked for, one by one", "from x import user, password, host\nfrom y import port, which, where", "pass: 12 fail: 3", "the first pass is over", "a token of 3 words",
        "| what | at most | pass |\n|---|---|---|\n| bus.publish_many_64 | 14 x | short |\n", "token;count\nhello;5\nworld;17", "user | password | host\nare needed | in all | of them", "compass: north2", "tokens: 9000, max_tokens=4096",
    ],
)  # fmt: skip
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize("form", strange.NUMBERS)
def test_a_number_is_found_by_the_words_of_many_languages(form: str) -> None:
    random = Random(f"{SEED}{form}")
    values = ["".join(random.choices("23456789", k=size)) for size in (7, 8, 9, 10)]
    assert [each for value in values if (each := shown(form, value))] == []
    more = redacted(f"call 555-234-{values[0][:4]} x{values[1][:4]}, or 555 234 1234 ext. {values[2][:4]}")
    assert values[1][:4] not in more
    assert values[2][:4] not in more


@pytest.mark.parametrize("value", ["&Kr0kus!", "K&r0k,us;9|x", "(Kr0&&kus9", "|Kr0kus#1", "P@ss:w0rd/9"])
@pytest.mark.parametrize(
    "form",
    [
        "DB_PASSWORD={v}\n",
        "password: {v}\n",
        "my password is {v}",
        "DB_PASSWORD={v} x",
        "postgres://bob:{v}@db/x",
    ],
)
def test_a_password_with_odd_marks_is_hidden_to_its_end(form: str, value: str) -> None:
    value = value.replace("/", "-") if "://" in form else value
    left = redacted(form.replace("{v}", value))
    assert not any(part in left for part in (value[-3:], value[:3], "kus", "w0rd"))


def test_the_next_field_is_no_part_of_a_password() -> None:
    assert redacted("user=bob&password=&lang=de").endswith("&password=&lang=de")
    assert redacted("password=pear9;lang=de&x=1").endswith(";lang=de&x=1")
