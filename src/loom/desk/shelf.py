"""The agent that keeps what was read, and finds it again."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass
from typing import Any

from loom.agent import Agent, Context, on
from loom.desk.answer import WORDS, Hit, overlap
from loom.desk.topics import FILED, GONE, LATEST, PAGE, SEARCH
from loom.desk.vectors import cosines
from loom.event import Event, QoS


@dataclass
class Paper:
    """What is kept of a file: its kind, a summary, and passages with their lines and packed vectors, one each."""

    name: str
    kind: str
    summary: str
    digest: str
    whole: bool
    filed_ms: int
    texts: list[str]
    firsts: list[int]
    lasts: list[int]
    vectors: bytes


class Shelf(Agent, name="shelf"):
    """Every file of the desk as it was read last. Its steps are short, so that whoever searches never waits long."""

    papers: dict[str, Paper] = {}

    @on(PAGE, qos=QoS.BACKGROUND)
    async def file(self, event: Event, ctx: Context) -> None:
        """Put a file on the shelf, in the place of what was there of it."""
        page = dict(event.payload)
        path = page.pop("path")
        paper = Paper(**{**page, "vectors": b64decode(page["vectors"]), "filed_ms": ctx.now_ms()})
        self.papers.pop(path, None)  # the newest one stands last
        self.papers[path] = paper
        told = {
            "name": paper.name,
            "kind": paper.kind,
            "summary": paper.summary,
            "passages": len(paper.texts),
        }
        ctx.publish(FILED, {"path": path, **told, "whole": paper.whole})

    @on(GONE, qos=QoS.BACKGROUND)
    async def forget(self, event: Event) -> None:
        """Take a file away, with all that was in it."""
        self.papers.pop(event.payload["path"], None)

    @on(SEARCH, qos=QoS.REALTIME)
    async def search(self, event: Event) -> list[dict[str, Any]]:
        """The passages that fit best, best first."""
        wanted = event.payload
        return [
            hit._asdict() for hit in search(self.papers, wanted["vector"], wanted["words"], wanted["most"])
        ]

    @on(LATEST, qos=QoS.REALTIME)
    async def latest(self, event: Event) -> list[dict[str, Any]]:
        """What was filed last, newest first: name, kind, summary, filed_ms."""
        newest = list(self.papers.values())[::-1][: int(event.payload or 5)]
        return [{k: getattr(paper, k) for k in ("name", "kind", "summary", "filed_ms")} for paper in newest]


def search(papers: dict[str, Paper], vector: bytes, words: list[str], most: int) -> list[Hit]:
    """The *most* passages of *papers* that fit a question best: by meaning, and a little by its words."""
    wide = len(vector)
    same = [
        (path, paper)
        for path, paper in papers.items()
        if wide and len(paper.vectors) == len(paper.texts) * wide
    ]
    places = [(path, paper, number) for path, paper in same for number in range(len(paper.texts))]
    scores = cosines(vector, b"".join(paper.vectors for _, paper in same))
    near = sorted(range(len(places)), key=lambda each: -scores[each])[
        : 4 * most
    ]  # words decide among these only
    hits = [_hit(places[each], scores[each], words) for each in near]
    return sorted(hits, key=lambda hit: (-hit.score, hit.name, hit.first))[:most]


def _hit(place: tuple[str, Paper, int], score: float, words: list[str]) -> Hit:
    path, paper, number = place
    text = paper.texts[number]
    total = round(score + WORDS * overlap(words, f"{paper.name} {paper.kind} {text}"), 4)
    return Hit(paper.name, paper.firsts[number], paper.lasts[number], text, total, path)
