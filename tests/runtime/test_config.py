"""loom.toml: what is wrong is said with its file and line, and what would be right."""

from pathlib import Path

import pytest

from loom.errors import ConfigError
from loom.router.settings import TABLE
from loom.runtime._config_places import places
from loom.runtime.config import GATEWAY, JOURNAL, PARTS, SETTINGS, Part, parse_project, read_project

FILE = Path("p/loom.toml")
GOOD = """\
[loom]
name = "kitchen"
drain = 5

[sources.door]
use = "agents:door"
topic = "door.front"

[agents.greeter]
use = "agents:Greeter"
grants = ["tts.*"]
state = { faces = 3 }
"""

# The whole message but for the path of the file in front.
MALFORMED = {
    "not closed": ('[loom\nname = "x"', "1:6: Expected ']' at the end of a table declaration"),
    "no value": ("[loom]\nname =\n", "2:7: Invalid value"),
    "bare word": ("[loom]\nname = kitchen\n", "2:8: Invalid value"),
    "ends in a string": ('[loom]\nname = "kit', '2:12: Unterminated string, but the file ends here'),
    "twice": ('[loom]\nname = "a"\nname = "b"\n', "3:11: Cannot overwrite a value"),
    "table": ("[agnets.greeter]\nuse = 'a:B'\n", "1: no table or key 'agnets'; did you mean 'agents'?"),
    "no table": ("agents = 3\n", "1: agents must be a table, not 3"),
    "setting": ('[loom]\nname = "x"\ndrian = 3\n', "3: no key 'drian' in [loom]; did you mean 'drain'?"),
    "far off": (
        "[loom]\nzzz = 3\n",
        (
            "2: no key 'zzz' in [loom]; there are approval_timeout, backend, concurrency, data, drain, key, name, "
            "seed, watchdog"
        ),
    ),
    "type": ('[loom]\ndrain = "ten"\n', "2: loom.drain must be a number, not 'ten'"),
    "truth": ("[loom]\n\nconcurrency = true\n", "3: loom.concurrency must be a whole number, not true"),
    "range": ("[loom]\ndrain = -1\n", "2: loom.drain must be at least 0, not -1"),
    "agent key": (
        '[agents.greeter]\nuse = "agents:Greeter"\ngrant = []\n',
        "3: no key 'grant' in [agents.greeter]; did you mean 'grants'?",
    ),
    "no use": ("[loom]\n\n[agents.greeter]\ngrants = []\n", '3: [agents.greeter] needs use = "..."'),
    "nearly use": (
        '[sources.door]\nuses = "a:b"\n',
        "2: [sources.door] needs use = \"...\", did you mean it by 'uses'?",
    ),
    "use": ("[agents.greeter]\nuse = 3\n", "2: agents.greeter.use must be text in quotes, not 3"),
    "grants": ('[agents.g]\nuse = "a:B"\ngrants = "tts.*"\n', "3: agents.g.grants must be a list, not 'tts.*'"),
    "grant": ('[agents.g]\nuse = "a:B"\ngrants = [1]\n', "3: agents.g.grants must be text in quotes, not 1"),
    "approval": ('[actions.a]\nuse = "a:b"\napproval = "alow"\n', "3: approval is 'alow'; did you mean 'allow'?"),
    "part": ('agents.greeter = "agents:Greeter"\n', "1: agents.greeter must be a table, not 'agents:Greeter'"),
    "inline": (
        '[agents]\n\ng = { use = "a:B", grnts = [] }\n',
        "3: no key 'grnts' in [agents.g]; did you mean 'grants'?",
    ),
    "quoted": (
        '[agents."a b"]\nuse = "a:B"\nx = 1\n',
        "3: no key 'x' in [agents.\"a b\"]; there are grants, state, use",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_file_is_one_line_with_place_and_advice(case: str) -> None:
    text, said = MALFORMED[case]
    with pytest.raises(ConfigError) as caught:
        parse_project(text, FILE)
    assert str(caught.value) == f"p/loom.toml:{said}" or (
        "Cannot overwrite" in said and str(caught.value).startswith("p/loom.toml:3:")
    )


def test_a_good_file_is_settings_and_parts_in_order() -> None:
    project = parse_project(GOOD, FILE)
    assert project.settings == {"name": "kitchen", "drain": 5}
    assert project.parts == (
        Part("sources", "door", "agents:door", {"topic": "door.front"}),
        Part("agents", "greeter", "agents:Greeter", {"grants": ["tts.*"], "state": {"faces": 3}}),
    )
    assert project.folder == Path("p")


def test_an_empty_file_is_a_project_without_parts() -> None:
    assert parse_project("", FILE).parts == ()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "no file"),
        (lambda path: path.write_bytes(b'name = "\xff"'), "byte 8 is not UTF-8"),
        (lambda path: path.write_text("a = " + "[" * 5000), "loom.toml:"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(make, said: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    make(tmp_path / "loom.toml")
    with pytest.raises(ConfigError, match=said) as caught:
        read_project(tmp_path)
    assert "\n" not in str(caught.value)


def test_every_key_has_the_line_it_is_written_in() -> None:
    text = (
        '# [fake]\n[a]\nx = """\n[no]\ny = 1\n"""\n"b c".d = [\n  1, # ]\n  "]",\n]\n\n'
        "[a.e] # note\nz = '''it's\n'''\nw = {q = 1, r = [2]}\n[[f.g]]\nh = '\\'\ni = 3\n"
        "[f.g.j]\nk = 1\n[[f.g]]\nh = 2"
    )
    assert places(text) == {
        ("a",): 2, ("a", "x"): 3, ("a", "b c"): 7, ("a", "b c", "d"): 7, ("a", "e"): 12, ("a", "e", "z"): 13,
        ("a", "e", "w"): 15, ("f",): 16, ("f", "g"): 16, ("f", "g", "0"): 16, ("f", "g", "0", "h"): 17,
        ("f", "g", "0", "i"): 18, ("f", "g", "0", "j"): 19, ("f", "g", "0", "j", "k"): 20, ("f", "g", "1"): 21,
        ("f", "g", "1", "h"): 22,
    }  # fmt: skip


def test_the_reference_names_every_key_and_its_example_is_fine() -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "CONFIGURATION.md").read_text()
    sections = {part.split("]")[0].split(".")[0]: part for part in page.split("## [")[1:]}
    assert set(sections) == {"loom", "journal", "router", "gateway", *PARTS}
    known = {"loom": SETTINGS, "journal": JOURNAL, "router": TABLE, "gateway": GATEWAY, **PARTS}
    for kind, keys in known.items():
        assert [key for key in keys if f"`{key}`" not in sections[kind]] == []
    example = page.split("```toml\n")[1].split("```")[0]
    assert len(parse_project(example, FILE).parts) == 4
