"""The time from the command to the first picture, and the memory that a run takes.

The real command runs on the drawn scene, in its own process and with its own cache folder:

* *cold*: the cache holds the authors' weights and nothing else. The network is converted, and Numba compiles its loop.
* *warm*: the same again, with what the cold start has cached.

Peak memory is that of the program (VmHWM), of its largest child process, and of all processes together: their resident
memory added up 50 times per second, so pages that two processes share count twice. Linux only.

    python -m benchmarks.studies.startup --json benchmarks/results/startup.json
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any, Final

import psutil

from benchmarks.support.study import positive_int, positive_seconds, run_study
from rtsod.config import MODELS
from rtsod.errors import EngineError
from rtsod.model.weights import PUBLISHED, fetch, published, weights_folder
from rtsod.system.files import file_to_write

ROOT: Final = Path(__file__).parents[2]
MAX_SECONDS: Final = {"cold": 15.0, "warm": 3.0}
"""Bounds of the time to the first picture."""
MAX_MEMORY_MB: Final = 500.0
"""Bound of the program's peak memory with the lite model."""
_POLL_SECONDS: Final = 0.02
"""Interval between two readings of the memory."""


def start(
    model: str, arguments: list[str], seconds: float, cache: Path, *, cores: int = 0, isa: str = ""
) -> dict[str, float]:
    """Run the program once.

    Args:
        model: ``"full"`` or ``"lite"``.
        arguments: more arguments of ``rtsod run``.
        seconds: duration of the run after its first frame.
        cache: the cache folder, which also holds the notes of the run.
        cores: how many of the cores the run may use; 0 for all.
        isa: the largest set of instructions for the network, in oneDNN's words, such as ``AVX2``; empty for all.

    Returns:
        Seconds to the first picture, and peaks of memory in MB.

    Raises:
        EngineError: the run failed, or showed no picture.
    """
    note = cache / "first"
    note.unlink(missing_ok=True)
    command = [sys.executable, "-m", "benchmarks.studies.first_picture", str(note), "--model", model, *arguments]
    command += ["--duration", f"{seconds:g}", "--no-preview", "--stats", str(cache / "stats.json")]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "XDG_CACHE_HOME": str(cache),
        **({"ONEDNN_MAX_CPU_ISA": isa} if isa else {}),
    }
    if cores:
        allowed = sorted(os.sched_getaffinity(0))[:cores]
        command = ["taskset", "--cpu-list", ",".join(map(str, allowed)), *command]
    began = time.perf_counter()  # the same clock in all processes
    with (cache / "output").open("wb") as output:
        process = psutil.Popen(command, cwd=cache, env=environment, stdout=output, stderr=output)
        peaks = _peaks(process)
    if process.returncode != 0 or not note.exists():
        raise EngineError(
            f"the run failed with exit code {process.returncode}: {(cache / 'output').read_text().strip()[-300:]}"
        )
    return {"seconds": round(float(note.read_text()) - began, 3), **peaks}


def _peaks(process: psutil.Popen) -> dict[str, float]:
    """Wait for the process to end, and read its memory meanwhile."""
    own = child = together = 0
    try:
        while process.poll() is None:
            with suppress(psutil.Error, OSError):  # it ended in between
                peak, now = _memory(process.pid)
                own = max(own, peak)
                for other in process.children(recursive=True):
                    with suppress(psutil.Error, OSError):
                        peak, resident = _memory(other.pid)
                        child = max(child, peak)
                        now += resident
                together = max(together, now)
            time.sleep(_POLL_SECONDS)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return {"own_mb": round(own / 1024), "child_mb": round(child / 1024), "together_mb": round(together / 1024)}


def _memory(pid: int) -> tuple[int, int]:
    """Peak and current resident memory of a process, in kB."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return (
        int(lines.get("VmHWM", "0").split()[0]),
        int(lines.get("VmRSS", "0").split()[0]),
    )  # missing if it just ended


def main() -> int:
    """Measure, print the results and save them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, default="lite")
    parser.add_argument(
        "--arguments", default="--source scene", help="arguments of the run besides the model (default: %(default)r)"
    )
    parser.add_argument(
        "--seconds",
        type=positive_seconds,
        default=8.0,
        help="duration of each run after its first frame, in seconds (default: %(default)g)",
    )
    parser.add_argument("--cores", type=positive_int, default=0, help="how many cores a run may use (default: all)")
    parser.add_argument("--isa", default="", help="ONEDNN_MAX_CPU_ISA, such as AVX2 (default: no limit)")
    parser.add_argument("--rounds", type=positive_int, default=3, help="cold and warm starts (default: %(default)s)")
    parser.add_argument("--json", type=file_to_write, help="save the results to this file")
    options = parser.parse_args()
    about = {
        "job": {name: getattr(options, name) for name in ("model", "arguments", "seconds", "rounds", "cores", "isa")}
    }
    return run_study("benchmarks.studies.startup", options.json, about, lambda record: _measure(options, record))


def _measure(options: argparse.Namespace, record: dict[str, Any]) -> None:
    """Alternate cold and warm starts; fill the record and print it."""
    weights = fetch(published(options.model))
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory(prefix="rtsod-startup-") as folder:
            cache = Path(folder)
            kept = (
                cache / weights_folder().relative_to(weights_folder().parents[2]) / PUBLISHED[options.model].file_name
            )
            kept.parent.mkdir(parents=True)
            kept.symlink_to(weights)
            for kind in MAX_SECONDS:
                arguments = shlex.split(options.arguments)
                found = start(options.model, arguments, options.seconds, cache, cores=options.cores, isa=options.isa)
                record.setdefault(kind, []).append(found)
                print(f"{kind}: " + ", ".join(f"{name} {value:g}" for name, value in found.items()), flush=True)
    for kind, bound in MAX_SECONDS.items():
        for name, limit in (("seconds", bound), ("own_mb", MAX_MEMORY_MB)):
            value = median(found[name] for found in record[kind])
            print(f"{kind} {name:<10}{value:>9.2f} {'within' if value <= limit else 'NOT WITHIN'} {limit:g}")


if __name__ == "__main__":
    sys.exit(main())
