"""Which class of processor a benchmark ran on, and what it says to expect there."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from rtsod.backends.constant import ConstantEngine
from rtsod.bench.console_report import class_lines
from rtsod.bench.expected import class_line, expectation, expected_speeds
from rtsod.bench.html_report import render_page
from rtsod.bench.kernels import class_that_ran, main_kernel
from rtsod.bench.result import Result
from rtsod.system.processor_class import ProcessorClass
from tests.bench.results import network_result

MACHINE: dict[str, object] = {"processor": "some", "processor_class": "AMX", "cores": 2, "date": "2026-01-01"}


class _Telling(ConstantEngine):
    def kernels(self) -> Counter[str]:
        return Counter({"brgconv_avx512_f32": 3, "brgconv_avx512_I8": 117})


def test_the_kernel_of_most_convolutions_is_named_where_the_engine_can_tell() -> None:
    assert main_kernel(_Telling(64)) == "brgconv_avx512_I8"
    assert main_kernel(ConstantEngine(64)) == ""


@pytest.mark.parametrize(
    ("here", "kernel", "precision", "ran"),
    [
        ("AMX", "brgconv_avx512_amx_I8", "int8", "AMX"),
        ("unknown", "brgconv_avx512_amx_I8", "int8", "AMX"),
        ("AMX", "brgconv_avx512_I8", "int8", "VNNI"),  # the system refuses AMX to this process
        ("AMX", "brgconv_avx512_f32", "fp32", "AMX"),  # AMX has no float32
        ("AMX", "jit_avx2_I8", "int8", "AVX2"),
        ("VNNI", "brgconv_avx512_I8", "int8", "VNNI"),
        ("VNNI", "jit_avx2_I8", "int8", "VNNI"),  # AVX-VNNI has no AVX-512
        ("AVX2", "jit_avx2_I8", "int8", "AVX2"),
        ("unknown", "brgconv_avx512_I8", "int8", "unknown"),
        ("AMX", "", "int8", "AMX"),
    ],
)
def test_the_kernels_say_what_of_the_processor_was_used(here: str, kernel: str, precision: str, ran: str) -> None:
    assert class_that_ran(ProcessorClass(here), kernel, precision) == ran


def test_the_result_names_the_class_that_ran_everywhere() -> None:
    network = network_result("lite", 20.0)
    network = replace(network, kernel="brgconv_avx512_I8", engine=replace(network.engine, precision="int8"))
    result = Result("command", MACHINE, networks=[network])
    assert result.record()["machine"]["processor_class"] == "VNNI"
    assert result.record()["networks"][0]["kernel"] == "brgconv_avx512_I8"
    first, second = class_lines(result)
    assert first.startswith("processor class VNNI: ")
    assert first.endswith("most convolutions ran in brgconv_avx512_I8")
    assert second.strip() == expectation(ProcessorClass.VNNI, 2)
    assert "Processor class VNNI: " in render_page(result)


def test_every_recorded_class_says_what_to_expect_of_both_networks() -> None:
    speeds = expected_speeds()
    assert ProcessorClass.AMX in speeds
    for found, speed in speeds.items():
        line = expectation(found, speed.cores)
        assert f"lite {speed.models['lite'].frame_ms:.0f} ms for a whole frame" in line
        assert f"full {speed.models['full'].frame_ms:.0f} ms for a whole frame" in line
        assert "this machine has" not in line
        assert "this machine has 77" in expectation(found, 77)


def test_a_class_without_results_is_not_guessed() -> None:
    assert expectation(ProcessorClass.OTHER, 8) == "no results have been recorded on this class"
    assert "does not tell" in class_line(ProcessorClass.UNKNOWN)
