"""Where the master key comes from, what is refused, and that it is never to be seen."""

from __future__ import annotations

import os
import pickle
import sys
import traceback
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.errors import ConfigError, LoomError, MissingKey, StoreError
from loom.event import Confidentiality, Label
from loom.store import Family
from loom.store._master_key import MasterKey, find_master_key, generate_key_file, read_key_file
from loom.store.crypto import KeySealer, rotate
from tests.store.shelf import Shelf

RAW = bytes(range(200, 232))
TEXT = b64encode(RAW).decode()
PRIVATE = Label(Confidentiality.PRIVATE)


def key_file(folder: Path, content: bytes | str = TEXT, mode: int = 0o600) -> str:
    path = folder / "loom.key"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    "content",
    [
        TEXT,
        TEXT + "\n",
        f"  {TEXT}\r\n",
        TEXT.rstrip("="),
        urlsafe_b64encode(RAW),
        RAW,
    ],
)
def test_a_key_file_holds_base64_or_32_bytes(tmp_path: Path, content: bytes | str) -> None:
    key = read_key_file(key_file(tmp_path, content))
    assert key == MasterKey(RAW)
    assert key.origin == f"the file {tmp_path}/loom.key"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"correct horse battery staple 123",  # 32 bytes, but somebody thought of them
        "cörrect horse battery staple 12",
        "é" * 40,
        b64encode(RAW[:-1]),
        b64encode(RAW + b"x"),
        RAW.hex(),
        TEXT + "!",
        f"{TEXT}\n{TEXT}\n",
        b"\0" * 5000,
    ],
)
def test_what_is_no_key_is_refused_and_not_repeated(tmp_path: Path, content: bytes | str) -> None:
    path = key_file(tmp_path, content)
    with pytest.raises(ConfigError, match="does not hold a key: the base64 of 32 random bytes") as caught:
        read_key_file(path)
    assert str(caught.value).startswith(f"key file {path}")
    assert "horse" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610, 0o777])
def test_a_file_that_others_may_use_is_refused_with_the_command(tmp_path: Path, mode: int) -> None:
    path = key_file(tmp_path, mode=mode)
    with pytest.raises(ConfigError, match=f"mode {mode:04o}.; run: chmod 600 {path}"):
        read_key_file(path)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_of_ours_alone_is_read(tmp_path: Path, mode: int) -> None:
    assert read_key_file(key_file(tmp_path, mode=mode)) == MasterKey(RAW)


