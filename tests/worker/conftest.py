"""The worker that most of these tests talk to."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from loom.worker import Worker, WorkerLimits
from tests.worker.worlds import SPEC


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    async with Worker("w", SPEC, {"answer": 42}, limits=WorkerLimits(cancel_grace=0.2)) as made:
        yield made
