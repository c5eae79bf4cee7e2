"""Keys: shown once, kept as hashes in a private file, each with what it may."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.errors import ConfigError
from loom.event import Confidentiality
from loom.web.client import KINDS, Client, word
from loom.web.keyring import LOOK_S, Keyring
from loom.web.keys import PERIODS, KeyFile, Ring, hash_of, new_client


def test_a_key_is_found_again_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    key = file.add(new_client("desk", clearance="private", budget="1.0/day", models=["auto", "local"]))
    assert len(key) >= 48
    kept = file.path.read_text()
    assert key not in kept
    assert hash_of(key) in kept
    assert stat.S_IMODE(os.stat(file.path).st_mode) == 0o600
    found = file.read().find(key)
    assert found == Client("desk", Confidentiality.PRIVATE, models=("auto", "local"), budget=1.0)
    assert file.read().find(key + "x") is None
    assert file.read().find("") is None


def test_every_key_is_another() -> None:
    ring, one = Ring().with_key(new_client("a"))
    _, two = ring.with_key(new_client("b"))
    assert one != two


def test_a_key_that_is_taken_back_is_gone_and_the_others_stay(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    one, two = file.add(new_client("a")), file.add(new_client("b"))
    file.remove("a")
    assert file.read().find(one) is None
    assert file.read().find(two) is not None
    with pytest.raises(ConfigError, match="there are b"):
        file.remove("a")


def test_two_keys_of_one_name_are_refused(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    file.add(new_client("a"))
    with pytest.raises(ConfigError, match="already"):
        file.add(new_client("a"))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = KeyFile(tmp_path / "keys.json")
    file.add(new_client("a"))
    file.path.chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        file.read()


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"keys": []}', '{"keys": {"a": {}}}', '{"keys": {"a": {"hash": "x"}}}', "[" * 100_000,
     '{"keys": {"a": {"hash": "' + "0" * 64 + '", "label": "secret"}}}',
     '{"keys": {"a": {"hash": "' + "0" * 64 + '", "budget": NaN}}}',
     '{"keys": {"a": {"hash": "' + "0" * 64 + '", "models": "auto"}}}',
     '{"keys": {"a": {"hash": "' + "0" * 64 + '", "admin": true}}}'],
)  # fmt: skip
def test_a_damaged_file_is_refused_not_believed(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError):
        KeyFile(path).read()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"clearance": "secret"}, "clearance is one of"),
        ({"label": "private"}, "cleared for public"),
        ({"budget": "1 EUR"}, "an amount for a time"),
        ({"kinds": ["admin"]}, "no kind 'admin'"),
        ({"models": []}, "a list of words"),
        ({"max_cost": -1.0}, "is an amount"),
    ],
)
def test_what_a_key_cannot_be_is_said(more: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        new_client("a", **more)


@pytest.mark.parametrize("name", ["", "a b", "../x", "x" * 65, "é", "a\n"])
def test_a_name_is_simple(name: str) -> None:
    with pytest.raises(ConfigError, match="a key's name"):
        new_client(name)


levels = st.sampled_from(list(Confidentiality))
amounts = st.none() | st.floats(0, 1e9)
words = st.lists(st.from_regex(r"[a-z:*]{1,8}", fullmatch=True), min_size=1, max_size=3).map(tuple)


kinds = st.lists(st.sampled_from(KINDS), min_size=1).map(tuple)


@given(st.tuples(levels, levels, words, kinds, amounts, amounts, st.sampled_from(PERIODS)))
def test_what_is_written_is_read(values: Any) -> None:
    one, two, *rest = values
    client = Client("a", max(one, two), min(one, two), *rest)
    ring, key = Ring().with_key(client)
    assert Ring.parse(ring.text(), "x").find(key) == client
    assert word(client.label) in ring.text()


@pytest.mark.blocks("the test writes files")
async def test_a_key_that_is_taken_back_counts_for_a_second_at_most(tmp_path: Path) -> None:
    time = [0.0]
    file = KeyFile(tmp_path / "keys.json")
    key = file.add(new_client("a"))
    ring = Keyring(file, lambda: time[0])
    file.remove("a")
    assert (await ring.now()).find(key) is not None
    time[0] += LOOK_S
    assert (await ring.now()).find(key) is None
    assert ring.ring.needed  # the last key is gone: that opens nothing
    assert Keyring(file, lambda: time[0]).ring.needed  # nor does it at the next start
    assert file.read().needed
    file.path.chmod(0o644)
    file.path.write_text("{")
    time[0] += LOOK_S
    assert (await ring.now()).needed
