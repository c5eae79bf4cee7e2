"""What every test shares: the required list, and a guard against calls that block the event loop.

`--required=FILE` (what `make test` and `.ci/run` pass) fails the run when a test that the file names was skipped,
deselected, expected to fail, or is not there. A line is a node id or the beginning of one; `#` opens a comment.
"""

import inspect
import json
import signal
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import HealthCheck, settings

# both look at the wall clock, and a slow machine is no failure
settings.register_profile("loom", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("loom")

LOOKS = 200  # losses of one test that are looked at
REASONS = frozenset(
    [
        "drop_oldest",
        "drop_newest",
        "sample",
        "shed",
        "aggregate_failed",
        "merged",
        "expired",
        "cancelled",
        "refused",
        "closed",
    ]
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--required", metavar="FILE", default=None, help="fail when a test named in FILE did not pass"
    )


def pytest_configure(config: pytest.Config) -> None:
    if (
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):  # in the background of a script; what we start must hear it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    named = config.getoption("--required")
    if named:
        config.pluginmanager.register(Required(read_required(Path(named))), "loom-required")


@pytest.fixture(autouse=True)
def no_blocking_calls(request: pytest.FixtureRequest) -> Iterator[None]:
    """A coroutine test fails when Loom calls something that blocks (a file, a socket, a sleep) on its event loop.

    `@pytest.mark.blocks("why")` switches it off, for a handler that blocks on purpose.
    """
    if request.node.get_closest_marker("blocks") or not inspect.iscoroutinefunction(
        getattr(request, "function", None)
    ):
        yield
        return
    with blockbuster_ctx("loom"):
        yield


@pytest.fixture(autouse=True)
def every_loss_has_a_cause(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Promise 8, in every test: what is lost or given up has a cause that a machine can read, with what decided it."""
    try:
        from loom.agent import Services
    except ModuleNotFoundError:  # a package of another name, or a part of this one: nothing can be lost in it
        yield
        return
    from loom.bus import Bus

    without: list[str] = []
    looks = count(1).__next__
    lost, bury = Bus._lost, Services.bury

    def watched(bus: Any, queue: Any, event: Any, reason: str) -> None:
        if looks() <= LOOKS and (wrong := faults_of_loss(bus, queue, event, reason)):
            without.append(wrong)
        lost(bus, queue, event, reason)

    def buried(services: Any, agent: str, event: Any, reason: str, *rest: Any, **more: Any) -> None:
        if not (agent and reason.isidentifier()):
            without.append(f"dead letter {event!r} of {agent!r}: {reason!r}")
        bury(services, agent, event, reason, *rest, **more)

    monkeypatch.setattr(Bus, "_lost", watched)
    monkeypatch.setattr(Services, "bury", buried)
    yield
    assert without == []


def faults_of_loss(bus: Any, queue: Any, event: Any, reason: str) -> str:
    """What is missing in the note of a loss; empty when it says all that decided, and its event is found by it."""
    from loom.journal._why_facts import MemoryFacts
    from loom.journal.notes import Notes, is_name
    from loom.journal.why import explain

    notes = Notes(bus)
    notes._queues[queue.name] = queue
    notes.dropped(queue.name, event, reason)
    for note in notes.waiting():
        missing = {"topic", "queue", "reason", "depth", "capacity", "qos", "policy"} - note.facts.keys()
        if reason not in REASONS or missing or json.loads(note.row())[2] != note.about:
            return f"{note}: {reason!r}, without {sorted(missing)}"
        if is_name(event.id) and not explain(MemoryFacts([note]), event.id).found:
            return f"{note}: why does not find it"
    return ""


def read_required(path: Path) -> list[str]:
    """The entries of a required list, without comments and blank lines."""
    lines = (line.split(" #")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


class Required:
    """Remembers how each test ended and holds the list against it."""

    def __init__(self, entries: list[str]) -> None:
        self.entries = entries
        self.ended: dict[str, str] = {}
        self.problems: list[str] = []

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        self.ended[item.nodeid] = "not run"

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self.ended.update((item.nodeid, "deselected") for item in items)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped:
            self.ended[report.nodeid] = "expected to fail" if hasattr(report, "wasxfail") else "skipped"
        elif report.when == "call" or report.failed:
            self.ended[report.nodeid] = report.outcome

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self.problems = unmet(self.entries, self.ended)
        if self.problems and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.problems:
            terminalreporter.section("required tests that did not pass", red=True, bold=True)
            for problem in self.problems:
                terminalreporter.line(problem)


def unmet(entries: Sequence[str], ended: dict[str, str]) -> list[str]:
    """One line for each entry that names no test, or a test that did not pass."""
    problems: list[str] = []
    for entry in entries:
        named = {nodeid: how for nodeid, how in ended.items() if nodeid.startswith(entry)}
        if not named:
            problems.append(f"{entry}: no such test")
        problems += [f"{nodeid}: {how}" for nodeid, how in sorted(named.items()) if how != "passed"]
    return problems
