"""The arrows between the folders point down. The table is the design's; the sources are read, not imported."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "rtsod"

LAYERS = {
    "version": 0, "errors": 0, "progress": 0, "types": 0, "config": 0,
    "image_file": 2, "geometry": 1, "preprocess": 1, "refine": 1, "composite": 1, "ring": 1, "meter": 1, "capture": 1,
    "motion": 1, "masker": 1, "pairing": 1, "parting": 1,
    "supervised_source": 1, "supervised_engine": 1, "v4l2": 1, "text_file": 1, "stop_signals": 1, "command_line": 1,
    "region": 1, "region_masker": 1, "change": 1, "sparing": 1, "ladder": 1, "engine_pool": 1, "adaptive_masker": 1,
    "apart": 1,
    "model": 2, "export": 2, "build": 2, "cuda": 2, "backends": 2, "sources": 2, "sinks": 2, "backgrounds": 2,
    "pipeline": 3,
    "segmenter": 4, "report": 4, "calibrate": 4, "assembly": 4, "app": 4, "pace": 4, "quality": 4,
    "cli": 4,
    "bench": 4, "devices": 4, "doctor": 4,
    "": 5,
}  # fmt: skip
"""By the first name below ``rtsod``; the package's own ``__init__`` is on top."""
LIBRARIES = {
    0: {"numpy"},
    1: {"numpy", "cv2", "numba"},
    3: set(),
}
"""Third-party libraries a layer may import; edges and application may import what they wrap."""
STAYS_OUT_OF = {"sources": {"torch", "openvino"}, "sinks": {"torch", "openvino"}, "pipeline": {"cv2", "numpy"}}
EDGES_MAY_USE = {
    "sources": {"image_file"},
    "export": {"model", "sources", "image_file"},  # the demo scene's pictures
    "build": {"model", "export", "cuda"},
    "backends": {"model", "export", "build", "cuda"},
}
"""Edges stand side by side and do not see each other, except as listed."""
THIRD_PARTY = {"numpy", "cv2", "torch", "openvino", "av", "onnx", "rich", "pooch", "safetensors", "platformdirs",
               "pyvirtualcam", "cuda", "pycuda", "filelock", "numba"}  # fmt: skip


def _module(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return "" if parts == ("__init__",) else parts[0]


def _imports(path: Path) -> set[str]:
    """Dotted names of everything a file imports, wherever in it the import stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module is not None
            names |= {node.module} if node.module != "rtsod" else {f"rtsod.{alias.name}" for alias in node.names}
    return names


OPENVINO = {
    f"backends/{name}.py"
    for name in (
        "byte_speed",
        "openvino_conversion",
        "openvino_core",
        "openvino_engine",
        "openvino_graph",
        "openvino_model",
        "openvino_sizes",
    )
}
FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    importer = _module(path)
    layer = LAYERS[importer]
    for name in _imports(path):
        if not name.startswith("rtsod."):
            continue
        imported = name.split(".")[1]
        if imported == importer:
            continue
        assert LAYERS[imported] <= layer, f"{importer} (layer {layer}) imports {imported} (layer {LAYERS[imported]})"
        if layer == 2 and LAYERS[imported] == 2:
            assert imported in EDGES_MAY_USE.get(importer, set()), f"edge {importer} imports edge {imported}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_libraries_stay_in_their_layer(path: Path) -> None:
    importer = _module(path)
    libraries = {name.split(".")[0] for name in _imports(path)} & THIRD_PARTY
    allowed = LIBRARIES.get(LAYERS[importer])
    if allowed is not None:
        assert libraries <= allowed
    assert not libraries & STAYS_OUT_OF.get(importer, set())


@pytest.mark.parametrize(
    ("library", "home"),
    [
        ("openvino", OPENVINO),
        ("pooch", {"model/weights.py"}),
        ("onnx", {"model/checkpoints.py", "export/onnx_from_torch.py", "export/parity.py"}),
        ("cuda", {"cuda/cuda_python_memory.py"}),
        ("pycuda", {"cuda/pycuda_memory.py"}),
        ("filelock", {"build/lock.py"}),
        ("numba", {"refine/kernel.py"}),
        ("pyvirtualcam", {"sinks/_pyvirtualcam.py"}),
    ],
)
def test_a_library_is_imported_in_one_place(library: str, home: set[str]) -> None:
    users = {
        str(path.relative_to(PACKAGE))
        for path in FILES
        if any(name.split(".")[0] == library for name in _imports(path))
    }
    assert users == home


def test_every_module_is_in_the_table() -> None:
    assert {_module(path) for path in FILES} <= set(LAYERS)
