"""Opens what keeps watch over a small network: a teacher that looks at its frames, and lite, which takes over."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from rtsod.app.console import SilentReporter
from rtsod.app.engines import open_beside, open_engine_pool, pin_engine_config
from rtsod.app.keep_learning import OpenStudent, open_keep_learning
from rtsod.app.planning import plan_run
from rtsod.config import AppConfig, EngineConfig
from rtsod.frames import Frame, Mask, SourceInfo
from rtsod.interfaces import Engine, Masker
from rtsod.mask_plan import MaskPlan
from rtsod.masking.doubt import DEFAULT_THRESHOLD, Doubt
from rtsod.masking.engine_pool import EnginePool
from rtsod.masking.initial_quality import build_masker, build_refresher
from rtsod.masking.look import Learner, Student
from rtsod.masking.opening import Opening
from rtsod.masking.refresh import BackgroundRefresher, InPlaceRefresher, Refresher
from rtsod.masking.watch import LOOK_SECONDS, WatchedMasker
from rtsod.masking.watch_reports import WatchReports
from rtsod.masking.whole_frame import WholeFrame
from rtsod.metrics import Metrics
from rtsod.model.stored import stored_card, stored_model
from rtsod.model.weights import Weights, is_stored, resolve
from rtsod.progress import Notify

_log = logging.getLogger(__name__)

OpenPool: TypeAlias = Callable[[EngineConfig], EnginePool]
"""Opens a network, or hands out one that is open already."""
FALLBACK: Final = "lite"
"""The network that takes over: it knows everything that is salient, and runs on every machine that can run a call. It
is the teacher, too: full notices no more of what small networks get wrong, contradicts them in single frames of what
they know, and takes 2.4 times as long. See docs/decisions/masks-and-motion.md."""


def is_watched(config: EngineConfig) -> bool:
    """Whether a run's network is a small one that knows little: any but the published ones and files of weights."""
    return is_stored(config.weights, config.model)


def open_masker(
    config: AppConfig,
    engine: EngineConfig,
    plan: MaskPlan,
    info: SourceInfo,
    pool: EnginePool,
    metrics: Metrics,
    opened: ExitStack,
    notify: Notify | None,
    open_fallback: OpenPool | None = None,
) -> Masker:
    """Build the masker of a run, watched where its network is a small one.

    Args:
        config: of the whole run.
        engine: the network that runs, ``config.engine`` with its precision decided.
        plan: of the run.
        info: the source's.
        pool: the network; the caller closes it.
        metrics: counts the masks.
        opened: closes what is opened here.
        notify: receives a line when another network takes over, and when nobody can watch; None leaves a small network
            to itself.
        open_fallback: opens the network that takes over, which its owner closes; None opens and closes one.
    """
    refresher = build_refresher(info, pool, metrics)
    opened.callback(refresher.close)
    student = student_of(plan, info, pool, refresher, metrics)
    if notify is None or not is_watched(engine):
        return student.build()
    lite = EngineConfig(FALLBACK, engine.engine, engine.precision, engine.device)
    fallback = _Fallback(lite, config, info, metrics, open_fallback)
    opened.callback(fallback.close)
    teacher = _open_teacher(lite, info, fallback, metrics, opened)

    threshold, learner = doubt_threshold(engine), None
    if config.run.keep_learning:
        first = OpenStudent(student, _Taker(pool, plan, refresher).close)
        learner = _open_learner(first, engine, threshold, plan, info, pool, metrics, opened, notify)
    return WatchedMasker(
        student.build,
        student.whole,
        fallback.masker,
        teacher,
        Doubt(threshold),
        metrics,
        WatchReports(pool.info.model, FALLBACK, metrics, notify),
        interval=0.0 if info.stills else LOOK_SECONDS,
        learner=learner,
    )


def student_of(plan: MaskPlan, info: SourceInfo, pool: EnginePool, refresher: Refresher, metrics: Metrics) -> Student:
    """A network as it is watched: what builds its masker, and what makes its mask of a whole frame."""

    def build() -> Masker:
        return build_masker(plan, info, pool, refresher, metrics)

    def whole(frame: Frame) -> Mask:
        return WholeFrame(pool.open(pool.size), metrics, stills=info.stills).mask(frame)

    return Student(build, whole)


