"""The records of Linux input devices (struct input_event), gathered into what the hand did. Pure.

Codes are those of linux/input-event-codes.h.
"""

from __future__ import annotations

import struct
from typing import Any

RECORD = struct.Struct("llHHi")
_SYN, _KEY, _REL, _ABS = 0, 1, 2, 3
_REPORT, _DROPPED = 0, 3
_FIRST_BUTTON = 0x100
"""Codes below are keys of keyboards: they are never looked at, or this would be a way to read what is typed."""
_BUTTONS = {0x110: "left", 0x111: "right", 0x112: "middle", 0x14A: "touch"}
_MOVES = {0: "dx", 1: "dy", 6: "hwheel", 8: "wheel"}
_PLACES = {0: "x", 1: "y"}
_SLOT, _SLOT_X, _SLOT_Y, _SLOT_ID = 0x2F, 0x35, 0x36, 0x39
_MOST_SLOTS = 32


class Records:
    """Takes bytes as they come, gives one dictionary for each report of the device.

    It has "at_ms" (the device's clock) and what changed: "buttons" (name: pressed), "moved", "place", and "contacts"
    (all fingers: {"slot", "x", "y"}). ``dropped`` counts the reports that the kernel had no room for.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._rest = b""
        self._skipping = False
        self._slot = 0
        self._contacts: dict[int, dict[str, int]] = {}
        self._fresh: dict[str, Any] = {}

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """The reports that end within *data*."""
        data = self._rest + data
        whole = len(data) - len(data) % RECORD.size
        self._rest = data[whole:]
        reports: list[dict[str, Any]] = []
        for seconds, micros, kind, code, value in RECORD.iter_unpack(data[:whole]):
            if kind == _SYN:
                self._note_end(code, seconds * 1000 + micros // 1000, reports)
            elif not self._skipping:
                self._note(kind, code, value)
        return reports

    def _note_end(self, code: int, at_ms: int, reports: list[dict[str, Any]]) -> None:
        if code == _DROPPED:
            self.dropped += 1
            self._skipping = True
            self._contacts.clear()
            self._fresh.clear()
        elif code == _REPORT:
            if self._fresh and not self._skipping:
                reports.append({"at_ms": at_ms, **self._fresh})
            self._fresh = {}
            self._skipping = False

    def _note(self, kind: int, code: int, value: int) -> None:
        if kind == _KEY and code >= _FIRST_BUTTON:
            self._part("buttons")[_BUTTONS.get(code, f"button{code:x}")] = bool(value)
        elif kind == _REL and code in _MOVES:
            moved = self._part("moved")
            moved[_MOVES[code]] = moved.get(_MOVES[code], 0) + value
        elif kind == _ABS and code in _PLACES:
            self._part("place")[_PLACES[code]] = value
        elif kind == _ABS:
            self._note_finger(code, value)

    def _note_finger(self, code: int, value: int) -> None:
        if code == _SLOT:
            self._slot = value
        if code not in (_SLOT_X, _SLOT_Y, _SLOT_ID) or not 0 <= self._slot < _MOST_SLOTS:
            return
        if code == _SLOT_ID and value < 0:
            self._contacts.pop(self._slot, None)
        else:
            contact = self._contacts.setdefault(self._slot, {"slot": self._slot})
            if code != _SLOT_ID:
                contact["x" if code == _SLOT_X else "y"] = value
        self._fresh["contacts"] = [dict(each) for _, each in sorted(self._contacts.items())]

    def _part(self, name: str) -> dict[str, Any]:
        part: dict[str, Any] = self._fresh.setdefault(name, {})
        return part
