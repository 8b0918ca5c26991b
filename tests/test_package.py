"""What is installed: a wheel and a source distribution hold every file that the program needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
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
build_meta.build_editable("editable")
"""
_USER = """
import rtsod
reveal_type(rtsod.Segmenter.open("lite").info)
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


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the package is built from, with its distributions."""
    folder = tmp_path_factory.mktemp("built")
    try:
        if int(version("setuptools").split(".")[0]) < 77:
            pytest.skip("setuptools is older than the build needs")
    except PackageNotFoundError:
        pytest.skip("no setuptools: the build would have to download it")
    shutil.copytree(PACKAGE, folder / "rtsod", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE", "docs/man/rtsod.1"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    build = subprocess.run(
        [sys.executable, "-c", _BUILD],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert build.returncode == 0, build.stderr
    return folder


def test_the_wheel_and_the_source_distribution_hold_every_file(built: Path) -> None:
    (wheel,) = (built / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        installed = set(archive.namelist())
    assert _files() <= installed
    assert any(name.endswith(".data/data/share/man/man1/rtsod.1") for name in installed)
    assert {Path(name).name for name in installed if ".dist-info/licenses/" in name} == {"LICENSE", "NOTICE"}
    (source,) = (built / "dist").glob("*.tar.gz")
    with tarfile.open(source) as unpacked:
        names = {name.partition("/")[2] for name in unpacked.getnames()}
    assert _files() | {"pyproject.toml", "README.md", "LICENSE", "NOTICE", "docs/man/rtsod.1"} <= names


def test_type_checkers_outside_the_checkout_find_what_is_installed_from_it(built: Path, tmp_path: Path) -> None:
    pytest.importorskip("mypy.api", reason="mypy is not installed")
    venv.create(tmp_path / "venv", symlinks=True)
    python = next(path for path in (tmp_path / "venv").glob("*/python*") if path.is_file())
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(subprocess.run([python, "-c", where], capture_output=True, text=True, check=True).stdout.strip())
    (wheel,) = (built / "editable").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    (tmp_path / "user.py").write_text(_USER)
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--python-executable", str(python)]
    done = subprocess.run(
        [*command, "user.py"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MYPYPATH")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 'Revealed type is "rtsod.frames.EngineInfo"' in done.stdout, done.stdout
