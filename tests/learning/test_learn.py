"""``rtsod learn`` from a clip to a model, with a tiny network, and every way it ends."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from rtsod.app.train_console import TrainConsole
from rtsod.cli import learn as command
from rtsod.config import EngineConfig
from rtsod.drawing.scene import DrawnScene
from rtsod.errors import EngineError, ExitCode
from rtsod.frames import Alpha, EngineInfo, Image
from rtsod.learning import learn as learning
from rtsod.learning.measure import Measured
from rtsod.learning.recording import INDEX
from rtsod.learning.score import Score
from rtsod.learning.starter import Start
from rtsod.model.card import read_card
from rtsod.model.own_models import only_learner, own_model, own_models
from rtsod.model.weights import sha256_of
from rtsod.system.extras import install_extra
from tests.support.fakes import FakeEngine
from tests.support.networks import TINY
from tests.support.small_disk import small_disk

FRAMES = 40
SCENE = DrawnScene(96, 72)


class Teacher:
    """Knows the drawn scene's person by the order of the frames; sees nobody in black."""

    def __init__(self) -> None:
        self.info = EngineInfo("openvino", "full", "fp32", "CPU", 320, "the authors'")
        self._calls = 0

    def infer(self, image: Image) -> Alpha:
        alpha = SCENE.render(self._calls * 4)[1]
        self._calls += 1
        alpha = alpha if image.any() else np.zeros_like(alpha)
        return np.asarray(np.clip(cv2.resize(alpha, (320, 320)), 0, 1), np.float32)

    def close(self) -> None: ...


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tiny table from random weights, and a teacher that costs nothing."""
    monkeypatch.setattr(learning, "_teacher", lambda config, reporter: Teacher())
    monkeypatch.setattr(learning, "starting_point", lambda name: Start(replace(TINY, name=name), None, None))
    monkeypatch.setattr(learning, "MIN_IOU", 0.0)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[Measured]:
    """Without a calibration and an engine, which take seconds."""
    made: list[Measured] = []

    def measured(weights: Path, calibration: Path, *_: object) -> Measured:
        info = EngineInfo("openvino", "me", "int8", "CPU", 64, "me")
        made.append(Measured(Score(0.9, 0.8, 0.91, 8, 0.0), 1.5, info, sha256_of(weights), ()))
        return made[-1]

    monkeypatch.setattr(learning, "measure", measured)
    return made


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """The drawn person as a folder of pictures: nothing is lost in them."""
    folder = tmp_path / "clip"
    folder.mkdir()
    for number in range(FRAMES):
        cv2.imwrite(str(folder / f"{number:03d}.png"), SCENE.render(number * 4)[0])
    return folder


def learn(*arguments: object) -> int:
    return command.main(list(map(str, arguments)))


def left_over(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "cache").rglob("*.png"))


def test_a_clip_becomes_a_model_with_a_card(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Everything is real but the teacher and the size: calibration, engine, measurement."""
    assert learn("--source", clip, "--train-minutes", 0.02) == ExitCode.DONE
    out, err = capsys.readouterr()
    assert re.search(r"me: IoU 0\.\d+ with full's masks \(5th percentile 0\.\d+\) on 8 frames it never saw", out)
    assert out.strip().endswith("try it: rtsod run --model me")
    assert "the room without you is not used, because no frames show it" in err
    model = own_model("me")
    card = read_card(model.card)
    assert card is not None
    assert (card.teacher, card.frames, card.held_out, card.starter) == ("full", 32, 8, None)
    assert card.agreement is not None
    assert card.training_steps > 0
    assert card.weights_sha256 == sha256_of(model.weights)
    assert [speed.precision for speed in card.speeds] in (["int8"], ["fp32"])
    assert {path.suffix for path in model.folder.iterdir()} <= {".safetensors", ".json"}
    assert not left_over(tmp_path)


def interrupt_when(monkeypatch: pytest.MonkeyPatch, method: str, wanted: Callable[..., bool]) -> None:
    """Press Ctrl-C when the console is told something."""
    shown: Any = getattr(TrainConsole, method)
    pressed: list[bool] = []

    def told(self: TrainConsole, *arguments: Any) -> None:
        shown(self, *arguments)
        if not pressed and wanted(*arguments):
            pressed.append(True)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(TrainConsole, method, told)


