"""In which line of a TOML document each table and key stands; the standard library's reader does not say.

The document has been read before, so it is valid TOML: what is walked over here need not be checked again.
"""

from __future__ import annotations

import re
import tomllib

Path = tuple[str, ...]
_KEY = re.compile(r"""[ \t]*(?:([A-Za-z0-9_-]+)|"((?:[^"\\]|\\.)*)"|'([^']*)')[ \t]*""")
_TRIPLE = ('"""', "'''")


def places(text: str) -> dict[Path, int]:
    """The line number, from 1, of every table and key; a key inside an inline table has the line of that table.

    The keys of one of several tables, ``[[rules]]``, are below its place among them: ``("rules", "0", "name")``.
    """
    found: dict[Path, int] = {}
    table: Path = ()
    arrays: dict[Path, int] = {}
    index, size = 0, len(text)
    while index < size:
        character = text[index]
        if character in " \t\r\n":
            index += 1
        elif character == "#":
            index = _line_end(text, index)
        elif character == "[":
            opening = 2 if text.startswith("[[", index) else 1
            table, after = _dotted(text, index + opening)
            table = _among(arrays, table)
            if opening == 2:  # one of several: its keys are below its place among them
                arrays[table] = arrays.get(table, -1) + 1
                table = (*table, str(arrays[table]))
            _note(found, (), table, text.count("\n", 0, index) + 1)
            index = _line_end(text, after)
        else:
            key, after = _dotted(text, index)
            _note(found, table, key, text.count("\n", 0, index) + 1)
            index = _value_end(text, after)
    return found


def _among(arrays: dict[Path, int], table: Path) -> Path:
    """*table* with the place of the latest of each array of tables that it is in."""
    if not arrays:
        return table
    found: Path = ()
    for part in table[:-1]:
        found = (*found, part)
        if found in arrays:
            found = (*found, str(arrays[found]))
    return (*found, *table[-1:])


def line_of(found: dict[Path, int], path: Path) -> int:
    """The line of *path*, or of the nearest table around it; 1 when even that is not written out."""
    while path:
        if path in found:
            return found[path]
        path = path[:-1]
    return 1


def _note(found: dict[Path, int], table: Path, key: Path, line: int) -> None:
    for end in range(1, len(key) + 1):
        found.setdefault(table + key[:end], line)


def _dotted(text: str, index: int) -> tuple[Path, int]:
    """The dotted key that begins at *index*, and the index behind it."""
    parts: list[str] = []
    while (match := _KEY.match(text, index)) is not None:
        bare, basic, literal = match.groups()
        parts.append(bare or literal or _unescaped(basic or ""))
        index = match.end()
        if index >= len(text) or text[index] != ".":
            break
        index += 1
    return tuple(parts), max(index, 0)


def _unescaped(text: str) -> str:
    """A basic string without its quotes, read by TOML's own rules."""
    if "\\" not in text:
        return text
    try:
        return str(tomllib.loads(f'key = "{text}"')["key"])
    except tomllib.TOMLDecodeError:
        return text


def _value_end(text: str, index: int) -> int:
    """The index behind the value that begins after the equals sign at or after *index*."""
    depth = 0
    while index < len(text):
        character = text[index]
        if character in "\"'":
            index = _string_end(text, index)
            continue
        if character == "#":
            index = _line_end(text, index)
            continue
        if character == "\n" and depth == 0:
            return index + 1
        depth += (character in "[{") - (character in "]}")
        index += 1
    return index


def _string_end(text: str, index: int) -> int:
    quote = text[index]
    if text[index : index + 3] in _TRIPLE:
        end = re.compile(r'(?:\\.|[^\\])*?"""+' if quote == '"' else r".*?'''+", re.DOTALL).match(
            text, index + 3
        )
    else:
        end = re.compile(r'(?:\\.|[^"\\])*"' if quote == '"' else r"[^']*'").match(text, index + 1)
    return end.end() if end else len(text)


def _line_end(text: str, index: int) -> int:
    end = text.find("\n", index)
    return len(text) if end < 0 else end + 1
