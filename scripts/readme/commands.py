"""Print the README's first or second command: ``python scripts/readme/commands.py 1``. CI runs what it prints."""

from __future__ import annotations

import re
import sys
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def commands() -> list[str]:
    """The shell blocks of the README, in order, each as one line."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    return [" && ".join(line for line in block.splitlines() if line and not line.startswith("#")) for block in blocks]


if __name__ == "__main__":
    print(commands()[int(sys.argv[1]) - 1])
