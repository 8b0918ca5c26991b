"""What a run is asked to do. Frozen, validated once; the command line only fills these.

Each default is written here and nowhere else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

from rtsod.errors import UsageError

ModelName: TypeAlias = Literal["full", "lite"]
EngineName: TypeAlias = Literal["auto", "openvino", "torch", "tensorrt"]
Precision: TypeAlias = Literal["auto", "fp32", "fp16", "bf16", "int8"]
Quality: TypeAlias = Literal["auto", "fixed"]
Sync: TypeAlias = Literal["auto", "locked", "tracked"]
RefineName: TypeAlias = Literal["auto", "off", "fast", "best"]

MODELS: Final[tuple[str, ...]] = get_args(ModelName)
ENGINES: Final[tuple[str, ...]] = get_args(EngineName)
PRECISIONS: Final[tuple[str, ...]] = get_args(Precision)
QUALITIES: Final[tuple[str, ...]] = get_args(Quality)
SYNCS: Final[tuple[str, ...]] = get_args(Sync)
REFINES: Final[tuple[str, ...]] = get_args(RefineName)

INPUT_SIZE_RANGE: Final = (64, 1024)
"""Pixels. Below 64 the poolings leave nothing at the bottom of the blocks; above 1024 a CPU needs seconds."""
LEAST_HALF_SIZE: Final = 128
"""Pixels: the smallest input at which TensorRT's graph in half precision is the network still, by the check that every
export passes. With the authors' lite weights masks overlap by .940 at 64, .990 at 96, .999 at 128, where .995 is
demanded."""
MAX_FRAME_SIDE: Final = 16384
"""Pixels. A picture with a longer side, or with more than ``MAX_FRAME_PIXELS``, is refused before it is decoded."""
MAX_FRAME_PIXELS: Final = 100_000_000
_DEVICE: Final = re.compile(r"auto|cpu|gpu|npu|cuda(:\d{1,2})?")


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """Where frames come from, and what a camera is asked for.

    ``spec`` is ``auto``, ``demo``, a camera index, ``/dev/videoN``, a file, a folder of stills, or a URL.
    """

    spec: str = "auto"
    width: int = 1280
    """Asked of a camera and of the demo scene; files have their own size."""
    height: int = 720
    fps: int = 30
    seed: int = 0
    """Of the demo scene."""

    def __post_init__(self) -> None:
        if not self.spec:
            raise UsageError("--source is empty: give a camera index, a file, a folder, a URL, 'demo' or 'auto'")
        if not (16 <= self.width <= MAX_FRAME_SIDE and 16 <= self.height <= MAX_FRAME_SIDE):
            raise UsageError(f"--size {self.width}x{self.height}: each side must be 16 to {MAX_FRAME_SIDE} pixels")
        if self.width * self.height > MAX_FRAME_PIXELS:
            raise UsageError(f"--size {self.width}x{self.height}: more than {MAX_FRAME_PIXELS // 1_000_000} megapixels")
        if self.seed < 0:
            raise UsageError(f"--seed {self.seed}: must be 0 or more")
        if not 1 <= self.fps <= 240:
            raise UsageError(f"--fps {self.fps}: must be 1 to 240")


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Which network runs, on what."""

    model: ModelName = "full"
    engine: EngineName = "auto"
    precision: Precision = "auto"
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda``, ``cuda:N`` (torch), ``gpu``, ``npu`` (Intel's, openvino)."""
    input_size: int = 320
    """The paper's. Smaller is faster and coarser."""
    weights: Path | None = None
    """A file of the user's; None fetches the authors' once and keeps them."""

    def __post_init__(self) -> None:
        for option, value, known in (
            ("--model", self.model, MODELS),
            ("--engine", self.engine, ENGINES),
            ("--precision", self.precision, PRECISIONS),
        ):
            if value not in known:
                raise UsageError(f"{option} {value}: is none of {', '.join(known)}")
        if not _DEVICE.fullmatch(self.device):
            raise UsageError(f"--device {self.device}: is none of auto, cpu, cuda, cuda:N, gpu, npu")
        low, high = INPUT_SIZE_RANGE
        if not low <= self.input_size <= high:
            raise UsageError(f"--input-size {self.input_size}: must be {low} to {high} pixels")
        if self.precision == "int8" and self.engine == "torch":
            raise UsageError("--precision int8: PyTorch has no 8-bit convolutions: use --engine openvino or tensorrt")
        if self.engine == "tensorrt" and self.too_small_for_half is not None:
            raise UsageError(f"--input-size {self.input_size}: {self.too_small_for_half}")

    @property
    def too_small_for_half(self) -> str | None:
        """Why TensorRT cannot run this faithfully, and what can be done; None where it can.

        Its graph is in half precision unless asked otherwise.
        """
        if self.precision not in ("auto", "fp16") or self.input_size >= LEAST_HALF_SIZE:
            return None
        return (
            f"below {LEAST_HALF_SIZE} pixels TensorRT's graph in fp16 is not faithful: "
            f"--input-size {LEAST_HALF_SIZE}, or --precision fp32"
        )


@dataclass(frozen=True, slots=True)
class QualityConfig:
    """What may be given up for speed."""

    quality: Quality = "auto"
    """``auto``: with live input, as much as the machine asks for, step by step; ``fixed``: masks are made in one way
    throughout, as they always are for files."""
    region: Literal["auto", "off"] | int = "auto"
    """Pixels, squared, at which the network sees the subject's region instead of the whole frame; ``auto``: where the
    whole frame does not keep up; ``off``: never."""
    target_fps: float | None = None
    """Masks per second to make; None: live, as many as the camera gives frames, for files as many as it makes."""

    def __post_init__(self) -> None:
        if self.quality not in QUALITIES:
            raise UsageError(f"--quality {self.quality}: is none of {', '.join(QUALITIES)}")
        if isinstance(self.region, int):
            low, high = INPUT_SIZE_RANGE
            if not low <= self.region <= high:
                raise UsageError(f"--region {self.region}: must be {low} to {high} pixels, auto or off")
            if self.target_fps is not None:
                raise UsageError(f"--region {self.region}: --target-fps chooses the size: leave one of them out")
        elif self.region not in ("auto", "off"):
            raise UsageError(f"--region {self.region}: is no number of pixels, nor auto or off")
        if self.target_fps is not None and not 0 < self.target_fps <= 1000:
            raise UsageError(f"--target-fps {self.target_fps:g}: must be more than 0 and at most 1000")


@dataclass(frozen=True, slots=True)
class PictureConfig:
    """What the output looks like."""

    backgrounds: tuple[str, ...] = ("blur",)
    """Files, ``blur``, ``blur:SIGMA``, ``#RRGGBB``, ``transparent``, ``none``; the first is shown, ``b`` cycles."""
    mirror: bool = False
    refine: RefineName = "auto"
    """How the map gets its edges: ``off`` scales it as the authors do, ``fast`` and ``best`` let the picture guide it;
    ``auto`` is ``fast`` for streams, and ``off`` for photographs, whose masks are the authors'."""
    light_wrap: bool = False
    """A little of the new background's light on the subject's rim."""
    steady: bool = True
    """Masks of a stream are held still where the picture is still, and what is no subject is left out."""
    subject_lock: bool = False
    """Keep to the subject that was there first."""

    def __post_init__(self) -> None:
        if self.refine not in REFINES:
            raise UsageError(f"--refine {self.refine}: is none of {', '.join(REFINES)}")
        if self.light_wrap and not {*self.backgrounds} - {"transparent", "none"}:
            raise UsageError(
                f"--light-wrap: --bg {self.backgrounds[0]} has no light of its own: choose another, or leave it out"
            )
        if self.subject_lock and not self.steady:
            raise UsageError("--subject-lock: follows one subject from mask to mask: leave --no-steady out")


@dataclass(frozen=True, slots=True)
class OutputConfig:
    """Where pictures go. Any number at once."""

    preview: bool | None = None
    """True: must; False: must not; None: when there is a display and nothing else was asked for."""
    virtual_camera: str | None = None
    """A device, ``auto`` for the first free one, None for none."""
    on_demand: bool = False
    """The camera is open, and the network runs, only while another program reads the virtual camera."""
    outputs: tuple[Path, ...] = ()
    """Video files (.mp4 .mkv .webm .mov) or folders for PNGs."""
    mask_outputs: tuple[Path, ...] = ()
    """The same, for the alpha alone."""

    def __post_init__(self) -> None:
        if self.on_demand and self.virtual_camera is None:
            raise UsageError("--on-demand: it is the virtual camera's readers that ask: add --virtual-camera")
        if self.on_demand and (self.preview or self.outputs or self.mask_outputs):
            raise UsageError("--on-demand: a window or a recording always wants pictures: leave one of them out")


@dataclass(frozen=True, slots=True)
class RunConfig:
    """How long a run lasts, how it is kept in step, and what is reported."""

    sync: Sync = "auto"
    """``locked``: each mask with the very frame it was computed from. ``tracked``: live, every frame with the newest
    mask carried to it; a file, the frames between every ``mask_every``-th. ``auto``: what keeps up."""
    mask_interval: int = 1
    """Frames; more than 1 infers only every so many-th and tracks between them."""
    duration: float | None = None
    """Seconds of input time, None for no bound."""
    max_frames: int | None = None
    """Frames captured, None for no bound."""
    max_mask_age: float | None = None
    """Seconds from capture to compositing after which a live mask counts as too old; None derives it from the
    engine's speed at start."""
    stats: Path | None = None
    verbose: bool = False

    def __post_init__(self) -> None:
        if self.sync not in SYNCS:
            raise UsageError(f"--sync {self.sync}: is none of {', '.join(SYNCS)}")
        if self.mask_interval < 1:
            raise UsageError(f"--mask-every {self.mask_interval}: must be at least 1")
        if self.mask_interval > 1 and self.sync == "locked":
            raise UsageError(
                f"--mask-every {self.mask_interval}: frames between masks are tracked: leave --sync locked out"
            )
        if self.duration is not None and not 0 < self.duration < float("inf"):
            raise UsageError(f"--duration {self.duration:g}: must be more than 0 seconds, and finite")
        if self.max_frames is not None and self.max_frames < 1:
            raise UsageError(f"--max-frames {self.max_frames}: must be at least 1")
        if self.max_mask_age is not None and not 0 < self.max_mask_age < float("inf"):
            raise UsageError(f"--max-mask-age {self.max_mask_age:g}: must be more than 0 seconds, and finite")


@dataclass(frozen=True, slots=True)
class AppConfig:
    """One whole run."""

    source: SourceConfig = field(default_factory=SourceConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)
    quality: QualityConfig = field(default_factory=QualityConfig)
    picture: PictureConfig = field(default_factory=PictureConfig)
    output: OutputConfig = field(default_factory=OutputConfig)
    run: RunConfig = field(default_factory=RunConfig)

    def __post_init__(self) -> None:
        region, size = self.quality.region, self.engine.input_size
        if isinstance(region, int) and region >= size:
            raise UsageError(f"--region {region}: must be less than the whole frame's {size} pixels (--input-size)")
