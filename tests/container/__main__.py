"""Build the image, and use it as docs/container.md says: ``python -m tests.container``.

Buildah builds it, and Podman runs it, with images and volumes of their own that are deleted in the end. Where no
registry answers, a minimal Debian 12 stands in for the image that FROM names. The page's own commands are run as they
are printed, with a ``docker`` on PATH that calls the two. It needs root, these programs, and for the stand-in
mmdebstrap and a Debian mirror; without them it says why and exits with 77.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import av

from tests.support.page_commands import blocks

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "container.md"
SKIPPED: Final = 77
PROGRAMS: Final = ("buildah", "podman", "runc")
IMAGE: Final = "rtsod"
STAND_IN: Final = "localhost/stand-in"
PACKAGES: Final = "ca-certificates,python3,python3-venv"
"""What the minimal Debian lacks of an image of Python."""
COMPILERS: Final = ("cc", "gcc", "g++", "c++", "clang", "make")
PIP_SETTINGS: Final = ("cert", "constraint", "extra-index-url", "find-links", "index-url", "no-index", "proxy")
"""What a step must know of how this machine installs packages."""
IMAGE_USER: Final = 1000
OTHER_USER: Final = 1234
"""Whom the image does not know: ``--user`` may name anybody."""
CACHE: Final = "rtsod-cache"
"""The page's volume."""
PHOTOS: Final = ROOT / "rtsod" / "assets" / "backgrounds"
STARTED_SECONDS: Final = 60
"""How long a run may take to show pictures."""
CLEANLY_ENDED: Final = 128 + 15
DOCKER: Final = """\
#!/bin/sh
case "$1 $*" in
"build "*) shift; exec {build} --build-arg BASE={base} "$@" ;;
"run "*--health-*) shift; exec {podman} run {options} "$@" ;;
"run "*) shift; exec {podman} run {options} --no-healthcheck "$@" ;;
*) exec {podman} "$@" ;;
esac
"""
"""Health checks are not scheduled: that takes systemd."""
RUN_OPTIONS: Final = "--network=none --ulimit=nofile=1024:1024 --ulimit=nproc=1024:1024"
"""Nothing needs a network once the weights are there. Not every machine lets Podman raise these limits."""


class Skip(Exception):
    """The image cannot be built here; the text says why."""


class Containers:
    """Images, volumes and containers of its own.

    Args:
        folder: where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        store = [f"--root={folder / 'store'}", f"--runroot={folder / 'run'}"]
        for driver in ("overlay", "vfs"):  # the first is quicker, and not possible within every file system
            self._store = [*store, f"--storage-driver={driver}"]
            tried = subprocess.run(["buildah", *self._store, "from", "scratch"], capture_output=True, encoding="utf-8")
            if tried.returncode == 0:
                break
        else:
            raise Skip(f"buildah: {tried.stderr.strip()}")
        self.folder = folder

    @property
    def podman(self) -> list[str]:
        """Podman with this store."""
        return ["podman", *self._store, "--cgroup-manager=cgroupfs", "--runtime=runc"]

    def base(self) -> str:
        """The image that FROM names, or one that stands in for it.

        Raises:
            Skip: neither a registry nor a Debian mirror answers.
        """
        name = named_base()
        pull = [*self.podman, "pull", "--quiet", f"docker.io/library/{name}"]
        if subprocess.run(["timeout", "300", *pull], capture_output=True).returncode == 0:
            return name
        archive = self.folder / "base.tar"
        sources = sorted(map(str, Path("/etc/apt/sources.list.d").glob("debian.sources")))
        options = ("--quiet", "--variant=minbase", "--dpkgopt=force-unsafe-io", f"--include={PACKAGES}")
        command = ["mmdebstrap", *options, "bookworm", str(archive), *sources]
        done = subprocess.run(command, capture_output=True, encoding="utf-8")
        if done.returncode:
            raise Skip(f"mmdebstrap: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
        subprocess.run([*self.podman, "import", "--quiet", archive, STAND_IN], check=True, capture_output=True)
        return STAND_IN

    def put_docker_on_path(self, base: str) -> None:
        """Make ``docker`` and ``id`` for the page's commands: the user is one that the image does not know."""
        settings = install_settings()
        pip = self.folder / "pip.conf"
        pip.write_text("[global]\nquiet = 2\n" + "".join(f"{key} = {value}\n" for key, value in settings.items()))
        lent = [f"--volume={path}:{path}:ro" for path in local_paths(settings.values())]
        build = ["buildah", *self._store, "bud", "--isolation=chroot", "--format=docker", "--layers=false", *lent]
        build.append(f"--volume={pip}:/etc/pip.conf:ro")
        programs = self.folder / "bin"
        programs.mkdir()
        docker = DOCKER.format(build=shlex.join(build), podman=shlex.join(self.podman), base=base, options=RUN_OPTIONS)
        for name, text in (("docker", docker), ("id", f"#!/bin/sh\necho {OTHER_USER}\n")):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        os.environ["PATH"] = f"{programs}:{os.environ['PATH']}"

    def delete(self) -> None:
        """Delete all of them."""
        for command in (("rm", "--all"), ("rmi", "--all"), ("volume", "rm", "--all")):
            subprocess.run([*self.podman, *command, "--force"], capture_output=True)
        subprocess.run(["buildah", *self._store, "rm", "--all"], capture_output=True)

    def inspect(self) -> dict[str, Any]:
        """The image's configuration."""
        printed = subprocess.run([*self.podman, "image", "inspect", IMAGE], check=True, capture_output=True)
        config: dict[str, Any] = json.loads(printed.stdout)[0]
        return config

    def cache_with_weights(self, name: str, owner: int) -> None:
        """Make a volume for a cache, as the image gives it to a new one, and put the lite weights into it."""
        docker("run", "--rm", f"--volume={name}:/cache", f"--user={owner}:{owner}", IMAGE, "--version")
        command = [*self.podman, "volume", "inspect", "--format", "{{.Mountpoint}}", name]
        place = Path(subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout.strip())
        here = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rtsod" / "weights"
        into = place / "rtsod" / "weights"
        into.mkdir(parents=True)
        for path in here.glob("*u2netp*"):
            shutil.copy(path, into)
        for path in (into.parent, into, *into.iterdir()):
            shutil.chown(path, owner, owner)


