"""What the values of options can be, for shells: words, what a command prints, files and folders."""

from __future__ import annotations

import argparse
import itertools
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from rtsod.config import DEVICES, MODELS

_FILES: Final = {"FILE", "FILE.html", "PATH", "INPUT", "WEIGHTS|MAPS"}
"""Placeholders of values that can be files. Where they can be something else as well, it can be typed."""
_FOLDERS: Final = {"FOLDER", "DIR", "DATA"}
_GPUS: Final = r"nvidia-smi --list-gpus | sed -n 's/^GPU \([0-9]*\):.*/cuda:\1/p'"


@dataclass(frozen=True, slots=True)
class Values:
    """What one value can be."""

    words: tuple[str, ...] = ()
    listing: str = ""
    """A command for ``sh`` that prints more words, each time that somebody presses Tab."""
    files: bool = False
    folders: bool = False
    after: Mapping[str, Values] = field(default_factory=dict)
    """Where that depends on the word before: what it can be after each of these, in place of all of the above.
    The word * stands for all others."""

    def in_shells(self, name: str) -> dict[str, object]:
        """What shtab's attribute ``complete`` takes: for each shell a function, and its definition.

        Args:
            name: of the function, unique in the script. shtab takes it for files if ``_file`` is in it.
        """
        name = f"_rtsod{'_file' if self.files else ''}_{name}"
        bash = _case('case "${COMP_WORDS[COMP_CWORD-1]}" in', self.after, Values._bash) or self._bash()
        zsh = _case('case "${words[CURRENT-1]}" in', self.after, Values._zsh) or self._zsh()
        fish = self._fish()
        if self.after:
            fish = ["switch (commandline -opc)[-1]"]
            for word, values in self.after.items():
                fish += [f"case '{word}'", *values._fish()]
            fish.append("end")
        return {
            "bash": name,
            "zsh": name,
            "fish": f"({name})",
            "preamble": {
                "bash": "\n".join([f"{name}() {{", *bash, "}"]),
                "zsh": "\n".join([f"{name}() {{", "local found=1", *zsh, "return found", "}"]),
                "fish": "\n".join([f"function {name}", *fish, "end"]),
            },
        }

    def _bash(self) -> list[str]:
        files = ['compgen -f -- "$1"'] if self.files else []
        # What is listed may be the name of any folder, which compgen -W would run as a part of a command.
        listed = [f'{self._listed} | while IFS= read -r word; do [[ $word != "$1"* ]] || printf "%s\\n" "$word"; done']
        return [f'compgen -W "{" ".join(self.words)}" -- "$1"', *(listed if self.listing else []), *files]

    def _zsh(self) -> list[str]:
        words = " ".join(map(shlex.quote, self.words))
        files = ["_files && found=0"] if self.files else []
        return [f'local -a values=({words} ${{(f)"$({self._listed})"}})', "compadd -a values && found=0", *files]

    def _fish(self) -> list[str]:
        words = " ".join(map(shlex.quote, self.words))
        files = ["__fish_complete_path (commandline -ct)"] if self.files else []
        return [f"printf '%s\\n' {words}" if words else ":", self._listed, *files]

    @property
    def _listed(self) -> str:
        return f"sh -c {shlex.quote(self.listing)} 2>/dev/null" if self.listing else ":"


def _case(head: str, after: Mapping[str, Values], lines: Callable[[Values], list[str]]) -> list[str]:
    """A ``case`` of bash and zsh over the words before; nothing if there are none."""
    if not after:
        return []
    cases = [[f"{word})", *lines(values), ";;"] for word, values in after.items()]
    return [head, *itertools.chain.from_iterable(cases), "esac"]


def values_of(command: str, action: argparse.Action) -> Values | None:
    """What an option or an argument of a command takes; None where that can be anything."""
    placeholder = action.metavar if isinstance(action.metavar, str) else ""
    if " | " in placeholder:
        return Values(tuple(placeholder.split(" | ")))
    match command, action.dest:
        case "ctl", "action":
            from rtsod.cli.ctl import ACTIONS  # late: completion alone needs all commands

            return Values(tuple(ACTIONS))
        case "ctl", "value":
            return Values(after=_after_actions())
        case "ctl", "run":
            return Values(("all",), _running())
        case "batch", "inputs":
            inputs = Values(files=True)
            return Values(files=True, after={"batch": Values(("status",), files=True), "*": inputs})
        case "models", "name":
            return Values(listing=_own_models())
        case "train", "device":
            return Values(("auto", "cpu", "cuda"))
        case _, "device":
            return Values(tuple(name for name in DEVICES if not name.endswith(":N")), _GPUS)
        case _, "model":
            from rtsod.model.shipped import shipped_models

            return Values((*MODELS, *(model.name for model in shipped_models())), _own_models())
        case _, "profile":
            return Values(listing=_profiles())
    match placeholder:
        case "BG":
            return Values((*_bundled(), "blur", "transparent", "none"), files=True)
        case "DEVICE":
            from rtsod.sinks.pipewire import NAME

            return Values((NAME,), "ls -d /dev/video*")
        case "SOURCE":
            return Values(("auto", "demo", "scene"), files=True)
    if placeholder in _FILES:
        return Values(files=True)
    return Values(folders=True) if placeholder in _FOLDERS else None


def _after_actions() -> dict[str, Values]:
    """What follows each action of ``rtsod ctl``. What the run offers is known to it alone."""
    offered = r"rtsod ctl {} | sed 's/^..//; s/  (.*//'"
    return {
        "background": Values(
            (*_bundled(), "blur", "transparent", "none", "next"), offered.format("background"), files=True
        ),
        "mirror": Values(("on", "off")),
        "source": Values(listing=offered.format("source")),
        "profile": Values(listing=_profiles()),
    }


def _bundled() -> list[str]:
    from rtsod.composite.backgrounds import bundled_backgrounds

    return [path.stem for path in bundled_backgrounds()]


def _running() -> str:
    from rtsod.control.running import PREFIX
    from rtsod.system.user_folder import runtime_folder

    try:
        return rf"ls {shlex.quote(str(runtime_folder()))} | sed -n 's/^{PREFIX}\([0-9]*\)\.json$/\1/p'"
    except OSError:  # there is no folder that only this user can read
        return ""


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
