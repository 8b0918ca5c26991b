"""Builds what :class:`rtsod.backends.onnxruntime.engine.OnnxRuntimeEngine` runs, and makes sure of where it runs.

ONNX Runtime replaces a provider that it cannot create by its own processor kernels, runs what a provider does not
support there as well, and goes on there after an error. Here each of these ends in an error, unless ``--device auto``
was asked for: then the next provider is tried, and a line says so.
"""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from rtsod.backends.onnxruntime.cache import FoundGraph, GraphCache
from rtsod.backends.onnxruntime.driver_messages import driver_messages_logged
from rtsod.backends.onnxruntime.engine import OnnxRuntimeEngine
from rtsod.backends.onnxruntime.graph_from_weights import GraphPrecision
from rtsod.backends.onnxruntime.library import FATAL, load_library, mapped_errors
from rtsod.backends.onnxruntime.providers import CPU, Place, accelerators, passed_over, place_for
from rtsod.backends.self_check import check_golden_output, tolerance
from rtsod.config import EngineConfig
from rtsod.errors import EngineError, EngineUnavailable
from rtsod.frames import EngineInfo
from rtsod.model.weights import ReportBytes, Weights
from rtsod.progress import Notify
from rtsod.system.machine import thread_count

_log = logging.getLogger(__name__)


def engine_from_weights(
    config: EngineConfig,
    weights: Weights,
    cache: GraphCache,
    notify: Notify = lambda line: None,
    report: ReportBytes = lambda done, total: None,
    explain: Notify = _log.info,
) -> OnnxRuntimeEngine:
    """Build the engine for a configuration.

    Args:
        config: model, precision, device and input size. The device ``auto`` takes the first provider that works, of
            those that ONNX Runtime has here; the processor's is the last. It is not among them if the engine, too, is
            ``auto``, for that takes ONNX Runtime for a GPU: OpenVINO is faster on the processor.
        weights: of the network; read only if it must be exported.
        cache: where exported graphs are.
        notify: told of an export.
        report: told how far a download of the weights is.
        explain: told what ``auto`` chose as device and why.

    Raises:
        EngineUnavailable: ONNX Runtime, or the device or the precision in it, is not available on this machine.
        EngineError: the export failed, the graph does not open, or its golden output is wrong.
        WeightsError: the weights cannot be downloaded or read.
    """
    load_library()
    builder = _Builder(config, weights, cache, notify, report)
    if config.device != "auto":
        return builder.build(place_for(config.device))
    reasons = []
    for place in accelerators():
        try:
            built = builder.build(place)
        except EngineError as error:
            reasons.append(str(error))
        else:
            explain(f"device auto: {place.device}, because ONNX Runtime reaches it with {place.provider.name}")
            return built
    if config.engine == "auto":
        raise EngineUnavailable("; ".join(reasons) or "ONNX Runtime reaches no GPU here")
    try:
        built = builder.build(place_for(CPU.device))
    except EngineError as error:
        raise EngineUnavailable("; ".join([*reasons, str(error)])) from error
    reasons += passed_over()
    explain(f"device auto: {CPU.device}, because {'; '.join(reasons) or 'this ONNX Runtime has no other provider'}")
    return built


@dataclass(frozen=True, slots=True)
class _Builder:
    config: EngineConfig
    weights: Weights
    cache: GraphCache
    notify: Notify
    report: ReportBytes

    def build(self, place: Place) -> OnnxRuntimeEngine:
        precision, size = _precision(self.config.precision, place), self.config.side
        graph = self.cache.graph(self.weights, precision, size, self.notify, self.report)
        what = f"--device {place.device}: ONNX Runtime cannot open the network in {precision}"
        with mapped_errors(what, f"run with {_instead(place, precision)}"):
            session = _open(graph, size, place, self.config.threads or thread_count())
            require_provider(session, place)
        engine = OnnxRuntimeEngine(session, self._info(place, precision))
        difference = check_golden_output(
            engine.infer, size, graph.golden_outputs[size], f"ONNX Runtime's {place.provider.name} in {precision}",
            tolerance=tolerance(precision, size), remedy=f"run with {_instead(place)}",
        )  # fmt: skip
        _log.info("ONNX Runtime's %s, self-check off by %.5f", place.provider.name, difference)
        return engine

    def _info(self, place: Place, precision: GraphPrecision) -> EngineInfo:
        return EngineInfo(
            name="onnxruntime",
            model=self.weights.model,
            precision=precision,
            device=str(place),
            input_size=self.config.side,
            weights=self.weights.label,
            fitting=self.weights.description.fitting,
            config=replace(self.config, engine="onnxruntime", precision=precision, device=place.device),
            slow_to_open=place.provider.slow_to_open,
        )


