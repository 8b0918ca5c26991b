"""``rtsod.toml``: each key is its option, stronger layers win, and what is wrong is said with its line."""

from __future__ import annotations

import json
import threading
import tomllib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtsod.cli import config as config_command
from rtsod.cli.run_config import config_from
from rtsod.cli.run_options import parser
from rtsod.cli.settings.file import read_settings
from rtsod.cli.settings.keys import Keys
from rtsod.cli.settings.layers import Layers, read_layers
from rtsod.cli.settings.profiles import FileProfiles
from rtsod.composite.backgrounds import bundled_backgrounds
from rtsod.config import AppConfig
from rtsod.errors import OutputError, RtsodError, UsageError
from rtsod.live import Change, LiveSettings

LIVE = LiveSettings("blur:25", True, "best", False, True, "0")


def keys() -> Keys:
    return Keys(lambda: parser("rtsod run"))


def layers(path: Path, *arguments: str) -> Layers:
    return read_layers(keys(), ["--config", str(path), *arguments])


def config(path: Path, *arguments: str) -> AppConfig:
    return config_from(layers(path, *arguments).options())


def written(folder: Path, text: str) -> Path:
    path = folder / "rtsod.toml"
    path.write_text(text)
    return path


VALUES: dict[str, list[tuple[Any, list[str]]]] = {
    "source": [("scene", ["scene"])],
    "size": [("640x480", ["640x480"])],
    "fps": [(25, ["25"])],
    "seed": [(7, ["7"])],
    "model": [("lite", ["lite"]), ("me", ["me"])],
    "lite": [(True, [])],
    "engine": [("openvino", ["openvino"])],
    "precision": [("int8", ["int8"])],
    "device": [("cpu", ["cpu"])],
    "input-size": [(256, ["256"])],
    "weights": [("/w.pth", ["/w.pth"])],
    "quality": [("fixed", ["fixed"])],
    "region": [(192, ["192"]), ("off", ["off"])],
    "target-fps": [(12.5, ["12.5"]), (15, ["15"])],
    "bg": [("beach", ["beach"]), (["beach", "#00FF00"], ["beach", "#00FF00"])],
    "mirror": [(True, [])],
    "refine": [("best", ["best"])],
    "light-wrap": [(True, [])],
    "steady": [(True, []), (False, ["no"])],
    "subject-lock": [(True, [])],
    "preview": [(True, []), (False, ["no"])],
    "virtual-camera": [(True, []), ("/dev/video9", ["/dev/video9"])],
    "on-demand": [(True, [])],
    "output": [
        (["/a.mp4", "/b.mkv"], ["/a.mp4", "/b.mkv"]),
        ("/a.mp4", ["/a.mp4"]),
        (["-", "rtmp://h/x"], ["-", "rtmp://h/x"]),
    ],
    "mask-output": [("/m", ["/m"])],
    "control": [(True, []), ("8737", ["8737"])],
    "open": [(True, [])],
    "control-may-reveal": [(True, [])],
    "sync": [("tracked", ["tracked"])],
    "mask-every": [(3, ["3"])],
    "duration": [(2.5, ["2.5"])],
    "max-frames": [(9, ["9"])],
    "max-mask-age": [(0.5, ["0.5"])],
    "stats": [("/s.json", ["/s.json"])],
    "keep-learning": [(True, [])],
    "verbose": [(True, [])],
}
"""Every key's values, and the same as arguments of the option; ``no`` stands for its --no- form."""
NEEDS = {
    "on-demand": ("virtual-camera", "me"),
    "keep-learning": ("model", "me"),
    "open": ("control", "8737"),
    "control-may-reveal": ("control", "8737"),
}


def test_every_option_has_a_key_and_values_here() -> None:
    assert set(VALUES) == set(keys().names)


