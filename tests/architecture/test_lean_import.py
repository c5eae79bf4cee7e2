"""`import loom`, and every public name, loads the standard library only."""

import json
import subprocess
import sys

# What site itself loads (.pth files of other packages) is there before loom and does not count.
PROBE = """
import sys
before = set(sys.modules)
import loom
for name in NAMES: getattr(loom, name)
import json
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def loaded(names: str) -> set[str]:
    """Top-level packages outside the standard library that came with the import."""
    probe = PROBE.replace("NAMES", names)
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=True
    )
    packages = {module.partition(".")[0] for module in json.loads(done.stdout)}
    return packages - set(sys.stdlib_module_names)


def modules(names: str) -> list[str]:
    probe = PROBE.replace("NAMES", names)
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=True
    )
    return [module for module in json.loads(done.stdout) if module.startswith("loom")]


def test_import_loom_loads_the_standard_library_only() -> None:
    assert loaded("()") == {"loom"}


def test_every_public_name_loads_the_standard_library_only() -> None:
    assert loaded("loom.__all__") == {"loom"}


def test_import_loom_alone_loads_no_other_module_of_loom() -> None:
    assert modules("()") == ["loom"]


def test_no_public_name_loads_generated_code() -> None:
    assert [module for module in modules("loom.__all__") if module.startswith("loom.v1")] == []
