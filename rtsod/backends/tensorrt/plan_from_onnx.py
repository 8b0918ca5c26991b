"""An engine from a typed ONNX graph, strongly typed: what the graph says is what runs."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final

from rtsod.backends.tensorrt.library import Capability, TrtLibrary, capability_text
from rtsod.errors import EngineError, EngineUnavailable
from rtsod.progress import BuildProgress
from rtsod.system.files import replace_file

_WORKSPACE: Final = 2 << 30
"""Bytes the fastest kernels may use beside weights and activations; no layer here wants more."""


def engine_from_onnx(
    library: TrtLibrary,
    onnx: bytes,
    capability: Capability,
    *,
    ahead_of_time: bool = False,
    timing_cache: Path | None = None,
    progress: BuildProgress = lambda phase, done, total: None,
    current: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> bytes:
    """Build, on a thread of its own: what a signal raises in the main thread would be lost in the library's callbacks.

    Args:
        library: which of the two builds.
        onnx: the graph; its types are kept to the letter.
        capability: the GPU's.
        ahead_of_time: that GPU is not in this machine.
        timing_cache: a file where measured kernel times are kept, which makes the next build quicker. Only where the
            library measures on the GPU at all: TensorRT for RTX does so on the user's GPU, later.
        progress: told how far it is. What it raises, and what a signal raises here meanwhile, ends the build.
        current: makes the GPU that thread's.

    Returns:
        The serialised engine.

    Raises:
        EngineUnavailable: the library does not build for this GPU.
        EngineError: the graph is not accepted, or the build fails.
    """
    require_target(library, capability, ahead_of_time=ahead_of_time)
    monitor = _monitor(library.module, progress)

    def build() -> bytes:
        with current():
            return _build(library, onnx, capability, timing_cache, monitor)

    with ThreadPoolExecutor(1, "rtsod-build") as executor:
        building = executor.submit(build)
        try:
            return building.result()
        except BaseException as error:
            monitor.raised = monitor.raised or error  # the builder asks after each step whether to go on
            raise


def _build(library: TrtLibrary, onnx: bytes, capability: Capability, timing_cache: Path | None, monitor: Any) -> bytes:
    trt = library.module
    builder = _made(trt.Builder(library.logger), library)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, library.logger)
    if not parser.parse(onnx):
        problems = [parser.get_error(index).desc() for index in range(parser.num_errors)]
        raise EngineError(f"{library.name} does not accept the ONNX graph: {(problems or ['no reason given'])[0]}")

    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, _WORKSPACE)
    config.clear_flag(trt.BuilderFlag.TF32)  # fp32 means fp32
    if library.ahead_of_time:
        _target(library, config, capability)
    config.progress_monitor = monitor
    measured = None if library.ahead_of_time else timing_cache
    if measured is not None:
        config.set_timing_cache(config.create_timing_cache(_read(measured)), ignore_mismatch=False)
    engine = builder.build_serialized_network(network, config)
    if monitor.raised is not None:
        raise monitor.raised
    if engine is None:
        raise EngineError(f"{library.name} cannot build the engine: {library.last_error('no reason given')}")
    if measured is not None:
        _write(measured, bytes(config.get_timing_cache().serialize()))
    return bytes(engine)


def require_target(library: TrtLibrary, capability: Capability, *, ahead_of_time: bool) -> None:
    """Refuse a GPU that the library does not build for; says which it does.

    Raises:
        EngineUnavailable: it does not.
    """
    if (ahead_of_time or library.ahead_of_time) and capability not in library.ahead_of_time:
        raise EngineUnavailable(_cannot_target(library, capability))


def _target(library: TrtLibrary, config: Any, capability: Capability) -> None:
    config.num_compute_capabilities = 1
    member = getattr(library.module.ComputeCapability, f"SM{capability[0]}{capability[1]}")
    if not config.set_compute_capability(member, 0):
        raise EngineUnavailable(_cannot_target(library, capability))


def _cannot_target(library: TrtLibrary, capability: Capability) -> str:
    able = ", ".join(capability_text(each) for each in library.ahead_of_time)
    if not able:
        return (
            f"{library.name} builds for the GPU in this machine only; for another one, compute capability "
            f"{capability_text(capability)}, build on that machine, or with tensorrt-rtx"
        )
    return (
        f"{library.name} does not build for compute capability {capability_text(capability)}, only for {able}: "
        "use tensorrt (pip install -e '.[tensorrt]') on that machine, or run with --engine torch"
    )


def _made(builder: Any, library: TrtLibrary) -> Any:
    if builder is None:
        raise EngineError(f"{library.name} does not start: {library.last_error('is there an NVIDIA driver?')}")
    return builder


def _monitor(trt: Any, progress: BuildProgress) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        """Called from the builder's own code, which no exception may cross: it is kept, and the build is ended."""

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


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # an empty cache is a fresh one


def _write(path: Path, content: bytes) -> None:
    """Best effort: without it the next build is slower, nothing else."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content, mode=0o600)
    except OSError:
        return
