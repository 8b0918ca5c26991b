#!/usr/bin/env python3
"""Train the starter, the network that ``--model tiny`` runs and that ``rtsod learn`` starts from.

    python scripts/starter/train_starter.py ../shared/samples/clips --out starter

It learns full's maps of photographs and of a clip, and pictures composed of the people and things in them
(:mod:`compose`). Two people and the room of the clips are left out of it wholly, so that ``measure_starter.py`` can
tell what it makes of strangers. With the same packages, clips and PyTorch, every run makes the same pictures; weights
agree as far as the processor's sums do. ``starter/log.json`` says what was fetched, made and trained.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import cv2
import numpy as np
from compose import Cast, composed, cut_out
from packages import EMOJI, PACKAGES, emoji, panoramas, photographs

from rtsod.app.train_console import TrainConsole
from rtsod.backends import open_engine
from rtsod.config import EngineConfig
from rtsod.drawing.scene import DrawnScene
from rtsod.frames import Alpha, Image
from rtsod.imaging.network_input import shrink
from rtsod.model.description import IMAGENET_DEVIATION, IMAGENET_MEAN, Description, save_weights
from rtsod.model.table import TINY, lines_from_table
from rtsod.model.u2net import U2Net
from rtsod.model.weights import resolve
from rtsod.sources.video import video_from_file
from rtsod.system.cache_folder import cache_folder
from rtsod.system.machine import describe_machine
from rtsod.training.config import PRESETS, TrainConfig
from rtsod.training.folder import RunFolder
from rtsod.training.log import read_log
from rtsod.training.network import load_weights
from rtsod.training.run import train
from rtsod.version import __version__

PERSON_CLIP: Final = "book.mkv"
"""The one clip whose person is trained on: cut out, never in her room. It is the clip that the demo shows a part of."""
PERSON_EVERY: Final = 4
THINGS_CLIP: Final = "bottle-detection.mp4"
THINGS_EVERY: Final = 60
SIZE: Final = 192
SEED: Final = 16
PHASES: Final = ((128, 2e-3), (SIZE, 1e-3), (SIZE, 1e-3))
"""Side of the pictures, and largest learning rate: at first small, which is more than twice as fast."""
REAL_COPIES: Final = 6.0
"""How much more often a real picture is drawn than a composed one: there are few."""


def frames(path: Path, every: int) -> list[Image]:
    """Each so-manieth frame of a clip."""
    found: list[Image] = []
    source = video_from_file(path)
    try:
        while (frame := source.read()) is not None:
            if frame.index % every == 0:
                found.append(frame.image)
    finally:
        source.close()
    return found


def full_maps(images: Sequence[Image]) -> list[Alpha]:
    """Full's maps, each at its picture's size."""
    config = EngineConfig("full")
    with closing(open_engine(config, resolve(config), print)) as engine:
        maps = [engine.infer(shrink(image, engine.info.input_size)) for image in images]
    return [
        np.asarray(cv2.resize(alpha, image.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)
        for alpha, image in zip(maps, images, strict=True)
    ]


def write_pairs(folder: Path, pairs: Sequence[tuple[Image, Image]]) -> None:
    """Pictures and labels as a data set that ``rtsod train`` reads."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number, (image, label) in enumerate(pairs):
        cv2.imwrite(str(folder / "images" / f"{number:05}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 92])
        cv2.imwrite(str(folder / "masks" / f"{number:05}.png"), label)


def make_pictures(clips: Path, out: Path, count: int) -> dict[str, Any]:
    """Write the data sets ``real`` and ``composed``, and return what they consist of."""
    store = cache_folder() / "starter"
    store.mkdir(parents=True, exist_ok=True)
    things = frames(clips / THINGS_CLIP, THINGS_EVERY)
    person = frames(clips / PERSON_CLIP, PERSON_EVERY)
    photos = photographs(store)
    images = [*things, *photos.values(), *person]
    maps = full_maps(images)
    labels = [np.rint(255 * alpha).astype(np.uint8) for alpha in maps]
    whole = len(things) + len(photos)
    scenes = [DrawnScene(320, 240, seed=seed).render(11 * seed) for seed in range(24)]
    drawn = [(colour, np.rint(255 * alpha).astype(np.uint8)) for colour, alpha in scenes]
    write_pairs(out / "real", [*zip(images[:whole], labels[:whole], strict=True), *drawn])

    cut = {name: [cut_out(photos[name], maps[len(things) + list(photos).index(name)])]
           for name in ("astronaut", "camera", "grace_hopper")}  # fmt: skip
    cut["signing"] = [cut_out(image, alpha) for image, alpha in zip(person, maps[whole:], strict=True)]
    cast = Cast(cut, emoji(store, print), panoramas(store))
    write_pairs(out / "composed", [composed(cast, np.random.default_rng((SEED, number))) for number in range(count)])
    return {
        "packages": [asdict(package) for package in PACKAGES] + [EMOJI],
        "clips": {PERSON_CLIP: len(person), THINGS_CLIP: len(things)},
        "full_maps": len(images),
        "real": whole + len(drawn),
        "photographs": sorted(photos),
        "drawn_scenes": len(scenes),
        "composed": count,
        "seed": SEED,
    }


def trained(out: Path, steps: Sequence[int]) -> tuple[Path, list[dict[str, Any]]]:
    """Train in phases, and return the weights and what each phase was."""
    table = out / "tiny.toml"
    table.write_text("".join(
        f"{stage} = {{ {', '.join(f'{key} = {json.dumps(value)}' for key, value in line.items())} }}\n"
        for stage, line in lines_from_table(TINY).items()
    ))  # fmt: skip
    weights: Path | None = None
    told = []
    for number, ((size, rate), length) in enumerate(zip(PHASES, steps, strict=True)):
        config = TrainConfig(
            data=(f"{out / 'composed'}", f"{out / 'real'}@{REAL_COPIES:g}"),
            model=str(table),
            init=None if weights is None else str(weights),
            recipe=replace(PRESETS["modern"], learning_rate=rate, batch=8, ema=0.99, warmup=0.04),
            val="2%",
            size=size,
            crop=size,
            steps=length,
            val_every=max(1, length // 5),
            seed=SEED + number,
            device="cpu",
            out=out / f"phase-{number}",
        )
        console = TrainConsole()
        with console.bar():
            result = train(config, console, resume=(out / f"phase-{number}" / "checkpoints").exists())
        weights = out / f"phase-{number}" / "last.safetensors"
        told.append({"size": size, "rate": rate, "steps": result.steps, "seconds": _seconds(out / f"phase-{number}"),
                     "best": None if result.best is None else result.best._asdict()})  # fmt: skip
    assert weights is not None
    return weights, told


def _seconds(run: Path) -> int:
    """Of a finished run, also of one that was finished earlier."""
    return round(max(float(line["seconds"]) for line in read_log(RunFolder(run).log) if line["kind"] == "end"))


def main() -> None:
    """Fetch, compose, train, and write the weights and the log."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, help="folder with book.mkv and bottle-detection.mp4 (NOTICE: where from)")
    parser.add_argument("--out", type=Path, required=True, help="folder for pictures, runs, weights and log")
    parser.add_argument("--count", type=int, default=3000, help="composed pictures (default: %(default)s)")
    parser.add_argument("--steps", type=int, nargs=len(PHASES), default=[520, 45, 60], help="(default: %(default)s)")
    parser.add_argument("--pictures-only", action="store_true", help="make the pictures, and do not train")
    options = parser.parse_args()
    started = time.time()
    out: Path = options.out
    log = out / "pictures.json"
    if not log.exists():
        made = make_pictures(options.clips, out, options.count)
        log.write_text(json.dumps(made, indent=1) + "\n")
    if options.pictures_only:
        return
    made = json.loads(log.read_text())
    weights, phases = trained(out, options.steps)
    network = U2Net(TINY)
    load_weights(network, weights)
    save_weights(
        out / "tiny.safetensors",
        network,
        Description("tiny", TINY, IMAGENET_MEAN, IMAGENET_DEVIATION, "stretch", SIZE),
        half=True,
    )
    record = {
        **made,
        "phases": phases,
        "minutes": round((time.time() - started) / 60, 1),
        "machine": describe_machine(),
        "rtsod": __version__,
    }
    (out / "log.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
