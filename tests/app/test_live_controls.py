"""A run that is changed while it goes on: at once, all or nothing, no frame lost, and the room never shown."""

from __future__ import annotations

import gc
import queue
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtsod.app.assembly import build_run
from rtsod.app.live_choices import LiveChoices
from rtsod.app.live_controls import RunControls
from rtsod.app.live_run import controlled, in_background, run_sources
from rtsod.config import AppConfig, PictureConfig, SourceConfig
from rtsod.errors import RtsodError, SourceError, UsageError
from rtsod.frames import Alpha, Composited, EngineInfo, Frame, Image, SourceInfo
from rtsod.interfaces import Background, Source
from rtsod.live import Change, Choice, LiveSettings, PrivacyError, Profiles, StaleRevision
from rtsod.mask_plan import MaskPlan, Rung
from rtsod.masking.engine_pool import EnginePool
from rtsod.metrics import Metrics, Span
from rtsod.metrics import Stage as Timed
from tests.support import moving_room
from tests.support.fakes import Ticks

COLOURS: Final = {"#00FF00": (0, 255, 0), "#0000FF": (255, 0, 0), "#00FFFF": (255, 255, 0)}
"""Backgrounds without any red, and what they look like, in BGR."""
WAIT: Final = 20.0
"""Seconds after which something hangs."""


class Camera:
    """Delivers a frame for each :meth:`shoot`. Where the subject is depends on the camera."""

    skipped = 0

    def __init__(self, clock: Ticks, name: str, start: int, size: tuple[int, int] = (96, 72)) -> None:
        self.info = SourceInfo(name, *size, Fraction(30), live=True)
        self.closed = threading.Event()
        self._clock, self._start, self._index = clock, start, 0
        self._due = threading.Semaphore(0)

    def shoot(self) -> None:
        self._due.release()

    def read(self) -> Frame | None:
        self._due.acquire()
        if self.closed.is_set():
            return None
        index, self._index = self._index, self._index + 1
        image = moving_room.frame(self._start + index)
        if image.shape[1::-1] != (self.info.width, self.info.height):
            assert self.info.width is not None
            image = np.repeat(np.repeat(image, 2, 0), 2, 1)
        return Frame(image, index, self._clock())

    def close(self) -> None:
        self.closed.set()
        self._due.release()


class Network:
    """Finds the subject of the moving room."""

    info = EngineInfo("fake", "none", "fp32", "none", 64, "none")

    def infer(self, image: Image) -> Alpha:
        return moving_room.mask(image, 2)

    def close(self) -> None: ...


class Looking:
    """Keeps pictures, and lets others wait for them."""

    name, live = "looking", True

    def __init__(self) -> None:
        self.pictures: list[Composited] = []
        self._written = threading.Condition()

    def write(self, picture: Composited) -> None:
        with self._written:
            self.pictures.append(picture)
            self._written.notify_all()

    def wait_for(self, count: int) -> None:
        """Wait until so many pictures have stood for a frame."""
        self.wait_until(lambda: len(self.of_frames) >= count)

    def wait_until(self, seen: Callable[[], bool]) -> None:
        with self._written:
            assert self._written.wait_for(seen, WAIT)

    @property
    def of_frames(self) -> list[Composited]:
        return [picture for picture in self.pictures if picture.index >= 0]

    def close(self) -> None: ...


@dataclass
class Stage:
    """A run whose main thread and camera go on as the test says."""

    controls: RunControls
    sink: Looking
    cameras: dict[str, Camera]
    clock: Ticks = field(default_factory=Ticks)
    current: str = "0"
    shot: int = 0

    def show(self) -> Composited:
        """Let the camera deliver a frame, a thirtieth of a second after the one before; return what stands for it."""
        self.clock.now += 1 / 30
        self.cameras[self.current].shoot()
        self.shot += 1
        self.sink.wait_for(self.shot)
        return self.sink.of_frames[-1]

    def switch(self, source: str) -> None:
        self.controls.change(Change(source=source))
        self.current = source


