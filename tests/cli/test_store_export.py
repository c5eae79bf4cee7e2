"""`loom store export|import`: events go out as CloudEvents and come back, or are refused by line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loom.bus import Bus
from loom.event.cloudevents import from_cloudevent
from loom.journal import Journal
from loom.store import Family, Put
from loom.store.families import number
from loom.store.sealed import open_store
from tests.cli.folders import PRIVATE, Do, add, rows, said


def test_what_is_exported_is_imported_and_what_is_there_already_is_not(do: Do) -> None:
    add(said(1), said(2, private=True), said(3))
    code, out, err = do("export", "events.jsonl", "--data", "data")
    assert (code, out) == (0, "")
    assert err == ("exported 3 events to events.jsonl\nnote: 1 of them is private and in the clear there\n")
    assert Path("events.jsonl").stat().st_mode & 0o777 == 0o600
    add(said(3), folder="other")
    code, out, err = do("import", "events.jsonl", "--data", "other")
    assert (code, err) == (
        0,
        "added 2 events, numbers 2 to 3; 1 was there already\nnote: 2 events got another number than in the file\n",
    )
    assert do("import", "events.jsonl", "--data", "other")[2] == "added 0 events; 3 were there already\n"
    assert do("verify", "other")[0] == 0
    store = open_store("other")
    found = Journal(store, Bus()).event(3)
    store.close()
    assert found is not None
    assert (found.id, found.payload, found.label, dict(found.metadata)) == (
        "e2",
        "x2",
        PRIVATE,
        {"subject": "ann"},
    )


def test_an_export_is_lines_of_cloudevents(do: Do) -> None:
    add(said(1), said(2, "mic.hall"), said(3))
    code, out, err = do("export", "--data", "data", "--first", "2", "--topics", "mic.*")
    assert (code, err) == (0, "exported 2 events\n")
    events = [from_cloudevent(json.loads(line)) for line in out.splitlines()]
    assert [(event.id, seq) for event, seq in events] == [("e2", 2), ("e3", 3)]
    assert do("export", "--data", "data", "--topics", "mic.hall")[1].count("\n") == 1


def test_an_empty_store_gets_what_was_exported_under_the_same_numbers(do: Do) -> None:
    add(*(said(n, private=n == 4) for n in range(1, 10)))
    store = open_store("data")
    for seq in (1, 2, 6):
        store.write([Put(Family.JOURNAL, number(seq), None), Put(Family.IDS, b"e%d" % seq, None)])
    store.close()
    do("export", "events.jsonl", "--data", "data")
    open_store("other").close()
    code, _, err = do("import", "events.jsonl", "--data", "other")
    assert (code, err.splitlines()[0]) == (0, "added 6 events, numbers 3 to 9")
    assert "another number" not in err
    assert do("tail", "--data", "other")[1] == do("tail", "--data", "data")[1]
    do("export", "again.jsonl", "--data", "other")
    assert Path("again.jsonl").read_bytes() == Path("events.jsonl").read_bytes()
    assert do("verify", "other")[0] == 0


def test_an_export_overwrites_nothing_and_leaves_nothing_half(do: Do) -> None:
    add(said(1))
    Path("events.jsonl").write_text("precious")
    code, _, err = do("export", "events.jsonl", "--data", "data")
    assert (code, err) == (2, "events.jsonl exists already; choose another name, nothing was changed\n")
    assert Path("events.jsonl").read_text() == "precious"
    code, _, err = do("export", "none/events.jsonl", "--data", "data")
    assert (code, "cannot write none/events.jsonl: No such file" in err) == (1, True)


def test_a_file_with_holes_is_told(do: Do) -> None:
    add(*(said(n) for n in range(1, 30)))
    do("export", "all.jsonl", "--data", "data")
    lines = Path("all.jsonl").read_text().splitlines(keepends=True)
    wanted = [line for n, line in enumerate(lines, 1) if n not in (3, 7, 8, 11, 13, 15, 17, 19)]
    Path("some.jsonl").write_text("".join(wanted))
    add(said(100), folder="other")
    code, _, err = do("import", "some.jsonl", "--data", "other")
    assert code == 0
    assert err == (
        "added 21 events, numbers 2 to 22\n"
        "note: 18 events got another number than in the file\n"
        "note: the file leaves out 8 numbers (3, 7 to 8, 11, 13, 15 and 2 more places): "
        "events that were not exported, not kept any more, or lost from the file\n"
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{}", "line 2: CloudEvent attribute 'id' is missing"),
        ('{"specversion":"1.0"', "line 2: it is not JSON"),
        ('{"specversion":"1.0","id":"a\\u0000b","source":"/","type":"t"}', "line 2: CloudEvent attribute 'id' is too"),
    ],
)  # fmt: skip
def test_nothing_of_a_file_with_a_wrong_line_is_imported(do: Do, content: str, why: str) -> None:
    add(said(1))
    do("export", "events.jsonl", "--data", "data")
    Path("events.jsonl").write_text(Path("events.jsonl").read_text() + content)
    add(said(100), folder="other")
    code, _, err = do("import", "events.jsonl", "--data", "other")
    assert (code, err.startswith(why), err.count("\n")) == (1, True, 1)
    assert len(rows("other", Family.JOURNAL)) == 1


def test_what_cannot_be_read_or_holds_no_event_is_refused(do: Do) -> None:
    add(said(1))
    Path("empty").write_text("\n")
    for name, why in {
        "none": "cannot read none: No such file or directory",
        "empty": "there is no event in it; nothing was imported",
        "/dev/null": "cannot read /dev/null: it must be a file, which is checked before anything is changed",
    }.items():
        assert do("import", name, "--data", "data") == (2, "", f"{why}\n")


def test_events_of_strangers_are_imported_untrusted(do: Do) -> None:
    add(said(1))
    Path("their.jsonl").write_text(
        '{"specversion":"1.0","id":"7","source":"/shop","type":"order.made","subject":"orders/42","data":{"n":1}}\n'
    )
    assert do("import", "their.jsonl", "--data", "data")[2] == "added 1 event, numbers 2 to 2\n"
    assert '  orders.42  [public, untrusted] order.made {"n": 1}\n' in do("tail", "--data", "data")[1]


def test_an_import_may_raise_labels_and_never_lowers_them(do: Do) -> None:
    add(said(1), said(2, private=True))
    do("export", "events.jsonl", "--data", "data")
    add(said(3), folder="other")
    assert do("import", "events.jsonl", "--data", "other", "--label", "sensitive, untrusted")[0] == 0
    lines = do("tail", "--data", "other")[1].splitlines()
    assert "[sensitive, untrusted] said" in lines[1]
    assert "[private, untrusted] said" in lines[2]
    code, _, err = do("import", "events.jsonl", "--data", "other", "--label", "secret")
    assert (code, "no label 'secret'; use one of public" in err) == (2, True)
