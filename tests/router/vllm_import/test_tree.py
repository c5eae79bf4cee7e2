"""Conditions in three values: what is known decides where it can, and nobody pretends to know the rest."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.errors import ConfigError
from loom.router.vllm_import.tree import DEEPEST, Leaf, Node, Tree, holds, leaves, read_tree

NAMES = "abcd"
trees = st.recursive(
    st.sampled_from(NAMES).map(lambda name: Leaf("keyword", name)),
    lambda inner: st.one_of(
        st.builds(Node, st.sampled_from(["AND", "OR"]), st.lists(inner, max_size=4).map(tuple)),
        st.builds(Node, st.just("NOT"), st.tuples(inner)),
    ),
    max_leaves=12,
)
worlds = st.fixed_dictionaries({name: st.sampled_from([True, False, None]) for name in NAMES})


def plain(tree: Tree, world: dict[str, bool]) -> bool:
    if isinstance(tree, Leaf):
        return world[tree.name]
    parts = [plain(each, world) for each in tree.parts]
    return {"AND": all(parts), "OR": any(parts), "NOT": not parts[:1] or not parts[0]}[tree.operator]


def completions(world: dict[str, bool | None]) -> list[dict[str, bool]]:
    found: list[dict[str, bool]] = [{}]
    for name, value in world.items():
        found = [
            {**each, name: one} for each in found for one in ([True, False] if value is None else [value])
        ]
    return found


@given(trees, worlds)
def test_what_is_said_to_hold_holds_however_the_unknown_turns_out(
    tree: Tree, world: dict[str, bool | None]
) -> None:
    said = holds(tree, lambda leaf: world[leaf.name])
    if said is not None:
        assert {plain(tree, each) for each in completions(world)} == {said}
    if None not in world.values():
        assert said is not None


@given(trees)
def test_a_tree_is_read_as_it_was_written(tree: Tree) -> None:
    assert read_tree(written(tree), "x") == tree
    assert {leaf.name for leaf in leaves(tree)} <= set(NAMES)


def written(tree: Tree) -> dict[str, Any]:
    if isinstance(tree, Leaf):
        return {"type": tree.kind, "name": tree.name}
    return {"operator": tree.operator, "conditions": [written(each) for each in tree.parts]}


def test_no_conditions_always_hold() -> None:
    assert holds(read_tree({}, "x"), lambda leaf: None) is True
    assert holds(read_tree({"on_unknown": "no_match"}, "x"), lambda leaf: None) is True


@pytest.mark.parametrize(
    "found",
    [
        [], "AND", {"operator": "XOR", "conditions": []}, {"operator": "NOT", "conditions": []},
        {"operator": "AND", "conditions": "x"}, {"type": "keyword"}, {"name": "x"}, {"type": 1, "name": "x"},
    ],
)  # fmt: skip
def test_what_is_no_condition_is_refused_with_its_place(found: Any) -> None:
    with pytest.raises(ConfigError, match=r"helpdesk\.rest"):
        read_tree(found, "helpdesk.rest")


def test_conditions_that_are_nested_without_end_are_refused() -> None:
    deep: dict[str, Any] = {"type": "keyword", "name": "x"}
    for _ in range(DEEPEST + 2):
        deep = {"operator": "NOT", "conditions": [deep]}
    with pytest.raises(ConfigError, match="nested"):
        read_tree(deep, "x")
