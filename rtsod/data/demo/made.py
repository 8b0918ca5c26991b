"""Makes the demonstration's pictures once, and keeps them in the user's cache folder."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from rtsod.data.demo.composites import composite
from rtsod.data.demo.cutouts import Cutouts, read_cutouts
from rtsod.data.demo.package import package_file
from rtsod.errors import DataError
from rtsod.progress import BuildProgress
from rtsod.system.cache_folder import cache_folder, reason
from rtsod.system.file_lock import locked
from rtsod.system.files import unfinished_folder
from rtsod.system.machine import thread_count

TRAINING: Final = ""
"""What follows ``demo:`` in the name of the data to train on ..."""
HELD_OUT: Final = "held-out"
"""... and of those to validate on."""
COUNTS: Final = {TRAINING: 1500, HELD_OUT: 200}
"""Pictures of each. A short run sees each of the former a few times, and 200 take five seconds to validate on."""
_FOLDERS: Final = {TRAINING: "train", HELD_OUT: "held-out"}
_VERSION: Final = 1
"""Raise it when other pictures are made."""
_SEED: Final = 2020
"""Of the pictures. Not the run's, so that runs of several seeds train on the same data; the year of the paper."""
_WAIT_SECONDS: Final = 600.0
_JPEG_QUALITY: Final = 92


def demo_folder(part: str, progress: BuildProgress) -> Path:
    """The folder with ``images/`` and ``masks/`` of a part of the demonstration, made if it is not there.

    Args:
        part: :data:`TRAINING` or :data:`HELD_OUT`.
        progress: told how far that is.

    Raises:
        DataError: there is no such part, its objects cannot be fetched, or nothing can be stored.
    """
    if part not in COUNTS:
        known = " or ".join(f"demo:{each}" for each in COUNTS)
        raise DataError(f"demo:{part}: there is no such part: give {known}")
    folder = Path()
    try:
        folder = cache_folder() / "demo"
        made = folder / f"{_VERSION}-{_FOLDERS[part]}"
        if made.exists():
            return made
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock", _WAIT_SECONDS, lambda: None):
            if not made.exists():  # another run may have made it meanwhile
                cutouts = read_cutouts(package_file(folder, progress))
                with unfinished_folder(folder, ".rtsod-demo-") as unfinished:
                    write_part(unfinished, cutouts, part, COUNTS[part], progress)
                    unfinished.rename(made)
        return made
    except TimeoutError as error:
        raise DataError(f"{folder}: another run has been making these pictures for too long: end it") from error
    except OSError as error:
        raise DataError(
            f"demo: {folder}: cannot store its pictures there: {reason(error)}: set XDG_CACHE_HOME to a folder that "
            "can be written"
        ) from error


def write_part(folder: Path, cutouts: Cutouts, part: str, count: int, progress: BuildProgress) -> None:
    """Write a part's pictures. The same arguments always give the same files.

    Args:
        folder: empty.
        cutouts: all of them.
        part: see :func:`demo_folder`.
        count: of the pictures.
        progress: told as they are written.

    Raises:
        OSError: one cannot be written.
    """
    held_out = part == HELD_OUT
    chosen = cutouts.part(held_out=held_out)
    for name in ("images", "masks"):
        (folder / name).mkdir()

    def write(number: int) -> None:
        random = np.random.default_rng((_SEED, held_out, number))
        image, alpha = composite(chosen, random, held_out=held_out)
        _save(folder / "images" / f"{number:04}.jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        _save(folder / "masks" / f"{number:04}.png", alpha, [])

    with ThreadPoolExecutor(thread_count(), thread_name_prefix="rtsod-demo") as executor:
        try:
            for done, _ in enumerate(executor.map(write, range(count)), 1):
                progress(f"making {count} pictures of demo:{part}", done, count)
        except BaseException:
            executor.shutdown(cancel_futures=True)
            raise


def _save(path: Path, picture: np.typing.NDArray[np.uint8], options: list[int]) -> None:
    encoded, data = cv2.imencode(path.suffix, picture, options)
    assert encoded
    path.write_bytes(data.tobytes())
