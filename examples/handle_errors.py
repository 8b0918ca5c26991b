"""Catch rtsod's errors and fall back: ``python examples/handle_errors.py photo.jpg``.

All errors derive from ``rtsod.RtsodError``. Their text is one line that says what is wrong and how to fix it.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

import rtsod


def open_segmenter(device: str) -> rtsod.Segmenter:
    """Open the lite model on a device if it is there, or else on the CPU."""
    try:
        return rtsod.Segmenter.open(model="lite", device=device)
    except rtsod.EngineUnavailable as error:
        print(f"falling back to the CPU: {error}", file=sys.stderr)
        return rtsod.Segmenter.open(model="lite", device="cpu")


def main(photo: Path, device: str = "cuda") -> int:
    """Print how much of a photograph the subject covers, and return an exit code."""
    image = cv2.imread(str(photo))
    if image is None:
        print(f"{photo}: cannot be read", file=sys.stderr)
        return rtsod.ExitCode.SOURCE
    try:
        with open_segmenter(device) as segmenter:
            alpha = segmenter(np.asarray(image, np.uint8))
    except rtsod.WeightsError as error:  # offline, for example
        print(f"no weights: {error}", file=sys.stderr)
        return error.exit_code
    except rtsod.RtsodError as error:  # everything else
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"the subject covers {alpha.mean():.0%} of the picture")
    return rtsod.ExitCode.DONE


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
