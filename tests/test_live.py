"""What can be changed while a run goes on, and which changes show more."""

from __future__ import annotations

from dataclasses import fields, replace

from hypothesis import given
from hypothesis import strategies as st

from rtsod.config import REFINES
from rtsod.interfaces import Blur
from rtsod.live import Change, LiveSettings, reveals

SIGMAS = st.floats(0.1, Blur.MAX_SIGMA)
BACKGROUNDS = st.one_of(
    st.sampled_from(["blur", "none", "transparent", "#00FF00", "beach", "C:/none.jpg", "none.jpg"]),
    SIGMAS.map(lambda sigma: f"blur:{sigma}"),
)
SETTINGS = st.builds(
    LiveSettings, BACKGROUNDS, st.booleans(), st.sampled_from(REFINES), st.booleans(), st.booleans(),
    st.sampled_from(["0", "2"]),
)  # fmt: skip
PLAIN = LiveSettings("beach", False, "auto", False, False, "0")


@given(SETTINGS)
def test_what_stays_shows_no_more(settings: LiveSettings) -> None:
    assert reveals(settings, settings) is None


@given(SETTINGS, SETTINGS, SETTINGS)
def test_no_way_round_shows_more_than_the_direct_one(one: LiveSettings, two: LiveSettings, three: LiveSettings) -> None:
    """Steps that show no more lead nowhere that would show more at once."""
    if reveals(one, two) is None and reveals(two, three) is None:
        assert reveals(one, three) is None


@given(SETTINGS)
def test_nothing_goes_to_the_room_itself_but_from_it(settings: LiveSettings) -> None:
    shown = replace(settings, background="none")
    assert (reveals(settings, shown) is None) == (settings.background == "none")
    assert "none" in (reveals(settings, shown) or "none")


@given(SIGMAS, SIGMAS)
def test_a_weaker_blur_shows_more(one: float, other: float) -> None:
    weaker = reveals(replace(PLAIN, background=f"blur:{one}"), replace(PLAIN, background=f"blur:{other}"))
    assert (weaker is not None) == (1 / other > 1 / one)
    assert reveals(PLAIN, replace(PLAIN, background=f"blur:{one}")) is not None
    assert reveals(replace(PLAIN, background=f"blur:{one}"), PLAIN) is None


@given(st.text("0123456789.-+einfax "))
def test_a_blur_that_is_not_valid_counts_as_none(argument: str) -> None:
    assert reveals(PLAIN, replace(PLAIN, background=f"blur:{argument}")) is not None


def test_other_people_and_other_cameras_show_more() -> None:
    assert reveals(replace(PLAIN, subject_lock=True), PLAIN)
    assert reveals(PLAIN, replace(PLAIN, subject_lock=True)) is None
    assert reveals(PLAIN, replace(PLAIN, source="1"))
    for harmless in ({"mirror": True}, {"refine": "off"}, {"light_wrap": True}, {"background": "#000000"}):
        assert reveals(PLAIN, replace(PLAIN, **harmless)) is None


@given(SETTINGS, SETTINGS)
def test_a_change_sets_what_it_names_and_nothing_else(one: LiveSettings, other: LiveSettings) -> None:
    assert {each.name for each in fields(Change)} == {each.name for each in fields(LiveSettings)}
    assert one.changed_by(Change()) == one
    whole = Change(**{each.name: getattr(other, each.name) for each in fields(other)})
    assert one.changed_by(whole) == other
    assert one.changed_by(Change(mirror=False)) == replace(one, mirror=False)
