"""Files are written whole or not at all, and what went wrong is said in one line with its fix."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path

import pytest

from rtsod.errors import NOT_ENOUGH_MEMORY, OutputError, UsageError
from rtsod.system.files import UnfinishedFile, check_writable, output_error, replace_file, write_bytes, write_text

needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="permissions and devices are POSIX's")


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("older")
    write_text(path, "grün")
    assert path.read_bytes() == "grün".encode()
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_failure_leaves_the_older_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    path.write_text("older")

    def full(*_: object) -> None:
        assert len(os.listdir(tmp_path)) == 2, "the new content lies beside it"
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match=r"a\.json: disk full"):
        write_bytes(path, b"new")
    assert path.read_text() == "older"
    assert os.listdir(tmp_path) == ["a.json"]


def test_two_writers_of_one_file_never_share_a_name(tmp_path: Path) -> None:
    one, other = UnfinishedFile(tmp_path / "a"), UnfinishedFile(tmp_path / "a")
    one.path.write_text("one")
    other.path.write_text("other")
    one.finish()
    other.finish()
    assert (tmp_path / "a").read_text() == "other"
    other.discard()
    assert os.listdir(tmp_path) == ["a"]


def test_a_file_written_meanwhile_stays(tmp_path: Path) -> None:
    final = tmp_path / "a.mp4"
    final.write_text("older")
    writers = [UnfinishedFile(final) for _ in range(3)]
    for number, each in enumerate(writers):
        each.path.write_text(str(number))
    names = [each.finish_beside_newer().name for each in writers]
    assert names == ["a.mp4", "a-2.mp4", "a-3.mp4"]
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict(zip(names, "012", strict=True))


@needs_posix
def test_permissions_follow_the_mode_and_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        replace_file(tmp_path / "shared", b"")
        replace_file(tmp_path / "private", b"", durable=True, mode=0o600)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o600


@needs_posix
def test_a_device_is_written_into() -> None:
    write_bytes(Path(os.devnull), b"gone")
    assert Path(os.devnull).is_char_device()
    check_writable("--json", Path(os.devnull))


@needs_posix
@pytest.mark.parametrize("name", ["{number}", "link"])
def test_what_is_open_is_written_to_and_its_name_is_left_alone(tmp_path: Path, name: str) -> None:
    """Root could replace ``/dev/stdout`` by a file, for the whole computer."""
    (tmp_path / "older").mkdir()
    with open(tmp_path / "older" / "file", "w+b") as file:
        file.write(b"before ")
        file.flush()
        (tmp_path / "link").symlink_to(f"/dev/fd/{file.fileno()}")
        path = Path("/dev/fd", str(file.fileno())) if name != "link" else tmp_path / "link"
        check_writable("--stats", path)
        write_bytes(path, b"after")
        file.seek(0)
        assert file.read() == b"before after"
    assert os.listdir(tmp_path / "older") == ["file"], "nothing was made there"
    assert (tmp_path / "link").is_symlink()
    with pytest.raises(OutputError, match="is not open"):
        check_writable("--stats", path)


@needs_posix
def test_a_link_stays_one(tmp_path: Path) -> None:
    for folder in ("config", "dotfiles"):
        (tmp_path / folder).mkdir()
    link, target = tmp_path / "config" / "rtsod.toml", tmp_path / "dotfiles" / "rtsod.toml"
    link.symlink_to(Path("..", "dotfiles", "rtsod.toml"))
    for content in (b"new, where the link led nowhere", b"newer"):
        replace_file(link, content)
        assert link.is_symlink()
        assert target.read_bytes() == content
    assert os.listdir(tmp_path / "config") == os.listdir(tmp_path / "dotfiles") == ["rtsod.toml"]


@needs_posix
@pytest.mark.parametrize("leads_to", ["pipe", "link"])
def test_nothing_but_a_file_is_replaced(tmp_path: Path, leads_to: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(leads_to)
    with pytest.raises(OSError, match="is not a file"):
        replace_file(tmp_path / "link", b"")
    assert sorted(os.listdir(tmp_path)) == ["link", "pipe"]
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "link").is_symlink()


def test_checking_leaves_nothing_behind(tmp_path: Path) -> None:
    check_writable("--json", tmp_path / "a.json")
    assert os.listdir(tmp_path) == []
    with pytest.raises(UsageError, match=r"^--json .*: is a folder, not a file$"):
        check_writable("--json", tmp_path)
    with pytest.raises(OutputError, match=r"^--json .*none/a\.json: the folder .*none is missing or cannot be"):
        check_writable("--json", tmp_path / "none" / "a.json")


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (errno.ENOSPC, "disk full: free some space or write to another folder"),
        (errno.EROFS, "not writable: choose another folder or change its permissions"),
        (errno.ENOENT, "its folder does not exist: create folder and run again"),
        (errno.EAGAIN, f"cannot be written: {NOT_ENOUGH_MEMORY}"),
        (errno.EIO, f"cannot be written: {os.strerror(errno.EIO)}"),
    ],
)
def test_an_error_number_becomes_a_line_with_a_fix(code: int, says: str) -> None:
    error = output_error(Path("folder/a.png"), OSError(code, os.strerror(code)))
    assert str(error) == f"{Path('folder/a.png')}: {says}"


def test_other_errors_become_one_line() -> None:
    assert str(output_error(Path("a.mp4"), ValueError("two\n  lines"))) == "a.mp4: cannot be written: two lines"
    assert str(output_error(Path("a.mp4"), ValueError())) == "a.mp4: cannot be written: ValueError"
