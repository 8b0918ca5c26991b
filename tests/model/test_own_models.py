"""Models of your own are saved whole or not at all, listed even if damaged, and removed."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import platformdirs
import pytest

from rtsod.config import RESERVED_NAMES
from rtsod.errors import OutputError, UsageError, WeightsError
from rtsod.model import own_models as module
from rtsod.model.description import save_weights
from rtsod.model.own_models import OwnModel, check_own_name, own_model, own_models, remove, save
from rtsod.system import folder_swap
from tests.support.networks import TINY, tiny_network
from tests.support.own_models import in_folder, save_model

NOT_NAMES = ["", ".", "..", "a/b", "/a", "a\0b", "a b", "-a", ".a", "a\n", "ä", "x" * 65, "a+b"]


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where models are kept."""
    return in_folder(tmp_path, monkeypatch)


def _names() -> list[str]:
    return [model.name for model in own_models()]


def test_there_is_none_before_one_is_saved(models: Path) -> None:
    assert own_models() == []
    assert not models.exists(), "looking creates nothing"
    with pytest.raises(UsageError, match=r"me: there is no such model: choose from full, lite.*none of your own"):
        own_model("me")


def test_what_is_saved_is_found_and_listed_by_name(models: Path) -> None:
    saved = [save_model(name) for name in ("me", "A.b-c_9")]
    assert own_models() == [saved[1], saved[0]]
    assert own_model("me") == OwnModel("me", models / "me")
    assert sorted(path.name for path in saved[0].folder.iterdir()) == ["card.json", "weights.safetensors"]
    with pytest.raises(UsageError, match=r"you: there is no such model: choose from full, lite, .*own A\.b-c_9, me"):
        own_model("you")


@pytest.mark.parametrize("name", NOT_NAMES)
def test_a_name_cannot_lead_out_of_the_folder(name: str, models: Path) -> None:
    for refuse in (check_own_name, lambda name: save(name, lambda folder: None)):
        with pytest.raises(UsageError, match="cannot be a model's name") as caught:
            refuse(name)
        assert "\n" not in str(caught.value)
        assert "\0" not in str(caught.value)
    assert not models.exists()


@pytest.mark.parametrize("name", [*sorted(RESERVED_NAMES), "Lite", "me.safetensors", "me.PTH"])
def test_a_name_that_means_something_else_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="means something else"):
        check_own_name(name)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))])
def test_the_older_model_stays_until_the_new_one_is_complete(models: Path, error: BaseException) -> None:
    older = save_model("me").weights.read_bytes()

    def fail(folder: Path) -> None:
        save_weights(folder / "weights.safetensors", tiny_network(1), TINY)
        assert own_model("me").weights.read_bytes() == older
        raise error

    expected = (OutputError, "disk full") if isinstance(error, OSError) else (KeyboardInterrupt, None)
    with pytest.raises(expected[0], match=expected[1]):
        save("me", fail)
    assert own_model("me").weights.read_bytes() == older
    assert _without_lock(models) == ["me"]


def test_a_new_model_takes_the_place_of_the_older_one_with_all_its_files(models: Path) -> None:
    older = save_model("me")
    older.calibration.write_text("of the older weights")
    newer = save_model("me", tiny_network(1))
    assert not newer.calibration.exists()
    assert _without_lock(models) == ["me"]


@pytest.mark.parametrize("written", [None, "other"])
def test_weights_of_another_name_are_not_saved(models: Path, written: str | None) -> None:
    def write(folder: Path) -> None:
        if written is not None:
            save_weights(folder / "weights.safetensors", tiny_network(), TINY)

    with pytest.raises((ValueError, WeightsError)):
        save("me", write)
    assert _without_lock(models) == []


@pytest.mark.parametrize("step", [0, 1])
def test_whatever_step_of_the_swap_fails_there_is_a_model(
    models: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    older, steps, replace = save_model("me").weights.read_bytes(), [], os.replace

    def fail_once(source: Path, target: Path) -> None:
        if source.parent == models:
            steps.append(target)
            if len(steps) == step + 1:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail_once)
    with pytest.raises(OutputError, match="cannot be written: Input/output error"):
        save_model("me", tiny_network(1))
    assert own_model("me").weights.read_bytes() == older
    assert _without_lock(models) == ["me"]


