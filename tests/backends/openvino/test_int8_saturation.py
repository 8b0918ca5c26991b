"""Where 8-bit sums saturate, weights have 7 bits, and the masks stay right."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("openvino", reason="OpenVINO is not installed")

_SCRIPT = """
from rtsod.backends.openvino.core import openvino_core
from rtsod.backends.openvino.int8_saturation import int8_saturates
print(int8_saturates(openvino_core()))
"""


def test_sums_saturate_with_avx2() -> None:
    if not sys.platform.startswith("linux") or "avx2" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("needs a processor with AVX2, and /proc to know")
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
    answer = subprocess.run(
        [sys.executable, "-c", _SCRIPT], env=environment, capture_output=True, check=True, text=True
    )
    assert answer.stdout.strip() == "True"
