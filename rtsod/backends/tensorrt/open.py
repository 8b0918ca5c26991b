"""Opens the TensorRT engine of a run: find its plan in the cache or build it, then run it."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import replace

from rtsod.backends.cuda.device import Cuda
from rtsod.backends.cuda.open import open_cuda
from rtsod.backends.self_check import check_golden_output, tolerance
from rtsod.backends.tensorrt.cache import CachedPlan, PlanCache
from rtsod.backends.tensorrt.engine import TensorRtEngine
from rtsod.backends.tensorrt.library import load_library, require_supported
from rtsod.backends.tensorrt.manifest import Manifest
from rtsod.backends.tensorrt.plan_from_weights import Recipe, plan_from_weights
from rtsod.backends.tensorrt.target import Target, require_buildable
from rtsod.config import EngineConfig
from rtsod.errors import EngineUnavailable, OutputError
from rtsod.frames import EngineInfo, Image
from rtsod.model.weights import ReportBytes, Weights
from rtsod.progress import BuildProgress, Notify, progress_as_lines

_log = logging.getLogger(__name__)


def open_tensorrt(
    config: EngineConfig,
    weights: Weights,
    notify: Notify = lambda line: None,
    progress: BuildProgress | None = None,
    report: ReportBytes = lambda done, total: None,
) -> TensorRtEngine:
    """Open the engine. The first time, this builds it. It never falls back to another engine.

    Args:
        config: model, precision, device and input size.
        weights: the network's weights.
        notify: called with one line when and why an engine is built.
        progress: called with the steps of a build; None passes a line to ``notify`` now and then instead.
        report: called with the bytes of a download of the weights.

    Raises:
        EngineUnavailable: TensorRT or a CUDA library is missing, or there is no GPU that TensorRT supports.
        EngineError: building, loading or the self-check failed.
        OutputError: there is no folder for engines, or another process does not finish building this one.
        WeightsError: the weights cannot be fetched or read.
    """
    library = load_library()
    with ExitStack() as undo:
        cuda = _open_gpu(config.device)
        undo.callback(cuda.close)
        require_supported(str(cuda.gpu), cuda.gpu.capability)
        recipe = Recipe(config, weights, library, Target.of(cuda))
        show = progress or progress_as_lines(notify)
        cached = find_or_build(recipe, must_store=False, notify=notify, details=_log.info, progress=show, report=report)
        precision = cached.manifest.precision
        info = EngineInfo(
            name="tensorrt",
            model=weights.model,
            precision=precision,
            device=str(cuda.gpu),
            input_size=config.side,
            weights=weights.label,
            fitting=weights.description.fitting,
            config=replace(
                config,
                engine="tensorrt",
                precision=precision,  # type: ignore[arg-type]
                device=f"cuda:{cuda.gpu.index}",
            ),
            slow_to_open=True,
        )
        engine = TensorRtEngine(library, cached.plan, cuda, info)
        undo.callback(engine.close)
        difference = check_golden_output(
            engine.infer, config.side, cached.manifest.answer, cached.path.name,
            tolerance=tolerance(precision, config.side),
        )  # fmt: skip
        undo.pop_all()
    _log.info("%s %s, self-check difference %.5f", library.name, library.version, difference)
    return engine


def find_or_build(
    recipe: Recipe,
    *,
    cache: PlanCache | None = None,
    pictures: list[Image] | None = None,
    rebuild: bool = False,
    must_store: bool = True,
    notify: Notify = lambda line: None,
    details: Notify | None = None,
    progress: BuildProgress = lambda phase, done, total: None,
    report: ReportBytes = lambda done, total: None,
) -> CachedPlan:
    """Return the cached plan, or build and store it. Other processes that want the same plan wait for the first one.

    Args:
        recipe: what the plan is built from.
        cache: where plans are stored; None uses the default folder.
        pictures: for the parity check of a build; None uses the bundled ones.
        rebuild: build even if a fitting plan is cached.
        must_store: False to return a plan that cannot be stored, with a line about it.
        notify: called with one line when a build begins: why, and how long it takes.
        details: called with one line per step of a build and with its result; None takes ``notify``.
        progress: called with the steps of a build.
        report: called with the bytes of a download of the weights.

    Raises:
        EngineUnavailable: TensorRT does not support the GPU or the precision, or a library for building is missing.
        EngineError: the export, its parity check or the build failed.
        OutputError: the plan cannot be stored.
        WeightsError: the weights cannot be fetched or read.
    """
    details = details or notify
    library, wanted = recipe.library, recipe.manifest
    require_buildable(library, recipe.target)
    cache = PlanCache() if cache is None else cache
    if not rebuild and isinstance(found := _find(cache, wanted), CachedPlan):
        return found
    with cache.exclusive(wanted, notify, required=must_store):
        found = "requested" if rebuild else _find(cache, wanted)  # another process may have built it meanwhile
        if isinstance(found, CachedPlan):
            return found
        duration = "half a minute" if library.ahead_of_time else "one to five minutes"
        notify(f"preparing the network for the GPU ({found}); this usually takes {duration} and happens once")
        timing_cache = cache.folder / f"{library.name}-sm{wanted.compute_capability.replace('.', '')}.timing"
        plan, manifest = plan_from_weights(
            recipe, pictures=pictures, timing_cache=timing_cache, notify=details, progress=progress, report=report
        )
        try:
            stored = cache.store(plan, manifest)
        except OutputError as error:
            if must_store:
                raise
            notify(f"{error}; every start builds it again")
            return cache.unstored(plan, manifest)
        details(f"engine built: {stored.path} ({len(plan) / 1e6:.1f} MB)")
        return stored


def _find(cache: PlanCache, wanted: Manifest) -> CachedPlan | str:
    """The plan built on this machine, or one built ahead of time; or why neither is usable."""
    found = cache.find(wanted)
    if isinstance(found, CachedPlan) or wanted.gpu is None:
        return found
    ahead_of_time = cache.find(wanted.any_gpu())
    return ahead_of_time if isinstance(ahead_of_time, CachedPlan) else found


def _open_gpu(device: str) -> Cuda:
    try:
        return open_cuda(device)
    except EngineUnavailable as error:
        raise EngineUnavailable(f"{error}; to run without a GPU, drop --engine tensorrt") from error
