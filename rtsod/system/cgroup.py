"""The processor time that Linux allots to this process's control group, as containers use it.

See the kernel's ``admin-guide/cgroup-v1/index.rst`` (``cpu.cfs_quota_us``) and ``admin-guide/cgroup-v2.rst``
(``cpu.max``). Nothing but the quota is read: weights only matter while others are busy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

_PROC: Final = Path("/proc/self")


def cpu_quota(proc: Path = _PROC) -> float | None:
    """How many cores' time the process may use; None for no limit.

    1.5 is 150 ms of processor time in every 100 ms.

    The smallest quota from the process's own group up to the outermost that can be seen.

    Args:
        proc: the process's folder in ``/proc``.
    """
    try:
        groups = (proc / "cgroup").read_text(encoding="utf-8").splitlines()
        mounts = [_mount(line) for line in (proc / "mountinfo").read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError, IndexError):  # not Linux, or nothing that could be understood
        return None
    paths = {controllers: path for _, controllers, path in (line.split(":", 2) for line in groups if ":" in line)}
    quotas = [quota for mount in mounts for folder in _folders(mount, paths) if (quota := _quota(folder)) is not None]
    return min(quotas, default=None)


@dataclass(frozen=True, slots=True)
class _Mount:
    root: str
    """The group that is mounted. In a container without a cgroup namespace it is not the outermost."""
    folder: Path
    """Where it is mounted."""
    kind: str
    options: frozenset[str]
    """For version 1: its controllers among others."""


def _mount(line: str) -> _Mount:
    """Parse a line of ``mountinfo``, see ``man 5 proc_pid_mountinfo``; it writes blanks and backslashes in octal."""
    before, after = line.split(" - ", 1)
    root, folder = (field.replace(r"\040", " ").replace(r"\134", "\\") for field in before.split(" ")[3:5])
    kind, _, options = after.split(" ")[:3]
    return _Mount(root, Path(folder), kind, frozenset(options.split(",")))


def _folders(mount: _Mount, paths: dict[str, str]) -> Iterator[Path]:
    """The folders of the process's group and of those around it, if the mount shows groups that limit the processor."""
    if mount.kind == "cgroup2":
        path = paths.get("")
    elif mount.kind == "cgroup" and "cpu" in mount.options:
        path = next((path for controllers, path in paths.items() if "cpu" in controllers.split(",")), None)
    else:
        return
    if path is None:
        return
    try:
        inner = PurePosixPath(path).relative_to(mount.root)
    except ValueError:  # the group lies outside of what the container sees: what is mounted is as close as it gets
        inner = PurePosixPath()
    if ".." in inner.parts:  # likewise: a path out of the cgroup namespace
        inner = PurePosixPath()
    folder = mount.folder / inner
    yield folder
    for _ in inner.parts:
        folder = folder.parent
        yield folder


def _quota(folder: Path) -> float | None:
    """The quota of one group; None for no limit, and where there is none that could be understood."""
    try:
        maximum = folder / "cpu.max"
        if maximum.exists():
            quota, period = maximum.read_text().split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period"))
        cores = int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # "max" is no number
        return None
    return cores if cores > 0 else None  # -1 is no limit
