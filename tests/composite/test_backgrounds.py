"""What ``--bg`` can name, the contract of every background, and damaged or misleading files."""

import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from rtsod.composite.backgrounds import (
    ColourBackground,
    ImageBackground,
    VideoBackground,
    bundled_backgrounds,
    open_background,
)
from rtsod.errors import SourceError, UsageError
from rtsod.frames import Image
from rtsod.interfaces import Background, Blur, PassThrough, Transparent
from tests.support.still_fixtures import HEIC, HEIGHT, WIDTH, encoded, quarters


def write_image(path: Path, image: Image, *parameters: int) -> Path:
    path.write_bytes(cv2.imencode(path.suffix, image, parameters)[1].tobytes())
    return path


def write_video(path: Path, levels: Sequence[int], times: Sequence[float] | None = None, rate: int = 10) -> Path:
    """Encode one plain grey frame per level, losslessly, at the given times or at a constant rate."""
    with av.open(path, "w") as container:
        stream = container.add_stream("ffv1", rate, options={"g": "1"})
        stream.width, stream.height, stream.pix_fmt, stream.time_base = 32, 18, "bgr0", Fraction(1, 1000)
        stream.codec_context.time_base = Fraction(1, 1000)
        for i, level in enumerate(levels):
            frame = av.VideoFrame.from_ndarray(np.full((18, 32, 3), level, np.uint8), format="bgr24").reformat(
                format="bgr0"
            )
            frame.pts = round(1000 * (i / rate if times is None else times[i]))
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def level(background: Background, at: float) -> int:
    return int(background.picture(32, 18, at)[9, 16, 0])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# The contract.

OPENERS: dict[str, Callable[[Path], Background]] = {
    "colour": lambda _: ColourBackground("#102030"),
    "image": lambda folder: ImageBackground(
        write_image(folder / "a.png", np.full((50, 70, 3), (48, 32, 16), np.uint8))
    ),
    "video": lambda folder: VideoBackground(write_video(folder / "a.mkv", [30, 60, 90])),
}


@pytest.mark.parametrize("kind", OPENERS)
def test_contract(kind: str, tmp_path: Path) -> None:
    background = OPENERS[kind](tmp_path)
    for width, height in ((64, 36), (16, 16), (31, 77), (64, 36)):
        for at in (0.0, 0.05):
            picture = background.picture(width, height, at)
            assert picture.shape == (height, width, 3)
            assert picture.dtype == np.uint8
            assert picture.flags.c_contiguous
    again = background.picture(64, 36, 0.05)
    assert again is background.picture(64, 36, 0.05)
    background.close()
    background.close()


@pytest.mark.parametrize("kind", ["colour", "image", "video"])
def test_a_uniform_file_or_colour_stays_uniform_at_every_size(kind: str, tmp_path: Path) -> None:
    background = OPENERS[kind](tmp_path)
    for width, height in ((64, 36), (16, 16), (31, 77)):
        for at in (0.0, 0.05):
            assert len(np.unique(background.picture(width, height, at).reshape(-1, 3), axis=0)) == 1
    background.close()


# What --bg can name.


def test_words_and_colours() -> None:
    assert open_background("blur") == Blur()
    assert open_background("blur:25") == Blur(25.0)
    assert open_background("transparent") == Transparent()
    assert open_background("none") == PassThrough()
    for spec in ("#1E90ff", "#f80"):
        assert isinstance(open_background(spec), ColourBackground)
    assert ColourBackground("#1E90ff").picture(2, 2, 0)[0, 0].tolist() == [0xFF, 0x90, 0x1E]
    assert ColourBackground("#f80").picture(2, 2, 0)[0, 0].tolist() == [0x00, 0x88, 0xFF]


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("#12", "#RRGGBB"),
        ("#gggggg", "#RRGGBB"),
        ("blur:", "number of pixels"),
        ("blur:much", "number of pixels"),
        ("blur:0", "more than 0"),
        ("blur:-3", "more than 0"),
        ("blur:nan", "more than 0"),
        ("blur:1e9", "at most 200"),
        ("beech.jpg", "did you mean beach.jpg"),
        ("tranparent", "did you mean transparent"),
        ("qqqqqqqq", "Bundled: beach.jpg, forest.jpg"),
        ("", "no such file"),
        (".", "folder"),
        ("x" * 5000, "not a file name"),
        ("sub/beach.jpg", "no such file"),
    ],
)
def test_an_invalid_spec_is_a_usage_error(spec: str, says: str, here: Path) -> None:
    with pytest.raises(UsageError, match=says) as error:
        open_background(spec)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("spec", ["beach.jpg", "beach"])
