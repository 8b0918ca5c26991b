"""Run the Dockerfile's steps without a container engine: ``python -m tests.container``.

Each stage gets a root of its own, a minimal Debian 12 with Python, which stands in for the image that FROM names. RUN
runs in a chroot there, as the stage's user, and COPY copies. Then the last stage must hold no compiler, pass its health
check, and record a video, as its own user and as one that it does not know, each with a cache of their own. It needs
root, mmdebstrap and a Debian mirror; without them it says why and exits with 77. It is no proof that the image builds:
caching, layers and the real base are the container engine's.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.container.dockerfile import Stage, health_check, stages_in, variables_in, words_in

ROOT: Final = Path(__file__).parents[2]
SKIPPED: Final = 77
PACKAGES: Final = "ca-certificates,python3,python3-venv"
"""What the minimal Debian lacks of an image of Python."""
COMPILERS: Final = ("cc", "gcc", "g++", "c++", "clang", "make")
SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BOUND: Final = ("/dev", "/proc", "/sys", "/etc/resolv.conf", "/etc/ssl/certs")
"""What a step sees of this machine."""
PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
PIP_SETTINGS: Final = ("cert", "constraint", "extra-index-url", "find-links", "index-url", "no-index", "proxy")
"""What a step must know of how this machine installs packages."""
IN_MEMORY: Final = Path("/dev/shm")
ENOUGH_MEMORY: Final = 12 << 30
"""Bytes: the roots take three gigabytes, and the steps run beside them."""
OWN_MOUNTS: Final = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
RECORDING: Final = "recording.mp4"
IMAGE_USER: Final = 1000
OTHER_USER: Final = 1234
"""Whom the image does not know: ``--user`` may name anybody."""


class Skip(Exception):
    """The steps cannot be run here; the text says why."""


def reason_to_skip() -> str | None:
    """Why the steps cannot be run here, or None."""
    if os.geteuid() != 0:
        return "only root can change the root folder"
    missing = [name for name in ("mmdebstrap", "unshare", "chroot", "setpriv") if shutil.which(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        return "this machine does not let root have mounts of its own"
    return None


def place_for_roots() -> Path | None:
    """Memory if there is plenty of it, which is quicker; None is the folder for temporary files."""
    return IN_MEMORY if IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > ENOUGH_MEMORY else None


def make_base(archive: Path) -> None:
    """Make the minimal Debian as an archive.

    Raises:
        Skip: no Debian mirror answers.
    """
    sources = sorted(map(str, Path("/etc/apt/sources.list.d").glob("debian.sources")))
    options = ("--quiet", "--variant=minbase", "--dpkgopt=force-unsafe-io", f"--include={PACKAGES}")
    command = ["mmdebstrap", *options, "bookworm", str(archive), *sources]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    if done.returncode:
        raise Skip(f"mmdebstrap: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'failed'}")


class Builder:
    """Carries out the steps of stages, each in a root of its own.

    Args:
        archive: the base of each root.
        folder: where roots are made.
    """

    def __init__(self, archive: Path, folder: Path) -> None:
        self._archive = archive
        self._folder = folder
        self._settings = install_settings()
        self._lent = local_paths(self._settings.values())

    def root(self, stage: Stage) -> Path:
        """The stage's root."""
        return self._folder / stage.name

    def build(self, stage: Stage) -> None:
        """Carry out a stage's steps.

        Raises:
            subprocess.CalledProcessError: a step failed.
        """
        root = self.root(stage)
        root.mkdir()
        subprocess.run(["tar", "--extract", "--file", self._archive, "--directory", root], check=True)
        acquire = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, encoding="utf-8").stdout
        (root / "etc/apt/apt.conf.d/99here").write_text(acquire, encoding="utf-8")
        (root / "etc/dpkg/dpkg.cfg.d/here").write_text("force-unsafe-io\n", encoding="utf-8")  # it lives for minutes
        variables: dict[str, str] = {"PATH": SYSTEM_PATH}
        user, place = "root", "/"
        for each in stage.instructions:
            started = time.monotonic()
            match each.name:
                case "ARG" | "ENV":
                    variables |= variables_in(each.rest)
                case "USER":
                    user = each.rest
                case "WORKDIR":
                    place = each.rest
                    (root / place.lstrip("/")).mkdir(parents=True, exist_ok=True)
                case "RUN":
                    all_variables = {**self._settings, **variables}
                    run_inside(root, ["/bin/sh", "-c", each.rest], all_variables, user, place, self._lent)
                case "COPY":
                    self._copy(root, words_in(each.rest), place)
            if each.name in {"RUN", "COPY"}:
                print(f"{stage.name}: {each.name} {each.rest[:80]}: {time.monotonic() - started:.0f} s", flush=True)

    def _copy(self, root: Path, words: Sequence[str], place: str) -> None:
        source_root = ROOT
        if words[0].startswith("--from="):
            source_root = self._folder / words[0].removeprefix("--from=")
            words = words[1:]
        *sources, target = words
        into = root / place.lstrip("/") / target if not target.startswith("/") else root / target.lstrip("/")
        if target.endswith("/"):
            into.mkdir(parents=True, exist_ok=True)
        for name in sources:
            source = source_root / name.lstrip("/")
            if source.is_dir():
                shutil.copytree(
                    source, into, symlinks=True, dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("__pycache__") if source_root == ROOT else None,
                    copy_function=shutil.copy2 if source_root == ROOT else _linked,
                )  # fmt: skip
            else:
                shutil.copy(source, into / source.name if into.is_dir() else into)


