"""The options of ``rtsod batch``, and the batch that they describe."""

from __future__ import annotations

import argparse
import re
from typing import Final

from rtsod.batch.config import LOCAL, RAY, SEGMENT_SECONDS, VIDEO_SUFFIXES, BatchConfig, Limit, Shard
from rtsod.batch.places import Place, place_named
from rtsod.cli.common import Parser
from rtsod.cli.run_config import config_from
from rtsod.cli.run_options import add_network_options, add_picture_options
from rtsod.cli.run_options import parser as run_parser
from rtsod.errors import UsageError
from rtsod.system.names import path_to_read, path_to_write

PROGRAM: Final = "rtsod batch"
_DESCRIPTION: Final = """\
Make a result of each of many photographs and videos.

The results lie in the output folder under their inputs' names. What is done
stays done: the same command again makes what is missing, after Ctrl-C, a crash
or a reboot. What fails is tried once more in a process of its own, and then
noted; the rest goes on.
"""
_EPILOG: Final = """\
examples:
  rtsod batch photos/ --out cut-outs/ --bg transparent
      every photograph, in subfolders too, with its background removed
  rtsod batch photos/ --out masks/ --masks --include "*.jpg"
      the masks alone, of some
  rtsod batch clips/ --out blurred/ --lite --bg blur --video .mkv
  find . -name "*.png" | rtsod batch - --out results/
  rtsod batch photos/ --out cut-outs/ --plan
      what there is, what would be done, and how long that would take
  rtsod batch films/ --out blurred/ --bg blur --segment 5m
      long videos in parts of five minutes, side by side
  rtsod batch s3://shop/photos --out s3://shop/cut-outs
  rtsod batch photos/ --out cut-outs/ --shard 0/10
      a tenth of it; other machines do 1/10 to 9/10
  rtsod batch photos/ --out cut-outs/ --on ray 10.0.0.1:6379
  rtsod batch status cut-outs/ --failures
      what is done, and what failed and why

exit codes:
  0 done   2 usage   3 an input cannot be read   4 weights   5 engine
  6 the output folder cannot be written   8 finished, but some items failed
  70 internal error   129, 130, 143 ended by SIGHUP, Ctrl-C, SIGTERM
"""
_NONE: Final = "none"
_SECONDS: Final = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_CLUSTER: Final = re.compile(r"auto|local|(ray://)?[^/\\]+:\d+")


def batch_config_from(options: argparse.Namespace) -> BatchConfig:
    """The batch that parsed options describe.

    Raises:
        UsageError: an option is not valid, or options do not fit together.
    """
    if options.out is None:  # not required in the parser, which would then say nothing of a mistyped option
        raise UsageError(f"--out: give the folder of the results (see {PROGRAM} --help)")
    of_run = {**vars(run_parser(PROGRAM).parse_args([])), **vars(options)}
    on, inputs = _cluster(options.on)
    return BatchConfig(
        inputs=(*options.inputs, *inputs),
        out=options.out,
        run=config_from(argparse.Namespace(**of_run)),
        masks=options.masks,
        video_suffix=options.video,
        include=tuple(options.include or ()),
        exclude=tuple(options.exclude or ()),
        shard=options.shard,
        segment=options.segment,
        on=on,
        workers=options.workers,
        retry_failed=options.retry_failed,
        force=options.force,
        max_failures=options.max_failures,
    )


def parser() -> Parser:
    """Everything that ``rtsod batch`` understands."""
    parser = Parser(
        PROGRAM, "%(prog)s INPUT... --out DIR [OPTIONS]", _DESCRIPTION, _EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "inputs", nargs="*", metavar="INPUT", help="folders, files, their addresses, or - for a list on standard input"
    )
    group = parser.add_argument_group("files")
    group.add_argument("--out", type=_place_to_write, metavar="DIR", help="folder of the results, or its address")
    group.add_argument("--include", action="append", metavar="PATTERN", help="names to take, such as *.jpg; repeatable")
    group.add_argument("--exclude", action="append", metavar="PATTERN", help="names and folders to leave out")
    group.add_argument("--masks", action="store_true", help="write the masks alone")
    group.add_argument(
        "--video", metavar="SUFFIX",
        help=f"of the results of videos: {', '.join(VIDEO_SUFFIXES)} (default: .mp4, or .webm if transparent)",
    )  # fmt: skip
    add_network_options(parser)
    add_picture_options(
        parser,
        none="the pictures' own background",  # there is no camera
        repeated="",  # and there are no keys
        mirror="mirror the pictures, but not the background",
    )
    group = parser.add_argument_group("batch")
    group.add_argument("--plan", action="store_true", help="say what there is and what would be done, and do nothing")
    group.add_argument(
        "--shard",
        type=_shard,
        default=Shard(),
        metavar="K/N",
        help="do one of N parts, 0 to N - 1: one for each machine",
    )
    group.add_argument(
        "--segment", type=_duration, default=SEGMENT_SECONDS, metavar="TIME",
        help="divide long videos into parts of about this, such as 10m or 90s; none divides none (default: "
        f"{SEGMENT_SECONDS / 60:g}m)",
    )  # fmt: skip
    group.add_argument(
        "--on", nargs="+", default=[LOCAL], metavar=("ray", "ADDRESS"),
        help="run on a Ray cluster, HOST:PORT, or that of RAY_ADDRESS, or else one of this machine's cores",
    )  # fmt: skip
    group.add_argument("--workers", type=int, metavar="N", help="processes (default: as cores and memory allow)")
    group.add_argument("--retry-failed", action="store_true", help="try again what failed in an earlier run")
    group.add_argument("--force", action="store_true", help="make everything again, also with other settings")
    group.add_argument("--max-failures", type=_limit, metavar="N|P%", help="end when more items than this have failed")
    return parser


def place_to_read(text: str) -> Place:
    """Parse a folder to read, or its address; the ``type`` of an argparse argument."""
    return place_named(text, path_to_read)


def _place_to_write(text: str) -> Place:
    return place_named(text, path_to_write)


def _cluster(given: list[str]) -> tuple[str, list[str]]:
    """What runs the processes, and the inputs that argparse took for a part of that."""
    kind, rest = given[0], given[1:]
    if kind not in (LOCAL, RAY):
        raise UsageError(f"--on {kind}: choose {LOCAL} or {RAY}")
    if kind == RAY and rest and _CLUSTER.fullmatch(rest[0]):
        return f"{RAY}:{rest[0]}", rest[1:]
    return kind, rest


def _duration(text: str) -> float | None:
    if text == _NONE:
        return None
    number, unit = (text[:-1], text[-1]) if text[-1:] in _SECONDS else (text, "")
    try:
        seconds = float(number) * _SECONDS[unit]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 10m or 90s, and not none") from None
    return seconds


def _shard(text: str) -> Shard:
    number, _, of = text.partition("/")
    try:
        return Shard(int(number), int(of))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not K/N, such as 0/10") from None


def _limit(text: str) -> Limit:
    try:
        if text.endswith("%"):
            share = float(text[:-1]) / 100
            if 0 <= share <= 1:
                return Limit(share=share)
        elif (number := int(text)) >= 0:
            return Limit(number)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is no number of items, and no share such as 5%")
