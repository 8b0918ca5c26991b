"""What ``rtsod batch`` promises, measured: its speed, nothing lost, seams, memory, and what real batches would bring.

    python -m benchmarks.studies.batch --samples ../shared/samples --json benchmarks/results/batch.json

``workers``: seconds for many photographs with lite in float32, in two processes of one thread, in one that may use one
core, and in one of two threads, alternating. ``one_file``: a clip by ``rtsod batch`` and by ``rtsod run``,
alternating. ``seams``: masks of a video in parts beside those of the whole, in the second after each seam. ``batches``:
milliseconds for each photograph where the network computes several at once. ``largest``: the memory of a process.

With a network that costs nothing: ``kills`` of one process, the parent or all of them, until all is made; ``hostile``
files among good ones; ``memory`` over many items.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any, Final

import av
import cv2
import numpy as np
import torch
from av.video.stream import VideoStream
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.support.clips import read_clip
from benchmarks.support.free_engine import DEADLY, open_free
from benchmarks.support.study import positive_int, run_study
from rtsod.app.console import SilentReporter
from rtsod.backends.openvino.plain_module import compiled_module
from rtsod.batch.config import BatchConfig
from rtsod.batch.manifest import read_rows
from rtsod.batch.processing import WARM_UP_SECONDS
from rtsod.batch.session import Summary, run_batch
from rtsod.config import AppConfig, EngineConfig, PictureConfig
from rtsod.model.table import TABLES
from rtsod.model.u2net import U2Net
from rtsod.sources.segments import divide
from rtsod.system.files import file_to_write

PARTS: Final = ("workers", "one_file", "seams", "batches", "largest", "kills", "hostile", "memory")
SEGMENT_SECONDS: Final = 15
LONG_SECONDS: Final = 48
SIDE: Final = 320
PHOTOGRAPHS: Final = 120
"""So many that starting two processes does not count."""
PARENT: Final = "import sys; from benchmarks.studies.batch import free_batch; free_batch(sys.argv[1], sys.argv[2])"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study."""
    parser = argparse.ArgumentParser(
        "benchmarks.studies.batch", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=Path, required=True, help="the folder of photographs and clips")
    parser.add_argument("--only", choices=PARTS, action="append", help="measure this part; repeatable")
    parser.add_argument("--rounds", type=positive_int, default=5)
    parser.add_argument("--json", type=file_to_write)
    options = parser.parse_args(arguments)
    measures: dict[str, Callable[[], Any]] = {
        "workers": lambda: workers(options.samples, options.rounds),
        "one_file": lambda: one_file(options.samples, options.rounds),
        "seams": lambda: seams(options.samples),
        "batches": lambda: batches(options.rounds),
        "largest": largest,
        "kills": lambda: kills(50, 500),
        "hostile": lambda: hostile(2000, 20),
        "memory": lambda: memory(20_000),
    }

    def measure(record: dict[str, Any]) -> None:
        for part in options.only or PARTS:
            record[part] = measures[part]()
            print(part, record[part], flush=True)

    return run_study("benchmarks.studies.batch", options.json, {}, measure)


# With the real network, as a user starts it.


def workers(samples: Path, rounds: int) -> dict[str, Any]:
    """Seconds for forty photographs, and how often two processes do what one core does."""
    with _folder() as folder:
        photographs = sorted((samples / "images").glob("*.jpg"))
        for number in range(PHOTOGRAPHS):
            os.symlink(photographs[number % len(photographs)].resolve(), folder / f"{number}.jpg")
        ways = {
            "two_processes": (["--workers", "2"], 2),
            "one_core": (["--workers", "1"], 1),
            "one_process_two_threads": (["--workers", "1"], 2),
        }
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        _batch_seconds(folder, ["--lite", "--bg", "transparent", "--include", "1.jpg"], 2)  # fills caches
        for _ in range(rounds):
            for way, (extra, cores) in ways.items():
                seconds[way].append(_batch_seconds(folder, ["--lite", "--bg", "transparent", *extra], cores))
        medians = {way: round(median(times), 2) for way, times in seconds.items()}
        ratios = [one / two for one, two in zip(seconds["one_core"], seconds["two_processes"], strict=True)]
        return {
            "photographs": PHOTOGRAPHS,
            "seconds": medians,
            "two_processes_against_one_core": round(median(ratios), 3),
        }


def one_file(samples: Path, rounds: int) -> dict[str, float]:
    """Seconds for one clip."""
    clip = samples / "clips" / "book.mkv"
    with _folder() as folder:
        times: dict[str, list[float]] = {"run": [], "batch": []}
        for _ in range(rounds + 1):
            out = str(folder / "run.mp4")
            run = ["run", "--source", str(clip), "--lite", "--bg", "beach", "--no-preview", "--output", out]
            times["run"].append(_seconds(run, 2))
            times["batch"].append(_batch_seconds(clip, ["--lite", "--bg", "beach"], 2))
        ratios = [ours / theirs for ours, theirs in zip(times["batch"], times["run"], strict=True)][1:]
        return {
            "run": round(median(times["run"][1:]), 2),
            "batch": round(median(times["batch"][1:]), 2),
            "ratio": round(median(ratios), 3),
        }


