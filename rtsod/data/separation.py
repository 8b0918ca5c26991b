"""Keeps training, validation and test apart: splits off a validation share, and refuses what must not be used."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from rtsod.data.dataset import Dataset
from rtsod.data.examination import Examined
from rtsod.data.pairing import first_names
from rtsod.data.similar import groups
from rtsod.errors import DataError

_HASH_BITS: Final = 64


def check_roles(training: Sequence[Dataset], validation: Sequence[Dataset] = ()) -> None:
    """Refuse test sets as training or validation data: what is tuned on them cannot be compared with the paper.

    Args:
        training: data sets to train on.
        validation: data sets that choose among the weights.

    Raises:
        DataError: one is a test set.
    """
    for use, datasets in (("training", training), ("validation", validation)):
        for dataset in datasets:
            if dataset.role == "test":
                advice = (
                    "split some of the training data off, for example --val 5%"
                    if use == "validation"
                    else ("train on something else, such as DUTS-TR")
                )
                raise DataError(
                    f"{dataset.folder}: {dataset.name} is a test set and cannot be {use} data: {advice}; if it is not "
                    "one, rename the folder"
                )


def check_disjoint(training: Sequence[Examined], validation: Sequence[Examined]) -> None:
    """Refuse validation pictures that are trained on, also mirrored ones.

    Args:
        training: data sets to train on.
        validation: data sets that choose among the weights.

    Raises:
        DataError: some pictures are in both. The line names the first.
    """
    sets = [*training, *validation]
    images = [image for examined in sets for image in examined.images]
    masks = [mask for examined in sets for mask in examined.masks]
    names = [pair.image.name for examined in sets for pair in examined.dataset.pairs]
    trained = sum(len(examined.images) for examined in training)
    leaders = groups(images, masks)
    known = set(leaders[:trained])
    shared = [names[index] for index in range(trained, len(names)) if leaders[index] in known]
    if shared:
        raise DataError(
            f"{len(shared)} of {len(names) - trained} validation pictures are also trained on ({first_names(shared)}): "
            "remove them from one of the two"
        )


def split(examined: Examined, share: float, seed: int) -> tuple[Examined, Examined]:
    """Split a share off for validation.

    A hash of seed and name decides for each picture, so that adding files moves no other. Pictures that show the same
    (:mod:`rtsod.data.similar`) stay together, so the share is met on average, not exactly.

    Args:
        examined: with at least two groups of pictures.
        share: of the pictures for validation, above 0 and below 1.
        seed: another one splits differently.

    Returns:
        What is left for training, and the validation share. Neither is empty.

    Raises:
        DataError: there is only one picture, or all show the same.
    """
    if not 0 < share < 1:
        raise ValueError(f"a share of {share} is not between 0 and 1")
    dataset = examined.dataset
    leaders = groups(examined.images, examined.masks)
    members: dict[int, list[str]] = {}
    for leader, pair in zip(leaders, dataset.pairs, strict=True):
        members.setdefault(leader, []).append(pair.name)
    if len(members) < 2:
        what = "there is only one picture" if len(leaders) == 1 else "all pictures show the same"
        raise DataError(f"{dataset.name}: {what}, so no validation share can be split off: give --val DATA")
    places = {leader: _place(min(names), seed) for leader, names in members.items()}
    chosen = {leader for leader, place in places.items() if place < share}
    if not chosen:
        chosen = {min(places, key=places.__getitem__)}
    elif len(chosen) == len(places):
        chosen.remove(max(places, key=places.__getitem__))
    return (
        _part(examined, [index for index, leader in enumerate(leaders) if leader not in chosen]),
        _part(examined, [index for index, leader in enumerate(leaders) if leader in chosen]),
    )


def _place(name: str, seed: int) -> float:
    """A number in [0, 1) that depends on name and seed alone."""
    digest = hashlib.blake2b(f"{seed}/{name}".encode(errors="surrogateescape"), digest_size=_HASH_BITS // 8).digest()
    return int.from_bytes(digest, "big") / 2**_HASH_BITS


def _part(examined: Examined, indices: Sequence[int]) -> Examined:
    dataset = replace(examined.dataset, pairs=tuple(examined.dataset.pairs[index] for index in indices))
    images = tuple(examined.images[index] for index in indices)
    return Examined(dataset, images, tuple(examined.masks[index] for index in indices), examined.notes)
