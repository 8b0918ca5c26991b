"""The time from the command to the first picture, and the memory that it takes.

The real command on the demo scene, in a process of its own, with a cache folder of its own:

* cold: the authors' weights lie there and nothing else; the network is converted, and Numba compiles its loop.
* warm: the same again, with what the cold start has left.

Peak memory is of the program (VmHWM), of its largest child, and of all together: resident pages added up, 50 times a
second, so that pages which two processes share count twice. Linux only.

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

from benchmarks.support.study import at_least_one, carry_out, some_seconds
from rtsod.config import MODELS, EngineConfig
from rtsod.errors import EngineError
from rtsod.model.weights import PUBLISHED, resolve, weights_folder
from rtsod.system.files import file_to_write

ROOT: Final = Path(__file__).parents[2]
SECONDS_BOUND: Final = {"cold": 15.0, "warm": 3.0}
MEMORY_MB_BOUND: Final = 500.0
"""Of lite."""
_EVERY: Final = 0.02
"""Seconds between two looks at the memory."""


def start(model: str, arguments: list[str], seconds: float, cache: Path) -> dict[str, float]:
    """One run; seconds to the first picture, and peaks in MB.

    Raises:
        EngineError: it ended with another exit code than 0, or without a picture.
    """
    note = cache / "first"
    note.unlink(missing_ok=True)
    command = [sys.executable, "-m", "benchmarks.studies.first_picture", str(note), "--model", model, *arguments]
    command += ["--duration", f"{seconds:g}", "--no-preview", "--stats", str(cache / "stats.json")]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "XDG_CACHE_HOME": str(cache),
        "NUMBA_CACHE_DIR": str(cache / "numba"),
    }
    began = time.perf_counter()  # one clock for all processes
    with (cache / "said").open("wb") as said:
        process = psutil.Popen(command, cwd=cache, env=environment, stdout=said, stderr=said)
        peaks = _watched(process)
    if process.returncode != 0 or not note.exists():
        raise EngineError(f"the run ended with {process.returncode}: {(cache / 'said').read_text().strip()[-300:]}")
    return {"seconds": round(float(note.read_text()) - began, 3), **peaks}


def _watched(process: psutil.Popen) -> dict[str, float]:
    """Wait for its end, looking at the memory."""
    own = child = together = 0
    try:
        while process.poll() is None:
            with suppress(psutil.Error, OSError):  # one that ends while it is looked at
                peak, now = _memory(process.pid)
                own = max(own, peak)
                for other in process.children(recursive=True):
                    with suppress(psutil.Error, OSError):
                        peak, resident = _memory(other.pid)
                        child = max(child, peak)
                        now += resident
                together = max(together, now)
            time.sleep(_EVERY)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return {"own_mb": round(own / 1024), "child_mb": round(child / 1024), "together_mb": round(together / 1024)}


def _memory(pid: int) -> tuple[int, int]:
    """Peak and present resident memory, kB."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return (int(lines.get("VmHWM", "0").split()[0]), int(lines.get("VmRSS", "0").split()[0]))  # none: it just ended


def main() -> int:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, default="lite")
    parser.add_argument("--arguments", default="--source demo", help="of the run, beside the model")
    parser.add_argument("--seconds", type=some_seconds, default=8.0, help="of each run, after its first frame")
    parser.add_argument("--rounds", type=at_least_one, default=3)
    parser.add_argument("--json", type=file_to_write)
    options = parser.parse_args()
    about = {"job": {name: getattr(options, name) for name in ("model", "arguments", "seconds", "rounds")}}
    return carry_out("benchmarks.studies.startup", options.json, about, lambda record: _measure(options, record))


def _measure(options: argparse.Namespace, record: dict[str, Any]) -> None:
    """Fill the record, and say what was found; cold and warm starts alternate."""
    weights = resolve(EngineConfig(model=options.model)).file()
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory(prefix="rtsod-startup-") as folder:
            cache = Path(folder)
            kept = (
                cache / weights_folder().relative_to(weights_folder().parents[2]) / PUBLISHED[options.model].file_name
            )
            kept.parent.mkdir(parents=True)
            kept.symlink_to(weights)
            for kind in SECONDS_BOUND:
                found = start(options.model, shlex.split(options.arguments), options.seconds, cache)
                record.setdefault(kind, []).append(found)
                print(f"{kind}: " + ", ".join(f"{name} {value:g}" for name, value in found.items()), flush=True)
    for kind, bound in SECONDS_BOUND.items():
        for name, limit in (("seconds", bound), ("own_mb", MEMORY_MB_BOUND)):
            value = median(found[name] for found in record[kind])
            print(f"{kind} {name:<10}{value:>9.2f} {'within' if value <= limit else 'NOT WITHIN'} {limit:g}")


if __name__ == "__main__":
    sys.exit(main())