def _batch_seconds(source: Path, options: Sequence[str], cores: int) -> float:
    with _folder() as out:
        return _seconds(["batch", str(source), "--out", str(out / "out"), *options], cores)


def _seconds(arguments: Sequence[str], cores: int) -> float:
    mine = sorted(os.sched_getaffinity(0))[:cores]
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "rtsod", *arguments], check=True, capture_output=True,
        preexec_fn=lambda: os.sched_setaffinity(0, mine),
    )  # fmt: skip
    return time.perf_counter() - began


def seams(samples: Path) -> dict[str, Any]:
    """The worst fifth percentile of IoU in the second after a seam, for both networks, and what else must be equal."""
    found: dict[str, Any] = {"warm_up_seconds": WARM_UP_SECONDS}
    with _folder() as folder:
        long = _long_video(samples, folder / "long.mp4")
        for model in ("lite", "full"):
            masks = {}
            for name, segment in (("whole", None), ("parts", float(SEGMENT_SECONDS))):
                run = AppConfig(engine=EngineConfig(model), picture=PictureConfig(("#00FF00",)))
                config = BatchConfig(
                    inputs=(str(long),), out=folder / model / name, run=run, masks=True, segment=segment
                )
                _done(run_batch(config, SilentReporter()))
                masks[name] = _grey(folder / model / name / "long.mp4")
            (times, whole), (other_times, parts) = masks["whole"], masks["parts"]
            overlap = [_iou(one, other) for one, other in zip(whole, parts, strict=True)]
            found[model] = {
                "same_times": times == other_times,
                "frames": len(times),
                "iou_p5_after_each_seam": [
                    _p5([x for x, t in zip(overlap, times, strict=True) if at <= t < at + 1]) for at in _seams(long)
                ],
                "iou_p5_of_all": _p5(overlap),
            }  # fmt: skip
    return found


def _seams(path: Path) -> list[float]:
    segments = divide(path, SEGMENT_SECONDS, warm_up=WARM_UP_SECONDS)
    with av.open(str(path)) as container:
        tick = container.streams.video[0].time_base
    assert tick is not None
    return [float((segment.begin - segments[0].begin) * tick) for segment in segments[1:]]


