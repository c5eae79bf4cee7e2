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


def loaded(names: str) -> list[str]:
    """What a fresh interpreter has loaded after importing loom and touching the names."""
    command = [sys.executable, "-c", PROBE.replace("NAMES", names)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    modules = json.loads(done.stdout)
    assert isinstance(modules, list)
    return modules


def strangers(names: str) -> set[str]:
    """The packages among them that are not in the standard library."""
    return {module.partition(".")[0] for module in loaded(names)} - set(sys.stdlib_module_names)


def own(names: str) -> list[str]:
    return [module for module in loaded(names) if module.startswith("loom")]


def test_import_loom_loads_the_standard_library_only() -> None:
    assert strangers("()") == {"loom"}


def test_every_public_name_loads_the_standard_library_only() -> None:
    assert strangers("loom.__all__") == {"loom"}


def test_import_loom_alone_loads_no_other_module_of_loom() -> None:
    assert own("()") == ["loom"]


def test_no_public_name_loads_generated_code() -> None:
    assert [module for module in own("loom.__all__") if module.startswith("loom.v1")] == []
