"""The unit: systemd reads from it exactly the words that were written, whatever stands in them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtsod.errors import UsageError
from rtsod.system.systemd_unit import MARK, quoted, unit_text

HOSTILE = [
    "", " ", "a b", "100%", "%h/%u", "$HOME", "${HOME}", 'say "no"', "it's", "back\\slash", "end\\",
    "line\nExecStart=/bin/x", "\r", "\t", "\x01", "\x7f", ";", "#comment", "-", "@", "café 🎥", "\u2028", "[Install]",
]  # fmt: skip
words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


def read_words(line: str) -> list[str]:
    """The words of a setting as systemd.syntax(7) describes: quotes, C escapes, then specifiers."""
    found = []
    rest = line
    while rest:
        match = re.match(r'"((?:[^"\\]|\\.)*)"(?: |$)|([^\s"\'\\;]+)(?: |$)', rest, re.DOTALL)
        assert match is not None, f"no word at {rest!r}"
        text = match[1] if match[1] is not None else match[2]
        text = re.sub(r"\\(x[0-9a-f]{2}|.)", lambda escape: _unescaped(escape[1]), text, flags=re.DOTALL)
        assert re.fullmatch(r"(?:[^%]|%%)*", text, re.DOTALL), f"a specifier in {text!r}"
        found.append(text.replace("%%", "%"))
        rest = rest[match.end() :]
    return found


def _unescaped(escape: str) -> str:
    return chr(int(escape[1:], 16)) if escape.startswith("x") else {"n": "\n", "r": "\r", "t": "\t"}.get(escape, escape)


def settings(text: str) -> dict[str, str]:
    """Each setting of a unit. Its lines may neither be continued nor be more than were written."""
    assert not re.search(r"\\$", text, re.MULTILINE)
    return dict(line.split("=", 1) for line in text.split("\n") if "=" in line and not line.startswith("#"))


@given(st.lists(st.one_of(words, st.sampled_from(HOSTILE)), max_size=5))
def test_every_argument_is_read_as_it_was_given(arguments: list[str]) -> None:
    text = unit_text(["/usr/bin/python", *arguments], Path("/"), {})
    assert read_words(settings(text)["ExecStart"]) == [":/usr/bin/python", *arguments]
    assert text.count("\n") == unit_text(["/usr/bin/python"], Path("/"), {}).count("\n"), "and no line is added"


@given(words)
def test_every_variable_is_read_as_it_was_given(value: str) -> None:
    assert read_words(settings(unit_text(["/p"], Path("/"), {"A": value}))["Environment"]) == [f"A={value}"]


@pytest.mark.parametrize("program", ["/a b/python", "/100%/python", '/"q"/python', "/$HOME/python", "/;/python"])
def test_the_programs_path_may_hold_anything(program: str) -> None:
    assert read_words(settings(unit_text([program], Path("/"), {}))["ExecStart"]) == [f":{program}"]


def test_plain_words_stay_readable() -> None:
    assert quoted("--size") == "--size"
    assert quoted("rtsp://camera.local:554/live") == "rtsp://camera.local:554/live"


@pytest.mark.parametrize(
    ("folder", "written"), [("/a b", "/a b"), ("/100%", "/100%%"), ('/"q"', '/"q"'), ("/$HOME", "/$HOME")]
)
def test_the_folder_stands_there_without_quotes(folder: str, written: str) -> None:
    assert settings(unit_text(["/p"], Path(folder), {}))["WorkingDirectory"] == written


@pytest.mark.parametrize("folder", ["/a\nb", "/a ", "/a\\", "/a\t", "/caf\udce9"])
def test_a_folder_that_has_no_spelling_is_refused_in_one_line(folder: str) -> None:
    with pytest.raises(UsageError) as refused:
        unit_text(["/p"], Path(folder), {})
    assert len(str(refused.value).splitlines()) == 1


def test_bytes_that_are_not_utf_8_are_refused() -> None:
    with pytest.raises(UsageError, match=r"caf\\udce9: is not UTF-8"):
        quoted("caf\udce9")


def test_it_watches_restarts_and_leaves_no_core_dump() -> None:
    text = unit_text(["/p"], Path("/"), {})
    assert text.startswith(f"{MARK}\n")
    found = settings(text)
    assert (found["Type"], found["Restart"], found["LimitCORE"]) == ("notify", "on-failure", "0")
    assert found["WatchdogSec"].isdecimal()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_nothing_to_complain_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    unit = tmp_path / "rtsod.service"
    unit.write_text(unit_text([sys.executable, *HOSTILE], tmp_path, {"A": " ".join(HOSTILE)}), encoding="utf-8")
    command = ["systemd-analyze", "--user", "verify", "--man=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "rtsod" in line]
    assert (done.returncode, ours) == (0, [])
