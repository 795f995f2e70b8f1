"""The numbers that decide in adaptivity, each with its source, its reason, or what it does at half and at twice.

`python benchmarks/tuning.py` halves and doubles each of them and prints what changes.
"""

from __future__ import annotations

from dataclasses import dataclass

# Asking for less than rounding leaves of a relative error would end in refinement without end.
FINEST_TOLERANCE = 1e-13


@dataclass(frozen=True)
class Tuning:
    """Numbers of the adaptive loop; those for every dimension are for one, two and three."""

    first_degree: tuple[int, int, int] = (10, 8, 8)
    highest_degree: tuple[int, int, int] = (22, 20, 16)
    first_cells: tuple[int, int, int] = (3, 3, 2)
    safety: float = 0.3  # predicted truncation error over tolerance that refinement aims at
    alike: float = 0.2  # of the largest predicted error: patches above it are refined together
    helped: float = 0.9  # a refinement that leaves more of the residual was of no use
    surprised: float = (
        2.0  # times the residual at a higher degree: it sees what fell between points of the lower one
    )
    loosest_tolerance: float = (
        3e-3  # what is solved more coarsely sees too little of narrow data to know its error
    )
    doubtful: float = 0.25  # σ above which two degrees on the same patches are not trusted alone
    # Of the terms of the equation: more of them left over, all over the domain, contradicts the problem.
    unmet: float = 0.1
    # At which the equation is checked before a solution is verified; on a line three are in a source as wide as 1e-4.
    unseen_points: tuple[int, int, int] = (2**15, 2**14, 2**14)
    # Where the equation is linear, data were looked at in full before the first solve.
    unseen_points_if_linear: tuple[int, int, int] = (2**13, 2**13, 2**13)
    missing_without_verdict: float = 4.0  # estimate over tolerance that is presumed where σ allows none
    most_unknowns: int = 250_000
    threaded_unknowns: int = 6_000


TUNING = Tuning()
