"""Writing to people: lines, numbers, and what the terminal can show."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap


def complain(line: str) -> None:
    """One line on standard error."""
    print(line, file=sys.stderr, flush=True)


def say(line: str = "") -> None:
    """One line on standard output, at once."""
    print(line, flush=True)


def is_terminal() -> bool:
    """Whether somebody watches standard output and the terminal can move its cursor."""
    return sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb")


def columns(most: int = 100) -> int:
    """How wide the terminal is, between 40 and *most* characters."""
    return max(40, min(most, shutil.get_terminal_size((80, 24)).columns))


def count(number: float) -> str:
    """A count with thousands separated: 12,345."""
    return f"{number:,.0f}"


def counted(number: int, noun: str) -> str:
    """A count of things: 1 event, 12,345 events."""
    return f"{count(number)} {noun if number == 1 else noun + 's'}"


def milliseconds(seconds: float) -> str:
    """A duration as milliseconds with as many digits as it deserves: 0.42, 4.2, 42, 420."""
    value = seconds * 1000
    digits = 2 if value < 1 else 1 if value < 100 else 0
    return f"{value:.{digits}f}"


def megabytes(size: float) -> str:
    """Bytes as whole megabytes (10^6)."""
    return f"{size / 1e6:.0f} MB"


def size(nbytes: float) -> str:
    """Bytes as people read them: 900 bytes, 12.3 kB, 4.5 MB, 6.7 GB."""
    for unit in ("bytes", "kB", "MB"):
        if nbytes < 1000:
            return f"{nbytes:.0f} bytes" if unit == "bytes" else f"{nbytes:.1f} {unit}"
        nbytes /= 1000
    return f"{nbytes:.1f} GB"


def field(label: str, text: str, width: int, indent: int = 11) -> list[str]:
    """A label and its text, wrapped under itself."""
    first, rest = f"{label:{indent}}", " " * indent
    wrapped = textwrap.wrap(text, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
    return wrapped or [label]
