"""Collect the pages of the documentation's site in a folder: ``python scripts/site/site_pages.py FOLDER``.

They lie there as in the repository, so that a link between two of them holds in both places. Added are the pages that
are made from the code: the help of all commands, and the public API.
"""

from __future__ import annotations

import argparse
import html
import re
import shutil
from pathlib import Path
from typing import Final

from api_page import api_page
from commands_page import command_line_page

ROOT: Final = Path(__file__).parents[2]
COPIED: Final = (
    "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/**/*.*", "examples/*.*", "benchmarks/README.md",
    "benchmarks/results/*.json", "engines/README.md",
)  # fmt: skip
PLAIN: Final = {"NOTICE": "Notice", "LICENSE": "Licence", "Dockerfile": "Dockerfile"}
"""Files of plain text -> the titles of the pages that they become. Browsers would not show them."""
REFERENCE: Final = Path("docs/reference")
STYLES: Final = "site.css"
"""The style sheet, which lies beside this script."""
_FENCED: Final = re.compile(r"^( *)(`{3,}).*?^\1\2$", re.MULTILINE | re.DOTALL)
_MARK: Final = re.compile(r"^( *)<!-- not run here(?:, lines with (.+?))?: (.+) -->\n", re.MULTILINE)


def prepare(folder: Path) -> None:
    """Collect the pages in ``folder``, which is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    for source in sorted({path for pattern in COPIED for path in ROOT.glob(pattern) if path.is_file()}):
        target = folder / source.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix == ".md":
            target.write_text(_page(source.read_text(encoding="utf-8")), encoding="utf-8")
        else:
            shutil.copyfile(source, target)
    for name, title in PLAIN.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        (folder / f"{name}.md").write_text(f"# {title}\n\n```text\n{text.rstrip()}\n```\n", encoding="utf-8")
    shutil.copyfile(Path(__file__).with_name(STYLES), folder / STYLES)
    (folder / REFERENCE).mkdir()
    (folder / REFERENCE / "command-line.md").write_text(command_line_page(), encoding="utf-8")
    (folder / REFERENCE / "api.md").write_text(api_page(), encoding="utf-8")


def _page(text: str) -> str:
    """A page as the site has it: files of plain text are pages there, a folder is its README, and marks are shown."""
    text = _with_marks(text)
    text = re.sub(rf"\]\(((?:\.\./)*(?:{'|'.join(PLAIN)}))\)", r"](\1.md)", text)
    return re.sub(r"\]\((?!https?:)([^)#]*/)\)", r"](\1README.md)", text)


def _with_marks(text: str) -> str:
    """The marks of commands that no test runs (docs/site.md), which are comments, as lines that readers see."""
    outside, done = [], 0
    for block in _FENCED.finditer(text):
        outside += [_MARK.sub(_shown, text[done : block.start()]), block[0]]
        done = block.end()
    return "".join([*outside, _MARK.sub(_shown, text[done:])])


def _shown(mark: re.Match[str]) -> str:
    indent, lines, reason = mark.groups()
    which = f", lines with <code>{html.escape(lines)}</code>" if lines else ""
    return f'{indent}<p class="not-run">Not run by our tests{which}: {html.escape(reason)}.</p>\n\n'


def main() -> None:
    """Collect them where the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    prepare(parser.parse_args().folder)


if __name__ == "__main__":
    main()
