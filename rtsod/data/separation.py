"""Keeps training, validation and test apart: splits off a validation share, and refuses what must not be used."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from rtsod.data.dataset import Dataset
from rtsod.data.examination import Examined
from rtsod.data.facts import ImageFacts, MaskFacts
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
    images, masks, _, _ = _listed(sets)
    files = [pair.image.name for examined in sets for pair in examined.dataset.pairs]
    trained = sum(len(examined.images) for examined in training)
    leaders = groups(images, masks)
    known = set(leaders[:trained])
    shared = [files[index] for index in range(trained, len(files)) if leaders[index] in known]
    if shared:
        raise DataError(
            f"{len(shared)} of {len(files) - trained} validation pictures {'is' if len(shared) == 1 else 'are'} also "
            f"trained on ({first_names(shared)}): remove them from one of the two"
        )


def split(sets: Sequence[Examined], share: float, seed: int) -> tuple[tuple[Examined, ...], tuple[Examined, ...]]:
    """Split a share off for validation.

    A hash of seed and name decides for each picture, so that adding files moves no other. Pictures that show the same
    (:mod:`rtsod.data.similar`) stay together, in whichever data sets they are. So the share is met on average, not
    exactly; at least one picture is held out, and at least one of each data set is trained on.

    Args:
        sets: the data.
        share: of the pictures for validation, above 0 and below 1.
        seed: another one splits differently.

    Returns:
        What is left for training, a data set each, and what is held out, without data sets of which nothing is.

    Raises:
        DataError: there is only one picture, or all show the same.
    """
    if not 0 < share < 1:
        raise ValueError(f"a share of {share} is not between 0 and 1")
    images, masks, owners, names = _listed(sets)
    leaders = groups(images, masks)
    members: dict[int, list[int]] = {}
    for index, leader in enumerate(leaders):
        members.setdefault(leader, []).append(index)
    places = {leader: _place(min(names[index] for index in group), seed) for leader, group in members.items()}
    by_place = sorted(places, key=places.__getitem__)
    chosen = {leader for leader in by_place if places[leader] < share} or {by_place[0]}
    for owner in range(len(sets)):
        # Its last picture in line stays, with those that show the same.
        own = [leader for leader in by_place if any(owners[index] == owner for index in members[leader])]
        if own and chosen.issuperset(own):
            chosen.remove(own[-1])
    if not chosen:
        what = "there is only one picture" if len(leaders) == 1 else "too few pictures differ"
        where = ", ".join(examined.dataset.name for examined in sets)
        raise DataError(f"{where}: {what}, so no validation share can be split off: give more data, or --val none")
    parts: tuple[list[Examined], list[Examined]] = ([], [])
    for owner, examined in enumerate(sets):
        start = owners.index(owner)
        for part, held_out in zip(parts, (False, True), strict=True):
            inside = [index for index in range(len(examined.images)) if (leaders[start + index] in chosen) == held_out]
            if inside:
                part.append(_part(examined, inside))
    return tuple(parts[0]), tuple(parts[1])


def _listed(sets: Sequence[Examined]) -> tuple[list[ImageFacts], list[MaskFacts], list[int], list[str]]:
    """One after the other: facts about pictures and masks, whose they are, and the pictures' names."""
    images = [image for examined in sets for image in examined.images]
    masks = [mask for examined in sets for mask in examined.masks]
    owners = [owner for owner, examined in enumerate(sets) for _ in examined.images]
    return images, masks, owners, [pair.name for examined in sets for pair in examined.dataset.pairs]


def _place(name: str, seed: int) -> float:
    """A number in [0, 1) that depends on name and seed alone."""
    digest = hashlib.blake2b(f"{seed}/{name}".encode(errors="surrogateescape"), digest_size=_HASH_BITS // 8).digest()
    return int.from_bytes(digest, "big") / (1 << _HASH_BITS)


def _part(examined: Examined, indices: Sequence[int]) -> Examined:
    dataset = replace(examined.dataset, pairs=tuple(examined.dataset.pairs[index] for index in indices))
    images = tuple(examined.images[index] for index in indices)
    return Examined(dataset, images, tuple(examined.masks[index] for index in indices), examined.notes)
