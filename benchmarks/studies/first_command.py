"""What the README's first command costs on a fresh machine: bytes to download, and seconds to the first picture.

In a new virtual environment, with an empty cache, a copy of a commit is installed and run as the README says. Nothing
is taken from pip's cache. Bytes are those of the wheels that pip chooses, of what builds the package, and of the
weights. Seconds depend on where the package index is, and on what else the machine does; seconds of processor time do
not. How long the bytes take at some rates is computed. Linux only.

    python -m benchmarks.studies.first_command HEAD --json benchmarks/results/first_command.json
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlparse
from urllib.request import Request, urlopen

from benchmarks.support.study import run_study
from rtsod.errors import EngineError
from rtsod.system.files import file_to_write

ROOT: Final = Path(__file__).parents[2]
MAX_MEGABYTES: Final = 300.0
MAX_SECONDS: Final = 60.0
"""Bounds of the first command."""
_RATES_MBIT: Final = (50, 100, 500)
_RUN: Final = (
    "--lite",
    "--bg",
    "beach.jpg",
    "--source",
    "demo",
    "--no-preview",
    "--output",
    "out.mp4",
    "--duration",
    "2",
)
"""As in the README, but the same on machines with and without a camera and a screen."""


def main() -> int:
    """Measure, print the results and save them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commits", nargs="+", metavar="COMMIT", help="what to install, such as HEAD")
    parser.add_argument("--json", type=file_to_write, help="save the results to this file")
    options = parser.parse_args()
    about = {"job": {"commits": options.commits, "run": " ".join(_RUN)}}
    return run_study("benchmarks.studies.first_command", options.json, about, lambda record: _measure(options, record))


def _measure(options: argparse.Namespace, record: dict[str, Any]) -> None:
    for commit in options.commits:
        with tempfile.TemporaryDirectory(prefix="rtsod-first-") as folder:
            found = first_command(commit, Path(folder))
        record.setdefault("commits", {})[found.pop("commit")] = found
        for name, limit in (("megabytes", MAX_MEGABYTES), ("seconds", MAX_SECONDS)):
            verdict = "within" if found[name] <= limit else "NOT WITHIN"
            print(f"{commit} {name:<10}{found[name]:>9.1f} {verdict} {limit:g}", flush=True)


def first_command(commit: str, folder: Path) -> dict[str, Any]:
    """Install a commit and run it once.

    Args:
        commit: as Git names it.
        folder: empty.

    Returns:
        Bytes and seconds, in total and by part.

    Raises:
        EngineError: a step failed.
    """
    source, python, note = folder / "rtsod", folder / "venv" / "bin" / "python", folder / "first"
    source.mkdir()
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", str(source)], input=archive, check=True)
    name = subprocess.run(
        ["git", "rev-parse", "--short", commit], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    base = getattr(sys, "_base_executable", sys.executable)
    subprocess.run([base, "-m", "venv", str(folder / "venv")], check=True)
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "DISPLAY")}
    environment |= {"XDG_CACHE_HOME": str(folder / "cache"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}

    report = folder / "report.json"
    began = time.perf_counter()
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-cache-dir", "--report", str(report), "-e", "."]
    install_cpu = _run(install, source, environment)
    installed = time.perf_counter()
    first_picture = ROOT / "benchmarks" / "studies" / "first_picture.py"
    run_cpu = _run([str(python), str(first_picture), str(note), *_RUN], source, environment)
    first = float(note.read_text())  # the same clock in all processes

    backend = folder / "backend.json"
    build = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    _run([str(python), "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--report", str(backend),
          *build], source, environment)  # fmt: skip
    wheels = _sizes(report) | _sizes(backend)
    weights = sum(path.stat().st_size for path in (folder / "cache").rglob("*.onnx"))
    total = sum(wheels.values()) + weights
    return {
        "commit": name,
        "megabytes": round(total / 1e6, 1),
        "seconds": round(first - began, 1),
        "install_seconds": round(installed - began, 1),
        "start_seconds": round(first - installed, 1),
        "install_cpu_seconds": round(install_cpu, 1),
        "run_cpu_seconds": round(run_cpu, 1),
        "weights_megabytes": round(weights / 1e6, 1),
        "wheels_megabytes": {name: round(size / 1e6, 2) for name, size in sorted(wheels.items(), key=_largest_first)},
        "seconds_of_download_at_mbit": {str(rate): round(8 * total / 1e6 / rate, 1) for rate in _RATES_MBIT},
    }


def _largest_first(entry: tuple[str, int]) -> int:
    return -entry[1]


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> float:
    """Run a command, and return the seconds of processor time that it took: other programs do not lengthen those."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise EngineError(f"{command[1:4]}: exit code {done.returncode}: {done.stderr.strip()[-300:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _sizes(report: Path) -> dict[str, int]:
    """The bytes of each file that pip downloaded, by the package's name and version."""
    sizes = {}
    for item in json.loads(report.read_text())["install"]:
        url = item["download_info"]["url"]
        if "dir_info" in item["download_info"]:  # the package itself
            continue
        parts = urlparse(url)
        if parts.scheme == "file":
            size = Path(unquote(parts.path)).stat().st_size
        else:
            with urlopen(Request(url, method="HEAD"), timeout=30) as answer:
                size = int(answer.headers["Content-Length"])
        sizes[f"{item['metadata']['name']} {item['metadata']['version']}"] = size
    return sizes


if __name__ == "__main__":
    sys.exit(main())
