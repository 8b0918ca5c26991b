"""The documentation's site: what is collected, what is made from the code, and the check of what was built."""

from __future__ import annotations

import importlib
import re
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


def test_each_field_and_constant_is_expected_on_the_page(scripts: Any) -> None:
    """The build fails if the page lacks one of them."""
    expected = [*scripts("api_page").expected_ids()]
    assert len(expected) == len(set(expected))
    parts = ("source", "engine", "quality", "picture", "output", "run", "control")
    assert {f"rtsod.AppConfig.{part}" for part in parts} <= {*expected}
    assert {f"rtsod.ExitCode.{code.name}" for code in rtsod.ExitCode} <= {*expected}
    assert {"rtsod.EngineInfo.name", "rtsod.SourceError.exit_code", "rtsod.frames.Alpha"} <= {*expected}
    assert "rtsod.SourceGone.exit_code" not in expected  # it is that of SourceError


def test_what_signatures_name_has_an_entry(scripts: Any) -> None:
    page = scripts("api_page")
    shown = {*page.public_names(), *(path.rpartition(".")[2] for path in page.TYPES)}
    for path in page.TYPES:
        module, _, name = path.rpartition(".")
        assert hasattr(importlib.import_module(module), name)
    elsewhere = {"Detections", "Iterable", "Literal", "None", "Path", "PillowImage", "Self"}
    for found in (getattr(rtsod, name) for name in page.public_names()):
        members = [found]
        if isinstance(found, type):
            public = (each for name, each in vars(found).items() if name == "__call__" or not name.startswith("_"))
            members += [getattr(each, "__func__", each) for each in public]
        for named in (getattr(each, "__annotations__", {}) for each in members):
            assert {*re.findall(r"\b[A-Z]\w+", " ".join(map(str, named.values())))} <= shown | elsewhere


def test_the_version_is_that_of_the_code() -> None:
    project = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]
    assert project["copyright"] == f"rtsod {rtsod.__version__}, Apache-2.0"


def test_marks_become_lines_that_readers_see(scripts: Any) -> None:
    page = scripts("site_pages")._page
    assert page("a\n\n<!-- not run here: needs a <camera> -->\n```sh\nx\n```\n") == (
        'a\n\n<p class="not-run">Not run by our tests: needs a &lt;camera&gt;.</p>\n\n```sh\nx\n```\n'
    )
    assert "tests, lines with <code>--gpu</code>: no GPU." in page("<!-- not run here, lines with --gpu: no GPU -->\n")
    fenced = "```markdown\n<!-- not run here: needs a camera -->\n```\n"
    assert page(fenced) == fenced


def test_docstrings_become_markdown(scripts: Any) -> None:
    pytest.importorskip("griffe")
    markdown = scripts("griffe_extensions").markdown
    assert markdown("See :meth:`rtsod.Segmenter.batch`, :class:`~rtsod.errors.UsageError`, :func:`close`.") == (
        "See [`Segmenter.batch`][rtsod.Segmenter.batch], [`UsageError`][rtsod.UsageError], `close`."
    )
    assert markdown("Use it so::\n\n    with x:\n        y\n\nThat is all.") == (
        "Use it so:\n\n```python\nwith x:\n    y\n```\n\nThat is all."
    )
    assert markdown("A list:\n\n    no code") == "A list:\n\n    no code"


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
        ("<title>Other</title>", "page.html: has the title of other.html, Other"),
        ("<p>See :class:<code>X</code>", "page.html: shows :class:, which is no Markdown"),
        ("<p>See ``x``", "page.html: shows ``x``, which is no Markdown"),
        ("<pre>See :class:`X` and ``x``::\n</pre>", None),
    ],
)
def test_the_check_finds_what_is_loaded_and_what_is_missing(
    scripts: Any, tmp_path: Path, html: str, said: str | None
) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("other.html", "folder/index.html", "a.png"):
        (tmp_path / name).write_text("<title>Other</title>" if name == "other.html" else "<p>")
    (tmp_path / "page.html").write_text(html)
    found = set(scripts("check_site").problems(tmp_path))
    assert found == (set() if said is None else {said})


def test_an_id_that_must_be_there_is_missed(scripts: Any, tmp_path: Path) -> None:
    (tmp_path / "api.html").write_text('<h3 id="rtsod.run">')
    expected = {"api.html": ["rtsod.run", "rtsod.AppConfig.source"]}
    assert list(scripts("check_site").problems(tmp_path, expected)) == ["api.html: has no rtsod.AppConfig.source"]


def test_style_sheets_are_checked(scripts: Any, tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("@font-face { src: url('https://example.org/font') }")
    assert list(scripts("check_site").problems(tmp_path)) == ["a.css: loads https://example.org/font"]
    assert not scripts("check_site").check(tmp_path)
