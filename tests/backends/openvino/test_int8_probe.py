"""The probe measures real convolutions; its verdict is a ratio of their times."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

pytest.importorskip("openvino", reason="OpenVINO is not installed")

from rtsod.backends.openvino import int8_probe
from rtsod.backends.openvino.core import openvino_core, ov
from rtsod.backends.openvino.int8_probe import int8_speedup, remembered_speedup


def test_the_speedup_is_the_time_in_float_over_the_time_in_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    models: list[ov.Model] = []

    def seconds(core: ov.Core, timed: Sequence[ov.Model]) -> list[float]:
        models.extend(timed)
        return [0.006 if _quantisers(model) == 0 else 0.002 for model in timed]

    monkeypatch.setattr(int8_probe, "_shortest_seconds", seconds)
    assert int8_speedup(openvino_core()) == pytest.approx(3)
    assert [_quantisers(model) for model in models] == [0, 6], "three layers, each with quantised input and weights"


def _quantisers(model: ov.Model) -> int:
    return sum(node.get_type_name() == "FakeQuantize" for node in model.get_ops())


def test_both_networks_run_here() -> None:
    assert 0.05 < int8_speedup(openvino_core()) < 100


def test_the_int8_network_runs_in_int8_where_the_processor_can() -> None:
    core = openvino_core()
    if "INT8" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this processor has no int8")
    options = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    kernels = []
    for int8 in (False, True):
        compiled = core.compile_model(int8_probe._convolutions(int8=int8), "CPU", options)
        kernels.append([
            str(node.get_rt_info()["primitiveType"].value).lower()
            for node in compiled.get_runtime_model().get_ops()
            if str(node.get_rt_info()["layerType"].value) == "Convolution"
        ])  # fmt: skip
    in_float, in_int8 = kernels
    assert len(in_float) == len(in_int8) == 3
    assert not any(name.endswith("i8") for name in in_float)
    assert all(name.endswith("i8") for name in in_int8)


class TestMemory:
    """A later start does not measure; whatever is not what was stored is measured again."""

    @pytest.fixture(autouse=True)
    def measured(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        answers = [2.5, 3.5, 4.5]
        monkeypatch.setattr(int8_probe, "int8_speedup", lambda core: answers.pop(0))
        return answers

    def test_measures_once(self, tmp_path: Path) -> None:
        assert [remembered_speedup(openvino_core(), tmp_path / "new") for _ in range(3)] == [2.5, 2.5, 2.5]

    def test_measures_again_where_openvino_may_use_other_instructions(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert remembered_speedup(openvino_core(), tmp_path) == 2.5
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
        assert remembered_speedup(openvino_core(), tmp_path) == 3.5

    def test_measures_again_where_the_file_is_damaged(self, tmp_path: Path) -> None:
        remembered_speedup(openvino_core(), tmp_path)
        (file,) = tmp_path.iterdir()
        file.write_bytes(file.read_bytes().replace(b"2.5", b"9.5"))
        assert remembered_speedup(openvino_core(), tmp_path) == 3.5

    def test_measures_each_time_where_nothing_can_be_stored(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        assert [remembered_speedup(openvino_core(), folder) for folder in (None, tmp_path / "file")] == [2.5, 3.5]
