"""The public API: which names it has, that they work, that importing them is cheap, and that mypy knows their types."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import rtsod
from rtsod import config, errors

ROOT = Path(__file__).parents[1]
PUBLIC = {
    "__version__",
    "Segmenter", "EngineInfo", "cutout_from_alpha", "detections_from_alpha", "run",
    "AppConfig", "SourceConfig", "EngineConfig", "QualityConfig", "PictureConfig", "OutputConfig", "RunConfig",
    "ControlConfig", "NotRunning",
    "ExitCode", "RtsodError", "UsageError", "SourceError", "SourceGone", "SourceBusy", "DataError", "WeightsError",
    "EngineError", "EngineUnavailable", "OutputError", "ReceiverGone", "MaskError", "MaskWithheld",
}  # fmt: skip


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_list_of_public_names() -> None:
    assert set(rtsod.__all__) == PUBLIC
    assert list(rtsod.__all__) == sorted(rtsod.__all__)
    assert set(dir(rtsod)) >= PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_each_name_resolves_and_is_documented(name: str) -> None:
    found = getattr(rtsod, name)
    if name == "__version__":
        assert isinstance(found, str)
        return
    assert found.__name__ == name
    assert inspect.getdoc(found)
    assert rtsod.__doc__ is not None
    assert f"`{name}`" in rtsod.__doc__, "the package's docstring names it"


def test_every_error_and_every_part_of_the_configuration_is_public() -> None:
    kinds = {
        name for name, kind in vars(errors).items() if inspect.isclass(kind) and kind.__module__ == errors.__name__
    }
    parts = {
        name for name, kind in vars(config).items() if inspect.isclass(kind) and kind.__module__ == config.__name__
    }
    assert kinds | parts <= PUBLIC


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'rtsod' has no attribute 'nonsense'"):
        _ = rtsod.nonsense


def test_importing_the_package_imports_no_library_until_a_name_needs_it() -> None:
    heavy = (
        "{'PIL', 'av', 'cv2', 'numba', 'numpy', 'onnx', 'openvino', 'rich', 'supervision', 'torch'} & set(sys.modules)"
    )
    code = f"import sys, rtsod; dir(rtsod); rtsod.AppConfig(); rtsod.WeightsError; print({heavy} or 'none')"
    assert _python(code) == "none"
    assert (
        _python("from rtsod import *; print(Segmenter.__module__, run.__module__)") == "rtsod.segmenter rtsod.app.run"
    )


def test_users_of_mypy_see_the_types(tmp_path: Path) -> None:
    pytest.importorskip("mypy.api", reason="mypy is not installed")
    user = tmp_path / "user.py"
    user.write_text(
        "import rtsod\n"
        "reveal_type(rtsod.run(rtsod.AppConfig(source=rtsod.SourceConfig('scene'))))\n"
        "reveal_type(rtsod.Segmenter.open('lite').info)\n"
        "reveal_type(rtsod.WeightsError.exit_code)\n"
        "rtsod.run(3)\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", str(user)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    revealed = [line.split('"')[1] for line in done.stdout.splitlines() if "Revealed" in line]
    assert revealed == ["rtsod.errors.ExitCode", "rtsod.frames.EngineInfo", "rtsod.errors.ExitCode"]
    assert done.stdout.count("error:") == 1, "the call with a number, and nothing else"
