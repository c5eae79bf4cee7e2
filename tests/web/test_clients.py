"""What programs that people have send and expect, as it was seen of them; docs/how-to/gateway.md names them."""

from __future__ import annotations

from typing import Any

import anthropic
import openai
import pytest

from loom.errors import BudgetExceeded
from tests.web.conftest import Capable

HI: Any = [{"role": "user", "content": "Hi"}]


def spent(request: Any) -> Any:
    raise BudgetExceeded("none left today", budget="b", kind="calls", resets_ms=4_102_444_800_000)


async def test_clients_that_retry_by_themselves_do_not_wait_for_another_day(serve: Any) -> None:
    backend = Capable("chat", spent)
    async with serve(backend) as gateway:
        async with anthropic.AsyncAnthropic(base_url=gateway.url, api_key="none") as client:
            with pytest.raises(anthropic.RateLimitError, match="none left today"):
                await client.messages.create(model="auto", max_tokens=9, messages=HI)
        async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="none") as other:
            with pytest.raises(openai.RateLimitError, match="none left today"):
                await other.chat.completions.create(model="auto", messages=HI)
    assert len(backend.requests) == 2
