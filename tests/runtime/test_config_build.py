"""What a project file may use: code of its own folder, least privilege, and settings that fit what they are for."""

import asyncio
import inspect
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from loom.errors import ActionDenied, ConfigError, MissingExtra
from loom.runtime import Loom
from loom.runtime._builtins import BUILTINS, load_builtin
from loom.runtime._config_build import GIVEN, build, notes
from loom.runtime.config import Project, parse_project

AGENTS = """
import os
from subprocess import Popen
from loom import Agent, action, on, source
from loom.adapters import Source

@action("tts.speak")
async def speak(text: str) -> None: pass

class Greeter(Agent):
    faces: int = 0
    errors: list[str] = []
    @on("a.face")
    async def greet(self, event, ctx):
        self.faces += 1
        ctx.act("tts.speak", text="Hello!")

@on("a.face")
async def echo(event, ctx): pass

@source("door")
async def door(out): pass

def beeper(name: str, topic: str, every: float = 1.0, loud: bool = False) -> Source:
    async def beep(out): pass
    return Source(name, beep)

class Echo:
    tasks, location = frozenset({"echo"}), "local"
    def __init__(self, name: str, size: int = 1) -> None: self.name, self.size = name, size
    async def close(self) -> None: pass

number = 3
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A project's folder; what was imported from it is forgotten afterwards."""
    modules, path = set(sys.modules), list(sys.path)
    home = tmp_path / "project"
    home.mkdir()
    (home / "agents.py").write_text(AGENTS)
    yield home
    for name in set(sys.modules) - modules:
        del sys.modules[name]
    sys.path[:] = path


def project(folder: Path, text: str) -> Project:
    return parse_project(text, folder / "loom.toml")


def built(folder: Path, text: str) -> Loom:
    return build(project(folder, text))


async def see_a_face(loom: Loom) -> None:
    async with loom:
        await loom.publish("a.face")
        await loom.idle()


def refused(folder: Path, text: str) -> str:
    """The complaint, without the path in front."""
    with pytest.raises(ConfigError) as caught:
        built(folder, text)
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(f"{folder}/", "").replace(str(folder), "HERE")


def test_agents_actions_sources_and_models_of_the_folder_are_found(folder: Path) -> None:
    loom = built(
        folder,
        """
        [actions.speak]
        use = "agents:speak"
        approval = "ask"
        [agents.hello]
        use = "agents:Greeter"
        state = { faces = 4 }
        [agents.second]
        use = "agents:echo"
        [sources.door]
        use = "agents:door"
        [sources.beep]
        use = "agents:beeper"
        topic = "a.b"
        every = 2
        [models.parrot]
        use = "agents:Echo"
        size = 5
        """,
    )
    statistics = loom.statistics()
    assert list(statistics.agents) == ["hello", "second"]
    assert list(statistics.sources) == ["door", "beep"]
    assert loom.agent("hello").instance.faces == 4  # type: ignore[attr-defined]
    assert [(model.name, model.size) for model in loom.models] == [("parrot", 5)]


@pytest.mark.parametrize(
    "use", ["os:system", "subprocess:Popen", "loom.runtime:Loom", "pytest:main", "nothing:There"]
)
def test_a_module_that_is_not_in_the_folder_is_refused(folder: Path, use: str) -> None:
    module = use.partition(":")[0].partition(".")[0]
    said = refused(folder, f'[agents.x]\nuse = "{use}"')
    assert said == f"loom.toml:2: no module {module!r} in HERE; code comes from the project's folder only"


@pytest.mark.parametrize(
    "use", ["../evil:X", "/etc/passwd:X", "agents", "agents:Greeter.greet", "agents:", ":X", ".a:X", "a..b:X"]
)
def test_a_name_that_is_no_module_and_name_is_refused(folder: Path, use: str) -> None:
    assert refused(folder, f'[agents.x]\nuse = "{use}"').startswith("loom.toml:2: ")


