"""Makes the result of one item, as ``rtsod run`` would: the same pipeline, with a network that stays open."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeAlias

from rtsod.app.assembly import build_run, choose_precision
from rtsod.app.console import SilentReporter
from rtsod.app.engines import open_engine_pool
from rtsod.app.planning import plan_run
from rtsod.batch.config import PICTURE_SUFFIX, BatchConfig
from rtsod.batch.items import Item, Kind
from rtsod.batch.manifest import Row
from rtsod.config import EngineConfig, OutputConfig, SourceConfig
from rtsod.errors import EngineUnavailable, OutputError, RtsodError, SourceError, UsageError, WeightsError
from rtsod.frames import SourceInfo
from rtsod.imaging.stills.image_file import read_header
from rtsod.mask_plan import MaskPlan
from rtsod.masking.engine_pool import EnginePool
from rtsod.metrics import Metrics, Stage
from rtsod.sinks import MIN_FREE_BYTES
from rtsod.sources import open_source
from rtsod.system.files import output_error

OpenPool: TypeAlias = Callable[[EngineConfig], EnginePool]
_HOPELESS: Final = (UsageError, WeightsError, EngineUnavailable)
"""What no item can help: these end the batch."""
_OF_THE_DISK: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO})
"""Nor these, where a result is written. A name that is too long, or a picture that a codec refuses, is one item's."""


def outputs(config: BatchConfig, *paths: Path) -> OutputConfig:
    """What is written to these paths: pictures, or masks."""
    return OutputConfig(
        preview=False, outputs=() if config.masks else paths, mask_outputs=paths if config.masks else ()
    )


def open_pool(config: EngineConfig) -> EnginePool:
    """Open the network of all items."""
    return open_engine_pool(config, SilentReporter(), lambda event: None)


class ItemProcessor:
    """Makes results, one at a time. The network is opened for the first item that needs it, and stays open.

    Args:
        config: of the batch.
        scratch: a folder for unfinished files on the output folder's file system; created, and deleted at the end.
        open_pool: opens the network.
    """

    def __init__(self, config: BatchConfig, scratch: Path, open_pool: OpenPool = open_pool) -> None:
        self._config, self._scratch, self._open_pool = config, scratch, open_pool
        self._pools: dict[EngineConfig, EnginePool] = {}
        self._plans: dict[tuple[object, ...], MaskPlan] = {}

    def process(self, item: Item) -> Row:
        """Make the result of one item, and put it in its place once it is whole.

        Returns:
            Its row, also where that says that it failed.

        Raises:
            RtsodError: what no other item would be spared: the network or the output folder cannot be used.
        """
        began = time.perf_counter()
        try:
            return self._made(item, began)
        except RtsodError as error:
            if isinstance(error, _HOPELESS) or (isinstance(error, OutputError) and self._is_of_the_disk(error)):
                raise
            stage = "read" if isinstance(error, SourceError) else "write" if isinstance(error, OutputError) else "infer"
            return Row(item.name, "failed", time.time(), stage=stage, message=str(error), seconds=_since(began))
        finally:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _made(self, item: Item, began: float) -> Row:
        config = self._config
        source_config = SourceConfig(str(item.path))
        source = open_source(source_config)  # reads a photograph already
        opened_after = _since(began)
        with ExitStack() as opened:
            opened.callback(source.close)
            made = self._scratch / ("pictures" if item.kind is Kind.PHOTOGRAPH else f"video{config.suffix}")
            try:
                self._scratch.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise output_error(config.out, error) from error
            metrics = Metrics(time.perf_counter)
            picture = replace(
                config.run.picture, subject_lock=config.run.picture.subject_lock and not source.info.stills
            )
            run_config = replace(config.run, picture=picture, source=source_config, output=outputs(config, made))
            pool = self._pool(source.info)
            plan = self._plan(source.info, pool)
            with build_run(run_config, source=source, pool=pool, plan=plan, metrics=metrics) as run:
                run.pipeline.run(interval=1.0)
        made = _file_in(made)
        width, height = source.info.width, source.info.height
        if item.kind is Kind.PHOTOGRAPH:
            header = read_header(made)
            width, height = header.width, header.height
        result = item.result(config.suffix)
        size = self._put(made, config.out / result)
        numbers = metrics.snapshot()
        frames, stages = numbers["composited"], numbers["stage_ms"]

        def of(*names: Stage) -> float:
            return round(sum(stages.get(name, 0.0) for name in names) * numbers["captured"] / 1e3, 4)

        return Row(
            item.name, "done", time.time(), result, size, frames,
            round(frames * width * height / 1e6, 3) if width and height else 0.0, _since(began),
            round(opened_after + of(Stage.CAPTURE), 4), of(Stage.PREPROCESS, Stage.INFER), of(Stage.WRITE),
        )  # fmt: skip

    def _pool(self, info: SourceInfo) -> EnginePool:
        engine = choose_precision(self._config.run.engine, info)
        if engine not in self._pools:
            self._pools[engine] = self._open_pool(engine)
        return self._pools[engine]

    def _plan(self, info: SourceInfo, pool: EnginePool) -> MaskPlan:
        """The plan of the first item of a kind serves all: planning takes an inference of its own."""
        kind = (info.stills, info.fps, id(pool))
        if kind not in self._plans:
            run = self._config.run
            self._plans[kind] = plan_run(run.quality, run.run, info, pool, lambda line: None)
        return self._plans[kind]

    def _put(self, made: Path, result: Path) -> int:
        """Move what was made to its place, whole. Returns its size."""
        try:
            result.parent.mkdir(parents=True, exist_ok=True)
            size = made.stat().st_size
            os.replace(made, result)
            return size
        except OSError as error:
            raise output_error(result, error) from error

    def _is_of_the_disk(self, error: BaseException) -> bool:
        """Whether the system said so, in this error or in the one that led to it; or there is no room."""
        link: BaseException | None = error
        while link is not None:
            if getattr(link, "errno", None) in _OF_THE_DISK:
                return True
            link = link.__cause__
        return shutil.disk_usage(self._config.out).free < MIN_FREE_BYTES

    def close(self) -> None:
        """Close the network. Idempotent."""
        while self._pools:
            _, pool = self._pools.popitem()
            with suppress(RtsodError):
                pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _file_in(made: Path) -> Path:
    """The picture in a folder; a video is a file itself."""
    return next(made.glob(f"*{PICTURE_SUFFIX}")) if made.is_dir() else made


def _since(began: float) -> float:
    return round(time.perf_counter() - began, 4)
