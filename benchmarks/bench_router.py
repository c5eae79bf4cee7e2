"""A decision of the router among five backends, with a verdict on each, against a loop that only chooses.

The bare loop asks the same questions of the same facts and keeps the first that passes: no words, no estimates, no
order of the others. A decision may take 60 microseconds; a request of a model takes a hundred thousand.
"""

from collections.abc import Callable, Iterator
from time import thread_time

from benchmarks._harness import Ratio, bench, interleave
from loom.event import Confidentiality, Label
from loom.models import FREE, ModelRequest, Price
from loom.router.budget import Remaining
from loom.router.facts import Facts, Quantiles
from loom.router.policy import Now, Policy, decide
from loom.router.rules import Rule, When

TIMES = 500
BAR_US = 60.0
CHAT = frozenset({"chat"})
HERE, AWAY, NEAR = Confidentiality.LOCAL_ONLY, Confidentiality.SENSITIVE, Confidentiality.PRIVATE
FIRST, TOKEN = {1: Quantiles(100.0, 300.0)}, {1: Quantiles(10.0, 20.0)}
CANDIDATES = (
    Facts("small", CHAT, CHAT, "local", HERE, FREE, 8192, 0.6, first_ms=FIRST, token_ms=TOKEN),
    Facts("middle", CHAT, CHAT, "local", HERE, FREE, 8192, 0.5, first_ms=FIRST, token_ms=TOKEN),
    Facts("box", CHAT, CHAT, "edge", NEAR, None, 8192, 0.8, first_ms=FIRST, token_ms=TOKEN),
    Facts("far", CHAT, CHAT, "cloud", AWAY, Price(1, 2), 200_000, 0.9, first_ms=FIRST, token_ms=TOKEN),
    Facts("best", CHAT, CHAT, "cloud", NEAR, Price(3, 15), 200_000, 0.95, first_ms=FIRST, token_ms=TOKEN),
)  # fmt: skip
TALK = [
    {"role": "system", "content": "You answer in one sentence."},
    {"role": "user", "content": "What is the difference between a crow and a raven? " * 8},
]
REQUEST = ModelRequest(
    "chat", TALK, Label(Confidentiality.SENSITIVE), 30.0, options={"max_tokens": 200}, max_cost=0.1
)
LEFT, NOW = Remaining(money=1.0, budget="day"), Now(1_000, "d1")
PLAIN = Policy()
RULED = Policy(
    rules=tuple(Rule(f"rule {n}", When(keywords=(f"word{n}", "diagnosis")), route="local") for n in range(10))
)


def bare() -> str:
    """The first candidate that passes."""
    label, tokens = REQUEST.label.confidentiality, sum(len(each["content"]) // 4 for each in TALK)
    for each in CANDIDATES:
        if "chat" not in each.tasks or tokens + 200 > (each.context or tokens + 200):
            continue
        if each.location != "local" and each.clearance < label:
            continue
        if (
            each.price is None
            or tokens * each.price.million_in / 1e6 + 200 * each.price.million_out / 1e6 > 0.1
        ):
            continue
        if each.open_until_ms is None and (each.quality or 0.0) >= 0.7:
            return each.name
    return ""


def microseconds(call: Callable[[], object]) -> Callable[[], float]:
    """A side of a comparison: the processor time of one *call*."""

    def side() -> float:
        began = thread_time()
        for _ in range(TIMES):
            call()
        return (thread_time() - began) / TIMES * 1e6

    return side


@bench
def router_decide() -> Iterator[Ratio]:
    got = interleave(
        9,
        decide=microseconds(lambda: decide(REQUEST, CANDIDATES, LEFT, PLAIN, NOW)),
        rules=microseconds(lambda: decide(REQUEST, CANDIDATES, LEFT, RULED, NOW)),
        bare=microseconds(bare),
    )
    yield Ratio(
        "router.decide", got.median("decide"), bar=BAR_US, better="lower", unit="us", slack=5.0,
        note=got.note("decide", "bare", "us"),
    )  # fmt: skip
    yield Ratio("router.decide_over_bare", got.ratio("decide", "bare"), better="lower", slack=2.0)
    yield Ratio(
        "router.decide_ten_rules", got.median("rules"), better="lower", unit="us", slack=5.0,
        note="ten rules of keywords, none of which holds",
    )  # fmt: skip
