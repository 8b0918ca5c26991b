"""The imports point down the table of folders, and no files import each other in a circle."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.support.architecture import (
    FOLDERS,
    PACKAGE,
    PAGE,
    ROOT,
    TOP_MODULES,
    VOCABULARY,
    circles,
    folder_of,
    imports,
    modules,
    page_with_table,
)

ARROWS = sorted({(arrow.importer, arrow.imported) for arrow in imports()})
OWN = [(one, other) for one, other in ARROWS if other.split(".")[0] == "rtsod"]
FOREIGN = [(one, other.split(".")[0]) for one, other in ARROWS if other.split(".")[0] not in {"rtsod", "numpy"}]


@pytest.mark.parametrize("module", sorted(modules()))
def test_imports_point_down(module: str) -> None:
    folder = folder_of(module)
    allowed = {folder, VOCABULARY, *FOLDERS[folder].may_import}
    if folder == VOCABULARY:
        allowed = {VOCABULARY}
    wrong = [other for one, other in OWN if one == module and folder_of(other) not in allowed]
    wrong = [other for other in wrong if other != "rtsod.version"]
    assert not wrong, f"{folder} may not import these"


def test_rows_only_name_rows_before_them() -> None:
    seen: set[str] = set()
    for name, folder in FOLDERS.items():
        assert set(folder.may_import) <= seen, name
        seen.add(name)


def test_no_files_import_each_other_in_a_circle() -> None:
    assert circles(set(OWN)) == []


@pytest.mark.parametrize("module", sorted(modules()))
def test_libraries_stay_in_their_folders(module: str) -> None:
    allowed = {*FOLDERS[folder_of(module)].libraries, *sys.stdlib_module_names}
    assert {library for one, library in FOREIGN if one == module} <= allowed


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        ("openvino", ("rtsod.backends.openvino.", "rtsod.bench.roofline")),
        ("onnxruntime", ("rtsod.backends.onnxruntime.library",)),
        ("pooch", ("rtsod.model.origins",)),
        (
            "onnx",
            (
                "rtsod.model.tensors",
                "rtsod.export.onnx_from_torch",
                "rtsod.export.onnx_from_weights",
                "rtsod.export.parity",
                "rtsod.export.resized",
            ),
        ),
        ("cuda", ("rtsod.backends.cuda.cuda_python",)),
        ("pycuda", ("rtsod.backends.cuda.pycuda",)),
        ("filelock", ("rtsod.system.file_lock",)),
        ("numba", ("rtsod.system.kernel_cache",)),
        ("platformdirs", ("rtsod.system.user_folder",)),
        ("pyvirtualcam", ("rtsod.sinks.pyvirtualcam_backend",)),
        ("matplotlib", ("rtsod.pages.figures", "rtsod.bench.plots")),
        ("rich", ("rtsod.app.console", "rtsod.app.train_console")),
        ("PIL", ("rtsod.imaging.", "rtsod.evaluation.protocols", "rtsod.evaluation.contact_sheet", "rtsod.segmenter")),
        ("supervision", ("rtsod.segmenter",)),
        ("starlette", ("rtsod.control.",)),
        ("uvicorn", ("rtsod.control.server", "rtsod.control.connections")),
        ("pi_heif", ("rtsod.imaging.stills.heif_image",)),
    ],
)
def test_a_library_is_imported_in_one_place(library: str, homes: tuple[str, ...]) -> None:
    users = {one for one, foreign in FOREIGN if foreign == library}
    assert users
    assert {user for user in users if not user.startswith(homes)} == set()


def test_few_modules_stand_directly_in_the_package() -> None:
    top = [path.stem for path in PACKAGE.glob("*.py")]
    assert len(top) <= 12
    assert {name for name in top if name not in TOP_MODULES} == {
        "config", "errors", "frames", "interfaces", "live", "mask_plan", "metrics", "progress", "version",
    }  # fmt: skip


def test_every_folder_is_in_the_table() -> None:
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders == {name for name in FOLDERS if (PACKAGE / name).is_dir()}
    assert "build" not in {path.name for path in PACKAGE.rglob("*") if path.is_dir()}, "tools take it for build output"


def test_a_circle_of_files_is_found(tmp_path: Path) -> None:
    package = tmp_path / "rtsod"
    package.mkdir()
    for name, other in (("one", "two"), ("two", "three"), ("three", "one"), ("four", "one")):
        (package / f"{name}.py").write_text(f"def late():\n    from rtsod import {other}\n")
    arrows = {(arrow.importer, arrow.imported) for arrow in imports(package)}
    assert circles(arrows) == [["rtsod.one", "rtsod.three", "rtsod.two"]]


def test_the_architecture_page_shows_this_table() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == page_with_table(page), "run python -m tests.support.architecture"


def test_the_architecture_page_names_files_that_exist() -> None:
    named = set(re.findall(r"`((?:\w+/)+\w+\.py)`", PAGE.read_text(encoding="utf-8")))
    assert named
    assert [name for name in sorted(named) if not (PACKAGE / name).is_file() and not (ROOT / name).is_file()] == []