@pytest.mark.parametrize("key", VALUES)
def test_a_key_is_its_option(key: str, tmp_path: Path) -> None:
    for value, arguments in VALUES[key]:
        lines, line = [f"{key} = {json.dumps(value)}"], list[str]()
        if key in NEEDS:
            needed, given = NEEDS[key]
            lines.append(f'{needed} = "{given}"')
            line += [f"--{needed}", given]
        option = f"--no-{key}" if arguments == ["no"] else f"--{key}"
        line += [option] if arguments in ([], ["no"]) else [word for each in arguments for word in (option, each)]
        of_file, of_line = config(written(tmp_path, "\n".join(lines))), config_from(parser("x").parse_args(line))
        assert of_file == of_line
        assert of_file != AppConfig() or key == "steady"


CHOSEN = st.dictionaries(st.sampled_from(["mirror", "light-wrap", "subject-lock"]), st.booleans())


@given(file=CHOSEN, profile=CHOSEN)
def test_a_profile_wins_over_the_file_and_the_command_line_over_both(
    tmp_path_factory: pytest.TempPathFactory, file: dict[str, bool], profile: dict[str, bool]
) -> None:
    def table(chosen: dict[str, bool]) -> str:
        return "".join(f"{key} = {json.dumps(value)}\n" for key, value in chosen.items())

    path = written(tmp_path_factory.mktemp("settings"), f"{table(file)}[profile.p]\n{table(profile)}")
    wanted = {"mirror": False, "light-wrap": False, "subject-lock": False, **file, **profile}
    picture = config(path, "--profile", "p").picture
    assert (picture.mirror, picture.light_wrap, picture.subject_lock) == tuple(wanted.values())
    picture = config(path, "--profile", "p", "--mirror").picture
    assert (picture.mirror, picture.light_wrap) == (True, wanted["light-wrap"])


def test_a_stronger_layer_replaces_lists_and_rivals(tmp_path: Path) -> None:
    path = written(
        tmp_path, 'bg = ["beach", "office"]\nmodel = "me"\n[profile.own]\nweights = "/w.pth"\nregion = 192\n'
    )
    assert config(path).picture.backgrounds == ("beach", "office")
    assert config(path, "--bg", "blur").picture.backgrounds == ("blur",)
    assert config(path, "--lite").engine.model == "lite"
    engine = config(path, "--profile", "own").engine
    assert (engine.model, engine.weights) == (None, Path("/w.pth"))
    assert config(path, "--profile", "own", "--model", "full").engine.weights is None
    assert config(path, "--profile", "own", "--target-fps", "9").quality.target_fps == 9


def test_the_demo_clip_is_shown_whatever_a_weaker_layer_says_of_sizes(tmp_path: Path) -> None:
    path = written(tmp_path, "size = '640x480'\nfps = 30\nseed = 7\n[profile.clip]\nsource = 'demo'\n")
    assert config(path, "--source", "demo") == config(path, "--profile", "clip")
    assert config(path, "--source", "demo").source.fps is None
    assert layers(path, "--source", "demo").origin("fps") == "default"
    assert layers(path).origin("fps") == "file"
    assert config(path).source.fps == config(path, "--profile", "clip", "--source", "scene").source.fps == 30
    with pytest.raises(UsageError, match="drop --fps"):
        config(path, "--profile", "clip", "--fps", "9")
    with pytest.raises(UsageError, match="drop --size"):
        config(written(tmp_path, "size = '640x480'\nsource = 'demo'\n"))


def test_the_command_line_takes_back_what_a_file_says(tmp_path: Path) -> None:
    path = written(tmp_path, "mirror = true\nvirtual-camera = true\ncontrol = true\nopen = true\nverbose = true\n")
    assert config(path).picture.mirror
    options = ("--no-mirror", "--no-virtual-camera", "--no-open", "--no-control", "--no-verbose")
    assert config(path, *options) == AppConfig()


def test_an_empty_list_takes_back_a_list(tmp_path: Path) -> None:
    path = written(tmp_path, 'bg = "beach"\noutput = "/a.mp4"\n[profile.call]\noutput = []\nbg = []\n')
    assert config(path).output.outputs == (Path("/a.mp4"),)
    assert config(path, "--profile", "call") == AppConfig()


