"""``python -m rtsod.build``: a TensorRT engine, made before it is needed, for this GPU or for another."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rtsod.cli.common import Parser, answer, carry_out
from rtsod.config import LEAST_HALF_SIZE, MODELS, EngineConfig
from rtsod.errors import EngineUnavailable, UsageError
from rtsod.system.signals import leave

if TYPE_CHECKING:
    from rtsod.backends.tensorrt.target import Target

_PROGRAM: Final = "rtsod.build"
_EXAMPLES: Final = f"""\
examples:
  python -m rtsod.build --model lite                             for the GPU in this machine
  python -m rtsod.build --model full --compute-capability 8.6    for another (tensorrt-rtx only)
  python -m rtsod.build --model lite --images photographs        the graph checked on your own pictures

Engines are kept in engines/ of the checkout, or in the user's cache folder, where --engine tensorrt finds them.
In fp16 the authors' weights are faithful from {LEAST_HALF_SIZE} pixels on; smaller inputs are for fp32.
Exit codes: 0 done, 2 wrong usage, 4 weights, 5 no TensorRT, no GPU, or the build failed, 6 the engine cannot be kept,
70 internal error, 129, 130, 143 ended by SIGHUP, Ctrl-C, SIGTERM.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    return carry_out(_PROGRAM, lambda: _build(_parser().parse_args(arguments)))


def _parser() -> Parser:
    parser = Parser(
        "python -m rtsod.build", None, __doc__, _EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=MODELS, default="full")
    parser.add_argument("--precision", choices=("fp16", "int8", "fp32"), default="fp16")
    parser.add_argument("--input-size", type=int, default=EngineConfig().input_size, metavar="S")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="your own; without it the authors' are fetched")
    parser.add_argument("--images", type=Path, metavar="FOLDER", help="pictures to check the graph on")
    parser.add_argument("--device", default="auto", metavar="cuda:N", help="which GPU of this machine")
    parser.add_argument("--compute-capability", metavar="8.6", help="of the GPU to build for, which need not be here")
    parser.add_argument("--library", choices=("tensorrt", "tensorrt_rtx"), help="default: the one installed")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="where engines are kept")
    parser.add_argument("--rebuild", action="store_true", help="build even if it is there and fits")
    return parser


def _build(options: argparse.Namespace) -> None:
    from rich.console import Console  # late, as the rest: a mistyped option needs none of them

    from rtsod.app.console import progress_bars
    from rtsod.backends.tensorrt.cache import PlanCache
    from rtsod.backends.tensorrt.library import load_library
    from rtsod.backends.tensorrt.open import find_or_build
    from rtsod.backends.tensorrt.plan_from_weights import Recipe
    from rtsod.export.parity import pictures_in
    from rtsod.model.weights import resolve

    config = EngineConfig(
        options.model, "tensorrt", options.precision, options.device, options.input_size, options.weights
    )
    library = load_library(options.library)
    pictures = None if options.images is None else pictures_in(options.images, config.input_size)

    console = Console(stderr=True)

    def notify(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    with _target(options) as target, progress_bars(console, notify) as progress:
        weights = resolve(
            config, lambda done, total: progress("fetching the weights (kB)", done // 1000, total // 1000)
        )
        kept = find_or_build(
            Recipe(config, weights, library, target),
            cache=PlanCache(options.output),
            pictures=pictures,
            rebuild=options.rebuild,
            notify=notify,
            progress=progress,
        )
    answer(str(kept.path))


@contextmanager
def _target(options: argparse.Namespace) -> Iterator[Target]:
    from rtsod.backends.cuda.open import open_cuda
    from rtsod.backends.tensorrt.target import Target

    if options.compute_capability is not None:
        match = re.fullmatch(r"(\d+)\.(\d)", options.compute_capability)
        if match is None:
            raise UsageError(f"--compute-capability {options.compute_capability}: write it like 8.6")
        if options.device != "auto":
            raise UsageError(
                f"--device {options.device}: is a GPU here, --compute-capability one elsewhere: leave one out"
            )
        yield Target((int(match[1]), int(match[2])))
        return
    try:
        cuda = open_cuda(options.device)
    except EngineUnavailable as error:
        raise EngineUnavailable(f"{error}; for a GPU elsewhere: --compute-capability, such as 8.6") from error
    try:
        yield Target.of(cuda)
    finally:
        cuda.close()


if __name__ == "__main__":
    leave(main())
