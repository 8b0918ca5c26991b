"""Takes every step of the main job, on a few frames of the drawn scene."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

from rtsod.cli.doctor.caches import remarks
from rtsod.cli.doctor.finding import Finding, Verdict
from rtsod.cli.doctor.network import MAIN_JOB
from rtsod.config import AppConfig, EngineConfig, OutputConfig, RunConfig
from rtsod.errors import EngineError, OutputError, RtsodError, internal_error
from rtsod.system.files import unfinished_folder

_SIZE: Final = 320, 180
_FRAMES: Final = 3
_RECORDING: Final = "trial.mp4"


def trial(job: EngineConfig = MAIN_JOB) -> Iterator[Finding]:
    """Whether frames get a mask, another background, and into a recording.

    Errors that are no :class:`RtsodError` are failures too: the main job would end with them.
    """
    with remarks() as lines:
        try:
            found = Finding("trial", Verdict.OK, _run(job))
        except RtsodError as error:
            found = Finding("trial", Verdict.FAILURE, f"the main job does not run: {error}")
        except Exception as error:
            found = Finding("trial", Verdict.FAILURE, f"the main job does not run: {internal_error(error)}")
    for line in dict.fromkeys(lines):
        yield Finding("cache", Verdict.WARNING, f"{line}; this costs time only")
    yield found


def _run(job: EngineConfig) -> str:
    """Run the main job without its edges, which the other checks try, and describe it in one line."""
    # Late: an import that fails is a finding.
    from rtsod.app.assembly import build_run
    from rtsod.drawing.scene import DrawnScene
    from rtsod.sinks.null import NullSink
    from rtsod.sinks.preview import display_available
    from rtsod.sources.scene import SceneSource

    with ExitStack() as stack:
        folder = _folder_for_recording(stack, windowed=display_available().available)
        outputs = () if folder is None else (folder / _RECORDING,)
        config = AppConfig(
            engine=job, output=OutputConfig(preview=False, outputs=outputs), run=RunConfig(max_frames=_FRAMES)
        )
        source = stack.enter_context(closing(SceneSource(DrawnScene(*_SIZE, 30, 0), live=False, frames=_FRAMES)))
        with build_run(config, source=source, sinks=None if outputs else (NullSink(),)) as run:
            run.pipeline.run()
            numbers, info = run.metrics.snapshot(), run.pool.info
        if numbers["composited"] != _FRAMES or numbers["invalid_masks"]:
            raise EngineError(f"only {numbers['composited']} of {_FRAMES} frames have a valid mask")
    return f"{info.model} on {info.name}, {info.precision}: a mask in {numbers['stage_ms']['infer']:.0f} ms"


def _folder_for_recording(opened: ExitStack, *, windowed: bool) -> Path | None:
    """Where the main job would record; where it shows a window instead, any temporary folder, or none.

    Raises:
        OutputError: it would record, and cannot.
    """
    try:
        if not windowed:
            return opened.enter_context(unfinished_folder(Path.cwd(), ".rtsod-doctor-"))
        return Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="rtsod-doctor-")))
    except OSError as error:
        if windowed:
            return None
        raise OutputError(f"no recording can be written to the current folder: {error.strerror or error}") from error
