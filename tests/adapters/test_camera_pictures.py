"""Pictures of strangers: every kind that is promised, upright, and one typed error for everything else."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loom.adapters import _camera_pictures as pictures
from loom.adapters._camera_pictures import fit, list_pictures, open_picture
from loom.errors import ConfigError, UnreadablePicture

Images = pytest.importorskip("PIL.Image")


@pytest.mark.parametrize("suffix", ["png", "jpg", "jpeg", "gif", "webp", "bmp"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1"])
def test_every_kind_and_mode_is_read(tmp_path: Path, suffix: str, mode: str) -> None:
    path = tmp_path / f"picture.{suffix}"
    image = Images.new("RGB", (40, 30), "white").convert(mode)
    (image.convert("L") if suffix in ("jpg", "jpeg") and mode in ("P", "1") else image).save(path)
    got = open_picture(path)
    assert (got.mode, got.size) == ("RGB", (40, 30))
    assert got.getpixel((20, 15)) == pytest.approx((255, 255, 255), abs=3)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "I;16", "CMYK"])
def test_transparency_is_white_and_deep_pictures_are_scaled(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("picture.jpg" if mode == "CMYK" else "picture.png")
    Images.new(mode, (8, 8)).save(path)
    got = open_picture(path)
    assert (got.mode, got.size) == ("RGB", (8, 8))
    assert got.getpixel((0, 0))[0] == (255 if mode in ("RGBA", "LA", "CMYK") else 0)


def test_sixteen_bits_become_eight_from_the_darkest_to_the_brightest(tmp_path: Path) -> None:
    image = Images.frombytes("I;16", (3, 1), b"".join(v.to_bytes(2, "little") for v in (1000, 3000, 5000)))
    image.save(tmp_path / "deep.png")
    got = open_picture(tmp_path / "deep.png")
    assert [got.getpixel((x, 0))[0] for x in range(3)] == pytest.approx([0, 127, 255], abs=1)


def test_orientation_is_honoured(tmp_path: Path) -> None:
    image = Images.new("RGB", (40, 20), "black")
    image.paste("white", (0, 0, 20, 20))
    exif = Images.Exif()
    exif[0x0112] = 6  # turned a quarter to the left when taken
    image.save(tmp_path / "a.jpg", exif=exif)
    got = open_picture(tmp_path / "a.jpg")
    assert got.size == (20, 40)
    assert got.getpixel((10, 5))[0] > 200
    assert got.getpixel((10, 35))[0] < 50


def test_a_truncated_file_of_any_length_is_an_error_that_names_it(tmp_path: Path) -> None:
    whole = tmp_path / "whole.png"
    Images.effect_noise((40, 40), 90).save(whole)
    data = whole.read_bytes()
    path = tmp_path / "cut.png"
    for length in range(0, len(data) - 60, 97):
        path.write_bytes(data[:length])
        with pytest.raises(UnreadablePicture, match=r"cut\.png"):
            open_picture(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    data=st.binary(max_size=200),
    head=st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"BM", b"RIFF"]),
)
def test_garbage_is_an_unreadable_picture_whatever_it_is(tmp_path: Path, data: bytes, head: bytes) -> None:
    path = tmp_path / "garbage.png"
    path.write_bytes(head + data)
    with pytest.raises(UnreadablePicture, match=r"garbage\.png"):
        open_picture(path)


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = (60_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    path = tmp_path / "bomb.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )
    with pytest.raises(UnreadablePicture, match=r"60000 x 60000 pixels, over the limit of 64,000,000"):
        open_picture(path)


def test_what_is_no_ordinary_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(UnreadablePicture, match="no ordinary file"):
        open_picture(tmp_path / "pipe.png")
    with pytest.raises(UnreadablePicture, match=r"gone\.png"):
        open_picture(tmp_path / "gone.png")


def test_a_picture_is_fitted_with_black_around_it() -> None:
    tall = fit(Images.new("RGB", (10, 40), "white"), (64, 48))
    assert tall.size == (64, 48)
    assert tall.getpixel((0, 24)) == (0, 0, 0)
    assert tall.getpixel((32, 24)) == (255, 255, 255)


def test_only_pictures_directly_in_the_folder_are_listed_by_name(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpeg", ".c.png", "d.txt", "e.bmp"):
        (tmp_path / name).touch()
    (tmp_path / "f.png").mkdir()
    assert [path.name for path in list_pictures(str(tmp_path))] == ["a.jpeg", "b.PNG", "e.bmp"]


def test_a_folder_without_pictures_says_what_counts_as_one(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    with pytest.raises(ConfigError, match=r"png, jpg, .*among its 1 entries"):
        list_pictures(str(tmp_path))


def test_missing_photographs_are_named_with_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "PACKAGE", "no-such-package")
    with pytest.raises(ConfigError, match=r"pip install --no-deps scikit-image==0\.26\.0"):
        pictures.packaged_pictures()