def docker(*arguments: str) -> None:
    """Run one of Docker's commands.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    subprocess.run(["docker", *arguments], check=True, stdin=subprocess.DEVNULL)


def named_base() -> str:
    """The image that the Dockerfile begins with."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    values = dict(line.removeprefix("ARG ").split("=", 1) for line in lines if line.startswith("ARG "))
    return values["BASE"].replace("${PYTHON}", values["PYTHON"])


def install_settings() -> dict[str, str]:
    """The settings that make pip install as it does here, by their names in its file."""
    printed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, encoding="utf-8")
    found = (line.partition("=") for line in printed.stdout.splitlines())
    named = ((key.rpartition(".")[2], str(ast.literal_eval(value))) for key, _, value in found)
    return {name: value for name, value in named if name in PIP_SETTINGS}


def local_paths(values: Iterable[str]) -> list[str]:
    """The folders of this machine that settings name. An index is a folder beside that of its files."""
    words = [word for value in values for word in value.split()]
    paths = [Path(word.removeprefix("file://")) for word in words]
    pairs = zip(paths, words, strict=True)
    found = [path if path.is_dir() and "://" not in word else path.parent for path, word in pairs]
    return [str(path) for path in dict.fromkeys(found) if path.is_absolute() and path.exists()]


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print how long a step took."""
    started = time.monotonic()
    yield
    print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)


def page_commands() -> list[str]:
    """The page's commands that need nothing but the image."""
    found = [block for block in blocks(PAGE) if any("in a leg of its own" in mark.reason for mark in block.marks)]
    return [command for block in found for command in block.commands() if command.startswith("docker ")]


def faults(containers: Containers, folder: Path) -> Iterator[str]:
    """What is wrong with the image.

    Args:
        containers: where the image is.
        folder: an empty one, which anybody may write to.
    """
    image = containers.inspect()
    config = image["Config"]
    if config.get("User") in (None, "", "root", "0"):
        yield "it runs as root"
    if (check := image["Healthcheck"]["Test"]) != ["CMD", "rtsod", "doctor"]:
        yield f"its health check is {check}"
    looked_for = " ".join(COMPILERS)
    left = ["run", "--rm", "--entrypoint", "/bin/sh", IMAGE, "-c", f"command -v {looked_for}"]
    if found := subprocess.run(["docker", *left], capture_output=True, encoding="utf-8").stdout.split():
        yield f"there are compilers in it: {', '.join(found)}"
    print(f"the image: {image['Size'] / 1e6:.0f} MB", flush=True)
    with step("as the image's own user"):
        containers.cache_with_weights("own", IMAGE_USER)
        record = ["run", "--lite", "--source", "demo", "--max-frames", "10", "--bg", "beach", "--output", "own.mp4"]
        docker("run", "--rm", "--volume=own:/cache", f"--volume={folder}:/output", IMAGE, *record)
        yield from faults_of(folder / "own.mp4", IMAGE_USER)
    with step("the page's commands, as another user"):
        containers.cache_with_weights(CACHE, OTHER_USER)
        shutil.copytree(PHOTOS, folder / "photos")
        for command in page_commands():
            print(f"$ {command}", flush=True)
            if command.startswith("docker run"):
                subprocess.run(command, shell=True, check=True, cwd=folder)
        cut_out = sorted((folder / "cut-outs").glob("*.png"))
        if len(cut_out) != len(list(PHOTOS.glob("*.jpg"))) or any(p.stat().st_uid != OTHER_USER for p in cut_out):
            yield f"the batch wrote {', '.join(path.name for path in cut_out) or 'nothing'}"
    with step("a run, its health, a link to its page, and its end"):
        yield from faults_of_a_long_run(folder / "long.mp4")