@contextmanager
def running(
    *,
    may_reveal: bool = False,
    picture: PictureConfig | None = None,
    profiles: Profiles | None = None,
    metrics: Metrics | None = None,
    **others: Any,
) -> Iterator[Stage]:
    """A run of the moving room. What its main thread would do is done by a thread of its own."""
    clock, sink = Ticks(), Looking()
    cameras = {"0": Camera(clock, "one", 0), "1": Camera(clock, "two", 40)}

    def open_source(config: SourceConfig) -> Source:
        if config.spec not in ("0", "1"):
            raise SourceError(f"{config.spec} cannot be opened")
        cameras[config.spec] = Camera(clock, config.spec, 10 + 37 * int(config.spec), (192, 144))
        return cameras[config.spec]

    picture = picture or PictureConfig(backgrounds=("#00FF00",), steady=False, refine="off")
    config = AppConfig(SourceConfig("0"), picture=picture)
    plan = MaskPlan((Rung(64),), max_mask_age=1e9)
    run = build_run(
        config, source=cameras["0"], sinks=[sink], pool=EnginePool(Network()), plan=plan, clock=clock, metrics=metrics
    )
    replaced = replace(controlled(run, config), open_source=open_source, **others)
    controls = RunControls(replaced, may_reveal=may_reveal, profiles=profiles)
    over, errors = threading.Event(), list[BaseException]()

    def serve() -> None:
        try:
            run_sources(run, controls, over.is_set, 0.001)
        except BaseException as error:
            errors.append(error)
        finally:
            controls.close()

    main = threading.Thread(target=serve)
    with run:
        main.start()
        try:
            yield Stage(controls, sink, cameras, clock)
        finally:
            over.set()
            main.join(WAIT)
    assert not main.is_alive()
    assert not errors


def corner(picture: Composited) -> tuple[int, ...]:
    """The background's colour, where the subject is not: in the upper right corner at first."""
    return tuple(int(level) for level in picture.image[0, -1])


def test_each_change_is_seen_in_the_next_picture() -> None:
    with running() as stage:
        assert corner(stage.show()) == (0, 255, 0)
        before = stage.show()
        state = stage.controls.change(Change(background="#0000FF", mirror=True))
        assert (state.settings.background, state.settings.mirror, state.revision) == ("#0000FF", True, 1)
        picture = stage.show()
        assert not picture.is_slate
        assert (picture.image[-1] == (255, 0, 0)).all(axis=1).any()
        assert (picture.alpha8 != before.alpha8).any()
        stage.controls.pause()
        assert stage.show().is_slate
        stage.controls.change(Change(background="#00FFFF"))
        slate = stage.show()
        assert slate.is_slate
        assert (slate.image == (255, 255, 0)).all()
        stage.controls.resume()
        assert not stage.show().is_slate


def test_the_slate_does_not_wait_for_the_camera() -> None:
    """Which may be slow, or silent."""
    with running() as stage:
        stage.show()
        stage.controls.pause()
        stage.sink.wait_until(lambda: stage.sink.pictures[-1].is_slate)


def test_another_camera_comes_after_a_slate_and_at_the_first_ones_size() -> None:
    with running() as stage:
        first = stage.show()
        stage.switch("1")
        picture = stage.show()
        assert picture.index > first.index
        assert picture.image.shape == first.image.shape
        assert any(each.is_slate for each in stage.sink.pictures[stage.sink.pictures.index(first) :])
        assert stage.controls.state().source.name == "1"
        assert moving_room.red(picture.image) == 0


def test_a_source_that_another_one_replaces_is_closed_and_let_go() -> None:
    with running() as stage:
        stage.show()
        stage.switch("1")
        stage.show()
        before = stage.cameras.pop("1")
        stage.switch("0")
        stage.show()
        assert before.closed.is_set()
        forgotten = weakref.ref(before)
        del before
        gc.collect()
        assert forgotten() is None


