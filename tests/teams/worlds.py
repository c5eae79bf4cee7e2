"""A store for teams that have to bear with lost commits."""

from random import Random
from typing import Any

from loom.store import MemoryStore


class Flaky(MemoryStore):
    """Loses one commit in five: the step is rolled back and its event tried again."""

    def __init__(self, chance: Random) -> None:
        super().__init__()
        self.chance = chance

    def commit(self, batch: Any) -> Any:
        if self.chance.random() < 0.2:
            raise ConnectionError("the store did not answer")
        return super().commit(batch)
