"""Photographs: order, names, orientation, bit depths, and files that are not pictures."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from rtsod.config import SourceConfig
from rtsod.errors import SourceError
from rtsod.frames import Frame
from rtsod.imaging.stills.image_file import load
from rtsod.sources import open_source
from rtsod.sources.stills import StillsSource, stills_from_folder
from tests.support.source_fixtures import pictures, write_video
from tests.support.still_fixtures import HEIC, encoded, quarters, right_half_hidden

IMAGES = Path(__file__).parents[2].parent / "shared" / "samples" / "images"
PICTURE = pictures(1)[0]


def _write(path: Path, image: NDArray[np.integer[Any]] = PICTURE) -> Path:
    assert cv2.imwrite(str(path), image)
    return path


def _read_all(source: StillsSource) -> list[Frame]:
    frames = list(iter(source.read, None))
    source.close()
    return [frame for frame in frames if frame is not None]


def test_natural_order_without_hidden_and_other_files(tmp_path: Path) -> None:
    for name in ("10.png", "9.png", "a2.jpg", "A10.jpg", "a1.bmp", ".hidden.png"):
        _write(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "folder.png").mkdir()
    source = stills_from_folder(tmp_path)
    assert source.info.stills
    assert not source.info.live
    assert source.info.frames == 5
    assert source.info.notes == (
        "passed over: 1 file that is no photograph (notes.txt); 1 hidden file (.hidden.png); 1 folder (folder.png)",
    )
    frames = _read_all(source)
    assert [frame.name for frame in frames] == ["9", "10", "a1", "a2", "A10"]
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]


def test_files_with_the_same_stem_get_different_names(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png", "a.png.png", "A.tif", "b.png"):
        _write(tmp_path / name)
    names = [frame.name for frame in _read_all(stills_from_folder(tmp_path))]
    assert names == ["a", "a.png", "a.png.png", "A.tif", "b"]
    assert len({str(name).casefold() for name in names}) == 5


@pytest.mark.parametrize("suffix", ["jpg", "jpeg", "png", "bmp", "webp", "tif", "tiff", "JPG"])
def test_every_format_at_its_own_size(tmp_path: Path, suffix: str) -> None:
    (frame,) = _read_all(stills_from_folder(_write(tmp_path / f"x.{suffix}").parent))
    assert frame.image.shape == (48, 64, 3)
    assert frame.image[-1, -1].tolist() == pytest.approx(PICTURE[-1, -1].tolist(), abs=4)


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("grey.png", np.full((20, 30), 200, np.uint8)),
        ("deep.png", np.full((20, 30, 3), 200 * 257, np.uint16)),
        ("deep_grey.tif", np.full((20, 30), 200 * 257, np.uint16)),
        ("alpha.png", np.full((20, 30, 4), (200, 200, 200, 1), np.uint8)),
    ],
)
def test_every_depth_becomes_8_bit_bgr(tmp_path: Path, name: str, image: NDArray[np.integer[Any]]) -> None:
    loaded = load(_write(tmp_path / name, image)).image
    assert loaded.dtype == np.uint8
    assert loaded.shape == (20, 30, 3)
    assert np.abs(loaded.astype(int) - 200).max() <= 1


def test_exif_orientation_is_respected(tmp_path: Path) -> None:
    path = _write(tmp_path / "phone.jpg")
    data = path.read_bytes()
    quarter_turn_clockwise = struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 0x0112, 3, 1, 6, 0, 0)
    exif = b"Exif\0\0" + quarter_turn_clockwise
    path.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:])
    image = load(path).image
    assert image.shape == (64, 48, 3)
    assert image[5, 40].mean() < 25  # the dark corner went from top left to top right


def test_an_animation_gives_its_first_picture(tmp_path: Path) -> None:
    animation = cv2.Animation()
    animation.frames = [np.full((40, 60, 3), level, np.uint8) for level in (50, 200)]
    animation.durations = [100, 100]
    assert cv2.imwriteanimation(str(tmp_path / "x.webp"), animation)
    image = load(tmp_path / "x.webp").image
    assert image.shape == (40, 60, 3)
    assert image.mean() == pytest.approx(50, abs=3)


def _png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    body = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + chunk(
        b"IDAT", zlib.compress(b"\0" * 99)
    )
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(20000, 20000), (2**31 - 1, 2**31 - 1), (33000, 8), (0, 5)])
def test_absurd_sizes_are_rejected_by_their_header(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(_png_header(*size))
    with pytest.raises(SourceError, match=r"bomb\.png"):
        load(path)


def test_unreadable_files_are_counted_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "0.png").write_bytes(b"")
    (tmp_path / "1.jpg").write_text("no picture at all")
    (tmp_path / "2.png").write_bytes(_png_header(30000, 30000))
    _write(tmp_path / "3.png")
    source = stills_from_folder(tmp_path)
    (frame,) = _read_all(source)
    assert (frame.index, frame.name) == (3, "3")
    assert source.skipped == 3
    assert len(caplog.records) == 3


def test_a_folder_without_readable_pictures_is_an_error_at_its_end(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(b"")
    (tmp_path / "1.png").write_text("text")
    source = stills_from_folder(tmp_path)
    with pytest.raises(SourceError, match="cannot read any of the 2 pictures"):
        source.read()
    source.close()
    assert source.read() is None


def test_a_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(SourceError, match="holds no photographs"):
        open_source(SourceConfig(spec=str(tmp_path)))


def test_one_photograph_is_a_source_of_one_frame(tmp_path: Path) -> None:
    source = open_source(SourceConfig(spec=str(_write(tmp_path / "beach.jpg"))))
    assert (source.info.stills, source.info.frames, source.info.name) == (True, 1, "beach.jpg")
    frame = source.read()
    assert frame is not None
    assert frame.name == "beach"
    assert source.read() is None
    source.close()
    (tmp_path / "bad.jpg").write_text("text")
    with pytest.raises(SourceError, match=r"bad\.jpg"):
        open_source(SourceConfig(spec=str(tmp_path / "bad.jpg")))


def test_photographs_in_a_folder_are_recognized_by_their_content(tmp_path: Path) -> None:
    files = {
        "a.jpg": encoded("PNG", quarters()),
        "b": encoded("JPEG", quarters()),
        "c.jfif": encoded("JPEG", quarters()),
        "d.HEIC": (HEIC / "tiles.heic").read_bytes(),
        "e.avif": encoded("AVIF", quarters()),
        "f.gif": encoded("GIF", quarters()),
        "g.jp2": encoded("JPEG2000", quarters()),
        "h.mpo": encoded("MPO", quarters()),
        "i.mp4": encoded("WEBP", quarters()),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    source = stills_from_folder(tmp_path)
    assert source.info.notes == ()
    frames = _read_all(source)
    assert [frame.name for frame in frames] == ["a", "b", "c", "d", "e", "f", "g", "h", "i"]
    for frame in frames:
        assert frame.image.shape == quarters().shape
        assert np.abs(frame.image[10, 10, ::-1].astype(int) - quarters()[10, 10]).max() <= 4


def test_an_animation_in_a_folder_is_its_first_picture(tmp_path: Path) -> None:
    write_video(tmp_path / "moving.gif", pictures(3), codec="gif", pix_fmt="rgb8")
    (frame,) = _read_all(stills_from_folder(tmp_path))
    assert frame.name == "moving"


def test_what_is_passed_over_is_counted_and_named(tmp_path: Path) -> None:
    _write(tmp_path / "photo.png")
    write_video(tmp_path / "clip.mp4", pictures(3))
    for i in range(6):
        (tmp_path / f"notes{i}.txt").write_text("text")
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "gone.jpg").symlink_to("nowhere")
    source = stills_from_folder(tmp_path)
    assert source.info.notes == (
        "passed over: 7 files that are no photographs (clip.mp4, notes0.txt, notes1.txt, notes2.txt, notes3.txt, ...); "
        "2 other things (gone.jpg, pipe.jpg)",
    )
    assert source.info.frames == 1


def test_a_video_named_like_a_photograph_is_skipped_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_video(tmp_path / "clip.mp4", pictures(3)).rename(tmp_path / "clip.jpg")
    _write(tmp_path / "photo.png")
    source = stills_from_folder(tmp_path)
    assert [frame.name for frame in _read_all(source)] == ["photo"]
    assert source.skipped == 1
    assert "clip.jpg: it is no photograph" in caplog.text


def test_a_folder_of_thousands_is_not_decoded_to_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded("PNG", quarters())
    for i in range(50):
        (tmp_path / f"{i}").write_bytes(data[:300] if i else data)
    monkeypatch.setattr("rtsod.sources.stills.load", None)
    assert stills_from_folder(tmp_path).info.frames == 50


@pytest.mark.parametrize("name", ["phone.heic", "photo.jfif", "one.gif", "photo.avif", "scan", "photo.mp4"])
def test_one_photograph_keeps_its_name(name: str, tmp_path: Path) -> None:
    kind = {".gif": "GIF", ".avif": "AVIF"}.get(Path(name).suffix, "JPEG")
    data = (HEIC / "turned.heic").read_bytes() if name.endswith("heic") else encoded(kind, quarters())
    (tmp_path / name).write_bytes(data)
    source = open_source(SourceConfig(spec=str(tmp_path / name)))
    frame = source.read()
    assert frame is not None
    assert (source.info.stills, source.info.frames, frame.name) == (True, 1, Path(name).stem)
    assert source.read() is None
    source.close()


def test_the_transparency_of_one_photograph_is_announced(tmp_path: Path) -> None:
    for pixels, transparent in ((quarters(), False), (right_half_hidden(), True)):
        (tmp_path / "photo.webp").write_bytes(encoded("WEBP", pixels))
        source = open_source(SourceConfig(spec=str(tmp_path / "photo.webp")))
        frame = source.read()
        source.close()
        assert frame is not None
        assert source.info.has_alpha is (frame.alpha is not None) is transparent


def test_alone_a_picture_that_moves_is_a_video(tmp_path: Path) -> None:
    frames = [Image.fromarray(image) for image in pictures(3)]
    for kind in ("GIF", "PNG"):
        path = tmp_path / f"moving.{kind.lower()}"
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
        source = open_source(SourceConfig(spec=str(path)))
        assert not source.info.stills
        count = 0
        while source.read() is not None:
            count += 1
        source.close()
        assert count == 3, kind


def test_an_animation_that_cannot_be_played_is_its_first_picture_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, **options: object) -> None:
        raise SourceError(f"cannot read {path}")

    monkeypatch.setattr("rtsod.sources.video.video_from_file", fail)
    frames = [Image.fromarray(image) for image in pictures(3)]
    frames[0].save(tmp_path / "moving.webp", save_all=True, append_images=frames[1:], duration=100, lossless=True)
    source = open_source(SourceConfig(spec=str(tmp_path / "moving.webp")))
    assert source.info.notes == ("the animation of moving.webp cannot be decoded: this is its first picture",)
    frame = source.read()
    source.close()
    assert frame is not None
    assert frame.name == "moving"
    assert np.array_equal(frame.image, pictures(3)[0])


def test_a_photograph_that_cannot_be_read_names_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "photo.jxl").write_bytes(b"\xff\x0a" + bytes(60))
    with pytest.raises(SourceError, match=r"photo\.jxl: .*JPEG XL.*convert it to PNG or JPEG"):
        open_source(SourceConfig(spec=str(tmp_path / "photo.jxl")))


@pytest.mark.skipif(not IMAGES.is_dir(), reason="the folder of sample images is not beside this checkout")
def test_real_photographs(tmp_path: Path) -> None:
    source = stills_from_folder(IMAGES)
    frames = _read_all(source)
    assert source.skipped == 0
    for frame in frames:
        (path,) = IMAGES.glob(f"{frame.name}.*")
        expected = cv2.imread(str(path))
        assert expected is not None
        assert np.array_equal(frame.image, expected)


@pytest.mark.parametrize("letter", ["x", "ä"])
def test_results_of_very_long_names_can_be_written(letter: str, tmp_path: Path) -> None:
    stem = (letter * 251).encode()[:250].decode()
    for suffix in (".jpg", ".png", ""):
        cv2.imwrite(str(tmp_path / "picture.png"), np.zeros((8, 8, 3), np.uint8))
        (tmp_path / "picture.png").rename(tmp_path / f"{stem}{suffix or 'ab'}")
    source = stills_from_folder(tmp_path)
    names = []
    while (frame := source.read()) is not None:
        names.append(f"{frame.name}.png")
    assert len(names) == len({name.casefold() for name in names}) == 3
    assert max(len(name.encode()) for name in names) <= 255


@pytest.mark.parametrize("suffix", [".tga", ".sgi", ".pcx", ".ico"])
def test_a_picture_that_only_ffmpeg_knows_names_its_result(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"holiday{suffix}"
    Image.new("RGB", (64, 48), (10, 200, 30)).save(path)
    source = open_source(SourceConfig(str(path)))
    frame = source.read()
    assert frame is not None
    assert frame.name == "holiday"
    assert source.read() is None
    source.close()