def test_a_source_is_changed_while_it_is_paused_and_stays_paused() -> None:
    with running() as stage:
        stage.controls.pause()
        stage.switch("1")
        assert stage.show().is_slate
        stage.controls.resume()
        assert not stage.show().is_slate


@pytest.mark.parametrize(
    ("change", "error", "reason"),
    [
        (Change(background="no such picture.jpg", mirror=True), UsageError, "no such file"),
        (Change(background="blur:0", mirror=True), UsageError, "must be more than 0"),
        (Change(background="transparent", mirror=True), UsageError, "without alpha"),
        (Change(refine="best", subject_lock=True), UsageError, "needs stabilized masks"),
        (Change(refine="worst", mirror=True), UsageError, "choose from"),  # type: ignore[arg-type]
        (Change(background="#0000FF", source="7"), SourceError, "cannot be opened"),
    ],
)
def test_a_change_that_cannot_be_made_changes_nothing(change: Change, error: type[RtsodError], reason: str) -> None:
    with running() as stage:
        before = stage.show(), stage.controls.state().settings
        with pytest.raises(error, match=reason):
            stage.controls.change(change)
        after = stage.show(), stage.controls.state().settings
        assert before[1] == after[1]
        assert corner(before[0]) == corner(after[0])
        assert stage.controls.state().revision == 0


def test_who_read_older_settings_is_told() -> None:
    with running() as stage:
        stage.controls.change(Change(mirror=True), revision=0)
        with pytest.raises(StaleRevision, match="revision 1, not at 0"):
            stage.controls.change(Change(mirror=False), revision=0)
        stage.controls.change(Change(mirror=False), revision=1)


def test_from_elsewhere_only_ids_and_nothing_that_shows_more() -> None:
    with running() as stage:
        state = stage.controls.change(Change(background="beach"), remote=True)
        assert state.settings.background.endswith("beach.jpg")
        for background in ("none", "blur"):
            with pytest.raises(PrivacyError, match="--control-may-reveal"):
                stage.controls.change(Change(background=background), remote=True)
        for wrong in ("blur:0", "blur:x", "blur:nan", "blur:", "#12", "#GGGGGG"):
            with pytest.raises(UsageError, match=r"--bg|blur"):
                stage.controls.change(Change(background=wrong), remote=True)
        for path in ("/etc/passwd", "../beach", "no", str(Path(__file__))):
            with pytest.raises(UsageError, match="there is no such background"):
                stage.controls.change(Change(background=path), remote=True)
        for blur in ("blur:", "blur:x", "blur:0", "blur:nan", "blur:-1"):
            with pytest.raises(UsageError, match="pixels") as refused:
                stage.controls.change(Change(background=blur), remote=True)
            assert not isinstance(refused.value, PrivacyError)
        with pytest.raises(UsageError, match="there is no such camera"):
            stage.controls.change(Change(source="/dev/video0"), remote=True)
        stage.controls.change(Change(background="none"))  # a key's
    with running(may_reveal=True) as stage:
        assert stage.controls.change(Change(background="none"), remote=True).settings.background == "none"


class OneProfile:
    """A file that says what a thief would like."""

    def names(self) -> tuple[str, ...]:
        return ("open",)

    def change(self, name: str) -> Change:
        return Change(background="none")

    def reloaded(self) -> Change:
        return Change(background="none", source="1")

    def save(self, name: str, settings: LiveSettings) -> None: ...


def test_neither_profiles_nor_reloading_show_more_from_elsewhere() -> None:
    with running(profiles=OneProfile()) as stage:
        with pytest.raises(PrivacyError):
            stage.controls.apply_profile("open", remote=True)
        with pytest.raises(PrivacyError):
            stage.controls.reload(remote=True)
        assert corner(stage.show()) == (0, 255, 0)
        assert stage.controls.state().settings.source == "0"
        assert stage.controls.apply_profile("open").profile == "open"


