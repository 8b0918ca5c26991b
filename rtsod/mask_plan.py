"""The mask plan of a run: which masks are computed, how often, and how they are paired with frames."""

from __future__ import annotations

from dataclasses import dataclass

from rtsod.config import Sync


@dataclass(frozen=True, slots=True)
class Rung:
    """One way to make masks. A run that adapts to the machine moves between several, see ``rtsod.masking.ladder``."""

    size: int
    """Side of the network's input, in pixels."""
    region: bool = False
    """True: the network sees the subject's ROI; False: the whole frame."""
    mask_interval: int = 1
    """One captured frame in this many gets a mask; more than 1 means that frames are tracked."""
    cost: float = 1.0
    """Cost of one mask, relative to the best rung's; looks at the whole frame now and then are not included."""
    network: str | None = None
    """The smaller network that makes the masks, which the run's own network corrects; None: that network makes them."""
    corrected_by: str = ""
    """The run's own network, where a smaller one makes the masks."""

    def __str__(self) -> str:
        what = "the subject's region" if self.region else "the whole frame"
        rate = "" if self.mask_interval == 1 else f", masks for one frame in {self.mask_interval}"
        by = "" if self.network is None else f" by {self.network}, corrected by {self.corrected_by}"
        return f"{what} at {self.size}x{self.size}{by}{rate}"


@dataclass(frozen=True, slots=True)
class InferenceCost:
    """What one inference takes."""

    seconds: float
    """From start to end."""
    cpu_seconds: float
    """Processor time of all threads together; 0 where another device computes."""

    def scaled(self, factor: float) -> InferenceCost:
        """The cost of an inference of ``factor`` times as many pixels."""
        return InferenceCost(self.seconds * factor, self.cpu_seconds * factor)


@dataclass(frozen=True, slots=True)
class Budget:
    """What there is for each frame of live input, and what a mask takes of it."""

    period: float
    """Seconds from one frame to the next."""
    cores: float
    """Processor cores there really are for this process."""
    best: InferenceCost
    """Of one mask on the best rung."""


@dataclass(frozen=True, slots=True)
class MaskPlan:
    """What is decided once, before the first frame. What then depends on the moment is asked of the plan."""

    rungs: tuple[Rung, ...]
    """The ways to make masks, the best first. A single rung is never left."""
    max_mask_age: float
    """Live input: seconds from a frame's capture after which its mask is too old to show."""
    start: int = 0
    """Index of the rung to start on."""
    budget: Budget | None = None
    """By which the ladder judges; None with a single rung."""
    sync: Sync = "locked"
    """``locked``: every frame waits for its own mask. ``tracked``: no frame waits; masks are propagated to the frames
    between. ``auto`` (live input only): a frame waits for its own mask if that can come in time, see
    :mod:`rtsod.pipeline.patience`, and is tracked otherwise."""
    mask_interval: int = 1
    """Tracked: at most one captured frame in this many gets a mask of its own."""

    @property
    def rung(self) -> Rung:
        """The rung to start on."""
        return self.rungs[self.start]

    @property
    def adapts(self) -> bool:
        """Whether masks are made in different ways during the run."""
        return self.budget is not None

    @property
    def propagates(self) -> bool:
        """Whether any frame may be shown with a mask propagated from another one."""
        return self.sync != "locked"
