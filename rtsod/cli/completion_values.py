"""What the values of options can be, for shells: words, what a command prints, files and folders."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import dataclass
from typing import Final

from rtsod.config import DEVICES, MODELS

_FILES: Final = {"FILE", "FILE.html", "PATH", "INPUT", "WEIGHTS|MAPS"}
"""Placeholders of values that can be files. Where they can be something else as well, it can be typed."""
_FOLDERS: Final = {"FOLDER", "DIR", "DATA"}


@dataclass(frozen=True, slots=True)
class Values:
    """What one value can be."""

    words: tuple[str, ...] = ()
    listing: str = ""
    """A command for ``sh`` that prints more words, each time that somebody presses Tab."""
    files: bool = False
    folders: bool = False

    def in_shells(self, name: str) -> dict[str, object]:
        """What shtab's attribute ``complete`` takes: for each shell a function, and its definition.

        Args:
            name: of the function, unique in the script. shtab takes it for files if ``_file`` is in it.
        """
        name = f"_rtsod{'_file' if self.files else ''}_{name}"
        words = " ".join(map(shlex.quote, self.words))
        listing = f"sh -c {shlex.quote(self.listing)} 2>/dev/null" if self.listing else ":"
        bash = [f'compgen -W "{" ".join(self.words)} $({listing})" -- "$1"']
        zsh = ["local found=1", f'local -a words=({words} ${{(f)"$({listing})"}})', "compadd -a words && found=0"]
        fish = [f"printf '%s\\n' {words}" if words else ":", listing]
        if self.files:
            bash.append('compgen -f -- "$1"')
            zsh.append("_files && found=0")
            fish.append("__fish_complete_path (commandline -ct)")
        return {
            "bash": name,
            "zsh": name,
            "fish": f"({name})",
            "preamble": {
                "bash": "\n".join([f"{name}() {{", *bash, "}"]),
                "zsh": "\n".join([f"{name}() {{", *zsh, "return found", "}"]),
                "fish": "\n".join([f"function {name}", *fish, "end"]),
            },
        }


def values_of(command: str, action: argparse.Action) -> Values | None:
    """What an option or an argument of a command takes; None where that can be anything."""
    placeholder = action.metavar if isinstance(action.metavar, str) else ""
    if " | " in placeholder:
        return Values(tuple(placeholder.split(" | ")))
    match command, action.dest:
        case "ctl", "action":
            from rtsod.cli.ctl import ACTIONS  # late: completion alone needs all commands

            return Values(tuple(ACTIONS))
        case "batch", "inputs":
            return Values(("status",), files=True)
        case "models", "name":
            return Values(listing=_own_models())
        case "train", "device":
            return Values(("auto", "cpu", "cuda"))
        case _, "device":
            return Values(tuple(name for name in DEVICES if not name.endswith(":N")))
        case _, "model":
            from rtsod.model.shipped import shipped_models

            return Values((*MODELS, *(model.name for model in shipped_models())), _own_models())
        case _, "profile":
            return Values(listing=_profiles())
    match placeholder:
        case "BG":
            from rtsod.composite.backgrounds import bundled_backgrounds

            return Values((*(path.stem for path in bundled_backgrounds()), "blur", "transparent", "none"), files=True)
        case "DEVICE":
            from rtsod.sinks.pipewire import NAME

            return Values((NAME,), "ls -d /dev/video*")
        case "SOURCE":
            return Values(("auto", "demo", "scene"), files=True)
    if placeholder in _FILES:
        return Values(files=True)
    return Values(folders=True) if placeholder in _FOLDERS else None


def _own_models() -> str:
    from rtsod.errors import WeightsError
    from rtsod.model.own_models import models_folder

    try:
        return f"ls {shlex.quote(str(models_folder()))}"
    except WeightsError:  # there is no home folder
        return ""


def _profiles() -> str:
    from rtsod.cli.settings.file import default_path

    pattern = r"s/^\[profile\.\([A-Za-z0-9_-]*\)\].*/\1/p"
    return "" if (path := default_path()) is None else f"sed -n {shlex.quote(pattern)} {shlex.quote(str(path))}"