def test_a_link_that_leads_out_of_the_folder_is_refused(folder: Path) -> None:
    (folder.parent / "outside.py").write_text("raise SystemExit('executed')")
    (folder / "inside.py").symlink_to(folder.parent / "outside.py")
    (folder.parent / "pack").mkdir()
    (folder.parent / "pack" / "__init__.py").write_text("raise SystemExit('executed')")
    (folder / "pack").symlink_to(folder.parent / "pack")
    for use in ("inside:X", "pack:X", "pack.sub:X"):
        assert "code comes from the project's folder only" in refused(folder, f'[agents.x]\nuse = "{use}"')


def test_a_file_with_the_name_of_another_module_is_refused(folder: Path) -> None:
    (folder / "json.py").write_text("X = 1")
    assert "json.py has the name of another module" in refused(folder, '[agents.x]\nuse = "json:X"')


def test_what_the_project_only_imported_is_never_called(folder: Path) -> None:
    said = refused(folder, '[sources.x]\nuse = "agents:Popen"\nargs = ["touch", "/tmp/never"]')
    assert (
        said
        == "loom.toml:2: agents:Popen was imported into the project, not defined there; write a function around it"
    )


def test_a_package_of_the_folder_and_its_own_imports_work(folder: Path) -> None:
    (folder / "robots").mkdir()
    (folder / "robots" / "__init__.py").write_text("")
    (folder / "robots" / "arm.py").write_text("from agents import Greeter\nclass Arm(Greeter): pass\n")
    loom = built(folder, '[actions.s]\nuse = "agents:speak"\n[agents.arm]\nuse = "robots.arm:Arm"\n')
    assert type(loom.agent("arm").instance).__mro__[1].__module__ == "agents"


MISTAKES = {
    "name": ('[agents.x]\nuse = "agents:Greter"', "loom.toml:2: agents.py has no 'Greter'; did you mean 'Greeter'"),
    "table": ('[agents.x]\nuse = "agents:speak"', "loom.toml:2: agents:speak belongs under [actions.x]"),
    "number": ('[sources.x]\nuse = "agents:number"', "loom.toml:2: agents:number is int, not something"),
    "built in": ('[sources.x]\nuse = "camra"', "loom.toml:2: no source 'camra' is built in or installed; did"),
    "no action": (
        '[agents.x]\nuse = "agents:Greeter"',
        "loom.toml:1: Greeter.greet uses no action 'tts.speak'; add(...) the function that provides it",
    ),
    "setting": (
        '[sources.x]\nuse = "agents:beeper"\ntopic = "a"\nevry = 1',
        "loom.toml:4: no key 'evry' for 'agents:beeper'; did you mean 'every'?",
    ),
    "setting's type": (
        '[sources.x]\nuse = "agents:beeper"\ntopic = "a"\nloud = "very"',
        "loom.toml:4: sources.x.loud must be true or false, not 'very'",
    ),
    "setting missing": ('[sources.x]\nuse = "agents:beeper"', "loom.toml:1: 'agents:beeper' needs topic = ..."),
    "ready source": (
        '[sources.x]\nuse = "agents:door"\ntopic = "a"',
        "loom.toml:3: agents:door takes no 'topic': it is a ready source, not a function that makes one",
    ),
    "state": (
        '[actions.s]\nuse = "agents:speak"\n[agents.x]\nuse = "agents:Greeter"\nstate = { face = 1 }',
        "loom.toml:5: Greeter has no state field 'face'",
    ),
    "camera": ('[sources.x]\nuse = "camera"\nrate = "fast"', "loom.toml:3: sources.x.rate must be a number"),
    "camera's range": ('[sources.x]\nuse = "camera"\nrate = 0', "loom.toml:1: camera of 0 frames/s"),
    "agent's name": ('[agents."a b"]\nuse = "agents:echo"', "loom.toml:1: agent name 'a b': use letters"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line_with_place_and_advice(folder: Path, case: str) -> None:
    text, said = MISTAKES[case]
    assert refused(folder, text).startswith(said)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import nothing_there", "broken.py:1: ModuleNotFoundError: No module named 'nothing_there'"),
        ("def f(:\n", "broken.py:1: SyntaxError: invalid syntax"),
        ("x = 1\ny = x / 0\n", "broken.py:2: ZeroDivisionError: division by zero"),
    ],
)
def test_code_that_fails_is_named_with_its_line(folder: Path, code: str, said: str) -> None:
    (folder / "broken.py").write_text(code)
    assert refused(folder, '[agents.x]\nuse = "broken:X"').startswith(said)


