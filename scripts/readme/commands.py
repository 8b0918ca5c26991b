"""Print a command from the README, which CI runs: ``python scripts/readme/commands.py 1`` or ``2``.

Needs only the standard library, since it runs before anything is installed.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def commands() -> list[str]:
    """The README's ``sh`` blocks in order, each joined to one line."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    return [" && ".join(line for line in block.splitlines() if line and not line.startswith("#")) for block in blocks]


def main() -> None:
    """Print one command."""
    found = commands()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("number", type=int, choices=range(1, len(found) + 1), help="which command, counted from 1")
    print(found[parser.parse_args().number - 1])


if __name__ == "__main__":
    main()