def require_provider(session: Any, place: Place) -> None:
    """Check that a session runs every convolution on the provider that was asked for.

    Casts, slices and the like may run on the processor: they cost nothing, and not every provider takes bytes.

    Args:
        session: an open ``InferenceSession`` that recorded which provider took which node.
        place: where it is to run.

    Raises:
        EngineUnavailable: ONNX Runtime did not create the provider, or gave convolutions to another one.
    """
    wanted = place.provider.name
    asked = f"--device {place.device}: ONNX Runtime"
    if wanted not in session.get_providers():
        raise EngineUnavailable(
            f"{asked} cannot create {wanted} on this machine, and runs on the CPU instead: {place.provider.fix}"
        )
    convolutions: Counter[str] = Counter()
    for subgraph in session.get_provider_graph_assignment_info():
        convolutions[subgraph.ep_name] += sum(node.op_type == "Conv" for node in subgraph.get_nodes())
    there, total = convolutions[wanted], convolutions.total()
    if total == 0 or there < total:
        others = ", ".join(sorted(name for name, count in convolutions.items() if count and name != wanted))
        raise EngineUnavailable(
            f"{asked} runs only {there} of {total} convolutions with {wanted}, the others with {others or 'none'}: "
            f"run with {_instead(place)}"
        )


def _precision(requested: str, place: Place) -> GraphPrecision:
    able = place.provider.precisions
    if requested == "auto":
        return cast("GraphPrecision", able[0])
    if requested not in able:
        choice = f"--precision {able[0]}" if len(able) == 1 else "one of these"
        raise EngineUnavailable(
            f"--precision {requested}: ONNX Runtime runs {' and '.join(able)} on {place.device}: choose {choice}, "
            "or use --engine openvino"
        )
    return cast("GraphPrecision", requested)


def _instead(place: Place, precision: str = "fp32") -> str:
    """What to run with where a provider does not work."""
    others = [] if precision == "fp32" else ["--precision fp32"]
    others += [] if place.provider is CPU else ["--device cpu"]
    return ", or with ".join([*others, "--engine openvino"])


def _open(graph: FoundGraph, size: int, place: Place, threads: int) -> Any:
    """An ``InferenceSession`` for a graph at an input size."""
    library = load_library()
    options = library.SessionOptions()
    options.log_severity_level = FATAL
    options.intra_op_num_threads = threads  # by default it binds its threads to cores, which two engines then share
    # Threads that spin between masks take time from everything else, and masks are no faster for it.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    options.enable_mem_pattern = place.provider.device != "directml"  # which does not support it
    providers: list[tuple[str, dict[str, str]]] | None = [(place.provider.name, place.options)]
    with ExitStack() as stack:
        if place.plugin_device is not None:
            providers = None
            options.add_provider_for_devices([place.plugin_device], dict(place.provider.options))
        source = graph.source
        if size != graph.exported_at:
            # As a file: a session keeps the bytes that it is opened from, up to 176 MB.
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="rtsod-", ignore_cleanup_errors=True)))
            source = _resized(graph.source, size, folder / "graph.onnx")
        if place.plugin_device is not None:
            stack.enter_context(driver_messages_logged())
        return library.InferenceSession(
            source if isinstance(source, bytes) else str(source), options, providers=providers, enable_fallback=0
        )


def _resized(source: Path | bytes, size: int, path: Path) -> Path:
    from rtsod.export.resized import resize_file  # late: most sessions run at the size that was exported

    resize_file(source, size, path)
    return path
