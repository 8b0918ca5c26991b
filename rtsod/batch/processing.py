"""Does one task for one item, as ``rtsod run`` would: the same pipeline, with a network that stays open."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from rtsod.app.assembly import build_run, choose_precision
from rtsod.app.console import SilentReporter
from rtsod.app.engines import open_engine_pool
from rtsod.app.planning import plan_run
from rtsod.app.watching import OpenPool
from rtsod.batch.config import PICTURE_SUFFIX, BatchConfig
from rtsod.batch.items import Item, Kind
from rtsod.batch.manifest import Row
from rtsod.batch.places import LocalResults, brought
from rtsod.batch.tasks import Division, Step, Task, discard_parts
from rtsod.config import EngineConfig, OutputConfig, SourceConfig
from rtsod.errors import EngineUnavailable, OutputError, RtsodError, SourceError, UsageError, WeightsError
from rtsod.frames import SourceInfo
from rtsod.imaging.stills.animation import is_still
from rtsod.imaging.stills.image_file import read_header
from rtsod.interfaces import Sink, Source
from rtsod.mask_plan import MaskPlan
from rtsod.masking.engine_pool import EnginePool
from rtsod.metrics import Metrics, Snapshot, Stage
from rtsod.sinks import MIN_FREE_BYTES
from rtsod.sinks.parts import PartsDiffer, PartSink, join_parts
from rtsod.sources import open_source
from rtsod.sources.segments import Segment, divide
from rtsod.sources.video import video_from_file
from rtsod.system.files import output_error

_HOPELESS: Final = (UsageError, WeightsError, EngineUnavailable)
"""What no item can help: these end the batch."""
_OF_THE_DISK: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO})
"""Nor these, where a result is written. A name that is too long, or a picture that a codec refuses, is one item's."""
WARM_UP_SECONDS: Final = 8.0
"""Of the frames before a part that are inferred and not written. The longest memory is that of the room: it is learnt
in two seconds, and in five where the subject was (:mod:`rtsod.motion.background_model`)."""


def outputs(config: BatchConfig, *paths: Path) -> OutputConfig:
    """What is written to these paths: pictures, or masks."""
    return OutputConfig(
        preview=False, outputs=() if config.masks else paths, mask_outputs=paths if config.masks else ()
    )


def open_pool(config: EngineConfig) -> EnginePool:
    """Open the network of all items."""
    return open_engine_pool(config, SilentReporter(), lambda event: None)


