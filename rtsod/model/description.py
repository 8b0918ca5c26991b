"""What weights say of themselves: their table, normalisation, fit and training size, in the file's metadata.

A file of weights is then enough to run it: no option repeats what it was trained with. The authors' files say nothing;
what they would say stands in :data:`PUBLISHED_DESCRIPTIONS`. Reading a description needs no PyTorch.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

from rtsod.config import (
    AUTHORS_SIZE,
    FITS,
    INPUT_SIZE_RANGE,
    INPUT_SIZE_STEP,
    MODEL_NAME_RULE,
    Fit,
    ModelName,
    is_model_name,
)
from rtsod.errors import WeightsError
from rtsod.frames import Fitting
from rtsod.model.onnx_metadata import read_metadata
from rtsod.model.table import FULL, LITE, TABLES, Block, check_table, lines_from_table, table_from_lines
from rtsod.model.table import table_from_toml as table_from_toml
from rtsod.system.files import json_from_text, output_error, replace_file

if TYPE_CHECKING:
    from rtsod.model.u2net import U2Net

Rgb: TypeAlias = tuple[float, float, float]

IMAGENET_MEAN: Final[Rgb] = (0.485, 0.456, 0.406)
"""Mean of ImageNet's pixels, RGB in [0, 1]: what the authors trained with."""
IMAGENET_DEVIATION: Final[Rgb] = (0.229, 0.224, 0.225)
"""Their standard deviation."""

KEY: Final = "rtsod"
"""Of the description among the file's metadata; its value is JSON."""
PRECISION_KEY: Final = "rtsod.precision"
"""Of an exported ONNX file's precision: only float32 is weights again."""
VERSION: Final = 1
"""Increased whenever an older program could not read the description, or would read it wrong."""
MAX_CHARACTERS: Final = 100_000
"""Of a description; one has about 1000. More is not parsed."""
_DEVIATIONS: Final = (0.001, 1.0)
"""Smallest and largest deviation. Pixels from 0 to 1 deviate by .5 at most; 1/255 undoes the scaling to 0..1."""


@dataclass(frozen=True, slots=True)
class Description:
    """What one must know to run weights, besides the weights.

    Raises:
        ValueError: a value is out of range, or the table makes no network; the message names the fix.
    """

    name: str
    """For people and for file names: see :func:`rtsod.config.is_model_name` and :func:`name_from`.
    ``full``, ``lite`` and ``tiny`` are taken by these tables."""
    table: tuple[Block, ...]
    """The eleven blocks, En_1 to De_1."""
    mean: Rgb
    """Subtracted from pixels, RGB in [0, 1]."""
    deviation: Rgb
    """What they are divided by then."""
    fit: Fit
    """How training pictures were made square."""
    size: int
    """Side, in pixels, that training pictures were scaled to before any random crop: the best input size. A multiple
    of 32, 64 to 1024."""

    def __post_init__(self) -> None:
        if not is_model_name(self.name):
            raise ValueError(f"name: must be {MODEL_NAME_RULE}")
        check_table(self.table)
        if self.name in TABLES and self.table != TABLES[self.name]:
            raise ValueError(f"name {self.name}: is taken by another table: choose another name")
        if not all(0 <= value <= 1 for value in self.mean) or len(self.mean) != 3:
            raise ValueError("mean: must be three numbers from 0 to 1, for red, green and blue")
        low, high = _DEVIATIONS
        if not all(low <= value <= high for value in self.deviation) or len(self.deviation) != 3:
            raise ValueError(f"deviation: must be three numbers from {low:g} to {high:g}, for red, green and blue")
        if self.fit not in FITS:
            raise ValueError(f"fit {self.fit}: choose from {', '.join(FITS)}")
        low_size, high_size = INPUT_SIZE_RANGE
        if not low_size <= self.size <= high_size or self.size % INPUT_SIZE_STEP:
            raise ValueError(
                f"size {self.size}: must be a multiple of {INPUT_SIZE_STEP} from {low_size} to {high_size} pixels"
            )

    @property
    def fitting(self) -> Fitting:
        """How pictures are made square: :attr:`fit`, with bars of the mean colour.

        Normalised, the mean is 0, which is also what the convolutions see beyond the border; black would be content.
        """
        red, green, blue = (round(255 * value) for value in self.mean)
        return Fitting(self.fit, (blue, green, red))

    def to_metadata(self) -> dict[str, str]:
        """As metadata of a safetensors or ONNX file; the same description always gives the same text."""
        content = {
            "version": VERSION,
            "name": self.name,
            "size": self.size,
            "fit": self.fit,
            "mean": list(self.mean),
            "deviation": list(self.deviation),
            "table": lines_from_table(self.table),
        }
        return {KEY: json.dumps(content)}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Self | None:
        """Read what :meth:`to_metadata` wrote; other keys are left alone.

        Returns:
            None if the metadata holds no description.

        Raises:
            ValueError: the description is damaged, or of a newer version.
        """
        text = metadata.get(KEY)
        if text is None:
            return None
        if len(text) > MAX_CHARACTERS:
            raise ValueError("is too long")
        content = json_from_text(text)
        if not isinstance(content, dict) or type(content.get("version")) is not int:
            raise ValueError("is none")
        if content["version"] != VERSION:
            raise ValueError(f"is of version {content['version']}, and this program reads version {VERSION}")
        for key, kind in (("name", str), ("size", int), ("fit", str), ("mean", list), ("deviation", list)):
            if type(content.get(key)) is not kind:
                raise ValueError(f"has no valid {key}")
        if not isinstance(content.get("table"), dict):
            raise ValueError("has no valid table")
        return cls(
            content["name"],
            table_from_lines(content["table"]),
            _three("mean", content["mean"]),
            _three("deviation", content["deviation"]),
            content["fit"],
            content["size"],
        )


