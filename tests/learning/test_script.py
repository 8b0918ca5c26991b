"""What somebody is asked to do, and when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtsod.errors import UsageError
from rtsod.learning.config import MINUTES, LearnConfig
from rtsod.learning.script import Scene, cue_at, script


@given(st.floats(60 * MINUTES[0], 60 * MINUTES[1]))
def test_the_script_is_as_long_as_the_recording_and_ends_with_the_empty_room(seconds: float) -> None:
    cues = script(seconds)
    assert sum(cue.seconds for cue in cues[1:]) == pytest.approx(seconds)
    assert cues[0].scene is Scene.NOTHING
    assert [cue.scene for cue in cues[-2:]] == [Scene.NOTHING, Scene.EMPTY]
    assert cues[-1].seconds >= 5
    assert all(cue.seconds > 0 for cue in cues)


@given(st.floats(0, 60))
def test_each_moment_has_its_cue(seconds: float) -> None:
    cues = script(30)
    found = cue_at(cues, seconds)
    if found is None:
        assert seconds >= sum(cue.seconds for cue in cues) - 1e-9
    else:
        cue, passed = found
        before = sum(each.seconds for each in cues[: cues.index(cue)])
        assert 0 <= passed < cue.seconds
        assert before + passed == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"minutes": 0.1}, "--minutes"), ({"minutes": float("nan")}, "--minutes"), ({"sources": ()}, "--source"),
        ({"train_minutes": 0}, "--train-minutes"), ({"train_minutes": float("inf")}, "--train-minutes"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_the_options_name(options: dict[str, float], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        LearnConfig(**options)  # type: ignore[arg-type]
