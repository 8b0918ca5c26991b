"""Whole runs of a tiny network: what they leave, how they end, and that a resumed one ends like an unbroken one."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import cv2
import pytest
import torch
from safetensors.torch import load_file

from rtsod.errors import DataError, EngineError, ExitCode, OutputError, UsageError, WeightsError
from rtsod.model.description import describe, save_weights
from rtsod.model.u2net import fold_batch_norm
from rtsod.training import run as run_module
from rtsod.training.checkpoints import Checkpoints
from rtsod.training.config import TrainConfig
from rtsod.training.folder import opened_folder
from rtsod.training.log import read_log
from rtsod.training.options import stored_config
from rtsod.training.reporter import SilentTrainReporter
from rtsod.training.run import train
from rtsod.training.samples import Sample
from tests.support.architecture import ROOT
from tests.support.networks import TINY, tiny_network
from tests.support.small_disk import small_disk
from tests.support.training import TINY_TABLE, tiny_config, write_pairs

QUIET = SilentTrainReporter()


class _Lines(SilentTrainReporter):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def notify(self, line: str) -> None:
        self.lines.append(line)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _after(steps: int) -> Callable[[], bool]:
    """Asked once a step: true from the given one on."""
    asked = iter(range(1, 10**6))
    return lambda: next(asked) >= steps


@pytest.fixture(autouse=True)
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing would take most of the time here; tests of the report have runs with pages and samples."""
    monkeypatch.setattr("rtsod.training.report.Report.begin", lambda *arguments: None)
    monkeypatch.setattr("rtsod.training.report.write_report", lambda folder: None)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_pairs(tmp_path / "data")


class TestWhatARunLeaves:
    def test_weights_log_configuration_and_checkpoints(self, tmp_path: Path, data: Path) -> None:
        config = tiny_config(tmp_path, data, steps=6, val_every=2)
        result = train(config, QUIET)
        assert (result.reason, result.steps) == ("done", 6)
        assert result.weights == config.out / "best.safetensors"
        description = describe(result.weights)
        assert description is not None
        assert (description.name, description.size, description.fit) == ("thin", 64, "stretch")
        lines = read_log(config.out / "log.jsonl")
        assert [line["kind"] for line in lines] == [
            "start", "step", "step", "validation", "step", "step", "validation", "step", "step", "validation", "end",
        ]  # fmt: skip
        step = lines[1]
        assert list(step["losses"]) == ["total", "fused", "side1", "side2", "side3", "side4", "side5", "side6"]
        assert step["gradient_norm"] > 0
        assert 0 <= step["waiting_share"] <= 1
        assert lines[0]["config"] == json.loads((config.out / "config.json").read_text())
        best = min((line for line in lines if line["kind"] == "validation"), key=lambda line: line["mae"])
        assert lines[-1]["best"] == {"step": best["step"], "mae": best["mae"], "max_f": best["max_f"]}
        assert result.best == (best["step"], best["mae"], best["max_f"])
        assert sorted(os.listdir(config.out / "checkpoints")) == ["step-00000004", "step-00000006"]

    def test_without_validation_the_last_weights_are_the_result(self, tmp_path: Path, data: Path) -> None:
        result = train(tiny_config(tmp_path, data, steps=2, val="none", ema=None), QUIET)
        assert (result.best, result.weights.name) == (None, "last.safetensors")

    def test_patience_ends_a_run_that_gets_no_better(self, tmp_path: Path, data: Path) -> None:
        config = tiny_config(tmp_path, data, steps=50, val_every=1, patience=2, learning_rate=1e-12, ema=None)
        result = train(config, QUIET)
        assert result.reason == "patience"
        assert result.best is not None
        assert result.steps == result.best.step + 2

    def test_minutes_end_a_run(self, tmp_path: Path, data: Path) -> None:
        result = train(tiny_config(tmp_path, data, steps=None, minutes=1e-4), QUIET)
        assert (result.reason, result.steps) == ("done", 1)

    def test_the_number_of_workers_changes_nothing(self, tmp_path: Path, data: Path) -> None:
        digests = []
        for workers in (0, 2):
            config = tiny_config(tmp_path, data, steps=3, workers=workers, out=tmp_path / f"run{workers}")
            train(config, QUIET)
            digests.append(_digest(config.out / "last.safetensors"))
        assert digests[0] == digests[1]


