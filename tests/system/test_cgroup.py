"""The quota of a control group, read from made-up trees."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtsod.system.cgroup import cpu_quota


class _Machine:
    """A ``/proc/self`` and the trees of control groups that it points to."""

    def __init__(self, folder: Path) -> None:
        self.proc, self.tree = folder / "proc", folder / "tree"
        self.proc.mkdir()
        self.tree.mkdir()
        (self.proc / "mountinfo").write_text(f"31 23 0:28 / {folder} rw - tmpfs tmpfs rw\n")

    def belongs(self, *lines: str) -> None:
        """Write ``/proc/self/cgroup``."""
        (self.proc / "cgroup").write_text("".join(f"{line}\n" for line in lines))

    def mounts(self, kind: str, options: str = "rw", root: str = "/", folder: Path | None = None) -> None:
        """Add a mount."""
        shown = str(folder or self.tree).replace("\\", r"\134").replace(" ", r"\040")
        line = f"32 31 0:29 {root} {shown} rw,relatime shared:9 - {kind} cgroup {options}\n"
        with (self.proc / "mountinfo").open("a") as info:
            info.write(line)

    def group(self, path: str, **files: str) -> None:
        """Make a group; ``cpu_max`` becomes ``cpu.max``."""
        folder = self.tree / path
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name.replace("_", ".", 1)).write_text(text + "\n")


@pytest.fixture
def machine(tmp_path: Path) -> _Machine:
    return _Machine(tmp_path)


def test_version_2_has_a_quota_and_a_period(machine: _Machine) -> None:
    machine.belongs("0::/app")
    machine.mounts("cgroup2")
    machine.group("app", cpu_max="150000 100000")
    assert cpu_quota(machine.proc) == 1.5
    machine.group("app", cpu_max="50000 200000")
    assert cpu_quota(machine.proc) == 0.25


def test_version_1_has_them_in_two_files(machine: _Machine) -> None:
    machine.belongs("4:memory:/other", "3:cpuacct,cpu:/app", "0::/")
    machine.mounts("cgroup", "rw,memory", folder=machine.tree / "memory")
    machine.mounts("cgroup", "rw,cpuacct,cpu")
    machine.group("app", cpu_cfs_quota_us="250000", cpu_cfs_period_us="100000")
    assert cpu_quota(machine.proc) == 2.5


def test_no_limit_is_none(machine: _Machine) -> None:
    machine.belongs("1:cpu:/old", "0::/new")
    machine.mounts("cgroup", "rw,cpu")
    machine.mounts("cgroup2")
    machine.group("new", cpu_max="max 100000")
    machine.group("old", cpu_cfs_quota_us="-1", cpu_cfs_period_us="100000")
    assert cpu_quota(machine.proc) is None


def test_the_smallest_quota_on_the_way_up_counts(machine: _Machine) -> None:
    machine.belongs("0::/slice/box/app")
    machine.mounts("cgroup2")
    machine.group("slice", cpu_max="300000 100000")
    machine.group("slice/box", cpu_max="200000 100000")
    machine.group("slice/box/app", cpu_max="max 100000")
    machine.group("slice/other", cpu_max="10000 100000")
    assert cpu_quota(machine.proc) == 2.0


@pytest.mark.parametrize(
    ("path", "root"),
    [
        ("/", "/"),  # a cgroup namespace: the container's own group looks like the outermost
        ("/docker/abc", "/docker/abc"),  # none: the mount shows the container's group
        ("/docker/abc", "/"),  # the tree was mounted over, and the path does not exist in it
        ("/../other", "/"),  # moved out of its namespace
        ("/elsewhere", "/docker/abc"),
    ],
)
def test_in_a_container_its_own_group_is_the_root_of_the_tree(machine: _Machine, path: str, root: str) -> None:
    machine.belongs(f"0::{path}")
    machine.mounts("cgroup2", root=root)
    machine.group(".", cpu_max="50000 100000")
    assert cpu_quota(machine.proc) == 0.5


def test_a_group_below_a_mounted_one_is_found(machine: _Machine) -> None:
    machine.belongs("0::/docker/abc/app")
    machine.mounts("cgroup2", root="/docker/abc")
    machine.group("app", cpu_max="50000 100000")
    assert cpu_quota(machine.proc) == 0.5


def test_a_folder_with_a_blank_is_found(machine: _Machine) -> None:
    machine.tree = machine.tree / r"a blank \ here"
    machine.belongs("0::/")
    machine.mounts("cgroup2")
    machine.group(".", cpu_max="50000 100000")
    assert cpu_quota(machine.proc) == 0.5


@pytest.mark.parametrize("text", ["", "50000", "many 100000", "50000 0", "0 100000", "-1 100000"])
def test_what_cannot_be_understood_is_no_limit(machine: _Machine, text: str) -> None:
    machine.belongs("0::/")
    machine.mounts("cgroup2")
    machine.group(".", cpu_max=text)
    assert cpu_quota(machine.proc) is None


def test_without_control_groups_there_is_no_limit(machine: _Machine, tmp_path: Path) -> None:
    assert cpu_quota(tmp_path / "no proc") is None
    machine.belongs("nonsense", "0::/app")
    assert cpu_quota(machine.proc) is None, "no tree is mounted"
    (machine.proc / "mountinfo").write_text("nonsense\n")
    assert cpu_quota(machine.proc) is None


def test_this_process_can_be_asked() -> None:
    quota = cpu_quota()
    assert quota is None or quota > 0
