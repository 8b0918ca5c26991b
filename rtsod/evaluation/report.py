"""The files of an evaluation, written together: the folder appears complete or not at all."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from rtsod.errors import UsageError
from rtsod.evaluation.contact_sheet import encoded, sheet
from rtsod.evaluation.page import page
from rtsod.evaluation.plots import curves
from rtsod.evaluation.result import DONE, Evaluation, SetResult, per_picture
from rtsod.evaluation.tables import latex, markdown, tables
from rtsod.pages.figures import svg_element, svg_file
from rtsod.system.files import json_from_text, output_error, read_text, unfinished_folder

RESULT: Final = "result.json"
PAGE: Final = "report.html"
_DEFAULT: Final = "eval"
_PICTURES: Final = "-pictures.json"


def free_folder() -> Path:
    """Where results go unless a folder is given: ``eval``, or ``eval-2``, ``eval-3``, ... if that is taken.

    What an unfinished run left there may be replaced.
    """
    number, folder = 1, Path(_DEFAULT)
    while folder.exists() and not _is_partial(folder):
        number += 1
        folder = Path(f"{_DEFAULT}-{number}")
    return folder


def check_folder(folder: Path) -> None:
    """Find out whether results can be written there, before minutes are spent on them.

    Args:
        folder: must not exist yet, be empty, or hold what an unfinished run left: nothing else is overwritten.

    Raises:
        UsageError: it holds something, or is a file.
        OutputError: the folder that it shall stand in is missing or cannot be written.
    """
    try:
        taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
        if taken and not _is_partial(folder):
            raise UsageError(f"--out {folder}: is not empty: give another folder, or delete that one")
        with unfinished_folder(folder.absolute().parent, ".rtsod-"):
            pass
    except OSError as error:
        raise output_error(folder, error) from error


def write_report(folder: Path, result: Evaluation) -> None:
    """Write everything about a complete evaluation.

    Raises:
        OutputError: it cannot be written; then nothing is there.
    """
    plots: dict[str, str] = {}
    sheets: dict[str, bytes] = {}
    files: dict[str, bytes] = {RESULT: _json(result.summary())}
    for one in result.sets:
        name, place = one.dataset.name, _file_name(one)
        with curves(one) as figure:
            plots[name] = svg_element(figure)
            files[f"{place}-curves.svg"] = svg_file(figure).encode()
        picture = sheet(one.worst)
        sheets[name] = encoded(picture, "JPEG")
        files[f"{place}-worst.png"] = encoded(picture, "PNG")
        files[f"{place}{_PICTURES}"] = _json(per_picture(one))
    made = [(one, tables(one, result.protocol)) for one in result.sets]
    files["tables.md"] = "\n".join(markdown(table) for _, of_set in made for table in of_set).encode()
    files["tables.tex"] = (
        "% \\usepackage{booktabs}\n" + "\n".join(latex(table, _file_name(one)) for one, of in made for table in of)
    ).encode()
    files[PAGE] = page(result, plots, sheets).encode()
    _write(folder, files)


def write_partial(folder: Path, result: Evaluation, outcome: str) -> None:
    """Write what an unfinished evaluation has measured: numbers alone, and no tables that could be taken for results.

    Args:
        folder: to write.
        result: its outcome is set.
        outcome: why it ended.

    Raises:
        OutputError: it cannot be written.
    """
    result.outcome = outcome
    files = {f"{_file_name(one)}{_PICTURES}": _json(per_picture(one)) for one in result.sets}
    _write(folder, {**files, RESULT: _json(result.summary())})


def _write(folder: Path, files: dict[str, bytes]) -> None:
    try:
        with unfinished_folder(folder.absolute().parent, ".rtsod-") as unfinished:
            for name, content in files.items():
                (unfinished / name).write_bytes(content)
            if _is_partial(folder):
                for path in folder.iterdir():
                    path.unlink()
            with suppress(FileNotFoundError):
                folder.rmdir()  # an empty one, which Windows would not replace
            unfinished.rename(folder)
    except OSError as error:
        raise output_error(folder, error) from error


def _is_partial(folder: Path) -> bool:
    """Whether a folder holds what :func:`write_partial` left, and nothing else."""
    try:
        names = {path.name for path in folder.iterdir()}
        if not all(name == RESULT or name.endswith(_PICTURES) for name in names):
            return False
        outcome = json_from_text(read_text(folder / RESULT)).get("outcome")
    except (OSError, ValueError, AttributeError):
        return False
    return bool(outcome not in (None, DONE))


def _json(content: object) -> bytes:
    return (json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _file_name(one: SetResult) -> str:
    return re.sub(r"[^\w.-]+", "-", one.dataset.name).strip(".-") or "set"
