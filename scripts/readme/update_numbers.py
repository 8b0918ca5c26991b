"""Write the tables in docs/benchmarks.md from the results in benchmarks/results, so that the two cannot drift apart.

python scripts/readme/update_numbers.py            # rewrite the block
python scripts/readme/update_numbers.py --check    # exit code 1 if it is not what the results say
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from rtsod.bench.interference import is_disturbed

ROOT: Final = Path(__file__).parents[2]
BEGIN: Final = "<!-- numbers:begin -->"
END: Final = "<!-- numbers:end -->"


def block(results: Path) -> str:
    """The Markdown between the markers. A result that was never recorded is left out.

    Args:
        results: the folder of JSON files.

    Raises:
        KeyError: one of them lacks a number.
    """
    parts: list[str] = []
    quoted: list[str] = []
    busy: list[str] = []
    unknown: list[str] = []
    for name, sections in SECTIONS.items():
        path = results / f"{name}.json"
        if not path.exists():
            continue
        result = json.loads(path.read_text(encoding="utf-8"))
        machine, others = result["machine"], result.get("others_cores")
        source = f"[{name}](../benchmarks/results/{name}.json)"
        if others is None or is_disturbed(others, machine["cores"]):
            (unknown if others is None else busy).append(source)
            continue
        parts += [section(result) for section in sections]
        quoted.append(f"{source} ({machine['processor']}, {machine['cores']} cores, {machine['date'][:10]})")
    if quoted:
        parts.append(f"From {', '.join(quoted)}, where the commands stand that made these numbers; without a GPU.")
    if busy:
        parts.append(f"Not quoted, since others used the machine while they were measured: {', '.join(busy)}.")
    if unknown:
        parts.append(f"Not quoted, since nobody counted who else used the machine meanwhile: {', '.join(unknown)}.")
    return "\n\n".join(parts)


def _networks(*benches: dict[str, Any]) -> str:
    rows = [
        [
            f"{network['model']}, {network['engine']['precision']}",
            network["engine"]["name"],
            f"{network['fps']:.1f}",
            _spread(network["ms"]),
            f"{network['startup_s']:.1f} s",
            _percent(network["share_of_roof"]),
        ]
        for bench in benches
        for network in bench["networks"]
    ]
    heads = ["network at 320 × 320", "engine", "fps", "p50 / p95 / p99 ms", "start-up", "of this machine's roof"]
    return _table(heads, rows)


def _pipelines(bench: dict[str, Any]) -> str:
    rows = [
        [
            f"{run['model']}, {run['size'][1]}p",
            run["sync"],
            str(run["rung"]),
            f"{run['output_fps']:.1f}",
            _spread(run["latency_ms"]),
            f"{run['peak_memory_mb']:.0f} MB",
        ]
        for run in bench["pipelines"]
        if run["paced"]
    ]
    return _table(
        ["whole path, from a camera", "sync", "masks of", "fps", "capture to sink, p50 / p95 / p99 ms", "memory"], rows
    )


def _peers(peers: dict[str, Any]) -> str:
    contestants = peers["contestants"]
    rows = [
        [
            name,
            numbers["runs"],
            f"{numbers['median_ms']:.0f}",
            "1" if name == "rembg" else f"{numbers['rate_against']['rembg']:.1f}",
            "1" if name == "rembg" else f"{numbers['least_iou']['rembg']:.3f}",
        ]
        for name, numbers in contestants.items()
    ]
    width, height = peers["input"]["size"]
    shown = "frames of a stream" if peers["input"].get("stream") else "one frame"
    heads = [f"{peers['model']}, {shown} of {width} × {height} to the mask", "runs", "ms", "times rembg's rate",
             "least IoU with rembg's mask"]  # fmt: skip
    return _table(heads, rows)


def _length(growth: dict[str, Any]) -> str:
    (run,) = growth["length"]
    grown = run["after_settling"]
    return (
        f"In a run of {run['seconds'] / 60:.0f} minutes with the {growth['model']} network memory grew by "
        f"{grown['memory_mb_per_minute']:.2f} MB a minute after its first fifth, threads by {grown['threads']}, file "
        f"descriptors by {grown['descriptors']}."
    )


def _overhead(overhead: dict[str, Any]) -> str:
    return (
        f"Beside the network, a 720p frame costs {overhead['cpu']['median_ms']:.1f} ms of processor time (decoding "
        f"aside); the pipeline runs at {overhead['rate']['median_share']:.0%} of the bare engine's rate on the same "
        f"frames; reading a 720p file with the {overhead['job']['model']} network takes "
        f"{overhead['file']['peak_memory_mb']} MB at most."
    )


def _spread(values: dict[str, float]) -> str:
    return " / ".join(f"{values[key]:.0f}" for key in ("p50", "p95", "p99"))


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


SECTIONS: Final[dict[str, tuple[Callable[[dict[str, Any]], str], ...]]] = {
    "bench": (_networks, _pipelines),
    "bench_bf16": (_networks,),
    "peers_lite": (_peers,),
    "peers_full": (_peers,),
    "peers_stream": (_peers,),
    "pipeline_overhead": (_overhead,),
    "growth_length": (_length,),
}
"""The tables and sentences that each result adds to the page."""


def updated(page: str, numbers: str) -> str:
    """The page with ``numbers`` between its markers.

    Raises:
        ValueError: it has no markers, or more than one pair.
    """
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise ValueError(f"the page needs one {BEGIN} and, after it, one {END}")
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{numbers}\n{END}{rest.split(END)[1]}"


def main(argv: Sequence[str] | None = None) -> int:
    """Rewrite or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "benchmarks.md")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results")
    options = parser.parse_args(argv)
    try:
        before = options.page.read_text(encoding="utf-8")
        after = updated(before, block(options.results))
    except (OSError, ValueError, KeyError) as error:
        print(f"update_numbers: {error!r}", file=sys.stderr)
        return 2
    if options.check:
        if after != before:
            print("the page's numbers are not those in benchmarks/results: run scripts/readme/update_numbers.py")
        return int(after != before)
    options.page.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
