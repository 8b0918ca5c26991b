"""Small folders, and a network that costs nothing in the processes of a batch."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from rtsod.batch.config import BatchConfig, Shard
from rtsod.batch.places import Place
from rtsod.batch.session import Summary, run_batch
from rtsod.config import AppConfig, EngineConfig, PictureConfig
from rtsod.frames import Alpha, EngineInfo, Image
from rtsod.masking.engine_pool import EnginePool

WHOLE = Shard()
"""All items."""
DEADLY = (200, 0, 0)
"""A photograph of this colour, BGR, kills the process that infers it."""
SLOW = (0, 200, 0)
"""One of this colour takes long, and says by a file that it has begun."""


class GreyEngine:
    """Its map depends on the picture alone: brighter halves stand out. It kills its process where that is asked for."""

    def __init__(self) -> None:
        self.info = EngineInfo("grey", "lite", "fp32", "CPU", 64, "none")

    def infer(self, image: Image) -> Alpha:
        blue, green, red = (float(image[..., channel].mean()) for channel in range(3))
        marker = os.environ.get("RTSOD_TEST_BEGUN", "")
        if blue > 200 and green + red < 50:
            os.kill(os.getpid(), signal.SIGKILL)
        if green > 200 and blue + red < 50 and marker and not Path(marker).exists():
            Path(marker).touch()
            time.sleep(60)
        return np.asarray(image.mean(axis=2) / 255, np.float32)

    def close(self) -> None: ...


def open_grey(config: EngineConfig) -> EnginePool:
    """Called in the processes."""
    return EnginePool(GreyEngine())


class Lines:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.reports: list[tuple[float, str]] = []

    def notify(self, line: str) -> None:
        self.lines.append(line)

    @contextmanager
    def items(self, what: str, total: int) -> Iterator[Callable[[float, str], None]]:
        yield lambda done, remark: self.reports.append((done, remark))


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Twelve small photographs, some of them in a subfolder."""
    folder = tmp_path / "photographs"
    (folder / "sub").mkdir(parents=True)
    for number in range(12):
        write_photograph(folder / ("sub" if number % 3 == 0 else ".") / f"{number}.png", 40 + 10 * number)
    return folder


def write_photograph(path: Path, colour: int | tuple[int, int, int], side: int = 24) -> None:
    """A photograph of one grey, with a brighter right half; or of one colour."""
    image = np.full((side, side, 3), colour, np.uint8)
    if isinstance(colour, int):
        image[:, side // 2 :] = 250
    assert cv2.imwrite(str(path), image)


def batch(inputs: Path | tuple[str, ...], out: Place, **changed: object) -> BatchConfig:
    """A batch of cut-outs."""
    run = AppConfig(engine=EngineConfig("lite"), picture=PictureConfig(("transparent",)))
    first = BatchConfig(inputs=(str(inputs),) if isinstance(inputs, Path) else inputs, out=out, run=run, workers=2)
    return replace(first, **changed)  # type: ignore[arg-type]


def make(
    config: BatchConfig,
    *,
    stop: Callable[[], bool] = lambda: False,
    reporter: Lines | None = None,
    listed: Iterable[str] = (),
) -> Summary:
    """Run a batch with the network that costs nothing."""
    return run_batch(config, reporter or Lines(), listed=listed, stop=stop, open_it=open_grey)


def tree(out: Path) -> dict[str, bytes]:
    """All results, by name."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and ".rtsod" not in path.relative_to(out).parts
    }
