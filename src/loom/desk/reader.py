"""The agent that reads: each file once, in the background, whatever else is going on."""

from __future__ import annotations

import os
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

from loom.agent import Agent, Context, on
from loom.desk.kinds import KINDS, by_form
from loom.desk.looking import look, missing
from loom.desk.passages import MOST_PASSAGES, Passage, passages, sentences
from loom.desk.pictures import described, frame, open_picture
from loom.desk.reading import MOST_CHARACTERS
from loom.desk.summary import cut, outline, summarise
from loom.desk.topics import CENSUS, FILE, FOLDER, GONE, PAGE, PRIVATE, TROUBLE
from loom.desk.vectors import centrality, pack
from loom.errors import NoBackend
from loom.event import Event, QoS

MOST_FILES = 500
MOST_IN_ALL = 4000  # passages of all files together: 2 MB of text and 1.5 MB of vectors
BATCH = 8  # texts embedded in one call: a question waits for one call at most
SURE = 0.2  # how near the best kind must be to be said at all
PATIENCE = 60.0  # seconds for one call of a model, its start included


@dataclass
class Seen:
    """A file as it was when it was read, and how many of its passages were filed: 0 where it could not be."""

    size: int
    mtime_ms: int
    sure: bool
    digest: str
    passages: int


class Reader(Agent, name="reader"):
    """Reads what is dropped, says what kind it is and what it is about, and passes it on in passages with vectors."""

    seen: dict[str, Seen] = {}

    @on(f"{FOLDER}.*", qos=QoS.BACKGROUND)
    async def arrive(self, event: Event, ctx: Context) -> None:
        """What the folder tells, labelled: from here on nothing that is derived from it may leave the machine."""
        ctx.publish(FILE, event.payload, label=PRIVATE)

    @on(FILE, qos=QoS.BACKGROUND)
    async def read(self, event: Event, ctx: Context) -> None:
        told = event.payload
        path = str(told["path"])
        if told.get("before"):
            self._forget(str(told["before"]), ctx)
        if told.get("change") == "deleted":
            self._forget(path, ctx)
            return
        await self._look(path, ctx)

    @on(CENSUS, qos=QoS.BACKGROUND)
    async def count(self, event: Event, ctx: Context) -> None:
        """Forget what went while nobody looked."""
        root = str(event.payload["root"])
        for path in await ctx.run(missing, sorted(self.seen), root, where="thread"):
            self._forget(path, ctx)

    async def on_error(self, event: Event, error: Exception, ctx: Context) -> None:
        """A file whose reading failed for good is told, and the desk goes on."""
        if isinstance(event.payload, dict) and "path" in event.payload:
            reason = f"reading it failed: {error}"[:200]
            self._refuse(str(event.payload["path"]), {"reason": reason, "again": True}, ctx)

    # --- inside ---------------------------------------------------------------------------------------------------

    async def _look(self, path: str, ctx: Context) -> None:
        old = self.seen.get(path)
        known = [old.size, old.mtime_ms, old.sure, old.digest] if old else []
        found = await ctx.run(look, path, known, where="thread")
        if "gone" in found:
            self._forget(path, ctx)
        elif "same" in found and old:
            self.seen[path] = Seen(
                found["size"], found["mtime_ms"], found["sure"], found["digest"], old.passages
            )
        elif "reason" in found:
            self._refuse(path, found, ctx)
        elif (full := self._full(path)) is not None:
            self._refuse(path, {"reason": full, "again": True}, ctx)
        else:
            await self._file(path, found, ctx)

    async def _file(self, path: str, found: dict[str, Any], ctx: Context) -> None:
        name = os.path.basename(path)
        if found["form"] == "picture":
            found = {**found, **await _picture(path, name, ctx)}
        text = found.get("text", "")[:MOST_CHARACTERS]
        every = passages(text)
        if not every:
            self._refuse(path, {"reason": "nothing in it that can be read", **found}, ctx)
            return
        kept = every[: min(MOST_PASSAGES, MOST_IN_ALL - self._filed(path))]
        vectors = await _embedded([passage.text for passage in kept], ctx)
        kind = await _kind(name, found["form"], kept, ctx)
        summary = await _summary(found["form"], text, ctx)
        self.seen[path] = Seen(found["size"], found["mtime_ms"], found["sure"], found["digest"], len(kept))
        whole = len(kept) == len(every) and len(text) == len(found["text"])
        page = {
            "path": path, "name": name, "digest": found["digest"], "kind": kind, "summary": summary, "whole": whole,
            "texts": [p.text for p in kept], "firsts": [p.first for p in kept], "lasts": [p.last for p in kept],
            "vectors": b64encode(vectors).decode(),  # an event is JSON
        }  # fmt: skip
        ctx.publish(PAGE, page, label=PRIVATE)

    def _refuse(self, path: str, found: dict[str, Any], ctx: Context) -> None:
        self._forget(path, ctx)
        if not found.get("again"):
            self.seen[path] = Seen(found["size"], found["mtime_ms"], found["sure"], found["digest"], 0)
        self._trouble(path, found["reason"], ctx)

    def _forget(self, path: str, ctx: Context) -> None:
        if self.seen.pop(path, None) is not None:
            ctx.publish(GONE, {"path": path, "name": os.path.basename(path)}, label=PRIVATE)

    def _trouble(self, path: str, reason: str, ctx: Context) -> None:
        ctx.publish(TROUBLE, {"path": path, "name": os.path.basename(path), "reason": reason}, label=PRIVATE)

    def _filed(self, without: str) -> int:
        """How many passages of other files are on the shelf."""
        return sum(seen.passages for path, seen in self.seen.items() if path != without)

    def _full(self, path: str) -> str | None:
        if path not in self.seen and len(self.seen) >= MOST_FILES:
            return f"the desk is full: {MOST_FILES} files; take some away"
        if self._filed(path) >= MOST_IN_ALL:
            return f"the desk is full: {MOST_IN_ALL} passages; take some files away"
        return None


async def _embedded(texts: list[str], ctx: Context) -> bytes:
    """The packed vectors of *texts*, a few at a time, so that whoever is in a hurry gets in between."""
    packed = b""
    for start in range(0, len(texts), BATCH):
        reply = await ctx.ask("embed", texts[start : start + BATCH], timeout=PATIENCE)
        packed += pack(reply["vectors"])
    return packed


async def _kind(name: str, form: str, kept: list[Passage], ctx: Context) -> str:
    """What a file is: as its form says, else as its words do."""
    if form or not kept:
        return by_form(form)
    sample = f"{name}: {' '.join(passage.text for passage in kept)[:600]}"
    scores = await ctx.ask("classify", sample, timeout=PATIENCE, labels=KINDS, threshold=SURE)
    return str(scores[0]["label"] or by_form(""))


async def _summary(form: str, text: str, ctx: Context) -> str:
    said = outline(form, text)
    if said:
        return said
    found = sentences(text)
    if len(found) < 3:
        return cut(" ".join(found) or text)
    return summarise(found, centrality(await _embedded(found, ctx), len(found)))


async def _picture(path: str, name: str, ctx: Context) -> dict[str, Any]:
    """``text``, or ``reason``: what a picture shows as far as there is a model that can say it."""
    seen = await ctx.run(open_picture, path, timeout=PATIENCE)
    if "reason" in seen:
        return {"reason": seen["reason"], "text": ""}
    faces = None
    if "pixels" in seen:
        try:
            faces = len(await ctx.ask("faces.detect", frame(seen), timeout=PATIENCE))
        except NoBackend:  # then it is known by its name and size
            pass
    return {"text": described(name, seen, faces)}
