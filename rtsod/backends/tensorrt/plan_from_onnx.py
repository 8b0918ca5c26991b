"""Builds a plan from a typed ONNX graph. The network is strongly typed: the graph's types are what runs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from rtsod.backends.tensorrt.library import Capability, TrtLibrary
from rtsod.backends.tensorrt.target import Target, cannot_build, require_buildable
from rtsod.errors import EngineError
from rtsod.progress import BuildProgress
from rtsod.system.files import replace_file

_WORKSPACE_BYTES: Final = 2 << 30
"""Upper bound on the scratch memory of a kernel, beside weights and activations. No layer of U²-Net needs more."""


def plan_from_onnx(
    library: TrtLibrary,
    onnx: bytes,
    target: Target,
    *,
    timing_cache: Path | None = None,
    progress: BuildProgress = lambda phase, done, total: None,
) -> bytes:
    """Build a plan, in a worker thread.

    The library calls back into Python while it builds, and exceptions cannot cross its frames. A signal handler runs in
    the main thread, so what it raises there (``KeyboardInterrupt``) is never lost in a callback.

    Args:
        library: TensorRT or TensorRT for RTX.
        onnx: the serialized graph.
        target: the GPU to build for.
        timing_cache: file that keeps measured kernel times, which makes the next build faster. Unused by TensorRT for
            RTX, which measures kernels later, on the user's GPU.
        progress: called with each step. An exception it raises cancels the build and is raised here.

    Returns:
        The serialized engine.

    Raises:
        EngineUnavailable: the library does not build for this GPU.
        EngineError: the library rejects the graph, or the build fails.
    """
    require_buildable(library, target)
    monitor = _monitor(library.module, progress)

    def build() -> bytes:
        with target.current():
            return _build(library, onnx, target.capability, timing_cache, monitor)

    with ThreadPoolExecutor(1, "rtsod-build") as executor:
        building = executor.submit(build)
        try:
            return building.result()
        except BaseException as error:
            monitor.raised = monitor.raised or error  # the builder polls this after each step
            raise


def _build(library: TrtLibrary, onnx: bytes, capability: Capability, timing_cache: Path | None, monitor: Any) -> bytes:
    trt = library.module
    builder = trt.Builder(library.logger)
    if builder is None:
        raise EngineError(f"{library.name} does not start: {library.last_error('is there an NVIDIA driver?')}")
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, library.logger)
    if not parser.parse(onnx):
        problems = [parser.get_error(index).desc() for index in range(parser.num_errors)]
        raise EngineError(f"{library.name} does not accept the ONNX graph: {(problems or ['no reason given'])[0]}")

    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, _WORKSPACE_BYTES)
    config.clear_flag(trt.BuilderFlag.TF32)  # TF32 rounds inputs to 10 bits; fp32 must mean fp32
    if library.ahead_of_time:
        _set_compute_capability(library, config, capability)
    config.progress_monitor = monitor
    measured = None if library.ahead_of_time else timing_cache
    if measured is not None:
        kept = config.create_timing_cache(_read_timing_cache(measured)) or config.create_timing_cache(b"")
        config.set_timing_cache(kept, ignore_mismatch=False)
    engine = builder.build_serialized_network(network, config)
    if monitor.raised is not None:
        raise monitor.raised
    if engine is None:
        raise EngineError(f"{library.name} cannot build the engine: {library.last_error('no reason given')}")
    if measured is not None:
        _write_timing_cache(measured, bytes(config.get_timing_cache().serialize()))
    return bytes(engine)


def _set_compute_capability(library: TrtLibrary, config: Any, capability: Capability) -> None:
    config.num_compute_capabilities = 1
    member = getattr(library.module.ComputeCapability, f"SM{capability[0]}{capability[1]}")
    if not config.set_compute_capability(member, 0):
        raise cannot_build(library, capability)


def _monitor(trt: Any, progress: BuildProgress) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        """Called by the builder. No exception may cross its frames: the first one is kept, and cancels the build."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.raised: BaseException | None = None
            self._totals: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self._totals[phase_name] = num_steps
            self._report(phase_name, 0)

        def step_complete(self, phase_name: str, step: int) -> bool:
            self._report(phase_name, min(step + 1, self._totals[phase_name] - 1))
            return self.raised is None

        def phase_finish(self, phase_name: str) -> None:
            self._report(phase_name, self._totals[phase_name])

        def _report(self, phase: str, done: int) -> None:
            try:
                if self.raised is None:
                    progress(phase, done, self._totals[phase])
            except BaseException as error:
                self.raised = error

    return Monitor()


def _read_timing_cache(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # TensorRT starts a new cache


def _write_timing_cache(path: Path, content: bytes) -> None:
    # Without the file the next build is slower; that is no reason to fail.
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content, mode=0o600)
    except OSError:
        return
