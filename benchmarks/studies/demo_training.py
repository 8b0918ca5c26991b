"""Whether training works: ``rtsod train demo:`` with two seeds, beside networks that learned nothing.

All are judged on the held-out objects and backgrounds, 200 pictures at their own sizes, in 8 bit: the trained networks,
the same networks before their first step, and the mean of the training masks, which knows where objects tend to be and
never looks at the picture. A run that is finished in the folder of runs is not repeated.

    python -m benchmarks.studies.demo_training --json benchmarks/results/demo_training.json
    python -m benchmarks.studies.demo_training --plot docs/images/demo_training.svg
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch

from benchmarks.support.study import run_study
from rtsod.data.dataset import open_dataset
from rtsod.data.pairs import Pair
from rtsod.data.reading import read_image, read_label
from rtsod.evaluation.curves import Curves, mae, max_f_of_means
from rtsod.frames import Image
from rtsod.pages.figures import MUTED, SERIES, new_figure, svg_file
from rtsod.system.files import file_to_write, write_text
from rtsod.training.augmentation import PlainRecipe
from rtsod.training.config import TrainConfig
from rtsod.training.folder import RunFolder
from rtsod.training.log import read_log
from rtsod.training.network import load_weights, new_network
from rtsod.training.options import config_from_options
from rtsod.training.reporter import SilentTrainReporter
from rtsod.training.run import train
from rtsod.training.validation import predicted

SEEDS: Final = (0, 1)
_FOREGROUND: Final = 128
_GRID: Final = 128
"""Side of the square on which the training masks are averaged."""


def trained(seed: int, runs: Path) -> TrainConfig:
    """The configuration of a seed's run, which is finished."""
    config = config_from_options({"data": ["demo:"], "seed": seed, "out": runs / f"seed-{seed}"}, resume=False)
    folder = RunFolder(config.out)
    if not (folder.log.exists() and any(line["kind"] == "end" for line in read_log(folder.log))):
        train(config, SilentTrainReporter(), resume=folder.has_checkpoint)
    return config


def judged(maps: Callable[[Image], Image], pairs: Sequence[Pair]) -> dict[str, float]:
    """MAE, and the paper's maxF, of what makes a map of a picture."""
    curves, errors = [], []
    for pair in pairs:
        levels, truth = maps(read_image(pair.image)), read_label(pair.mask) > _FOREGROUND
        curves.append(Curves.of(levels, truth))
        errors.append(mae(levels, truth))
    return {"max_f": round(max_f_of_means(curves), 4), "mae": round(float(np.mean(errors)), 4)}


def network_maps(config: TrainConfig, weights: Path | None) -> Callable[[Image], Image]:
    """The maps of a run's network: with these weights, or with those it starts from."""
    network, description = new_network(config)
    if weights is not None:
        load_weights(network, weights)
    network.eval()
    return lambda image: predicted(network, image, PlainRecipe(description), torch.device("cpu"))


def mean_mask_maps(pairs: Sequence[Pair]) -> Callable[[Image], Image]:
    """The mean of these masks, whatever the picture shows."""
    total = np.zeros((_GRID, _GRID))
    for pair in pairs:
        total += cv2.resize(read_label(pair.mask), (_GRID, _GRID), interpolation=cv2.INTER_AREA)
    # Stretched to 0..255: F depends on the order of the levels alone, and all 256 thresholds can tell them apart.
    mean = total / len(pairs)
    levels = np.rint((mean - mean.min()) / (mean.max() - mean.min()) * 255).astype(np.uint8)
    return lambda image: np.asarray(cv2.resize(levels, image.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.uint8)


def curve(config: TrainConfig) -> list[dict[str, float]]:
    """The validations of a run."""
    lines = read_log(RunFolder(config.out).log)
    return [
        {"step": line["step"], "max_f": round(line["max_f"], 4), "mae": round(line["mae"], 4)}
        for line in lines
        if line["kind"] == "validation"
    ]


def plot(record: dict[str, Any]) -> str:
    """Validation maxF over steps, as SVG."""
    with new_figure(3.6, 7.5) as figure:
        axes = figure.subplots()
        for run, colour in zip(record["runs"], SERIES, strict=False):
            steps, values = ([point[key] for point in run["curve"]] for key in ("step", "max_f"))
            axes.plot(steps, values, color=colour, marker="o", markersize=3.5, label=f"seed {run['seed']}")
        last = max(point["step"] for run in record["runs"] for point in run["curve"])
        untrained = float(np.mean([run["untrained"]["max_f"] for run in record["runs"]]))
        for value, style, name in (
            (record["mean_mask"]["max_f"], "--", "mean of the training masks"),
            (untrained, ":", "network before training"),
        ):
            axes.axhline(value, color=MUTED, linestyle=style, linewidth=1.2, label=f"{name}, {value:.3f}")
        axes.set(xlim=(0, last), ylim=(0, 1), xlabel="step", title="maxF on held-out objects and backgrounds")
        axes.legend(frameon=False, loc="lower right")
        return svg_file(figure)


def main() -> int:
    """Train, judge, print the results and save them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs") / "demo_training", help="(default: %(default)s)")
    parser.add_argument("--json", type=file_to_write, help="save the results to this file")
    parser.add_argument("--plot", type=file_to_write, help="save the curves to this SVG file")
    options = parser.parse_args()
    return run_study(
        "benchmarks.studies.demo_training",
        options.json,
        {},
        lambda record: _measure(options.runs, options.plot, record),
    )


def _measure(runs: Path, picture: Path | None, record: dict[str, Any]) -> None:
    training, held_out = open_dataset("demo:").pairs, open_dataset("demo:held-out").pairs
    record["pictures"] = {"training": len(training), "held_out": len(held_out)}
    # Its levels are stretched, so only maxF, which does not depend on that, means anything.
    record["mean_mask"] = {"max_f": judged(mean_mask_maps(training), held_out)["max_f"]}
    print(f"mean mask maxF {record['mean_mask']['max_f']:.3f}", flush=True)
    record["runs"] = []
    for seed in SEEDS:
        config = trained(seed, runs)
        folder = RunFolder(config.out)
        end = next(line for line in read_log(folder.log) if line["kind"] == "end")
        run = {
            "seed": seed,
            "steps": end["steps"],
            "minutes": round(end["seconds"] / 60, 1),
            "untrained": judged(network_maps(config, None), held_out),
            "trained": judged(network_maps(config, folder.best), held_out),
            "curve": curve(config),
        }
        record["runs"].append(run)
        print(f"seed {seed}: untrained {_shown(run['untrained'])}, after {run['steps']} steps {_shown(run['trained'])}")
    if picture is not None:
        write_text(picture, plot(record))


def _shown(found: dict[str, float]) -> str:
    return f"maxF {found['max_f']:.3f} MAE {found['mae']:.3f}"


if __name__ == "__main__":
    sys.exit(main())
