"""Whether the desk truly worked: what must hold, each with its numbers. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from loom.cli._desk_papers import BROKEN, Known
from loom.cli._desk_script import Seen
from loom.cli._output import counted


class Check(NamedTuple):
    """One thing that must hold."""

    ok: bool
    text: str


def verdict(seen: Seen) -> list[Check]:
    """Every check of a finished script."""
    return [*_files(seen), *_answers(seen), *_books(seen)]


def right(known: Known, answer: dict[str, Any]) -> bool:
    """Whether an answer is the known one: its best passage is of the right file, and one shown has the right word."""
    hits = answer.get("hits", [])
    if not known.name:
        return not hits and not answer.get("error")
    best = hits[0]["name"] if hits else ""
    return best == known.name and any(known.word in hit["text"] for hit in hits if hit["name"] == known.name)


def _files(seen: Seen) -> Iterator[Check]:
    absent = sorted(set(seen.expected) - set(seen.papers))
    extra = sorted(set(seen.papers) - set(seen.expected))
    ok = bool(seen.expected) and not absent and not extra and not seen.unsettled
    wrong = f"; missing: {', '.join(absent) or 'none'}, too many: {', '.join(extra) or 'none'}"
    text = f"what is in the folder is what is on the desk: {counted(len(seen.papers), 'file')}"
    yield Check(ok, text if not absent and not extra else text + wrong)
    twice = sorted(set(seen.before) & set(seen.filed) - {"meeting-2026-03-09.md"})
    text = f"kill -9 after {counted(len(seen.before), 'file')}: none of them was read again"
    yield Check(bool(seen.before) and not twice, text if not twice else f"{text}, but for {', '.join(twice)}")
    again = [name for name, times in Counter(seen.filed).items() if times > _times(name, seen)]
    yield Check(not again, f"no file was filed twice{': ' + ', '.join(again) if again else ''}")
    silent = sorted(set(BROKEN) - set(seen.troubled))
    text = f"files that cannot be read were told: {', '.join(sorted(seen.troubled)) or 'none'}"
    yield Check(not silent, text if not silent else f"{text}; not {', '.join(silent)}")


def _times(name: str, seen: Seen) -> int:
    """How often a file was to be filed after the kill: the one that changed once more."""
    return 2 if name == "meeting-2026-03-09.md" and name not in seen.before else 1


def _answers(seen: Seen) -> Iterator[Check]:
    known = [(k, a) for k, a in seen.answers if k.name]
    unknown = [(k, a) for k, a in seen.answers if not k.name]
    for pairs, text in (
        (known, "questions that the right file answered"),
        (unknown, "questions that no file answers"),
    ):
        wrong = [k.question for k, a in pairs if not right(k, a)]
        said = f"{text}: {len(pairs) - len(wrong)} of {len(pairs)}"
        yield Check(bool(pairs) and not wrong, said if not wrong else f"{said}; not {'; '.join(wrong)}")
    told = {a["line"]["text"] for _, a in known if a.get("line")}
    yield Check(len(told) > 1, f"different questions gave {len(told)} different answers")
    yield Check(
        seen.waiting > 0, f"a question overtook {counted(seen.waiting, 'file')} that waited to be read"
    )
    labels = sorted({a.get("label", "none") for _, a in seen.answers})
    yield Check(labels == ["private, untrusted"], f"answers are labelled: {', '.join(labels) or 'none'}")


def _books(seen: Seen) -> Iterator[Check]:
    yield Check(seen.left == 0, f"accepted events left undone: {seen.left}")
    yield Check(seen.dead == 0, f"dead letters: {seen.dead}")
