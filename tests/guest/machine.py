"""A virtual machine with a real V4L2 camera, a real loopback device and a view of the host's files.

Its kernel and modules are packages of the running Debian, unpacked into a cache folder. Only QEMU must be installed:
the host's kernel is not touched. The processor is emulated, so KVM is not needed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
CACHE: Final = Path(os.environ.get("RTSOD_GUEST_CACHE", Path.home() / ".cache" / "rtsod-guest"))
MODULES: Final = ("virtio_pci", "9p", "9pnet_virtio", "overlay", "vivid")
ENDED: Final = re.compile(r"guest: command ended with (\d+)")
PROCESSOR: Final = "Nehalem"
"""A model without AVX: emulating wide registers makes one inference 20 times slower (80 s instead of 4 s, at 64x64)."""


class NoMachineError(Exception):
    """The machine cannot be built here; the message says why."""


class Machine:
    """A kernel and an initial file system that boot and run one command in the host's file tree.

    Raises:
        NoMachineError: a package or a tool is missing.
    """

    def __init__(self) -> None:
        CACHE.mkdir(parents=True, exist_ok=True)
        if shutil.which("qemu-system-x86_64") is None:
            raise NoMachineError("qemu-system-x86_64 is not installed: apt-get install qemu-system-x86")
        for tool in ("apt-get", "dpkg-deb", "make", "gcc"):
            if shutil.which(tool) is None:
                raise NoMachineError(f"{tool} is not installed")
        version = _kernel_version()
        self._tree = CACHE / version
        if not (self._tree / "complete").exists():
            shutil.rmtree(self._tree, ignore_errors=True)
            _unpack(version, self._tree)
            (source,) = (self._tree / "usr/src").glob("v4l2loopback-*")
            _build_loopback(version, self._tree, source, self._tree / "v4l2loopback")
            (self._tree / "complete").touch()
        self._newer = _newer_loopback(version, self._tree)
        self._version = version
        self._busybox = self._tree / "bin" / "busybox"

    def run(self, command: str, *, timeout: float) -> int:
        """Boot, run a shell command as root in the host's file tree, and power off. Its output goes to stdout.

        Args:
            command: sees the host's files. Files that it writes disappear with the machine.
            timeout: seconds for everything.

        Returns:
            The command's exit status; 124 after the timeout.
        """
        arguments = [
            "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", PROCESSOR, "-smp", "2", "-m", "6G",
            "-display", "none", "-no-reboot", "-nic", "none", "-serial", "stdio", "-monitor", "none",
            "-kernel", str(self._tree / "boot" / f"vmlinuz-{self._version}"),
            "-initrd", str(self._initramfs(command)),
            "-append", "console=ttyS0 quiet panic=-1 mitigations=off",
            "-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap",
        ]  # fmt: skip
        status = 124
        with subprocess.Popen(
            ["timeout", str(timeout), *arguments], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
        ) as machine:
            assert machine.stdout is not None
            for raw in machine.stdout:
                line = raw.decode(errors="replace").rstrip()
                if ended := ENDED.search(line):
                    status = int(ended[1])
                print(line, flush=True)
        return status

    def _initramfs(self, command: str) -> Path:
        root = CACHE / "initramfs"
        shutil.rmtree(root, ignore_errors=True)
        for folder in ("bin", "lib"):
            (root / folder).mkdir(parents=True)
        shutil.copy(self._busybox, root / "bin" / "busybox")
        (root / "bin" / "sh").symlink_to("busybox")
        shutil.copy(HERE / "init.sh", root / "init")
        (root / "init").chmod(0o755)
        (root / "command").write_text(command)
        shutil.copy(self._tree / "v4l2loopback" / "v4l2loopback.ko", root / "lib" / "v4l2loopback.ko")
        if self._newer is not None:
            shutil.copy(self._newer, root / "lib" / "v4l2loopback-newer.ko")
        for module in self._module_files():
            place = root / module.relative_to(self._tree)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(module, place)
        _run(str(self._busybox), "depmod", "-b", str(root), self._version)
        image = CACHE / "initramfs.cpio"
        names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
        with image.open("wb") as file:
            pack = [str(self._busybox), "cpio", "-o", "-H", "newc"]
            subprocess.run(pack, cwd=root, input=names.encode(), stdout=file, stderr=subprocess.DEVNULL, check=True)
        return image

    def _module_files(self) -> set[Path]:
        folder = self._tree / "lib/modules" / self._version
        needs = dict(line.split(":", 1) for line in (folder / "modules.dep").read_text().splitlines())
        files: set[Path] = set()
        for module in MODULES:
            (path,) = (path for path in needs if Path(path).stem == module)
            files |= {folder / name for name in (path, *needs[path].split())}
        return files


def _kernel_version() -> str:
    found = re.search(r"Depends: linux-image-(\S+)", _run("apt-cache", "depends", "linux-image-amd64"))
    if found is None:
        raise NoMachineError("there is no package linux-image-amd64: run apt-get update on Debian")
    return found[1]


def _unpack(version: str, tree: Path) -> None:
    common = version.removesuffix("-amd64") + "-common"
    kbuild = "linux-kbuild-" + ".".join(version.split(".")[:2])
    packages = [f"linux-image-{version}", f"linux-headers-{version}", f"linux-headers-{common}", kbuild]
    packages += ["v4l2loopback-dkms", "busybox-static"]
    downloads = CACHE / "packages"
    shutil.rmtree(downloads, ignore_errors=True)
    downloads.mkdir()
    _run("apt-get", "download", "-qq", *packages, cwd=downloads)
    for package in downloads.glob("*.deb"):
        _run("dpkg-deb", "-x", str(package), str(tree))
    shutil.rmtree(downloads)
    _run(str(tree / "bin" / "busybox"), "depmod", "-b", str(tree), version)


def _build_loopback(version: str, tree: Path, source: Path, target: Path) -> None:
    headers = tree / "usr/src" / f"linux-headers-{version}"
    makefile = headers / "Makefile"  # refers to the other headers by their installed path
    makefile.write_text(re.sub(r"\S*/usr/src", str(tree / "usr/src"), makefile.read_text()))
    shutil.copytree(source, target)
    _run("make", "-C", str(headers), f"M={target}", "modules")


def _newer_loopback(version: str, tree: Path) -> Path | None:
    """Build v4l2loopback of the current stable Debian, whose driver reports readers.

    The package comes from the mirror that this system uses. Returns None, and prints why, if it cannot be built.
    """
    folder, built = tree / "newer", tree / "newer" / "built" / "v4l2loopback.ko"
    if built.exists():
        return built
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    try:
        mirror = _run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages").split()[0]
        (folder / "stable.list").write_text(f"deb {mirror} stable main\n")
        where = {"Dir::Etc::sourcelist": "stable.list", "Dir::Etc::sourceparts": "none", "Dir::State::lists": "lists",
                 "Dir::Cache": "cache"}  # fmt: skip
        options = [word for key, name in where.items() for word in ("-o", f"{key}={folder / name}")]
        _run("apt-get", "update", "-qq", *options)
        _run("apt-get", "download", "-qq", *options, "v4l2loopback-dkms", cwd=folder)
        (package,) = folder.glob("*.deb")
        _run("dpkg-deb", "-x", str(package), str(folder))
        (source,) = (folder / "usr/src").glob("v4l2loopback-*")
        _build_loopback(version, tree, source, built.parent)
    except (NoMachineError, IndexError, ValueError) as error:
        print(f"no newer v4l2loopback: {error}")
        return None
    return built


def _run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoMachineError(f"{' '.join(command[:4])} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