def test_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.jpg").touch()
    path = written(
        tmp_path, 'bg = ["beach", "mine.jpg", "sub/x.png", "#00FF00"]\noutput = "out.mp4"\nsource = "scene"\n'
    )
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = config(path)
    assert found.picture.backgrounds == ("beach", str(tmp_path / "mine.jpg"), str(tmp_path / "sub/x.png"), "#00FF00")
    assert found.output.outputs == (tmp_path / "out.mp4",)
    assert found.source.spec == "scene"


def test_a_tilde_is_the_home_folder_unless_something_has_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    path = written(
        tmp_path,
        'bg = "~/a.jpg"\nsource = "~/b.mp4"\noutput = "~/c.mp4"\nmask-output = "~/d"\nweights = "~/e.pth"\n'
        'stats = "~/f.json"\n[profile.none]\noutput = "~no-such-user/c.mp4"\n',
    )
    found = config(path)
    assert found.picture.backgrounds == (str(home / "a.jpg"),)
    assert found.source.spec == str(home / "b.mp4")
    assert found.output.outputs == (home / "c.mp4",)
    assert found.output.mask_outputs == (home / "d",)
    assert found.engine.weights == home / "e.pth"
    assert found.run.stats == home / "f.json"
    assert config(path, "--profile", "none").output.outputs == (tmp_path / "~no-such-user/c.mp4",)
    (tmp_path / "~").mkdir()
    (tmp_path / "~/a.jpg").touch()
    assert config(path).picture.backgrounds == (str(tmp_path / "~/a.jpg"),)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("\nmirorr = true", "line 2: mirorr: is not an option of rtsod run; did you mean mirror?"),
        ("no-steady = true", "line 1: no-steady: is not an option of rtsod run"),
        ("help = true", "line 1: help: is not an option"),
        ("lite = true\nmodel = 'full'", "line 2: model: says the same as lite: keep one of them"),
        ("bg = 'a'\nfps = 3\nbg = 'b'", "line 3: says something for a second time"),
        ("[profile.a]\n[profile.b]\n[profile.a]", "line 3: says something for a second time"),
        ("mirror = 3", "line 1: mirror: takes true or false, not 3"),
        ("model = true", "line 1: model: takes a value, not true"),
        ("model = ['a']", "line 1: model: takes one value, not a list"),
        ("fps = 'fast'", "line 1: --fps: invalid int value: 'fast'"),
        ("engine = 'warp'", "line 1: --engine: invalid choice: 'warp'"),
        ("bg = 1979-05-27", "line 1: bg: takes text, a number, true or false, not date"),
        ("[profile.a]\n[profile.b]\nsize = '3'", "line 3: --size: '3' is not WIDTHxHEIGHT"),
        ("profile = 3", "line 1: profile: write [profile.NAME]"),
        ("[profile]\na = 3", "line 2: a: write [profile.a]"),
        ("[profile.'../x']\n", "line 1: '../x' is no name for a profile"),
        ("[picture]\nmirror = true", "line 1: picture: is not an option of rtsod run"),
        ("mirror = ", "is not TOML: invalid value (at end of document)"),
        ("[" * 3000, "is"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(text: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        config(written(tmp_path, text))
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "no.toml", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(UsageError, match=reason):
            config(path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="UTF-8"):
        config(tmp_path / "binary.toml")
    with pytest.raises(UsageError, match=r"has no \[profile.no\]; it has a"):
        config(written(tmp_path, "[profile.a]"), "--profile", "no")


def test_the_users_own_file_is_used_if_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert config_from(read_layers(keys(), []).options()) == AppConfig()
    with pytest.raises(UsageError, match="there is no configuration file"):
        read_layers(keys(), ["--profile", "a"])
    (tmp_path / "rtsod").mkdir()
    written(tmp_path / "rtsod", "mirror = true")
    assert config_from(read_layers(keys(), []).options()).picture.mirror


TOML = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.sampled_from(["beach", "9", "/x"])),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=4), inner, max_size=2)),
    max_leaves=4,
)  # fmt: skip


@given(st.dictionaries(st.one_of(st.sampled_from(sorted(VALUES)), st.text(max_size=6)), TOML, max_size=3))
@settings(max_examples=200)
def test_whatever_a_file_says_there_is_a_configuration_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]
) -> None:
    import tomlkit

    text = tomlkit.dumps(content)
    try:
        assert tomllib.loads(text) is not None
    except tomllib.TOMLDecodeError:
        return
    with suppress(RtsodError):
        config(written(tmp_path_factory.mktemp("fuzz"), text))


