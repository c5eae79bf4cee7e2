"""A policy of the vLLM Semantic Router decides here as it does there, as far as its signals are known here."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.errors import ConfigError
from loom.models import ModelRequest
from loom.router.vllm_import import Decider, Imported, meet, read_policies
from loom.router.vllm_import._yaml import read_yaml
from loom.router.vllm_import.asked import asked

HELPDESK = Path(__file__).parent / "helpdesk.yaml"
WORDS = ("outrageous", "thank", "prove", "copy")


@pytest.fixture(scope="module")
def helpdesk() -> Imported:
    return read_policies(read_yaml(HELPDESK))["default"]


async def embed(texts: Sequence[str]) -> list[list[float]]:
    """A direction for each of a few words."""
    return [[*(float(word in text) for word in WORDS), 0.1] for text in texts]


def chat(text: str, **options: Any) -> ModelRequest:
    return ModelRequest("chat", text, options=options)


def talk(*turns: str, **options: Any) -> ModelRequest:
    roles = ["assistant" if n % 2 else "user" for n in range(len(turns))]
    messages = [{"role": role, "content": text} for role, text in zip(roles, turns, strict=True)]
    return ModelRequest("chat", messages, options=options)


TOOL: Mapping[str, Any] = {"name": "look_up", "description": "", "parameters": {}}


@pytest.mark.parametrize(
    ("request_", "decision"),
    [
        (chat("I want a refund"), "complaint"),
        (chat("my MONEY  back, please"), "complaint"),
        (chat("a refund NOW!"), "rest"),
        (chat("prove the theorem"), "hard"),
        (chat("copy the number"), "rest"),
        (chat("this is outrageous"), "cross"),
        (chat("thank you very much"), "rest"),
        (chat("refund", tools=[TOOL], tool_choice="required"), "tools"),
        (chat("hello", tools=[TOOL]), "rest"),
        (talk("I want a refund", "Why?", "hello"), "rest"),
        (ModelRequest("chat", b"\0\1"), "rest"),
        (ModelRequest("chat", [{"role": "user"}, 7, {"content": [{"type": "text", "text": "a refund"}]}]), "complaint"),
    ],
)  # fmt: skip
async def test_a_request_meets_the_decision_of_highest_priority_that_holds(
    helpdesk: Imported, request_: ModelRequest, decision: str
) -> None:
    met = await Decider(helpdesk, embed).decide(request_)
    assert met.choice is not None
    assert met.choice.name == decision


async def test_personal_data_is_found_by_the_routers_own_detectors() -> None:
    signals = {
        "pii": [{"name": "p", "include_history": True, "pii_types_allowed": ["PERSON", "PHONE_NUMBER"]}]
    }
    choices = [{"name": "guarded", "priority": 2, "rules": {"type": "pii", "name": "p"}}, {"name": "open"}]
    decider = Decider(read_policies({"routing": {"signals": signals, "decisions": choices}})["default"])
    found = []
    for request in (
        chat("write to jane.doe@example.org"), talk("write to jane.doe@example.org", "done", "thanks"),
        chat("call +44 20 7946 0958"), chat("thanks"),
    ):  # fmt: skip
        met = await decider.decide(request)
        found.append(met.choice and met.choice.name)
    assert found == ["guarded", "guarded", "open", "open"]


async def test_a_loop_of_tools_is_one_until_the_assistant_has_answered(helpdesk: Imported) -> None:
    calls = {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "1", "name": "look_up", "arguments": {}}],
    }
    loop = [{"role": "user", "content": "hi"}, calls, {"role": "tool", "content": "7", "tool_call_id": "1"}]
    decider = Decider(helpdesk, embed)
    during = await decider.decide(ModelRequest("chat", loop))
    hurried = await decider.decide(ModelRequest("chat", [*loop, {"role": "user", "content": "and?"}]))
    answer = [{"role": "assistant", "content": "It is 7."}, {"role": "user", "content": "thanks"}]
    after = await decider.decide(ModelRequest("chat", [*loop, *answer]))
    assert [met.choice and met.choice.name for met in (during, hurried, after)] == ["tools", "tools", "rest"]


async def test_without_embeddings_what_hangs_on_them_is_unknown_and_does_not_match(
    helpdesk: Imported,
) -> None:
    met = await Decider(helpdesk).decide(chat("prove the theorem"))
    assert met.choice is not None
    assert met.choice.name == "rest"
    assert {"complexity:difficulty", "projection:cross"} <= set(met.unknown)


def test_what_is_left_out_is_told_with_the_reason(helpdesk: Imported) -> None:
    assert set(helpdesk.left_out) == {"keyword:ranked", "user_feedback:wrong_answer"}
    assert "bm25" in helpdesk.left_out["keyword:ranked"]


def test_a_sum_is_decided_where_the_unknown_part_cannot_change_it(helpdesk: Imported) -> None:
    """`troubled` is 1 from the keyword alone; half a point that nobody knows does not reach 1 without it."""
    assert meet(helpdesk, asked(chat("refund")), {}).choice is not None
    assert "projection:troubled" not in meet(helpdesk, asked(chat("hello")), {}).unknown


async def test_the_texts_of_the_policy_are_embedded_once(helpdesk: Imported) -> None:
    asked_for: list[int] = []

    async def counting(texts: Sequence[str]) -> list[list[float]]:
        asked_for.append(len(texts))
        return await embed(texts)

    decider = Decider(helpdesk, counting)
    for _ in range(3):
        await decider.decide(chat("hello"))
    assert asked_for == [4, 1, 1, 1]


HARD = {"name": "d", "hard": {"candidates": ["prove"]}, "easy": {"candidates": ["copy"]}}


def asks(kind: str, name: str, **signals: Any) -> dict[str, Any]:
    rules = {"type": kind, "name": name}
    return {"signals": signals, "decisions": [{"name": "met", "rules": rules}]}


def sums(*inputs: Mapping[str, Any], **bounds: float) -> dict[str, Any]:
    outputs = [{"name": "p", **bounds}]
    return {
        "scores": [{"name": "s", "inputs": list(inputs)}],
        "mappings": [{"name": "m", "source": "s", "outputs": outputs}],
    }


def met(routing: dict[str, Any], text: str) -> bool:
    policy = read_policies({"routing": routing})["default"]
    return meet(policy, asked(chat(text)), {}).choice is not None


@pytest.mark.parametrize(
    ("predicate", "holds"),
    [
        ({"gt": 2}, False),
        ({"gte": 2}, True),
        ({"lt": 2}, False),
        ({"lte": 2}, True),
        ({"gt": 1, "lt": 3}, True),
    ],
)
def test_a_bound_is_in_or_out_as_it_is_written(predicate: dict[str, float], holds: bool) -> None:
    feature = {"type": "count", "source": {"type": "regex", "pattern": "x"}}
    counted = {"name": "xs", "feature": feature, "predicate": predicate}
    assert met(asks("structure", "xs", structure=[counted]), "x and x") is holds
    added = {"type": "structure", "name": "xs", "match": 2}
    whole = asks("projection", "p", structure=[{**counted, "predicate": {"gte": 2}}])
    assert met({**whole, "projections": sums(added, **predicate)}, "x and x") is holds


@pytest.mark.parametrize(
    ("added", "holds"),
    [
        ({"match": 3}, True),
        ({"match": 0.5}, False),
        ({"weight": 4, "match": 0.5}, True),
        ({"miss": 5}, False),
    ],
)
def test_a_sum_adds_what_is_said_for_a_signal_that_holds_or_does_not(
    added: dict[str, float], holds: bool
) -> None:
    routing = asks("projection", "p", keywords=[{"name": "k", "keywords": ["x"]}])
    band = sums({"type": "keyword", "name": "k", **added}, gte=2)
    assert met({**routing, "projections": band}, "x") is holds
    assert met({**routing, "projections": band}, "y") is ("miss" in added)


def test_what_hangs_on_a_figure_that_nobody_knows_is_unknown() -> None:
    """A likeness asked for its value, the confidence of a classifier, how dense something is: not a guess."""
    feature = {"type": "density", "source": {"type": "regex", "pattern": "x"}}
    signals = {
        "structure": [{"name": "s", "feature": feature}],
        "keywords": [{"name": "k", "keywords": ["x"]}],
    }
    conditions = [
        {"type": "structure", "name": "s"},
        {"type": "Keyword ", "name": "k", "predicate": {"gt": 5}},
        {"type": "projection", "name": "p"},
        {"type": "domain", "name": "law"},
    ]
    inputs = {"type": "keyword", "name": "k", "value_source": "confidence"}
    for condition in conditions:
        routing = {"signals": signals, "decisions": [{"name": "a", "rules": condition}]}
        policy = read_policies({"routing": {**routing, "projections": sums(inputs, gt=0.5)}})["default"]
        assert len(meet(policy, asked(chat("x")), {}).unknown) == 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"decisions": [{"priority": 1}]}, "a decision without a name"),
        ({"decisions": [{"name": "a"}, {"name": "a"}]}, "two decisions are called 'a'"),
        ({"decisions": [{"name": "a", "rules": {"type": "keyword", "name": "b"}}]}, "there is no keyword called 'b'"),
        ({"decisions": [{"name": "a", "priority": "high"}]}, "priority is a number"),
        ({"signals": []}, "signals are a table"),
        ({"signals": {"keywords": {"a": 1}}}, "keywords is a list"),
        ({"signals": {"keywords": [{"keywords": ["x"]}]}}, "a signal without a name"),
        ({"signals": {"keywords": [{"name": "a", "keywords": ["("]}]}}, "no pattern"),
        ({"signals": {"context": [{"name": "a", "min_tokens": "many"}]}}, "no number of tokens"),
        ({"projections": {"mappings": [{"source": "x", "outputs": [{"name": "y"}]}]}}, "no score called 'x'"),
        ({"decisions": [{"name": "", "priority": 1}]}, "a decision without a name"),
        ({"decisions": [{"name": "a", "priority": 10**400}]}, "priority is a number"),
        ({"decisions": [{"name": "a", "priority": float("inf")}]}, "priority is a number"),
        ({"signals": {"context": [{"name": "a", "min_tokens": "1.2.3"}]}}, "'1.2.3' is no number of tokens"),
        ({"signals": {"context": [{"name": "a", "min_tokens": "."}]}}, "no number of tokens"),
        ({"signals": {"domains": [{"name": ""}]}}, "domains: a signal without a name"),
        ({"signals": {"reasks": [{"name": "a", "lookback_turns": float("inf")}]}}, "lookback_turns is a number"),
        ({"signals": {"keywords": [{"name": "a"}, {"name": "a"}]}}, "keywords: two signals are called 'a'"),
        (asks("keyword", "moneys", keywords=[{"name": "money"}]), "called 'moneys'; did you mean 'money'"),
        (asks("complexity", "d:hrad", complexity=[HARD]), "'d:hrad'; did you mean 'd:hard'"),
        (asks("complexity", "d", complexity=[HARD]), "there is no complexity called 'd'"),
        ({"projections": sums({"type": "keyword", "name": "k"}, gt=1)}, "p: there is no keyword called 'k'"),
    ],
)  # fmt: skip
def test_a_policy_that_cannot_be_read_says_where(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        read_policies({"routing": {"decisions": [{"name": "rest"}], **change}})


def test_two_recipes_of_one_name_are_told() -> None:
    recipe = {"name": "fast", "routing": {"decisions": [{"name": "rest"}]}}
    with pytest.raises(ConfigError, match="two recipes are called 'fast'"):
        read_policies({"recipes": [recipe, recipe]})


@pytest.mark.parametrize("document", [None, [], "x", {}, {"routing": {}}, {"recipes": [{"name": "a"}]}])
def test_a_file_without_decisions_is_no_policy(document: Any) -> None:
    with pytest.raises(ConfigError, match=r"nothing to import|holds no table"):
        read_policies(document)


plain = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["name", "rules", "operator", "conditions", "type", "keywords", "signals", "decisions",
                             "feature", "source", "priority", "scores", "mappings", "outputs", "inputs", "candidates"]),
            inner, max_size=4,
        ),
    ),
    max_leaves=20,
)  # fmt: skip


@given(plain, plain, plain)
def test_whatever_a_file_holds_it_is_a_policy_or_a_config_error(
    signals: Any, decisions: Any, bands: Any
) -> None:
    document = {"routing": {"signals": signals, "decisions": decisions, "projections": bands}}
    try:
        found = read_policies(document)
    except ConfigError:
        return
    for policy in found.values():
        meet(policy, asked(chat("hello")), {})
