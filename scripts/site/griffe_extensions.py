"""Extensions of griffe, which reads the code for the API's page: values for defaults, Markdown for docstrings."""

from __future__ import annotations

import re
from ast import literal_eval
from typing import Any, Final

import griffe

import rtsod
from rtsod.config import EngineConfig

PREFIX: Final = "_DEFAULTS."
"""Begins a default that is a field of ``EngineConfig``."""
_ROLE: Final = re.compile(r":(?:func|class|meth|attr|mod|data|exc):`(~?)([\w.]+)`")
_LITERAL_BLOCK: Final = re.compile(r"^( *)(\S.*):$((?:\n(?:\1 {4}.*)?)+)", re.MULTILINE)


class Defaults(griffe.Extension):  # type: ignore[misc]  # the checks run without griffe, too
    """Shows the values of defaults, not the names and calls that the code has for them."""

    def on_function(self, *, func: griffe.Function, loader: griffe.GriffeLoader, **kwargs: Any) -> None:
        """Called by griffe for each function that it has read."""
        for parameter in func.parameters:
            parameter.default = _value(parameter.default, loader)

    def on_attribute(self, *, attr: griffe.Attribute, loader: griffe.GriffeLoader, **kwargs: Any) -> None:
        """Called by griffe for each attribute that it has read."""
        if attr.parent is not None and attr.parent.is_class:
            attr.value = _value(attr.value, loader)
        if str(attr.annotation) == "TypeAlias" and isinstance(attr.value, str):
            attr.value = literal_eval(attr.value)  # the alias is quoted, for what it names is imported late


def _value(default: griffe.Expr | str | None, loader: griffe.GriffeLoader) -> griffe.Expr | str | None:
    """What a default is."""
    text = str(default)
    if text.startswith(PREFIX):
        return repr(getattr(EngineConfig(), text.removeprefix(PREFIX)))
    if isinstance(default, griffe.ExprName) and default.name.isupper() and default.canonical_path.startswith("rtsod."):
        constant = loader.modules_collection[default.canonical_path]
        return str(constant.value) if constant.is_attribute else default
    if isinstance(default, griffe.ExprCall) and str(default.function) == "field":
        given = {argument.name: argument.value for argument in default.arguments}
        factory = given.get("default_factory")
        return given.get("default") if factory is None else f"{factory}()"
    return default


class Docstrings(griffe.Extension):  # type: ignore[misc]
    """Makes Markdown of what docstrings have of reStructuredText: roles, and literal blocks."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Called by griffe for each object that it has read."""
        if obj.docstring:
            obj.docstring.value = markdown(obj.docstring.value)


def markdown(docstring: str) -> str:
    """A docstring in Markdown: a role is a link if the name is public, and code if not."""
    return _ROLE.sub(_link, _LITERAL_BLOCK.sub(_fenced, docstring))


def _link(role: re.Match[str]) -> str:
    short, path = role[1], role[2].removeprefix("rtsod.")
    names = path.split(".")
    public = [at for at, name in enumerate(names) if name in rtsod.__all__]
    shown = names[-1] if short else path
    return f"[`{shown}`][rtsod.{'.'.join(names[public[0] :])}]" if public else f"`{shown}`"


def _fenced(found: re.Match[str]) -> str:
    indent, text, block = found.groups()
    if not text.endswith(":") or not block.strip():
        return found[0]
    lines = [line.removeprefix(f"{indent}    ") for line in block.strip("\n").splitlines()]
    inside = "\n".join(f"{indent}{line}".rstrip() for line in ["```python", *lines, "```"])
    return f"{indent}{text}\n\n{inside}\n" + "\n" * (block.endswith("\n"))
