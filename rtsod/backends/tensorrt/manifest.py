"""The manifest of a plan: what it was built from, with which library, for which GPU."""

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
"""None in the manifest of a plan built ahead of time, which fits every GPU of its compute capability."""
_KNOWN_LATER: Final = ("onnx_sha256", "engine_sha256", "answer")
"""Only a build knows these. A run that looks for a plan leaves them None and accepts any value."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The JSON file beside an engine file."""

    model: str
    weights_sha256: str
    graph_version: int
    input_size: int
    precision: str
    library: str
    library_version: str
    compute_capability: str
    gpu: str | None
    """The GPU's name; None if built ahead of time."""
    driver: str | None
    """The driver's version; None if built ahead of time."""
    onnx_sha256: str | None = None
    engine_sha256: str | None = None
    answer: str | None = None
    """Float32 PyTorch's output for the golden input: see :mod:`rtsod.backends.self_check`."""

    @property
    def stem(self) -> str:
        """The engine's file name without suffix, made of everything that may differ between plans in one folder."""
        parts = [self.model, str(self.input_size), self.precision, self.weights_sha256[:12], self.library]
        parts.append("sm" + self.compute_capability.replace(".", ""))
        if self.gpu is not None:
            parts.append("".join(letter if letter.isalnum() else "-" for letter in self.gpu.lower()))
        return "-".join(parts)

    def any_gpu(self) -> Manifest:
        """The same plan, built ahead of time for all GPUs of the compute capability."""
        return replace(self, gpu=None, driver=None)

    def mismatch(self, wanted: Manifest) -> str | None:
        """Why a plan with this manifest does not fit the run described by ``wanted``; None if it does."""
        for field in fields(self):
            have, want = getattr(self, field.name), getattr(wanted, field.name)
            if field.name in _KNOWN_LATER:
                if have is None:
                    return f"its manifest lacks its {_NAMES.get(field.name, field.name)}"
                if want is None:
                    continue
            if have is None and field.name in _ANY_GPU:
                continue
            if have != want:
                return f"its {_NAMES.get(field.name, field.name)} is {_short(have)}, this run needs {_short(want)}"
        return None

    def to_json(self) -> str:
        """Serialize."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Parse.

        Raises:
            ValueError: the text is not a manifest of this version.
        """
        loaded = json_from_text(text)
        if not isinstance(loaded, dict) or loaded.keys() != {field.name for field in fields(cls)}:
            raise ValueError("not an engine manifest of this version")
        for name, kind in get_type_hints(cls).items():
            if type(loaded[name]) not in ((int,) if kind is int else (str,) if kind is str else (str, type(None))):
                raise ValueError(f"{name} is {loaded[name]!r}")
        return cls(**loaded)


def _short(value: object) -> str:
    text = "unknown" if value is None else str(value)
    return text if len(text) <= 40 else text[:12] + "..."
