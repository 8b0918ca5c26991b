"""What makes a run the one it is, kept in its folder as ``identity.json``: its network's table, and its data.

A resumed run takes its table from there, so the file that ``--model`` named may be edited or deleted meanwhile; and it
refuses other data, with which it would not end as an unbroken run does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from rtsod.errors import DataError, UsageError
from rtsod.model.description import Description
from rtsod.system.files import json_from_text, read_text
from rtsod.training.fingerprint import Fingerprint

IDENTITY_NAME: Final = "identity.json"


@dataclass(frozen=True, slots=True)
class Identity:
    """What a resumed run must have in common with its beginning."""

    description: Description
    """Of its weights."""
    data: Fingerprint

    def check_data(self, now: Fingerprint) -> None:
        """Refuse other data than the run's.

        Raises:
            DataError: they differ. The line says how.
        """
        change = self.data.change(now)
        if change is not None:
            raise DataError(
                f"--resume: the data are not those that the run began with: {change}; make them what they were, or "
                "begin a new run with another --out"
            )

    def to_text(self) -> str:
        """The content of the file."""
        return json.dumps({"description": self.description.to_metadata(), "data": self.data.to_json()}) + "\n"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """What :meth:`to_text` made.

        Raises:
            TypeError, ValueError, KeyError: it is something else.
        """
        record = json_from_text(text)
        description = Description.from_metadata(record["description"])
        if description is None:
            raise ValueError("has no description")
        return cls(description, Fingerprint.from_json(record["data"]))


def stored_identity(out: Path) -> Identity | None:
    """The identity of the run in a folder; None if there is none.

    Raises:
        UsageError: it is damaged.
    """
    path = out / IDENTITY_NAME
    try:
        return Identity.from_text(read_text(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{path}: is damaged, or of another version of rtsod: begin a new run") from error
