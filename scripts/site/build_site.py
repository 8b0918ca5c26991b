"""Build the documentation's site in ``build/site``, and check it: ``python scripts/site/build_site.py``.

It needs the extra ``docs``, and no network. A broken link, a docstring that cannot be read, a public name that the page
of the API lacks, two pages of one title, and a page that loads anything from another host are errors.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from api_page import expected_ids
from check_site import check
from site_pages import REFERENCE, ROOT, prepare

SOURCE: Final = ROOT / "build" / "site-source"
SITE: Final = ROOT / "build" / "site"
DOCSTRING_WARNING: Final = "griffe: "
"""Begins a line about a docstring. The builder's strictness does not cover these."""


def build() -> bool:
    """Build the site, and return whether all is well."""
    prepare(SOURCE)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    environment = {**os.environ, "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8")
    printed = done.stdout + done.stderr
    if done.returncode or DOCSTRING_WARNING in printed:
        print(printed, file=sys.stderr)
        return False
    return check(SITE, {(REFERENCE / "api.html").as_posix(): [*expected_ids()]})


def main() -> int:
    """Build it, and say where it is."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    if not build():
        return 1
    pages = len(list(SITE.rglob("*.html")))
    print(
        f"{SITE.relative_to(Path.cwd()) if SITE.is_relative_to(Path.cwd()) else SITE}: {pages} pages; open index.html"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
