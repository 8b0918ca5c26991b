"""Every module imports without the extras, except the one module that wraps the missing library.

The libraries are blocked in a new interpreter, in which each module is imported in turn.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.architecture import ROOT, modules

EXTRAS = (
    "accelerate",
    "cuda",
    "matplotlib",
    "onnxruntime",
    "onnxruntime_ep_webgpu",
    "onnxscript",
    "psutil",
    "pycuda",
    "pyvirtualcam",
    "starlette",
    "supervision",
    "tensorrt",
    "tensorrt_rtx",
    "uvicorn",
)
"""Libraries that ``pip install rtsod`` does not install."""
ENGINES = ("openvino", "openvino_telemetry", "torch")
"""Libraries that only the engine that uses them needs."""
HOMES = {
    "rtsod.backends.cuda.cuda_python": "cuda",
    "rtsod.backends.cuda.pycuda": "pycuda",
    "rtsod.bench.end_to_end": "psutil",
    "rtsod.bench.plots": "matplotlib",
    "rtsod.blocks.page": "matplotlib",  # the page of those plots
    "rtsod.blocks.plots": "matplotlib",
    "rtsod.bench.html_report": "matplotlib",  # the page of those plots
    "rtsod.pages.figures": "matplotlib",
    "rtsod.evaluation.plots": "matplotlib",
    "rtsod.evaluation.report": "matplotlib",  # the files of those plots
    "rtsod.sinks.pyvirtualcam_backend": "pyvirtualcam",
    "rtsod.blocks.trained": "accelerate",
    "rtsod.training.page": "matplotlib",  # the page of those plots
    "rtsod.training.report_plots": "matplotlib",
    "rtsod.training.processes": "accelerate",
    "rtsod.learning.course": "accelerate",  # in a process of its own
    "rtsod.control.answers": "starlette",
    "rtsod.control.connections": "uvicorn",
    "rtsod.control.gate": "starlette",
    "rtsod.control.routes": "starlette",
    "rtsod.control.server": "uvicorn",
    "rtsod.control.streams": "starlette",
}
"""Modules that may need an extra to be imported: the one that wraps it. The program imports them late."""
NEED_TORCH = (
    "rtsod.backends.openvino.plain_module",
    "rtsod.backends.tensorrt.",
    "rtsod.backends.torch.",
    "rtsod.blocks.",
    "rtsod.export.",
    "rtsod.learning.",
    "rtsod.model.checkpoints",
    "rtsod.model.fp16",
    "rtsod.model.int8",
    "rtsod.model.outlier_channels",
    "rtsod.model.saliency",
    "rtsod.model.u2net",
    "rtsod.training.",
)
"""Modules, and folders of modules, that may need PyTorch to be imported: training, exporting, and engines on a GPU."""

IMPORT_ALL = """
import importlib, json, sys

blocked = set(json.loads(sys.argv[1]))

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r} (blocked by the test)", name=name)

sys.meta_path.insert(0, Blocker())
failed = {}
for module in json.loads(sys.argv[2]):
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        failed[module] = error.name.split(".")[0]
print(json.dumps(failed))
"""


def _import_all(names: list[str], blocked: tuple[str, ...]) -> dict[str, str]:
    """The modules that do not import, each with the library it misses."""
    command = [sys.executable, "-c", IMPORT_ALL, json.dumps(blocked), json.dumps(names)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    failed: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return failed


def test_every_module_imports_without_the_extras() -> None:
    failed = _import_all(sorted(modules()), EXTRAS)
    assert failed.items() <= HOMES.items()


def test_what_runs_on_a_cpu_imports_without_pytorch() -> None:
    failed = _import_all(sorted(modules()), ("torch",))
    assert set(failed.values()) == {"torch"}
    assert [module for module in failed if not module.startswith(NEED_TORCH)] == []


@pytest.mark.parametrize("module", ["rtsod.app.run", "rtsod.__main__", "rtsod.segmenter", "rtsod.cli.doctor.report"])
def test_the_program_imports_without_an_engine(module: str) -> None:
    """So that the program can say which engine is missing, and how to install it."""
    assert _import_all([module], ENGINES) == {}


def test_the_blocker_blocks() -> None:
    assert _import_all(["rtsod.refine.kernel"], ("numba",)) == {"rtsod.refine.kernel": "numba"}