def test_a_picture_that_is_added_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with running() as stage:
        choice = stage.controls.add_background(np.full((90, 160, 3), (200, 100, 0), np.uint8), "../../My <room>")
        assert choice in stage.controls.backgrounds()
        assert choice.label == "my room"
        assert (stage.controls.thumbnail(choice.id) == (200, 100, 0)).all()
        stage.controls.change(Change(background=choice.id), remote=True)
        assert corner(stage.show()) == (200, 100, 0)
        assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()] == [".png"]


def test_a_background_that_is_no_longer_used_is_closed(tmp_path: Path) -> None:
    """And what was asked for at the start stays open."""
    path = tmp_path / "plain.png"
    cv2.imwrite(str(path), np.full((72, 96, 3), (90, 80, 0), np.uint8))
    with running() as stage:
        for _ in range(3):
            stage.controls.change(Change(background=str(path)))
            assert corner(stage.show()) == (90, 80, 0)
            stage.controls.next_background()
            assert corner(stage.show()) == (0, 255, 0)


def test_a_background_whose_file_is_gone_is_shown_until_another_is_chosen(tmp_path: Path) -> None:
    path = tmp_path / "plain.png"
    cv2.imwrite(str(path), np.full((72, 96, 3), (90, 80, 0), np.uint8))
    with running() as stage:
        stage.controls.change(Change(background=str(path)))
        path.unlink()
        assert stage.controls.change(Change(mirror=True)).settings.mirror
        assert (stage.show().image[-1] == (90, 80, 0)).all(axis=1).any()


def test_after_the_end_nothing_can_be_changed_and_nobody_waits() -> None:
    with running() as stage:
        stage.show()
        controls = stage.controls
    for change in (Change(mirror=True), Change(source="1")):
        with pytest.raises(UsageError, match="the run has ended"):
            controls.change(change)
    with pytest.raises(UsageError, match="the run has ended"):
        controls.pause()
    assert controls.wait_for_change(0, WAIT).revision == 0


def test_quitting_ends_the_run() -> None:
    with running() as stage:
        stage.show()
        stage.controls.quit()
        state = stage.controls.wait_for_change(stage.controls.state().revision, WAIT)
        assert state.numbers["composited"] == 1


def test_a_key_says_why_it_cannot_be_obeyed() -> None:
    said = queue.Queue[str]()

    def refuse() -> None:
        raise SourceError("the background cannot be read")

    in_background(refuse, said.put)
    assert said.get(timeout=WAIT) == "the background cannot be read"


def test_a_change_is_waited_for() -> None:
    with running() as stage:
        seen = list[int]()
        waiting = threading.Thread(target=lambda: seen.append(stage.controls.wait_for_change(0, WAIT).revision))
        waiting.start()
        stage.controls.change(Change(mirror=True))
        waiting.join(WAIT)
        assert seen == [1]


