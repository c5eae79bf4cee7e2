"""`loom store` on real data folders: what it shows, what it changes, what it refuses."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from loom.bus import Bus
from loom.cli._store_entries import Entry
from loom.cli._store_events import line_of
from loom.event import Event
from loom.journal import Journal
from loom.store import Family, Put
from loom.store._master_key import generate_key_file
from loom.store.families import number
from loom.store.sealed import open_store
from tests.cli.command import COMMAND, Running, loom
from tests.cli.folders import PRIVATE, Do, add, said

# --- which store


def test_the_folder_is_that_of_the_project_here(do: Do) -> None:
    add(said(1), folder="kept")
    Path("loom.toml").write_text('[loom]\nname = "x"\ndata = "kept"\n')
    assert do("tail")[1].endswith('mic.kitchen  said "x1"\n')
    Path("loom.toml").write_text("[loom\n")
    assert do("tail")[2].startswith("loom.toml cannot be read: ")


def test_the_key_is_that_of_the_project_here(do: Do) -> None:
    generate_key_file("a.key")
    add(said(1, private=True), folder="kept", key="a.key")
    Path("loom.toml").write_text('[loom]\ndata = "kept"\nkey = "a.key"\n')
    assert '"x1"' in do("tail")[1]
    assert "(sealed)" in do("tail", "--data", "kept/")[1]  # another folder, as far as one can tell


@pytest.mark.parametrize("verb", ["verify", "tail", "compact", "repair", "key"])
def test_without_a_folder_or_a_store_it_says_so(do: Do, verb: str) -> None:
    assert do(verb) == (
        2,
        "",
        "which store? give --data DIR, or go to a folder whose loom.toml has [loom] data\n",
    )
    assert do(verb, "--data", "none") == (
        1,
        "",
        "there is no store in none; a store is made by Loom(data=...)\n",
    )
    assert not Path("none").exists()


def test_a_store_that_is_in_use_is_read_and_not_changed(do: Do) -> None:
    add(said(1))
    store = open_store("data")
    try:
        assert do("tail", "--data", "data")[0] == 0
        assert do("verify", "data")[0] == 0
        for verb in (("compact", "data"), ("repair", "data"), ("import", __file__, "--data", "data")):
            code, _, err = do(*verb)
            assert code in (1, 2)
            assert err.count("\n") == 1
        assert "process" in do("compact", "data")[2]
    finally:
        store.close()


# --- looking


def test_tail_shows_the_last_events_that_match(do: Do) -> None:
    add(*(said(n, "mic.hall" if n % 10 == 0 else "mic.kitchen") for n in range(1, 601)))
    out = do("tail", "--data", "data", "-n", "3")[1].splitlines()
    assert [line.split()[0] for line in out] == ["598", "599", "600"]
    out = do("tail", "mic.hall", "--data", "data", "-n", "60")[1].splitlines()
    assert [int(line.split()[0]) for line in out] == list(range(10, 601, 10))
    assert len(do("tail", "--data", "data")[1].splitlines()) == 10
    assert do("tail", "--data", "data", "-n", "0")[1] == ""
    assert do("tail", "nothing.>", "--data", "data")[1] == ""
    assert do("tail", "a..b", "--data", "data")[2].startswith("pattern 'a..b': token 2 is empty")
    assert "-n: 'x' is not a number from 0 on" in do("tail", "--data", "data", "-n", "x")[2]


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (Event("said", "grüß", topic="mic", label=PRIVATE), 'mic  [private] said "grüß"'),
        (Event("mic", None, topic="mic"), "mic  "),
        (Event("t", b"\0" * 1234, topic="mic"), "mic  t <1,234 bytes>"),
        (Event("t", "\x1b[31m\x9b\u202e", topic="mic"), 'mic  t "\\u001b[31m\ufffd\ufffd"'),
        (Event("\x1b[2J", {"a": [1, 2]}, topic="mic"), 'mic  \ufffd[2J {"a": [1, 2]}'),
        (Event("t", {1, 2}, topic="mic"), "mic  t {1, 2}"),
    ],
)
def test_an_event_is_one_line_that_a_terminal_can_be_shown(event: Event, shown: str) -> None:
    line = line_of(Entry(7, event), 200)
    assert line.startswith("      7  ")
    assert line.endswith(shown)
    assert line.isprintable()
    assert len(line_of(Entry(7, event), 30)) == 30


def test_moments_beyond_the_calendar_and_events_that_cannot_be_read() -> None:
    assert f"{2**62} ms" in line_of(Entry(7, Event("t", topic="a", timestamp_ms=2**62)), 200)
    assert line_of(Entry(7, None, "sealed"), 200) == "      7  (sealed)"


def test_tail_follows_what_another_process_adds(do: Do) -> None:
    add(said(1))
    process = subprocess.Popen(
        [*COMMAND, "store", "tail", "--data", "data", "-f"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    running = Running(process, process.stdout.fileno())
    running.until('"x1"')
    add(said(2))
    running.until('"x2"')
    add(said(3))
    running.until('"x3"')
    running.signal(signal.SIGINT)
    assert running.end() == 0
    assert running.text.count("x2") == 1
    process.stdout.close()


def test_tail_follows_what_is_written_by_a_process_that_goes_on(do: Do) -> None:
    add(said(1))
    store = open_store("data")
    journal = Journal(store, Bus())
    process = subprocess.Popen(
        [*COMMAND, "store", "tail", "mic.>", "--data", "data", "-f"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    running = Running(process, process.stdout.fileno())
    running.until('"x1"')
    for n in (2, 3, 4):
        store.write(journal.rows(said(n, "mic.hall" if n % 2 else "other")))
        store.write(journal.rows(said(n + 10, text="y")))
        running.until(f'"y{n + 10}"')
    running.signal(signal.SIGINT)
    assert running.end() == 0
    assert [line.split()[0] for line in running.text.splitlines() if line.strip()] == [
        "1",
        "3",
        "4",
        "5",
        "7",
    ]
    process.stdout.close()
    journal.committer.close()
    store.close()


# --- looking after


def test_verify_says_what_it_looked_at(do: Do) -> None:
    add(said(1), said(2))
    code, out, _ = do("verify", "data")
    assert code == 0
    assert "ok  journal: 2 events, the last is number 2\n" in out
    assert out.count("\n") == out.count("ok  ")


def test_verify_names_what_is_broken(do: Do) -> None:
    add(said(1), said(2))
    store = open_store("data")
    store.write(
        [
            Put(Family.JOURNAL, number(3), b"nonsense"),
            Put(Family.IDS, b"e2", None),
            Put(Family.STATES, b"ear", b"{no json"),
            Put(Family.STEPS, number(1) + b"\0ear", b"[1]\n[0,0]\n{}"),
        ]
    )
    store.close()
    code, out, _ = do("verify", "data")
    assert code == 1
    assert "NO  journal entry 3: " in out
    assert "NO  journal entry 2: its id 'e2' does not lead to it\n" in out
    assert "NO  states 'ear': " in out
    assert "NO  steps 1 'ear': " in out
    assert "loom store verify" not in out
    assert out.endswith("broken: 4; go back to a backup, or run: loom store repair data\n")


def test_verify_finds_what_is_missing_and_what_leads_nowhere(do: Do) -> None:
    add(said(1, text="x" * 600), said(2), said(3))
    store = open_store("data")
    (leaf,) = [key for key, _ in store.scan(Family.BLOBS)]
    store.write(
        [
            Put(Family.BLOBS, leaf, None),
            Put(Family.BLOBS, leaf[:-1] + b"?", b"something else"),
            Put(Family.JOURNAL, number(2), None),
            Put(Family.POSITIONS, b"ear.hear", b"9"),
            Put(Family.OPEN, number(1) + b"\0key", b""),
            Put(Family.DEAD, number(1), b"{}"),
            Put(Family.NOTES, number(1), b"[]"),
            Put(Family.TIMERS, b"ear\0t1", b'{"k":"beat","d":5,"m":"skip","s":{"every_ms":10}}'),
            Put(Family.CHANGES, b"ear\0" + number(1), b"{}"),
        ]
    )
    store.close()
    code, out, _ = do("verify", "data")
    assert code == 1
    for line in (
        "journal entry 1: the large payload of an event is missing or damaged\n",
        "large value ",
        "positions 'ear.hear': it is at number 9, and the journal ends with number 3\n",
        "open 1 'key': the effect is not there\n",
        "dead letter 1: ",
        "notes 1: it is no note\n",
        "timer b'ear\\x00t1' would never be due\n",
        "changes 'ear\\x00",
    ):
        assert f"NO  {line}" in out, (line, out)
    assert "ok  1 id without an event; taken away by: loom store compact\n" in out
    assert "broken: 8;" in out


def test_verify_names_the_first_hundred(do: Do) -> None:
    store = open_store("data")
    store.write([Put(Family.STATES, b"%d" % n, b"x") for n in range(250)])
    store.close()
    out = do("verify", "data")[1]
    assert out.count("NO  states") == 100
    assert "NO  and 150 more\n" in out
    assert "broken: 250;" in out


def test_verify_without_the_key_says_what_it_did_not_see(do: Do) -> None:
    generate_key_file("a.key")
    add(said(1), said(2, private=True), key="a.key")
    code, out, _ = do("verify", "data")
    assert (code, "--  1 sealed row: no key is given\n" in out) == (0, True)
    code, out, _ = do("verify", "data", "--unlock", "a.key")
    assert (code, "ok  data keys: 1\n" in out, "--" in out) == (0, True, False)


def test_a_tampered_row_is_found(do: Do) -> None:
    generate_key_file("a.key")
    add(said(1, private=True), said(2, private=True), key="a.key")
    store = open_store("data", "a.key")
    one, two = (store.backend.get(Family.JOURNAL, number(n)) for n in (1, 2))
    store.backend.write([Put(Family.JOURNAL, number(1), two), Put(Family.JOURNAL, number(2), one)])
    store.close()
    code, out, _ = do("verify", "data", "--unlock", "a.key")
    assert code == 1
    assert out.count("does not open in its place") == 2
    assert "does not open" in do("tail", "--data", "data", "--unlock", "a.key")[1]
    code, _, err = do("export", "--data", "data", "--unlock", "a.key")
    assert (code, err.count("not exported: event ")) == (1, 2)


def test_a_backup_opens_and_is_not_written_over_another(do: Do) -> None:
    add(said(1))
    code, out, _ = do("backup", "copy", "--data", "data")
    assert (code, out.startswith("copied into copy: ")) == (0, True)
    assert '"x1"' in do("tail", "--data", "copy")[1]
    code, _, err = do("backup", "copy", "--data", "data")
    assert (code, "copy holds a store already" in err) == (1, True)


def test_a_backup_of_a_sealed_store_needs_no_key_and_says_to_keep_it(do: Do) -> None:
    generate_key_file("a.key")
    add(said(1, private=True), key="a.key")
    code, out, _ = do("backup", "copy", "--data", "data")
    assert (code, "keep the key too, in another place" in out) == (0, True)
    assert '"x1"' in do("tail", "--data", "copy", "--unlock", "a.key")[1]


def test_compact_says_what_it_gave_back(do: Do) -> None:
    add(*(said(n, text="x" * 400) for n in range(1, 2000)))
    store = open_store("data")
    store.remove(Family.JOURNAL, number(1), number(1990))
    store.close()
    code, out, _ = do("compact", "data")
    assert code == 0
    said_ids, said_size = out.splitlines()
    assert said_ids == "ok  1,989 ids without an event"
    assert said_size.startswith("data: ")
    assert " before, " in said_size
    assert sum(path.stat().st_size for path in Path("data").iterdir()) < 500_000


def test_compact_takes_large_values_away_that_nothing_refers_to(do: Do) -> None:
    add(said(1, text="x" * 600), said(2, text="y" * 600))
    store = open_store("data")
    store.write([Put(Family.JOURNAL, number(1), None), Put(Family.IDS, b"e1", None)])
    store.close()
    assert do("compact", "data")[1].startswith("ok  1 large value that nothing refers to: ")
    assert "y" * 600 in do("tail", "--data", "data")[1]
    assert do("verify", "data")[0] == 0
    store = open_store("data")
    store.write([Put(Family.STATES, b"ear", b"damaged")])
    store.close()
    code, out, _ = do("compact", "data")
    assert code == 1
    assert out.startswith("NO  large values stay: a row that cannot be read may refer to any of them\n")
    assert "loom store verify data\n" in out


def test_compact_of_a_sealed_store_without_its_key_sweeps_nothing(do: Do) -> None:
    generate_key_file("a.key")
    add(said(1, private=True, text="x" * 600), key="a.key")
    code, out, _ = do("compact", "data")
    assert code == 0
    assert out.startswith("--  large values stay: the store is sealed, and no key is given (--unlock KEY)\n")
    assert do("compact", "data", "--unlock", "a.key")[0] == 0
    assert "x" * 600 in do("tail", "--data", "data", "--unlock", "a.key")[1]


def test_repair_keeps_the_damaged_files_and_what_can_be_read(do: Do) -> None:
    add(*(said(n, text="x" * 500) for n in range(1, 200)))
    file = Path("data/loom.db")
    content = bytearray(file.read_bytes())
    content[40_000:44_000] = b"\xaa" * 4000
    file.write_bytes(content)
    code, out, _ = do("repair", "data")
    assert code == 0
    assert "the damaged files are kept in data/damaged-" in out
    kept = do("tail", "--data", "data", "-n", "1000")[1].splitlines()
    assert 100 < len(kept) < 200


# --- as people meet it


def test_a_verb_is_asked_for_and_each_explains_itself() -> None:
    done = loom("store")
    assert (done.returncode, "the following arguments are required: VERB" in done.stderr) == (2, True)
    for verb in ("verify", "tail", "import", "rotate", "shred"):
        assert f"usage: loom store {verb}" in loom("store", verb, "--help").stdout


def test_a_closed_pipe_is_no_error(do: Do) -> None:
    add(*(said(n, text="x" * 1000) for n in range(1, 400)))
    process = subprocess.Popen(
        [*COMMAND, "store", "export", "--data", "data"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()
    process.wait(60)


def test_a_corrupt_store_is_one_line(do: Do) -> None:
    add(said(1))
    Path("data/loom.db").write_bytes(b"nonsense" * 2000)
    code, out, err = do("tail", "--data", "data")
    assert (code, out, err.count("\n")) == (1, "", 1)
