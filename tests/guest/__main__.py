"""Runs the program in a virtual machine with real V4L2 devices: ``python -m tests.guest [WORD...]``.

It takes some minutes, and needs neither hardware nor KVM. Exit status: 0 passed; 1 failed; 77 skipped because the
machine cannot be built, with the reason.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from tests.guest.machine import Machine, NoMachineError

TIMEOUT_SECONDS = 900
"""For everything. It takes three to seven minutes on two idle cores."""


def main(*words: str) -> int:
    """Run all cases, or those whose names contain the words."""
    try:
        machine = Machine()
    except NoMachineError as error:
        print(f"skipped: no virtual machine: {error}")
        return 77
    here = Path(__file__).parents[2]
    cases = [sys.executable, "-m", "tests.guest.cases", *words]
    home = f"HOME={shlex.quote(str(Path.home()))} PYTHONPATH={shlex.quote(str(here))} PYTHONDONTWRITEBYTECODE=1"
    status = machine.run(f"cd {shlex.quote(str(here))} && {home} {shlex.join(cases)}", timeout=TIMEOUT_SECONDS)
    return 1 if status else 0


raise SystemExit(main(*sys.argv[1:]))
