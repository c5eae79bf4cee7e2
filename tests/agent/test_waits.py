"""Who waits for whom: a shortest path is found exactly when there is one."""

from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loom.agent._waits import path_between


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(1, 8).flatmap(
        lambda n: st.lists(st.lists(st.integers(0, n - 1), max_size=4), min_size=n, max_size=n)
    ),
    st.data(),
)
def test_a_path_is_found_exactly_when_the_goal_can_be_reached(
    edges: list[list[int]], data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(edges) - 1))
    goal = data.draw(st.integers(0, len(edges) - 1))
    distance = {start: 0}
    queue = [start]
    for node in queue:
        for near in edges[node]:
            if near not in distance:
                distance[near] = distance[node] + 1
                queue.append(near)
    path = path_between(start, goal, edges.__getitem__)
    if goal not in distance:
        assert path is None
        return
    assert path is not None
    assert (path[0], path[-1], len(path)) == (start, goal, distance[goal] + 1)
    assert all(b in edges[a] for a, b in pairwise(path))
