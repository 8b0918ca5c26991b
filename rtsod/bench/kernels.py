"""Which kernels the convolutions of a network really ran, and what that says about the processor's class."""

from __future__ import annotations

from collections import Counter
from typing import Final, Protocol, runtime_checkable

from rtsod.interfaces import Engine
from rtsod.system.processor_class import ProcessorClass

_NARROW: Final = ("int8", "bf16")
"""The precisions that AMX computes in."""


@runtime_checkable
class TellsKernels(Protocol):
    """An engine that can tell which kernels it runs."""

    def kernels(self) -> Counter[str]:
        """How many convolutions each kernel runs, by its name."""
        ...


def main_kernel(engine: Engine) -> str:
    """The kernel that runs most of the convolutions, by OpenVINO's name; empty if the engine cannot tell."""
    counted = engine.kernels() if isinstance(engine, TellsKernels) else Counter[str]()
    return counted.most_common(1)[0][0] if counted else ""


def class_that_ran(here: ProcessorClass, kernel: str, precision: str) -> ProcessorClass:
    """The processor's class, as far as the network used it.

    A system can refuse AMX to a process although it lists it.

    Args:
        here: the class by the processor's features.
        kernel: from :func:`main_kernel`.
        precision: of the network.
    """
    if "amx" in kernel:
        return ProcessorClass.AMX
    if here is ProcessorClass.AMX and precision in _NARROW and "avx512" in kernel:
        return ProcessorClass.VNNI
    if here is ProcessorClass.AMX and "avx2" in kernel:  # a processor with AMX has AVX-512, so something holds it
        return ProcessorClass.AVX2
    return here
