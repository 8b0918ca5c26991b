"""The documentation's site: what is collected, what is made from the code, and the check of what was built."""

from __future__ import annotations

import importlib
import tomllib
from pathlib import Path
from typing import Any

import pytest

import rtsod
from rtsod.__main__ import COMMANDS
from tests.support.architecture import ROOT


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports a script of the site by its name."""
    monkeypatch.syspath_prepend(ROOT / "scripts" / "site")
    return importlib.import_module


def _named(entries: list[Any]) -> list[str]:
    """The files that a navigation names, in order."""
    found: list[str] = []
    for entry in entries:
        for value in entry.values() if isinstance(entry, dict) else [entry]:
            found += _named(value) if isinstance(value, list) else [value]
    return found


def test_the_navigation_names_each_page_once(scripts: Any, tmp_path: Path) -> None:
    scripts("site_pages").prepare(tmp_path / "pages")
    collected = {str(path.relative_to(tmp_path / "pages")) for path in (tmp_path / "pages").rglob("*.md")}
    named = _named(tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"])
    assert sorted(named) == sorted(collected)


def test_the_help_of_each_command_is_there(scripts: Any) -> None:
    page = scripts("commands_page").command_line_page()
    for name in COMMANDS:
        assert f"\n## rtsod {name}\n\n```text\nusage: rtsod {name} " in page
    assert "usage: rtsod batch status" in page
    assert str(Path.home()) not in page


def test_each_public_name_is_in_the_api(scripts: Any) -> None:
    page = scripts("api_page").api_page()
    for name in rtsod.__all__:
        assert page.count(f"::: rtsod.{name}\n") == (0 if name.startswith("_") else 1)


def test_links_to_folders_and_to_plain_text_lead_to_pages(scripts: Any) -> None:
    page = scripts("site_pages")._page
    assert page("[a](../LICENSE) [b](examples/) [c](https://example.org/) [d](docs/x.md#y)") == (
        "[a](../LICENSE.md) [b](examples/README.md) [c](https://example.org/) [d](docs/x.md#y)"
    )


@pytest.mark.parametrize(
    ("html", "said"),
    [
        ('<a href="https://example.org">a link loads nothing</a>', None),
        ('<link rel="canonical" href="https://example.org">', None),
        ('<a href="other.html#part">there</a> <a href="folder/">there</a>', None),
        ('<img src="https://example.org/a.png">', "page.html: loads https://example.org/a.png"),
        ('<img srcset="a.png 1x, //example.org/b.png 2x">', "page.html: loads //example.org/b.png"),
        ('<script src="//example.org/a.js"></script>', "page.html: loads //example.org/a.js"),
        ('<link rel="preconnect" href="https://example.org">', "page.html: loads https://example.org"),
        ("<style>@import 'https://example.org/a.css'</style>", "page.html: loads https://example.org/a.css"),
        ('<p style="background: url(https://example.org/a)">', "page.html: loads https://example.org/a"),
        ('<pre class="mermaid">', "page.html: has a Mermaid diagram, whose program would be loaded from another host"),
        ('<a href="gone.html">gone</a>', "page.html: gone.html is not there"),
    ],
)
def test_the_check_finds_what_is_loaded_and_what_is_missing(
    scripts: Any, tmp_path: Path, html: str, said: str | None
) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("other.html", "folder/index.html", "a.png"):
        (tmp_path / name).write_text("<p>")
    (tmp_path / "page.html").write_text(html)
    found = set(scripts("check_site").problems(tmp_path))
    assert found == (set() if said is None else {said})


def test_style_sheets_are_checked(scripts: Any, tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("@font-face { src: url('https://example.org/font') }")
    assert list(scripts("check_site").problems(tmp_path)) == ["a.css: loads https://example.org/font"]
    assert not scripts("check_site").check(tmp_path)
