"""The configuration of a run: frozen dataclasses that validate themselves when they are created.

:class:`AppConfig` describes a whole run and is made of one part per stage. Invalid values raise
:class:`~rtsod.errors.UsageError`, whose message names the command-line option. Every default stands here and nowhere
else; the command line only fills these classes. A network size that does not fit is rounded, with a warning in the log.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from operator import index
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

from rtsod.errors import UsageError

_log = logging.getLogger(__name__)

ModelName: TypeAlias = Literal["full", "lite"]
"""The authors' networks by name."""
EngineName: TypeAlias = Literal["auto", "openvino", "torch", "tensorrt", "onnxruntime"]
"""The library that runs the network; ``auto`` chooses the fastest one that is installed and works."""
Precision: TypeAlias = Literal["auto", "fp32", "fp16", "bf16", "int8"]
"""Number format of the network's computation; ``auto`` may trade a little accuracy for speed."""
Quality: TypeAlias = Literal["auto", "fixed"]
"""Whether the quality of live masks may be lowered until they keep up."""
Sync: TypeAlias = Literal["auto", "locked", "tracked"]
"""Whether a frame waits for its own mask, or is shown at once with the newest mask propagated to it."""
RefineName: TypeAlias = Literal["auto", "off", "fast", "best"]
"""How the edges of masks are made: enlarged as they are, or following the picture."""
PipeFormat: TypeAlias = Literal["nut", "y4m", "rgba"]
"""How pictures are written to standard output."""
Fit: TypeAlias = Literal["stretch", "pad", "crop"]
"""How a picture becomes the network's square input: squeezed, as the authors do; with bars; or its central square."""

PIPE_FORMATS: Final[tuple[PipeFormat, ...]] = get_args(PipeFormat)
PUBLISH_SCHEMES: Final = ("rtmp", "rtsp", "srt")
"""Where a live stream can be published."""
MODELS: Final[tuple[str, ...]] = get_args(ModelName)
"""The authors' networks. ``--model`` also takes the names of models that are stored: see ``is_model_name``."""
ENGINES: Final[tuple[str, ...]] = get_args(EngineName)
PRECISIONS: Final[tuple[str, ...]] = get_args(Precision)
QUALITIES: Final[tuple[str, ...]] = get_args(Quality)
SYNCS: Final[tuple[str, ...]] = get_args(Sync)
REFINES: Final[tuple[str, ...]] = get_args(RefineName)
FITS: Final[tuple[str, ...]] = get_args(Fit)

