"""Every hook reaches who overrides it, and nobody else."""

import logging

import pytest

from loom.telemetry import Observer, Observers
from loom.telemetry.observer import HOOKS


def watcher(hook: str, seen: list[tuple[object, ...]]) -> Observer:
    def method(self: Observer, *facts: object) -> None:
        seen.append((hook, *facts))

    return type("Watcher", (Observer,), {hook: method})()


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_reaches_who_overrides_it_until_detached(hook: str) -> None:
    observers, seen = Observers(), list[tuple[object, ...]]()
    observer = watcher(hook, seen)
    observers.attach(observer)
    for name in HOOKS:
        assert observers.watches(name) == bool(getattr(observers, name)) == (name == hook)
        observers.tell(name, 1, 2)
    assert seen == [(hook, 1, 2)]
    observers.detach(observer)
    observers.tell(hook, 3, 4)
    assert len(seen) == 1
    assert not observers.watches(*HOOKS)


def test_hooks_that_nobody_overrides_call_nothing() -> None:
    observers = Observers()
    observers.attach(Observer())
    assert not observers.watches(*HOOKS)
    for name in HOOKS:
        getattr(Observer(), name)(*range(getattr(Observer, name).__code__.co_argcount - 1))


def test_one_that_raises_is_counted_and_logged_by_doublings_and_the_next_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(Observer):
        def denied(self, who: str, what: str, reason: str) -> None:
            raise ZeroDivisionError

    observers, seen = Observers(), list[tuple[object, ...]]()
    observers.attach(Broken())
    observers.attach(watcher("denied", seen))
    with caplog.at_level(logging.ERROR, "loom.telemetry"):
        for _ in range(9):
            observers.tell("denied", "a", "b", "c")
    assert observers.errors == 9
    assert len(seen) == 9
    assert len(caplog.records) == 4


def test_who_depends_on_observers_hears_of_changes() -> None:
    changes: list[bool] = []
    observers = Observers(lambda: changes.append(observers.watches("acted")))
    observer = watcher("acted", [])
    observers.attach(observer)
    observers.detach(observer)
    assert changes == [True, False]


def test_an_observer_may_detach_itself_while_it_is_told() -> None:
    observers = Observers()

    class Once(Observer):
        def acted(self, capability: str, key: str, outcome: str) -> None:
            observers.detach(self)

    observers.attach(Once())
    seen: list[tuple[object, ...]] = []
    observers.attach(watcher("acted", seen))
    observers.tell("acted", "a", "k", "done")
    observers.tell("acted", "a", "k", "done")
    assert len(seen) == 2
    assert observers.errors == 0
