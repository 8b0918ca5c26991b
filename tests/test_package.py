"""What is installed: a wheel and a source distribution hold every file that the program needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "rtsod"
_BUILD = """
from setuptools import build_meta
build_meta.build_wheel("dist")
build_meta.build_sdist("dist")
"""


def _files() -> set[str]:
    """All files of the package, relative to the root, without what Python caches."""
    paths = (path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT).as_posix() for path in paths}


def test_every_file_that_is_no_module_is_package_data() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)
    patterns = project["tool"]["setuptools"]["package-data"]["rtsod"]
    data = {path.relative_to(ROOT).as_posix() for pattern in patterns for path in PACKAGE.glob(pattern)}
    files = _files()
    assert {"rtsod/assets/clips/demo.mp4", "rtsod/assets/calibration/lite.json", "rtsod/py.typed"} <= files
    assert {file for file in files if not file.endswith(".py")} <= data
    for name in project["project"]["license-files"]:
        assert (ROOT / name).is_file()


def test_every_folder_with_modules_is_a_package() -> None:
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_the_wheel_and_the_source_distribution_hold_every_file(tmp_path: Path) -> None:
    try:
        if int(version("setuptools").split(".")[0]) < 77:
            pytest.skip("setuptools is older than the build needs")
    except PackageNotFoundError:
        pytest.skip("no setuptools: the build would have to download it")
    shutil.copytree(PACKAGE, tmp_path / "rtsod", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE", "docs/man/rtsod.1"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    build = subprocess.run(
        [sys.executable, "-c", _BUILD],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert build.returncode == 0, build.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        installed = set(archive.namelist())
    assert _files() <= installed
    assert any(name.endswith(".data/data/share/man/man1/rtsod.1") for name in installed)
    assert {Path(name).name for name in installed if ".dist-info/licenses/" in name} == {"LICENSE", "NOTICE"}
    (source,) = (tmp_path / "dist").glob("*.tar.gz")
    with tarfile.open(source) as unpacked:
        names = {name.partition("/")[2] for name in unpacked.getnames()}
    assert _files() | {"pyproject.toml", "README.md", "LICENSE", "NOTICE", "docs/man/rtsod.1"} <= names