@pytest.mark.parametrize("look", [_names, lambda: own_model("me"), lambda: save_model("you")])
def test_a_process_that_died_between_the_steps_of_a_swap_loses_nothing(
    models: Path, look: Callable[[], object]
) -> None:
    content = save_model("me").weights.read_bytes()
    os.replace(models / "me", folder_swap.aside(models / "me"))
    look()
    assert own_model("me").weights.read_bytes() == content


def test_leftovers_of_a_process_that_died_do_not_come_back(models: Path) -> None:
    save_model("me")
    for place in (folder_swap.aside(models / "me"), folder_swap.unfinished(models / "me")):
        place.mkdir()
        (place / "weights.safetensors").write_bytes(b"older")
    newer = save_model("me", tiny_network(1)).weights.read_bytes()
    assert own_model("me").weights.read_bytes() == newer
    assert _without_lock(models) == ["me"]
    folder_swap.aside(models / "me").mkdir()
    remove("me")
    assert _without_lock(models) == []
    assert own_models() == []


def test_who_looks_between_the_steps_waits_for_the_new_model(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_model("me")
    between, seen, replace = threading.Event(), threading.Event(), os.replace
    found: list[list[str]] = []

    def look() -> None:
        assert between.wait(10)
        seen.set()
        found.append(_names())

    def pause(source: Path, target: Path) -> None:
        replace(source, target)
        if source == models / "me":
            between.set()
            assert seen.wait(10)

    monkeypatch.setattr(os, "replace", pause)
    looking = threading.Thread(target=look)
    looking.start()
    newer = save_model("me", tiny_network(1))
    looking.join(10)
    assert found == [["me"]]
    assert own_model("me") == newer


def test_a_process_that_does_not_end_is_not_waited_for_without_end(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LOCK_TIMEOUT_SECONDS", 0.01)

    def write(folder: Path) -> None:
        with pytest.raises(OutputError, match="another process is saving a model: try again"):
            save_model("you")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save("me", write)


class TestRemove:
    def test_a_model(self, models: Path) -> None:
        save_model("me")
        save_model("you")
        remove("me")
        assert _names() == _without_lock(models) == ["you"]
        with pytest.raises(UsageError, match=r"me: there is no such model: .*own you"):
            remove("me")

    def test_whatever_has_the_name(self, models: Path, tmp_path: Path) -> None:
        elsewhere = save_model("me").folder.rename(tmp_path / "elsewhere")
        (models / "link").symlink_to(elsewhere)
        (models / "dangling").symlink_to(tmp_path / "nowhere")
        (models / "file").write_bytes(b"")
        (models / "empty").mkdir()
        for name in ("link", "dangling", "file", "empty"):
            remove(name)
        assert own_models() == []
        assert len(list(elsewhere.iterdir())) == 2, "what a link leads to stays"

    def test_what_cannot_be_deleted_is_one_line(self, monkeypatch: pytest.MonkeyPatch) -> None:
        save_model("me")

        def refuse(*_: object) -> None:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        monkeypatch.setattr(os, "replace", refuse)
        with pytest.raises(OutputError, match=r"models/me: not writable"):
            remove("me")
        assert _names() == ["me"]


def test_a_file_in_the_place_of_a_model_is_listed_and_is_none(models: Path) -> None:
    save_model("me")
    (models / "file").write_bytes(b"")
    assert _names() == ["file", "me"]
    with pytest.raises(WeightsError, match="models/file: is not a folder, and so no model: rtsod models remove file"):
        own_model("file")


def test_what_is_no_model_is_not_listed(models: Path) -> None:
    save_model("me")
    for name in (".hidden", "my model", "lite", "tiny", "me+old"):
        (models / name).mkdir()
    assert _names() == ["me"]


def test_a_folder_that_cannot_be_read_is_one_line(models: Path) -> None:
    models.parent.mkdir(parents=True)
    models.write_bytes(b"")
    for look in (own_models, lambda: own_model("me"), lambda: remove("me")):
        with pytest.raises(WeightsError, match=r"models: cannot be read: Not a directory"):
            look()
    with pytest.raises(OutputError, match="models/me: "):
        save_model("me")


def test_without_a_home_the_error_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platformdirs, "user_data_path", lambda name: Path("~/.local/share") / name)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    with pytest.raises(WeightsError, match="no home folder for models: set XDG_DATA_HOME to a folder"):
        own_models()


def _without_lock(models: Path) -> list[str]:
    return sorted(path.name for path in models.iterdir() if path.name != ".lock")