def _open_learner(
    first: OpenStudent,
    engine: EngineConfig,
    threshold: float,
    plan: MaskPlan,
    info: SourceInfo,
    pool: EnginePool,
    metrics: Metrics,
    opened: ExitStack,
    notify: Notify,
) -> Learner:
    """Who learns beside the run, and puts better students in the place of the first."""
    pinned = replace(pin_engine_config(engine, pool.first.info), input_size=pool.size)

    def open_offer(weights: Weights) -> OpenStudent:
        better = open_engine_pool(pinned, SilentReporter(), metrics.event, weights=weights)
        taker = _taker(better, info, metrics, lambda: plan)
        return OpenStudent(student_of(plan, info, better, taker.refresher, metrics), taker.close)

    return open_keep_learning(engine, threshold, pool.first.info, first, open_offer, metrics, opened, notify)


def doubt_threshold(config: EngineConfig) -> float:
    """Agreement below which a small network is suspected: what its card says, or else the default.

    Args:
        config: names the network.

    Raises:
        RtsodError: there is no such network, or its files are damaged.
    """
    assert config.model is not None
    card = stored_card(stored_model(config.model), resolve(config).sha256)
    return DEFAULT_THRESHOLD if card is None or card.doubt_iou is None else card.doubt_iou


@dataclass(frozen=True, slots=True)
class _Taker:
    """Everything about the network that takes over."""

    pool: EnginePool
    plan: MaskPlan
    refresher: Refresher
    owns_pool: bool = True

    def close(self) -> None:
        self.refresher.close()
        if self.owns_pool:
            self.pool.close()


def _taker(
    pool: EnginePool,
    info: SourceInfo,
    metrics: Metrics,
    make_plan: Callable[[], MaskPlan],
    *,
    owns_pool: bool = True,
) -> _Taker:
    """Make a network ready to take over; its pool is closed where that fails, if it is owned."""
    try:
        plan = make_plan()
        pool.wait_until_ready(plan.rung.size)  # or the frame that asks first would wait for it
        return _Taker(pool, plan, build_refresher(info, pool, metrics), owns_pool)
    except BaseException:
        if owns_pool:
            pool.close()
        raise


class _Fallback:
    """Lite, opened when it is first asked for."""

    def __init__(
        self, lite: EngineConfig, config: AppConfig, info: SourceInfo, metrics: Metrics, open_pool: OpenPool | None
    ) -> None:
        self._lite, self._config, self._info, self._metrics = lite, config, info, metrics
        self._open_pool = open_pool
        self._opening = Opening(self._open, _Taker.close, in_place=not info.live, name="fallback-opener")
        self.close: Final = self._opening.close

    def masker(self) -> Masker | None:
        """A new masker, or None while the network is being opened."""
        taker = self._opening.ready()
        if taker is None:
            return None
        return build_masker(taker.plan, self._info, taker.pool, taker.refresher, self._metrics)

    def engine(self) -> Engine:
        """The network at the size of whole frames, for files."""
        taker = self._opening.ready()
        assert taker is not None, "it is opened in place"
        return taker.pool.open(taker.pool.size)

    def _open(self) -> _Taker:
        if self._open_pool is not None:
            pool = self._open_pool(self._lite)
        else:
            pool = open_engine_pool(self._lite, SilentReporter(), self._metrics.event)
        quality = replace(self._config.quality, target_fps=None)  # as well as it can be done then
        return _taker(
            pool, self._info, self._metrics,
            lambda: plan_run(quality, self._config.run, self._info, pool, _log.info),
            owns_pool=self._open_pool is None,
        )  # fmt: skip


def _open_teacher(
    lite: EngineConfig, info: SourceInfo, fallback: _Fallback, metrics: Metrics, opened: ExitStack
) -> Refresher:
    """Who looks: for files the network that may take over, in place; for live input another one of the same."""
    if not info.live:
        return InPlaceRefresher(fallback.engine, metrics)
    opening = Opening(
        lambda: open_beside(lite, resolve(lite), metrics.event), lambda engine: engine.close(), name="teacher-opener"
    )
    opened.callback(opening.close)
    refresher = BackgroundRefresher(opening.ready, metrics)
    opened.callback(refresher.close)
    return refresher