class TestOtherWeights:
    """A run that starts from weights, or learns from them."""

    @pytest.fixture
    def weights(self, tmp_path: Path) -> Path:
        save_weights(tmp_path / "tiny.safetensors", tiny_network(), TINY)
        return tmp_path / "tiny.safetensors"

    def test_it_starts_from_weights(self, tmp_path: Path, data: Path, weights: Path) -> None:
        """One step at a rate of almost nothing leaves them as they are, but for batch norm's statistics."""
        config = tiny_config(
            tmp_path, data, preset="finetune", init=str(weights), model=None, steps=1, learning_rate=1e-12, ema=None
        )
        result = train(config, QUIET)
        assert describe(result.weights) == TINY
        trained, before = load_file(result.weights), load_file(weights)
        for name, value in before.items():
            if "running" not in name and "num_batches" not in name:
                torch.testing.assert_close(trained[name], value, rtol=0, atol=1e-9)

    def test_folded_weights_are_measured_anew(self, tmp_path: Path, data: Path) -> None:
        network = tiny_network()
        fold_batch_norm(network)
        save_weights(tmp_path / "folded.safetensors", network, TINY)
        said: list[str] = []

        class Reporter(SilentTrainReporter):
            def notify(self, line: str) -> None:
                said.append(line)

        config = tiny_config(tmp_path, data, init=str(tmp_path / "folded.safetensors"), model=None, steps=1)
        assert train(config, Reporter()).steps == 1
        assert any("batch norm is folded" in line for line in said)

    def test_it_learns_from_a_teacher(self, tmp_path: Path, data: Path, weights: Path) -> None:
        """The loss is another one, and a teacher for other pictures is refused."""
        losses = []
        for number, teacher in enumerate((None, str(weights))):
            config = tiny_config(
                tmp_path, data, init=str(weights), model=None, teacher=teacher, steps=1, out=tmp_path / f"run{number}"
            )
            train(config, QUIET)
            losses.append(read_log(config.out / "log.jsonl")[1]["losses"]["total"])
        assert losses[1] < losses[0]  # it agrees with itself, not with the labels
        with pytest.raises(WeightsError, match="normalised otherwise"):
            train(tiny_config(tmp_path, data, teacher=str(weights)), QUIET)


def _unbroken(folder: Path, **changes: Any) -> TrainConfig:
    config = tiny_config(folder, folder / "data", steps=8, val_every=3, out=folder / "unbroken", **changes)
    train(config, QUIET)
    return config


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    """A run that nothing interrupted. Where its data lie does not matter."""
    torch.set_num_threads(1)  # as for each test, see conftest.py
    folder = tmp_path_factory.mktemp("unbroken")
    write_pairs(folder / "data")
    return _unbroken(folder)


