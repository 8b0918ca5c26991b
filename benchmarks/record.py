"""Make everything in benchmarks/results anew: about twenty minutes on two cores that nobody else uses.

python -m benchmarks.record            # all of it
python -m benchmarks.record bench      # only the results so named
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
RESULTS: Final = Path("benchmarks") / "results"
COMMANDS: Final = {
    "bench": "rtsod.bench --pipeline --pace camera",
    "bench_bf16": "rtsod.bench --precision bf16",
    "pipeline_overhead": "benchmarks.pipeline_overhead --frames 24",
    "peers_lite": "benchmarks.peers --model lite",
    "peers_full": "benchmarks.peers --model full --rounds 5 --frames 2 rembg onnxruntime openvino rtsod rtsod-bf16",
    "edges": "benchmarks.edges",
    "growth": "benchmarks.growth --only input --only frame --only sinks",
    "growth_length": "benchmarks.growth --only length --seconds 600",
}
"""By the name of the file without its suffix."""


def main(names: list[str]) -> int:
    """Run the commands; the first that fails ends it."""
    if unknown := set(names) - set(COMMANDS):
        print(f"record: no such result: {', '.join(sorted(unknown))}; there are {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    for name in names or COMMANDS:
        command = [*shlex.split(COMMANDS[name]), "--json", str(RESULTS / f"{name}.json")]
        print(f"python -m {shlex.join(command)}", flush=True)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        code = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=environment, check=False).returncode
        if code != 0:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
