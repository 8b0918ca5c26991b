"""What an engine was built from, by what, and for which GPU: the reasons to load it, or not to."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Final, get_type_hints

from rtsod.system.files import json_from_text

_NAMES: Final = {
    "weights_sha256": "weights",
    "onnx_sha256": "ONNX graph",
    "input_size": "input size",
    "library_version": "library version",
    "gpu": "GPU",
    "compute_capability": "compute capability",
    "graph_version": "graph version",
}
_ANY_GPU: Final = ("gpu", "driver")
"""None in a manifest of an engine built ahead of time: for every GPU of its compute capability."""
_KNOWN_LATER: Final = ("onnx_sha256", "engine_sha256", "answer")
"""Known only once built; a run that looks for an engine leaves them None and takes what the manifest says."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The sidecar of an engine file, as JSON."""

    model: str
    weights_sha256: str
    graph_version: int
    input_size: int
    precision: str
    library: str
    library_version: str
    compute_capability: str
    gpu: str | None
    """The GPU's name; None: built ahead of time."""
    driver: str | None
    """None: built ahead of time."""
    onnx_sha256: str | None = None
    engine_sha256: str | None = None
    answer: str | None = None
    """What float32 PyTorch says to the known picture: see :mod:`rtsod.backends.self_check`."""

    @property
    def stem(self) -> str:
        """The file name of the engine without suffix. Everything that may differ between engines kept side by side."""
        parts = [self.model, str(self.input_size), self.precision, self.weights_sha256[:12], self.library]
        parts.append("sm" + self.compute_capability.replace(".", ""))
        if self.gpu is not None:
            parts.append("".join(letter if letter.isalnum() else "-" for letter in self.gpu.lower()))
        return "-".join(parts)

    def any_gpu(self) -> Manifest:
        """The same, built ahead of time for all GPUs of the compute capability."""
        return replace(self, gpu=None, driver=None)

    def mismatch(self, wanted: Manifest) -> str | None:
        """Why an engine with this manifest must not be loaded where ``wanted`` describes the run; None if it may."""
        for field in fields(self):
            have, want = getattr(self, field.name), getattr(wanted, field.name)
            if field.name in _KNOWN_LATER:
                if have is None:
                    return f"its manifest does not say its {_NAMES.get(field.name, field.name)}"
                if want is None:
                    continue
            if have is None and field.name in _ANY_GPU:
                continue
            if have != want:
                return f"its {_NAMES.get(field.name, field.name)} is {_short(have)}, this run's {_short(want)}"
        return None

    def to_json(self) -> str:
        """As it is kept beside the engine."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Read it back.

        Raises:
            ValueError: it is not a manifest, or not one of this version.
        """
        loaded = json_from_text(text)
        if not isinstance(loaded, dict) or loaded.keys() != {field.name for field in fields(cls)}:
            raise ValueError("not an engine's manifest of this version")
        for name, kind in get_type_hints(cls).items():
            if type(loaded[name]) not in ((int,) if kind is int else (str,) if kind is str else (str, type(None))):
                raise ValueError(f"{name} is {loaded[name]!r}")
        return cls(**loaded)


def _short(value: object) -> str:
    text = "unknown" if value is None else str(value)
    return text if len(text) <= 40 else text[:12] + "..."
