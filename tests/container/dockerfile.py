"""Reads the part of the Dockerfile language that the project's own Dockerfile uses."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

KNOWN: Final = frozenset(
    {"ARG", "FROM", "LABEL", "RUN", "COPY", "WORKDIR", "ENV", "VOLUME", "USER", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: ``RUN``, and all that follows it, with lines joined."""

    name: str
    rest: str


@dataclass(slots=True)
class Stage:
    """What stands between one FROM and the next."""

    base: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)

    def last(self, name: str) -> str | None:
        """What follows the last instruction of that name, or None."""
        return next((each.rest for each in reversed(self.instructions) if each.name == name), None)


def instructions_in(text: str) -> list[Instruction]:
    """All instructions in order.

    Raises:
        ValueError: one is not known here.
    """
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", "", "\n".join(lines))
    found = []
    for line in filter(None, map(str.strip, joined.splitlines())):
        name, _, rest = line.partition(" ")
        if name not in KNOWN:
            raise ValueError(f"{name}: an instruction that is not known here")
        found.append(Instruction(name, re.sub(r"\s{2,}", " ", rest.strip())))
    return found


def stages_in(text: str) -> list[Stage]:
    """The stages in order. The arguments before the first FROM are filled into the names of the bases.

    Raises:
        ValueError: the text is not understood.
    """
    stages: list[Stage] = []
    arguments: dict[str, str] = {}
    for each in instructions_in(text):
        if each.name == "FROM":
            base, _, name = each.rest.partition(" AS ")
            stages.append(Stage(filled_in(base, arguments), name or str(len(stages))))
        elif stages:
            stages[-1].instructions.append(each)
        elif each.name == "ARG":
            arguments |= variables_in(filled_in(each.rest, arguments))
        else:
            raise ValueError(f"{each.name} stands before the first FROM")
    return stages


def filled_in(text: str, values: Mapping[str, str]) -> str:
    """The text with ``${NAME}`` replaced."""
    return re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], text)


def variables_in(rest: str) -> dict[str, str]:
    """The variables of an ENV or ARG instruction."""
    return {name: value for name, _, value in (part.partition("=") for part in shlex.split(rest))}


def words_in(rest: str) -> list[str]:
    """The words of a command in the form of a JSON list, or of paths."""
    return list(map(str, json.loads(rest))) if rest.startswith("[") else shlex.split(rest)


def health_check(stage: Stage) -> list[str]:
    """The words of the stage's HEALTHCHECK.

    Raises:
        ValueError: it has none, or not as a JSON list.
    """
    rest = stage.last("HEALTHCHECK") or ""
    _, found, command = rest.partition("CMD ")
    if not found or not command.startswith("["):
        raise ValueError('the last stage needs HEALTHCHECK ... CMD ["..."]')
    return words_in(command)
