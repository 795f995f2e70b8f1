"""What the rules of the adaptive loop can say of a level."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class By(Enum):
    """What marks the patches that are refined."""

    DECAY = "truncation error that the decay of the coefficients predicts"
    RESIDUAL = "residual of the rows"
    UNSEEN = "residual between the points of the solve"

    def __repr__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Refine:
    """Go on with patches that are halved, or have higher degrees."""

    by: By


@dataclass(frozen=True)
class DemandContinuity:
    """Solve again on the same patches, with more derivatives continuous."""


@dataclass(frozen=True)
class Verify:
    """Solve again with all degrees raised by two, for an estimate."""


@dataclass(frozen=True)
class Sharpen:
    """Verify once more, with patches halved where the residual is, too."""


@dataclass(frozen=True)
class TakeFiner:
    """Go on with the solution that verified."""


@dataclass(frozen=True)
class Halve:
    """Try patches halved where the residual is."""


@dataclass(frozen=True)
class TakeHalved:
    """Go on with the solution on halved patches."""


@dataclass(frozen=True)
class Accept:
    """End: the estimate is within the tolerance; `but` is a sentence why it certifies nothing all the same."""

    but: str | None


@dataclass(frozen=True)
class Stop:
    """End with the estimate that the verification gave."""

    why: str


@dataclass(frozen=True)
class NoSolution:
    """End: Gauss–Newton ends at a residual that no refinement lowers."""

    residual: float


@dataclass(frozen=True)
class Interrupt:
    """End with what the difference to the level before says."""

    why: str


Verdict = (
    Refine
    | DemandContinuity
    | Verify
    | Sharpen
    | TakeFiner
    | Halve
    | TakeHalved
    | Accept
    | Stop
    | NoSolution
    | Interrupt
)
