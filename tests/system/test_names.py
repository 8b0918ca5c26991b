"""Names as people give them: a file of that very name comes first."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtsod.system.names import address_parts, path_named, path_to_read, path_to_write, printable, without_secrets


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home"


@pytest.mark.parametrize("name", ["~x.mp4", "~", "~root", "~/x", "~nobody-of-this-name/x"])
def test_a_file_of_that_very_name_comes_first(name: str) -> None:
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).touch()
    assert path_named(name) == Path(name)


def test_a_tilde_is_the_home_folder_where_there_is_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert path_named("~/x.mp4") == home / "x.mp4"
    assert path_named("~") == home
    for name in ("~nobody-of-this-name.mp4", "~nobody-of-this-name/x.mp4", "x~", "./~x", ""):
        assert path_named(name) == Path(name)

    def none(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", none)
    assert path_named("~/x.mp4") == Path("~/x.mp4")


@pytest.mark.parametrize(("text", "says"), [("", "is empty"), ("a\0b", "is not a name")])
def test_what_is_no_name_is_refused(text: str, says: str) -> None:
    for parse in (path_to_read, path_to_write):
        with pytest.raises(argparse.ArgumentTypeError, match=says):
            parse(text)


def test_nothing_is_written_to_standard_output() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"standard output: for a folder of that name give \./-"):
        path_to_write("-")
    assert path_to_write("./-") == path_to_read("-") == Path("-")


@given(st.text())
def test_a_message_is_one_line_that_a_terminal_does_not_obey(text: str) -> None:
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in shown)
    shown.encode()
    assert printable(shown) == shown


def test_a_readable_message_stays_as_it_is() -> None:
    for text in ("Füße × 2 – 10:30\u202fPM", "日本語 👩‍🚀"):
        assert printable(text) == text
    assert printable("a\nb\x1b[31m" + os.fsdecode(b"\xff")) == r"a\nb\x1b[31m\udcff"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("RTSP://Camera/Live", ("rtsp", "Camera/Live")),
        ("git+ssh://a", ("git+ssh", "a")),
        ("s3://bucket/two\nlines", ("s3", "bucket/two\nlines")),
        ("rtmp://", ("rtmp", "")),
        ("C:\\photos", None),
        ("C:/photos", None),
        ("/a://b", None),
        ("1://b", None),
        ("", None),
    ],
)
def test_an_address_has_a_scheme(text: str, parts: tuple[str, str] | None) -> None:
    assert address_parts(text) == parts


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cannot open rtmp://me:word@h:1/live/KEY: no answer", "cannot open rtmp://h:1/...: no answer"),
        ("rtmp:/me:word@h/live/KEY: its folder is missing", "rtmp://h/...: its folder is missing"),
        ("'rtsp://me:wo@rd@h/KEY?token=x'", "'rtsp://h/...'"),
        ("live stream rtmp://h:19/...: refused", "live stream rtmp://h:19/...: refused"),
        (
            "use rtmp:// or rtsp://, or srt://..., or rtmp://SERVER/NAME",
            "use rtmp:// or rtsp://, or srt://..., or rtmp://SERVER/NAME",
        ),
        ("--ouput RTMP://h/KEY (see --help)", "--ouput RTMP://h/... (see --help)"),
        ("http://me:word@h/clip.mp4?token=x&y=1", "http://***@h/clip.mp4?token=***&y=1"),
        ("s3:/me:word@bucket/a", "s3:/***@bucket/a"),
        ("see https://example.org/a, and ~/a@b", "see https://example.org/a, and ~/a@b"),
    ],
)
def test_a_message_tells_nothing_secret_of_an_address(text: str, shown: str) -> None:
    assert without_secrets(text) == shown
    assert without_secrets(shown) == shown
