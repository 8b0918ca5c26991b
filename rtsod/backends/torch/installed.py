"""What the installed PyTorch can do with the GPU of this machine."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class TorchBuild:
    """The installed PyTorch."""

    version: str
    cuda: str | None
    """The CUDA version it was built for; None for a build without CUDA."""
    reaches_gpu: bool
    """Whether it can use the NVIDIA driver and a GPU."""
    architectures: tuple[str, ...] = ()
    """The GPU architectures it was built for, such as ``sm_86``; empty without a GPU."""
    capability: tuple[int, int] | None = None
    """The GPU's compute capability; None without a GPU."""

    @property
    def fits_gpu(self) -> bool:
        """Whether it was built for the GPU's architecture, or for an earlier one of the same major version.

        Binaries for an architecture run on later GPUs of the same major version.
        """
        if self.capability is None:
            return False
        major, minor = self.capability
        return not {f"sm_{major}{earlier}" for earlier in range(minor + 1)}.isdisjoint(self.architectures)


def torch_build() -> TorchBuild:
    """Ask the installed PyTorch; loads the CUDA runtime."""
    if torch.version.cuda is None or not torch.cuda.is_available():
        return TorchBuild(torch.__version__, torch.version.cuda, False)
    return TorchBuild(
        torch.__version__,
        torch.version.cuda,
        True,
        tuple(torch.cuda.get_arch_list()),
        torch.cuda.get_device_capability(),
    )
