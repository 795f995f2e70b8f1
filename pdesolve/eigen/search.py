"""The search for the eigenpairs of a pencil nearest to a number: all of them up to a radius, or one step of it."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from pdesolve.eigen.arnoldi import Arnoldi, Ritz
from pdesolve.eigen.modes import Modes
from pdesolve.eigen.pencil import Pencil
from pdesolve.errors import SolveError
from pdesolve.statement.eigenvalues import Eigenvalues

# Vectors at once: eigenvalues of that multiplicity are found for certain. In space a cube has six alike, a ball nine.
WIDTH = {1: 3, 2: 4, 3: 9}
# Beyond those wanted, so that what a finer solution finds can be told from what the coarser one missed.
EXTRA = 2
# The space is kept dense and made orthogonal in full: its cost grows with the square of its size.
MOST_VECTORS = 400
INFINITE = 1e-11  # of the largest |μ|: below it, λ is infinite to rounding
# Residual of a Ritz pair, relative to its |μ|: eigenvalues are compared to the last digits that solves leave of them.
CONVERGED = 1e-12
# Of the accuracy of pairs, that each solve may leave: it adds to what iteration leaves, and that alone is measured.
OF_ACCURACY = 1e-3
# Of subspace iteration on a new level, which begins with modes of the old one. A step gains a digit, more with every
# other; after six the last of ten modes of a drum were left with 1e-6, and the residual of the rows was that of those.
MOST_STEPS = 15


class TooFewError(SolveError):
    """There are fewer eigenvalues than are wanted, of the problem or on these patches."""


def all_modes(
    pencil: Pencil, wanted: Eigenvalues, seed: int, accuracy: float = CONVERGED, beside: Tensor | None = None
) -> Modes:
    """The eigenpairs nearest to a number, two more than are wanted, and no other nearer ones.

    A block of random vectors shows as many modes of one eigenvalue as it has vectors; beside those that are known, it
    shows as many more.

    Args:
        pencil: A and G at a shift near that number.
        wanted: how many, and near what.
        seed: of the random vectors that the iteration begins with.
        accuracy: residual of each pair, relative to its |μ|.
        beside: right-hand sides (n, j) of modes that are known.

    Raises:
        TooFewError: there are fewer than are wanted.
    """
    start = _start(pencil, seed)
    if beside is not None:
        start = torch.cat([beside / beside.norm(dim=0), start / start.norm(dim=0)], dim=1)
    arnoldi = Arnoldi.begin(partial(pencil.inverse, tolerance=OF_ACCURACY * accuracy), start)
    more = True
    while more:
        more = arnoldi.extend() and arnoldi.size < MOST_VECTORS
        ritz = arnoldi.ritz()
        inside, radius = _certain(ritz, pencil.shift, wanted.near, not more, accuracy)
        if len(inside) >= wanted.count + EXTRA:
            break
    if len(inside) < wanted.count:
        message = (
            f"only {len(inside)} of the {wanted.count} eigenvalues nearest to {wanted.near:g} were found; ask for "
            "fewer with count="
        )
        raise TooFewError(message)
    return _modes(pencil, arnoldi, ritz, inside, radius)


def next_modes(pencil: Pencil, wanted: Eigenvalues, known: Tensor, accuracy: float) -> Modes:
    """As many eigenpairs as modes (p, j) are known, by a few steps of subspace iteration from these.

    What the rows leave of them, and how their coefficients decay, tells where to refine, not which others there are.

    Args:
        pencil: A and G at a shift.
        wanted: how many, and near what.
        known: modes on other patches.
        accuracy: residual, relative to |μ|, that those wanted may keep.
    """
    inverse = partial(pencil.inverse, tolerance=OF_ACCURACY * accuracy)
    arnoldi = Arnoldi.begin(inverse, pencil.right(known))
    for _ in range(MOST_STEPS):
        more = arnoldi.extend()
        ritz = arnoldi.ritz()
        finite = np.flatnonzero(np.abs(ritz.values) > INFINITE * np.abs(ritz.values).max())
        order = finite[_order(pencil.shift + 1 / ritz.values[finite], wanted.near)]
        if not more or (ritz.residuals[order[: wanted.count]] <= accuracy).all():
            break
    return _modes(pencil, arnoldi, ritz, _whole_pairs(ritz, order, known.shape[1]), 0.0)


def _whole_pairs(ritz: Ritz, order: np.ndarray, count: int) -> np.ndarray:
    """The first of the numbers in `order`, one more where that would cut a complex pair."""
    if count < len(order) and ritz.values[order[count - 1]] == ritz.values[order[count]].conj():
        count += int(ritz.values[order[count]].imag != 0)
    return order[:count]


def _start(pencil: Pencil, seed: int) -> Tensor:
    """Right-hand sides (n, w): random ones, smoothed twice."""
    space = pencil.space
    generator = torch.Generator().manual_seed(seed)
    width = WIDTH.get(space.dimension, max(WIDTH.values()))
    if pencil.statement.problem.names.complex:  # u and i u are two
        width *= 2
    c = torch.randn(len(space.zero()), width, generator=generator, dtype=torch.float64).to(space.half)
    for _ in range(2):
        c = pencil.inverse(pencil.right(c))[1]
    return pencil.right(c)


def _certain(ritz: Ritz, shift: float, near: float, whole: bool, accuracy: float) -> tuple[np.ndarray, float]:
    """The numbers of the pairs that are certain, by the distance of λ to `near`, and the radius that they fill.

    Pairs converge from the largest |μ| on. Up to the first that has not, all are known: a disc about the shift, of
    which the disc about `near` that fits into it holds what is certain.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        values = shift + 1 / ritz.values
    finite = np.abs(ritz.values) > INFINITE * np.abs(ritz.values).max(initial=0.0)
    usable = finite & (ritz.residuals <= accuracy)
    known = len(usable) if usable.all() else int(np.argmin(usable))
    if (
        known
        and values[known - 1].imag != 0
        and known < len(values)
        and values[known] == values[known - 1].conj()
    ):
        known -= 1
    radius = np.inf
    if known < len(values) and not (whole and not finite[known]):
        radius = abs(values[known] - shift) - abs(shift - near)
    distance = np.abs(values[:known] - near)
    inside = np.flatnonzero(distance < radius)
    return inside[_order(values[inside], near)], float(radius)


def _order(values: np.ndarray, near: float) -> np.ndarray:
    """By distance; of a complex pair, at the same distance, the one with Im λ > 0 comes first."""
    return np.lexsort((-values.imag, np.abs(values - near)))


def _modes(pencil: Pencil, arnoldi: Arnoldi, ritz: Ritz, chosen: np.ndarray, radius: float) -> Modes:
    """Modes c = S F s (p, k) and f = F s, real; of a complex pair the real and the imaginary part of the first."""
    values = pencil.shift + 1 / ritz.values[chosen]
    vectors = ritz.vectors[:, chosen]
    columns = np.where(values.imag < 0, -vectors.imag, vectors.real)
    combined = torch.from_numpy(np.ascontiguousarray(columns)).to(arnoldi.kept)
    return Modes(
        pencil, values, arnoldi.kept @ combined, arnoldi.basis[:, : len(combined)] @ combined, radius
    )
