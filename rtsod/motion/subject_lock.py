"""The subject lock: shows the subject that was there first, and hides everybody who comes later.

The network does not tell people apart. It returns one map of everything salient, and somebody who walks past behind the
subject is part of it, often in one piece with the subject. The lock divides that map. It has no idea what anybody looks
like; it goes by motion and by who stands in front. All of this happens at 160 x 120 (:mod:`rtsod.motion.flow`), on the
*solid* pixels, where alpha is above one half.

**Searching.** Until there is a subject, and again when it has been out of sight for ``_LOST_SECONDS``, the largest
connected component becomes the subject and the other components become others.

**Following.** From then on each frame divides the solid pixels in four steps:

1. *Labels.* Each pixel carries the label *subject* or *other*. Labels move with the picture, along optical flow, also
   where the network sees nothing for a while. So a passer-by who was seen apart stays an other when the two outlines
   merge. Where the flow is not believable the label is lost.
2. *Newcomers.* Solid pixels without a label, and those that joined the subject so recently that they are on probation,
   are judged as connected components. A component is the subject's if it touches the subject and is not too much: too
   large and too far out, or any size when somebody was seen beside the subject just now and may be coming out from
   behind. Everything else is others. On probation, somebody who appears bit by bit is judged as a whole.
3. *Order.* Others are behind the subject, so they cannot lie inside its outline: components of others that it encloses,
   or that are thin, go to the subject; components of the subject that lie among the others go to the others.
4. *Fragments.* A small component of others that stays beside the subject and stays small was taken from the subject by
   mistake, and is given back. Somebody who comes out from behind has grown by then, or gone.

**Hiding.** A pixel of the map that is nearer to the others than to the subject is set to 0, with a soft seam.

Limits. Somebody who comes up to the subject within the first second is taken for a part of it. So is a head that looks
over the subject's shoulder for longer than ``_FRAGMENT_SECONDS``. What the network had missed of the subject for long
and then sees at once, more than 6 % of it, is taken for somebody else until it goes away.
``benchmarks.studies.presence`` measures how much of a passer-by is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Alpha
from rtsod.motion.flow import HEIGHT, WIDTH, ComposedFlow, DownscaledFrame, FlowEstimator, downscale_alpha, warp
from rtsod.motion.flow_consistency import check_consistency, colour_layers

Region: TypeAlias = NDArray[np.bool_]
"""``(HEIGHT, WIDTH)`` bool: some pixels of the downscaled frame."""

_SOLID_ALPHA: Final = 0.5
"""Above this alpha a pixel is solid: divided between the subject and the others."""
_LABEL_WEIGHT: Final = 0.5
"""Above this weight a label counts. Warping interpolates, so weights lie between 0 and 1."""

_LOST_SECONDS: Final = 1.0
"""How long the subject may be out of sight before the lock searches for a new one."""
_ENTRY_SECONDS: Final = 1.0
"""How long after the start a subject may still be coming into the frame: whatever joins it then is part of it."""

_ADJACENT_SIDE_PX: Final = 7
"""Side of the square around a pixel, in pixels of the downscaled frame; what lies within it is adjacent."""
_TOUCHING_SIDE_PX: Final = 3
"""The same for touching: there is no pixel in between."""
_MAX_JOINING_AREA_RATIO: Final = 0.06
"""Share of the subject's area. What joins the subject at once, is larger than this and reaches farther out than
``_MAX_JOINING_REACH_PX`` is not a hand that the network had missed."""
_MAX_JOINING_REACH_PX: Final = 10
"""Distance from the subject, in pixels of the downscaled frame; see ``_MAX_JOINING_AREA_RATIO``."""
_PROBATION_SECONDS: Final = 1.0
"""How long what has joined the subject is judged again, together with what joins it next."""

_MIN_PERSON_AREA_RATIO: Final = 0.04
"""Share of the subject's area. A component of others that is larger is a person, a smaller one a part of a person."""
_REAPPEAR_SECONDS: Final = 3.0
"""How long after a person was adjacent to the subject they are expected to come out beside it again."""
_SPECK_AREA_PX: Final = 12
"""Area in pixels of the downscaled frame. Smaller components come from errors of the flow."""
_FRAGMENT_AREA_RATIO: Final = 0.05
"""Share of the subject's area. A component of others that is smaller and touches the subject is a fragment."""
_FRAGMENT_SECONDS: Final = 0.6
"""How long a fragment must stay one before it is given back to the subject."""


