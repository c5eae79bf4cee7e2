"""A power loss at any moment leaves a store that opens, with everything that was acknowledged and nothing by halves."""

from pathlib import Path

import pytest

from torture import _bare, _power
from torture._powerlog import NoCompiler, library


@pytest.fixture(autouse=True)
def _compiler() -> None:
    try:
        library()
    except NoCompiler as error:
        pytest.skip(str(error))


def test_the_bare_store_survives_a_power_loss_at_any_moment(tmp_path: Path) -> None:
    verdict = _power.bare(tmp_path, "sqlite", seed=1, images=42, writes=60)
    assert verdict.problems == []
    assert (verdict.images, min(verdict.flavours.values())) == (42, 6)


def test_a_runtime_survives_a_power_loss_at_any_moment(tmp_path: Path) -> None:
    verdict = _power.whole(tmp_path, "sqlite", seed=1, images=14, count=12)
    assert verdict.problems == []
    assert verdict.images == 14


def test_an_acknowledgement_that_comes_too_early_is_noticed(tmp_path: Path) -> None:
    disk = _power.recorded(
        tmp_path, ["torture._bare", "write", "sqlite", str(tmp_path / "disk" / "data"), "1", "20"]
    )
    digests = {held: number for number, held in enumerate(_bare.expected(1, 20))}
    first = disk.acks[0][0]
    assert _power._judge({"digest": _bare.expected(1, 20)[0]}, digests, acked=0) is None
    assert "acknowledged" in (_power._judge({"digest": _bare.expected(1, 20)[0]}, digests, acked=1) or "")
    assert "no number" in (_power._judge({"digest": "else"}, digests, acked=0) or "")
    assert any(sync.end < first for file in disk.files for sync in file.syncs), "nothing was synced before it"
