"""Write what is quoted from benchmarks/results, so that the two cannot drift apart.

The tables in docs/benchmarks.md, the summary in README.md, and what ``rtsod bench`` expects of each processor class
(rtsod/assets/expected_speed.json).

python scripts/readme/update_numbers.py            # rewrite all three
python scripts/readme/update_numbers.py --check    # exit with 1 if one of them differs from the results
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[2]))  # benchmarks/ is beside this script's folder, and not installed

from benchmarks.support.classes import (
    BENCHES,
    call_of,
    class_of,
    expected_speeds,
    network_of,
    processor_of,
    undisturbed,
)  # fmt: skip
from benchmarks.support.tables import beside_mediapipe, one_core, people, recording, table
from rtsod.system.interference import is_disturbed

ROOT: Final = Path(__file__).parents[2]
BEGIN: Final = "<!-- numbers:begin -->"
END: Final = "<!-- numbers:end -->"
SPEED_BEGIN: Final = "<!-- speed:begin -->"
SPEED_END: Final = "<!-- speed:end -->"
MODELS: Final = ("full", "lite")
UNTIMED: Final = ("people",)
"""Results without times, which a busy machine does not change."""
EXPECTED: Final = ROOT / "rtsod" / "assets" / "expected_speed.json"


def block(results: Path) -> str:
    """The Markdown between the markers, from those results that have been recorded.

    Args:
        results: folder of JSON files.

    Raises:
        KeyError: a result lacks a number.
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
        if name not in UNTIMED and (others is None or is_disturbed(others, machine["cores"])):
            (unknown if others is None else busy).append(source)
            continue
        parts += [section(result) for section in sections]
        quoted.append(
            f"{source} ({processor_of(result)}, {class_of(result)}, {machine['cores']} cores, {machine['date'][:10]})"
        )
    if quoted:
        parts.append(f"Sources: {', '.join(quoted)}. Each file holds the command that recorded it. No GPU was used.")
    if busy:
        parts.append(f"Not quoted because other programs used the machine during the measurement: {', '.join(busy)}.")
    if unknown:
        parts.append(f"Not quoted because the load from other programs is unknown: {', '.join(unknown)}.")
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
    named = " and ".join(dict.fromkeys(class_of(bench) for bench in benches))
    heads = [
        f"{named}: network at 320 × 320",
        "engine",
        "fps",
        "p50 / p95 / p99 ms",
        "start-up",
        "share of the roofline bound",
    ]
    return table(heads, rows)


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
    return table(
        [f"{class_of(bench)}: camera to sink", "sync", "masks of", "fps", "latency, p50 / p95 / p99 ms", "peak memory"],
        rows,
    )


def _peers(peers: dict[str, Any]) -> str:
    contestants = peers["contestants"]
    if "mediapipe" in contestants:
        return beside_mediapipe(peers)
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
    frames = "consecutive frames" if peers["input"].get("stream") else "single frames"
    heads = [
        f"{class_of(peers)}: {peers['model']}, {frames} of {width} × {height}",
        "engine",
        "ms per frame",
        "speed relative to rembg",
        "lowest IoU with rembg's mask",
    ]
    return table(heads, rows)


def summary(results: Path) -> str:
    """The README's table: one row for each question and processor class.

    Args:
        results: folder of JSON files.
    """
    benches = [bench for name in BENCHES if (bench := undisturbed(results / f"{name}.json")) is not None]
    rows = [["network alone", class_of(b), *(f"{network_of(b, m)['fps']:.0f} fps" for m in MODELS)] for b in benches]
    for bench in benches:
        calls = [call_of(bench, model) for model in MODELS]
        cells = [f"{call['output_fps']:.0f} fps, {call['latency_ms']['p50']:.0f} ms" for call in calls]
        rows.append(["camera to output at 720p, chosen by `auto`", class_of(bench), *cells])
    for suffix in ("", "_vnni"):
        peers = [undisturbed(results / f"peers_{model}{suffix}.json") for model in MODELS]
        both = [result for result in peers if result is not None]
        if len(both) == len(MODELS):
            rates = [f"{result['contestants']['rtsod:auto']['rate_against']['rembg']:.1f}×" for result in both]
            rows.append(["against rembg with the same weights, one frame to its mask", class_of(both[0]), *rates])
    rendered = table(["two cores", "processor class", *MODELS], rows)
    processors = ", ".join(f"{class_of(bench)} is an {processor_of(bench)}" for bench in benches)
    return f"{rendered}\n\n{processors}."


def _length(growth: dict[str, Any]) -> str:
    (run,) = growth["length"]
    grown = run["after_settling"]
    return (
        f"In a run of {run['seconds'] / 60:.0f} minutes with the {growth['model']} network, after the first fifth, "
        f"memory grew by {grown['memory_mb_per_minute']:.2f} MB per minute, the number of threads by "
        f"{grown['threads']} and that of file descriptors by {grown['descriptors']}."
    )


