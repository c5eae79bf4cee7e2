"""A cascade of ears, and whether it is worth it: a quick one that hardly knows when it is wrong. Needs [voice].

It prints:
    wrong words: 12 by the small one, 0 by the big one
    cascade: 5 wrong, 5 of 8 sentences asked of the big one too
    as many by chance: 4.5 wrong
"""

import asyncio
from functools import cache

import numpy as np

from loom import local_model
from loom.models import ModelRequest
from loom.router import Policy, Router

TEXT = (
    "what time is it,turn on the kitchen light,who is at the door,nobody has been at the door since noon,"
    "please remind me to water the plants,it is getting cold in the bedroom,what arrived in the folder this morning,"
    "close the window before it rains"
)


class Ear:
    def __init__(self, use, location, quality):
        self.name, self.location, self.quality, self.model = use, location, quality, local_model(use)
        self.tasks, self.infer, self.close = self.model.tasks, self.model.infer, self.model.close


@cache
def wrong(said, heard):  # words to put right: the distance of Levenshtein (1966)
    if not said or not heard:
        return len(said) + len(heard)
    changed = wrong(said[1:], heard[1:]) + (said[0] != heard[0])
    return min(changed, wrong(said[1:], heard) + 1, wrong(said, heard[1:]) + 1)


async def main():
    voice, small, big = local_model("hibari"), Ear("pocketsphinx", "local", 0.6), Ear("whisper", "edge", 0.9)
    router = Router([small, big], policy=Policy(threshold=0.7, escalate=0.5))
    errors, went = [], 0
    for number, said in enumerate(TEXT.split(",")):
        spoken = np.frombuffer((await voice.infer(ModelRequest("speak", said))).output["pcm"], "<i2")
        pcm = np.interp(np.arange(0, len(spoken), 1.5), np.arange(len(spoken)), spoken)  # 24 to 16 kHz
        pcm += np.random.default_rng(number).normal(0, (0, 20, 0, 60)[number % 4], len(pcm))
        asked = ModelRequest("transcribe", pcm.clip(-32768, 32767).astype("<i2").tobytes())
        replies = [await each(asked) for each in (small.infer, big.infer, router.ask)]
        heard = [each.output["text"].lower().strip(".?") for each in replies]
        errors.append([wrong(tuple(said.split()), tuple(each.split())) for each in heard])
        went += replies[2].backend == big.name
    await asyncio.gather(voice.close(), router.close())
    alone, best, cascade = np.sum(errors, axis=0)
    print(f"wrong words: {alone} by the small one, {best} by the big one")
    print(f"cascade: {cascade} wrong, {went} of {len(errors)} sentences asked of the big one too")
    print(f"as many by chance: {alone + (best - alone) * went / len(errors):.1f} wrong")


asyncio.run(main())
