"""How this installation gets one of the extras of ``pyproject.toml``: by the tool that installed it."""

from __future__ import annotations

import json
import re
import shlex
import sys
import tomllib
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from rtsod.system.names import without_login

_FOLDER: Final = Path(__file__).parents[2]
"""Of the package ``rtsod``: a checkout, or where packages are installed."""
_UNREADABLE: Final = (OSError, ValueError, LookupError, TypeError, AttributeError, StopIteration)
"""What a receipt of an unknown form raises."""


def install_extra(extra: str) -> str:
    """The command that adds an extra to this installation.

    The programs that ``uv tool`` and ``pipx`` install have environments of their own, uv's without pip. Both tools
    install again, so the command names what was installed and the extras that it has.

    Args:
        extra: its name.
    """
    environment = Path(sys.prefix)
    try:
        if (receipt := environment / "uv-receipt.toml").is_file():
            return _by_uv(tomllib.loads(receipt.read_text(encoding="utf-8")), extra)
        if (receipt := environment / "pipx_metadata.json").is_file():
            return _by_pipx(json.loads(receipt.read_text(encoding="utf-8")), extra)
    except _UNREADABLE:
        pass
    tool = "uv pip" if find_spec("pip") is None else "pip"
    if (_FOLDER / "pyproject.toml").is_file():
        return f"{tool} install -e {_quoted(str(_FOLDER), [extra])}"
    return f"{tool} install {_quoted('rtsod', [extra])}"


def _by_uv(receipt: dict[str, Any], extra: str) -> str:
    own = next(each for each in receipt["tool"]["requirements"] if each["name"] == "rtsod")
    place = next((own[key] for key in ("editable", "directory", "path", "url") if key in own), "rtsod")
    if "git" in own:
        place = f"git+{own['git'].replace('?rev=', '@')}"
    options = "--force --editable" if "editable" in own else "--force"
    return f"uv tool install {options} {_quoted(place, [*own.get('extras', ()), extra])}"


def _by_pipx(metadata: dict[str, Any], extra: str) -> str:
    main = metadata["main_package"]
    name, _, address = main["package_or_url"].partition(" @ ")
    place, _, extras = name.partition("[")
    options = "--force --editable" if "--editable" in main["pip_args"] else "--force"
    known = re.findall(r"[\w.-]+", extras)
    return f"pipx install {options} {_quoted(address or place, [*known, extra])}"


def _quoted(place: str, extras: Iterable[str]) -> str:
    """A requirement for a shell. Addresses are shown without secrets, and the tools take no extras behind them."""
    listed = f"[{','.join(dict.fromkeys(extras))}]"
    if "://" in place:
        return shlex.quote(f"rtsod{listed} @ {without_login(place)}")
    return shlex.quote(place + listed)
