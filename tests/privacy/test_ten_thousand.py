"""10,000 generated secrets, in sentences of a dozen languages and in disguise: none leaves."""

from random import Random

import pytest

from loom.models import ModelRequest
from loom.privacy import Guard
from tests.privacy.made import MAKERS, leaked, planted

SEED = 20261123
SECRETS = 10_000
BATCH = 20


@pytest.mark.timeout(300)
def test_none_of_ten_thousand_secrets_leaves() -> None:
    random, kinds = Random(SEED), list(MAKERS)
    for number in range(SECRETS // BATCH):
        cases = [planted(random, kinds[at % len(kinds)]) for at in range(BATCH)]
        input = [{"role": "user", "content": text} for text, _ in cases]
        outbound = Guard().outbound(ModelRequest("chat", input))
        for (text, made), message in zip(cases, outbound.request.input, strict=True):
            for part in made.parts:
                form = leaked(part, message["content"])
                assert form is None, (
                    f"seed {SEED}, batch {number}: {made} in {text!r} left as {form!r}: {message['content']!r}"
                )
        assert outbound.restore(outbound.request.input) == input, f"seed {SEED}, batch {number}"