RESERVED_NAMES: Final = frozenset({*MODELS, "tiny", "both", "none", "auto"})
"""What models of your own cannot be called: networks that come with the program, and words that options take."""
MODEL_NAME_RULE: Final = "1 to 64 letters, digits, dots, dashes and underscores, beginning with a letter or a digit"
"""The form of a model's name, for messages. Names become parts of file names, and must not be mistaken for options."""
WEIGHTS_SUFFIXES: Final = (".pth", ".pt", ".safetensors", ".onnx")
"""Of files of weights."""
ONNXRUNTIME_DEVICES: Final = ("coreml", "directml", "tensorrt", "webgpu")
"""Devices that only ONNX Runtime has: each is one of its execution providers."""
DEVICES: Final = ("auto", "cpu", "cuda", "cuda:N", "gpu", "npu", *ONNXRUNTIME_DEVICES)
"""What ``--device`` takes, for messages; N is a CUDA device's index."""
AUTHORS_SIZE: Final = 320
"""Side, in pixels, that the authors scaled their training pictures to: the input size of their networks."""
INPUT_SIZE_RANGE: Final = (64, 1024)
"""Smallest and largest side of the network's square input, in pixels. Below 64 the pooling layers leave nothing at the
bottom of the blocks; above 1024 a CPU needs seconds per mask."""
INPUT_SIZE_STEP: Final = 32
"""The network's input is a multiple of this. Five poolings, one after another, halve each side and round up what is
odd. From other sizes come maps that are too large for what they show, and the decoder lays them over one another."""
MIN_FP16_INPUT_SIZE: Final = 128
"""Smallest side of the network's input, in pixels, at which TensorRT's fp16 graph is accurate enough.

Every exported graph must reach a mask IoU of .995 against float32. With the authors' lite weights the IoU is .940 at
64 pixels, .990 at 96, and .999 at 128."""
MIN_INT8_INPUT_SIZE: Final = 192
"""The same for the int8 graph; for messages, since calibrations differ. With the authors' weights the IoU at 128 pixels
is .972 (full) and .993 (lite), and at 192 it is .999 and .995."""
MIN_FRAME_SIDE: Final = 16
"""Smallest side of a camera's or the drawn scene's frame, in pixels."""
MAX_FRAME_SIDE: Final = 16384
"""Largest side of a video's frame, in pixels."""
MAX_FRAME_PIXELS: Final = 100_000_000
"""Largest area of a video's frame, in pixels."""
MAX_STILL_SIDE: Final = 32767
"""Largest side of a photograph, in pixels: OpenCV counts in 16 bits. A larger one is refused before it is decoded."""
MAX_STILL_PIXELS: Final = 250_000_000
"""Largest area of a photograph, in pixels. Phones take 200 megapixels. A larger one is refused before it is decoded."""
MAX_CAMERA_FPS: Final = 240
"""Highest frame rate that may be requested from a camera or the drawn scene, in frames per second."""
MAX_TARGET_FPS: Final = 1000
"""Highest mask rate that may be asked for, in masks per second."""
DEFAULT_CONTROL_PORT: Final = 8737
"""Of the control page, so that a bookmark or OBS finds it again."""
MAX_PORT: Final = 65535
_CONTROL_ADDRESS: Final = re.compile(r"((127\.0\.0\.1|localhost|\[::1\]):)?[0-9]{1,5}", re.ASCII)
_MODEL_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_DEVICE: Final = re.compile(rf"auto|cpu|gpu|npu|cuda(:\d{{1,2}})?|{'|'.join(ONNXRUNTIME_DEVICES)}")


def _check_names(option: str, *names: str | Path | None) -> None:
    for name in names:
        if name is not None and "\0" in str(name):
            raise UsageError(f"{option} {str(name)!r}: is not a name: it holds a zero byte")


def is_model_name(text: object) -> bool:
    """Whether something has the form of a model's name: see ``MODEL_NAME_RULE``."""
    return isinstance(text, str) and _MODEL_NAME.fullmatch(text) is not None


def names_model(text: str) -> bool:
    """Whether a text that may be either means a model by its name, and not a file of weights."""
    return is_model_name(text) and not text.lower().endswith(WEIGHTS_SUFFIXES)


def names_picture(background: str) -> bool:
    """Whether a value of ``--bg`` names a picture or a video, rather than a colour or a way to treat the frame."""
    treats = background.partition(":")[0] == "blur" or background in ("transparent", "none")
    return not treats and not background.startswith("#")


