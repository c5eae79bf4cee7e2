"""A scope takes down what lies within it, and nothing beside it."""

from hypothesis import given
from hypothesis import strategies as st

from loom.event.scope import CancelledScopes, within

SCOPES = st.lists(st.sampled_from(["a", "ab", "b"]), min_size=1, max_size=4).map("/".join)


@given(SCOPES, SCOPES)
def test_a_scope_is_within_itself_and_its_parents_by_whole_words(scope: str, tree: str) -> None:
    parts, root = scope.split("/"), tree.split("/")
    assert within(scope, tree) == (parts[: len(root)] == root)
    assert not within(None, tree)


@given(st.lists(SCOPES, max_size=5), SCOPES)
def test_a_scope_is_cancelled_with_any_tree_it_lies_within(cancelled: list[str], scope: str) -> None:
    scopes = CancelledScopes()
    for tree in cancelled:
        scopes.add(tree)
    assert bool(scopes) == bool(cancelled)
    assert (scope in scopes) == any(within(scope, tree) for tree in cancelled)
    assert None not in scopes
    assert "" not in scopes


def test_what_is_remembered_is_bounded_and_the_oldest_goes_first() -> None:
    scopes = CancelledScopes(2)
    for tree in ("a", "b", "a", "c"):
        scopes.add(tree)
    assert [tree in scopes for tree in ("a", "b", "c")] == [True, False, True]
