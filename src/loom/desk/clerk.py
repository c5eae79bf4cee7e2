"""The agent that answers: what the desk says to a question, with the place where it stands."""

from __future__ import annotations

from typing import Any

from loom.agent import Agent, Context, on
from loom.desk.answer import WORDS, Hit, as_hits, best, grounded, is_heading, lines, overlap, prompt, words
from loom.desk.topics import ANSWER, FOUND, PRIVATE, QUESTION, SEARCH
from loom.desk.vectors import cosines, pack
from loom.errors import LoomError, NoBackend
from loom.event import Event, QoS

LONGEST = 1000  # characters of a question; the embedder reads no more
CANDIDATES = 16  # sentences of which one is quoted
HEADING = 0.25  # what a line loses that only names what follows
PATIENCE = 60.0


class Clerk(Agent, name="clerk"):
    """Answers questions from the shelf: the passages at once, a line of them, and what a chat model makes of it.

    What the model says is shown beside the passage, never in its place, and only when every number and most words of
    it stand in the passages. A question is a text, or ``{"text", "chat"}``: with *chat* false no model words it.
    """

    asked: int = 0

    @on(QUESTION, qos=QoS.REALTIME)
    async def answer(self, event: Event, ctx: Context) -> dict[str, Any]:
        """The answer: ``question``, ``hits``, ``line`` (the one to quote), ``model``, ``refused`` or ``failed``."""
        asked = event.payload if isinstance(event.payload, dict) else {"text": event.payload}
        question = " ".join(str(asked.get("text", "")).split())[:LONGEST]
        self.asked += 1
        try:
            said = await self._answer(question, bool(asked.get("chat", True)), ctx)
        except LoomError as error:  # a model that died: said, and the next question works
            said = {"question": question, "hits": [], "error": str(error)}
        ctx.publish(ANSWER, said, label=PRIVATE)
        return said

    async def _answer(self, question: str, chat: bool, ctx: Context) -> dict[str, Any]:
        if not question:
            return {"question": "", "hits": []}
        vector = pack((await ctx.ask("embed", [question], timeout=PATIENCE))["vectors"])
        wanted = {"vector": vector, "words": words(question), "most": 12}
        hits = best(as_hits((await ctx.request(SEARCH, wanted, label=PRIVATE)).payload))
        said: dict[str, Any] = {"question": question, "hits": [hit._asdict() for hit in hits]}
        if not hits:
            return said
        line = await _line(vector, hits, words(question), ctx)
        said["line"] = line._asdict()
        ctx.emit(FOUND, said, label=PRIVATE)
        return {**said, **(await self._worded(question, hits, ctx) if chat else {})}

    async def _worded(self, question: str, hits: list[Hit], ctx: Context) -> dict[str, Any]:
        try:
            reply = await ctx.ask(
                "chat", prompt(question, hits), timeout=PATIENCE, max_tokens=48, temperature=0.0
            )
        except NoBackend:
            return {}
        except LoomError as error:
            return {"failed": str(error)[:200]}
        text = " ".join(str(reply["text"]).split())
        return {"model": text} if grounded(text, hits, question) else {"refused": text[:200]}


async def _line(vector: bytes, hits: list[Hit], wanted: list[str], ctx: Context) -> Hit:
    """The sentence of the passages that fits best by itself."""
    sentences = [line for hit in hits for line in lines(hit)][:CANDIDATES]
    packed = pack((await ctx.ask("embed", [line.text for line in sentences], timeout=PATIENCE))["vectors"])
    alone = cosines(vector, packed)
    scores = [
        near + 0.5 * line.score + WORDS * overlap(wanted, line.text) - HEADING * is_heading(line)
        for near, line in zip(alone, sentences, strict=True)
    ]
    return sentences[max(range(len(sentences)), key=scores.__getitem__)]
