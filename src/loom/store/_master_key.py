"""The master key: where it comes from, what it must look like, and how it stays out of everything that is shown."""

from __future__ import annotations

import hmac
import os
import stat
from base64 import b64decode, b64encode
from importlib import import_module
from typing import NoReturn

from loom.errors import ConfigError, MissingKey

SIZE = 32
VARIABLE = "LOOM_KEY"
SERVICE = "loom"
_SECRET = 0o077  # the bits of a mode that let others in
_MOST = 4096  # no key file is larger

# Nothing in this module may raise while a local variable holds key material: tracebacks show locals. Hence functions
# that return None where others would raise, and raising where the material is not in sight.


class MasterKey:
    """32 random bytes that every other key of a store is kept under; ``origin`` says in words where they came from.

    They are not shown by ``repr``, cannot be pickled, and only ``derive`` uses them.
    """

    __slots__ = ("_bytes", "origin")

    def __init__(self, key: bytes, origin: str = "the program") -> None:
        """Raises ConfigError when *key* is not 32 bytes."""
        size, fits = len(key), isinstance(key, bytes) and len(key) == SIZE
        self._bytes = key if fits else b""
        self.origin = origin
        del key
        if not fits:
            raise ConfigError(f"the key from {origin} has {size} bytes, not {SIZE}")

    def derive(self, purpose: bytes) -> bytes:
        """32 bytes for one *purpose* (HKDF-Expand of RFC 5869 with SHA-256), from which the key cannot be told."""
        return hmac.digest(self._bytes, b"loom/1/" + purpose + b"\x01", "sha256")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MasterKey):
            return NotImplemented
        return hmac.compare_digest(self._bytes, other._bytes)

    __hash__ = None  # type: ignore[assignment]  # a secret is no key of a dictionary

    def __repr__(self) -> str:
        return f"<MasterKey from {self.origin}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a master key is not pickled")


def find_master_key(source: str | None = None) -> MasterKey | None:
    """The key that *source* names; without one the key of the variable LOOM_KEY, or None where that is not set.

    ``"env"``, ``"env:NAME"``: a variable with the base64 of 32 bytes. ``"keyring"``, ``"keyring:NAME"``: the system's
    keyring, service "loom". Anything else, with or without ``"file:"`` before it: the path of a key file. Raises
    ConfigError for a key that cannot be used and MissingKey when there is none where *source* says.
    """
    if source is None:
        return None if os.environ.get(VARIABLE) is None else _from_environment(VARIABLE)
    kind, _, name = source.partition(":")
    if kind == "env":
        return _from_environment(name or VARIABLE)
    if kind == "keyring":
        return _from_keyring(name or "default")
    return read_key_file(name if kind == "file" else source)


def read_key_file(path: str) -> MasterKey:
    """The key in the file *path*: base64 of 32 bytes, or 32 bytes.

    Raises MissingKey when there is no such file, and ConfigError when it is not a file, belongs to somebody else, may
    be read by others or holds no key.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        raise MissingKey(f"there is no key file {path}; make one with: loom store key --new {path}") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"key file {path!r} cannot be opened: {error}") from None
    try:
        _check_file(path, os.fstat(file))
        key = _usable(os.read(file, _MOST), f"the file {path}")
    finally:
        os.close(file)
    if key is None:
        raise ConfigError(f"key file {path} does not hold a key: {_WANTED}")
    return key


def generate_key_file(path: str) -> MasterKey:
    """Write a new random key into the file *path*, which nobody else may read; it must not exist. Returns the key.

    Raises ConfigError when it exists or cannot be written: a key that is overwritten takes its store with it.
    """
    key = MasterKey(os.urandom(SIZE), f"the file {path}")
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError(f"{path} exists already; a key is never overwritten, choose another name") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"key file {path!r} cannot be made: {error}") from None
    failed = _write_key(file, key) or _sync_folder(path)
    if failed:
        os.unlink(path)
        raise ConfigError(f"key file {path} cannot be written: {failed}; it was removed")
    return key


_WANTED = f"the base64 of {SIZE} random bytes is wanted; loom store key --new FILE makes one"


def _check_file(path: str, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(f"key file {path} is not a regular file")
    if found.st_uid != os.geteuid():
        raise ConfigError(
            f"key file {path} belongs to user {found.st_uid}, not to this process's user {os.geteuid()}; "
            f"run: chown {os.geteuid()} {path}"
        )
    if found.st_mode & _SECRET:
        mode = stat.S_IMODE(found.st_mode)
        raise ConfigError(f"key file {path} may be used by others (mode {mode:04o}); run: chmod 600 {path}")


def _from_environment(name: str) -> MasterKey:
    if os.environ.get(name) is None:
        raise MissingKey(f"the variable {name} is not set; set it to a key: {_WANTED}")
    key = _usable(os.environ[name].encode("ascii", "replace"), f"the variable {name}")
    if key is None:
        raise ConfigError(f"the variable {name} does not hold a key: {_WANTED}")
    return key


def _from_keyring(name: str) -> MasterKey:
    try:
        keyring = import_module("keyring")
    except ImportError:
        raise MissingKey(
            "the package 'keyring' is not installed; run: python -m pip install keyring"
        ) from None
    place = f"the keyring's entry {name!r} of service {SERVICE!r}"
    try:
        key = _usable((keyring.get_password(SERVICE, name) or "").encode("ascii", "replace"), place)
    except Exception as error:  # noqa: BLE001 - a keyring is a stranger's code
        trouble = f"{type(error).__name__}: {error}"
    else:
        if key is not None:
            return key
        trouble = f"no key is there; run: keyring set {SERVICE} {name}, and give it a key: {_WANTED}"
    raise MissingKey(f"{place}: {trouble}")


def _usable(text: bytes, origin: str) -> MasterKey | None:
    """The key that *text* is, or None; raises nothing."""
    if len(text) == SIZE and not _is_text(text):
        return MasterKey(text, origin)
    text = text.strip().rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    try:
        key = b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except ValueError:
        return None
    return MasterKey(key, origin) if len(key) == SIZE else None


def _is_text(key: bytes) -> bool:
    """Whether *key* is something that a person typed; 32 random bytes are no UTF-8."""
    try:
        return bool(key.decode())
    except UnicodeDecodeError:
        return False


def _write_key(file: int, key: MasterKey) -> str:
    """Write *key* and wait for the disk; what went wrong in words, nothing when all is well."""
    try:
        os.fchmod(file, 0o600)
        os.write(file, b64encode(key._bytes) + b"\n")
        os.fsync(file)
    except OSError as error:
        return error.strerror or str(error)
    finally:
        os.close(file)
    return ""


def _sync_folder(path: str) -> str:
    """Wait until the name *path* is on disk: a store must not outlive the key it was sealed with."""
    try:
        folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        return error.strerror or str(error)
    return ""
