"""The data set that rtsod makes itself, from cut-outs that are drawn here: no test needs the network."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from rtsod.data.dataset import open_dataset
from rtsod.data.demo import made, package
from rtsod.data.demo.backgrounds import (
    HELD_OUT_PAINTERS,
    HELD_OUT_PICTURES,
    TRAINING_PAINTERS,
    TRAINING_PICTURES,
    background,
)
from rtsod.data.demo.composites import composite
from rtsod.data.demo.cutouts import Cutouts, decoded, is_held_out, read_cutouts
from rtsod.data.examination import examine
from rtsod.data.reading import read_image, read_label
from rtsod.data.separation import check_disjoint, check_roles
from rtsod.errors import DataError, ExitCode

TRAINED = ("1f600", "1f468", "1f697")
HELD_OUT = ("1f981", "1f3a8")


def _ignore(phase: str, done: int, total: int) -> None:
    pass


def _webp(colour: tuple[int, int, int], radius: int = 20) -> bytes:
    """A disc with a soft edge."""
    y, x = np.mgrid[:64, :64]
    alpha = np.clip(radius + 0.5 - np.hypot(x - 31.5, y - 31.5), 0, 1)
    picture = np.dstack([np.full((64, 64, 3), colour, np.uint8), np.rint(alpha * 255).astype(np.uint8)])
    encoded, data = cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, 101])
    assert encoded
    return data.tobytes()


def _archive(path: Path) -> Path:
    names = [f"{name}.webp" for name in (*TRAINED, *HELD_OUT)]
    names += ["1f468-1f3fb.webp", "1f468-1f3ff-200d-1f33e.webp", "notes.txt"]
    with tarfile.open(path, "w:gz") as package_file:
        for number, name in enumerate(names):
            content = _webp((40 * number % 255, 90, 255 - 30 * number))
            entry = tarfile.TarInfo(f"package/assets/{name}")
            entry.size = len(content)
            package_file.addfile(entry, io.BytesIO(content))
    return path


@pytest.fixture
def cutouts(tmp_path: Path) -> Cutouts:
    return read_cutouts(_archive(tmp_path / "few.tgz"))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, and a package of a few cut-outs instead of the real one."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(made, "cache_folder", lambda: folder)
    monkeypatch.setattr(made, "package_file", lambda folder, progress: _archive(folder / "few.tgz"))
    monkeypatch.setattr(made, "COUNTS", {made.TRAINING: 12, made.HELD_OUT: 6})
    return folder


class TestCutouts:
    def test_variants_are_one_object(self, cutouts: Cutouts) -> None:
        assert {name: len(files) for name, files in cutouts.objects.items()} == {
            "1f468": 3, "1f600": 1, "1f697": 1, "1f981": 1, "1f3a8": 1,
        }  # fmt: skip

    def test_no_object_is_in_both_parts(self, cutouts: Cutouts) -> None:
        parts = cutouts.part(held_out=False).objects, cutouts.part(held_out=True).objects
        assert set(parts[0]) == set(TRAINED)
        assert set(parts[1]) == set(HELD_OUT)

    @pytest.mark.parametrize(("first", "last"), [(0x1F1E6, 0x1F1FF), (0x1F550, 0x1F567), (0x1F600, 0x1F63F)])
    def test_what_looks_alike_stays_together(self, first: int, last: int) -> None:
        """Flags, clocks, faces."""
        assert len({is_held_out(f"{code:x}") for code in range(first, last + 1)}) == 1

    def test_colours_are_premultiplied_and_the_margin_is_cut(self) -> None:
        found = decoded(_webp((255, 0, 0), radius=10))
        assert found is not None
        assert found.shape == (20, 20, 4)
        np.testing.assert_allclose(found[..., 0], found[..., 3], atol=0.02)
        assert not found[..., 1:3].any()

    def test_hardly_anything_is_no_cutout(self, cutouts: Cutouts) -> None:
        assert decoded(_webp((1, 2, 3), radius=2)) is None
        assert decoded(b"no picture") is None

    def test_an_archive_that_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "x.tgz").write_bytes(b"no archive")
        with pytest.raises(DataError, match="is damaged: remove it"):
            read_cutouts(tmp_path / "x.tgz")


class TestBackgrounds:
    @pytest.mark.parametrize("painter", [*TRAINING_PAINTERS, *HELD_OUT_PAINTERS])
    def test_a_pattern_depends_on_chance_alone(self, painter: Any) -> None:
        first, again, other = (painter(50, 40, np.random.default_rng(seed)) for seed in (1, 1, 2))
        assert first.shape == (40, 50, 3)
        assert first.dtype == np.uint8
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()

    def test_nothing_is_in_both_parts(self) -> None:
        assert not set(TRAINING_PICTURES) & set(HELD_OUT_PICTURES)
        assert not set(TRAINING_PAINTERS) & set(HELD_OUT_PAINTERS)

    @pytest.mark.parametrize("held_out", [False, True])
    def test_each_part_is_used(self, held_out: bool) -> None:
        random = np.random.default_rng(0)
        assert {background(33, 21, random, held_out=held_out).shape for _ in range(20)} == {(21, 33, 3)}


class TestComposites:
    def test_the_label_is_where_an_object_hides_the_background(self, cutouts: Cutouts) -> None:
        """Without objects the same picture differs only where the label is not 0, but for shadow and light."""
        shares = []
        for seed in range(30):
            image, alpha = composite(cutouts, np.random.default_rng(seed), held_out=False)
            assert image.shape[:2] == alpha.shape
            shares.append((alpha > 128).mean())
        assert 0.02 < np.mean(shares) < 0.5
        assert min(shares) > 0

    def test_a_white_object_on_black(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """On black, a white disc that is neither blurred nor lit is its own alpha: the label says the same."""
        from rtsod.data.demo import composites

        monkeypatch.setattr(
            composites, "background", lambda width, height, random, held_out: np.zeros((height, width, 3))
        )
        white = Cutouts({"1f600": (_webp((255, 255, 255)),)})
        for seed in range(8):
            image, alpha = composite(white, np.random.default_rng(seed), held_out=False)
            bright = image.max(-1) > 0.5 * image.max()
            agree = (bright == (alpha > 128)).mean()
            assert agree > 0.97, seed


class TestMaking:
    def test_it_is_made_once_and_is_a_data_set(self, cache: Path) -> None:
        told: list[tuple[str, int, int]] = []
        first = open_dataset("demo:", lambda *progress: told.append(progress))
        assert (first.name, first.role, len(first.pairs)) == ("demo", "train", 12)
        assert told[-1][1:] == (12, 12)
        told.clear()
        assert open_dataset("demo:@2", lambda *progress: told.append(progress)).weight == 2
        assert not told
        pair = first.pairs[0]
        assert read_image(pair.image).shape[:2] == read_label(pair.mask).shape

    def test_the_same_files_every_time(self, tmp_path: Path, cutouts: Cutouts) -> None:
        contents = []
        for name in ("one", "two"):
            folder = tmp_path / name
            folder.mkdir()
            made.write_part(folder, cutouts, made.TRAINING, 5, _ignore)
            contents.append({path.name: path.read_bytes() for path in folder.rglob("*.*")})
        assert contents[0] == contents[1]
        assert len(contents[0]) == 10

    def test_it_may_be_trained_and_validated_on(self, cache: Path) -> None:
        training, held_out = (examine(open_dataset(name), cache=cache) for name in ("demo:", "demo:held-out"))
        check_roles([training.dataset], [held_out.dataset])
        check_disjoint([training], [held_out])
        assert not training.empty

    def test_nothing_half_made_is_left(self, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*arguments: Any, **options: Any) -> Any:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(made, "_save", fail)
        with pytest.raises(DataError, match="cannot store its pictures there: No space left on device"):
            open_dataset("demo:")
        assert not [path for path in (cache / "demo").iterdir() if path.is_dir()]

    def test_a_part_that_does_not_exist(self) -> None:
        with pytest.raises(DataError, match="there is no such part: give demo: or demo:held-out") as caught:
            open_dataset("demo:small")
        assert caught.value.exit_code == ExitCode.SOURCE


class TestPackage:
    def test_without_npm_the_line_says_what_to_do(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shutil, "which", lambda name: None)
        with pytest.raises(
            DataError, match=rf"install Node.js, or put {package.FILE_NAME} .* into {tmp_path}"
        ) as caught:
            package.package_file(tmp_path, _ignore)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("stderr", "reason"),
        [(b"npm error code ENOTFOUND\nnpm error network\n", "ENOTFOUND"), (b"", r"it failed \(1\)")],
    )
    def test_npm_fails(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stderr: bytes, reason: str) -> None:
        _npm(monkeypatch, lambda folder: None, code=1, stderr=stderr)
        with pytest.raises(DataError, match=f"{reason}: connect to the network, or put"):
            package.package_file(tmp_path, _ignore)
        assert not list(tmp_path.iterdir())

    def test_another_file_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        _npm(monkeypatch, lambda folder: (folder / package.FILE_NAME).write_bytes(b"another"))
        with pytest.raises(DataError, match="its hash differs"):
            package.package_file(tmp_path, _ignore)
        assert not list(tmp_path.iterdir())

    def test_it_is_kept(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import hashlib

        monkeypatch.setattr(package, "SHA256", hashlib.sha256(b"the package").hexdigest())
        _npm(monkeypatch, lambda folder: (folder / package.FILE_NAME).write_bytes(b"the package"))
        path = package.package_file(tmp_path, _ignore)
        assert path.read_bytes() == b"the package"
        monkeypatch.setattr(shutil, "which", lambda name: None)
        assert package.package_file(tmp_path, _ignore) == path


def _npm(monkeypatch: pytest.MonkeyPatch, write: Any, *, code: int = 0, stderr: bytes = b"") -> None:
    """Let npm be a function that writes into the folder it is given."""

    def run(command: list[str], cwd: Path, **options: Any) -> subprocess.CompletedProcess[bytes]:
        assert f"{package.PACKAGE}@{package.VERSION}" in command
        assert "--ignore-scripts" in command
        write(cwd)
        return subprocess.CompletedProcess(command, code, b"", stderr)

    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(subprocess, "run", run)
