"""Measure everything in benchmarks/results again. Run it on a machine that nobody else is using.

python -m benchmarks.record            # all results
python -m benchmarks.record bench      # only the named ones
python -m benchmarks.record laptop     # all that a processor with VNNI and without AMX can record of its own class

A result of speed belongs to a class of processors and is recorded on no other: ``bench`` on AMX, ``bench_vnni`` on
VNNI. ``bench_avx2`` holds any faster processor to AVX2.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from benchmarks.support.classes import HELD
from rtsod.errors import ExitCode
from rtsod.system.processor_class import ProcessorClass, processor_class

ROOT: Final = Path(__file__).parents[1]
RESULTS: Final = Path("benchmarks") / "results"
COMMANDS: Final = {
    "bench": "rtsod.bench --pipeline --pace camera",
    "bench_vnni": "rtsod.bench --pipeline --pace camera --size 1280x720 --sync auto",
    "bench_avx2": "rtsod.bench --pipeline --pace camera --size 1280x720 --sync auto",
    "bench_bf16": "rtsod.bench --precision bf16",
    "pipeline_overhead": "benchmarks.studies.pipeline_overhead --frames 60 --rounds 5",
    "peers_lite": "benchmarks.peers --model lite "
    "rembg torch onnxruntime openvino openvino-int8 rtsod:fp32 rtsod:bf16 rtsod:auto",
    "peers_full": "benchmarks.peers --model full --rounds 5 --frames 2 "
    "rembg torch onnxruntime openvino openvino-int8 rtsod:fp32 rtsod:bf16 rtsod:auto",
    "peers_stream": "benchmarks.peers --model lite --stream --frames 30 --rounds 5 "
    "rembg openvino-int8 rtsod:auto region:192 region:160",
    "peers_lite_vnni": "benchmarks.peers --model lite --rounds 5 rembg openvino openvino-int8 rtsod:fp32 rtsod:auto",
    "peers_full_vnni": "benchmarks.peers --model full --rounds 5 --frames 2 "
    "rembg openvino openvino-int8 rtsod:fp32 rtsod:auto",
    "mediapipe_lite_vnni": "benchmarks.peers --model lite --stream --frames 30 --rounds 3 --size 1280x720 "
    "mediapipe rembg rtsod:auto region:192 region:160 region:128",
    "mediapipe_full_vnni": "benchmarks.peers --model full --stream --frames 20 --rounds 3 --size 1280x720 "
    "mediapipe rtsod:auto region:192 region:160 region:128",
    "people": "benchmarks.peers.quality",
    "rembg_like": "benchmarks.peers.rembg_like",
    "startup": "benchmarks.studies.startup",
    "first_command": "benchmarks.studies.first_command 9d0399c HEAD",
    "edges": "benchmarks.studies.edges",
    "motion": "benchmarks.studies.motion --clips ../shared/samples/clips",
    "presence": "benchmarks.studies.presence",
    "mask_cost": "benchmarks.studies.mask_cost --clips ../shared/samples/clips",
    "region": "benchmarks.studies.region --only steps --only whole_path",
    "camera_rate": "benchmarks.studies.camera_rate --clips ../shared/samples/clips --runs 3 --seconds 8",
    "metrics": "benchmarks.studies.metrics",
    "samples": "benchmarks.studies.samples",
    "recording": "benchmarks.studies.recording --rounds 3",
    "one_core": "benchmarks.studies.one_core --frames 48",
    "int8_error_lite": "benchmarks.studies.int8_error --model lite",
    "int8_error_full": "benchmarks.studies.int8_error --model full --every 14",
    "int8_study_lite": "benchmarks.studies.int8_study --model lite",
    "int8_study_full": "benchmarks.studies.int8_study --model full",
    "int8_profile_lite": "benchmarks.studies.int8_profile --model lite --peak 236",
    "int8_profile_full": "benchmarks.studies.int8_profile --model full --peak 236",
    "tiny_tables": "benchmarks.studies.tiny_tables",
    "tiny_learning": "benchmarks.studies.tiny_tables --learn --clips ../shared/samples/clips",
    "plate": "benchmarks.studies.plate --samples ../shared/samples",
    "learning": "benchmarks.studies.learning --learn ../shared/samples/clips/again.mkv "
    "--test ../shared/samples/clips/no.mkv --stranger ../shared/samples/clips/thanks.mkv",
    "blocks": "rtsod blocks",
    "disagreement": "benchmarks.studies.disagreement --model again --known again --known no",
    "watching": "benchmarks.studies.watching --model again --known again",
    "own_network": "benchmarks.studies.own_network --model again --clip again",
    "keep_learning": "benchmarks.studies.keep_learning --model again --known again --runs 3",
    "assisted": "benchmarks.studies.assisted --samples ../shared/samples",
    "demo_training": "benchmarks.studies.demo_training",
    "batch_speed": "benchmarks.studies.batch --samples ../shared/samples --rounds 3 --only workers --only one_file "
    "--only seams --only batches --only largest",
    "batch_safety": "benchmarks.studies.batch --samples ../shared/samples --only kills --only hostile --only memory",
    "growth": "benchmarks.studies.growth --only input --only frame --only sinks",
    "growth_length": "benchmarks.studies.growth --only length --seconds 600",
}
"""The module and options that measure each result, by the name of its file without the suffix."""


CLASSES: Final = {
    **dict.fromkeys(("bench", "bench_bf16", "peers_lite", "peers_full", "peers_stream"), ProcessorClass.AMX),
    **{name: ProcessorClass.VNNI for name in COMMANDS if name.endswith("_vnni")},
    **{name: ProcessorClass.AVX2 for name in COMMANDS if name.endswith("_avx2")},
}
"""The class of processor that a result of speed belongs to; the others belong to none."""
GROUPS: Final = {
    "laptop": [name for name in COMMANDS if CLASSES.get(name) in (ProcessorClass.VNNI, ProcessorClass.AVX2)],
}
"""Results that are recorded together, by the name of the group."""


def command(name: str) -> str:
    """The command that measures a result, as you would type it and as the result itself records it."""
    return f"python -m {COMMANDS[name]} --json {(RESULTS / f'{name}.json').as_posix()}"


def main(names: list[str]) -> int:
    """Run the commands one after the other; stop at the first that fails.

    Args:
        names: of the results or groups; empty for all that belong to this machine's class of processor, or to none.

    Returns:
        The exit code: that of the command that failed, ``ExitCode.USAGE`` for an unknown name, or for one that belongs
        to another class of processor.
    """
    names = [member for name in names for member in GROUPS.get(name, [name])]
    if unknown := set(names) - set(COMMANDS):
        print(f"record: {', '.join(sorted(unknown))}: choose from {', '.join(COMMANDS)}", file=sys.stderr)
        return ExitCode.USAGE
    for name in names:
        if not _belongs_here(name):
            print(f"record: {name} belongs to {CLASSES[name]}; this machine is {processor_class()}", file=sys.stderr)
            return ExitCode.USAGE
    for name in names or filter(_belongs_here, COMMANDS):
        print(command(name), flush=True)
        result = ROOT / RESULTS / f"{name}.json"
        before = result.read_bytes() if result.exists() else None
        environment = {**os.environ, **_held(name), "PYTHONPATH": str(ROOT)}
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


def _held(name: str) -> dict[str, str]:
    """Environment variables that hold this processor to the class that a result belongs to."""
    return HELD.get(CLASSES[name], {}) if name in CLASSES else {}


def _belongs_here(name: str) -> bool:
    """Whether this processor is of the class that a result belongs to, or can be held to it."""
    return name not in CLASSES or processor_class({**os.environ, **_held(name)}) is CLASSES[name]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
