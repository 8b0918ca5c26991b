"""Which errors are bugs, and which say that the machine has too little."""

from __future__ import annotations

import errno
import re

import pytest

from rtsod.cli.common import run_command
from rtsod.errors import NOT_ENOUGH_MEMORY, ExitCode
from rtsod.system.signals import StopSignals
from tests.support.architecture import ROOT


def _hidden() -> Exception:
    """As llvmlite reports a library that the dynamic linker cannot load."""
    error = OSError("Could not find/load shared object file 'libllvmlite.so'")
    error.__context__ = OSError("libllvmlite.so: failed to map segment from shared object")
    return error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"),
        RuntimeError("can't start new thread"),
        RuntimeError("Exception from core.cpp:117:\nFailed to allocate 1638400 bytes of memory\n"),
        RuntimeError("std::bad_alloc"),
        _hidden(),
    ],
    ids=repr,
)
def test_a_shortage_is_not_called_a_bug(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    def work(_: StopSignals) -> None:
        raise error

    assert run_command("rtsod", work) == ExitCode.ENGINE
    assert capsys.readouterr().err == f"rtsod: {NOT_ENOUGH_MEMORY}\n"


@pytest.mark.parametrize(
    "error", [RuntimeError("no memory of it"), OSError(errno.EBADF, "Bad file descriptor")], ids=repr
)
def test_a_bug_is_called_a_bug(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    def work(_: StopSignals) -> None:
        raise error

    assert run_command("rtsod", work) == ExitCode.INTERNAL
    assert capsys.readouterr().err.startswith(f"rtsod: internal error: {type(error).__name__}: ")


def test_the_documentation_lists_each_exit_code() -> None:
    text = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
    table = text.partition("\n## Exit codes\n")[2]
    cells = re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE)
    assert [int(code) for cell in cells for code in cell.split(", ")] == sorted(ExitCode)
