"""`loom store key|rotate|shred`: who can open a store, and who never again."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from loom.cli import doctor
from loom.store import Family
from loom.store._master_key import generate_key_file
from tests.cli.folders import Do, add, rows, said


def test_a_key_is_made_once_and_a_store_says_how_it_is_sealed(do: Do) -> None:
    code, out, _ = do("key", "--new", "a.key")
    assert (code, "Made a.key, which only you may read" in out) == (0, True)
    assert do("key", "--new", "a.key")[0] == 2
    add(said(1))
    assert do("key", "data")[1] == "data: nothing in it is sealed yet; no key is given\n"
    assert do("key", "data", "--unlock", "a.key")[1].endswith("it will be with the key from the file a.key\n")
    add(said(2, private=True), key="a.key")
    assert do("key", "data") == (1, "data: it is sealed, and no key is given\n", "")
    code, out, _ = do("key", "data", "--unlock", "a.key")
    assert (code, "1 data key of 1 subject; shredded: 0 subjects\n" in out) == (0, True)


def test_the_wrong_key_is_one_line(do: Do) -> None:
    for name in ("a.key", "b.key"):
        generate_key_file(name)
    add(said(1, private=True), key="a.key")
    for verb in ("tail", "verify", "export", "key"):
        code, out, err = do(verb, "--data", "data", "--unlock", "b.key")
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert err.startswith("the key from the file b.key is not the key of this store")


def test_rotation_makes_the_new_key_and_the_old_one_does_not_open_any_more(do: Do) -> None:
    generate_key_file("a.key")
    add(said(1, private=True), key="a.key")
    old = list(rows("data", Family.KEYS, "a.key").values())
    code, out, _ = do("rotate", "--data", "data", "--unlock", "a.key", "--to", "b.key")
    assert code == 0
    assert out.startswith("made b.key\n1 data key kept under the key from the file b.key\n")
    assert not any(row[9:] in path.read_bytes() for row in old for path in Path("data").iterdir())
    assert do("tail", "--data", "data", "--unlock", "a.key")[0] == 1
    assert '"x1"' in do("tail", "--data", "data", "--unlock", "b.key")[1]
    again = do("rotate", "--data", "data", "--unlock", "a.key", "--to", "b.key")
    assert (again[0], again[1].startswith("There was nothing to do")) == (0, True)
    assert "which is the old key?" in do("rotate", "--data", "data", "--to", "c.key")[2]
    assert not Path("c.key").exists()


def test_shredding_destroys_what_is_private_of_one_subject(do: Do) -> None:
    generate_key_file("a.key")
    add(said(1), said(2, private=True), key="a.key")
    old = list(rows("data", Family.KEYS, "a.key").values())
    unlock = ("--data", "data", "--unlock", "a.key")
    assert do("shred", "ann", *unlock) == (
        2,
        "",
        "this destroys data; give --yes to destroy that of 'ann'\n",
    )
    code, out, _ = do("shred", "ann", "--yes", *unlock)
    assert (code, out.startswith("destroyed 1 data key of 'ann'")) == (0, True)
    assert not any(row[9:] in path.read_bytes() for row in old for path in Path("data").iterdir())
    out = do("tail", *unlock)[1]
    assert '"x1"' in out
    assert "      2  (shredded)\n" in out
    assert do("verify", *unlock)[0] == 0
    code, out, err = do("export", *unlock)
    assert (code, out.count("\n"), err) == (0, 1, "exported 1 event\n")
    assert do("shred", "Ann", "--yes", *unlock)[0] == 1
    assert do("shred", "", "--yes", *unlock)[0] == 2


def test_shredding_asks_for_the_subject_again(monkeypatch: pytest.MonkeyPatch, do: Do) -> None:
    generate_key_file("a.key")
    add(said(1, private=True), key="a.key")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: "anna")
    assert do("shred", "ann", "--data", "data", "--unlock", "a.key")[0] == 2
    monkeypatch.setattr("builtins.input", lambda question: "ann")
    assert do("shred", "ann", "--data", "data", "--unlock", "a.key")[0] == 0


def test_a_store_without_a_key_has_nothing_to_shred(do: Do) -> None:
    add(said(1, private=True))
    code, _, err = do("shred", "ann", "--yes", "--data", "data")
    assert (code, "nothing in this store is sealed" in err) == (1, True)


def test_the_key_in_the_environment_is_used(do: Do, monkeypatch: pytest.MonkeyPatch) -> None:
    generate_key_file("a.key")
    add(said(1, private=True), key="a.key")
    monkeypatch.setenv("LOOM_KEY", Path("a.key").read_text())
    assert '"x1"' in do("tail", "--data", "data")[1]


def test_the_doctor_says_whether_private_data_is_encrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOOM_KEY", raising=False)
    assert (doctor._key().mark, "in the clear" in doctor._key().text) == (doctor.MISSING, True)
    monkeypatch.setenv("LOOM_KEY", "secret")
    assert (doctor._key().mark, "secret" in doctor._key().text) == (doctor.BROKEN, False)
    monkeypatch.setenv("LOOM_KEY", "A" * 43)
    assert doctor._key().mark == doctor.FINE