def test_ctrl_c_while_training_keeps_what_was_learned(
    clip: Path,
    tmp_path: Path,
    quick: list[Measured],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    interrupt_when(monkeypatch, "progress", lambda share, text: text.startswith("step 3,"))
    assert learn("--source", clip, "--train-minutes", 60) == ExitCode.INTERRUPTED
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("rtsod learn: interrupted; what was learned so far is saved: me: IoU 0.900")
    card = read_card(own_model("me").card)
    assert card is not None
    assert card.training_steps == 4  # the signal is seen after the next step
    assert "The training was ended early." in card.remarks
    assert len(quick) == 1
    assert not left_over(tmp_path)


@pytest.mark.parametrize("kept", [False, True])
def test_a_second_ctrl_c_ends_at_once_and_deletes_the_recording(
    kept: bool, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    left: list[int] = []

    def end(code: int) -> None:
        left.append(len([*left_over(tmp_path), *(tmp_path / "data").rglob("*.png")]))
        raise SystemExit(code)

    interrupt_when(monkeypatch, "progress", lambda share, text: text.startswith("step 3,"))
    interrupt_when(monkeypatch, "notify", lambda text: text.startswith("ending: what was learned so far"))
    monkeypatch.setattr("rtsod.system.signals.os._exit", end)
    with pytest.raises(SystemExit) as ended:
        learn("--source", clip, "--train-minutes", 60, *(["--keep"] if kept else []))
    assert ended.value.code == ExitCode.INTERRUPTED
    assert left == [FRAMES if kept else 0]
    assert ("and the recording is deleted" in capfd.readouterr().err) is not kept
    assert not own_models()


@pytest.mark.parametrize(
    ("phase", "options", "kept"),
    [
        ("reading clip", (), 0),
        ("labelling with full", (), 0),
        ("reading clip", ("--keep",), 0),
        ("labelling with full", ("--keep",), FRAMES),
    ],
)
def test_ctrl_c_before_that_learns_nothing(
    phase: str,
    options: tuple[str, ...],
    kept: int,
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    interrupt_when(monkeypatch, "preparing", lambda now, done, total: now == phase and done > 2)
    assert learn("--source", clip, *options) == ExitCode.INTERRUPTED
    assert capsys.readouterr().err.splitlines()[-1] == "rtsod learn: interrupted"
    assert not own_models()
    assert not left_over(tmp_path)
    assert len(list((tmp_path / "data").rglob("*.png"))) == kept, "only a whole recording is kept"


def test_an_older_model_stays_if_too_little_was_learned(
    clip: Path, quick: list[Measured], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert learn("--source", clip, "--train-minutes", 0.001) == ExitCode.DONE
    before = own_model("me").weights.read_bytes()
    monkeypatch.setattr(learning, "MIN_IOU", 0.95)
    assert learn("--source", clip, "--train-minutes", 0.01, "--seed", 5) == ExitCode.ENGINE
    assert "too little was learned to be of use: IoU 0.90" in capsys.readouterr().err.splitlines()[-1]
    assert own_model("me").weights.read_bytes() == before
    assert len(quick) == 2


def test_the_recording_is_kept_where_that_is_asked_for(
    clip: Path, tmp_path: Path, quick: list[Measured], capsys: pytest.CaptureFixture[str]
) -> None:
    assert learn("--source", clip, "--train-minutes", 0.001, "--keep") == ExitCode.DONE
    (kept,) = (tmp_path / "data" / "rtsod" / "recordings").iterdir()
    assert f"the recording is in {kept}" in capsys.readouterr().out
    assert len(list(kept.glob("*.png"))) == FRAMES
    assert len(json.loads((kept / INDEX).read_text())["shots"]) == FRAMES
    assert kept.stat().st_mode & 0o777 == 0o700
    assert learn("--source", kept, "--train-minutes", 0.001, "--name", "again") == ExitCode.DONE
    assert sorted(model.name for model in own_models()) == ["again", "me"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--source", "nowhere.mp4"], ExitCode.SOURCE, "no file, folder or camera has this name"),
        (["--source", "987"], ExitCode.SOURCE, "camera 987"),
        (["--source", "CLIP", "--name", "full"], ExitCode.USAGE, "means something else"),
        (["--source", "CLIP", "--name", "a/b"], ExitCode.USAGE, "cannot be a model's name"),
        (["--source", "CLIP", "scene"], ExitCode.USAGE, "is live: give it alone"),
        (["--source", "CLIP", "--train-minutes", "0"], ExitCode.USAGE, "--train-minutes 0"),
        (["--source", "ONE"], ExitCode.SOURCE, "1 frame cannot teach anything"),
        (["--source", "BLACK"], ExitCode.SOURCE, "nobody is to be seen"),
    ],
)  # fmt: skip
def test_what_cannot_teach_is_one_line(
    arguments: list[str], code: int, said: str, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, count, level in (("ONE", 1, 200), ("BLACK", 30, 0)):
        (tmp_path / name).mkdir()
        for number in range(count):
            cv2.imwrite(str(tmp_path / name / f"{number}.png"), np.full((48, 64, 3), level, np.uint8))
    places = {"CLIP": str(clip), "ONE": str(tmp_path / "ONE"), "BLACK": str(tmp_path / "BLACK")}
    assert learn(*(places.get(each, each) for each in arguments)) == code
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("rtsod learn: ")
    assert said in line
    assert not own_models()
    assert not left_over(tmp_path)


def test_two_cannot_learn_one_name_at_once(
    clip: Path, quick: list[Measured], capsys: pytest.CaptureFixture[str]
) -> None:
    with only_learner("me"):
        assert learn("--source", clip, "--train-minutes", 0.001) == ExitCode.USAGE
        assert (
            "me: another rtsod learn, or a run with --keep-learning, is learning it"
            in capsys.readouterr().err.splitlines()[-1]
        )
        assert learn("--source", clip, "--train-minutes", 0.001, "--name", "other") == ExitCode.DONE
    assert learn("--source", clip, "--train-minutes", 0.001) == ExitCode.DONE


def test_a_full_disk_is_one_line(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with small_disk(tmp_path / "disk", 300) as disk:
        monkeypatch.setenv("XDG_CACHE_HOME", str(disk))
        assert learn("--source", clip) == ExitCode.OUTPUT
        assert not list(disk.rglob("*.png"))
    assert re.search(r"needs \d+ MB there, and \d+ are free|disk full", capsys.readouterr().err.splitlines()[-1])


def test_no_room_for_a_model_is_said_before_anybody_waits(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(learning, "recorded", lambda *_: pytest.fail("it has begun"))
    with small_disk(tmp_path / "disk", 300) as disk:
        monkeypatch.setenv("XDG_DATA_HOME", str(disk))
        assert learn("--source", clip) == ExitCode.OUTPUT
    assert "a model needs 5 MB there" in capsys.readouterr().err.splitlines()[-1]


def test_8_bits_that_are_too_coarse_are_said_on_the_card(
    clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def too_coarse(*arguments: object) -> None:
        raise EngineError("8 bits are too coarse for these weights")

    engine = FakeEngine(lambda call: np.zeros((64, 64), np.float32))
    engine.info = replace(engine.info, precision="fp32")
    opened: list[EngineConfig] = []
    monkeypatch.setattr("rtsod.learning.measure.calibration_from_pictures", too_coarse)

    def open_it(config: EngineConfig, *rest: object) -> FakeEngine:
        opened.append(config)
        return engine

    monkeypatch.setattr("rtsod.learning.measure.open_engine", open_it)
    assert learn("--source", clip, "--train-minutes", 0.01) == ExitCode.DONE
    assert "ms a mask in fp32" in capsys.readouterr().out
    assert [config.precision for config in opened] == ["fp32"]
    model = own_model("me")
    assert not model.calibration.exists()
    card = read_card(model.card)
    assert card is not None
    assert any(remark.startswith("It runs in float32") for remark in card.remarks)


def test_without_the_extra_nothing_is_recorded(
    clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rtsod.cli.common.find_spec", lambda name: None)
    assert learn("--source", clip) == ExitCode.ENGINE
    assert install_extra("train") in capsys.readouterr().err
