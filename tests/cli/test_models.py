"""``rtsod models``: what it lists, shows and removes, and how ``--model`` says what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rtsod.bench import cli as bench
from rtsod.cli import calibrate as calibrate_command
from rtsod.cli import export, models
from rtsod.cli.doctor import caches
from rtsod.cli.doctor.finding import Verdict
from rtsod.cli.model_lines import card_summary
from rtsod.cli.run import main as run
from rtsod.errors import ExitCode
from rtsod.model.own_models import own_models
from rtsod.system.processor_class import ProcessorClass
from tests.support.networks import TINY
from tests.support.own_models import calibrate, in_folder, save_model

Lines = Callable[..., list[str]]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where models are kept."""
    monkeypatch.setattr("rtsod.cli.model_lines.processor_class", lambda: ProcessorClass.VNNI)
    monkeypatch.setattr("rtsod.model.shipped._ASSETS", tmp_path / "nothing ships")
    return in_folder(tmp_path, monkeypatch)


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    """Calls the command, which must succeed, and returns what it printed."""

    def call(*arguments: str) -> list[str]:
        assert models.main(arguments) == ExitCode.DONE
        printed = capsys.readouterr()
        assert printed.err == ""
        return printed.out.splitlines()

    return call


def test_without_models_the_authors_networks_are_named(lines: Lines) -> None:
    assert lines()[-2:] == ["no model of your own yet: rtsod learn makes one", "the authors' networks: full, lite"]


def test_a_table_with_a_line_for_each_model(lines: Lines) -> None:
    save_model("me")
    save_model("office", agreement=None, speeds=(), date="")
    save_model("a-long-name").card.unlink()
    listed = lines()
    assert listed[:4] == [
        "model        IoU   worst 5 %  a mask               learnt from  when      ",
        "a-long-name  -     -          -                    -            -         ",
        "me           .984  .971       3.1 ms (int8, VNNI)  full         2026-01-31",
        "office       -     -          -                    full         -         ",
    ]


def test_a_damaged_model_does_not_hide_the_others(lines: Lines, folder: Path) -> None:
    save_model("me").card.write_text("{")
    save_model("office")
    (folder / "stray").write_bytes(b"")
    listed = lines()
    assert listed[1] == f"me      {folder}/me/card.json: the card is damaged: " + listed[1].partition("damaged: ")[2]
    assert listed[1].endswith("make it again, or rtsod models remove me")
    assert listed[2].startswith("office  .984")
    assert listed[3].endswith("is not a folder, and so no model: rtsod models remove stray")


def test_all_that_is_known_of_one(lines: Lines) -> None:
    me = save_model("me")
    calibrate(me)
    shown = "\n".join(lines("show", "me"))
    for said in (
        "me (a model of your own)", f"{me.weights}, 0.", "64x64 pixels, fit stretch", "8 bits      calibrated\n",
        "from full, 110 frames, beginning with tiny", "2400 steps in 10.0 minutes",
        "IoU with full's maps .984, median .986, one frame in twenty below .971, on 12 frames it never learnt",
        "3.1 ms (int8, VNNI), 25.9 ms (fp32, AVX2)", "below an IoU of .900 with full's maps",
        "2026-01-31 12:00 UTC; Intel(R) Xeon(R); rtsod 1.0", "The room was dark.", "rtsod run --model me",
    ):  # fmt: skip
        assert said in shown
    me.card.unlink()
    assert "never measured" in "\n".join(lines("show", "me"))


def test_a_card_cannot_speak_to_the_terminal(lines: Lines) -> None:
    save_model("me", teacher="\x1b[31mred\nline", remarks=("\x1b]0;title\x07",))
    printed = lines() + lines("show", "me")
    assert not [line for line in printed if "\x1b" in line or "\x07" in line]
    assert r"\x1b[31mred\nline" in printed[1]