@given(st.binary(max_size=40))
def test_no_bytes_make_it_fail_otherwise(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "rtsod.toml"
    path.write_bytes(content)
    with suppress(RtsodError):
        config(path)


# Profiles, while a run goes on.


def profiles(path: Path, *arguments: str) -> FileProfiles:
    return FileProfiles(layers(path, *arguments), config_from)


def test_a_profile_that_is_saved_can_be_applied_and_the_rest_of_the_file_stays(tmp_path: Path) -> None:
    text = '# mine\nlite = true  # fast\n\n[profile.a]\nbg = "beach" # sunny\n'
    path = written(tmp_path, text)
    of_file = profiles(path)
    of_file.save("office", LIVE)
    assert path.read_text().startswith(text)
    assert of_file.names() == ("a", "office")
    assert of_file.change("office") == Change("blur:25", True, "best", False, True, "0")
    assert of_file.change("a") == Change(background="beach")
    of_file.save("a", LIVE)
    assert "# mine\nlite = true  # fast" in path.read_text()
    assert of_file.change("a") == of_file.change("office")
    assert config(path, "--profile", "office").picture.refine == "best"


def test_a_profile_that_is_applied_says_more_than_the_command_line_did(tmp_path: Path) -> None:
    of_file = profiles(written(tmp_path, "[profile.p]\nbg = 'forest'\n"), "--bg", "beach", "--mirror")
    assert of_file.change("p") == Change(background="forest")


def test_a_bundled_picture_is_saved_by_its_name(tmp_path: Path) -> None:
    path = written(tmp_path, "")
    studio = next(str(path) for path in bundled_backgrounds() if path.stem == "studio")
    profiles(path).save("p", replace(LIVE, background=studio))
    assert tomllib.loads(path.read_text())["profile"]["p"]["bg"] == "studio"


def test_what_names_a_file_is_saved_so_that_it_means_that_file_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for name in ("mine.jpg", "film.mp4", "scene", "0"):
        Path(name).touch()
    of_file = profiles(written(tmp_path, ""))
    for background, source, saved in (
        ("mine.jpg", "film.mp4", (str(Path("mine.jpg").absolute()), str(Path("film.mp4").absolute()))),
        ("gone.jpg", "Logitech", ("gone.jpg", "Logitech")),
        ("#00FF00", "scene", ("#00FF00", "scene")),
        ("blur:25", "0", ("blur:25", "0")),
        ("none", "rtsp://host/x", ("none", "rtsp://host/x")),
    ):
        of_file.save("p", replace(LIVE, background=background, source=source))
        monkeypatch.chdir(tmp_path)
        change = of_file.change("p")
        assert (change.background, change.source) == saved
        monkeypatch.chdir(tmp_path / "here")


@pytest.mark.parametrize("background", ["none", "transparent"])
def test_a_profile_without_light_is_saved_as_one_that_a_run_accepts(background: str, tmp_path: Path) -> None:
    path = written(tmp_path, "")
    profiles(path).save("p", replace(LIVE, background=background, light_wrap=True))
    assert not config(path, "--profile", "p").picture.light_wrap


def test_reloading_takes_all_of_the_file_or_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, 'bg = "beach"\n[profile.p]\nmirror = true\n')
    of_file = profiles(path, "--profile", "p", "--refine", "off")
    assert of_file.reloaded() == Change("beach", True, "off", False, False, "auto")
    written(tmp_path, 'bg = "office"\n[profile.p]\nmirror = false\nrefine = "best"\n')
    assert of_file.reloaded() == Change("office", False, "off", False, False, "auto")
    written(tmp_path, 'bg = "office"\nmirorr = true\n[profile.p]\n')
    with pytest.raises(UsageError, match="line 2"):
        of_file.reloaded()


