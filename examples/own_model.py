"""A model of your own: anything with tasks and an `infer` is a backend, and agents ask for the task, not for it.

It prints:
    negative (by lexicon)
    positive (by lexicon)
"""

import asyncio

from loom import Loom, on
from loom.models import ModelReply


class Lexicon:
    """Sentiment by counting words."""

    name, tasks, location = "lexicon", frozenset({"text.sentiment"}), "local"
    good, bad = {"love", "great", "warm"}, {"hate", "cold", "broken"}

    async def infer(self, request):
        words = set(request.input.split())
        mood = "negative" if len(words & self.bad) > len(words & self.good) else "positive"
        return ModelReply({"mood": mood, "by": self.name}, self.name, queue_ms=0.0, total_ms=0.0)

    async def close(self):
        pass

    def statistics(self):
        return {}


@on("user.said")
async def listen(event, ctx):
    answer = await ctx.ask("text.sentiment", event.payload, timeout=2)
    print(f"{answer['mood']} (by {answer['by']})")


async def main():
    async with Loom() as loom:
        loom.add(listen).add_model(Lexicon())
        await loom.publish("user.said", "the heating is broken and i hate it")
        await loom.publish("user.said", "it is warm again")
        await loom.idle()


asyncio.run(main())
