"""Texts and conversations for the laws of redaction: prose, secrets, lookalikes of placeholders, and odd characters."""

from itertools import pairwise
from random import Random

from hypothesis import strategies as st

from loom.privacy.finding import KINDS
from loom.privacy.placeholders import Placeholders
from loom.privacy.redaction import Conversation
from tests.privacy.made import MAKERS, planted

NONCE = "BCDFG"
LETTER = NONCE[0]


def conversation(nonce: str = NONCE) -> Conversation:
    return Conversation(Placeholders(nonce))


secrets = st.builds(
    lambda seed, name: planted(Random(seed), name)[0], st.integers(0, 2**32), st.sampled_from([*MAKERS])
)
lookalikes = st.builds(
    lambda form, kind, number, nonce: form.format(kind, number, nonce),
    st.sampled_from(
        [
            "<{}_{}_{}>",
            "< {} {} {} >",
            "{}_{}_{}",
            "&lt;{}_{}_{}&gt;",
            "<{}_{}_{}",
            "\\<{}\\_{}\\_{}\\>",
            "<{}_{}",
            "{}-{}-{}",
        ]
    ),
    st.sampled_from([*KINDS, "email", "Phone", "OTHER"]),
    st.integers(0, 12) | st.just(10**9),
    st.sampled_from([NONCE, NONCE.lower(), "ZZZZZ", "BCDF", ""]),
)
bits = st.sampled_from(
    [
        "<",
        ">",
        "&",
        "\\",
        "_",
        " ",
        "\n",
        '"',
        "password: ",
        "@",
        "+",
        "1",
        "4111",
        NONCE,
        "\u200b",
        "\ufffc",
        "%40",
        "&lt;",
        "=",
        "::",
        "é",
        "0",
    ]
)
texts = st.lists(st.text(max_size=12) | secrets | lookalikes | bits, max_size=8).map("".join)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
calls = st.fixed_dictionaries(
    {"id": st.just("c1"), "name": st.just("look"), "arguments": st.dictionaries(texts, trees, max_size=3)}
)
messages = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "assistant", "tool"]), "content": texts},
        optional={"tool_calls": st.lists(calls, max_size=2)},
    ),
    max_size=4,
)  # fmt: skip


def chunks(text: str, cuts: list[int]) -> list[str]:
    """*text* cut at each of *cuts*, modulo its length."""
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[a:b] for a, b in pairwise(places)]