def test_json_for_programs(lines: Lines) -> None:
    me = save_model("me")
    save_model("office").weights.unlink()
    listed = json.loads("\n".join(lines("--json")))
    first, second = listed["own"]
    assert (first["name"], first["fault"], first["calibrated"], first["input_size"]) == ("me", None, False, TINY.size)
    assert first["card"]["agreement"]["mean"] == 0.984
    assert (second["name"], second["card"]) == ("office", None)
    assert "cannot be read" in second["fault"]
    assert json.loads("\n".join(lines("show", "me", "--json"))) == first
    assert first["weights"] == str(me.weights)


def test_removing(lines: Lines) -> None:
    save_model("me")
    assert lines("remove", "me") == ["removed me"]
    assert own_models() == []


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["me"], ExitCode.USAGE, "me: give nothing, show NAME, or remove NAME"),
        (["show"], ExitCode.USAGE, "show: give nothing, show NAME"),
        (["show", "you"], ExitCode.USAGE, "you: there is no such model: choose from full, lite"),
        (["remove", "you"], ExitCode.USAGE, "you: there is no such model"),
        (["remove", "me", "--json"], ExitCode.USAGE, "--json"),
        (["remove", "lite"], ExitCode.USAGE, "lite: comes with the program"),
        (["show", "lite"], ExitCode.USAGE, "lite: is the authors' network"),
        (["remove", "../me"], ExitCode.USAGE, "'../me': is not a name"),
        (["remove", "a\0b"], ExitCode.USAGE, r"'a\x00b': is not a name"),
        (["show", "damaged"], ExitCode.WEIGHTS, "weights.safetensors: not a safetensors file, or damaged"),
        (["show", "file"], ExitCode.WEIGHTS, "is not a folder"),
    ],
)
def test_what_is_wrong_is_one_line_and_its_exit_code(
    arguments: list[str], code: ExitCode, says: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_model("me")
    save_model("damaged").weights.write_bytes(b"0")
    (folder / "file").write_bytes(b"")
    assert models.main(arguments) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
    assert (folder / "me" / "weights.safetensors").exists()


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("you", ExitCode.USAGE, "you: there is no such model: choose from full, lite"),
        ("a/b", ExitCode.USAGE, "'a/b': is not a name"),
        ("a\0b", ExitCode.USAGE, r"'a\x00b': is not a name"),
        ("damaged", ExitCode.WEIGHTS, "card.json: the card is damaged"),
    ],
)
def test_every_command_says_so_before_it_begins(
    name: str, code: ExitCode, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_model("damaged").card.write_bytes(b"")
    commands: dict[str, tuple[Callable[[list[str]], int], list[str]]] = {
        "run": (run, ["--source", "scene", "--no-preview", "--max-frames", "1"]),
        "export": (export.main, ["--precision", "fp32"]),
        "calibrate": (calibrate_command.main, ["--images", str(tmp_path)]),
        "bench": (bench.main, ["--seconds", "0.05"]),
    }
    for command, (main, arguments) in commands.items():
        assert main(["--model", name, *arguments]) == code, command
        line = capsys.readouterr().err.splitlines()[-1]
        assert says in line, command


def test_the_doctor_lists_them(folder: Path) -> None:
    assert list(caches.own_models()) == []
    calibrate(save_model("me"))
    save_model("office")
    save_model("damaged").card.write_text("{")
    damaged, me, office = caches.own_models()
    assert (me.about, me.verdict) == ("model me", Verdict.OK)
    assert me.found == "learnt from full, IoU .984 with its maps"
    assert (office.verdict, office.fix) == (Verdict.WARNING, "rtsod calibrate --model office --images FOLDER")
    assert (damaged.verdict, damaged.fix) == (Verdict.WARNING, "make it again, or rtsod models remove damaged")
    assert card_summary(None) == "without a card"


def test_the_doctor_needs_no_place_for_models(folder: Path) -> None:
    folder.parent.mkdir(parents=True)
    folder.write_bytes(b"")
    (found,) = caches.own_models()
    assert (found.verdict, found.about) == (Verdict.INFO, "models")
