"""What there is to do: the photographs and videos of folders, lists and names."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path, PurePath, PurePosixPath
from typing import Final

from rtsod.batch.config import PICTURE_SUFFIX, BatchConfig, Shard
from rtsod.batch.places import RECORDS, SETTINGS, Place, place_named
from rtsod.batch.places import in_words as place_in_words
from rtsod.batch.remote import Remote
from rtsod.errors import SourceError, UsageError
from rtsod.imaging.stills.still_format import has_still_suffix, still_format
from rtsod.system.names import natural_order, path_named

_VIDEO_SUFFIXES: Final = frozenset((
    ".3g2", ".3gp", ".asf", ".avi", ".dv", ".f4v", ".flv", ".m2ts", ".m2v", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg",
    ".mpg", ".mts", ".mxf", ".nut", ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m",
))  # fmt: skip
"""By these names a file in a folder counts as a video. A file that you name yourself counts whatever its name."""
_SETTINGS_END: Final = f"/{RECORDS}/{SETTINGS}"
"""How the name of a file ends that only the output folder of a batch has."""


class Kind(StrEnum):
    """What an item is."""

    PHOTOGRAPH = "photograph"
    VIDEO = "video"


@dataclass(frozen=True, slots=True)
class Item:
    """One file to make a result of."""

    name: str
    """Relative to its input, with slashes: what its result is called, and what its row says."""
    source: Place
    """Its file."""
    kind: Kind
    bytes: int
    """Size of the file; 0 where nobody was asked, or it is gone."""

    def result(self, suffix: str) -> str:
        """Name of its result, relative to the output folder. It depends on nothing but the name.

        Args:
            suffix: of the results of videos.
        """
        wanted = PICTURE_SUFFIX if self.kind is Kind.PHOTOGRAPH else suffix
        return self.name if self.name.endswith(wanted) else self.name + wanted


@dataclass(slots=True)
class Found:
    """What an input holds."""

    items: list[Item] = field(default_factory=list)
    passed_over: int = 0
    """Files that are neither photographs nor videos."""
    left_out: int = 0
    """Photographs and videos, by their names, that ``--include`` or ``--exclude`` leaves out; not those of folders that
    ``--exclude`` leaves out."""


def find_items(config: BatchConfig, listed: Iterable[str] = ()) -> Found:
    """Find all items of a batch, of all its shards, in natural order.

    Hidden files and folders, and the output folder itself, are not looked at; links to folders are not followed.

    Args:
        config: the inputs, and which names count.
        listed: the lines of standard input, if that is an input.

    Raises:
        SourceError: an input does not exist or cannot be read.
        UsageError: two items would have one result.
    """
    found = Found()
    if config.inputs == ("-",):
        for line in listed:
            if text := line.rstrip("\r\n"):
                place = place_named(text, Path)
                if isinstance(place, Path):
                    _add(found, config, place, _name_in_list(text), named=True, may_be_gone=True)
                else:
                    # Nobody is asked about each of many: what is gone becomes a row, as it does here.
                    _add_remote(found, config, place, _name_in_list(place.partition("://")[2]), named=True, size=0)
    else:
        for text in config.inputs:
            place = place_named(text, path_named)
            if isinstance(place, str):
                _search_remote(found, config, place)
            elif place.is_dir():
                _search(found, config, place)
            else:
                _add(found, config, place, place.name, named=True)
    found.items = sorted(
        {(item.name, item.source): item for item in found.items}.values(), key=lambda item: natural_order(item.name)
    )
    _check_distinct(found.items, config.suffix)
    _check_sources_stay(found.items, config)
    _check_results_stay_out(config)
    return found


def of_shard(items: Iterable[Item], shard: Shard) -> list[Item]:
    """The items of one part. Which part an item belongs to depends on its name alone."""
    return [item for item in items if shard.of == 1 or _hash(item.name) % shard.of == shard.number]


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.sha256(os.fsencode(name)).digest()[:8])


def _name_in_list(text: str) -> str:
    """The name of a result: that in the list, without what leads out of the output folder."""
    path = PurePosixPath(Path(os.path.normpath(text)).as_posix())
    return str(PurePosixPath(*(part for part in path.parts if part not in (path.anchor, ".."))))


def _search(found: Found, config: BatchConfig, root: Path) -> None:
    own = config.out.resolve() if isinstance(config.out, Path) else None

    def failed(error: OSError) -> None:
        raise SourceError(f"cannot read the folder {error.filename}: {error.strerror or error}") from error

    for folder, folders, files in os.walk(root, onerror=failed):
        place = Path(folder)
        inside = place.relative_to(root)
        folders[:] = sorted(
            name for name in folders
            if not name.startswith(".") and not _matches((inside / name).as_posix(), config.exclude)
            and (place / name).resolve() != own and not (place / name / RECORDS / SETTINGS).exists()
        )  # fmt: skip
        for name in files:
            if not name.startswith("."):
                _add(found, config, place / name, (inside / name).as_posix(), named=False)


def _search_remote(found: Found, config: BatchConfig, address: str) -> None:
    remote = Remote(address)
    if remote.is_file():
        _add_remote(found, config, address, PurePosixPath(address).name, named=True, size=remote.size())
        return
    own = f"{config.out}/" if isinstance(config.out, str) else None
    sizes = remote.sizes()
    if not sizes:
        raise SourceError(f"{place_in_words(address)}: no such file or folder, it is empty, or it cannot be reached")
    others = {name.removesuffix(_SETTINGS_END) for name in sizes if name.endswith(_SETTINGS_END)}
    for name, size in sizes.items():
        hidden = any(part.startswith(".") for part in name.split("/"))
        inside = [name.rsplit("/", depth)[0] for depth in range(1, name.count("/") + 1)]
        left_out = any(_matches(folder, config.exclude) or folder in others for folder in inside)
        if not (hidden or left_out or (own is not None and f"{address}/{name}".startswith(own))):
            _add_remote(found, config, f"{address}/{name}", name, named=False, size=size)


def _add_remote(found: Found, config: BatchConfig, address: str, name: str, *, named: bool, size: int) -> None:
    if not _is_taken(name, config):
        found.left_out += _is_known_by_name(PurePosixPath(name))
        return
    suffix = PurePosixPath(name).suffix.lower()
    kind = Kind.PHOTOGRAPH if has_still_suffix(Path(name)) else Kind.VIDEO
    if kind is Kind.VIDEO and suffix not in _VIDEO_SUFFIXES and not named:
        found.passed_over += 1
        return
    found.items.append(Item(name, address, kind, size))


def _is_taken(name: str, config: BatchConfig) -> bool:
    return not _matches(name, config.exclude) and (not config.include or _matches(name, config.include))


def _is_known_by_name(path: PurePath) -> bool:
    return has_still_suffix(Path(path)) or path.suffix.lower() in _VIDEO_SUFFIXES


def _add(found: Found, config: BatchConfig, path: Path, name: str, *, named: bool, may_be_gone: bool = False) -> None:
    if not _is_taken(name, config):
        found.left_out += _is_known_by_name(path)
        return
    try:
        if not path.is_file():
            if may_be_gone and not path.exists():  # one of many: it becomes a row
                gone = Kind.PHOTOGRAPH if has_still_suffix(path) else Kind.VIDEO
                found.items.append(Item(name, path.absolute(), gone, 0))
                return
            if named:
                what = "is no regular file" if path.exists() else "no such file or folder"
                raise SourceError(f"{path}: {what}")
            found.passed_over += 1
            return
        kind = _kind(path, named=named)
        size = path.stat().st_size
    except (OSError, ValueError) as error:
        raise SourceError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if kind is None:
        found.passed_over += 1
    else:
        found.items.append(Item(name, path.absolute(), kind, size))


def _kind(path: Path, *, named: bool) -> Kind | None:
    if has_still_suffix(path):
        return Kind.PHOTOGRAPH
    if path.suffix.lower() in _VIDEO_SUFFIXES:
        return Kind.VIDEO
    try:
        if still_format(path) is not None:
            return Kind.PHOTOGRAPH
    except OSError:  # it is found again where it is opened
        return None
    return Kind.VIDEO if named else None


def _matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether a name, or its last part, has one of these forms."""
    last = name.rpartition("/")[2]
    patterns = [pattern.removeprefix("./").rstrip("/") for pattern in patterns]
    return any(fnmatchcase(name, pattern) or fnmatchcase(last, pattern) for pattern in patterns)


