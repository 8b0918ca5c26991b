"""Whether data are those that a run began with: by what is in the files, wherever these lie now."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from rtsod.data.pairing import counted, first_names

if TYPE_CHECKING:
    from rtsod.data.examination import Examined
    from rtsod.training.data import TrainData

_DIGEST_BYTES = 16


class PairPrint(NamedTuple):
    """One pair."""

    name: str
    """For messages alone."""
    digest: str
    """Of both files' bytes, and of how the mask is read."""


class SetPrint(NamedTuple):
    """One data set."""

    weight: float
    pairs: tuple[PairPrint, ...]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The data of a run, in the order in which samples are drawn from them."""

    training: tuple[SetPrint, ...]
    held_out: tuple[SetPrint, ...]

    @classmethod
    def of(cls, data: TrainData) -> Self:
        """The fingerprint of data that have been examined."""
        return cls(tuple(map(_set_print, data.training)), tuple(map(_set_print, data.held_out)))

    def change(self, now: Fingerprint) -> str | None:
        """What is different now, in words: how many pairs, and the first names. None if a run would not notice.

        Args:
            now: the fingerprint of the data as they are now. Other names do not count, another order does.
        """
        if self._content() == now._content():
            return None
        then_pairs, now_pairs = self._pairs(), now._pairs()
        gone, new = _names_without(then_pairs, now_pairs), _names_without(now_pairs, then_pairs)
        named = {
            "new": [name for name in new if name not in gone],
            "gone": [name for name in gone if name not in new],
            "changed": [name for name in new if name in gone],
        }
        words = [f"{len(names)} {how} ({first_names(names)})" for how, names in named.items() if names]
        if not words:
            return "the same pairs in another order, or mixed or split otherwise"
        return f"{counted(len(now_pairs), 'pair')} instead of {len(then_pairs)}: {', '.join(words)}"

    def to_json(self) -> dict[str, Any]:
        """Ready for :mod:`json`."""
        return {"training": self.training, "held_out": self.held_out}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """What :meth:`to_json` made.

        Raises:
            TypeError, ValueError, KeyError: it is no fingerprint.
        """
        return cls(_sets_from(record["training"]), _sets_from(record["held_out"]))

    def _content(self) -> list[list[tuple[float, list[str]]]]:
        return [[(weight, [pair.digest for pair in pairs]) for weight, pairs in part] for part in self._parts()]

    def _pairs(self) -> list[PairPrint]:
        return [pair for part in self._parts() for each in part for pair in each.pairs]

    def _parts(self) -> tuple[tuple[SetPrint, ...], tuple[SetPrint, ...]]:
        return self.training, self.held_out


def _set_print(examined: Examined) -> SetPrint:
    dataset = examined.dataset
    pairs = []
    for pair, image, mask in zip(dataset.pairs, examined.images, examined.masks, strict=True):
        text = f"{image.digest} {mask.digest} {pair.white} {pair.inverted}"
        pairs.append(PairPrint(pair.name, hashlib.blake2b(text.encode(), digest_size=_DIGEST_BYTES).hexdigest()))
    return SetPrint(dataset.weight, tuple(pairs))


def _sets_from(record: Sequence[Any]) -> tuple[SetPrint, ...]:
    return tuple(
        SetPrint(float(weight), tuple(PairPrint(str(name), str(digest)) for name, digest in pairs))
        for weight, pairs in record
    )


def _names_without(some: Sequence[PairPrint], others: Sequence[PairPrint]) -> dict[str, None]:
    """The names of those whose content is not among the others', each as often as it occurs."""
    left = Counter(pair.digest for pair in others)
    names: dict[str, None] = {}
    for pair in some:
        if left[pair.digest]:
            left[pair.digest] -= 1
        else:
            names[pair.name] = None
    return names
