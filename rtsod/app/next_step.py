"""The last line of a run that ended well: what its user can do next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rtsod.config import OutputConfig
from rtsod.frames import SourceInfo

_CALLS: Final = "--virtual-camera makes it a camera that video calls can choose ('rtsod doctor' says what that needs)"
_YOUR_CAMERA: Final = "with a camera connected, the same command shows you ('rtsod devices' lists the cameras)"


def nothing_shown(model: str, *, ended_by_user: bool) -> str:
    """The line in its place where no frame was shown.

    Args:
        model: the network's name.
        ended_by_user: whether a signal ended the run, so that nothing is wrong.
    """
    if ended_by_user:
        return "interrupted before the first mask was ready"
    smaller = "" if model == "lite" else ", try --lite"
    return (
        "nobody was shown: no mask was ready in time, so there is only the background: let it run for longer, close "
        f"other programs{smaller}, or give a smaller --input-size"
    )


def next_step(
    info: SourceInfo, output: OutputConfig, *, no_camera: bool, virtual_camera: str | None, transparent: bool = False
) -> str:
    """Choose the line, by what the user just did.

    Args:
        info: the source's.
        output: the outputs there were, ``preview`` resolved.
        no_camera: whether the source stood in for a camera that was not found.
        virtual_camera: how calls name the virtual camera; None without one.
        transparent: whether there is no background.
    """
    file = "FOLDER" if info.stills else "FILE.webm" if transparent else "FILE.mp4"
    written = [*output.outputs, *output.mask_outputs]
    if virtual_camera is not None:
        step = f"start this again before a call, and choose {virtual_camera!r} as the camera in the call's settings"
    elif written and info.stills:
        step = f"look at {_listed(written)}"
        if not output.mask_outputs:
            step += "; --mask-output FOLDER writes the masks"
    elif written:
        step = f"look at {_listed(written)}"
        if no_camera:
            step += f"; {_YOUR_CAMERA}"
        elif info.live:
            step += f"; {_CALLS}"
    elif output.pipe is not None or output.publish:
        step = f"--output {file} beside this one keeps the pictures"
    elif output.preview and no_camera:
        step = _YOUR_CAMERA
    elif output.preview and info.live:
        step = f"add {_CALLS}"
    elif output.preview:
        step = f"add --output {file} to keep the result"
    else:
        step = "'rtsod bench' measures how fast this computer is"
    return f"next: {step}"


def _listed(paths: Sequence[Path]) -> str:
    return " and ".join(str(path) for path in paths)