class Gated(Metrics):
    """Stops the compositor when it has decided to show a frame, but does not compose it yet."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.goes_on = threading.Event(), threading.Event()
        self.goes_on.set()

    @contextmanager
    def stage(self, stage: Timed, frame: int | None = None) -> Iterator[Span]:
        if stage is Timed.COMPOSE and not self.goes_on.is_set():
            self.reached.set()
            assert self.goes_on.wait(WAIT)
        with super().stage(stage, frame) as span:
            yield span


def test_no_source_is_shown_as_another_one_was_to_look() -> None:
    gated = Gated()
    with running(metrics=gated) as stage:
        stage.show()
        gated.goes_on.clear()
        stage.cameras["0"].shoot()
        assert gated.reached.wait(WAIT)
        change = Change(source="1", background="none")
        changing = threading.Thread(target=lambda: stage.controls.change(change))
        changing.start()
        while stage.controls.waiting is None:
            assert changing.is_alive()
        gated.goes_on.set()
        changing.join(WAIT)
        assert corner(stage.sink.of_frames[-1]) == (0, 255, 0)
        assert moving_room.red(stage.sink.of_frames[-1].image) == 0
        stage.current, stage.shot = "1", 2
        assert moving_room.red(stage.show().image) > 0


class Slow:
    """A background whose opening takes until the test says so. It tells who asks for its picture."""

    def __init__(self) -> None:
        self.opening, self.goes_on, self.closed = threading.Event(), threading.Event(), threading.Event()
        self.asked = list[tuple[str, int, int]]()

    def open(self, spec: str) -> Background:
        self.opening.set()
        assert self.goes_on.wait(WAIT)
        return self

    def picture(self, width: int, height: int, at: float) -> Image:
        self.asked.append((threading.current_thread().name, width, height))
        return np.zeros((height, width, 3), np.uint8)

    def close(self) -> None:
        self.closed.set()


def test_pictures_go_on_while_a_background_is_opened_and_made_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow()
    with running() as stage:
        monkeypatch.setattr("rtsod.app.backdrops.open_background", slow.open)
        changing = threading.Thread(target=lambda: stage.controls.change(Change(background="#000000")), name="asks")
        changing.start()
        assert slow.opening.wait(WAIT)
        for _ in range(3):
            assert corner(stage.show()) == (0, 255, 0)
        slow.goes_on.set()
        changing.join(WAIT)
        assert slow.asked == [("rtsod-background", 96, 72)]
        assert corner(stage.show()) == (0, 0, 0)
        assert slow.asked[1:] == [("rtsod-compositor", 96, 72)]
        stage.controls.change(Change(background="#00FF00"))
        assert slow.closed.is_set()


def test_a_background_that_is_open_after_the_end_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    slow, refused = Slow(), queue.Queue[str]()
    with running() as stage:
        monkeypatch.setattr("rtsod.app.backdrops.open_background", slow.open)
        in_background(lambda: stage.controls.change(Change(background="#000000")), refused.put)
        assert slow.opening.wait(WAIT)
    slow.goes_on.set()
    assert refused.get(timeout=WAIT) == "the run has ended"
    assert slow.closed.is_set()


def test_who_learns_from_a_source_stays_with_it() -> None:
    with running(keeps_learning=True) as stage, pytest.raises(UsageError, match="learns from one"):
        stage.controls.change(Change(source="1"))


def test_photographs_share_no_subject() -> None:
    info = SourceInfo("photographs", None, None, None, live=False, stills=True)
    picture = PictureConfig(steady=True, refine="off")
    with running(info=info, picture=picture) as stage, pytest.raises(UsageError, match="share no subject"):
        stage.controls.change(Change(subject_lock=True))


LOOKS: Final = [(background, mirror) for background in COLOURS for mirror in (False, True)]
"""What two who ask at once ask for."""


def test_a_thousand_changes_by_two_at_once_are_each_seen_whole() -> None:
    """No picture shows half of a change, none is lost, and none comes at another time."""
    with running() as stage:
        stage.show()
        errors = list[BaseException]()

        def ask(seed: int) -> None:
            try:
                for look in np.random.default_rng(seed).integers(len(LOOKS), size=550):
                    background, mirror = LOOKS[look]
                    stage.controls.change(Change(background=background, mirror=mirror))
            except BaseException as error:
                errors.append(error)

        asking = [threading.Thread(target=ask, args=(seed,)) for seed in (1, 2)]
        for thread in asking:
            thread.start()
        while any(thread.is_alive() for thread in asking):
            stage.show()
        assert not errors
        pictures = stage.sink.of_frames
        for number, picture in enumerate(pictures):
            original, looks = moving_room.frame(number), set[tuple[str, bool]]()
            for background, mirror in LOOKS:
                shown = cv2.flip(original, 1) if mirror else original
                new, own = np.array(COLOURS[background]), picture.alpha8 == 255
                if (picture.image[picture.alpha8 == 0] == new).all() and (picture.image[own] == shown[own]).all():
                    looks.add((background, mirror))
            assert len(looks) == 1
            assert moving_room.red(picture.image) == 0
        assert [picture.index for picture in pictures] == list(range(len(pictures)))
        assert np.diff([picture.captured_at for picture in pictures]) == pytest.approx(1 / 30)
        assert not stage.controls.state().numbers["dropped"]
        assert stage.controls.state().revision > 800  # of 1,100, those that ask for what is there change nothing


STEPS = st.lists(
    st.one_of(
        st.sampled_from(["pause", "resume", "switch", "frame", "frame"]),
        st.builds(
            Change, st.sampled_from([None, *COLOURS]), st.sampled_from([None, True, False]),
            st.sampled_from([None, "off", "fast", "best"]), st.sampled_from([None, True, False]),
            st.sampled_from([None, True, False]),
        ),
    ),
    max_size=40,
)  # fmt: skip


@given(steps=STEPS)
@settings(max_examples=50)
def test_however_it_is_changed_no_frame_is_lost_and_the_room_is_never_shown(steps: list[str | Change]) -> None:
    picture = PictureConfig(backgrounds=("#00FF00",), steady=True, refine="off")
    with running(picture=picture) as stage:
        paused, background = False, "#00FF00"
        times = list[float]()
        for step in ["frame", *steps, "frame"]:
            match step:
                case "pause":
                    paused = stage.controls.pause().paused
                case "resume":
                    paused = stage.controls.resume().paused
                case "switch":
                    stage.switch("1" if stage.current == "0" else "0")
                case Change():
                    background = stage.controls.change(replace(step, refine=None)).settings.background
            shown = stage.show()
            times.append(shown.captured_at)
            assert shown.is_slate == paused
            assert moving_room.red(shown.image) == 0
            if paused:
                assert (shown.image == COLOURS[background]).all()
        assert all(moving_room.red(each.image) == 0 for each in stage.sink.pictures)
        numbers = stage.controls.state().numbers
        assert numbers["missed"] == 0
        assert set(numbers["dropped"]) <= {"paused"}
        indexes = [each.index for each in stage.sink.of_frames]
        assert indexes == list(range(len(indexes)))
        assert np.diff(times) == pytest.approx(1 / 30)


def test_what_is_shown_is_named_by_its_choice_and_never_by_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("office.jpg", np.zeros((9, 16, 3), np.uint8))  # hides the bundled picture of that name
    info = SourceInfo("camera", 96, 72, Fraction(30), live=True)
    choices = LiveChoices(("beach", "office.jpg", "blur:9"), "0", info)
    ids = [choice.id for choice in choices.backgrounds()]
    assert ids.count("beach") == 1
    assert choices.background_id("beach") == choices.background_id("beach.jpg") == "beach"
    assert choices.background_id("office.jpg") == ids[0] == "own-0"
    assert choices.background_id("blur:9") == "blur:9"
    assert choices.background_id(str(tmp_path / "gone.jpg")) == "gone"
    assert choices.source_id("0") in {choice.id for choice in choices.sources()}
    assert choices.without_ids(Change(background="own-0")).background == "office.jpg"


def test_cameras_are_looked_for_when_the_source_changes_and_not_for_each_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked = list[LiveChoices]()

    def sources(choices: LiveChoices) -> tuple[Choice, ...]:
        looked.append(choices)
        return ()

    monkeypatch.setattr(LiveChoices, "sources", sources)
    with running(may_reveal=True) as stage:
        for _ in range(5):
            assert stage.controls.state().source_id == "start"
        assert len(looked) == 1
        stage.switch("1")
        assert stage.controls.state().source_id == "camera-1"
        stage.switch("0")
        assert stage.controls.state().source_id == stage.controls.state().source_id == "start"
    assert len(looked) == 2