def faults_of_a_long_run(recording: Path) -> Iterator[str]:
    """Start a run in the background, ask after its health and for a link, and stop it as ``docker stop`` does."""
    options = ["--detach", "--name=long", f"--user={OTHER_USER}:{OTHER_USER}", f"--volume={CACHE}:/cache"]
    options += [f"--volume={recording.parent}:/output", "--health-cmd=rtsod doctor", "--health-interval=disable"]
    run = ["run", "--lite", "--source", "demo", "--bg", "blur", "--control", "--output", recording.name]
    docker("run", *options, IMAGE, *run)
    ends = time.monotonic() + STARTED_SECONDS
    state = ["docker", "exec", "long", "rtsod", "ctl", "state"]
    while "live" not in subprocess.run(state, capture_output=True, encoding="utf-8").stdout:
        if time.monotonic() > ends:
            yield f"it shows no pictures after {STARTED_SECONDS} s"
            break
        time.sleep(1)
    for command in (["healthcheck", "run", "long"], ["exec", "long", "rtsod", "ctl", "link"]):
        try:
            docker(*command)
        except subprocess.CalledProcessError as error:
            yield f"{' '.join(command)}: exit code {error.returncode}"
    docker("stop", "--time=30", "long")
    command = ["docker", "inspect", "--format", "{{.State.ExitCode}}", "long"]
    code = int(subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout)
    if code != CLEANLY_ENDED:
        yield f"after SIGTERM it ended with exit code {code}"
    yield from faults_of(recording, OTHER_USER)


def faults_of(recording: Path, owner: int) -> Iterator[str]:
    """What is wrong with a recording."""
    if not recording.exists():
        yield f"{recording.name}: was not written"
        return
    if recording.stat().st_uid != owner:
        yield f"{recording.name}: belongs to the user {recording.stat().st_uid}, not to {owner}"
    with av.open(str(recording)) as container:
        frames = sum(1 for _ in container.decode(video=0))
    print(f"{recording.name}: {frames} frames", flush=True)
    if frames < 5:
        yield f"{recording.name}: has {frames} frames"


def reason_to_skip() -> str | None:
    """Why no image can be built here, or None."""
    if os.geteuid() != 0:
        return "only root can run containers here"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"not installed: {', '.join(missing)}" if missing else None


def main() -> int:
    """Build the image, and use it."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    if (reason := reason_to_skip()) is not None:
        print(f"skipped: {reason}")
        return SKIPPED
    with tempfile.TemporaryDirectory(prefix="rtsod-container-", ignore_cleanup_errors=True) as folder:
        wrong: list[str] = []
        try:
            containers = Containers(Path(folder))
            with step("the base"):
                base = containers.base()
        except Skip as skip:
            print(f"skipped: {skip}")
            return SKIPPED
        print(f"{base} in the place of {named_base()}" if base == STAND_IN else f"from {base}", flush=True)
        containers.put_docker_on_path(base)
        shared = Path(folder) / "output"
        shared.mkdir()
        shared.chmod(0o1777)
        try:
            with step("docker build"):
                subprocess.run(["docker", "build", "--quiet", "--tag", IMAGE, "."], check=True, cwd=ROOT)
            wrong += faults(containers, shared)
        except subprocess.CalledProcessError as error:
            wrong.append(f"exit code {error.returncode}: {error.cmd}")
        finally:
            containers.delete()
    for line in wrong:
        print(line, file=sys.stderr)
    print("the image is built, and works" if not wrong else "failed")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
