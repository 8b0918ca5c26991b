"""A change of a run that goes on: all it needs is opened, checked and made ready before anything is changed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace

from rtsod.app.backdrops import Backdrops
from rtsod.app.edges import check_picture
from rtsod.app.section import build_stabilizer
from rtsod.composite.compositor import Appearance, Compositor
from rtsod.config import PictureConfig, SourceConfig
from rtsod.errors import UsageError
from rtsod.frames import EngineInfo, SourceInfo
from rtsod.interfaces import Backdrop, Blur, PassThrough, Source, Transparent
from rtsod.live import LiveSettings
from rtsod.metrics import Metrics
from rtsod.pipeline.pipeline import Pipeline
from rtsod.refine import refiner
from rtsod.system.worker_thread import WorkerThread


@dataclass(frozen=True, slots=True)
class Controlled:
    """What of a run is controlled."""

    compositor: Compositor
    backdrops: Backdrops
    picture: PictureConfig
    source: SourceConfig
    info: SourceInfo
    """Of the source that the outputs were opened for."""
    metrics: Metrics
    pipeline: Callable[[], Pipeline]
    """The one that runs: another source brings another one."""
    engine: Callable[[], EngineInfo]
    open_source: Callable[[SourceConfig], Source]
    keeps_learning: bool = False
    """Whether a network learns beside the run, from its source."""


class PreparedChange:
    """A change that is ready to be applied, or to be discarded.

    Preparing it may take seconds. Applying it takes less than the time to the next frame.

    Args:
        run: what is changed.
        old: the settings that hold.
        new: the settings that are asked for.

    Raises:
        UsageError: they do not fit together, or do not fit the run.
        SourceError: the background or the source cannot be opened.
    """

    def __init__(self, run: Controlled, old: LiveSettings, new: LiveSettings) -> None:
        self._run, self._background = run, new.background
        self.picture = replace(
            run.picture, backgrounds=(new.background, *run.picture.backgrounds), mirror=new.mirror, refine=new.refine,
            light_wrap=new.light_wrap, subject_lock=new.subject_lock,
        )  # fmt: skip
        check_picture(self.picture, run.info)
        if new.background == "transparent" and "transparent" not in run.picture.backgrounds:
            raise UsageError("--bg transparent: the outputs were opened without alpha: start the run with it")
        former = run.compositor.appearance
        refine = former.refine if new.refine == old.refine else refiner(new.refine, stills=run.info.stills)
        self.source: Source | None = None
        self._backdrop = _giving_way(lambda: _ready_backdrop(run, new.background))
        with ExitStack() as opened:
            opened.callback(self.discard)
            if new.source != old.source:
                self.source = _open_source(run, new.source)
            opened.pop_all()
        self._appearance = Appearance(self._backdrop, new.mirror, refine, new.light_wrap)
        self._stabilizes_anew = self.source is None and new.subject_lock != old.subject_lock

    def apply(self) -> None:
        """Make the next pictures in the new way.

        With another source, only between the two pipelines: neither source is ever shown as the other was to look.
        """
        run = self._run
        run.compositor.use(self._appearance)
        run.backdrops.settle(self._background, self._backdrop)
        if self._stabilizes_anew:
            run.pipeline().stabilize_with(build_stabilizer(self.picture, run.info))

    def discard(self) -> None:
        """Close what was opened for it."""
        self._run.backdrops.discard(self._background, self._backdrop)
        if self.source is not None:
            self.source.close()


def _giving_way(work: Callable[[], Backdrop]) -> Backdrop:
    """Open something, which may take seconds, and leave the processor to the frames meanwhile."""
    worker = WorkerThread("rtsod-background", gives_way=True)
    try:
        return worker.call(work)
    finally:
        worker.stop()


def _ready_backdrop(run: Controlled, spec: str) -> Backdrop:
    """A backdrop with its first picture made.

    A large photograph takes long to scale, and a video to get to where it is: longer than a frame may wait.
    """
    info, backdrop = run.info, run.backdrops.open(spec)
    if backdrop is run.compositor.appearance.backdrop or isinstance(backdrop, Blur | Transparent | PassThrough):
        return backdrop
    try:
        if info.width is not None and info.height is not None:
            backdrop.picture(info.width, info.height, run.pipeline().seconds_read if info.live else 0.0)
    except BaseException:
        run.backdrops.discard(spec, backdrop)
        raise
    return backdrop


def _open_source(run: Controlled, spec: str) -> Source:
    """Another live source, open."""
    if not run.info.live:
        raise UsageError(f"--source {spec}: {run.info.name} is read to its end: start another run")
    if run.keeps_learning:
        raise UsageError(f"--source {spec}: the network learns from one source (--keep-learning): start another run")
    source = run.open_source(replace(run.source, spec=spec))
    if not source.info.live:
        source.close()
        raise UsageError(f"--source {spec}: is not live: start a run of its own for it")
    return source
