"""The engine a run wants: from the cache if it is there and fits to the byte, else exported, built and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from rtsod.backends.self_check import golden_output
from rtsod.backends.tensorrt.cache import CachedEngine, EngineCache
from rtsod.backends.tensorrt.library import Capability, TrtLibrary, capability_text, require_supported
from rtsod.backends.tensorrt.manifest import Manifest
from rtsod.backends.tensorrt.plan_from_onnx import engine_from_onnx, require_target
from rtsod.config import EngineConfig
from rtsod.export.checked import export_checked, export_precision
from rtsod.export.onnx_from_torch import GRAPH_VERSION
from rtsod.frames import Image
from rtsod.model.weights import Weights
from rtsod.progress import BuildProgress, Notify


@dataclass(frozen=True, slots=True)
class Target:
    """The GPU an engine is for."""

    capability: Capability
    gpu: str | None = None
    """Its name; None: any of this compute capability, built ahead of time."""
    driver: str | None = None
    current: Callable[[], AbstractContextManager[None]] = nullcontext
    """Makes it a thread's GPU, where it is in this machine."""


def engine_from_weights(
    config: EngineConfig,
    weights: Weights,
    library: TrtLibrary,
    target: Target,
    *,
    cache: EngineCache | None = None,
    pictures: list[Image] | None = None,
    rebuild: bool = False,
    notify: Notify = lambda line: None,
    progress: BuildProgress = lambda phase, done, total: None,
) -> CachedEngine:
    """Find it, or build it.

    Args:
        config: model, precision, input size.
        weights: of the network.
        library: which builds and will run it.
        target: for which GPU.
        cache: where engines are kept; None for the usual folder.
        pictures: for the parity check; None for the bundled ones.
        rebuild: build even if it is there.
        notify: told in one line each: why it is built, how long that takes, what came out.
        progress: told how far the builder is.

    Raises:
        EngineUnavailable: TensorRT does not support the GPU or the precision, or something to build with is missing.
        EngineError: the export, its check, or the build failed.
        OutputError: the engine cannot be kept.
        WeightsError: the weights cannot be had.
    """
    require_supported(target.gpu or "a GPU", target.capability)
    require_target(library, target.capability, ahead_of_time=target.gpu is None)
    cache = EngineCache() if cache is None else cache
    wanted = Manifest(
        model=config.model,
        weights_sha256=weights.sha256,
        graph_version=GRAPH_VERSION,
        input_size=config.input_size,
        precision=export_precision(config.precision),
        library=library.name,
        library_version=library.version,
        compute_capability=capability_text(target.capability),
        gpu=target.gpu,
        driver=target.driver,
    )
    if not rebuild and isinstance(found := _look(cache, wanted), CachedEngine):
        return found
    with cache.building(wanted, notify):
        found = "asked to" if rebuild else _look(cache, wanted)  # another process may have built it meanwhile
        if isinstance(found, CachedEngine):
            return found
        usual = "half a minute" if library.ahead_of_time else "one to five minutes"
        notify(f"building the TensorRT engine ({found}); this usually takes {usual}, and happens once")
        return _build(cache, config, weights, library, target, wanted, pictures, notify, progress)


def _look(cache: EngineCache, wanted: Manifest) -> CachedEngine | str:
    own = cache.find(wanted)
    if isinstance(own, CachedEngine) or wanted.gpu is None:
        return own
    ahead_of_time = cache.find(wanted.any_gpu())
    return ahead_of_time if isinstance(ahead_of_time, CachedEngine) else own


def _build(
    cache: EngineCache,
    config: EngineConfig,
    weights: Weights,
    library: TrtLibrary,
    target: Target,
    wanted: Manifest,
    pictures: list[Image] | None,
    notify: Notify,
    progress: BuildProgress,
) -> CachedEngine:
    precision = export_precision(config.precision)
    onnx = export_checked(weights, precision, config.input_size, pictures, notify, progress)
    notify(f"the ONNX graph is faithful ({onnx.parity}); {library.name} {library.version} builds the engine")
    plan = engine_from_onnx(
        library,
        onnx.content,
        target.capability,
        ahead_of_time=target.gpu is None,
        timing_cache=cache.folder / f"{library.name}-sm{wanted.compute_capability.replace('.', '')}.timing",
        progress=progress,
        current=target.current,
    )
    manifest = replace(
        wanted,
        onnx_sha256=hashlib.sha256(onnx.content).hexdigest(),
        answer=golden_output(onnx.reference, config.input_size),
    )
    kept = cache.keep(plan, manifest)
    notify(f"engine built: {kept.path} ({len(plan) / 1e6:.1f} MB)")
    return kept
