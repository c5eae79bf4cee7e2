"""The router needs no package: importing it, and all that it may work with, loads the standard library only."""

import subprocess
import sys
from pathlib import Path

SRC = Path(__file__).parent.parent.parent / "src"
PROGRAM = f"""
import sys
sys.path.insert(0, {str(SRC)!r})
import loom.privacy, loom.router, loom.router.assembly, loom.router.learned, loom.router.settings, loom.router.tools
import loom.router.vllm_import
strange = {{name.partition(".")[0] for name in sys.modules}} - set(sys.stdlib_module_names) - {{"loom", "__main__"}}
print(*sorted(strange))
"""


def test_importing_the_router_loads_the_standard_library_only() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("", "")
