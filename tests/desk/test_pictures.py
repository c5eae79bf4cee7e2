"""Pictures on a desk: opened within limits in a process of their own, and found by who is on them."""

from pathlib import Path

import pytest

from loom.desk.topics import TROUBLE
from loom.testing import FakeBackend, Probe, virtual_time
from tests.desk.papers import Desk


@virtual_time
async def test_a_picture_is_found_by_its_name_and_by_who_is_on_it(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    image.new("RGB", (40, 30), "red").save(tmp_path / "grandmother.png")
    image.new("RGB", (9000, 9000)).save(tmp_path / "vast.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "grandmother.png").read_bytes()[:60])
    desk = Desk(tmp_path / "data")
    desk.loom.add_model(FakeBackend("faces.detect", lambda request: [{"score": 0.9}] * 2, name="faces"))
    probe = Probe(desk.loom.bus, TROUBLE)
    async with desk.loom:
        for name in ("grandmother.png", "vast.png", "cut.png"):
            await desk.tell("created", tmp_path / name)
        await desk.loom.idle()
        said = "a picture called grandmother.png, 40 x 30 pixels, 2 faces of people"
        assert desk.papers() == {"grandmother.png": [said]}
        assert [told["name"] for told in probe.payloads] == ["vast.png", "cut.png"]
        assert "9000 x 9000" in probe.payloads[0]["reason"]
        assert "cannot be opened" in probe.payloads[1]["reason"]