def _check_distinct(items: list[Item], suffix: str) -> None:
    taken: dict[str, Item] = {}
    for item in items:
        result = item.result(suffix)
        if (other := taken.setdefault(result.casefold(), item)) is not item:
            both = f"{place_in_words(other.source)} and {place_in_words(item.source)}"
            raise UsageError(
                f"{both}: would both be written to {result}: give one of them, or each an output folder of its own"
            )


def _check_sources_stay(items: list[Item], config: BatchConfig) -> None:
    """Refuse to write a result over an item."""
    local = isinstance(config.out, Path)
    sources = {_real(item.source): item for item in items if isinstance(item.source, Path) is local}
    for item in items:
        name = item.result(config.suffix)
        result = config.out / name if isinstance(config.out, Path) else f"{config.out}/{name}"
        if (source := sources.get(_real(result))) is not None:
            raise UsageError(
                f"--out {place_in_words(config.out)}: the result of {item.name} would replace "
                f"{place_in_words(source.source)}: choose another folder"
            )


def _check_results_stay_out(config: BatchConfig) -> None:
    """Refuse to write results into a folder that is searched: the next run would take them for items."""
    for text in config.inputs if config.inputs != ("-",) else ():
        place = place_named(text, path_named)
        if _real(place) == _real(config.out) and (isinstance(place, str) or place.is_dir()):
            raise UsageError(
                f"--out {place_in_words(config.out)}: is an input, and the next run would take the results for "
                "photographs and videos to process: choose another folder, also one inside"
            )


def _real(place: Place) -> str:
    return os.path.realpath(place) if isinstance(place, Path) else place


def why_nothing(found: Found, config: BatchConfig) -> str:
    """Why inputs without an item hold none, for an error."""
    inputs = ", ".join(config.inputs)
    if not found.left_out:
        others = f", but {found.passed_over} other files" if found.passed_over else ""
        return f"{inputs}: no photographs and no videos there{others}"
    if not config.exclude:
        return (
            f"{inputs}: --include {', '.join(config.include)} matches none of {found.left_out} photographs and videos"
        )
    options = f"--exclude {', '.join(config.exclude)} leaves"
    if config.include:
        options = f"--include {', '.join(config.include)} and --exclude {', '.join(config.exclude)} leave"
    return f"{inputs}: {options} out all of {found.left_out} photographs and videos"


def in_words(items: Iterable[Item]) -> str:
    """``"3 photographs and 1 video"``."""
    kinds = [item.kind for item in items]
    parts = [f"{kinds.count(kind)} {kind}{'s' if kinds.count(kind) > 1 else ''}" for kind in Kind if kind in kinds]
    return " and ".join(parts) or "nothing"
