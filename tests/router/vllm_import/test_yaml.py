"""A file that somebody sent: plain values, no code, no bomb, and an error that names the place."""

from pathlib import Path

import pytest

from loom.errors import ConfigError
from loom.router.vllm_import._yaml import LARGEST, read_yaml


def test_plain_values_are_read(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("a: [1, two, {three: 4.5}]\nb: &x {c: d}\ne: *x\n")
    assert read_yaml(file) == {"a": [1, "two", {"three": 4.5}], "b": {"c": "d"}, "e": {"c": "d"}}
    file.write_text("")
    assert read_yaml(file) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"a: !!python/object/apply:os.system ['true']", ":1: no YAML"),
        (b"a: [1\nb: 2", ":2: no YAML"),
        (b"a: \xff", "byte 3 is not UTF-8"),
        (b"a: &a [*a]", "nested|undefined|no YAML"),
        (b"{" * 2000, "no YAML"),
        (b"a: 2020-13-45", "no YAML"),
        (b"\x00", "no YAML"),
        (b"a: 1\nb: {c: 2,\n  c: 3}", "line 2 and line 3 both say 'c'"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place(tmp_path: Path, text: bytes, why: str) -> None:
    file = tmp_path / "p.yaml"
    file.write_bytes(text)
    with pytest.raises(ConfigError, match=why):
        read_yaml(file)


def test_aliases_that_stand_for_a_billion_values_are_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    file = tmp_path / "p.yaml"
    file.write_text("\n".join(lines))
    with pytest.raises(ConfigError, match="stands for more than"):
        read_yaml(file)


def test_a_file_that_is_too_large_or_not_there_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    with pytest.raises(ConfigError, match="No such file"):
        read_yaml(file)
    file.write_bytes(b"#" * (LARGEST + 1))
    with pytest.raises(ConfigError, match="more than 8 MiB"):
        read_yaml(file)