def test_an_agent_may_use_no_action_that_it_is_not_granted(folder: Path) -> None:
    text = '[actions.s]\nuse = "agents:speak"\n[agents.x]\nuse = "agents:Greeter"\n'
    plan = project(folder, text)
    loom = build(plan)
    assert notes(plan, loom) == [
        f"{folder}/loom.toml:3: agent 'x' uses 'tts.speak' and is not granted it; add it to grants = [...]"
    ]
    asyncio.run(see_a_face(loom))
    [letter] = [letter for letter in loom.dead_letters if letter.agent == "x"]
    assert letter.error.startswith(ActionDenied.__name__)
    assert loom.statistics().actions["done"] == 0


def test_a_granted_action_is_done(folder: Path) -> None:
    text = '[actions.s]\nuse = "agents:speak"\n[agents.x]\nuse = "agents:Greeter"\ngrants = ["tts.*"]\n'
    plan = project(folder, text)
    loom = build(plan)
    assert notes(plan, loom) == []
    asyncio.run(see_a_face(loom))
    assert loom.statistics().actions["done"] == 1


def test_a_project_without_agents_gets_a_note(folder: Path) -> None:
    plan = project(folder, "")
    assert notes(plan, build(plan)) == [
        f"{folder}/loom.toml: there is no [agents.NAME], so nothing will react"
    ]


@pytest.mark.parametrize("part", ["camera", "faces"])
def test_a_built_in_thing_without_its_packages_says_how_to_get_them(
    folder: Path, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "loom.adapters.camera_source", None)
    monkeypatch.setattr("importlib.metadata.version", _not_installed)
    kind = "sources" if part == "camera" else "models"
    with pytest.raises(MissingExtra, match=r"pip install '.*\[vision\]'"):
        built(folder, f'[{kind}.x]\nuse = "{part}"')


def _not_installed(package: str) -> str:
    raise PackageNotFoundError(package)


def test_a_camera_and_its_detector_share_memory(folder: Path) -> None:
    loom = built(
        folder,
        '[models.eyes]\nuse = "faces"\n[sources.front]\nuse = "camera"\nrate = 5\nfolder = "pictures"\n',
    )
    assert [(model.name, model.tasks) for model in loom.models] == [("eyes", {"detect", "faces.detect"})]
    assert list(loom.statistics().sources) == ["front"]


def test_a_model_gets_the_memory_of_every_source_even_under_one_name(folder: Path) -> None:
    (folder / "eyes.py").write_text(
        "from loom.adapters import Source\n"
        "class Arena: name = 'eye'\n"
        "class Seeing(Source): pass\n"
        "def eye(name):\n"
        "    async def see(out): pass\n"
        "    made = Seeing(name, see)\n"
        "    object.__setattr__(made, 'arena', Arena())\n"
        "    return made\n"
        "class Brain:\n"
        "    tasks, location = frozenset(), 'local'\n"
        "    def __init__(self, name, arenas): self.name, self.arenas = name, arenas\n"
    )
    sources = "".join(f'[sources.{name}]\nuse = "eyes:eye"\n' for name in ("left", "right"))
    (brain,) = built(folder, sources + '[models.brain]\nuse = "eyes:Brain"\n').models
    assert [arena.name for arena in brain.arenas] == ["eye", "eye"]
    assert len(set(brain.arenas)) == 2


def test_the_reference_names_every_setting_of_what_is_built_in() -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "CONFIGURATION.md").read_text()
    for names in BUILTINS.values():
        for word, row in names.items():
            section = "".join(each for each in page.split("\n## ") if f'`use = "{word}"`' in each)
            keys = set(inspect.signature(load_builtin(row)).parameters) - set(GIVEN)
            assert [key for key in keys if f"`{key}`" not in section] == [], word