class TestResume:
    def _same_end(self, one: TrainConfig, other: TrainConfig) -> None:
        for name in ("last.safetensors", "best.safetensors"):
            assert _digest(one.out / name) == _digest(other.out / name), name
        timeless = []
        for config in (one, other):
            lines = [line for line in read_log(config.out / "log.jsonl") if line["kind"] in ("step", "validation")]
            for line in lines:
                line.pop("samples_per_second", None)
                line.pop("waiting_share", None)
            timeless.append(lines)
        assert timeless[0] == timeless[1]

    @pytest.mark.parametrize("preset", ["paper", "modern"])
    def test_interrupted_twice_it_ends_like_an_unbroken_one(self, tmp_path: Path, data: Path, preset: str) -> None:
        whole = _unbroken(tmp_path, preset=preset, accumulate=2)
        config = tiny_config(tmp_path, data, steps=8, val_every=3, preset=preset, accumulate=2)
        assert train(config, QUIET, stop=_after(2)).steps == 2
        torch.manual_seed(99)  # what happens in between does not matter
        assert train(config, QUIET, resume=True, stop=_after(3)).steps == 5
        assert train(config, QUIET, resume=True).steps == 8
        self._same_end(whole, config)

    @pytest.mark.parametrize(("how", "code"), [("SIGINT", ExitCode.INTERRUPTED), ("SIGKILL", -9)])
    def test_a_signal_in_another_process(
        self, tmp_path: Path, data: Path, unbroken: TrainConfig, how: str, code: int
    ) -> None:
        """Ctrl-C after step 5 is saved there; ``kill -9`` in the middle of the second save goes back to the first."""
        config = tiny_config(tmp_path, data, steps=8, val_every=3)
        ended = _in_another_process(config, how)
        assert ended.returncode == code, ended.stderr
        if how != "SIGKILL":
            line = ended.stderr.splitlines()[-1]
            assert line.startswith(
                "rtsod train: interrupted; saved after step 5: go on with rtsod train --resume --out "
            )
        left = sorted(os.listdir(config.out / "checkpoints"))[-1]
        assert left == ("step-00000003" if how == "SIGKILL" else "step-00000005")
        assert train(config, QUIET, resume=True).steps == 8
        self._same_end(unbroken, config)
        assert not list((config.out / "checkpoints").glob(".rtsod-*"))

    def test_a_second_interruption_ends_at_once(self, tmp_path: Path, data: Path) -> None:
        config = tiny_config(tmp_path, data, steps=8, val_every=3)
        ended = _in_another_process(config, "SIGINT twice")
        assert ended.returncode == ExitCode.INTERRUPTED
        assert ended.stderr.splitlines()[-1] == (
            f"rtsod train: ended at once; saved after step 3: go on with rtsod train --resume --out {config.out}"
        )
        assert sorted(os.listdir(config.out / "checkpoints")) == ["step-00000003"]

    def test_a_damaged_checkpoint_goes_back_to_the_one_before(
        self, tmp_path: Path, data: Path, unbroken: TrainConfig
    ) -> None:
        config = tiny_config(tmp_path, data, steps=8, val_every=3)
        train(config, QUIET, stop=_after(7))
        (config.out / "checkpoints" / "step-00000007" / "state.pt").write_bytes(b"damaged")
        train(config, QUIET, resume=True)
        self._same_end(unbroken, config)

    def test_a_longer_run_goes_on(self, tmp_path: Path, data: Path) -> None:
        config = tiny_config(tmp_path, data, steps=2, preset="paper")
        train(config, QUIET)
        longer = tiny_config(tmp_path, data, steps=4, preset="paper")
        assert train(longer, QUIET, resume=True).steps == 4
        at_once = tiny_config(tmp_path, data, steps=4, preset="paper", out=tmp_path / "at once")
        train(at_once, QUIET)
        assert _digest(at_once.out / "last.safetensors") == _digest(longer.out / "last.safetensors")

    @pytest.mark.parametrize("length", [{"steps": 2}, {"steps": None, "minutes": 1e-4}])
    def test_a_finished_run_stays_as_it_is_and_says_so(
        self, tmp_path: Path, data: Path, length: dict[str, Any]
    ) -> None:
        config = tiny_config(tmp_path, data, **length)
        steps = train(config, QUIET).steps
        before = _digest(config.out / "last.safetensors")
        reporter = _Lines()
        assert train(config, reporter, resume=True).steps == steps
        assert _digest(config.out / "last.safetensors") == before
        said = [line for line in reporter.lines if "step" in line]
        assert len(said) == 1
        assert f"was done after step {steps}" in said[0]

    @pytest.mark.parametrize("length", [{"steps": 2}, {"steps": None, "minutes": 1e-6}])
    def test_a_length_that_it_is_beyond_is_refused_and_changes_nothing(
        self, tmp_path: Path, data: Path, length: dict[str, Any]
    ) -> None:
        config = tiny_config(tmp_path, data, steps=3)
        train(config, QUIET)
        before = {path.name: path.read_bytes() for path in config.out.iterdir() if path.is_file()}
        reporter = _Lines()
        with pytest.raises(UsageError, match=r"already: give more, or leave it out"):
            train(replace(config, **length), reporter, resume=True)
        assert not any("goes on" in line for line in reporter.lines)
        assert {path.name: path.read_bytes() for path in config.out.iterdir() if path.is_file()} == before

    def test_it_keeps_its_table(self, tmp_path: Path, data: Path, unbroken: TrainConfig) -> None:
        """The file may be edited, or gone."""
        config = tiny_config(tmp_path, data, steps=8, val_every=3)
        train(config, QUIET, stop=_after(2))
        Path(str(config.model)).write_text(TINY_TABLE.replace("out = 8", "out = 6"))
        assert train(config, QUIET, resume=True, stop=_after(2)).steps == 4
        Path(str(config.model)).unlink()
        assert train(config, QUIET, resume=True).steps == 8
        self._same_end(unbroken, config)

    @pytest.mark.parametrize("val", ["20%", "set"])
    def test_moved_data_are_the_same(self, tmp_path: Path, data: Path, val: str) -> None:
        if val == "set":
            val = str(write_pairs(tmp_path / "other", 16))
            for kind in ("im", "gt"):  # the first ones are those that are trained on
                for path in sorted((tmp_path / "other" / kind).iterdir())[:12]:
                    path.unlink()
        config = tiny_config(tmp_path, data, steps=3, val=val)
        train(config, QUIET, stop=_after(1))
        data.rename(tmp_path / "moved")
        moved = replace(config, data=(str(tmp_path / "moved"),))
        assert train(moved, QUIET, resume=True).steps == 3
        assert stored_config(config.out).data == moved.data

    def test_a_list_is_the_same_under_its_whole_path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_pairs(tmp_path / "one", 16)
        for kind in ("im", "gt"):
            (tmp_path / "two" / kind).mkdir(parents=True)
            for number in range(8):
                old = tmp_path / "one" / kind / f"{8 + number:03d}.png"
                old.rename(tmp_path / "two" / kind / f"{number:03d}.png")
        pictures = [path.relative_to(tmp_path) for path in sorted(tmp_path.glob("*/im/*"))]
        lines = [f"{path} {path.parent.parent / 'gt' / path.name}" for path in pictures]
        (tmp_path / "list.txt").write_text("\n".join(lines))
        monkeypatch.chdir(tmp_path)
        config = tiny_config(tmp_path, Path("list.txt"), steps=3)
        train(config, QUIET, stop=_after(1))
        assert stored_config(config.out).data == (str(tmp_path / "list.txt"),)
        assert train(stored_config(config.out), QUIET, resume=True).steps == 3

    def test_other_data_are_refused_and_change_nothing(self, tmp_path: Path, data: Path) -> None:
        config = tiny_config(tmp_path, data, steps=3)
        train(config, QUIET, stop=_after(1))
        before = {path.name: path.read_bytes() for path in config.out.iterdir() if path.is_file()}
        for kind in ("im", "gt"):
            os.replace(data / kind / "003.png", data / kind / "new.png")
        (data / "im" / "004.png").write_bytes((data / "im" / "005.png").read_bytes())
        mask = cv2.imread(str(data / "gt" / "006.png"))
        assert mask is not None
        cv2.imwrite(str(data / "gt" / "006.png"), mask[:, ::-1])
        write_pairs(tmp_path / "more", 13)
        for kind in ("im", "gt"):
            os.replace(tmp_path / "more" / kind / "012.png", data / kind / "012.png")
        with pytest.raises(
            DataError, match=r"13 pairs instead of 12: 1 new \(012\), 2 changed \(00[46], 00[46]\); make"
        ) as raised:
            train(config, QUIET, resume=True)
        assert raised.value.exit_code == ExitCode.SOURCE
        assert {path.name: path.read_bytes() for path in config.out.iterdir() if path.is_file()} == before

    def test_without_its_identity_it_is_refused(self, tmp_path: Path, data: Path) -> None:
        config = tiny_config(tmp_path, data, steps=3)
        train(config, QUIET, stop=_after(1))
        (config.out / "identity.json").unlink()
        with pytest.raises(UsageError, match=r"identity\.json: is missing"):
            train(config, QUIET, resume=True)


