"""Write float32 PyTorch's golden outputs of the models that come with the program, or that it downloads.

``python -m scripts.golden_outputs`` writes one file for each into ``rtsod/assets/golden/``. Run it when a model, the
golden input or the shared input sizes change; a test notices.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import torch

from rtsod.backends.self_check import golden_output
from rtsod.backends.shared_sizes import SHARED_SIZES
from rtsod.config import MODELS, EngineConfig
from rtsod.frames import Alpha, Image
from rtsod.model.checkpoints import load_graph
from rtsod.model.shipped import shipped_models
from rtsod.model.weights import Weights, fetch, resolve

FOLDER: Final = Path(__file__).parents[1] / "rtsod" / "assets" / "golden"


def shipped_weights() -> Iterator[Weights]:
    """The weights whose golden outputs come with the program."""
    for name in (*MODELS, *(model.name for model in shipped_models())):
        yield resolve(EngineConfig(name))


def torch_golden_output(weights: Weights, size: int) -> str:
    """Float32 PyTorch's golden output at an input size."""
    graph = load_graph(fetch(weights), weights.description)

    def infer(image: Image) -> Alpha:
        with torch.inference_mode():
            saliency: Alpha = graph(torch.from_numpy(image)[None])[0, 0].numpy()
        return saliency

    return golden_output(infer, size)


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for weights in shipped_weights():
        outputs = {size: torch_golden_output(weights, size) for size in SHARED_SIZES}
        content = {"model": weights.model, "weights_sha256": weights.sha256, "outputs": outputs}
        (FOLDER / f"{weights.sha256[:16]}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
