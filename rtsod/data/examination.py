"""Looks at every file of a data set before it is used: whatever is wrong is said before the first step."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from rtsod.data.dataset import Dataset
from rtsod.data.facts import FactStore, ImageFacts, MaskFacts, image_facts, mask_facts
from rtsod.data.findings import check_sizes, judge_masks
from rtsod.data.pairing import counted
from rtsod.errors import DataError, SourceError
from rtsod.imaging.stills.image_file import Header, read_header
from rtsod.progress import BuildProgress
from rtsod.system.cache_folder import CACHE_LOG, cache_folder, reason
from rtsod.system.machine import thread_count

_log = logging.getLogger(CACHE_LOG)

AREA_EDGES: Final = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Shares of a picture between which :meth:`Examined.area_histogram` counts. Small subjects are what fails."""
FactKind: TypeAlias = type[ImageFacts] | type[MaskFacts]
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Examined:
    """A data set whose files have all been read."""

    dataset: Dataset
    """The same, whose pairs know how to read their masks."""
    images: tuple[ImageFacts, ...]
    """In the order of the pairs."""
    masks: tuple[MaskFacts, ...]
    notes: tuple[str, ...]
    """Lines for the user, those of the data set included."""

    @property
    def areas(self) -> NDArray[np.float64]:
        """``(N,)``: the share of each picture that is foreground, 0..1."""
        shares = np.array([mask.foreground / (mask.width * mask.height) for mask in self.masks])
        return 1 - shares if self.dataset.pairs[0].inverted else shares

    @property
    def empty(self) -> int:
        """How many masks have no foreground."""
        return int(np.count_nonzero(self.areas == 0))

    def area_histogram(self) -> dict[str, list[float] | list[int]]:
        """How many subjects are how large, ready for JSON.

        Returns:
            ``edges``, which are ``AREA_EDGES``, and ``counts`` between them; empty masks are in the first.
        """
        counts, _ = np.histogram(self.areas, AREA_EDGES)
        return {"edges": list(AREA_EDGES), "counts": [int(count) for count in counts]}


def examine(dataset: Dataset, *, progress: BuildProgress | None = None, cache: Path | None = None) -> Examined:
    """Read every file of a data set. What is known from an earlier start is not read again.

    Args:
        dataset: as opened.
        progress: told as files are read.
        cache: the folder in which to keep what is found; None is the program's own in the user's cache.

    Raises:
        DataError: files cannot be read, or are damaged; sizes differ; masks are inverted, mixed or all empty.
    """
    store = FactStore(_folder(cache), dataset.folder)
    pairs, name = dataset.pairs, dataset.name
    report = progress or _say_nothing
    files = list(dict.fromkeys(file for pair in pairs for file in ((ImageFacts, pair.image), (MaskFacts, pair.mask))))
    facts = {file: known for file in files if (known := store.get(*file)) is not None}
    new = [file for file in files if file not in facts]
    headers = {path: Header(known.width, known.height, known.orientation) for (_, path), known in facts.items()}
    unseen = list({path: None for _, path in new if path not in headers})
    headers |= _each(_header, unseen, f"looking at the sizes in {name}", report)
    notes = check_sizes(name, pairs, [(headers[pair.image], headers[pair.mask]) for pair in pairs])
    try:
        facts |= _each(lambda file: _look(file, headers[file[1]], store), new, f"reading {name}", report)
    finally:
        store.save()
    images = tuple(fact for pair in pairs if isinstance(fact := facts[ImageFacts, pair.image], ImageFacts))
    masks = tuple(fact for pair in pairs if isinstance(fact := facts[MaskFacts, pair.mask], MaskFacts))
    judgement = judge_masks(name, pairs, masks, dataset.inverted)
    notes = (*dataset.complaints, *notes, *judgement.notes, *_same_pictures(name, images))
    pairs = tuple(replace(pair, white=judgement.white, inverted=judgement.inverted) for pair in pairs)
    return Examined(replace(dataset, pairs=pairs), images, masks, notes)


def _look(file: tuple[FactKind, Path], header: Header, store: FactStore) -> ImageFacts | MaskFacts:
    kind, path = file
    facts = image_facts(path, header) if kind is ImageFacts else mask_facts(path, header)
    store.put(path, facts)
    return facts


def _header(path: Path) -> Header:
    try:
        return read_header(path)
    except SourceError as error:
        raise DataError(str(error)) from error


def _each(work: Callable[[T], R], items: Sequence[T], phase: str, report: BuildProgress) -> dict[T, R]:
    """Do the same for all items, on several threads.

    Raises:
        DataError: it failed for some. The line says why for the first, and how many there are.
    """
    done: dict[T, R] = {}
    failed: list[str] = []
    if not items:
        return done
    executor = ThreadPoolExecutor(thread_count(), thread_name_prefix="rtsod-examine")
    try:
        report(phase, 0, len(items))
        futures = [executor.submit(work, item) for item in items]
        for count, (item, future) in enumerate(zip(items, futures, strict=True), 1):
            try:
                done[item] = future.result()
            except DataError as error:
                failed.append(str(error))
            report(phase, count, len(items))
    finally:
        executor.shutdown(cancel_futures=True)
    if failed:
        more = "" if len(failed) == 1 else f" (and {len(failed) - 1} more)"
        raise DataError(f"{failed[0]}{more}: replace it, or remove it with its counterpart")
    return done


def _same_pictures(name: str, images: Sequence[ImageFacts]) -> tuple[str, ...]:
    """A line for the user if pictures occur more than once."""
    extra = len(images) - len({image.digest for image in images})
    what = counted(extra, "picture occurs", "pictures occur")
    return (f"{name}: {what} more than once: a validation share keeps equals together",) if extra else ()


def _folder(cache: Path | None) -> Path | None:
    try:
        return (cache or cache_folder()) / "examined"
    except OSError as error:
        _log.warning("what is known of the pictures cannot be stored: %s", reason(error))
        return None


def _say_nothing(phase: str, done: int, total: int) -> None:
    pass
