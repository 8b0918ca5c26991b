"""What the results of a batch depend on. The output folder remembers it, so that one folder is made in one way."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from rtsod.batch.config import BatchConfig
from rtsod.batch.places import SETTINGS, in_words
from rtsod.config import names_picture
from rtsod.errors import OutputError, UsageError
from rtsod.model.weights import resolve, sha256_of, with_size
from rtsod.system.files import UnfinishedFile, json_from_text, output_error, read_text, write_json
from rtsod.system.names import path_named

_DIGEST_LETTERS: Final = 12


def settings_of(config: BatchConfig) -> dict[str, str]:
    """Everything that a result depends on besides its item, by the option's name.

    Raises:
        RtsodError: there is no such model, or its files cannot be read.
    """
    engine, picture, run = with_size(config.run.engine), config.run.picture, config.run.run
    (background,) = picture.backgrounds
    file = path_named(background)
    if names_picture(background) and file.is_file():
        with suppress(OSError):  # it is opened later, where that is an error
            background = f"{file.name} ({sha256_of(file)[:12]})"
    weights = resolve(engine)
    return {
        "model": f"{weights.model} ({weights.sha256[:12]})",
        "engine": engine.engine,
        "precision": engine.precision,
        "device": engine.device,
        "input-size": str(engine.side),
        "region": str(config.run.quality.region),
        "mask-every": str(run.mask_interval),
        "bg": background,
        "mirror": str(picture.mirror),
        "refine": picture.refine,
        "light-wrap": str(picture.light_wrap),
        "steady": str(picture.steady),
        "subject-lock": str(picture.subject_lock),
        "masks": str(config.masks),
        "video": config.suffix,
        "segment": "none" if config.segment is None else f"{config.segment:g}",
    }


def digest_of(settings: dict[str, str]) -> str:
    """What the rows of results that were made so say."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:_DIGEST_LETTERS]


def digest_of_folder(records: Path) -> str | None:
    """The digest of the settings that are kept in a folder; None if there are none.

    Raises:
        OutputError: they cannot be read.
    """
    path = records / SETTINGS
    return digest_of(_kept(path)) if path.exists() else None


def keep_settings(config: BatchConfig) -> None:
    """Compare the settings with those that the folder was made with, or note them.

    Two processes that begin one folder at once agree on the settings of the first.

    Raises:
        UsageError: they differ.
        OutputError: they cannot be read or written.
        RtsodError: see :func:`settings_of`.
    """
    path, wanted = config.records / SETTINGS, settings_of(config)
    if config.force:
        write_json(path, wanted)
        return
    _create(path, json.dumps(wanted, indent=2) + "\n")
    _compare(config, path, wanted)


def check_settings(config: BatchConfig) -> None:
    """As :func:`keep_settings`, but write nothing.

    Raises:
        RtsodError: see there.
    """
    path = config.records / SETTINGS
    if path.exists() and not config.force:
        _compare(config, path, settings_of(config))


def _compare(config: BatchConfig, path: Path, wanted: dict[str, str]) -> None:
    known = _kept(path)
    if differing := [name for name in wanted if known.get(name) != wanted[name]]:
        name = differing[0]
        more = "" if len(differing) == 1 else f" (and {', '.join(differing[1:])})"
        before = f"{in_words(config.out)} was made with {known.get(name, 'nothing')}"
        raise UsageError(
            f"--{name}: {before}, not with {wanted[name]}{more}: choose another --out, or add --force to make "
            "everything again"
        )


def _kept(path: Path) -> dict[str, str]:
    try:
        kept = json_from_text(read_text(path))
    except (OSError, ValueError) as error:
        raise OutputError(f"{path}: cannot be read: add --force to make everything again") from error
    return kept if isinstance(kept, dict) else {}


def _create(path: Path, text: str) -> None:
    """Write the file whole, unless it is there."""
    if path.exists():
        return
    unfinished = UnfinishedFile(path)
    try:
        unfinished.path.write_text(text, encoding="utf-8")
        with suppress(FileExistsError):  # another process was faster
            os.link(unfinished.path, path)
        unfinished.discard()
    except OSError as error:
        raise output_error(path, error) from error
