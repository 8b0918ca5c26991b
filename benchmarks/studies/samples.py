"""What preparing a training sample costs on one core, beside what training on it costs on all of them.

Pictures are in memory: frames of the drawn scene at 640x480, the size of a webcam's. Times of samples are processor
time on one thread, the median of turns in which the presets alternate. The time of a step is wall time.

    python -m benchmarks.studies.samples --json benchmarks/results/samples.json
"""

from __future__ import annotations

import argparse
import sys
import time
from statistics import median
from typing import Any, Final, get_args

import cv2
import numpy as np
import torch

from benchmarks.support.study import positive_int, run_study
from rtsod.drawing.scene import DrawnScene
from rtsod.frames import Image
from rtsod.model.description import PUBLISHED_DESCRIPTIONS
from rtsod.model.u2net import U2Net
from rtsod.system.files import file_to_write
from rtsod.system.machine import thread_count
from rtsod.training.config import Preset
from rtsod.training.losses import losses
from rtsod.training.order import Draw
from rtsod.training.presets import loss_recipe, sample_recipe
from rtsod.training.samples import Samples

PICTURES: Final = 6
SAMPLES: Final = 30
"""Of each preset in a turn."""
CROP: Final = 288
"""As in the paper."""
BATCH: Final = 4
STEPS: Final = 3


def pictures() -> list[tuple[Image, Image]]:
    """Frames of the drawn scene with their exact alpha."""
    scene = DrawnScene(640, 480)
    drawn = [scene.render(30 * number) for number in range(PICTURES)]
    return [(image, np.rint(alpha * 255).astype(np.uint8)) for image, alpha in drawn]


def preparing(turns: int) -> dict[str, float]:
    """Processor time of a sample in ms, by preset."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    shown, description = pictures(), PUBLISHED_DESCRIPTIONS["lite"]
    presets: tuple[Preset, ...] = get_args(Preset)
    prepared = {preset: Samples(shown, sample_recipe(preset, description, CROP), seed=0) for preset in presets}
    times: dict[str, list[float]] = {preset: [] for preset in presets}
    for turn in range(turns + 1):
        for preset, samples in prepared.items():
            begun = time.process_time()
            for number in range(SAMPLES):
                samples[Draw(turn * SAMPLES + number, number % len(samples))]
            times[preset].append((time.process_time() - begun) / SAMPLES * 1000)
    return {preset: round(median(each[1:]), 2) for preset, each in times.items()}  # the first turn warms up


def training(preset: Preset) -> float:
    """Wall time of lite's training step in ms a sample, on all cores."""
    torch.set_num_threads(thread_count())
    torch.manual_seed(0)
    network = U2Net(PUBLISHED_DESCRIPTIONS["lite"].table).train()
    optimiser = torch.optim.Adam(network.parameters())
    images, label = torch.randn(BATCH, 3, CROP, CROP), (torch.rand(BATCH, 1, CROP, CROP) > 0.5).float()
    times = []
    for _ in range(STEPS + 1):
        begun = time.perf_counter()
        optimiser.zero_grad()
        torch.autograd.backward(losses(network(images), label, loss_recipe(preset)).total)
        optimiser.step()
        times.append((time.perf_counter() - begun) / BATCH * 1000)
    return round(median(times[1:]), 1)


def main() -> int:
    """Measure, print the results and save them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=positive_int, default=5, help="(default: %(default)s)")
    parser.add_argument("--json", type=file_to_write, help="save the results to this file")
    options = parser.parse_args()
    about = {"pictures": [640, 480], "size": PUBLISHED_DESCRIPTIONS["lite"].size, "crop": CROP, "batch": BATCH}
    return run_study("benchmarks.studies.samples", options.json, about, lambda record: _measure(options.turns, record))


def _measure(turns: int, record: dict[str, Any]) -> None:
    record["sample_ms"] = preparing(turns)
    for preset, ms in record["sample_ms"].items():
        print(f"{preset:<10} {ms:6.2f} ms a sample on one core, {1000 / ms:4.0f} a second", flush=True)
    record["step_ms"] = {}
    trained: tuple[Preset, ...] = ("paper", "modern")
    for preset in trained:
        record["step_ms"][preset] = training(preset)
        share = record["sample_ms"][preset] / record["step_ms"][preset]
        print(f"{preset:<10} {record['step_ms'][preset]:6.0f} ms a sample to train lite; preparing takes {share:.2%}")


if __name__ == "__main__":
    sys.exit(main())