def _linked(source: str, target: str) -> None:
    """Copy between two roots, which lie in one file system and are thrown away together."""
    os.link(source, target, follow_symlinks=False)


def install_settings() -> dict[str, str]:
    """The variables that make pip in a root install as it does here."""
    settings = {name: value for name, value in os.environ.items() if name in PROXIES}
    printed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, encoding="utf-8")
    for line in printed.stdout.splitlines():
        key, _, value = line.partition("=")
        name = key.rpartition(".")[2]
        if name in PIP_SETTINGS:
            settings[f"PIP_{name.upper().replace('-', '_')}"] = str(ast.literal_eval(value))
    return settings


def local_paths(values: Iterable[str]) -> list[str]:
    """The files and folders of this machine that settings name. An index is a folder beside that of its files."""
    words = [word for value in values for word in value.split()]
    paths = [str(Path(word.removeprefix("file://")).parent) if "://" in word else word for word in words]
    return [path for path in dict.fromkeys(paths) if path.startswith("/") and Path(path).exists()]


def run_inside(
    root: Path, command: Sequence[str], variables: Mapping[str, str], user: str, place: str, lent: Iterable[str] = ()
) -> None:
    """Run a command in a root, with mounts and processes of its own, as a user of that root.

    Args:
        root: the folder.
        command: its words.
        variables: all variables but HOME.
        user: who runs it: a name that the root knows, or the number of somebody that it does not.
        place: its current folder.
        lent: files and folders of this machine that it needs, too.

    Raises:
        subprocess.CalledProcessError: the command failed.
    """
    bound = [path for path in dict.fromkeys([*BOUND, *lent]) if Path(path).exists()]
    bound = [path for path in bound if not any(path.startswith(f"{other}/") for other in bound)]
    for path in bound:
        target = root / path.lstrip("/")
        (target if Path(path).is_dir() else target.parent).mkdir(parents=True, exist_ok=True)
        if not Path(path).is_dir():
            target.touch()
    script = 'set -e; root=$1; shift; for path in $BOUND; do mount --rbind "$path" "$root$path"; done; exec "$@"'
    groups = "--clear-groups" if user.isdecimal() else "--init-groups"
    identity = [] if user == "root" else ["setpriv", f"--reuid={user}", f"--regid={user}", groups]
    home = "/root" if user == "root" else "/" if user.isdecimal() else f"/home/{user}"
    inner = ["env", "--ignore-environment", f"--chdir={place}", f"HOME={home}"]
    inner += [f"{name}={value}" for name, value in variables.items()]
    subprocess.run(
        [*OWN_MOUNTS, "/bin/sh", "-c", script, "-", str(root), "chroot", str(root), *identity, *inner, *command],
        env={"PATH": SYSTEM_PATH, "BOUND": " ".join(bound)},
        check=True,
        stdin=subprocess.DEVNULL,
    )