class ItemProcessor:
    """Does tasks, one at a time. The network is opened for the first that needs it, and stays open.

    Args:
        config: of the batch.
        scratch: a folder for unfinished files on the records' file system; created, and deleted at the end.
        open_pool: opens the network.
    """

    def __init__(self, config: BatchConfig, scratch: Path, open_pool: OpenPool = open_pool) -> None:
        self._config, self._scratch, self._open_pool = config, scratch, open_pool
        self._results = config.results
        self._pools: dict[EngineConfig, EnginePool] = {}
        self._plans: dict[tuple[object, ...], MaskPlan] = {}

    def process(self, task: Task) -> Row | Division:
        """Do one task, and put what it makes in its place once it is whole.

        Returns:
            Its row, also where that says that it failed; or, of a long video, how it is divided.

        Raises:
            RtsodError: what no other item would be spared: the network or the output folder cannot be used.
        """
        began = time.perf_counter()
        try:
            self._make_scratch()
            match task.step:
                case Step.PART:
                    return self._part(task, began)
                case Step.JOIN:
                    return self._joined(task, began)
                case Step.MAKE if segments := self._segments(task.item):
                    return Division(segments)
            return self._made(task.item, began)
        except OSError as error:
            raise output_error(self._scratch, error) from error
        except PartsDiffer:
            return Division(())
        except RtsodError as error:
            if isinstance(error, _HOPELESS) or (isinstance(error, OutputError) and self._is_of_the_disk(error)):
                raise
            stage = "read" if isinstance(error, SourceError) else "write" if isinstance(error, OutputError) else "infer"
            return Row(task.item.name, "failed", time.time(), stage=stage, message=str(error), seconds=_since(began))
        finally:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _make_scratch(self) -> None:
        """Create the folder, but never an output folder that somebody has deleted."""
        if isinstance(self._config.out, Path) and not self._config.records.is_dir():
            raise OutputError(f"{self._config.out}: was deleted meanwhile")
        self._scratch.parent.mkdir(parents=isinstance(self._config.out, str), exist_ok=True)
        self._scratch.mkdir(exist_ok=True)

    def _segments(self, item: Item) -> tuple[Segment, ...]:
        """How a video is divided.

        One from elsewhere is not: each process would have to fetch it. Nor where the first subject is to be kept: a
        part does not know who that was.
        """
        length = self._config.segment
        if (
            length is None
            or self._config.run.picture.subject_lock
            or item.kind is not Kind.VIDEO
            or not isinstance(item.source, Path)
            or is_still(item.source)
        ):
            return ()
        return divide(item.source, length, warm_up=WARM_UP_SECONDS)

    def _made(self, item: Item, began: float) -> Row:
        source_config = SourceConfig(str(brought(item.source, self._scratch)))
        source = open_source(source_config)  # reads a photograph already
        opened_after = _since(began)
        with closing(source):
            made = self._scratch / ("pictures" if item.kind is Kind.PHOTOGRAPH else f"video{self._config.suffix}")
            numbers, _ = self._run(source, source_config, made)
        info, made = source.info, _file_in(made)
        width, height = info.width, info.height
        if item.kind is Kind.PHOTOGRAPH:
            header = read_header(made)
            width, height = header.width, header.height
        result = item.result(self._config.suffix)
        size = self._results.put(made, result)
        frames = numbers["composited"]
        return replace(
            _row(item, numbers, began, opened_after), result=result, bytes=size, frames=frames,
            megapixels=_megapixels(frames, width, height),
            shown=round(float(frames / info.fps), 3) if info.fps and not info.stills else 0.0,
        )  # fmt: skip

    def _part(self, task: Task, began: float) -> Row:
        assert isinstance(task.item.source, Path)
        source = video_from_file(task.item.source, segment=task.segments[task.number])
        opened_after = _since(began)
        with closing(source):
            made = self._scratch / f"part{self._config.suffix}"
            numbers, (sink,) = self._run(source, SourceConfig(str(task.item.source)), made)
        assert isinstance(sink, PartSink)
        if not made.exists():  # no frame of it can be decoded: the whole may still show the others
            raise PartsDiffer
        name = task.part(task.number, self._config.suffix)
        size = LocalResults(self._config.records).put(made, name)
        row = _row(task.item, numbers, began, opened_after)
        width, height = source.info.width, source.info.height
        return replace(
            row, result=name, bytes=size, frames=sink.frames, megapixels=_megapixels(sink.frames, width, height),
            shown=round(float(sink.shown), 3), part=True,
        )  # fmt: skip

    def _joined(self, task: Task, began: float) -> Row:
        item, config = task.item, self._config
        assert isinstance(item.source, Path)
        parts = [config.records / task.part(number, config.suffix) for number in range(len(task.segments))]
        made = self._scratch / f"video{config.suffix}"
        joined = join_parts(parts, made, carry_from=None if config.masks else item.source)
        result = item.result(config.suffix)
        size = self._results.put(made, result)
        discard_parts(config.records, item)
        return Row(
            item.name, "done", time.time(), result, size, joined.frames,
            _megapixels(joined.frames, joined.width, joined.height), round(joined.seconds, 3), _since(began),
            writing=_since(began),
        )  # fmt: skip

    def _run(self, source: Source, source_config: SourceConfig, made: Path) -> tuple[Snapshot, Sequence[Sink]]:
        """Have a source's pictures written. Returns the run's numbers, and its sinks, closed."""
        config, metrics = self._config, Metrics(time.perf_counter)
        picture = replace(config.run.picture, subject_lock=config.run.picture.subject_lock and not source.info.stills)
        run_config = replace(config.run, picture=picture, source=source_config, output=outputs(config, made))
        pool = self._pool(choose_precision(config.run.engine, source.info))
        plan = self._plan(source.info, pool)
        with build_run(
            run_config, source=source, pool=pool, plan=plan, metrics=metrics, open_fallback=self._pool
        ) as run:
            run.pipeline.run(interval=1.0)
        return metrics.snapshot(), run.sinks

    def _pool(self, engine: EngineConfig) -> EnginePool:
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

    def _is_of_the_disk(self, error: BaseException) -> bool:
        """Whether the system said so, in this error or in the one that led to it; or there is no room."""
        link: BaseException | None = error
        while link is not None:
            if getattr(link, "errno", None) in _OF_THE_DISK:
                return True
            link = link.__cause__
        if not self._config.records.is_dir() or not self._results.can_be_reached():
            return True
        return shutil.disk_usage(self._config.records).free < MIN_FREE_BYTES

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


def _row(item: Item, numbers: Snapshot, began: float, opened_after: float) -> Row:
    """A row of what was made, with what it took."""
    stages = numbers["stage_ms"]

    def of(*names: Stage) -> float:
        return round(sum(stages.get(name, 0.0) for name in names) * numbers["captured"] / 1e3, 4)

    return Row(
        item.name, "done", time.time(), seconds=_since(began), reading=round(opened_after + of(Stage.CAPTURE), 4),
        inference=of(Stage.PREPROCESS, Stage.INFER), writing=of(Stage.WRITE),
    )  # fmt: skip


def _megapixels(frames: int, width: int | None, height: int | None) -> float:
    return round(frames * width * height / 1e6, 3) if width and height else 0.0


def _file_in(made: Path) -> Path:
    """The picture in a folder; a video is a file itself."""
    return next(made.glob(f"*{PICTURE_SUFFIX}")) if made.is_dir() else made


def _since(began: float) -> float:
    return round(time.perf_counter() - began, 4)
