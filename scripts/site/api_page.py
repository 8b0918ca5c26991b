"""The page of the public API: one entry for each name in ``rtsod.__all__``, filled in from the code by mkdocstrings."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import Final

import rtsod
from rtsod import errors

_INTRODUCTION: Final = """\
# Python API

These names are public: `rtsod.__all__` lists them. Everything else may change in any version. The page is made from the
code of rtsod {version} when the site is built.
"""
_TYPES_INTRODUCTION: Final = """\
The names of types in the signatures above. They cannot be imported from `rtsod`; write what they stand for.
"""
FIRST: Final = (
    "Segmenter", "cutout_from_alpha", "detections_from_alpha", "EngineInfo", "run", "AppConfig", "SourceConfig",
    "EngineConfig", "QualityConfig", "PictureConfig", "OutputConfig", "RunConfig", "ControlConfig",
)  # fmt: skip
"""The order of the names before the tree of errors. What is in neither comes last."""
TYPES: Final = (
    "rtsod.segmenter.pictures.ImageLike", "rtsod.frames.Image", "rtsod.frames.Alpha", "rtsod.segmenter.Scaling",
    "rtsod.segmenter.batch.Batch",
    "rtsod.model.weights.ReportBytes", "rtsod.frames.Fitting", "rtsod.config.Fit", "rtsod.config.EngineName",
    "rtsod.config.Precision", "rtsod.config.RefineName", "rtsod.config.Quality", "rtsod.config.Sync",
    "rtsod.config.PipeFormat", "rtsod.live.Profiles", "rtsod.app.heartbeat.Heartbeat",
)  # fmt: skip
"""What the signatures name and ``rtsod`` does not export, by the module that defines it."""
_OPENED: Final = ("Segmenter", "Batch")
"""Classes that readers do not create by calling them."""
_OPAQUE: Final = ("Profiles", "Heartbeat")
"""Classes that readers have no use for: only the docstring is shown."""


def api_page() -> str:
    """The page as Markdown, with one instruction to mkdocstrings for each name."""
    tree = [name for name, found in vars(errors).items() if isinstance(found, type) and issubclass(found, Exception)]
    order = [*FIRST, *tree]
    groups: dict[str, list[str]] = {"Pictures": [], "Runs": [], "Errors": []}
    for name in sorted(public_names(), key=lambda name: order.index(name) if name in order else len(order)):
        groups[_group(name)].append(f"rtsod.{name}")
    sections = (_section(title, members) for title, members in groups.items())
    types = _section("Types", TYPES, _TYPES_INTRODUCTION)
    return "\n".join([_INTRODUCTION.format(version=rtsod.__version__), *sections, types])


def public_names() -> list[str]:
    """The names that have an entry."""
    return [name for name in rtsod.__all__ if not name.startswith("_")]


def expected_ids() -> Iterator[str]:
    """The ids that the page must have: of each name, each field of a dataclass, and each member of an enumeration."""
    yield from TYPES
    for name in public_names():
        found = getattr(rtsod, name)
        yield f"rtsod.{name}"
        if is_dataclass(found):
            yield from (f"rtsod.{name}.{field.name}" for field in fields(found))
        if isinstance(found, enum.EnumMeta):
            yield from (f"rtsod.{name}.{member}" for member in found.__members__)
        if isinstance(found, type) and "exit_code" in vars(found):
            yield f"rtsod.{name}.exit_code"


def _group(name: str) -> str:
    found = getattr(rtsod, name)
    if name == "ExitCode" or (isinstance(found, type) and issubclass(found, Exception)):
        return "Errors"
    return "Runs" if name == "run" or re.fullmatch(r"\w+Config", name) else "Pictures"


def _section(title: str, paths: Iterable[str], introduction: str = "") -> str:
    return f"## {title}\n\n" + "\n".join([introduction, *map(_entry, paths)]).lstrip("\n") + "\n"


def _entry(path: str) -> str:
    """The instruction for one name."""
    name, options = path.rpartition(".")[2], ""
    if name in _OPENED:
        options = "\n    options:\n      merge_init_into_class: false"
    if name in _OPAQUE:
        options = "\n    options:\n      members: false\n      merge_init_into_class: false"
    return f"::: {path}{options}\n"