def lend_weights(root: Path, owner: int) -> None:
    """Put this machine's copy of the authors' lite weights, if there is one, into a user's new cache.

    Args:
        root: of the container, whose cache is empty afterwards but for them, as a new volume is.
        owner: the user's number.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rtsod" / "weights"
    shutil.rmtree(root / "cache" / "rtsod", ignore_errors=True)
    into = root / "cache" / "rtsod" / "weights"
    into.mkdir(parents=True)
    for path in cache.glob("*u2netp*"):
        shutil.copy(path, into)
    for path in (into.parent, into, *into.iterdir()):
        shutil.chown(path, owner, owner)


def size_of(folder: Path) -> int:
    """Bytes of a folder's files."""
    return sum(path.lstat().st_size for path in folder.rglob("*"))


def try_out(builder: Builder, stage: Stage) -> list[str]:
    """What is wrong with the built last stage."""
    root = builder.root(stage)
    wrong = [f"{name} is left in it" for name in COMPILERS if any(root.glob(f"usr/*bin/{name}"))]
    user, place = stage.last("USER") or "root", stage.last("WORKDIR") or "/"
    if user == "root":
        wrong.append("it runs as root")
    variables: dict[str, str] = {}
    for each in stage.instructions:
        if each.name == "ENV":
            variables |= variables_in(each.rest)
    program = words_in(stage.last("ENTRYPOINT") or "[]")
    recording = ["run", "--lite", "--source", "demo", "--max-frames", "10", "--bg", "beach", "--output", RECORDING]
    video = root / place.lstrip("/") / RECORDING
    for who, number in ((user, IMAGE_USER), (str(OTHER_USER), OTHER_USER)):
        lend_weights(root, number)
        for command in (health_check(stage), [*program, *recording]):
            started = time.monotonic()
            try:
                run_inside(root, command, variables, who, place)
            except subprocess.CalledProcessError as error:
                wrong.append(f"{who}: {' '.join(command)}: exit code {error.returncode}")
            print(f"{who}: {' '.join(command)}: {time.monotonic() - started:.0f} s", flush=True)
        if not (video.is_file() and video.stat().st_size and video.stat().st_uid == number):
            wrong.append(f"{who}: it recorded nothing")
        video.unlink(missing_ok=True)
    return wrong


def main() -> int:
    """Run the steps, and try out what they made."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    stages = stages_in((ROOT / "Dockerfile").read_text(encoding="utf-8"))
    if (reason := reason_to_skip()) is not None:
        print(f"skipped: {reason}")
        return SKIPPED
    with tempfile.TemporaryDirectory(prefix="rtsod-container-", dir=place_for_roots()) as folder:
        archive = Path(folder) / "base.tar"
        started = time.monotonic()
        try:
            make_base(archive)
        except Skip as skip:
            print(f"skipped: {skip}")
            return SKIPPED
        bases = ", ".join(dict.fromkeys(stage.base for stage in stages))
        print(f"a minimal Debian 12 in the place of {bases}: {time.monotonic() - started:.0f} s", flush=True)
        builder = Builder(archive, Path(folder))
        try:
            for stage in stages:
                builder.build(stage)
        except subprocess.CalledProcessError as error:
            print(f"failed: a step ended with exit code {error.returncode}: {error.cmd[-1]}", file=sys.stderr)
            return 1
        wrong = try_out(builder, stages[-1])
        print(f"the program and its packages: {size_of(builder.root(stages[-1]) / 'opt') / 1e6:.0f} MB", flush=True)
    for line in wrong:
        print(line, file=sys.stderr)
    print("the steps run; the health check passes" if not wrong else "failed")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
