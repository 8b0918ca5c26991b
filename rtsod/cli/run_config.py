"""Makes the configuration of parsed options. The dataclasses of :mod:`rtsod.config` check it and hold every default."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from rtsod.cli.output_names import Address, Pipe
from rtsod.config import (
    AppConfig,
    ControlConfig,
    EngineConfig,
    OutputConfig,
    PictureConfig,
    QualityConfig,
    RunConfig,
    SourceConfig,
)
from rtsod.errors import UsageError

_DEFAULTS: Final = AppConfig()


def config_from(options: argparse.Namespace) -> AppConfig:
    """The configuration that the parsed options describe.

    Raises:
        UsageError: an option, or a combination of options, is invalid.
    """
    given = options.output or ()
    pipes = [each.format for each in given if isinstance(each, Pipe)]
    if len(pipes) > 1:
        raise UsageError("--output -: is given twice, and there is one standard output: drop one, or write a file")
    addresses = [each for each in given if isinstance(each, Address)]
    for index, address in enumerate(addresses):
        if address in addresses[:index]:
            raise UsageError(f"--output {address}: is given twice: drop one")
    return AppConfig(
        source=_source(options),
        engine=EngineConfig(
            model=options.model,
            engine=options.engine,
            precision=options.precision,
            device=options.device,
            input_size=options.input_size,
            weights=options.weights,
        ),
        quality=QualityConfig(quality=options.quality, region=options.region, target_fps=options.target_fps),
        picture=PictureConfig(
            backgrounds=tuple(options.bg or _DEFAULTS.picture.backgrounds),
            mirror=options.mirror,
            refine=options.refine,
            light_wrap=options.light_wrap,
            steady=options.steady,
            subject_lock=options.subject_lock,
        ),
        output=OutputConfig(
            preview=options.preview,
            virtual_camera=options.virtual_camera,
            on_demand=options.on_demand,
            outputs=tuple(each for each in given if isinstance(each, Path)),
            mask_outputs=tuple(options.mask_output or ()),
            pipe=pipes[0] if pipes else None,
            publish=tuple(each.url for each in addresses),
        ),
        run=RunConfig(
            sync=options.sync,
            mask_interval=options.mask_every,
            duration=options.duration,
            max_frames=options.max_frames,
            max_mask_age=options.max_mask_age,
            stats=options.stats,
            keep_learning=options.keep_learning,
            verbose=options.verbose,
        ),
        control=ControlConfig(address=options.control, open_page=options.open, may_reveal=options.control_may_reveal),
    )


def _source(options: argparse.Namespace) -> SourceConfig:
    given = [name for name in ("size", "fps", "seed") if getattr(options, name) is not None]
    if options.source.strip() == "demo" and given:
        raise UsageError(
            f"--{given[0]}: the demo clip is a recording, not drawn: drop --{given[0]}, or use --source scene"
        )
    default = _DEFAULTS.source
    width, height = options.size or (default.width, default.height)
    seed = default.seed if options.seed is None else options.seed
    return SourceConfig(spec=options.source, width=width, height=height, fps=options.fps, seed=seed)
