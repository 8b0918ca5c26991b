"""Boots the virtual machine and tries the program in it: ``python -m tests.guest``. Some minutes, no hardware, no KVM.

Exit status: 0 passed, 1 failed, 77 where the machine cannot be had, with the reason.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from tests.guest.machine import Machine, NoMachineError

SECONDS = 540
"""Within which everything must be over; about three minutes on two free cores."""


def main(*words: str) -> int:
    """Run the cases whose names contain the words, or all."""
    try:
        machine = Machine()
    except NoMachineError as error:
        print(f"skipped, no virtual machine: {error}")
        return 77
    here = Path(__file__).parents[2]
    cases = [sys.executable, "-m", "tests.guest.cases", *words]
    home = f"HOME={shlex.quote(str(Path.home()))} PYTHONPATH={shlex.quote(str(here))} PYTHONDONTWRITEBYTECODE=1"
    status = machine.run(f"cd {shlex.quote(str(here))} && {home} {shlex.join(cases)}", timeout=SECONDS)
    return 1 if status else 0


raise SystemExit(main(*sys.argv[1:]))