def test_what_takes_another_run_is_refused(tmp_path: Path) -> None:
    text = "bg = 'beach'\n[profile.same]\nbg = 'office'\nlite = true\n[profile.other]\nbg = 'office'\nregion = 192\n"
    of_file = profiles(written(tmp_path, text), "--lite")
    assert of_file.change("same") == Change(background="office")
    with pytest.raises(UsageError, match="line 7: region: cannot change while a run goes on: start it again"):
        of_file.change("other")
    written(tmp_path, "bg = 'office'\nmodel = 'full'\n")
    assert of_file.reloaded().background == "office", "the command line says which network runs"
    written(tmp_path, "bg = 'office'\n\nfps = 5\n")
    with pytest.raises(UsageError, match="line 3: fps: cannot change"):
        of_file.reloaded()


def test_two_who_save_at_once_lose_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, "")
    of_file = profiles(path)
    savers = [threading.Thread(target=of_file.save, args=(f"p{number}", LIVE)) for number in range(8)]
    for saver in savers:
        saver.start()
    for saver in savers:
        saver.join()
    assert sorted(of_file.names()) == [f"p{number}" for number in range(8)]


@pytest.mark.parametrize("name", ["", "../x", "a b", "a\nb", "x" * 65])
def test_what_is_no_name_is_not_saved(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, "")
    with pytest.raises(UsageError, match="is not a name"):
        profiles(path).save(name, LIVE)
    assert path.read_text() == ""


def test_a_file_that_holds_something_else_there_is_left_alone(tmp_path: Path) -> None:
    path = written(tmp_path, "mirror = true\n")
    of_file = profiles(path)
    for text in ("profile = 3\n", "mirror = \n"):
        path.write_text(text)
        with pytest.raises(UsageError):
            of_file.save("a", LIVE)
        assert path.read_text() == text


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "")
    of_file = profiles(path)
    path.unlink()
    tmp_path.rmdir()
    tmp_path.write_text("a file in the folder's place")
    with pytest.raises(OutputError, match=r"rtsod\.toml: cannot be written"):
        of_file.save("a", LIVE)
    tmp_path.unlink()
    tmp_path.mkdir()


# The command.


def test_check_says_all_problems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, "fps = 'x'\n[profile.a]\nregion = 9000\n[profile.b]\nlite = 3\n")
    assert config_command.main(["check", str(path)]) == 2
    assert capsys.readouterr().out.splitlines() == [
        f"{path}, line 1: --fps: invalid int value: 'x'",
        f"{path}, line 5: lite: takes true or false, not 3",
        f"{path}, line 3: --region 9000: must be 64 to 1024 pixels (profile a)",
    ]
    written(tmp_path, "bg = 'nofile.png'\n[profile.a]\noutput = 'x.avi'\nbg = 'blur:0'\n")
    assert config_command.main(["check", str(path)]) == 2
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2
    assert said[0].startswith(f"{path}, line 1: --bg nofile.png: no such file")
    assert said[1].endswith("(profile a)")
    assert config_command.main(["check", str(written(tmp_path, "lite = true\n[profile.a]\n"))]) == 0
    assert capsys.readouterr().out == f"{path}: 1 options, profiles: a: all right\n"


def test_show_says_where_each_value_comes_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, "lite = true\n[profile.a]\nmirror = true\n")
    assert config_command.main(["show", str(path), "--profile", "a", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["model"] == {"value": "lite", "from": "file"}
    assert shown["mirror"] == {"value": True, "from": "profile a"}
    assert shown["refine"] == {"value": "auto", "from": "default"}
    assert config_command.main(["show", str(path), "--profile", "b"]) == 2


def test_show_says_no_more_of_a_server_than_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, 'output = ["-", "rtmp://me:secret@h/live/key"]\n')
    assert config_command.main(["show", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["output"] == {"value": ["nut:-", "rtmp://h/..."], "from": "file"}


def test_reading_a_file_that_is_right_has_no_problems(tmp_path: Path) -> None:
    found = read_settings(written(tmp_path, "'mirror' = true\n\"light-wrap\" = false\n"), keys())
    assert not found.problems
    assert {key: setting.parsed for key, setting in found.settings.items()} == {
        "mirror": {"mirror": True}, "light-wrap": {"light_wrap": False},
    }  # fmt: skip