def _three(what: str, numbers: list[Any]) -> Rgb:
    if len(numbers) != 3 or not all(type(number) in (int, float) and math.isfinite(number) for number in numbers):
        raise ValueError(f"{what}: must be three numbers, for red, green and blue")
    red, green, blue = map(float, numbers)
    return red, green, blue


PUBLISHED_DESCRIPTIONS: Final[dict[ModelName, Description]] = {
    "full": Description("full", FULL, IMAGENET_MEAN, IMAGENET_DEVIATION, "stretch", AUTHORS_SIZE),
    "lite": Description("lite", LITE, IMAGENET_MEAN, IMAGENET_DEVIATION, "stretch", AUTHORS_SIZE),
}
"""What the authors' weights would say, and what files that say nothing are taken to mean."""


def pixel_range(mean: Rgb, deviation: Rgb) -> tuple[float, float]:
    """The smallest and the largest value of a normalised pixel, over the three colours."""
    low = min(-each / scale for each, scale in zip(mean, deviation, strict=True))
    high = max((1 - each) / scale for each, scale in zip(mean, deviation, strict=True))
    return low, high


def name_from(text: str) -> str:
    """A valid name that resembles a text, for example that of a folder."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).lstrip("._-")[:64] or "network"
    return f"my-{name}" if name in TABLES else name


def _safetensors_metadata(path: Path) -> dict[str, str]:
    import safetensors  # late: the authors' weights need it not

    with safetensors.safe_open(path, framework="np") as file:
        return file.metadata() or {}


_READERS: Final = {".safetensors": _safetensors_metadata, ".onnx": read_metadata}
_KINDS: Final = {".safetensors": "a safetensors file", ".onnx": "an ONNX model"}


def describe(path: Path) -> Description | None:
    """What a file of weights says of itself. Reads its header alone.

    Returns:
        None if it says nothing, as the authors' files and PyTorch's checkpoints do.

    Raises:
        WeightsError: it cannot be read, or its description is damaged.
    """
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        return None
    try:
        if path.exists() and not path.is_file():  # reading a pipe would never end
            raise WeightsError(f"{path}: is not a file")
        metadata = _READERS[suffix](path)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror or error}") from error
    except WeightsError:
        raise
    except Exception as error:  # SafetensorError is not public in all versions
        raise WeightsError(f"{path}: not {_KINDS[suffix]}, or damaged") from error
    try:
        return Description.from_metadata(metadata)
    except ValueError as error:
        raise WeightsError(f"{path}: its description is damaged: {' '.join(str(error).split())}") from error


def save_weights(path: Path, network: U2Net, description: Description, *, half: bool = False) -> None:
    """Write weights with their description: atomically, and on the disk when this returns.

    The keys are the authors' own (``stage1.rebnconvin.conv_s1.weight``), so that other programs read the file too. The
    same weights and description always give the same bytes.

    Args:
        path: ``.safetensors``, in a folder that exists.
        network: of the description's table, on any device; batch norm folded or not. Stored as float32.
        description: of these weights.
        half: store the kernels of convolutions in half precision: three digits, half the room. Whoever reads them
            computes in float32, with the rounded values.

    Raises:
        ValueError: the network is not of the description's table.
        OutputError: the file cannot be written; an older one is unchanged.
    """
    import torch  # late: describing weights must not wait for it
    from safetensors.torch import save

    from rtsod.model.u2net import U2Net, fold_structure

    def stored_as(value: torch.Tensor) -> torch.dtype:
        if not value.is_floating_point():
            return value.dtype
        return torch.float16 if half and value.ndim > 1 else torch.float32

    with torch.device("meta"):
        expected = U2Net(description.table)
    tensors = {
        key: value.detach().to("cpu", stored_as(value)).contiguous() for key, value in network.state_dict().items()
    }
    if not any(".bn_s1." in key for key in tensors):
        fold_structure(expected)
    if {key: value.shape for key, value in tensors.items()} != {k: v.shape for k, v in expected.state_dict().items()}:
        raise ValueError("the network is not of the description's table")
    try:
        replace_file(path, save(tensors, description.to_metadata()), durable=True)
    except OSError as error:
        raise output_error(path, error) from error
