#!/usr/bin/env python3
"""Measure the starter: ``python scripts/starter/measure_starter.py starter ../shared/samples``.

Its maps are compared with full's on frames of the clips and on the photographs that it was not trained on, in 8 bits
and in float32; lite's are, too, to compare with. It writes the calibration that 8 bits need, the card, and a sheet of
pictures to look at. The machine should be idle: masks are timed.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[2]))  # benchmarks/ is beside this script's folder, and not installed

import cv2
import numpy as np
from train_starter import frames

from benchmarks.support.classes import held_to
from benchmarks.support.mask_time import frame_to_map_ms
from benchmarks.support.student import maps_of
from rtsod.bench.isolation import run_isolated
from rtsod.config import EngineConfig, Precision
from rtsod.export.calibration_from_pictures import calibration_from_pictures
from rtsod.frames import Alpha, Image
from rtsod.imaging.iou import iou
from rtsod.imaging.network_input import shrink
from rtsod.model.calibration import calibration_path
from rtsod.model.card import Agreement, Card, Speed
from rtsod.model.weights import resolve
from rtsod.system.machine import processor_name
from rtsod.system.processor_class import ProcessorClass, processor_class
from rtsod.version import __version__

CLIPS: Final = ("again.mkv", "no.mkv", "thanks.mkv")
"""Two people, and a room, that the starter has not seen."""
EVERY: Final = 4
SIDE: Final = 320
"""Maps are compared at full's size."""


def maps(config: EngineConfig, images: Sequence[Image]) -> list[Alpha]:
    """A network's maps, ``(SIDE, SIDE)`` each."""
    return [np.asarray(cv2.resize(each, (SIDE, SIDE)), np.float32) for each in maps_of(images, config)]


def kept_maps(path: Path, name: str, images: Sequence[Image]) -> list[Alpha]:
    """The maps of a model, kept in a file: they do not change with the starter."""
    if not path.exists():
        np.save(path, np.stack(maps(EngineConfig(name), images)))  # type: ignore[arg-type, unused-ignore]
    return list(np.load(path))


def agreement(one: Sequence[Alpha], other: Sequence[Alpha]) -> Agreement:
    """IoU of two networks' maps, picture by picture."""
    found = [iou(a, b) for a, b in zip(one, other, strict=True)]
    return Agreement(*(round(float(each), 4) for each in (np.mean(found), np.percentile(found, 5), np.median(found))))


def calibrate(weights: Path, out: Path) -> str:
    """Measure the ranges on training pictures, and write them beside the weights and where 8 bits look for them."""
    config = EngineConfig(weights=weights, input_size=192)
    chosen = resolve(config)
    folders = [sorted((out / name / "images").iterdir()) for name in ("real", "composed")]
    paths = [*folders[0], *folders[1][:48]]
    pictures = [shrink(np.asarray(cv2.imread(str(path)), np.uint8), config.side) for path in paths]
    found, parity = calibration_from_pictures(chosen, weights, pictures, print, lambda phase, done, total: None)
    for place in (out / "tiny.json", calibration_path(chosen)):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(found.text(), encoding="utf-8")
    return str(parity)


def sheet(images: Sequence[Image], columns: Mapping[str, Sequence[Alpha]]) -> Image:
    """A row for each picture: itself, then each network's cut-out on green."""
    rows = []
    for number, image in enumerate(images):
        small = cv2.resize(image, (240, 180), interpolation=cv2.INTER_AREA)
        cells = [small]
        for alphas in columns.values():
            alpha = cv2.resize(alphas[number], (240, 180))[..., None]
            cells.append((small * alpha + np.array([80, 177, 0]) * (1 - alpha)).astype(np.uint8))
        rows.append(np.hstack(cells))
    return np.vstack(rows)


def main() -> None:
    """Calibrate, compare, time, and write the card, the numbers and the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder that train_starter.py wrote")
    parser.add_argument("samples", type=Path, help="folder with clips/ and images/")
    parser.add_argument("--no-times", action="store_true", help="leave the times out")
    options = parser.parse_args()
    out: Path = options.out
    weights = out / "tiny.safetensors"
    parity = calibrate(weights, out)

    def tiny(precision: Precision) -> EngineConfig:
        return EngineConfig(weights=weights, input_size=192, precision=precision)

    sets = {name: frames(options.samples / "clips" / name, EVERY) for name in CLIPS}
    paths = sorted((options.samples / "images").iterdir())
    sets["photographs"] = [np.asarray(cv2.imread(str(path)), np.uint8) for path in paths]
    images = [image for each in sets.values() for image in each]
    full, lite = (kept_maps(out / f"{name}.npy", name, images) for name in ("full", "lite"))
    exact, rounded = maps(tiny("fp32"), images), maps(tiny("int8"), images)
    numbers: dict[str, Any] = {"parity": parity}
    first = 0
    for name, each in sets.items():
        part = slice(first, first + len(each))
        first += len(each)
        numbers[name] = {
            "pictures": len(each),
            "tiny int8": vars_of(agreement(rounded[part], full[part])),
            "tiny fp32": vars_of(agreement(exact[part], full[part])),
            "lite": vars_of(agreement(lite[part], full[part])),
            "int8 against fp32": vars_of(agreement(rounded[part], exact[part])),
            "each": [round(iou(a, b), 3) for a, b in zip(rounded[part], full[part], strict=True)],
        }
        print(name, json.dumps({key: numbers[name][key] for key in numbers[name] if key != "each"}, indent=1))
    clips = sum(len(sets[name]) for name in CLIPS)
    speeds = []
    if not options.no_times:
        for kind in (processor_class(), ProcessorClass.AVX2):
            with held_to(kind):
                speeds.append(Speed("int8", str(kind), run_isolated(frame_to_map_ms, tiny("int8"))))
        speeds.append(Speed("fp32", str(processor_class()), run_isolated(frame_to_map_ms, tiny("fp32"))))
    log = json.loads((out / "log.json").read_text())
    card = Card(
        weights_sha256=resolve(tiny("int8")).sha256,
        teacher="full",
        frames=log["composed"] + log["real"],
        held_out=clips,
        agreement=agreement(rounded[:clips], full[:clips]),
        speeds=tuple(speeds),
        machine=processor_name(),
        versions={"rtsod": __version__},
        date=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        training_seconds=sum(phase["seconds"] for phase in log["phases"]),
        training_steps=sum(phase["steps"] for phase in log["phases"]),
        remarks=tuple(REMARKS),
    )
    (out / "card.json").write_text(card.text(), encoding="utf-8")
    numbers["speeds"] = [vars_of(each) for each in speeds]
    (out / "numbers.json").write_text(json.dumps(numbers, indent=1) + "\n")
    shown = [*range(10, clips, 24), *range(clips, len(images))]
    columns = {"full": full, "lite": lite, "tiny": rounded}
    picture = sheet([images[i] for i in shown], {name: [each[i] for i in shown] for name, each in columns.items()})
    cv2.imwrite(str(out / "sheet.png"), picture)


REMARKS: Final = (
    "A start for rtsod learn, not a network for everybody: lite is far more accurate on whom it has not seen.",
    "Learnt from few: 53 of full's maps, of a clip of bottles and five photographs and of one signing person; 3000 "
    "pictures composed of four photographed people, rendered and drawn ones, and things; 24 of the drawn scene.",
    "Held out: frames of two people in a room, none of which it was trained on.",
    "Trained for a short while, beside other programs; the times of a mask were not measured on an idle machine.",
)


def vars_of(record: Agreement | Speed) -> dict[str, Any]:
    """A record's fields by name."""
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


if __name__ == "__main__":
    main()
