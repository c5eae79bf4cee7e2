"""The store that forgets: what is committed is there until it is closed."""

from loom.event import PUBLIC, Confidentiality, Event, Label
from loom.store import MemoryStore, StepCommit, Store


def step(agent: str, state: dict[str, int], label: Label = PUBLIC) -> StepCommit:
    return StepCommit(agent, Event("e"), tuple(state), tuple(state.values()), label, (), ())


def test_the_last_state_of_each_agent_is_kept_with_its_label() -> None:
    store: Store = MemoryStore()
    private = Label(Confidentiality.PRIVATE)
    assert store.load("a") is None
    assert store.commit([step("a", {"n": 1}), step("b", {"n": 7}, private), step("a", {"n": 2})]) is None
    assert store.load("a") == ({"n": 2}, PUBLIC)
    assert store.load("b") == ({"n": 7}, private)


def test_an_agent_without_fields_is_known_and_has_none() -> None:
    store = MemoryStore()
    store.commit([step("a", {})])
    assert store.load("a") == ({}, PUBLIC)
    assert store.commits == 1


def test_closing_forgets() -> None:
    store = MemoryStore()
    store.commit([step("a", {"n": 1})])
    store.close()
    assert store.load("a") is None
