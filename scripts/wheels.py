"""Which wheels the pinned packages have, for each platform and Python that Loom promises.

`requirements/wheels.tsv` holds one row (package, version, file, bytes, sha256) for every wheel that one of the
promised targets would install. `scripts/pins.py` writes it; the architecture tests read it, without network.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from packaging.markers import Marker
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

PYTHONS = ((3, 11), (3, 12), (3, 13), (3, 14))
PLATFORMS = ("linux-x86_64", "linux-aarch64", "macos-arm64")
GLIBC = 36  # Debian 12 has glibc 2.36
MACOS = (14, 0)

# Exist only as source; pure Python, built by the pinned setuptools of build.txt.
SOURCE_ONLY = frozenset({"forbiddenfruit", "aiopubsub"})


class Target(NamedTuple):
    """One platform with one Python."""

    platform: str
    python: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.platform} with Python {self.python[0]}.{self.python[1]}"


class Pin(NamedTuple):
    """One `name==version` of a requirements file, with its hashes and the targets it is for."""

    name: str
    version: str
    marker: str
    hashes: frozenset[str]


class Wheel(NamedTuple):
    """One row of wheels.tsv."""

    name: str
    version: str
    file: str
    nbytes: int
    sha256: str


TARGETS = tuple(Target(platform, python) for platform in PLATFORMS for python in PYTHONS)


def read_pins(path: Path) -> Iterator[Pin]:
    """The pins of a requirements file as `uv pip compile --generate-hashes` writes it."""
    text = path.read_text().replace("\\\n", " ")
    for line in text.splitlines():
        head, *hashes = re.split(r"\s+--hash=sha256:", line.strip())
        found = re.fullmatch(r"([a-z0-9-]+)==(\S+)\s*(?:;\s*(.+))?", head.strip())
        if found:
            yield Pin(found[1], found[2], (found[3] or "").strip(), frozenset(hashes))


def read_wheels(path: Path) -> list[Wheel]:
    """The rows of wheels.tsv."""
    rows = [line.split("\t") for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return [Wheel(name, version, file, int(size), sha256) for name, version, file, size, sha256 in rows]


def write_wheels(path: Path, wheels: Iterable[Wheel]) -> None:
    """Writes wheels.tsv, sorted."""
    lines = ["# package, version, wheel, bytes, sha256; written by scripts/pins.py"]
    lines += ["\t".join(map(str, wheel)) for wheel in sorted(set(wheels))]
    path.write_text("\n".join(lines) + "\n")


def applies(pin: Pin, target: Target) -> bool:
    """Whether the pin's marker holds on the target."""
    if not pin.marker:
        return True
    linux = target.platform.startswith("linux")
    version = f"{target.python[0]}.{target.python[1]}"
    environment = dict(
        implementation_name="cpython",
        implementation_version=f"{version}.0",
        os_name="posix",
        platform_machine=target.platform.split("-")[1],
        platform_python_implementation="CPython",
        platform_release="",
        platform_system="Linux" if linux else "Darwin",
        platform_version="",
        extra="",
        python_full_version=f"{version}.0",
        python_version=version,
        sys_platform="linux" if linux else "darwin",
    )
    return Marker(pin.marker).evaluate(environment)


def tags_of(target: Target) -> list[Tag]:
    """The wheel tags the target accepts, best first."""
    if target.platform == "macos-arm64":
        platforms = list(mac_platforms(MACOS, "arm64"))
    else:
        machine = target.platform.split("-")[1]
        platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(GLIBC, 4, -1)]
        platforms += [
            f"manylinux2014_{machine}",
            f"manylinux2010_{machine}",
            f"manylinux1_{machine}",
            f"linux_{machine}",
        ]
    interpreter = f"cp{target.python[0]}{target.python[1]}"
    return [
        *cpython_tags(target.python, platforms=platforms),
        *compatible_tags(target.python, interpreter, platforms),
    ]


def best_wheel(wheels: Iterable[Wheel], accepted: list[Tag]) -> Wheel | None:
    """The wheel an installer would take, or None when none fits."""
    rank = {tag: place for place, tag in enumerate(accepted)}
    ranked: list[tuple[int, Wheel]] = []
    for wheel in wheels:
        try:
            tags = parse_wheel_filename(wheel.file)[3]
        except InvalidWheelFilename:
            continue
        places = [rank[tag] for tag in tags if tag in rank]
        if places:
            ranked.append((min(places), wheel))
    return min(ranked)[1] if ranked else None


def plan(pins: Iterable[Pin], wheels: list[Wheel], target: Target) -> tuple[list[Wheel], list[Pin]]:
    """What the target would download, and the pins for which it has no wheel."""
    accepted = tags_of(target)
    chosen: list[Wheel] = []
    missing: list[Pin] = []
    for pin in pins:
        if not applies(pin, target) or pin.name in SOURCE_ONLY:
            continue
        offered = [w for w in wheels if (w.name, w.version) == pin[:2] and w.sha256 in pin.hashes]
        wheel = best_wheel(offered, accepted)
        if wheel is None:
            missing.append(pin)
        else:
            chosen.append(wheel)
    return chosen, missing