def test_files_take_precedence_over_bundled_pictures(spec: str, here: Path) -> None:
    bundled = open_background(spec)
    assert isinstance(bundled, ImageBackground)
    assert bundled.picture(1920, 1080, 0).std() > 20
    write_image(here / "own.png", np.full((20, 20, 3), 5, np.uint8)).rename(here / spec)
    own = open_background(spec)
    assert isinstance(own, ImageBackground)
    assert (own.picture(30, 20, 0) == 5).all()


def test_files_are_recognized_by_their_content(tmp_path: Path) -> None:
    video = write_video(tmp_path / "clip.mkv", [1, 2]).rename(tmp_path / "clip.jpg")
    image = write_image(tmp_path / "image.png", np.zeros((9, 9, 3), np.uint8)).rename(tmp_path / "image.mp4")
    assert isinstance(open_background(str(video)), VideoBackground)
    assert isinstance(open_background(str(image)), ImageBackground)


# Images.


def test_every_depth_and_layout_becomes_bgr(tmp_path: Path) -> None:
    layouts = {
        "grey.png": np.full((8, 8), 100, np.uint8),
        "deep.png": np.full((8, 8, 3), 100 * 257, np.uint16),
        "deep-grey.tiff": np.full((8, 8), 100 * 257, np.uint16),
    }
    for name, pixels in layouts.items():
        picture = ImageBackground(write_image(tmp_path / name, pixels)).picture(8, 8, 0)  # type: ignore[arg-type]
        assert (picture == 100).all(), name


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    upright = np.zeros((40, 80, 3), np.uint8)
    upright[:, :40] = 255  # left half white; turned by a quarter clockwise: upper half white
    jpeg = cv2.imencode(".jpg", upright)[1].tobytes()
    orientation = b"Exif\0\0MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
    tag = b"\xff\xe1" + struct.pack(">H", len(orientation) + 2) + orientation
    (tmp_path / "turned.jpg").write_bytes(jpeg[:2] + tag + jpeg[2:])
    picture = ImageBackground(tmp_path / "turned.jpg").picture(40, 80, 0)
    assert picture[:38].mean() > 250
    assert picture[42:].mean() < 5


