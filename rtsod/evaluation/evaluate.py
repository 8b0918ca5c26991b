"""Evaluates networks and maps on data sets: makes the maps, measures them, and draws the intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from rtsod.data.dataset import Dataset
from rtsod.data.pairs import Pair
from rtsod.data.reading import read_image, read_label
from rtsod.errors import UsageError
from rtsod.evaluation.contact_sheet import tiles
from rtsod.evaluation.curves import Levels
from rtsod.evaluation.data_sets import SCENE
from rtsod.evaluation.measuring import AlphaChoice, Job, measure_all
from rtsod.evaluation.predict import Predictor
from rtsod.evaluation.protocols import Protocol
from rtsod.evaluation.result import Evaluation, MethodResult, SetResult
from rtsod.evaluation.saved_maps import FoundMaps, MapStore, find_maps
from rtsod.evaluation.subjects import Subject
from rtsod.progress import BuildProgress, Notify

OpenPredictor: TypeAlias = Callable[[Subject], tuple[Predictor, dict[str, object]]]
"""Opens the network of a subject; gives it and what identifies its maps."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be evaluated, and how.

    Raises:
        UsageError: two methods have one name, two data sets have one name, or maps shall be kept and there is no
            network that makes any.
    """

    subjects: tuple[Subject, ...]
    """The evaluated one first, then those it is compared with."""
    datasets: tuple[Dataset, ...]
    protocol: Protocol
    workers: int
    alpha: AlphaChoice = "auto"
    save_maps: Path | None = None

    def __post_init__(self) -> None:
        for option, names in (
            ("--against", [subject.name for subject in self.subjects]),
            ("DATA", [dataset.name for dataset in self.datasets]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                way_out = "give NAME=MAPS" if option == "--against" else "evaluate them one after the other"
                raise UsageError(f"{option}: two are named {twice[0]}: {way_out}")
        if self.save_maps is not None and self.subjects[0].maps is not None:
            raise UsageError(f"--save-maps: {self.subjects[0].name} is a folder of maps: give weights")


def evaluate(
    plan: Plan, result: Evaluation, open_predictor: OpenPredictor, notify: Notify, progress: BuildProgress
) -> None:
    """Carry a plan out.

    Args:
        plan: what to do.
        result: filled as the work goes on, so that what is done is there after an interruption.
        open_predictor: opens networks; each is opened once.
        notify: told what is odd.
        progress: told how many maps of a data set are measured.

    Raises:
        DataError: maps are missing, or a file cannot be read. Missing maps are found before anything is measured.
        OutputError: ``save_maps`` cannot be written.
        RtsodError: what ``open_predictor`` raises.
    """
    found = {
        (dataset.name, subject.name): find_maps(subject.maps, dataset, several=len(plan.datasets) > 1)
        for dataset in plan.datasets
        for subject in plan.subjects
        if subject.maps is not None
    }
    with ExitStack() as stack:
        opened: dict[str, Predictor] = {}
        store: MapStore | None = None
        for subject in plan.subjects:
            if subject.maps is None:
                predictor, identity = open_predictor(subject)
                opened[subject.name] = stack.enter_context(closing(predictor))
                if subject is plan.subjects[0] and plan.save_maps is not None:
                    store = MapStore(plan.save_maps, {**identity, "protocol": plan.protocol.name})
        for dataset in plan.datasets:
            one = SetResult(dataset, complaints=list(dataset.complaints))
            result.sets.append(one)
            _measure_set(plan, one, opened, store, found, progress)
            for line in one.complaints:
                notify(line)
            progress(f"{dataset.name}: intervals", 0, 1)
            one.draw_intervals(result.resamples, result.seed)
            progress(f"{dataset.name}: intervals", 1, 1)
            one.worst = tiles(dataset.pairs, one.methods[0].scores, _map_of(plan, dataset, opened, store, found))


def _measure_set(
    plan: Plan,
    one: SetResult,
    opened: Mapping[str, Predictor],
    store: MapStore | None,
    found: Mapping[tuple[str, str], FoundMaps],
    progress: BuildProgress,
) -> None:
    dataset = one.dataset
    for subject in plan.subjects:
        if subject.maps is not None:
            maps = found[dataset.name, subject.name]
            one.complaints += maps.complaints
            method = MethodResult(subject.name, str(subject.maps))
            jobs = _jobs_of_maps(plan, dataset, maps)
        else:
            predictor = opened[subject.name]
            method = MethodResult(subject.name, predictor.origin)
            jobs = _jobs_of_network(plan, dataset, predictor, store if subject is plan.subjects[0] else None)
        one.methods.append(method)
        phase, total = f"{dataset.name}: {subject.name}", len(dataset.pairs)
        for measured in measure_all(jobs, plan.workers):
            method.scores.append(measured.scores)
            method.resized += measured.resized
            progress(phase, len(method.scores), total)
        if method.resized:
            one.complaints.append(
                f"{dataset.name}: {method.resized} maps of {subject.name} have another size than their masks: scaled"
            )


def _alpha(plan: Plan, dataset: Dataset) -> AlphaChoice:
    """The drawn scene's alpha is exact, though only its edges are soft."""
    return "on" if plan.alpha == "auto" and dataset.folder == Path(SCENE) else plan.alpha


def _jobs_of_maps(plan: Plan, dataset: Dataset, maps: FoundMaps) -> Iterator[Job]:
    for pair, path in zip(dataset.pairs, maps.paths, strict=True):
        yield Job(pair, path, plan.protocol.name, _alpha(plan, dataset))


def _jobs_of_network(plan: Plan, dataset: Dataset, predictor: Predictor, store: MapStore | None) -> Iterator[Job]:
    for pair in dataset.pairs:
        levels = _network_map(dataset.name, pair, predictor, store)
        yield Job(pair, levels, plan.protocol.name, _alpha(plan, dataset))


def _network_map(data_set: str, pair: Pair, predictor: Predictor, store: MapStore | None) -> Levels:
    levels = None if store is None else store.get(data_set, pair)
    if levels is None:
        levels = predictor.map(read_image(pair.image))
        if store is not None:
            store.keep(data_set, pair, levels)
    return levels


def _map_of(
    plan: Plan,
    dataset: Dataset,
    opened: Mapping[str, Predictor],
    store: MapStore | None,
    found: Mapping[tuple[str, str], FoundMaps],
) -> Callable[[int], Levels]:
    """Gives the evaluated method's map of a picture again: a network's is made anew, since not all fit into memory."""
    first = plan.subjects[0]
    if first.maps is not None:
        paths = found[dataset.name, first.name].paths
        return lambda index: read_label(paths[index])
    return lambda index: _network_map(dataset.name, dataset.pairs[index], opened[first.name], store)
