"""Which class of processor this is."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtsod.system.processor_class import ProcessorClass, class_of, limit, processor_class, processor_features

ZEN_2 = frozenset({"sse4_1", "avx", "avx2"})
SKYLAKE_SERVER = ZEN_2 | {"avx512f", "avx512bw"}
ICE_LAKE = SKYLAKE_SERVER | {"avx512_vnni"}
ALDER_LAKE = ZEN_2 | {"avx_vnni"}
SAPPHIRE_RAPIDS = ICE_LAKE | {"avx_vnni", "amx_tile", "amx_int8", "amx_bf16"}
ALL = [frozenset({"sse4_1"}), ZEN_2, SKYLAKE_SERVER, ICE_LAKE, ALDER_LAKE, SAPPHIRE_RAPIDS]


@pytest.mark.parametrize(
    ("features", "most", "expected"),
    [
        (SAPPHIRE_RAPIDS, None, "AMX"),
        (SAPPHIRE_RAPIDS, "DEFAULT", "AMX"),
        (SAPPHIRE_RAPIDS, "AVX512_CORE_AMX", "AMX"),
        (SAPPHIRE_RAPIDS, "AVX512_CORE_BF16", "VNNI"),
        (SAPPHIRE_RAPIDS, "AVX512_CORE_VNNI", "VNNI"),
        (ICE_LAKE, None, "VNNI"),
        (ICE_LAKE, "AVX512_CORE", "AVX2"),
        (ICE_LAKE, "AVX2_VNNI", "AVX2"),
        (ICE_LAKE, "AVX2", "AVX2"),
        (ICE_LAKE, "SSE41", "other"),
        (ALDER_LAKE, None, "VNNI"),
        (ALDER_LAKE, "AVX2_VNNI", "VNNI"),
        (ALDER_LAKE, "AVX2", "AVX2"),
        (SKYLAKE_SERVER, None, "AVX2"),
        (ZEN_2, None, "AVX2"),
        (ZEN_2, "AVX", "other"),
        (frozenset({"sse4_1"}), None, "other"),
    ],
)
def test_the_class_follows_from_the_instructions_that_may_be_used(
    features: frozenset[str], most: str | None, expected: str
) -> None:
    assert class_of(features, most) == expected


@given(
    st.sampled_from(ALL), st.sampled_from(["ALL", "SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX10_1_512"])
)
def test_a_limit_never_raises_the_class(features: frozenset[str], most: str) -> None:
    order = list(ProcessorClass)
    assert order.index(class_of(features, most)) >= order.index(class_of(features))


def test_onednn_s_limit_is_read_in_either_spelling() -> None:
    assert limit({}) is None
    assert limit({"ONEDNN_MAX_CPU_ISA": ""}) is None
    assert limit({"ONEDNN_MAX_CPU_ISA": "avx2"}) == "AVX2"
    assert limit({"DNNL_MAX_CPU_ISA": "AVX2"}) == "AVX2"


def test_linux_lists_the_features_of_each_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    cpu_info = tmp_path / "cpuinfo"
    cpu_info.write_text("processor\t: 0\nflags\t\t: fpu avx2 avx_vnni\nprocessor\t: 1\nflags\t\t: fpu\n")
    assert processor_features(cpu_info) == frozenset({"fpu", "avx2", "avx_vnni"})
    cpu_info.write_text("processor\t: 0\n")
    assert processor_features(cpu_info) is None
    assert processor_features(tmp_path / "missing") is None


def test_an_intel_mac_lists_them_in_its_own_spelling(monkeypatch: pytest.MonkeyPatch) -> None:
    def sysctl(command: tuple[str, ...], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 0, "FPU AVX1.0\nAVX2 AVX512F AVX512VNNI\n", "")

    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(subprocess, "run", sysctl)
    features = processor_features()
    assert features is not None
    assert class_of(features) is ProcessorClass.VNNI


def test_an_arm_processor_is_another_class_and_a_silent_system_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "ARM64")
    assert processor_class() is ProcessorClass.OTHER
    monkeypatch.setattr("rtsod.system.processor_class.processor_features", lambda: None)
    assert processor_class() is ProcessorClass.UNKNOWN
