"""WebGPU for real, on a software adapter: a Vulkan driver that computes on the processor.

Such drivers come with Chromium (SwiftShader) and Mesa (lavapipe). Nobody would run the program on one: a mask takes
seconds. In a process of its own, because the driver is chosen when the library is loaded.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from rtsod.backends.onnxruntime.cache import GraphCache
from rtsod.backends.onnxruntime.session_from_weights import engine_from_weights
from rtsod.model.golden_input import golden_input
from rtsod.model.weights import resolve
from tests.backends.onnxruntime.conftest import CONFIG

ROOT = Path(__file__).parents[3]
DRIVERS = sorted(
    chain(
        Path("/usr/lib").glob("chromium*/vk_swiftshader_icd.json"),
        Path("/opt").glob("*/*/vk_swiftshader_icd.json"),
        Path("/usr/share/vulkan/icd.d").glob("lvp_icd*.json"),
    )
)
RUN = """
import sys
from pathlib import Path
import numpy as np
from rtsod.backends.onnxruntime import cache
from rtsod.backends.onnxruntime.session_from_weights import engine_from_weights
from rtsod.errors import EngineError
from rtsod.model.golden_input import golden_input
from rtsod.model.weights import resolve
from tests.backends.onnxruntime.conftest import CONFIG, SIZES
from dataclasses import replace

cache.shared_sizes = lambda size: SIZES
config = replace(CONFIG, device="webgpu")
try:
    engine = engine_from_weights(config, resolve(config), cache.GraphCache(Path(sys.argv[1])))
except EngineError as error:
    print(error)
    sys.exit(5)
np.save(sys.argv[2], engine.infer(golden_input(64)))
print(engine.info.device)
"""


def test_webgpu_computes_what_the_cpu_computes(cache: GraphCache, tmp_path: Path) -> None:
    if find_spec("onnxruntime_ep_webgpu") is None:
        pytest.skip("onnxruntime-ep-webgpu is not installed")
    exact = engine_from_weights(CONFIG, resolve(CONFIG), cache).infer(golden_input(64))
    reason = "no software driver for Vulkan is installed: apt-get install chromium libvulkan1"
    for driver in DRIVERS:
        done = _run(driver, tmp_path)
        if done.returncode == 0:
            assert done.stdout.strip() == "webgpu (in software, WebGpuExecutionProvider)"
            assert np.abs(np.load(tmp_path / "map.npy") - exact).max() < 1e-3
            return
        reason = f"{driver}: {done.stdout.strip() or done.stderr.strip().splitlines()[-1]}"
        if "adapter" not in reason and "finds no GPU" not in reason:
            pytest.fail(reason)
    pytest.skip(reason)


def _run(driver: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    variables = {
        "ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER": "1",
        "VK_DRIVER_FILES": str(driver),
        "VK_ICD_FILENAMES": str(driver),  # as older loaders call it
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-c", RUN, str(folder / "graphs"), str(folder / "map.npy")]
    return subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
