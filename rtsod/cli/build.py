"""``rtsod build``: builds a TensorRT engine ahead of time, for a GPU in this machine or for another one."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rtsod.cli.common import Parser, add_weights_options, answer, run_command
from rtsod.config import MIN_FP16_INPUT_SIZE, MIN_INT8_INPUT_SIZE, EngineConfig
from rtsod.errors import EngineUnavailable, UsageError
from rtsod.system.names import path_to_read, path_to_write

if TYPE_CHECKING:
    from rtsod.backends.tensorrt.library import Capability
    from rtsod.backends.tensorrt.target import Target

_PROGRAM: Final = "rtsod build"
_DESCRIPTION: Final = """\
Build a TensorRT engine ahead of time, for a GPU in this machine or another one.

The engine is kept in engines/ of the checkout, or else in your cache folder,
where --engine tensorrt finds it. Without this command, the first run with
--engine tensorrt builds it. Prints the engine's path.
"""
_EPILOG: Final = f"""\
examples:
  rtsod build --model lite
      for the GPU in this machine
  rtsod build --model full --compute-capability 8.6
      for another GPU (needs tensorrt-rtx)
  rtsod build --model lite --images photographs
      with the graph checked on your own pictures

The authors' weights are accurate in fp16 from {MIN_FP16_INPUT_SIZE} pixels on, and in int8 from
{MIN_INT8_INPUT_SIZE}; use fp32 for a smaller --input-size.

exit codes:
  0 done   2 usage   4 weights   5 no TensorRT, no GPU, or the build failed
  6 the engine cannot be saved   70 internal error
  129, 130, 143 ended by SIGHUP, Ctrl-C, SIGTERM
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run_command(_PROGRAM, lambda _: _build(parser().parse_args(arguments)))


def parser() -> Parser:
    """The parser of all options."""
    parser = Parser(_PROGRAM, None, _DESCRIPTION, _EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_weights_options(parser)
    parser.add_argument(
        "--precision",
        choices=("fp16", "int8", "fp32"),
        default="fp16",
        help="number format of the engine (default: %(default)s)",
    )
    parser.add_argument(
        "--images",
        type=path_to_read,
        metavar="FOLDER",
        help="pictures to check the graph on (default: the bundled ones)",
    )
    parser.add_argument(
        "--device",
        default=EngineConfig().device,
        metavar="cuda:N",
        help="which GPU of this machine to build for (default: %(default)s)",
    )
    parser.add_argument(
        "--compute-capability",
        type=_capability,
        metavar="8.6",
        help="build for a GPU with this compute capability, which may be absent",
    )
    parser.add_argument(
        "--library", choices=("tensorrt", "tensorrt_rtx"), help="which TensorRT builds it (default: the installed one)"
    )
    parser.add_argument("--output", type=path_to_write, metavar="FOLDER", help="where to keep the engine")
    parser.add_argument("--rebuild", action="store_true", help="build even if a matching engine exists")
    return parser


def _capability(text: str) -> Capability:
    if (match := re.fullmatch(r"(\d+)\.(\d)", text)) is None:
        raise argparse.ArgumentTypeError(f"{text}: give two numbers, such as 8.6")
    return int(match[1]), int(match[2])


def _build(options: argparse.Namespace) -> None:
    # Late: --help and a mistyped option must not wait for these.
    from rtsod.backends.tensorrt.library import load_library

    library = load_library(options.library)  # names the extra that brings all of the next ones along
    from rtsod.app.console import Reporter
    from rtsod.backends.tensorrt.cache import PlanCache
    from rtsod.backends.tensorrt.open import find_or_build
    from rtsod.backends.tensorrt.plan_from_weights import Recipe
    from rtsod.export.parity import pictures_in
    from rtsod.model.weights import resolve, with_size

    config = with_size(
        EngineConfig(options.model, "tensorrt", options.precision, options.device, options.input_size, options.weights)
    )
    weights = resolve(config)
    pictures = None
    if options.images is not None:
        pictures = pictures_in(options.images, config.side, weights.description.fitting)
    reporter = Reporter()
    with _target(options) as target, reporter.build() as progress:
        plan = find_or_build(
            Recipe(config, weights, library, target),
            cache=PlanCache(options.output),
            pictures=pictures,
            rebuild=options.rebuild,
            notify=reporter.notify,
            progress=progress,
            report=lambda done, total: progress("downloading the weights (kB)", done // 1000, total // 1000),
        )
    answer(str(plan.path))


@contextmanager
def _target(options: argparse.Namespace) -> Iterator[Target]:
    """The GPU to build for: one of this machine's, held open meanwhile, or just a compute capability."""
    from rtsod.backends.cuda.open import open_cuda
    from rtsod.backends.tensorrt.target import Target

    if options.compute_capability is not None:
        if options.device != "auto":
            raise UsageError(
                f"--device {options.device}: selects a GPU of this machine, --compute-capability any GPU: drop one of "
                "the two"
            )
        yield Target(options.compute_capability)
        return
    try:
        cuda = open_cuda(options.device)
    except EngineUnavailable as error:
        raise EngineUnavailable(
            f"{error}; to build for a GPU of another machine, add --compute-capability, such as 8.6"
        ) from error
    try:
        yield Target.of(cuda)
    finally:
        cuda.close()
