"""From names on the command line to data that has been examined: what training and evaluation call."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rtsod.data.dataset import Dataset, open_dataset
from rtsod.data.examination import Examined, examine
from rtsod.data.separation import check_disjoint, check_roles, split
from rtsod.progress import BuildProgress, Notify


def prepare(
    specs: Sequence[str], *, notify: Notify, progress: BuildProgress | None = None, cache: Path | None = None
) -> tuple[Examined, ...]:
    """Open and examine data sets, whatever they are for.

    Args:
        specs: see :mod:`rtsod.data.spec`.
        notify: told what is odd.
        progress: told as files are read.
        cache: see :func:`rtsod.data.examination.examine`.

    Raises:
        DataError: one cannot be used.
    """
    return _examined(_opened(specs, progress), notify, progress, cache)


def prepare_training(
    specs: Sequence[str],
    validation: Sequence[str] | float | None,
    seed: int,
    *,
    notify: Notify,
    progress: BuildProgress | None = None,
    cache: Path | None = None,
) -> tuple[tuple[Examined, ...], tuple[Examined, ...]]:
    """Open and examine data to train and to validate on, and make sure that the two differ.

    Args:
        specs: of the data to train on.
        validation: names of data sets; or the share of the training data to hold out, above 0 and below 1; or None.
        seed: of the split.
        notify: told what is odd.
        progress: told as files are read.
        cache: see :func:`rtsod.data.examination.examine`.

    Returns:
        What is trained on, a data set for each of ``specs`` in their order; and what is held out.

    Raises:
        DataError: some of it cannot be used, is a test set, or is in both.
    """
    opened = _opened(specs, progress)
    share = validation if isinstance(validation, float) else None
    held_out = [] if validation is None or isinstance(validation, float) else _opened(validation, progress)
    check_roles(opened, held_out)
    training = _examined(opened, notify, progress, cache)
    if share is not None:
        return split(training, share, seed)
    validating = _examined(held_out, notify, progress, cache)
    check_disjoint(training, validating)
    return training, validating


def _opened(specs: Sequence[str], progress: BuildProgress | None) -> list[Dataset]:
    return [open_dataset(spec) if progress is None else open_dataset(spec, progress) for spec in specs]


def _examined(
    datasets: Sequence[Dataset], notify: Notify, progress: BuildProgress | None, cache: Path | None
) -> tuple[Examined, ...]:
    done = []
    for dataset in datasets:
        done.append(examine(dataset, progress=progress, cache=cache))
        for note in done[-1].notes:
            notify(note)
    return tuple(done)
