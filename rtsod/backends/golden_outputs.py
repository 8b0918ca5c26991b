"""Float32 PyTorch's golden outputs for the models that everybody runs: what their engines are compared with.

They come with the program, so that the check needs neither PyTorch nor the seconds that :mod:`rtsod.model.reference`
takes. ``scripts/golden_outputs.py`` writes them.
"""

from __future__ import annotations

import json
from importlib.resources import files


def shipped_golden_outputs(weights_sha256: str) -> dict[int, str]:
    """The golden outputs of a file of weights by input size, as :func:`rtsod.backends.self_check.golden_output` gives.

    Args:
        weights_sha256: of the file.

    Returns:
        Empty if none come with the program, or what came is damaged: they can be computed.
    """
    try:
        known = json.loads((files("rtsod") / "assets" / "golden" / f"{weights_sha256[:16]}.json").read_bytes())
        return {int(size): str(output) for size, output in known["outputs"].items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return {}
