"""The operating system's word on what changes in a folder, by watchdog, from its threads. A leaf."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable

from watchdog.events import (
    DirModifiedEvent,
    FileClosedNoWriteEvent,
    FileOpenedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

from loom.adapters._folder_hints import Hints

_NOTHING = (DirModifiedEvent, FileOpenedEvent, FileClosedNoWriteEvent)


class Watch(FileSystemEventHandler):
    """Watches *root* from now on and hands each touched path, as *below* calls it, to *hints*.

    Raises OSError when the system has no watches left. ``close`` ends the threads.
    """

    def __init__(self, root: str, recursive: bool, hints: Hints, below: Callable[[str], str | None]) -> None:
        self._hints = hints
        self._below = below
        # watchdog says so for each sub-folder that is renamed, and goes on
        warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning, "watchdog")
        self._observer = Observer()
        try:
            self._observer.schedule(self, root, recursive=recursive)
            self._observer.start()
        except BaseException:  # its threads have begun
            self._observer.stop()
            raise

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Called by watchdog's thread: says which paths were touched, never waits."""
        if isinstance(event, _NOTHING):
            return
        if event.is_directory:  # what came, went or was renamed with it is found by looking
            self._hints.look()
            return
        for path in (event.src_path, event.dest_path):
            name = self._below(os.fsdecode(path)) if path else None
            if name is not None:
                self._hints.touch(name)

    @property
    def alive(self) -> bool:
        """Whether the threads still watch."""
        return bool(self._observer.is_alive() and all(e.is_alive() for e in self._observer.emitters))

    def close(self) -> None:
        """Watch no more; waits for the threads."""
        self._observer.stop()
        self._observer.join()
