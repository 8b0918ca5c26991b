"""Check a built site: it loads nothing from other hosts, what its pages link to is there, and each has its own title.

python scripts/site/check_site.py FOLDER
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote, urldefrag

LOADING: Final = frozenset({"src", "srcset", "poster", "data", "action", "background"})
"""Attributes whose address a browser loads without being asked."""
LOADING_RELATIONS: Final = frozenset(
    {"stylesheet", "icon", "preload", "prefetch", "preconnect", "dns-prefetch", "modulepreload", "manifest"}
)
_FOREIGN: Final = re.compile(r"^\s*(https?:)?//", re.IGNORECASE)
_UNTRANSLATED: Final = re.compile(r":(?:func|class|meth|attr|mod|data|exc):|\S::\s*$|``[^`]+``", re.MULTILINE)
"""What is left of reStructuredText, where a text should be Markdown."""
_IN_STYLES: Final = re.compile(r"""(?:url\(|@import)\s*["']?\s*((?:https?:)?//[^"')\s]+)""", re.IGNORECASE)


class _Page(HTMLParser):
    """What one page loads, what it links to, and what it says."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.linked: list[str] = []
        self.mermaid = False
        self.ids: set[str] = set()
        self.title = ""
        self.prose: list[str] = []
        """Its text, without what blocks of code and programs hold."""
        self._within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.mermaid |= "mermaid" in values.get("class", "").split()
        self.ids.add(values.get("id", ""))
        if tag in {"pre", "script", "style", "title"}:
            self._within.append(tag)
        relations = set(values.get("rel", "").lower().split())
        if "href" in values:
            loads = tag in {"use", "image", "base"} or (tag == "link" and relations & LOADING_RELATIONS)
            (self.loaded if loads else self.linked).append(values["href"])
        for name in LOADING & values.keys():
            found = values[name].split(",") if name == "srcset" else [values[name]]
            self.loaded += [part.split()[0] for part in found if part.strip()]
        self.loaded += _IN_STYLES.findall(values.get("style", ""))

    def handle_endtag(self, tag: str) -> None:
        if self._within and self._within[-1] == tag:
            self._within.pop()

    def handle_data(self, data: str) -> None:
        if not self._within:
            self.prose.append(data)
        elif self._within[-1] == "title":
            self.title += data.strip()


def problems(folder: Path, ids: Mapping[str, Collection[str]] = MappingProxyType({})) -> Iterator[str]:
    """What is wrong with the site, one line each.

    Args:
        folder: of the site.
        ids: page, relative to the folder -> the ids that must be in it.
    """
    titles: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.html")):
        name = path.relative_to(folder)
        text = path.read_text(encoding="utf-8")
        page = _Page()
        page.feed(text)
        if page.title and (other := titles.setdefault(page.title, name)) != name:
            yield f"{name}: has the title of {other}, {page.title}"
        yield from (f"{name}: has no {each}" for each in ids.get(name.as_posix(), ()) if each not in page.ids)
        yield from (
            f"{name}: shows {found}, which is no Markdown" for found in _UNTRANSLATED.findall("".join(page.prose))
        )
        if page.mermaid:
            yield f"{name}: has a Mermaid diagram, whose program would be loaded from another host"
        yield from (f"{name}: loads {address}" for address in page.loaded if _FOREIGN.match(address))
        yield from (f"{name}: loads {address}" for address in _IN_STYLES.findall(text))
        yield from (f"{name}: {address} is not there" for address in _missing(path, page, folder))
    for path in sorted(folder.rglob("*.css")):
        for address in _IN_STYLES.findall(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(folder)}: loads {address}"


def _missing(path: Path, page: _Page, folder: Path) -> Iterator[str]:
    """Addresses within the site that lead nowhere. Anchors are the builder's to check."""
    if path.name == "404.html":  # its addresses are absolute, for it is shown in any folder
        return
    for address in dict.fromkeys([*page.loaded, *page.linked]):
        target = unquote(urldefrag(address).url.partition("?")[0])
        if not target or re.match(r"^[a-z][a-z0-9+.-]*:", target, re.IGNORECASE) or _FOREIGN.match(target):
            continue
        place = folder / target.lstrip("/") if target.startswith("/") else path.parent / target
        if not (place / "index.html" if place.is_dir() else place).is_file():
            yield address


def check(folder: Path, ids: Mapping[str, Collection[str]] = MappingProxyType({})) -> bool:
    """Print what is wrong with a site, as ``problems`` finds it, and return whether all is well."""
    pages = len(list(folder.rglob("*.html")))
    found = list(dict.fromkeys(problems(folder, ids)))
    for line in found:
        print(line, file=sys.stderr)
    if not pages:
        print(f"{folder}: holds no page", file=sys.stderr)
    return bool(pages) and not found


def main() -> int:
    """Check the site that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    return int(not check(parser.parse_args().folder))


if __name__ == "__main__":
    sys.exit(main())
