"""A run's folder: what lies where in it, and that only one run writes it.

::

    runs/NAME/
    ├── config.json          what the run was told
    ├── identity.json        its table, and the fingerprint of its data, see :mod:`rtsod.training.identity`
    ├── log.jsonl            what happened, see :mod:`rtsod.training.log`
    ├── best.safetensors     the weights that validated best
    ├── last.safetensors     the newest ones
    ├── checkpoints/         the whole state, see :mod:`rtsod.training.checkpoints`
    ├── samples.png          training samples as the network sees them
    ├── previews/            maps of held-out pictures
    └── report.html          all of it to look at, see :mod:`rtsod.training.report`
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rtsod.errors import OutputError, UsageError
from rtsod.system.file_lock import locked
from rtsod.system.files import output_error, unfinished_folder, write_text
from rtsod.training.config import TrainConfig
from rtsod.training.identity import IDENTITY_NAME, Identity
from rtsod.training.options import CONFIG_NAME, config_text


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The paths in a run's folder."""

    path: Path

    @property
    def config(self) -> Path:
        """What the run was told."""
        return self.path / CONFIG_NAME

    @property
    def identity(self) -> Path:
        """What a resumed run must have in common with its beginning."""
        return self.path / IDENTITY_NAME

    @property
    def log(self) -> Path:
        """What happened."""
        return self.path / "log.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The whole state."""
        return self.path / "checkpoints"

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is something to resume. A run that failed before its first checkpoint left nothing of worth."""
        return any(self.checkpoints.glob("step-*"))

    @property
    def saved_step(self) -> int | None:
        """The step of the newest checkpoint, None if there is none."""
        return max((int(path.name.removeprefix("step-")) for path in self.checkpoints.glob("step-*")), default=None)

    @property
    def best(self) -> Path:
        """The weights that validated best."""
        return self.path / "best.safetensors"

    @property
    def last(self) -> Path:
        """The newest weights."""
        return self.path / "last.safetensors"

    @property
    def samples(self) -> Path:
        """Training samples as the network sees them."""
        return self.path / "samples.png"

    @property
    def previews(self) -> Path:
        """Maps of held-out pictures."""
        return self.path / "previews"

    @property
    def report(self) -> Path:
        """The page."""
        return self.path / "report.html"

    @property
    def lock(self) -> Path:
        """Locked while a run writes here."""
        return self.path / ".lock"

    def keep(self, config: TrainConfig, identity: Identity) -> None:
        """Write down what the run is, for those who resume it.

        Raises:
            OutputError: it cannot be written.
        """
        write_text(self.identity, identity.to_text())
        write_text(self.config, config_text(config))


def check_folder(config: TrainConfig, *, resume: bool) -> None:
    """Refuse what :func:`opened_folder` would refuse, as far as that can be known without making the folder.

    Raises:
        UsageError, OutputError: as there.
    """
    folder = RunFolder(config.out)
    try:
        standing = next(each for each in (folder.path.absolute(), *folder.path.absolute().parents) if each.exists())
        with unfinished_folder(standing, ".rtsod-"):
            pass
    except OSError as error:
        raise output_error(folder.path, error) from error
    if not resume:
        _refuse_run(folder)


@contextmanager
def opened_folder(config: TrainConfig, *, resume: bool) -> Iterator[RunFolder]:
    """Make or open a run's folder, and keep other runs out of it while the block runs.

    Raises:
        UsageError: it holds a run already, and ``resume`` is not set.
        OutputError: it cannot be written, or another run writes it.
    """
    folder = RunFolder(config.out)
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        lock = locked(folder.lock, 0, lambda: None)
    except TimeoutError as error:
        raise OutputError(f"{folder.path}: another run writes there: wait for it, or give another --out") from error
    except OSError as error:
        raise output_error(folder.path, error) from error
    with lock:
        if not resume:
            _refuse_run(folder)
            for stale in (folder.log, folder.samples):
                stale.unlink(missing_ok=True)
        yield folder


def _refuse_run(folder: RunFolder) -> None:
    if folder.has_checkpoint:
        raise UsageError(f"{folder.path}: holds a run: add --resume to go on with it, or give another --out")