@dataclass(frozen=True, slots=True)
class Division:
    """The solid pixels, divided. No pixel is in both regions."""

    subject: Region
    others: Region

    def give_to_subject(self, moved: Region) -> Division:
        """The division after some pixels of the others have become the subject's."""
        moved = self.others & moved
        return Division(self.subject | moved, self.others & ~moved)

    def give_to_others(self, moved: Region) -> Division:
        """The division after some pixels of the subject have become the others'."""
        moved = self.subject & moved
        return Division(self.subject & ~moved, self.others | moved)


@dataclass(frozen=True, slots=True)
class Components:
    """The 4-connected components of a region, numbered from 1. Number 0 is everything outside the region."""

    area: NDArray[np.int64]
    """``(N,)``: pixels in each component; 0 for number 0."""
    number: NDArray[np.int32]
    """``(HEIGHT, WIDTH)``: the component that each pixel belongs to."""

    @classmethod
    def of(cls, region: Region) -> Components:
        """Find the components of a region."""
        count, number = cv2.connectedComponents(region.astype(np.uint8), connectivity=4)
        area = np.bincount(number.ravel(), minlength=count)
        area[0] = 0
        return cls(area, np.asarray(number, np.int32))

    def pixels_in(self, region: Region) -> NDArray[np.int64]:
        """``(N,)``: how many pixels each component has in a region."""
        return np.bincount(self.number[region], minlength=self.area.size)

    def overlapping(self, region: Region) -> NDArray[np.bool_]:
        """``(N,)``: which components have a pixel in a region."""
        return self.pixels_in(region) > 0

    def mean(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """``(N,)``: the mean over each component of values given per pixel."""
        sums = np.bincount(self.number.ravel(), values.ravel(), minlength=self.area.size)
        return np.asarray(sums / np.maximum(self.area, 1), np.float64)

    def region(self, chosen: NDArray[np.bool_]) -> Region:
        """The pixels of the components chosen by a bool array of shape ``(N,)``."""
        return chosen[self.number]


class SubjectLock:
    """Locks on to one subject of a stream. Not thread-safe. The module's docstring explains how it works."""

    def __init__(self) -> None:
        self._estimator = FlowEstimator()
        self._picture: DownscaledFrame | None = None
        """The frame of the call before."""
        self._time = -np.inf
        """Its time, as all times here in seconds."""
        self._started_at = 0.0
        """When the lock chose its subject."""
        self._subject_seen_at = -np.inf
        """When the subject was last in sight."""
        self._person_adjacent_at = -np.inf
        """When another person was last adjacent to the subject."""
        self._division = Division(np.zeros((HEIGHT, WIDTH), np.bool_), np.zeros((HEIGHT, WIDTH), np.bool_))
        """Of the frame of the call before."""
        self._labels = np.zeros((HEIGHT, WIDTH, 2), np.float32)
        """Weights in [0, 1] of the labels subject and other."""
        self._probation_left = np.zeros((HEIGHT, WIDTH), np.float32)
        """Seconds for which a pixel that joined the subject is still on probation; none left at 0 or below."""
        self._fragment_for = np.zeros((HEIGHT, WIDTH), np.float32)
        """Seconds for which a pixel has been part of a fragment."""

    def apply(self, alpha: Alpha, picture: DownscaledFrame, time: float) -> Alpha:
        """Hide everybody but the subject.

        Args:
            alpha: ``(S, S)`` float32 in [0, 1].
            picture: the frame from which it was computed.
            time: ``Frame.time`` of that frame, in seconds.

        Returns:
            ``(S, S)`` float32, nowhere more than ``alpha``; ``alpha`` itself when there are no others.
        """
        solid = downscale_alpha(alpha) > _SOLID_ALPHA
        lost = not abs(time - self._subject_seen_at) <= _LOST_SECONDS  # and when time has gone back
        if self._picture is None or lost:
            self._start(solid, time)
        else:
            self._warp_state(picture, self._picture)
            self._division = self._divide(solid, time)
        self._labels[solid] = 0
        self._labels[self._division.subject, 0] = self._labels[self._division.others, 1] = 1
        self._picture, self._time = picture, time
        if self._division.subject.any():
            self._subject_seen_at = time
        return _hide_others(alpha, self._division)

    def _start(self, solid: Region, time: float) -> None:
        """Searching: the largest component becomes the subject, and all memory is erased."""
        components = Components.of(solid)
        subject = solid & (components.number == np.argmax(components.area))
        self._division = Division(subject, solid & ~subject)
        self._labels[:], self._fragment_for[:], self._probation_left[:] = 0, 0, 0
        self._started_at, self._person_adjacent_at = time, -np.inf

    def _warp_state(self, new: DownscaledFrame, old: DownscaledFrame) -> None:
        """Move all per-pixel state along with the picture; where the flow is not believable it is lost."""
        flow = self._estimator.backward(new, old)
        warped = warp(colour_layers(old), flow)
        believable = ~check_consistency(new, warped, ComposedFlow.from_step(flow)).mismatch
        self._labels = warp(self._labels, flow) * believable[..., None]
        self._fragment_for = warp(self._fragment_for, flow) * believable
        self._probation_left = warp(self._probation_left, flow) * believable

    def _divide(self, solid: Region, time: float) -> Division:
        """Following: divide the solid pixels in the four steps that the module's docstring describes."""
        elapsed = np.float32(max(time - self._time, 0))
        labelled = self._labelled(solid)
        division = self._judge_newcomers(solid, labelled, elapsed, time)
        division = _restore_order(division)
        division = self._return_fragments(division, elapsed)
        if _has_person_adjacent(division):
            self._person_adjacent_at = time
        return division

    def _labelled(self, solid: Region) -> Division:
        """Step 1: divide by the labels. Where the subject was before, only the label *other* makes a pixel an other."""
        subject_weight, other_weight = self._labels[..., 0], self._labels[..., 1]
        others = solid & (other_weight > _LABEL_WEIGHT) & (other_weight > subject_weight)
        subject = solid & ~others & (self._division.subject | (subject_weight > _LABEL_WEIGHT))
        return Division(subject, others)

    def _judge_newcomers(self, solid: Region, labelled: Division, elapsed: np.float32, time: float) -> Division:
        """Step 2: divide what has no label, together with what is on probation."""
        unlabelled = solid & ~labelled.subject & ~labelled.others
        self._probation_left -= elapsed
        judged = unlabelled
        if not self._expects_person(time):
            judged = unlabelled | (labelled.subject & (self._probation_left > 0))
        settled = Division(labelled.subject & ~judged, labelled.others)
        others = labelled.others | self._foreign(judged, settled, time)
        division = Division(solid & ~others, others)
        if not self._is_entering(time):
            self._probation_left[unlabelled] = _PROBATION_SECONDS
        self._probation_left[~division.subject] = 0
        return division

    def _foreign(self, judged: Region, settled: Division, time: float) -> Region:
        """The part of ``judged`` that does not belong to the subject."""
        components = Components.of(judged)
        beside_subject = components.overlapping(_dilate(settled.subject, _ADJACENT_SIDE_PX))
        beside_others = components.overlapping(_dilate(settled.others, _ADJACENT_SIDE_PX))
        from_subject = _distance_from(settled.subject)
        if self._is_entering(time):
            too_much = np.zeros(components.area.size, np.bool_)
        elif self._expects_person(time):
            too_much = beside_others | (components.area >= _SPECK_AREA_PX)
        else:
            reaches_far = components.overlapping(from_subject > _MAX_JOINING_REACH_PX)
            too_much = (components.area > _MAX_JOINING_AREA_RATIO * settled.subject.sum()) & reaches_far
        nearer_to_others = components.region(beside_others) & (_distance_from(settled.others) < from_subject)
        return judged & (components.region(~beside_subject | too_much) | nearer_to_others)

    def _return_fragments(self, division: Division, elapsed: np.float32) -> Division:
        """Step 4: give fragments back to the subject once they have been fragments for long enough."""
        components = Components.of(division.others)
        is_fragment = components.overlapping(_dilate(division.subject, _TOUCHING_SIDE_PX))
        is_fragment &= components.area < _FRAGMENT_AREA_RATIO * division.subject.sum()
        is_fragment[0] = False
        self._fragment_for = np.where(components.region(is_fragment), self._fragment_for + elapsed, np.float32(0))
        stayed = components.mean(self._fragment_for) > _FRAGMENT_SECONDS
        return division.give_to_subject(components.region(is_fragment & stayed))

    def _is_entering(self, time: float) -> bool:
        return time - self._started_at < _ENTRY_SECONDS

    def _expects_person(self, time: float) -> bool:
        return time - self._person_adjacent_at < _REAPPEAR_SECONDS


def _restore_order(division: Division) -> Division:
    """Step 3: others are behind the subject, so neither has components inside the other."""
    components = Components.of(division.others)
    outside = ~(division.subject | division.others)
    outside[[0, -1]] = outside[:, [0, -1]] = True
    is_enclosed = ~components.overlapping(_dilate(outside, _TOUCHING_SIDE_PX))
    opened = cv2.morphologyEx(division.others.astype(np.uint8), cv2.MORPH_OPEN, _square(_TOUCHING_SIDE_PX)) > 0
    is_thin = components.pixels_in(opened) < _SPECK_AREA_PX
    touches_subject = components.overlapping(_dilate(division.subject, _TOUCHING_SIDE_PX))
    division = division.give_to_subject(components.region((is_thin | is_enclosed) & touches_subject))

    components = Components.of(division.subject)
    is_stray = components.overlapping(_dilate(division.others, _TOUCHING_SIDE_PX))
    is_stray[0] = is_stray[np.argmax(components.area)] = False
    return division.give_to_others(components.region(is_stray))


def _has_person_adjacent(division: Division) -> bool:
    """Whether a component of others that is large enough to be a person is adjacent to the subject."""
    components = Components.of(division.others)
    is_adjacent = components.overlapping(division.others & _dilate(division.subject, _ADJACENT_SIDE_PX))
    is_person = components.area > _MIN_PERSON_AREA_RATIO * division.subject.sum()
    return bool((is_adjacent & is_person).any())


def _hide_others(alpha: Alpha, division: Division) -> Alpha:
    """The map, 0 where a pixel is nearer to the others than to the subject; ``alpha`` itself without others."""
    if not division.others.any():
        return alpha
    nearer_to_subject = _distance_from(division.subject) < _distance_from(division.others)
    seam = cv2.blur(nearer_to_subject.astype(np.float32), (3, 3))
    weight = cv2.resize(seam, alpha.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(alpha * weight, np.float32)


def _dilate(region: Region, side: int) -> Region:
    """The region and everything within a square of this side, in pixels, around its pixels."""
    return np.asarray(cv2.dilate(region.astype(np.uint8), _square(side)) > 0, np.bool_)


def _square(side: int) -> NDArray[np.uint8]:
    return np.ones((side, side), np.uint8)


def _distance_from(region: Region) -> NDArray[np.float32]:
    """The distance of each pixel from a region, in pixels; infinite if the region is empty."""
    if not region.any():
        return np.full(region.shape, np.inf, np.float32)
    return np.asarray(cv2.distanceTransform((~region).astype(np.uint8), cv2.DIST_L2, 3), np.float32)