def _long_video(samples: Path, path: Path) -> Path:
    """Real clips one after another, to and fro, encoded as films are."""
    images = []
    for name in ("book", "thanks", "again"):
        clip = read_clip(samples / "clips" / f"{name}.mkv")
        images += clip + clip[::-1]
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=30, options={"preset": "veryfast", "bf": "3"})
        assert isinstance(video, VideoStream)
        video.height, video.width = images[0].shape[:2]
        video.pix_fmt, video.gop_size = "yuv420p", 60
        for number in range(30 * LONG_SECONDS):
            frame = av.VideoFrame.from_ndarray(images[number % len(images)], format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def _grey(path: Path) -> tuple[list[float], list[NDArray[np.uint8]]]:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return (
        [float(frame.pts * frame.time_base) for frame in frames if frame.pts is not None and frame.time_base],
        [np.asarray(frame.to_ndarray(format="gray"), np.uint8) for frame in frames],
    )


def _p5(values: Sequence[float]) -> float:
    return round(float(np.percentile(values, 5)), 4)


def _iou(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    a, b = one > 127, other > 127
    union = (a | b).sum()
    return float((a & b).sum() / union) if union else 1.0


class _Fused(nn.Module):
    """A network's fused map alone."""

    def __init__(self, network: U2Net) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        fused: Tensor = self.network(x)[0]
        return fused


def batches(rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds for each photograph, by threads and by how many are computed at once. The weights do not matter."""
    torch.manual_seed(0)
    network = _Fused(U2Net(TABLES["lite"]).eval())
    found: dict[str, dict[str, float]] = {}
    for threads in (1, 2):
        runs = {size: compiled_module(network, torch.rand(size, 3, SIDE, SIDE), threads) for size in (1, 2, 4, 8)}
        times: dict[int, list[float]] = {size: [] for size in runs}
        for _ in range(rounds + 1):
            for size, run in runs.items():
                began = time.perf_counter()
                for _ in range(8 // size):
                    run()
                times[size].append((time.perf_counter() - began) / 8 * 1e3)
        found[f"{threads}_threads"] = {str(size): round(median(each[1:]), 1) for size, each in times.items()}
    return found


def largest() -> dict[str, float]:
    """Peak memory in MB of a process that makes a cut-out of 50 megapixels with full in float32."""
    with _folder() as folder:
        image = np.zeros((6120, 8160, 3), np.uint8)
        cv2.circle(image, (4000, 3000), 2000, (200, 220, 240), -1)
        cv2.imwrite(str(folder / "large.jpg"), image)
        peaks = Peaks()
        with peaks.watched():
            config = BatchConfig(inputs=(str(folder / "large.jpg"),), out=folder / "out", workers=1)
            _done(run_batch(config, SilentReporter()))
        return {"worker_mb": round(max(peaks.children))}


# With a network that costs nothing.


def free_batch(source: str, out: str) -> Summary:
    """Make cut-outs of a folder in two processes."""
    run = AppConfig(engine=EngineConfig("lite"), picture=PictureConfig(("transparent",)))
    config = BatchConfig(inputs=(source,), out=Path(out), run=run, workers=2)
    return run_batch(config, SilentReporter(), open_it=open_free)


def kills(count: int, photographs: int) -> dict[str, Any]:
    """Kill something at random moments, resume, and compare with an undisturbed run."""
    chance = random.Random(0)
    with _folder() as folder:
        _write(folder / "in", photographs)
        began = time.perf_counter()
        _done(free_batch(str(folder / "in"), str(folder / "undisturbed")))
        undisturbed = time.perf_counter() - began
        out, killed, resumed = folder / "killed", 0, 0
        while killed < count:
            process = subprocess.Popen([sys.executable, "-c", PARENT, str(folder / "in"), str(out)])
            resumed += 1
            time.sleep(chance.uniform(0.5, 3))
            who = chance.choice(["worker", "parent", "all"])
            children = _children(process.pid)
            victims = {"worker": children[:1], "parent": [process.pid], "all": [process.pid, *children]}[who]
            for pid in victims:
                try:
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
                except ProcessLookupError:
                    continue
            if who == "worker":
                process.kill()
            process.wait()
            if len(read_rows(out / ".rtsod").items) >= photographs:  # begin anew, so that every kill hits something
                _remove_some(out, chance)
        _done(free_batch(str(folder / "in"), str(out)))
        return {
            "kills": killed,
            "starts": resumed,
            "identical": _tree(out) == _tree(folder / "undisturbed"),
            "rows": len(read_rows(out / ".rtsod").items),
            "undisturbed_seconds": round(undisturbed, 1),
        }


def _remove_some(out: Path, chance: random.Random) -> None:
    """Somebody deletes half of the results: they are made again."""
    for path in out.glob("*.png"):
        if chance.random() < 0.5:
            path.unlink()


def hostile(photographs: int, bad: int) -> dict[str, Any]:
    """Good photographs with damaged, empty and deadly ones among them."""
    with _folder() as folder:
        _write(folder / "in", photographs - bad)
        for number in range(bad):
            path = folder / "in" / f"bad{number}.png"
            match number % 4:
                case 0:
                    path.write_bytes(b"")
                case 1:
                    path.write_bytes(b"\x89PNG\r\n\x1a\n" + os.urandom(500))
                case 2:
                    path.write_bytes((folder / "in" / "1.png").read_bytes()[:60])
                case _:
                    cv2.imwrite(str(path), np.full((24, 24, 3), DEADLY, np.uint8))
        summary = free_batch(str(folder / "in"), str(folder / "out"))
        stages = [row.stage for row in summary.failed]
        return {
            "made": summary.made,
            "failed": len(summary.failed),
            "stages": {stage: stages.count(stage) for stage in sorted(set(stages))},
            "seconds": round(summary.seconds, 1),
        }


def memory(items: int) -> dict[str, Any]:
    """Memory in MB of the parent and of its processes over many items: medians of the first and the last tenth."""
    with _folder() as folder:
        _write(folder / "in", items)
        peaks = Peaks()
        with peaks.watched():
            summary = free_batch(str(folder / "in"), str(folder / "out"))
        _done(summary)
        return {
            "items": summary.made,
            "seconds": round(summary.seconds),
            "parent_mb": _first_and_last(peaks.own),
            "processes_mb": _first_and_last(peaks.children),
        }


def _first_and_last(values: list[float]) -> list[float]:
    """Without what the start takes."""
    settled = values[len(values) // 10 :]
    tenth = max(1, len(settled) // 10)
    return [round(median(settled[:tenth]), 1), round(median(settled[-tenth:]), 1)]


class Peaks:
    """Looks at the memory of this process and its children, in MB, ten times a second."""

    def __init__(self) -> None:
        self.own: list[float] = []
        self.children: list[float] = []
        """The largest of them, each time."""
        self._ended = threading.Event()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look while the context is open."""
        thread = threading.Thread(target=self._look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.1):
            self.own.append(_resident_mb(os.getpid()))
            if children := [_resident_mb(pid) for pid in _children(os.getpid())]:
                self.children.append(max(children))


def _resident_mb(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (OSError, IndexError):
        return 0.0


def _children(pid: int) -> list[int]:
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children += [int(child) for child in task.read_text().split()]
        except OSError:
            continue
    return children


def _write(folder: Path, count: int) -> None:
    folder.mkdir()
    image = np.full((24, 24, 3), 60, np.uint8)
    for number in range(count):
        image[:, 12:] = 100 + number % 150
        cv2.imwrite(str(folder / f"{number}.png"), image)


def _tree(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.png")}


def _done(summary: Summary) -> None:
    assert not summary.failed, summary.failed


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="rtsod-study-") as name:
        yield Path(name)


if __name__ == "__main__":
    sys.exit(main())