def check_choice(option: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a value that is not among an option's choices.

    Raises:
        UsageError: it is not.
    """
    if value not in choices:
        raise UsageError(f"{option} {value}: choose from {', '.join(choices)}")


def _fitting_size(option: str, size: int) -> int:
    """The nearest size that fits the network's poolings; the larger one half way between two."""
    low, high = INPUT_SIZE_RANGE
    try:
        size = index(size)
    except TypeError:
        raise UsageError(f"{option} {size!r}: must be a whole number of pixels") from None
    if not low <= size <= high:
        raise UsageError(f"{option} {size}: must be {low} to {high} pixels")
    fitting = (size + INPUT_SIZE_STEP // 2) // INPUT_SIZE_STEP * INPUT_SIZE_STEP
    if fitting != size:
        _log.warning(
            "%s %d: the network runs at %d, the nearest multiple of %d", option, size, fitting, INPUT_SIZE_STEP
        )
    return fitting


def _check_seconds(option: str, seconds: float | None) -> None:
    if seconds is not None and not 0 < seconds < inf:
        raise UsageError(f"{option} {seconds:g}: must be more than 0 seconds, and finite")


DEFAULT_MODEL: Final[ModelName] = "full"
"""The network that runs unless another is asked for, or your weights say that they are of another."""
DEFAULT_FPS: Final = 30
"""Frames per second of a camera or of the drawn scene, unless another rate is requested."""


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """Where frames come from."""

    spec: str = "auto"
    """A camera's index, path (``/dev/videoN``) or name, a video or image file, a folder of photographs, a URL,
    ``-`` for standard input (``live:-`` for the newest frames of it), ``demo`` for a short clip of a person, ``scene``
    for the drawn scene, or ``auto`` for a camera, or else ``demo``."""
    width: int = 1280
    """Pixels to request from a camera, or of the drawn scene. Files and the demo clip keep their own size."""
    height: int = 720
    """Pixels; see ``width``."""
    fps: int | None = None
    """Frames per second to request from a camera, or of the drawn scene; see ``live_fps`` for the default. Photographs
    are written to a video at this rate; None shows each for a second. Videos keep their own rate, if they
    state one."""
    seed: int = 0
    """Seed of the drawn scene; 0 or more."""

    def __post_init__(self) -> None:
        if not self.spec:
            raise UsageError("--source is empty: give a camera index, a file, a folder, a URL, 'demo' or 'auto'")
        size = f"{self.width}x{self.height}"
        if not all(MIN_FRAME_SIDE <= side <= MAX_FRAME_SIDE for side in (self.width, self.height)):
            raise UsageError(f"--size {size}: each side must be {MIN_FRAME_SIDE} to {MAX_FRAME_SIDE} pixels")
        if self.width * self.height > MAX_FRAME_PIXELS:
            raise UsageError(f"--size {size}: must be at most {MAX_FRAME_PIXELS // 1_000_000} megapixels")
        if self.seed < 0:
            raise UsageError(f"--seed {self.seed}: must be 0 or more")
        if self.fps is not None and not 1 <= self.fps <= MAX_CAMERA_FPS:
            raise UsageError(f"--fps {self.fps}: must be 1 to {MAX_CAMERA_FPS}")

    @property
    def live_fps(self) -> int:
        """Frames per second of a camera or of the drawn scene: ``fps``, or else ``DEFAULT_FPS``."""
        return DEFAULT_FPS if self.fps is None else self.fps


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Which network runs, and on what."""

    model: str | None = None
    """``full`` is finer, ``lite`` is faster; or the name of a model that ships with the program or is your own, which
    is looked for when the weights are. None: what ``weights`` say of themselves, or else ``full``."""
    engine: EngineName = "auto"
    """The inference engine; ``auto`` chooses the fastest one that is installed and works."""
    precision: Precision = "auto"
    """Number format of the computation. ``fp32`` gives the authors' own maps; ``auto`` may trade a little accuracy for
    speed."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N`` (NVIDIA), ``gpu`` or ``npu`` (Intel, with OpenVINO), ``coreml``,
    ``directml``, ``tensorrt`` or ``webgpu`` (with ONNX Runtime)."""
    input_size: int | None = None
    """Side of the network's square input, in pixels. None is the size that the weights were trained at: 320 for the
    authors', a model's own for others. Smaller is faster and coarser. A size that is not a multiple of 32 is rounded to
    one."""
    weights: Path | None = None
    """Your own weights file; None downloads the authors' weights once and caches them."""
    threads: int | None = None
    """Threads for inference on a CPU; None is one for each core. Not an option: the program decides it."""

    def __post_init__(self) -> None:
        if self.model is not None and not is_model_name(self.model):
            raise UsageError(f"--model {self.model!r}: is not a name: give {MODEL_NAME_RULE}")
        if self.weights is not None and self.model not in (None, *MODELS):
            raise UsageError(f"--model {self.model}: has weights of its own: drop one of --model and --weights")
        check_choice("--engine", self.engine, ENGINES)
        check_choice("--precision", self.precision, PRECISIONS)
        _check_names("--weights", self.weights)
        if not isinstance(self.device, str) or not _DEVICE.fullmatch(self.device):
            raise UsageError(f"--device {self.device}: choose from {', '.join(DEVICES)}")
        if self.input_size is not None:
            object.__setattr__(self, "input_size", _fitting_size("--input-size", self.input_size))
        if self.precision == "int8" and self.engine == "onnxruntime":
            raise UsageError(
                "--precision int8: is slower than fp32 in ONNX Runtime: use --precision fp32, or --engine openvino or "
                "tensorrt"
            )
        if self.precision == "int8" and self.engine == "torch":
            raise UsageError("--precision int8: PyTorch has no 8-bit convolutions: use --engine openvino or tensorrt")
        if self.engine == "tensorrt" and self.fp16_size_error is not None:
            raise UsageError(f"--input-size {self.input_size}: {self.fp16_size_error}")

    @property
    def side(self) -> int:
        """:attr:`input_size` where it is decided: see :func:`rtsod.model.weights.with_size`.

        Raises:
            ValueError: it is not.
        """
        if self.input_size is None:
            raise ValueError("input_size: is not decided")
        return self.input_size

    @property
    def fp16_size_error(self) -> str | None:
        """Why TensorRT cannot run this input size accurately, and what to do about it; None if it can.

        TensorRT's graph is in fp16 unless another precision is asked for. A size that is not decided may do.
        """
        if self.precision not in ("auto", "fp16") or self.input_size is None or self.input_size >= MIN_FP16_INPUT_SIZE:
            return None
        return (
            f"below {MIN_FP16_INPUT_SIZE} pixels the fp16 graph is not accurate enough: "
            f"use --input-size {MIN_FP16_INPUT_SIZE}, or --precision fp32"
        )


@dataclass(frozen=True, slots=True)
class QualityConfig:
    """How much quality may be traded for speed."""

    quality: Quality = "auto"
    """``auto`` lowers the quality of live masks step by step until they keep up, and raises it again when there is
    time. ``fixed`` never changes it. Files always use ``fixed``."""
    region: Literal["auto", "off"] | int = "auto"
    """Side, in pixels, of the square at which the network sees the subject's region (its ROI) instead of the full
    frame; rounded like ``EngineConfig.input_size``. ``auto`` uses a region if the full frame is too slow; ``off`` never
    does."""
    target_fps: float | None = None
    """Masks per second to reach. None: for live input the camera's frame rate, for files as many as possible."""

    def __post_init__(self) -> None:
        check_choice("--quality", self.quality, QUALITIES)
        if isinstance(self.region, int):
            object.__setattr__(self, "region", _fitting_size("--region", self.region))
            if self.target_fps is not None:
                raise UsageError(
                    f"--region {self.region}: --target-fps chooses the region's size itself: drop one of the two"
                )
        elif self.region not in ("auto", "off"):
            low, high = INPUT_SIZE_RANGE
            raise UsageError(f"--region {self.region}: choose from auto, off, or {low} to {high} pixels")
        if self.target_fps is not None and not 0 < self.target_fps <= MAX_TARGET_FPS:
            raise UsageError(f"--target-fps {self.target_fps:g}: must be more than 0 and at most {MAX_TARGET_FPS}")


@dataclass(frozen=True, slots=True)
class PictureConfig:
    """What the output looks like."""

    backgrounds: tuple[str, ...] = ("blur",)
    """Image or video files, names of bundled backgrounds, ``blur``, ``blur:SIGMA``, ``#RRGGBB``, ``transparent``, or
    ``none`` (the camera's own background). The first one is shown; the ``b`` key switches to the next."""
    mirror: bool = False
    """Mirror the camera's picture, but not the background."""
    refine: RefineName = "auto"
    """How edges are made. ``off`` enlarges the network's map, as the authors do; ``fast`` and ``best`` let edges follow
    the picture. ``auto`` is ``fast`` for streams and ``off`` for photographs."""
    light_wrap: bool = False
    """Let light from the new background fall on the subject's edge."""
    steady: bool = True
    """Stabilize the masks of a stream where the picture is static, and remove what is not the subject."""
    subject_lock: bool = False
    """Stay with the subject that was there first."""

    def __post_init__(self) -> None:
        check_choice("--refine", self.refine, REFINES)
        _check_names("--bg", *self.backgrounds)
        if self.light_wrap and not {*self.backgrounds} - {"transparent", "none"}:
            raise UsageError(
                f"--light-wrap: --bg {self.backgrounds[0]} gives no light: choose another background, or drop "
                "--light-wrap"
            )
        if self.subject_lock and not self.steady:
            raise UsageError("--subject-lock: needs stabilized masks: drop --no-steady")


@dataclass(frozen=True, slots=True)
class OutputConfig:
    """Where the result goes: any number of outputs at once."""

    preview: bool | None = None
    """True requires a window, False forbids one, None shows one if there is a display and no other output."""
    virtual_camera: str | None = None
    """The virtual camera's device, ``auto`` for the first free one, ``pipewire`` for one without a kernel module, None
    for no virtual camera."""
    on_demand: bool = False
    """Open the camera and run the network only while another program reads the virtual camera."""
    outputs: tuple[Path, ...] = ()
    """Video files (``.mp4``, ``.mkv``, ``.webm``, ``.mov``), or folders for PNG files."""
    mask_outputs: tuple[Path, ...] = ()
    """The same for the alpha alone."""
    pipe: PipeFormat | None = None
    """What to write to standard output, for another program: ``nut`` with time stamps and alpha, ``y4m`` with neither,
    ``rgba`` for nothing but pixels. None writes nothing there."""
    publish: tuple[str, ...] = ()
    """Addresses of servers that get a live stream of the pictures: ``rtmp``, ``rtsp`` or ``srt``. They may hold
    passwords and stream keys."""

    def __post_init__(self) -> None:
        if self.pipe is not None:
            check_choice("--output FORMAT:-: format", self.pipe, PIPE_FORMATS)
        for url in self.publish:
            scheme, separator, rest = url.partition("://")
            if scheme not in PUBLISH_SCHEMES or not separator or not rest:
                # Not the whole address, which may hold a password.
                raise UsageError(f"--output {scheme}://: give an address of {', '.join(PUBLISH_SCHEMES)}, or a path")
        _check_names("--output", *self.publish)
        _check_names("--output", *self.outputs)
        _check_names("--mask-output", *self.mask_outputs)
        _check_names("--virtual-camera", self.virtual_camera)
        if self.on_demand and self.virtual_camera is None:
            raise UsageError("--on-demand: waits for readers of the virtual camera: add --virtual-camera")
        if self.on_demand and self.virtual_camera == "pipewire":
            raise UsageError(
                "--on-demand: a PipeWire camera does not tell who reads it: drop --on-demand, or use v4l2loopback"
            )
        if self.on_demand and (self.preview or self.outputs or self.mask_outputs or self.pipe or self.publish):
            raise UsageError(
                "--on-demand: a window or a recording needs frames all the time: drop it, or drop --on-demand"
            )


@dataclass(frozen=True, slots=True)
class ControlConfig:
    """Whether the run can be changed from a page in a browser and by ``rtsod ctl``, from this machine alone."""

    address: str | None = None
    """``auto`` for ``127.0.0.1`` at the usual port, or another one if that is taken; ``ADDRESS:PORT`` or ``PORT``
    for exactly that; None for no server. Other addresses than this machine's own are refused."""
    open_page: bool = False
    """Open the page in a browser."""
    may_reveal: bool = False
    """Let the page and ``rtsod ctl`` show more of the room than what is shown at that moment."""

    def __post_init__(self) -> None:
        if self.address is None:
            for option, given in (("--open", self.open_page), ("--control-may-reveal", self.may_reveal)):
                if given:
                    raise UsageError(f"{option}: is about the control page: add --control")
        elif self.address != "auto" and _CONTROL_ADDRESS.fullmatch(self.address) is None:
            raise UsageError(
                f"--control {self.address}: must be a port, 127.0.0.1:PORT or [::1]:PORT: whoever reaches the page "
                "could change what others see; for another machine, forward the port with ssh -L"
            )
        elif self.port is not None and self.port > MAX_PORT:
            raise UsageError(f"--control {self.address}: the port must be 0 (any) to {MAX_PORT}")

    @property
    def host(self) -> str:
        """The address to listen at."""
        return "::1" if (self.address or "").startswith("[") else "127.0.0.1"

    @property
    def port(self) -> int | None:
        """The port to listen at, 0 for any; None for the usual one, or any if that is taken."""
        last = (self.address or "").rpartition(":")[2]
        return int(last) if last.isdigit() else None


@dataclass(frozen=True, slots=True)
class RunConfig:
    """How masks are synchronized with frames, how long the run lasts, and what it reports."""

    sync: Sync = "auto"
    """``locked`` shows each frame with its own mask. ``tracked`` shows each live frame at once, with the newest mask
    propagated to it; for a file, it tracks the frames between two masks. ``auto`` is ``locked`` if the network keeps up
    with the camera, else ``tracked``."""
    mask_interval: int = 1
    """Run the network on every Nth frame and track the subject in between. 1 runs it on every frame."""
    duration: float | None = None
    """Seconds of input after which the run stops; None for no limit."""
    max_frames: int | None = None
    """Captured frames after which the run stops; None for no limit."""
    max_mask_age: float | None = None
    """Seconds after its capture at which a live frame's mask is too old to be shown. None derives the limit from the
    engine's speed when the run starts."""
    stats: Path | None = None
    """JSON file for the run's statistics."""
    verbose: bool = False
    """Log details to stderr. Only the command line acts on it."""
    keep_learning: bool = False
    """Train a network of your own beside the run on what it does not know, and save it at the end."""

    def __post_init__(self) -> None:
        check_choice("--sync", self.sync, SYNCS)
        _check_names("--stats", self.stats)
        if self.mask_interval < 1:
            raise UsageError(f"--mask-every {self.mask_interval}: must be at least 1")
        if self.mask_interval > 1 and self.sync == "locked":
            raise UsageError(f"--mask-every {self.mask_interval}: tracks the frames between masks: drop --sync locked")
        _check_seconds("--duration", self.duration)
        if self.max_frames is not None and self.max_frames < 1:
            raise UsageError(f"--max-frames {self.max_frames}: must be at least 1")
        _check_seconds("--max-mask-age", self.max_mask_age)


@dataclass(frozen=True, slots=True)
class AppConfig:
    """A whole run, as :func:`rtsod.run` takes it."""

    source: SourceConfig = field(default_factory=SourceConfig)
    """Where frames come from: a camera, a file, a folder, an address, or the demo clip."""
    engine: EngineConfig = field(default_factory=EngineConfig)
    """Which network runs, and on what."""
    quality: QualityConfig = field(default_factory=QualityConfig)
    """How much quality may be traded for speed."""
    picture: PictureConfig = field(default_factory=PictureConfig)
    """What the output looks like: backgrounds, edges, light."""
    output: OutputConfig = field(default_factory=OutputConfig)
    """Where the result goes: a window, a virtual camera, files, a pipe, servers."""
    run: RunConfig = field(default_factory=RunConfig)
    """How masks are synchronized with frames, how long the run lasts, and what it reports."""
    control: ControlConfig = field(default_factory=ControlConfig)
    """Whether the run can be changed while it goes on."""

    def __post_init__(self) -> None:
        model = "weights" if self.engine.weights is not None else self.engine.model or DEFAULT_MODEL
        region, size = self.quality.region, self.engine.input_size
        if size is None and model in MODELS:  # of other weights it is known when they are read
            size = AUTHORS_SIZE
        if isinstance(region, int) and size is not None and region >= size:
            raise UsageError(f"--region {region}: must be less than the full frame's {size} pixels (--input-size)")
        if self.run.keep_learning and (self.engine.weights is not None or model.lower() in RESERVED_NAMES):
            named = "--weights" if self.engine.weights is not None else f"--model {model}"
            raise UsageError(
                f"--keep-learning: {named} is not a network of your own: make one with rtsod learn, then run it with "
                "--model me"
            )
