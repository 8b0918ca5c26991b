"""The folders of ``rtsod/``, what each may import, and the imports as the sources have them.

The table is the design. ``tests/test_architecture.py`` holds the sources to it, and ``docs/architecture.md`` shows it:
``python -m tests.support.architecture`` writes it there anew.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = ROOT / "rtsod"
PAGE: Final = ROOT / "docs" / "architecture.md"
BEGIN: Final = "<!-- folders:begin -->"
END: Final = "<!-- folders:end -->"
VOCABULARY: Final = "vocabulary"
"""The modules directly in ``rtsod/`` that everything may import."""
TOP_MODULES: Final = ("__init__", "__main__")
"""Modules directly in ``rtsod/`` that stand above the folders, each with a rule of its own."""


@dataclass(frozen=True, slots=True)
class Folder:
    """One row of the table."""

    purpose: str
    may_import: tuple[str, ...] = ()
    """Other rows. The vocabulary is always allowed and is not listed."""
    libraries: tuple[str, ...] = ()
    """Third-party packages, NumPy aside, which is always allowed."""


_BELOW_APP: Final = (
    "system", "imaging", "motion", "refine", "pipeline", "model", "masking", "sources", "sinks", "composite",
    "backends", "segmenter", "learning", "control",
)  # fmt: skip
_BELOW_CLI: Final = (
    *_BELOW_APP,
    "drawing",
    "export",
    "app",
    "batch",
    "data",
    "evaluation",
    "pages",
    "training",
    "blocks",
)

FOLDERS: Final[dict[str, Folder]] = {
    VOCABULARY: Folder("records, protocols, configuration, errors, metrics, progress"),
    "system": Folder(
        "files, locks, caches, signals, subprocesses, worker threads, V4L2, PipeWire; the machine: class, load",
        (),
        ("filelock", "numba", "platformdirs", "psutil"),
    ),
    "pages": Folder("what report pages share: HTML elements, the style of plots", (), ("matplotlib",)),
    "imaging": Folder(
        "untrusted media: photographs, videos, their colours and geometry; the network's input", ("system",),
        ("PIL", "av", "cv2", "pi_heif"),
    ),
    "drawing": Folder("the drawn scene, with a known alpha for every frame", (), ("cv2",)),
    "motion": Folder("optical flow: propagates, stabilizes and checks masks", ("system",), ("cv2",)),
    "refine": Folder(
        "edges: brings a map to the frame's size, guided by the frame", ("system",), ("cv2",)
    ),
    "pipeline": Folder("the threads a frame passes through, and the rings between them", ("system",)),
    "model": Folder(
        "U²-Net: graph, weights, number formats", ("system",),
        ("onnx", "pooch", "safetensors", "torch"),
    ),
    "data": Folder(
        "data sets: pictures with masks, found, paired, checked, read, cached", ("imaging", "system"), ("cv2",)
    ),
    "masking": Folder("what the network sees of each frame, how often, at which size", ("imaging",), ("cv2",)),
    "sources": Folder(
        "cameras, videos, photographs, the demo clip, the drawn scene", ("drawing", "imaging", "system"), ("av", "cv2")
    ),
    "sinks": Folder(
        "windows, virtual cameras, files, pipes, live streams", ("imaging", "system"), ("av", "cv2", "pyvirtualcam")
    ),
    "composite": Folder(
        "puts the subject in front of another background", ("imaging", "refine", "system"), ("av", "cv2")
    ),
    "export": Folder(
        "ONNX graphs, checked against PyTorch", ("drawing", "imaging", "model", "system"), ("cv2", "onnx", "torch")
    ),
    "backends": Folder(
        "the engines: OpenVINO, PyTorch, TensorRT, ONNX Runtime; building them and running them",
        ("export", "imaging", "model", "system"),
        ("cuda", "cv2", "onnxruntime", "openvino", "pycuda", "torch"),
    ),
    "segmenter": Folder(
        "the network as a library: pictures in, their alphas, cut-outs or detections out",
        ("backends", "imaging", "model", "refine"), ("PIL", "cv2", "supervision"),
    ),
    "evaluation": Folder(
        "how good saliency maps are: metrics, protocols, intervals, pages",
        ("backends", "data", "drawing", "imaging", "model", "pages", "system"), ("PIL", "cv2"),
    ),
    "training": Folder(
        "samples, losses, the loop, its state, its report",
        ("data", "drawing", "evaluation", "imaging", "model", "pages", "system"),
        ("accelerate", "cv2", "torch"),
    ),
    "blocks": Folder(
        "the paper's block beside others: counted, timed, trained",
        ("backends", "data", "model", "pages", "system", "training"), ("torch",),
    ),
    "learning": Folder(
        "a network of one's own: recorded, labelled, corrected by the empty room, trained, measured",
        ("backends", "export", "imaging", "masking", "model", "sinks", "sources", "system", "training"),
        ("cv2", "torch"),
    ),
    "control": Folder(
        "the control server: a page and an interface to change a run, behind one gate", ("imaging", "system"),
        ("cv2", "starlette", "uvicorn"),
    ),
    "app": Folder("builds a run from its configuration, runs it, reports", _BELOW_APP, ("cv2", "rich")),
    "batch": Folder(
        "many files: found, shared out among processes, resumed, accounted for",
        ("system", "imaging", "model", "masking", "sources", "sinks", "app"), ("fsspec", "ray"),
    ),
    "cli": Folder("the commands: options, their file, help, exit codes", _BELOW_CLI, ("shtab", "tomlkit")),
    "bench": Folder(
        "the benchmark, a client of all the rest", (*_BELOW_CLI, "cli"),
        ("cv2", "matplotlib", "openvino", "psutil", "rich", "torch"),
    ),
    "__init__": Folder("the public API", ("segmenter", "app")),
    "__main__": Folder("the program: chooses among the commands", ("system", "cli", "bench")),
}  # fmt: skip
"""Every row, from the bottom up."""


@dataclass(frozen=True, slots=True)
class Import:
    """An arrow from one file to another, or to a third-party package."""

    importer: str
    """Dotted name of the module, ``rtsod.sources.video``."""
    imported: str
    """Dotted name of the module or package."""


def modules(package: Path = PACKAGE) -> dict[str, Path]:
    """Every module by its dotted name."""
    return {_dotted(path, package): path for path in sorted(package.rglob("*.py"))}


def imports(package: Path = PACKAGE) -> Iterator[Import]:
    """Every import, wherever in a file it stands: at the top, in a function, or for the type checker alone."""
    known = modules(package)
    for name, path in known.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield Import(name, alias.name)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: imports are absolute"
                assert node.module is not None
                for alias in node.names:
                    full = f"{node.module}.{alias.name}"
                    yield Import(name, full if full in known else node.module)


def folder_of(module: str) -> str:
    """The row of the table that a module belongs to."""
    parts = module.split(".")[1:] or ["__init__"]
    if parts[0] in FOLDERS:
        return parts[0]
    return VOCABULARY


def circles(arrows: set[tuple[str, str]]) -> list[list[str]]:
    """The groups of names that reach each other (strongly connected components of more than one name).

    Tarjan, "Depth-first search and linear graph algorithms", 1972.
    """
    below: dict[str, list[str]] = {}
    for one, other in sorted(arrows):
        below.setdefault(one, []).append(other)
        below.setdefault(other, [])
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = lowest[name] = len(index)
        stack.append(name)
        for other in below[name]:
            if other not in index:
                visit(other)
            if other in stack:
                lowest[name] = min(lowest[name], lowest[other])
        if lowest[name] == index[name]:
            position = stack.index(name)
            group = stack[position:]
            del stack[position:]
            if len(group) > 1:
                found.append(sorted(group))

    for name in below:
        if name not in index:
            visit(name)
    return found


def table() -> str:
    """The table as Markdown, from the bottom up."""
    lines = ["| folder | what is in it | may import |", "| --- | --- | --- |"]
    for name, folder in FOLDERS.items():
        if name in ("__init__", "__main__"):
            continue
        allowed = ", ".join(f"`{other}`" for other in folder.may_import) or ("nothing" if name == VOCABULARY else "")
        if name == "app":
            above = list(FOLDERS)[1 : list(FOLDERS).index(name)]
            *first, last = [f"`{other}`" for other in above if other not in folder.may_import]
            allowed = f"all above but {', '.join(first)} and {last}"
        elif name in ("cli", "bench"):
            allowed = "all above"
        shown = f"`{name}/`" if (PACKAGE / name).is_dir() else f"`{name}.py`" if name != VOCABULARY else "top level"
        lines.append(f"| {shown} | {folder.purpose} | {allowed or 'the vocabulary alone'} |")
    return "\n".join(lines)


def _dotted(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def page_with_table(page: str) -> str:
    """``docs/architecture.md`` with the current table between its markers."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(page_with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