_SIGNALLED = """
import os, signal, sys
from rtsod.app.train_console import TrainConsole
from rtsod.cli.train import main
from rtsod.training import checkpoints

how, out, *options = sys.argv[1:]
show, write = TrainConsole.progress, checkpoints._Hashing.write
saves = 0

def progress(self, share, text):
    show(self, share, text)
    if text.startswith("step 5,") and how != "SIGKILL":
        os.kill(os.getpid(), getattr(signal, how.split()[0]))
        if how.endswith("twice"):
            os.kill(os.getpid(), signal.SIGINT)

def dying_write(self, data):
    if "step-00000003" in os.listdir(out + "/checkpoints"):
        self._file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    return write(self, data)

TrainConsole.progress = progress
if how == "SIGKILL":
    checkpoints._Hashing.write = dying_write
sys.exit(main(options))
"""


def _in_another_process(config: TrainConfig, how: str) -> subprocess.CompletedProcess[str]:
    recipe = config.recipe
    options = [
        *config.data, "--model", str(config.model), "--preset", config.preset, "--val", config.val, "--size", "64",
        "--crop", "64", "--steps", str(config.steps), "--val-every", str(config.val_every), "--workers", "0",
        "--device", "cpu", "--out", str(config.out), "--batch", str(recipe.batch),
    ]  # fmt: skip
    command = [sys.executable, "-c", _SIGNALLED, how, str(config.out), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


class _Poison:
    """A recipe whose samples are not finite from the tenth on. Worker processes unpickle it."""

    copies = 1

    def __init__(self, recipe: Any) -> None:
        self._recipe = recipe
        self._count = 0

    def __call__(self, *given: Any) -> Sample:
        self._count += 1
        sample: Sample = self._recipe(*given)
        return sample._replace(image=sample.image * float("nan")) if self._count >= 10 else sample


class TestWhatGoesWrong:
    def test_a_folder_with_a_run_is_not_overwritten(self, tmp_path: Path, data: Path) -> None:
        config = tiny_config(tmp_path, data, steps=1)
        train(config, QUIET)
        with pytest.raises(UsageError, match="holds a run: add --resume"):
            train(config, QUIET)

    def test_two_runs_refuse_each_other(self, tmp_path: Path, data: Path) -> None:
        config = tiny_config(tmp_path, data, steps=1)
        with opened_folder(config, resume=False), pytest.raises(OutputError, match="another run writes there"):
            train(config, QUIET, resume=True)

    def test_weights_that_explode_stop_the_run_and_name_step_and_files(self, tmp_path: Path, data: Path) -> None:
        config = tiny_config(tmp_path, data, preset="paper", steps=20, val_every=1, val="none", learning_rate=1e25)
        with pytest.raises(EngineError) as raised:
            train(config, QUIET)
        said = str(raised.value)
        assert "not finite, with" in said
        assert str(data / "im") in said
        step = int(said.split()[1].removesuffix(":"))
        found = Checkpoints(config.out / "checkpoints").load(pytest.fail)
        assert found is not None
        assert found[1]["progress"]["step"] == step - 1
        event = read_log(config.out / "log.jsonl")[-1]
        assert (event["kind"], event["step"], len(event["files"])) == ("event", step, 4)

    @pytest.mark.parametrize("workers", [0, 1])
    def test_a_sample_that_is_not_finite_is_named(
        self, tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, workers: int
    ) -> None:
        samples = run_module.samples_of

        def poisoned(*arguments: Any) -> Any:
            made = samples(*arguments)
            made._recipe = cast(Any, _Poison(made._recipe))
            return made

        monkeypatch.setattr(run_module, "samples_of", poisoned)
        config = tiny_config(tmp_path, data, val_every=1, workers=workers)
        with pytest.raises(DataError, match=r"im/\d{3}\.png: gives a sample that is not finite"):
            train(config, QUIET)
        assert Checkpoints(config.out / "checkpoints").load(pytest.fail) is not None

    def test_a_picture_that_cannot_be_read_is_named(self, tmp_path: Path, data: Path) -> None:
        for path in (data / "im").iterdir():
            path.write_bytes(b"no picture")
        with pytest.raises(DataError) as raised:
            train(tiny_config(tmp_path, data, workers=1, val="none"), QUIET)
        assert "\n" not in str(raised.value)

    def test_a_batch_that_needs_too_much_memory(
        self, tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("rtsod.training.memory.free_memory", lambda: 100_000_000)
        with pytest.raises(EngineError, match="--accumulate"):
            train(tiny_config(tmp_path, data, batch=64), QUIET)

    def test_what_the_device_cannot_do(self, tmp_path: Path, data: Path) -> None:
        with pytest.raises(EngineError, match="choose bf16 or fp32"):
            train(tiny_config(tmp_path, data, precision="fp16"), QUIET)
        with pytest.raises(UsageError, match="--device tpu"):
            train(tiny_config(tmp_path, data, device="tpu"), QUIET)

    def test_a_full_disk_keeps_the_last_good_checkpoint(self, tmp_path: Path, data: Path) -> None:
        with small_disk(tmp_path / "small", 3500) as mounted:
            config = tiny_config(tmp_path, data, val_every=1, out=mounted / "run")
            with pytest.raises(OutputError, match="disk full"):
                train(config, QUIET)
            assert Checkpoints(config.out / "checkpoints").load(pytest.fail) is not None


def test_bf16_trains_on_a_cpu(tmp_path: Path, data: Path) -> None:
    config = tiny_config(tmp_path, data, steps=3, precision="bf16", preset="paper")
    train(config, QUIET)
    exact = tiny_config(tmp_path, data, steps=3, preset="paper", out=tmp_path / "exact")
    train(exact, QUIET)
    totals = [
        [line["losses"]["total"] for line in read_log(each.out / "log.jsonl") if line["kind"] == "step"]
        for each in (config, exact)
    ]
    assert totals[0] == pytest.approx(totals[1], rel=0.05)
    assert totals[0] != totals[1]
