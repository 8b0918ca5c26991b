"""Measure everything in benchmarks/results again. Run it on a machine that nobody else is using.

python -m benchmarks.record            # all results
python -m benchmarks.record bench      # only the named ones
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from rtsod.errors import ExitCode

ROOT: Final = Path(__file__).parents[1]
RESULTS: Final = Path("benchmarks") / "results"
COMMANDS: Final = {
    "bench": "rtsod.bench --pipeline --pace camera",
    "bench_bf16": "rtsod.bench --precision bf16",
    "pipeline_overhead": "benchmarks.studies.pipeline_overhead --frames 60 --rounds 5",
    "peers_lite": "benchmarks.peers --model lite "
    "rembg torch onnxruntime openvino openvino-int8 rtsod:fp32 rtsod:bf16 rtsod:auto",
    "peers_full": "benchmarks.peers --model full --rounds 5 --frames 2 "
    "rembg torch onnxruntime openvino openvino-int8 rtsod:fp32 rtsod:bf16 rtsod:auto",
    "peers_stream": "benchmarks.peers --model lite --stream --frames 30 --rounds 5 "
    "rembg openvino-int8 rtsod:auto region:192 region:160",
    "startup": "benchmarks.studies.startup",
    "edges": "benchmarks.studies.edges",
    "motion": "benchmarks.studies.motion --clips ../shared/samples/clips",
    "presence": "benchmarks.studies.presence",
    "mask_cost": "benchmarks.studies.mask_cost --clips ../shared/samples/clips",
    "region": "benchmarks.studies.region --only steps --only whole_path",
    "camera_rate": "benchmarks.studies.camera_rate --clips ../shared/samples/clips",
    "int8_error_lite": "benchmarks.studies.int8_error --model lite",
    "int8_error_full": "benchmarks.studies.int8_error --model full --every 14",
    "int8_study_lite": "benchmarks.studies.int8_study --model lite",
    "int8_study_full": "benchmarks.studies.int8_study --model full",
    "growth": "benchmarks.studies.growth --only input --only frame --only sinks",
    "growth_length": "benchmarks.studies.growth --only length --seconds 600",
}
"""The module and options that measure each result, by the name of its file without the suffix."""


def command(name: str) -> str:
    """The command that measures a result, as you would type it and as the result itself records it."""
    return f"python -m {COMMANDS[name]} --json {(RESULTS / f'{name}.json').as_posix()}"


def main(names: list[str]) -> int:
    """Run the commands one after the other; stop at the first that fails.

    Args:
        names: of the results; empty for all.

    Returns:
        The exit code: that of the command that failed, ``ExitCode.USAGE`` for an unknown name.
    """
    if unknown := set(names) - set(COMMANDS):
        print(f"record: {', '.join(sorted(unknown))}: choose from {', '.join(COMMANDS)}", file=sys.stderr)
        return ExitCode.USAGE
    for name in names or COMMANDS:
        print(command(name), flush=True)
        result = ROOT / RESULTS / f"{name}.json"
        before = result.read_bytes() if result.exists() else None
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        started = time.monotonic()
        arguments = [sys.executable, *shlex.split(command(name))[1:]]
        try:
            code = subprocess.run(arguments, cwd=ROOT, env=environment, check=False).returncode
        except KeyboardInterrupt:  # the command was interrupted, too, and has reported it
            code = ExitCode.INTERRUPTED
        print(f"{name}: {(time.monotonic() - started) / 60:.1f} minutes", flush=True)
        if code != 0:
            if before is not None:  # a complete result is worth more than a part of a newer one
                result.write_bytes(before)
                print(f"record: {name} did not finish; the older result stays", file=sys.stderr)
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