def test_a_transparent_picture_is_shown_on_black(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pixels = np.full((8, 8, 4), (100, 150, 200, 0), np.uint8)
    pixels[:, :, 3] = [0, 51, 102, 153, 204, 255, 255, 255]
    for suffix in ("png", "webp", "tif"):
        caplog.clear()
        background = ImageBackground(write_image(tmp_path / f"alpha.{suffix}", pixels, cv2.IMWRITE_WEBP_QUALITY, 101))
        expected = np.rint(pixels[..., :3] * (pixels[..., 3:] / 255))
        assert np.abs(background.picture(8, 8, 0) - expected).max() <= 1
        assert "is shown on black where it is transparent" in caplog.text


@pytest.mark.parametrize("kind", ["JPEG", "AVIF", "JPEG2000", "GIF", "heic"])
def test_every_kind_of_photograph_can_be_a_background(kind: str, tmp_path: Path) -> None:
    data = (HEIC / "tiles.heic").read_bytes() if kind == "heic" else encoded(kind, quarters())
    (tmp_path / "picture").write_bytes(data)
    background = open_background(str(tmp_path / "picture"))
    assert isinstance(background, ImageBackground)
    assert np.abs(background.picture(WIDTH, HEIGHT, 0)[:, :, ::-1].astype(int) - quarters()).mean() <= 4


def test_an_animated_picture_is_played(tmp_path: Path) -> None:
    frames = [PillowImage.fromarray(np.full((18, 32, 3), level, np.uint8)) for level in (10, 100, 200)]
    for kind in ("GIF", "PNG"):
        frames[0].save(tmp_path / "moving", kind, save_all=True, append_images=frames[1:], duration=100)
        background = open_background(str(tmp_path / "moving"))
        assert isinstance(background, VideoBackground)
        assert [level(background, at) for at in (0.01, 0.11, 0.21)] == [10, 100, 200]
        background.close()


def test_an_animation_that_cannot_be_played_is_its_first_picture_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(path: Path) -> None:
        raise SourceError(f"cannot read {path}")

    monkeypatch.setattr("rtsod.composite.backgrounds.VideoBackground", fail)
    frames = [PillowImage.fromarray(np.full((18, 32, 3), level, np.uint8)) for level in (10, 100)]
    frames[0].save(tmp_path / "moving.webp", save_all=True, append_images=frames[1:], lossless=True)
    background = open_background(str(tmp_path / "moving.webp"))
    assert isinstance(background, ImageBackground)
    assert level(background, 0) == 10
    assert "cannot be decoded: this is its first picture" in caplog.text


def test_a_picture_is_scaled_once_per_size(tmp_path: Path) -> None:
    image = np.zeros((100, 300, 3), np.uint8)
    image[:, 100:200] = 200
    background = ImageBackground(write_image(tmp_path / "a.png", image))
    first = background.picture(50, 50, 0)
    assert (first == 200).all()
    assert background.picture(50, 50, 1) is first


def png(width: int, height: int, pixels: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(60000, 60000), (16000, 16000), (33000, 10)])
def test_absurdly_large_images_are_refused_by_their_header(size: tuple[int, int], tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(png(*size, b"\0" * 1000))
    with pytest.raises(SourceError, match="megapixels"):
        open_background(str(tmp_path / "bomb.png"))


def test_broken_files_are_source_errors(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = write_image(
        tmp_path / "whole.png", np.random.default_rng(0).integers(0, 256, (90, 90, 3), np.uint8)
    ).read_bytes()
    video = write_video(tmp_path / "whole.mkv", [1, 2, 3]).read_bytes()
    broken = {
        "empty.jpg": b"",
        "text.jpg": b"Not a picture.\n" * 40,
        "text.txt": b"Some terminals would show this.\n" * 40,
        "garbage.mp4": bytes(range(256)) * 40,
        "signature.jpg": b"\xff\xd8\xff\xe0" + b"\x13" * 300,
        "cut.png": whole[: len(whole) // 2],
        "header.mkv": video[:300],
        "list.m3u8": b"#EXTM3U\n#EXTINF:1,\nwhole.mkv\n",
        "list.ffconcat": b"ffconcat version 1.0\nfile whole.mkv\n",
    }
    for name, data in broken.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(SourceError, match=name) as error:
            open_background(str(tmp_path / name))
        assert "\n" not in str(error.value)
    with pytest.raises(SourceError, match=r"cannot read .*gone\.png"):
        ImageBackground(tmp_path / "gone.png")


def test_sound_without_pictures_is_a_source_error(tmp_path: Path) -> None:
    with av.open(tmp_path / "sound.mkv", "w") as container:
        stream = container.add_stream("pcm_s16le", 8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(SourceError, match="no video in it"):
        open_background(str(tmp_path / "sound.mkv"))


# Videos.


def test_a_video_plays_at_its_own_speed_and_loops(tmp_path: Path) -> None:
    background = VideoBackground(write_video(tmp_path / "a.mkv", [10, 20, 30, 40, 50]))
    for i in range(60):  # 25 pictures per second from 10 frames per second, nearly five loops
        at = i / 25 + 0.001
        assert level(background, at) == 10 * (int(at * 10) % 5 + 1), at


def test_frames_that_last_longer_are_shown_longer(tmp_path: Path) -> None:
    background = VideoBackground(write_video(tmp_path / "a.mkv", [10, 20, 30], times=[5.0, 5.1, 5.7]))
    assert [level(background, at) for at in (0, 0.09, 0.11, 0.4, 0.69, 0.71)] == [10, 10, 20, 20, 20, 30]


def test_a_video_far_behind_continues_from_where_it_is(tmp_path: Path) -> None:
    background = VideoBackground(write_video(tmp_path / "a.mkv", list(range(200))))
    assert level(background, 0.1) == 1
    late = level(background, 5010.0)
    assert late <= 20
    assert level(background, 5010.1) == late + 1


def test_time_that_runs_backward_holds_the_picture(tmp_path: Path) -> None:
    background = VideoBackground(write_video(tmp_path / "a.mkv", [10, 20, 30, 40]))
    assert [level(background, at) for at in (0.0, 0.25, 0.1, 0.2)] == [10, 30, 30, 40]


def test_a_video_of_one_frame_stays_on_it(tmp_path: Path) -> None:
    background = VideoBackground(write_video(tmp_path / "a.mkv", [70]))
    (tmp_path / "a.mkv").unlink()  # it is not opened again
    assert [level(background, at) for at in (0, 1, 100)] == [70, 70, 70]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files by Linux's /proc")
def test_looping_keeps_nothing_open(tmp_path: Path) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = open_files()
    background = VideoBackground(write_video(tmp_path / "a.mkv", [10, 20, 30]))
    during = {(level(background, i / 10), open_files())[1] for i in range(200)}
    assert max(during) <= before + 1
    background.close()
    assert open_files() == before


def test_a_video_that_vanishes_is_a_source_error(tmp_path: Path) -> None:
    background = VideoBackground(write_video(tmp_path / "a.mkv", [10, 20]))
    (tmp_path / "a.mkv").unlink()
    assert [level(background, at) for at in (0.0, 0.1)] == [10, 20]  # the open file can be read to its end
    with pytest.raises(SourceError, match=r"a\.mkv"):
        background.picture(32, 18, 0.2)


def test_a_broken_frame_is_skipped(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", [10, 20, 30, 40])
    with av.open(path) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    at = data.find(packets[1])
    assert at > 0
    data[at : at + len(packets[1])] = b"\xff" * len(packets[1])
    path.write_bytes(data)
    background = VideoBackground(path)
    seen = [level(background, i / 10 + 0.01) for i in range(8)]
    assert seen == [10, 10, 30, 40, 10, 10, 30, 40]


def test_phone_videos_stand_upright(tmp_path: Path) -> None:
    with av.open(tmp_path / "a.mp4", "w") as container:
        stream = container.add_stream("mpeg4", 10)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        image = np.zeros((32, 64, 3), np.uint8)
        image[:, :32] = 255
        container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    data = (tmp_path / "a.mp4").read_bytes()
    straight = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    clockwise = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)  # the track's display matrix
    track = data.index(b"tkhd")
    assert straight in data[track:]
    (tmp_path / "a.mp4").write_bytes(data[:track] + data[track:].replace(straight, clockwise, 1))
    picture = VideoBackground(tmp_path / "a.mp4").picture(32, 64, 0)
    assert picture[:28].mean() > 240
    assert picture[36:].mean() < 15


# The bundled pictures.


def test_bundled_backgrounds_are_what_the_script_draws(tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "scripts" / "backgrounds" / "draw.py"
    if not script.exists():
        pytest.skip("an installed package has no scripts")
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True, timeout=120)
    bundled = bundled_backgrounds()
    assert "beach.jpg" in [path.name for path in bundled]
    assert [path.name for path in bundled] == sorted(path.name for path in tmp_path.glob("*.jpg"))
    for path in bundled:
        kept, drawn = cv2.imread(str(path)), cv2.imread(str(tmp_path / path.name))
        assert kept is not None
        assert drawn is not None
        assert kept.shape == (1080, 1920, 3)
        assert path.stat().st_size <= 150_000
        assert np.abs(kept.astype(int) - drawn).mean() < 2, path.name
