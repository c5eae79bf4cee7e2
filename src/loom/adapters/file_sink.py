"""Files of one granted folder as actions: write, append, read and list."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from loom.actions import Action, action
from loom.actions.action import ACTION
from loom.adapters._granted_folder import GrantedFolder
from loom.errors import ActionFailed, ConfigError

MOST_ENTRIES = 1000


class FileSink:
    """The sink with NAME.read and NAME.list, and unless *read_only* NAME.write and NAME.append, inside *folder*."""

    def __init__(
        self, name: str, folder: Path, *, max_size: int = 10_000_000, read_only: bool = False
    ) -> None:
        if not 0 <= max_size <= 1_000_000_000:
            raise ConfigError(f"{name}: max_size is {max_size}; use 0 to 1000000000 bytes")
        self.name = name
        self.folder = GrantedFolder(folder, max_size)
        made = [self._read(), self._list()]
        self._actions = made if read_only else [*made, self._write(), self._append()]

    def actions(self) -> Iterable[Action]:
        """NAME.read, NAME.list, NAME.write, NAME.append."""
        return list(self._actions)

    async def close(self) -> None:
        """Nothing is open between actions."""

    def _write(self) -> Action:
        @action(f"{self.name}.write", idempotent=True, interruptible=False, attempts=1)
        async def write(path: str, text: str) -> dict[str, Any]:
            """Put a text in the place of a whole file: {"size": bytes}."""
            return {"size": await asyncio.to_thread(self.folder.write, path, _encoded(text))}

        return _action(write)

    def _append(self) -> Action:
        @action(f"{self.name}.append", interruptible=False, attempts=1)
        async def append(path: str, text: str) -> dict[str, Any]:
            """Add a text at the end of a file, as it is (write the line end yourself): {"size": bytes}."""
            return {"size": await asyncio.to_thread(self.folder.append, path, _encoded(text))}

        return _action(append)

    def _read(self) -> Action:
        @action(f"{self.name}.read", idempotent=True, attempts=1)
        async def read(path: str) -> str:
            """The text of a file, UTF-8."""
            data = await asyncio.to_thread(self.folder.read, path)
            try:
                return data.decode("utf-8")
            except UnicodeDecodeError as error:
                raise ActionFailed(f"{path!r} is no UTF-8 text: byte {error.start}") from None

        return _action(read)

    def _list(self) -> Action:
        @action(f"{self.name}.list", idempotent=True, attempts=1)
        async def list_(path: str = "") -> dict[str, Any]:
            """The entries of a folder by name: {"entries": [{"name", "kind", "size", "mtime_ms"}], "more": bool}."""
            entries = await asyncio.to_thread(self.folder.entries, path, MOST_ENTRIES + 1)
            return {"entries": entries[:MOST_ENTRIES], "more": len(entries) > MOST_ENTRIES}

        return _action(list_)


def _action(function: Callable[..., Any]) -> Action:
    made: Action = getattr(function, ACTION)
    return made


def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ActionFailed(
            f"the text has a character that is none, at {error.start}: {error.reason}"
        ) from None


def file(name: str, home: Path, folder: str, max_size: int = 10_000_000, read_only: bool = False) -> FileSink:
    """The actions NAME.read, .list, .write and .append inside *folder* (below *home* if it is relative)."""
    return FileSink(name, home / Path(folder).expanduser(), max_size=max_size, read_only=read_only)