def test_a_file_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = key_file(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(ConfigError, match=f"run: chown {os.getuid() + 1} {path}"):
        read_key_file(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in (str(tmp_path / "pipe"), str(tmp_path)):
        with pytest.raises(ConfigError, match="is not a regular file"):
            read_key_file(name)
    for name in (f"{key_file(tmp_path)}/below", "a\0b"):
        with pytest.raises(ConfigError, match="cannot be opened"):
            read_key_file(name)
    with pytest.raises(MissingKey, match=r"there is no key file .*make one with: loom store key --new "):
        read_key_file(str(tmp_path / "none"))


def test_a_link_to_a_key_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(key_file(tmp_path))
    assert read_key_file(str(tmp_path / "link")) == MasterKey(RAW)


def test_a_generated_key_file_is_for_us_alone_and_never_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = os.umask(0)
    try:
        key = generate_key_file("a.key")
    finally:
        os.umask(before)
    assert Path("a.key").stat().st_mode & 0o777 == 0o600
    assert read_key_file("a.key") == key
    assert key != generate_key_file(str(tmp_path / "b.key"))
    with pytest.raises(ConfigError, match=r"a.key exists already; a key is never overwritten"):
        generate_key_file("a.key")
    assert read_key_file("a.key") == key
    with pytest.raises(ConfigError, match="cannot be made"):
        generate_key_file(str(tmp_path / "none" / "a.key"))


def test_a_key_that_cannot_be_written_is_not_left_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="cannot be written: No space left on device; it was removed"):
        generate_key_file(str(tmp_path / "a.key"))
    assert list(tmp_path.iterdir()) == []


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOOM_KEY", raising=False)
    assert find_master_key() is None
    with pytest.raises(MissingKey, match="the variable LOOM_KEY is not set"):
        find_master_key("env")
    monkeypatch.setenv("LOOM_KEY", TEXT)
    monkeypatch.setenv("OTHER", b64encode(RAW[::-1]).decode())
    assert find_master_key() == find_master_key("env") == MasterKey(RAW)
    assert find_master_key("env:OTHER") == MasterKey(RAW[::-1])
    for wrong in ("", "secret", "\udcff" * 32):
        monkeypatch.setenv("LOOM_KEY", wrong)
        with pytest.raises(ConfigError, match="the variable LOOM_KEY does not hold a key"):
            find_master_key()


def test_a_file_is_named_with_and_without_its_kind(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    assert find_master_key(path) == find_master_key(f"file:{path}") == MasterKey(RAW)


class Keyring(ModuleType):
    """What the package `keyring` looks like from here."""

    def __init__(self, entries: dict[tuple[str, str], str]) -> None:
        super().__init__("keyring")
        self.entries = entries

    def get_password(self, service: str, name: str) -> str | None:
        if name == "locked":
            raise RuntimeError("the keyring is locked")
        return self.entries.get((service, name))


def test_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {("loom", "default"): TEXT, ("loom", "robot"): TEXT, ("loom", "odd"): "\udcff"}
    monkeypatch.setitem(sys.modules, "keyring", Keyring(entries))
    assert find_master_key("keyring") == find_master_key("keyring:robot") == MasterKey(RAW)
    for name in ("none", "odd"):
        with pytest.raises(MissingKey, match=f"no key is there; run: keyring set loom {name}"):
            find_master_key(f"keyring:{name}")
    with pytest.raises(MissingKey, match="RuntimeError: the keyring is locked"):
        find_master_key("keyring:locked")
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(MissingKey, match="run: python -m pip install keyring"):
        find_master_key("keyring")


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_each_purpose_has_a_key_of_its_own(one: bytes, other: bytes) -> None:
    key = MasterKey(RAW)
    assert len(key.derive(one)) == 32
    assert (key.derive(one) == key.derive(other)) is (one == other)
    assert key.derive(one) != MasterKey(RAW[::-1]).derive(one)


def test_a_key_of_another_size_is_refused() -> None:
    with pytest.raises(ConfigError, match="the key from the program has 31 bytes, not 32"):
        MasterKey(bytes(31))


def test_a_master_key_shows_nothing_and_is_not_pickled() -> None:
    key = MasterKey(RAW, "a test")
    assert repr(key) == str(key) == f"{key}" == "<MasterKey from a test>"
    with pytest.raises(TypeError):
        pickle.dumps(key)
    with pytest.raises(TypeError):
        hash(key)
    assert key != "a test"


# -- what a crash shows: every error here, with the local variables of each frame and everything it was caused by

SECRET = bytes(200 + n % 50 for n in range(32))
FORMS = (SECRET, b64encode(SECRET), SECRET.hex().encode(), bytes(SECRET[:16]))


def shown(error: BaseException) -> str:
    """Everything a traceback with locals says, also of errors that are hidden by `from None`."""
    text, seen = "", error
    while seen is not None:
        text += "".join(traceback.TracebackException.from_exception(seen, capture_locals=True).format())
        seen = seen.__cause__ or seen.__context__  # type: ignore[assignment]
    return text


def hostile_files(folder: Path) -> list[Callable[[], object]]:
    files = []
    for n, content in enumerate(
        (SECRET + b"x", b64encode(SECRET) + b"!", b64encode(SECRET[:-1]), SECRET[:31])
    ):
        path = folder / f"{n}.key"
        path.write_bytes(content)
        path.chmod(0o600)
        files.append(lambda path=path: read_key_file(str(path)))
    open_to_all = folder / "open.key"
    open_to_all.write_bytes(b64encode(SECRET))
    open_to_all.chmod(0o644)
    return [*files, lambda: read_key_file(str(open_to_all))]


def hostile_stores() -> list[Callable[[], object]]:
    key, shelf = MasterKey(SECRET), Shelf()
    sealer = KeySealer(shelf, key)
    value = sealer.seal("ann", PRIVATE, b"", b"x")
    shelf.write(sealer.pending_puts())
    broken = Shelf()
    broken.kept = {family: dict(rows) for family, rows in shelf.kept.items()}
    for name, row in shelf.kept[Family.KEYS].items():
        broken.kept[Family.KEYS][name] = row[:-1] + b"\0"
    return [
        lambda: KeySealer(shelf, MasterKey(SECRET[::-1])),
        lambda: rotate(shelf, MasterKey(bytes(32)), MasterKey(SECRET[::-1])),
        lambda: KeySealer(broken, key).open("ann", b"", value),
        lambda: rotate(broken, key, MasterKey(bytes(32))),
        lambda: sealer.open("ann", b"elsewhere", value),
        lambda: sealer.open("bob", b"", value),
        lambda: sealer.shred("ann") and sealer.open("ann", b"", value),
    ]


def test_no_error_shows_key_material_in_its_locals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LOOM_KEY", b64encode(SECRET).decode() + "!")
    entries = {("loom", "default"): b64encode(SECRET).decode() + "!"}
    monkeypatch.setitem(sys.modules, "keyring", Keyring(entries))
    from_elsewhere = [
        lambda: MasterKey(SECRET + b"x"),
        find_master_key,
        lambda: find_master_key("env"),
        lambda: find_master_key("keyring"),
    ]
    provoked = [*from_elsewhere, *hostile_files(tmp_path), *hostile_stores()]
    for provoke in provoked:
        with pytest.raises(LoomError) as caught:
            provoke()
        error = caught.value
        error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next  # this test's own locals
        text = shown(error) + caplog.text
        assert isinstance(error, StoreError | ConfigError)
        for form in FORMS:
            assert repr(form)[2:-1] not in text
            assert form.decode("latin-1") not in text


def test_nothing_that_holds_keys_shows_them() -> None:
    sealer = KeySealer(Shelf(), MasterKey(SECRET))
    sealer.seal("ann", PRIVATE, b"", b"x")
    [key] = sealer._keys.values()
    text = " ".join(map(repr, (sealer, key, sealer._keys, sealer._chains, sealer._master)))
    for form in (*FORMS, key._raw):
        assert repr(form)[2:-1] not in text
