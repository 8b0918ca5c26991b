"""``python -m rtsod.export``: the network as a typed, checked ONNX file."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rtsod.cli.common import Parser, answer, run_command
from rtsod.config import LEAST_HALF_SIZE, MODELS, EngineConfig
from rtsod.errors import UsageError
from rtsod.progress import Notify
from rtsod.system.files import check_writable, file_to_write, write_bytes
from rtsod.system.signals import leave

_PROGRAM: Final = "rtsod.export"

_EXAMPLES: Final = f"""\
examples:
  python -m rtsod.export --model lite                       lite-320-fp16.onnx
  python -m rtsod.export --model full --precision fp32 --output u2net.onnx
  python -m rtsod.export --model lite --images photographs  checked on your own pictures

The graph takes uint8 (1, S, S, 3) BGR and gives float32 (1, 1, S, S) saliency in [0, 1]; normalisation and sigmoid are
inside. It is compared with PyTorch on the spot and not written if it misses (fp32: mean error 1e-4; fp16: 2e-3; int8:
4e-3; mask IoU .995). The authors' weights pass in fp16 from {LEAST_HALF_SIZE} pixels on; smaller ones are for fp32.
Exit codes: 0 done, 2 wrong usage, 4 weights, 5 export or check failed, 6 cannot be written, 70 internal error,
129, 130, 143 ended by SIGHUP, Ctrl-C, SIGTERM.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    return run_command(_PROGRAM, lambda _: _export(_parser().parse_args(arguments)))


def _parser() -> Parser:
    parser = Parser(
        "python -m rtsod.export", None, __doc__, _EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=MODELS, default="full")
    parser.add_argument("--precision", choices=("fp16", "int8", "fp32"), default="fp16")
    parser.add_argument("--input-size", type=int, default=EngineConfig().input_size, metavar="S")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="your own; without it the authors' are fetched")
    parser.add_argument("--images", type=Path, metavar="FOLDER", help="pictures to compare on instead of the bundled")
    parser.add_argument("--output", type=file_to_write, metavar="FILE", help="default: MODEL-S-PRECISION.onnx here")
    return parser


def _export(options: argparse.Namespace) -> None:
    from rich.console import Console  # late, as below: a mistyped option needs none of them

    config = EngineConfig(
        options.model, "tensorrt", options.precision, input_size=options.input_size, weights=options.weights
    )
    output: Path = options.output or Path(f"{config.model}-{config.input_size}-{options.precision}.onnx")
    check_writable("--output", output)
    if options.weights is not None and output.exists() and output.samefile(options.weights):
        raise UsageError(f"--output {output}: would overwrite the weights it is made from")
    with Console(stderr=True).status("reading the weights") as status:
        done = _export_to(output, config, options.images, status.update)
    answer(done)


def _export_to(output: Path, config: EngineConfig, images: Path | None, notify: Notify) -> str:
    from rtsod.export.checked import export_checked, export_precision
    from rtsod.export.parity import pictures_in
    from rtsod.model.weights import resolve

    pictures = None if images is None else pictures_in(images, config.input_size)
    weights = resolve(config, lambda done, total: notify(f"fetching the weights, {done / 1e6:.0f} MB"))
    onnx = export_checked(weights, export_precision(config.precision), config.input_size, pictures, notify)
    write_bytes(output, onnx.content)
    return f"{output}: {len(onnx.content) / 1e6:.1f} MB, {onnx.parity}"


if __name__ == "__main__":
    leave(main())