def _overhead(overhead: dict[str, Any]) -> str:
    return (
        f"Apart from the network and decoding, a 720p frame costs {overhead['cpu']['median_ms']:.1f} ms of processor "
        f"time. The pipeline runs at {overhead['rate']['median_share']:.0%} of the bare engine's rate on the same "
        f"frames. Processing a 720p file with the {overhead['job']['model']} network takes at most "
        f"{overhead['file']['peak_memory_mb']} MB of memory."
    )


def _camera_rate(study: dict[str, Any]) -> str:
    rows = [
        [
            name,
            _percent(cell["median"]["lost_share"], ".1%"),
            f"{_rounded(cell['median']['p50_ms'])} / {_rounded(cell['median']['p95_ms'])}",
            _rounded(cell["median"]["mask_age_p95_ms"]),
            f"{cell['median']['masks_per_second']:.1f}",
            f"{cell['median']['cores']:.2f}",
            _rounded(cell["median"]["first_seconds"], ".1f"),
            "missed" if cell["missed"] else "met",
        ]
        for name, cell in study["cells"].items()
    ]
    heads = ["camera at 720p, 30 per second: class / model / load", "frames lost", "latency, p50 / p95 ms",
             "mask age, p95 ms", "masks per second", "cores busy", "first picture, s", "targets"]  # fmt: skip
    return table(heads, rows)


def _rounded(value: float | None, form: str = ".0f") -> str:
    return "–" if value is None else format(value, form)


def _spread(values: dict[str, float]) -> str:
    return " / ".join(f"{values[key]:.0f}" for key in ("p50", "p95", "p99"))


def _percent(share: float | None, form: str = ".0%") -> str:
    return _rounded(share, form)


SECTIONS: Final[dict[str, tuple[Callable[[dict[str, Any]], str], ...]]] = {
    "bench": (_networks, _pipelines),
    "bench_vnni": (_networks, _pipelines),
    "bench_avx2": (_networks, _pipelines),
    "bench_bf16": (_networks,),
    "peers_lite": (_peers,),
    "peers_lite_vnni": (_peers,),
    "peers_full": (_peers,),
    "peers_full_vnni": (_peers,),
    "peers_stream": (_peers,),
    "mediapipe_lite_vnni": (_peers,),
    "mediapipe_full_vnni": (_peers,),
    "people": (people,),
    "camera_rate": (_camera_rate,),
    "one_core": (one_core,),
    "recording": (recording,),
    "pipeline_overhead": (_overhead,),
    "growth_length": (_length,),
}
"""The tables and sentences that each result adds to the page."""


def updated(page: str, numbers: str, begin: str = BEGIN, end: str = END) -> str:
    """The page with ``numbers`` between its markers.

    Raises:
        ValueError: the page does not have exactly one pair of markers.
    """
    if page.count(begin) != 1 or page.count(end) != 1 or page.index(begin) > page.index(end):
        raise ValueError(f"the page needs {begin} once and, after it, {end} once")
    before, rest = page.split(begin)
    return f"{before}{begin}\n{numbers}\n{end}{rest.split(end)[1]}"


def main(argv: Sequence[str] | None = None) -> int:
    """Rewrite the block, or check it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the block differs")
    parser.add_argument(
        "--page", type=Path, default=ROOT / "docs" / "benchmarks.md", help="(default: docs/benchmarks.md)"
    )
    parser.add_argument(
        "--results", type=Path, default=ROOT / "benchmarks" / "results", help="(default: benchmarks/results)"
    )
    parser.add_argument("--readme", type=Path, default=ROOT / "README.md", help="(default: README.md)")
    parser.add_argument("--expected", type=Path, default=EXPECTED, help="(default: rtsod/assets/expected_speed.json)")
    options = parser.parse_args(argv)
    try:
        written = {
            options.page: updated(options.page.read_text(encoding="utf-8"), block(options.results)),
            options.readme: updated(
                options.readme.read_text(encoding="utf-8"), summary(options.results), SPEED_BEGIN, SPEED_END
            ),
            options.expected: json.dumps(expected_speeds(options.results), indent=2) + "\n",
        }
        differ = [path for path, text in written.items() if path.read_text(encoding="utf-8") != text]
    except (OSError, ValueError, KeyError) as error:
        print(f"update_numbers: {error!r}", file=sys.stderr)
        return 2
    if options.check:
        for path in differ:
            print(f"{path.name} differs from benchmarks/results: run scripts/readme/update_numbers.py")
        return int(bool(differ))
    for path in differ:
        path.write_text(written[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
