"""``rtsod export``: writes the network as a typed ONNX file, checked against PyTorch."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rtsod.cli.common import Parser, add_weights_options, answer, require, run_command
from rtsod.config import MIN_FP16_INPUT_SIZE, MIN_INT8_INPUT_SIZE, EngineConfig
from rtsod.errors import UsageError
from rtsod.progress import Notify
from rtsod.system.files import check_writable, file_to_write, write_bytes
from rtsod.system.names import path_to_read

if TYPE_CHECKING:
    from rtsod.model.weights import Weights

_PROGRAM: Final = "rtsod export"
_DESCRIPTION: Final = """\
Write the network as an ONNX file.

The graph takes uint8 (1, S, S, 3) BGR and returns float32 (1, 1, S, S) saliency
in [0, 1]; normalization and sigmoid are part of it. Before the file is written,
the graph is compared with PyTorch on pictures.
"""
_EPILOG: Final = f"""\
examples:
  rtsod export --model lite
      writes lite-320-fp16.onnx
  rtsod export --model full --precision fp32 --output u2net.onnx
  rtsod export --model lite --images photographs
      checked on your own pictures

A graph that is not accurate enough is not written. The mean error may be 1e-4
in fp32, 2e-3 in fp16 and 4e-3 in int8, and the mask IoU must be at least .995.
The authors' weights pass in fp16 from {MIN_FP16_INPUT_SIZE} pixels on, and in int8 from {MIN_INT8_INPUT_SIZE};
use fp32 for a smaller --input-size.

exit codes:
  0 done   2 usage   4 weights   5 the export or its check failed
  6 the file cannot be written   70 internal error
  129, 130, 143 ended by SIGHUP, Ctrl-C, SIGTERM
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run_command(_PROGRAM, lambda _: _export(parser().parse_args(arguments)))


def parser() -> Parser:
    """The parser of all options."""
    parser = Parser(_PROGRAM, None, _DESCRIPTION, _EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_weights_options(parser)
    parser.add_argument(
        "--precision",
        choices=("fp16", "int8", "fp32"),
        default="fp16",
        help="number format of the graph (default: %(default)s)",
    )
    parser.add_argument(
        "--images",
        type=path_to_read,
        metavar="FOLDER",
        help="pictures to check the graph on (default: the bundled ones)",
    )
    parser.add_argument(
        "--output", type=file_to_write, metavar="FILE", help="(default: MODEL-S-PRECISION.onnx in this folder)"
    )
    return parser


def _export(options: argparse.Namespace) -> None:
    from rtsod.app.console import Reporter  # late: --help and a mistyped option must not wait for rich
    from rtsod.model.weights import resolve, with_size

    config = with_size(
        EngineConfig(
            options.model, "tensorrt", options.precision, input_size=options.input_size, weights=options.weights
        )
    )
    if options.output is not None:  # a mistake here is told before the weights are read
        _check_output(options.output, options.weights)
    require("onnxscript", "torch")
    weights = resolve(config)
    output: Path = options.output or Path(f"{weights.model}-{config.side}-{options.precision}.onnx")
    _check_output(output, weights.path)
    with Reporter().status("reading the weights") as notify:
        summary = _export_to(output, config, weights, options.images, notify)
    answer(summary)


def _check_output(output: Path, weights: Path | None) -> None:
    check_writable("--output", output)
    if weights is not None and output.exists() and weights.exists() and output.samefile(weights):
        raise UsageError(f"--output {output}: would overwrite the weights it is made from: choose another name")


def _export_to(output: Path, config: EngineConfig, weights: Weights, images: Path | None, notify: Notify) -> str:
    """Write the file, and return a line that describes it."""
    from rtsod.export.checked import export_checked, export_precision
    from rtsod.export.parity import pictures_in

    pictures = None if images is None else pictures_in(images, config.side, weights.description.fitting)
    onnx = export_checked(
        weights,
        export_precision(config.precision),
        config.side,
        pictures,
        notify,
        report=lambda done, total: notify(f"downloading the weights, {done / 1e6:.0f} MB"),
    )
    write_bytes(output, onnx.content)
    return f"{output}: {len(onnx.content) / 1e6:.1f} MB, {onnx.parity}"
