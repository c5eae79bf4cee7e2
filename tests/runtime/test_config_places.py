"""The lines of tables and keys, held against documents that are written with the lines known."""

import json
import tomllib

from hypothesis import given
from hypothesis import strategies as st

from loom.runtime._config_places import line_of, places

NASTY = st.text(alphabet="ab \"'#[]{}=.,\\\t", max_size=12)
KEYS = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True), NASTY.filter(lambda text: "\\" not in text)
)


def quoted(text: str) -> str:
    """*text* as a TOML string of one line."""
    return json.dumps(text)


def key(name: str) -> str:
    return name if name and all(c.isalnum() or c in "_-" for c in name) and name.isascii() else quoted(name)


STRINGS = st.one_of(
    NASTY.map(quoted),
    NASTY.filter(lambda text: "'" not in text).map(lambda text: f"'{text}'"),
    st.lists(NASTY, max_size=4).map(
        lambda lines: '"""\n' + "\n".join(quoted(each)[1:-1] for each in lines) + '\n"""'
    ),
    st.lists(NASTY.filter(lambda t: "'" not in t), max_size=3).map(
        lambda lines: "'''" + "\n".join(lines) + "\n'''"
    ),
)
SCALARS = st.one_of(
    STRINGS, st.integers(-9, 9).map(str), st.sampled_from(["true", "2026-11-22T18:00:00Z", "1.5"])
)
LISTS = st.lists(SCALARS, max_size=3).map(lambda each: "[ # ]\n" + ",\n".join(each) + "\n]")
INLINE = st.dictionaries(KEYS, STRINGS.filter(lambda text: "\n" not in text), max_size=2).map(
    lambda table: "{" + ", ".join(f"{key(name)} = {value}" for name, value in table.items()) + "}"
)
TABLES = st.dictionaries(
    KEYS, st.dictionaries(KEYS, st.one_of(SCALARS, LISTS, INLINE), max_size=4), max_size=4
)
FILLERS = st.lists(st.sampled_from(["", "# [not.a.table]", "  # key = 1", "\t"]), max_size=2)


@given(TABLES, st.data())
def test_every_table_and_key_is_found_where_it_was_written(
    tables: dict[str, dict[str, str]], data: st.DataObject
) -> None:
    lines: list[str] = []
    written: dict[tuple[str, ...], int] = {}
    for name, values in tables.items():
        lines += data.draw(FILLERS)
        lines.append(f"[{key(name)}] # a table")
        written[(name,)] = len(lines)
        for each, value in values.items():
            lines += data.draw(FILLERS)
            written[(name, each)] = len(lines) + 1
            lines += f"{key(each)} = {value}".split("\n")
    text = "\n".join(lines)
    document = tomllib.loads(text)
    assert set(document) == set(tables)
    assert places(text) == written


@given(st.text(max_size=200))
def test_no_text_makes_it_hang_or_fail(text: str) -> None:
    found = places(text)
    assert all(1 <= line <= text.count("\n") + 1 for line in found.values())


def test_a_key_that_is_not_written_out_has_the_line_of_what_is_around_it() -> None:
    found = places("[a]\n\nb = { c = 1 }\n")
    assert line_of(found, ("a", "b", "c")) == 3
    assert line_of(found, ("a", "x")) == 1
    assert line_of(found, ("y",)) == 1
