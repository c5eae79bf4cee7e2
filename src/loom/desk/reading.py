"""Bytes of a file that somebody dropped -> text with the lines it had there, or the reason why not. Pure.

Everything here is hostile until it is parsed: sizes are bounded before, nesting and encodings while it is read.
"""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import PurePath
from typing import NamedTuple

MOST_BYTES = 2_000_000  # of one file
MOST_CHARACTERS = 200_000  # of one text; what comes after is told, and not filed
_CODE = frozenset({
    ".py", ".pyi", ".js", ".mjs", ".ts", ".tsx", ".jsx", ".c", ".h", ".cc", ".cpp", ".hpp", ".rs", ".go", ".java",
    ".kt", ".swift", ".rb", ".sh", ".bash", ".sql", ".lua", ".pl", ".r", ".cs", ".scala", ".zig", ".css", ".toml",
    ".ini", ".cfg", ".yaml", ".yml", ".make", ".mk", ".cmake", ".gradle", ".tf",
})  # fmt: skip
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF: nothing installed here reads these"),
    (b"PK\x03\x04", "an archive or an office document: nothing here reads these"),
    (b"\xd0\xcf\x11\xe0", "an old office document: nothing here reads these"),
    (b"\x1f\x8b", "compressed"),
    (b"7z\xbc\xaf", "compressed"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"OggS", "sound"),
    (b"ID3", "sound"),
    (b"fLaC", "sound"),
    (b"SQLite format 3", "a database"),
)
_PICTURES: tuple[bytes, ...] = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_BLOCKS = frozenset({
    "p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "section", "article", "table", "ul", "ol", "pre",
    "blockquote", "title",
})  # fmt: skip
_SILENT = frozenset({"script", "style", "template", "noscript", "svg"})


class Reading(NamedTuple):
    """What a file says: its text, and what its form says of its kind (``""`` where only the words can tell)."""

    text: str
    form: str = ""


class Refusal(NamedTuple):
    """Why a file is not read, in words for whoever dropped it."""

    reason: str


def read(name: str, data: bytes) -> Reading | Refusal:
    """The text of a file called *name* that holds *data*, line for line where the file has lines."""
    if len(data) > MOST_BYTES:
        return Refusal(f"too large: {len(data):,} bytes; at most {MOST_BYTES:,} are read")
    if not data.strip(b"\0 \t\r\n"):
        return Refusal("empty" if not data.strip() else "nothing but zeros: still being written?")
    for magic, what in _MAGIC:
        if data.startswith(magic):
            return Refusal(what)
    if data.startswith(_PICTURES) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP"):
        return Reading("", "picture")
    text = _decoded(data)
    return text if isinstance(text, Refusal) else _by_form(PurePath(name).suffix.lower(), text)


def _decoded(data: bytes) -> str | Refusal:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _or_refusal(data, "utf-16")
    if b"\0" in data:
        return Refusal("binary, not text")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            return Refusal("ends in the middle of a letter: still being written?")
        text = data.decode("cp1252", "replace")
    if len(_CONTROL.findall(text)) * 50 > len(text) or text.count("\ufffd") * 20 > len(text):
        return Refusal("binary, not text")
    return _lines(text)


def _or_refusal(data: bytes, encoding: str) -> str | Refusal:
    try:
        return _lines(data.decode(encoding))
    except UnicodeDecodeError:
        return Refusal("ends in the middle of a letter: still being written?")


def _lines(text: str) -> str:
    """One kind of line end, so that line 7 here is line 7 in any editor; no sign that moves a terminal's cursor."""
    return _CONTROL.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n").replace("\x1b", " "))


def _by_form(suffix: str, text: str) -> Reading | Refusal:
    if suffix == ".json":
        return _json(text)
    if suffix in (".csv", ".tsv"):
        return Reading(_table(text, "\t" if suffix == ".tsv" else ","), "table")
    if suffix in (".html", ".htm", ".xhtml") or text.lstrip()[:15].lower().startswith(
        ("<!doctype html", "<html")
    ):
        return _html(text)
    return Reading(text, "code" if suffix in _CODE or text.startswith("#!") else "")


def _json(text: str) -> Reading | Refusal:
    try:
        json.loads(text)
    except RecursionError:
        return Refusal("JSON that is nested too deep to be read")
    except ValueError as error:
        return Refusal(f"not whole JSON ({error}): still being written?"[:160])
    return Reading(text, "data")


def _table(text: str, delimiter: str) -> str:
    """Each row as ``column: value`` pairs on the line where it ends, so that a row can be found by what it says."""
    try:
        dialect = csv.Sniffer().sniff(text[:4096], ",;\t|").delimiter
    except csv.Error:
        dialect = delimiter
    lines: list[str] = []
    head: list[str] = []
    rows = csv.reader(io.StringIO(text), delimiter=dialect)
    try:
        for row in rows:
            said = "; ".join(row) if not head else _row(head, row)
            head = head or [cell.strip() for cell in row]
            lines += [""] * (rows.line_num - len(lines) - 1) + [said]
    except csv.Error:
        return text  # whatever it is, its lines can be read
    return "\n".join(lines)


def _row(head: list[str], row: list[str]) -> str:
    names = [*head, *[""] * (len(row) - len(head))]
    pairs = (
        f"{name}: {cell.strip()}" if name else cell
        for name, cell in zip(names, row, strict=False)
        if cell.strip()
    )
    return ", ".join(pairs).replace("\n", " ")


class _Page(HTMLParser):
    """Gathers what a reader of the page would see, by the line of the source where it stands."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: dict[int, list[str]] = {}
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._silent += tag in _SILENT

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in _SILENT and self._silent > 0
        if tag in _BLOCKS and self.lines:
            self.lines[max(self.lines)].append(" ")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            first, _ = self.getpos()
            for number, part in enumerate(data.split("\n"), first):
                self.lines.setdefault(number, []).append(part)


def _html(text: str) -> Reading | Refusal:
    page = _Page()
    try:
        page.feed(text)
        page.close()
    except (AssertionError, RecursionError, ValueError) as error:
        return Refusal(f"HTML that cannot be parsed ({error})"[:160])
    count = max(page.lines, default=0)
    lines = (" ".join("".join(page.lines.get(number, [])).split()) for number in range(1, count + 1))
    said = "\n".join(lines)
    return Reading(said) if said.strip() else Refusal("a page that says nothing")
