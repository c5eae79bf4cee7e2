"""Writes requirements/*.txt from requirements/*.in, then wheels.tsv and sizes.txt. Run by `make pins`.

scripts/pins.py              keeps the versions that are pinned, adds and removes what the .in files say
scripts/pins.py --upgrade    takes today's versions
scripts/pins.py --table      leaves the .txt files alone and writes only the two tables
"""

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from scripts.wheels import SOURCE_ONLY, TARGETS, Wheel, plan, read_pins, write_wheels

REQUIREMENTS = Path(__file__).parent.parent / "requirements"
GROUPS = (
    "build",
    "demo",
    "demo-nodeps",
    "test",
    "peers",
    "pins",
)  # demo before test, which is held to its versions
UNIVERSAL = ["--universal", "--python-version", "3.11", "--no-annotate", "--no-header", "--quiet"]


def uv(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "uv", "pip", "compile", *arguments], cwd=REQUIREMENTS, check=True)


def compile_group(group: str, upgrade: bool) -> None:
    options = ["--no-deps"] if group.endswith("-nodeps") else []
    options += ["--upgrade"] if upgrade else []
    uv(f"{group}.in", "-o", f"{group}.txt", "--generate-hashes", *UNIVERSAL, *options)


def wheels_of(group: str) -> list[Wheel]:
    """Every wheel the index has for the pinned versions, with its size and hash."""
    with tempfile.TemporaryDirectory() as folder:
        lock = Path(folder) / "pylock.toml"
        uv(f"{group}.txt", "-o", str(lock), "--format", "pylock.toml", "--no-deps", *UNIVERSAL)
        packages = tomllib.loads(lock.read_text())["packages"]
    return [
        Wheel(
            package["name"],
            package["version"],
            row["url"].rsplit("/", 1)[1],
            row["size"],
            row["hashes"]["sha256"],
        )
        for package in packages
        for row in package.get("wheels", ())
    ]


def main() -> int:
    if "--table" not in sys.argv:
        for group in GROUPS:
            compile_group(group, "--upgrade" in sys.argv)
    kept: list[Wheel] = []
    sizes = [
        "# MB that a group downloads at most, over every platform and Python; written by scripts/pins.py"
    ]
    short = 0
    for group in GROUPS:
        pins = list(read_pins(REQUIREMENTS / f"{group}.txt"))
        wheels = wheels_of(group)
        largest = 0
        for target in TARGETS:
            chosen, missing = plan(pins, wheels, target)
            largest = max(largest, sum(wheel.nbytes for wheel in chosen))
            kept += chosen
            short += len(missing)
            for pin in missing:
                print(f"{group}: {pin.name}=={pin.version} has no wheel for {target}", file=sys.stderr)
        sizes.append(f"{group} {-(-largest // 1_000_000)}")
    write_wheels(REQUIREMENTS / "wheels.tsv", kept)
    (REQUIREMENTS / "sizes.txt").write_text("\n".join(sizes) + "\n")
    print("\n".join(sizes[1:]))
    print(f"only as source: {', '.join(sorted(SOURCE_ONLY))}")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
