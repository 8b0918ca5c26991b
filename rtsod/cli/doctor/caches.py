"""Checks what is kept between starts: the cache folder, weights, your own models; and what the trial says of caches."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from rtsod.cli.doctor.finding import Finding, Verdict
from rtsod.cli.doctor.network import MAIN_JOB
from rtsod.cli.model_lines import card_summary
from rtsod.config import EngineConfig
from rtsod.errors import RtsodError, WeightsError
from rtsod.model.calibration import calibration_for
from rtsod.model.description import describe
from rtsod.model.inspection import inspect_model
from rtsod.model.own_models import own_models as list_own_models
from rtsod.model.weights import PUBLISHED, resolve, sha256_of, unreadable, weights_folder
from rtsod.system.cache_folder import CACHE_LOG, cache_folder

_FIX = "set XDG_CACHE_HOME to a folder that can be written"


def cache() -> Iterator[Finding]:
    """Whether something can be kept for the next start."""
    try:
        folder = cache_folder()
    except OSError as error:
        found = f"{(error.strerror or str(error)).partition(':')[0]}: every start converts and compiles again"
        yield Finding("cache", Verdict.WARNING, found, _FIX)
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as trial:
            trial.write(bytes(1 << 20))
            trial.flush()
    except OSError as error:
        found = f"{folder} cannot be written ({error.strerror or error}): what is not in it costs time at every start"
        yield Finding("cache", Verdict.WARNING, found, _FIX)
    else:
        yield Finding("cache", Verdict.OK, str(folder))


def weights() -> Iterator[Finding]:
    """Whether the authors' weights are downloaded and intact, or can be downloaded."""
    for model, published in PUBLISHED.items():
        about = f"weights {model}"
        try:
            path = weights_folder() / published.file_name
        except OSError:
            yield Finding(about, Verdict.INFO, "cannot be kept without a cache folder", "give --weights FILE")
            continue
        try:
            intact = sha256_of(path) == published.sha256
        except (FileNotFoundError, NotADirectoryError):
            # The trial does without where the converted network is kept, or with weights of your own.
            when = "by the trial below, if it needs them" if model == MAIN_JOB.model else "when they are first needed"
            yield Finding(about, Verdict.INFO, f"not here yet: downloaded {when}")
        except OSError as error:
            found, _, fix = unreadable(path, error).rpartition(": ")
            yield Finding(about, Verdict.WARNING, found, fix)
        else:
            if intact:
                yield Finding(about, Verdict.OK, f"intact, {path}")
            else:
                found = f"{path} is not the authors' file: its hash differs, so it is downloaded again"
                yield Finding(about, Verdict.WARNING, found, f"delete {path}")


def own_models() -> Iterator[Finding]:
    """Whether each model of your own is intact and can run in 8 bits; nothing where there is none."""
    try:
        models = list(map(inspect_model, list_own_models()))
    except WeightsError as error:
        yield Finding("models", Verdict.INFO, str(error))
        return
    for each in models:
        about = f"model {each.model.name}"
        if each.fault:
            found, _, fix = each.fault.rpartition(": ")
            yield Finding(about, Verdict.WARNING, found, fix)
        elif each.calibrated:
            yield Finding(about, Verdict.OK, card_summary(each.card))
        else:
            fix = f"rtsod calibrate --model {each.model.name} --images FOLDER"
            yield Finding(about, Verdict.WARNING, f"{card_summary(each.card)}; not calibrated for int8", fix)


def own_weights(job: EngineConfig) -> Iterator[Finding]:
    """What your own weights say of themselves, and whether they can run in 8 bits."""
    assert job.weights is not None
    about = "weights of your own"
    try:
        found, says = resolve(job), describe(job.weights) is not None
    except RtsodError as error:
        yield Finding(about, Verdict.FAILURE, str(error))
        return
    known = found.description
    trained = f"trained at {known.size} pixels, fit {known.fit}"
    what = f"{known.name}, {trained}" if says else f"they say nothing of themselves: taken for {known.name}"
    yield Finding(about, Verdict.OK, f"{job.weights}: {what}")
    try:
        calibration_for(found)
    except RtsodError as error:
        lacks, _, command = str(error).partition(": ")
        yield Finding(about, Verdict.INFO, lacks, command)
    else:
        yield Finding(about, Verdict.OK, "calibrated for int8")


@contextmanager
def remarks() -> Iterator[list[str]]:
    """Collect what the caches report meanwhile: damaged files, and what cannot be stored. All of it only costs time."""
    lines: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    collector, logger = Collector(logging.INFO), logging.getLogger(CACHE_LOG)
    level, propagates = logger.level, logger.propagate
    logger.addHandler(collector)
    logger.setLevel(logging.INFO)
    logger.propagate = False  # the page shows them
    try:
        yield lines
    finally:
        logger.removeHandler(collector)
        logger.setLevel(level)
        logger.propagate = propagates
