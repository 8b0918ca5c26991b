"""Builds a plan from weights: exports the ONNX graph, checks it against PyTorch, compiles it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from rtsod.backends.self_check import golden_output
from rtsod.backends.tensorrt.library import TrtLibrary, capability_text
from rtsod.backends.tensorrt.manifest import Manifest
from rtsod.backends.tensorrt.plan_from_onnx import plan_from_onnx
from rtsod.backends.tensorrt.target import Target
from rtsod.config import EngineConfig
from rtsod.export.checked import export_checked, export_precision
from rtsod.export.version import GRAPH_VERSION
from rtsod.frames import Image
from rtsod.model.weights import ReportBytes, Weights
from rtsod.progress import BuildProgress, Notify


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything a plan is built from."""

    config: EngineConfig
    """Model, precision and input size."""
    weights: Weights
    library: TrtLibrary
    target: Target

    @property
    def manifest(self) -> Manifest:
        """The manifest that a fitting plan must have, without the fields that only a build knows."""
        return Manifest(
            model=self.weights.model,
            weights_sha256=self.weights.sha256,
            graph_version=GRAPH_VERSION,
            input_size=self.config.side,
            precision=export_precision(self.config.precision),
            library=self.library.name,
            library_version=self.library.version,
            compute_capability=capability_text(self.target.capability),
            gpu=self.target.gpu,
            driver=self.target.driver,
        )


def plan_from_weights(
    recipe: Recipe,
    *,
    pictures: list[Image] | None = None,
    timing_cache: Path | None = None,
    notify: Notify = lambda line: None,
    progress: BuildProgress = lambda phase, done, total: None,
    report: ReportBytes = lambda done, total: None,
) -> tuple[bytes, Manifest]:
    """Export, check and compile. Takes half a minute to five minutes.

    Args:
        recipe: what to build.
        pictures: ``(S, S, 3)`` uint8 BGR each, for the parity check; None uses the bundled ones.
        timing_cache: see :func:`plan_from_onnx`.
        notify: called with one line per step.
        progress: called with the steps of the export and the build.
        report: called with the bytes of a download of the weights.

    Returns:
        The plan, and its manifest without the plan's own hash.

    Raises:
        EngineUnavailable: a library for the export is missing, or TensorRT does not support the GPU or the precision.
        EngineError: the export, its parity check or the build failed.
        WeightsError: the weights cannot be fetched or read.
    """
    config, library = recipe.config, recipe.library
    precision = export_precision(config.precision)
    onnx = export_checked(recipe.weights, precision, config.side, pictures, notify, progress, report)
    notify(f"the ONNX graph matches PyTorch ({onnx.parity}); building the engine with {library.name} {library.version}")
    plan = plan_from_onnx(library, onnx.content, recipe.target, timing_cache=timing_cache, progress=progress)
    manifest = replace(
        recipe.manifest,
        onnx_sha256=hashlib.sha256(onnx.content).hexdigest(),
        answer=golden_output(onnx.reference, config.side),
    )
    return plan, manifest
