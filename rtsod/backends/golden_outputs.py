"""Golden outputs without PyTorch: what engines are compared with.

Float32 PyTorch's, for the models that everybody runs, come with the program, so that the check needs neither PyTorch
nor the seconds that :mod:`rtsod.model.reference` takes. ``scripts/golden_outputs.py`` writes them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib.resources import files

from rtsod.backends.self_check import golden_output
from rtsod.frames import Alpha, Image
from rtsod.model.description import Description
from rtsod.model.reference import reference_saliency
from rtsod.model.tensors import Convolution


def golden_outputs(
    weights: Mapping[str, Convolution], description: Description, weights_sha256: str, sizes: Iterable[int]
) -> dict[int, str]:
    """The golden outputs of a network by input size, as :func:`rtsod.backends.self_check.golden_output` gives.

    Args:
        weights: batch norm folded, by the names of the convolutions.
        description: of them.
        weights_sha256: of their file.
        sizes: in pixels.
    """

    def reference(image: Image) -> Alpha:
        return reference_saliency(weights, description, image)

    known = shipped_golden_outputs(weights_sha256)
    return {size: known.get(size) or golden_output(reference, size) for size in sizes}


def shipped_golden_outputs(weights_sha256: str) -> dict[int, str]:
    """The golden outputs of a file of weights by input size, as far as they come with the program.

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
