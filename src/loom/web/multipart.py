"""The parts of a form with files (RFC 7578), from the bytes of a stranger. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from loom.web.refusal import Refusal, bad

MOST_PARTS = 32
MOST_HEAD = 8_192
_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_PARAMETER = re.compile(r';\s*([\w*]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))')


class Part(NamedTuple):
    """One field of a form; *filename* is empty for what is no file."""

    data: bytes
    filename: str = ""


def read_form(data: bytes, content_type: str) -> Mapping[str, Part]:
    """The parts in *data* by name; raises Refusal for what is no such form, or has a name twice."""
    if not content_type.lower().startswith("multipart/form-data"):
        raise Refusal(
            415, "content_type", f"send multipart/form-data, not {content_type[:60] or 'nothing'!r}"
        )
    match = _BOUNDARY.search(content_type)
    if match is None:
        raise bad("the content type names no boundary", code="invalid_form")
    mark = b"--" + (match[1] or match[2]).encode("latin-1")
    if not data.startswith(mark):
        raise bad("the form does not begin with its boundary", code="invalid_form")
    pieces = data[len(mark) :].split(b"\r\n" + mark, MOST_PARTS + 1)
    if len(pieces) > MOST_PARTS + 1:
        raise bad(f"the form has over {MOST_PARTS} parts", code="invalid_form")
    if not pieces[-1].startswith(b"--"):
        raise bad("the form ends before its last boundary", code="invalid_form")
    return _named(pieces[:-1])


def _named(pieces: list[bytes]) -> dict[str, Part]:
    found: dict[str, Part] = {}
    for piece in pieces:
        name, part = _part(piece)
        if name in found:
            raise bad(f"the form has {name[:60]!r} twice", name[:60], "invalid_form")
        found[name] = part
    return found


def _part(piece: bytes) -> tuple[str, Part]:
    head, empty, data = piece.lstrip(b" \t").removeprefix(b"\r\n").partition(b"\r\n\r\n")
    if not empty or len(head) > MOST_HEAD:
        raise bad("a part of the form has no head, or one that is too long", code="invalid_form")
    for line in head.decode("utf-8", "replace").split("\r\n"):
        kind, _, value = line.partition(":")
        if kind.strip().lower() != "content-disposition":
            continue
        said = {each[1].lower(): each[2] or each[3] or "" for each in _PARAMETER.finditer(value)}
        if "name" in said:
            return said["name"], Part(data, (said["filename"] or "file") if "filename" in said else "")
    raise bad("a part of the form has no name", code="invalid_form")
