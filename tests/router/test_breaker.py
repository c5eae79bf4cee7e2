"""A breaker opens after failures, stays open longer each time, and lets exactly one request find out."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from loom.router.breaker import Breaker, Limits, Permit

LIMITS = Limits(failures=3, ratio=0.5, window=8, least=6, first_ms=100, longest_ms=400, rest_ms=1_000)


def failed(breaker: Breaker, times: int, now: int = 0) -> None:
    for _ in range(times):
        permit = breaker.admit(now)
        assert permit is not None
        breaker.done(permit, False, now)


def test_failures_in_a_row_open_it_and_a_success_between_does_not() -> None:
    breaker = Breaker(LIMITS)
    failed(breaker, 2)
    ok = breaker.admit(0)
    assert ok is not None
    breaker.done(ok, True, 0)
    failed(breaker, 2)
    assert breaker.open_until_ms is None
    failed(breaker, 1)
    assert breaker.open_until_ms == 100
    assert breaker.admit(99) is None


def test_a_share_of_failures_opens_it() -> None:
    breaker = Breaker(LIMITS)
    for ok in (True, False, True, False, True, False):
        permit = breaker.admit(0)
        assert permit is not None
        breaker.done(permit, ok, 0)
    assert breaker.open_until_ms is not None


def test_one_probe_decides_and_the_pause_doubles_up_to_a_cap() -> None:
    breaker = Breaker(LIMITS)
    failed(breaker, 3)
    now, pauses = 0, []
    for _ in range(5):
        assert breaker.open_until_ms is not None
        pauses.append(breaker.open_until_ms - now)
        now = breaker.open_until_ms
        probe = breaker.admit(now)
        assert probe == Permit(breaker._epoch, True)
        assert breaker.admit(now) is None
        breaker.done(probe, False, now)
    assert pauses == [100, 200, 400, 400, 400]
    probe = breaker.admit(now + 400)
    assert probe is not None
    breaker.done(probe, True, now + 400)
    assert breaker.open_until_ms is None
    failed(breaker, 3, 5_000)
    assert breaker.open_until_ms == 5_100  # the back-off began anew


def test_an_abandoned_probe_leaves_the_place_to_another() -> None:
    breaker = Breaker(LIMITS)
    failed(breaker, 3)
    probe = breaker.admit(100)
    assert probe is not None
    breaker.abandoned(probe)
    assert breaker.admit(100) is not None


def test_who_asks_to_be_left_alone_is_without_being_a_failure() -> None:
    breaker = Breaker(LIMITS)
    permit = breaker.admit(0)
    assert permit is not None
    breaker.rest(permit, 700, 0)
    assert breaker.admit(699) is None
    probe = breaker.admit(700)
    assert probe is not None
    assert probe.probe
    breaker.done(probe, True, 700)
    failed(breaker, 3, 800)
    assert breaker.open_until_ms == 900  # the first back-off: the rest before was no failure


def test_a_rest_of_a_year_is_an_hour() -> None:
    breaker = Breaker()
    permit = breaker.admit(0)
    assert permit is not None
    breaker.rest(permit, 365 * 86_400_000, 0)
    assert breaker.open_until_ms == 3_600_000


@given(opened=st.integers(0, 10**6), later=st.integers(0, 10**6), back=st.integers(0, 10**6))
def test_a_clock_that_is_set_back_makes_no_pause_longer(opened: int, later: int, back: int) -> None:
    breaker, resting = Breaker(LIMITS), Breaker(LIMITS)
    failed(breaker, 3, opened)
    permit = resting.admit(opened)
    assert permit is not None
    resting.rest(permit, opened + 10_000, opened)
    now = opened + later - back
    for each, pause in ((breaker, 100), (resting, 1_000)):
        until = each.look(now)
        assert until is not None
        assert until - now <= pause
        assert each.admit(now + pause) is not None


def test_a_result_from_before_it_opened_changes_nothing() -> None:
    breaker = Breaker(LIMITS)
    old = breaker.admit(0)
    assert old is not None
    failed(breaker, 3)
    breaker.done(old, True, 50)
    assert breaker.admit(99) is None
    breaker.done(old, False, 99)
    assert breaker.open_until_ms == 100


class Life(RuleBasedStateMachine):
    """Any interleaving of tries and results, against a model that is written down differently."""

    permits = Bundle("permits")

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(LIMITS)
        self.now = 0
        self.state: str = "closed"
        self.until = 0
        self.pause = 0
        self.results: list[bool] = []
        self.current: list[Permit] = []
        self.probe: Permit | None = None

    def _opened(self, until: int) -> None:
        self.state, self.until, self.results, self.current, self.probe = "open", until, [], [], None

    @rule(ms=st.integers(0, 300))
    def passes(self, ms: int) -> None:
        self.now += ms

    @rule(target=permits)
    def tries(self) -> Permit | None:
        permit = self.breaker.admit(self.now)
        expected = self.state == "closed" or (self.now >= self.until and self.probe is None)
        assert (permit is not None) == expected
        if permit is not None:
            assert permit.probe == (self.state == "open")
            if permit.probe:
                self.probe = permit
            self.current.append(permit)
        return permit

    def _take(self, permit: Permit) -> bool:
        """Whether it belongs to this time."""
        mine = next((each for each in self.current if each is permit), None)
        self.current = [each for each in self.current if each is not permit]
        return mine is not None

    @rule(permit=consumes(permits), ok=st.booleans())
    def ends(self, permit: Permit | None, ok: bool) -> None:
        if permit is None:
            return
        mine, probing = self._take(permit), permit is self.probe
        self.breaker.done(permit, ok, self.now)
        if mine and probing:
            self.pause = 0 if ok else min(self.pause * 2, 400) if self.pause else 100
            self._opened(self.now + self.pause)
            self.state = "closed" if ok else "open"
        elif mine:
            self.results.append(ok)
            recent = self.results[-8:]
            row = len(self.results) >= 3 and not any(self.results[-3:])
            share = len(recent) >= 6 and recent.count(False) * 2 >= len(recent)
            if not ok and (row or share):
                self.pause = min(self.pause * 2, 400) if self.pause else 100
                self._opened(self.now + self.pause)

    @rule(permit=consumes(permits))
    def abandons(self, permit: Permit | None) -> None:
        if permit is not None:
            self._take(permit)
            self.breaker.abandoned(permit)
            if permit is self.probe:
                self.probe = None

    @rule(permit=consumes(permits), ms=st.integers(0, 2_000))
    def rests(self, permit: Permit | None, ms: int) -> None:
        if permit is None:
            return
        self._take(permit)
        until = self.now + min(ms, 1_000)
        self.breaker.rest(permit, self.now + ms, self.now)
        if permit is self.probe:
            self.probe = None
        if self.state == "closed":
            self._opened(until)
        else:
            self.until = max(self.until, until)

    @invariant()
    def it_says_what_it_is(self) -> None:
        assert (self.breaker.open_until_ms is not None) == (self.state == "open")
        assert self.breaker.probing == (self.probe is not None)
        if self.state == "open":
            assert self.breaker.open_until_ms == self.until

    @precondition(lambda self: self.state == "open" and self.probe is None)
    @rule()
    def it_always_comes_back(self) -> None:
        assert self.breaker.open_until_ms is not None
        assert self.breaker.open_until_ms - self.now <= 1_000


Life.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestLife = Life.TestCase
