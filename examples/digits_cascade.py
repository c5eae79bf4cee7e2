"""A cascade: a small model reads digits, and a big one is asked when the small one is not sure. Needs scikit-learn.

It prints:
    small alone: 0.844 right, big alone: 0.988
    cascade: 0.987 right, 505 of 899 asked of the big one too
    as many by chance: 0.927 right
"""

import asyncio
from random import Random

from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from loom.models import ModelReply, ModelRequest
from loom.router import Policy, Router

PICTURES, DIGITS = load_digits(return_X_y=True)
TAUGHT, ASKED, KNOWN, RIGHT = train_test_split(PICTURES / 16, DIGITS, test_size=0.5, random_state=0)


class Reader:
    tasks = frozenset({"digit"})

    def __init__(self, name, location, quality, model, pool):
        self.name, self.location, self.quality, self.pool = name, location, quality, pool
        self.model = model.fit(self.look(TAUGHT), KNOWN)

    def look(self, pictures):
        side = 8 // self.pool
        return pictures.reshape(-1, side, self.pool, side, self.pool).mean((2, 4)).reshape(-1, side**2)

    async def infer(self, request):
        seen = self.look(request.input)
        sure = self.model.predict_proba(seen).max() if hasattr(self.model, "predict_proba") else 1.0
        output = {"digit": self.model.predict(seen)[0], "confidence": sure}
        return ModelReply(output, self.name, queue_ms=0.0, total_ms=0.0)

    async def close(self):
        pass


async def main():
    small = Reader("small", "local", 0.6, LogisticRegression(max_iter=2000), pool=2)
    big = Reader("big", "edge", 0.95, SVC(), pool=1)
    first, second = (each.model.predict(each.look(ASKED)) for each in (small, big))
    router = Router([small, big], policy=Policy(threshold=0.7, band=0.2, hybrid="cascade"))
    replies = [await router.ask(ModelRequest("digit", picture)) for picture in ASKED]
    went = sum(each.backend == "big" for each in replies)
    print(f"small alone: {(first == RIGHT).mean():.3f} right, big alone: {(second == RIGHT).mean():.3f}")
    right = ([each.output["digit"] for each in replies] == RIGHT).mean()
    print(f"cascade: {right:.3f} right, {went} of {len(replies)} asked of the big one too")
    chosen = Random(0).sample(range(len(replies)), went)
    first[chosen] = second[chosen]
    print(f"as many by chance: {(first == RIGHT).mean():.3f} right")


asyncio.run(main())
