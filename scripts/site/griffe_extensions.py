"""A griffe extension: signatures show the values of defaults from ``rtsod.config``, not the names in the code."""

from __future__ import annotations

from typing import Any

import griffe

from rtsod.config import EngineConfig

PREFIX = "_DEFAULTS."
"""Begins a default that is a field of ``EngineConfig``."""


class Defaults(griffe.Extension):  # type: ignore[misc]  # the checks run without griffe, too
    """Replaces them in each function."""

    def on_function(self, *, func: griffe.Function, **kwargs: Any) -> None:
        """Called by griffe when it has read a function."""
        for parameter in func.parameters:
            text = str(parameter.default)
            if text.startswith(PREFIX):
                parameter.default = repr(getattr(EngineConfig(), text.removeprefix(PREFIX)))
