"""The pins hold no address, have a hash each, and a wheel for every platform and Python that Loom promises.

No network: the wheels are those of requirements/wheels.tsv, which `make pins` writes from the package index.
What is not seen here: whether a wheel really runs on its platform (the workflow runs Linux x86-64 alone).
"""

import tomllib
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from scripts import wheels

ROOT = Path(__file__).parent.parent.parent
REQUIREMENTS = ROOT / "requirements"
GROUPS = ("build", "demo", "demo-nodeps", "test", "peers", "pins")
DEMO_MEGABYTES = 450


@cache
def pins(group: str) -> tuple[wheels.Pin, ...]:
    return tuple(wheels.read_pins(REQUIREMENTS / f"{group}.txt"))


@cache
def table() -> list[wheels.Wheel]:
    return wheels.read_wheels(REQUIREMENTS / "wheels.tsv")


def wanted(group: str) -> list[Requirement]:
    lines = [line.split("  #")[0].strip() for line in (REQUIREMENTS / f"{group}.in").read_text().splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def test_no_file_holds_an_address() -> None:
    files = [path for path in REQUIREMENTS.iterdir() if path.is_file()]
    assert files
    assert [path.name for path in files if "://" in path.read_text()] == []


@pytest.mark.parametrize("group", GROUPS)
def test_every_pin_has_a_version_and_a_hash(group: str) -> None:
    lines = (REQUIREMENTS / f"{group}.txt").read_text().splitlines()
    heads = [line for line in lines if line and not line.startswith((" ", "#"))]
    assert heads
    assert len(heads) == len(pins(group))
    assert [pin.name for pin in pins(group) if not pin.hashes] == []


@pytest.mark.parametrize("group", GROUPS)
def test_what_is_asked_for_is_pinned_within_its_range(group: str) -> None:
    pinned: dict[str, list[str]] = {}
    for pin in pins(group):
        pinned.setdefault(pin.name, []).append(pin.version)
    for requirement in wanted(group):
        versions = pinned.get(requirement.name, [])
        assert versions, f"{requirement.name} is in {group}.in but not in {group}.txt: run make pins"
        assert all(requirement.specifier.contains(version) for version in versions)


@pytest.mark.parametrize("target", wheels.TARGETS, ids=str)
def test_every_pin_has_a_wheel(target: wheels.Target) -> None:
    for group in GROUPS:
        chosen, missing = wheels.plan(pins(group), table(), target)
        assert [f"{pin.name}=={pin.version}" for pin in missing] == [], f"{group} on {target}: run make pins"
        assert chosen


@pytest.mark.parametrize("target", wheels.TARGETS, ids=str)
def test_the_demos_download_at_most_450_megabytes(target: wheels.Target) -> None:
    groups = ("build", "demo", "demo-nodeps")
    total = sum(w.nbytes for group in groups for w in wheels.plan(pins(group), table(), target)[0])
    assert 1_000_000 < total <= DEMO_MEGABYTES * 1_000_000


@pytest.mark.parametrize("group", GROUPS)
def test_the_size_that_set_up_announces_is_the_largest_of_all_targets(group: str) -> None:
    sizes = dict(line.split() for line in (REQUIREMENTS / "sizes.txt").read_text().splitlines()[1:])
    largest = max(sum(w.nbytes for w in wheels.plan(pins(group), table(), t)[0]) for t in wheels.TARGETS)
    assert int(sizes[group]) == -(-largest // 1_000_000)


def test_groups_that_share_an_environment_pin_the_same_versions() -> None:
    versions: dict[tuple[str, str], str] = {}
    for group in ("build", "demo", "demo-nodeps", "test"):
        for pin in pins(group):
            assert versions.setdefault((pin.name, pin.marker), pin.version) == pin.version, pin.name


def test_extras_accept_the_versions_that_are_tested_and_the_core_needs_nothing() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == []
    pinned = {pin.name: pin.version for group in ("demo", "demo-nodeps", "test") for pin in pins(group)}
    for extra, lines in project["optional-dependencies"].items():
        for requirement in map(Requirement, lines):
            assert requirement.specifier.contains(pinned[requirement.name]), f"[{extra}] {requirement}"


def test_a_pin_without_a_wheel_is_reported() -> None:
    """The check itself can fail: a package known only for one platform is missing on the two others."""
    only = wheels.Wheel("thing", "1.0", "thing-1.0-cp311-cp311-manylinux_2_17_x86_64.whl", 10, "aa")
    pin = wheels.Pin("thing", "1.0", "", frozenset({"aa"}))
    short = {str(target) for target in wheels.TARGETS if wheels.plan([pin], [only], target)[1]}
    assert len(short) == len(wheels.TARGETS) - 1
    assert "linux-x86_64 with Python 3.11" not in short


def test_a_wheel_whose_hash_is_not_pinned_does_not_count() -> None:
    wheel = wheels.Wheel("thing", "1.0", "thing-1.0-py3-none-any.whl", 10, "bb")
    pin = wheels.Pin("thing", "1.0", "", frozenset({"aa"}))
    assert wheels.plan([pin], [wheel], wheels.TARGETS[0]) == ([], [pin])


def test_a_marker_decides_for_which_target_a_pin_is() -> None:
    pin = wheels.Pin("numpy", "2", "python_full_version < '3.12'", frozenset())
    assert [t.python for t in wheels.TARGETS[:4] if wheels.applies(pin, t)] == [(3, 11)]
