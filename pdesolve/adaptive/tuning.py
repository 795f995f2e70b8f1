"""The numbers that decide in adaptivity: each has its source, its reason, or what was measured at half and at twice.

`python benchmarks/tuning.py` halves and doubles each of them on a small set of problems and prints what changes; the
last record is benchmarks/records/tuning.md.
"""

from __future__ import annotations

from dataclasses import dataclass

# Rounding leaves 1e-14 to 1e-13 of a relative error; asking for less would be refinement without end.
FINEST_TOLERANCE = 1e-13


@dataclass(frozen=True)
class Tuning:
    """Numbers of the adaptive loop; those in threes are for one, two and three dimensions."""

    # ---------------------------------------------------------------- levels

    # Eight is the lowest degree from which the decay of three pairs of degrees can be told; on a line ten cost nothing.
    first_degree: tuple[int, int, int] = (10, 8, 8)
    # Dense blocks of a patch grow like q^d: 22, 210 and 816 functions.
    highest_degree: tuple[int, int, int] = (22, 20, 16)
    # Three: a middle patch that touches no boundary; in space 27 of them would be too many to begin with.
    first_cells: tuple[int, int, int] = (3, 3, 2)
    # What is solved more coarsely sees too little of narrow data to know its error.
    loosest_tolerance: float = 3e-3
    # Relative step, over the tolerance, at which Gauss–Newton ends: two digits below what is asked for.
    newton_stop: float = 1e-2
    # With its factor, 250,000 unknowns are 2 GB in the plane.
    most_unknowns: int = 250_000
    # Small dense blocks lose more to waking threads than they gain, above all on a busy machine.
    threaded_unknowns: int = 6_000

    # ---------------------------------------------------------------- decay of the coefficients

    # Decay per two degrees, slower than which raising degrees costs more than halving.
    slow_decay: float = 0.4
    # Algebraic decay n^-s has a gain (1 - 4/n²)^-s, that is seen at low degrees: r^(1/2) has 1.3 at degree eight.
    singular_gain: float = 1.25
    # Below this rate the solution is resolved anyhow, and noise decides on the gain.
    singular_rate: float = 0.15
    # Relative size of the highest coefficients of a patch below which slow decay is rounding.
    rounding: float = 2e-12
    # Two pairs that happen to be small do not make the next one vanish.
    least_rate: float = 0.02
    # Part of the highest degrees, over that of the strongest axis, below which an axis is not halved.
    direction_share: float = 0.1

    # ---------------------------------------------------------------- marking

    # Predicted truncation error, over the tolerance, that refinement aims at: a verification must not fail for a third.
    safety: float = 0.3
    # Part of the sum of squares that the worst patches hold (Dörfler 1996); nine tenths, as a level is dear.
    bulk: float = 0.9
    # The same of residuals, which are spread: a singular corner pollutes all around it.
    bulk_of_residual: float = 0.75
    # Part of the aim that patches which are left as they are may hold together.
    harmless: float = 0.7
    # Part of the aim that each patch may have, times the root of their number.
    even_share: float = 0.7
    # Of the predicted error: no more than two digits are gained at once where few patches hold it.
    modest: float = 0.01
    # Of the largest predicted error: patches above it are refined together.
    alike: float = 0.2
    # Of the aim for truncation or residual, at each of the points toward which patches are halved many times.
    at_a_point: float = 0.7

    # ---------------------------------------------------------------- halve or raise the degree

    # Work of a patch of k functions, as measured: k^2.2 while tables are most of it (k²), toward k³ by factorisation.
    work_power: float = 2.2
    # Functions of a patch from which dense products are most of the work.
    dense_from: float = 400.0
    # Work of 2^m patches in a row, (2^m)^1.3: between tables (1) and a nested dissection in the plane (3/2).
    halving_power: float = 1.3

    # ---------------------------------------------------------------- verification

    # σ, the part of the error that two solutions share, above which their difference says nothing. With rows that leak
    # net forces σ was 0.89 to 0.97 where the estimate was up to five times too small; with rows that conserve it is at
    # most 0.72, beside a jump of boundary values.
    most_shared: float = 0.75
    # σ above which two degrees on the same patches are not trusted alone: smooth solutions have 0.01 at most, corners
    # 0.5, and there a pair that is also halved was right within 1.3 where raising alone was off by 1.6.
    doubtful: float = 0.25
    # By how much that pair raises the degrees of patches that it halves. In space a patch becomes eight, which are as
    # many times finer as at two degrees more, in a quarter of the time; two degrees less leave too much to compare.
    raised_if_halved: tuple[int, int, int] = (2, 2, 0)
    # Part of the terms of the rows that rounding leaves of a residual.
    met: float = 1e-11
    # Of the unknowns: what the equation leaves of them along a wall that is rounding, also of degree thirty (q⁴ 1e-16).
    left_at_walls: float = 1e-9
    # Part of its natural size below which an unknown is zero but for rounding.
    vanishing: float = 1e-12
    # Times the residual at a higher degree: it sees what fell between the points of the lower one.
    surprised: float = 2.0
    # A refinement that leaves more of the residual was of no use: where halving helps at all, as at a jump, it takes
    # away a tenth at least.
    helped: float = 0.9
    # Of the residual: raising degrees must leave less to go on by itself, else halving is tried. In space, halving all
    # patches takes eight times the unknowns, as three raises from degree eight do, which leave 0.75³ = 0.42.
    degrees_helped: tuple[float, float, float] = (0.5, 0.5, 0.75)
    # Beyond the highest degree; each verification that helps raises by two.
    overshoot: int = 6
    # Of the residual, aimed at where a sharper look is taken.
    sharper: float = 0.5
    # Of the terms of the equation: more of them left over, all over the domain, contradicts the problem.
    unmet: float = 0.1
    # Of what is left over: more of it that polynomials of half the degree do not hold says that patches are too wide.
    # Contradictions had 3e-3 at most, what was not resolved 0.2 at least.
    rough: float = 0.05
    # Of the largest terms of an equation: weaker ones may be left over.
    faint: float = 1e-3

    # ---------------------------------------------------------------- between the points of a solve

    # At which the equation is checked; on a line three are in a source as wide as 1e-4.
    unseen_points: tuple[int, int, int] = (2**15, 2**14, 2**14)
    # Where the equation is linear, data were looked at in full before the first solve.
    unseen_points_if_linear: tuple[int, int, int] = (2**13, 2**13, 2**13)
    # Residual there, over that of the rows, that shows an overlooked feature.
    unseen: float = 1e3
    # Mean residual there, over that at the points of the solve, that does, too.
    outstanding: float = 10.0
    # Of the tolerance: a mean residual below it changes no verdict.
    noticed: float = 0.3

    # ---------------------------------------------------------------- one solution or many

    # σ at which w is a solution of the homogeneous problem to rounding. Normal equations know σ to the root of machine
    # precision times some: problems with many solutions ended at 1e-14 … 5e-8, those with one at 2e-7 … 0.5.
    free: float = 1e-7
    # Below it, σ must not fall with the degree; long or stiff problems have 1e-3 … 1e-7, which stay.
    suspect: float = 1e-4
    # Per two degrees; without a null space σ stays within one per cent.
    falling: float = 0.3
    # Of the unknown that the free direction moves most: others are named, too.
    moved: float = 0.1
    # Change of σ with the degree that is none: an isolated σ beside a resonance has four digits in common, and those of
    # many free directions, such as of advection on closed curves, differ by a tenth at least.
    settled: float = 0.02
    # σ of null spaces that polynomials hold exactly ended at 5e-14 … 2e-12, and was settled, too.
    null: float = 5e-11
    # Error times σ: rounding left 1e-16 to 2.4e-15 of the solution over σ, from σ = 1e-5 down to 1e-10.
    rounded: float = 5e-15
    # Variation of the free direction, relative to its size, that is none.
    constant: float = 1e-6
    # At which the free direction is looked at.
    direction_points: int = 256


TUNING = Tuning()
