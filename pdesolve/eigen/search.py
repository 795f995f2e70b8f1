"""The search for the eigenpairs of a pencil nearest to a number: all of them up to a radius, or one step of it."""

from __future__ import annotations

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


class TooFewError(SolveError):
    """There are fewer eigenvalues than are wanted, of the problem or on these patches."""


def all_modes(pencil: Pencil, wanted: Eigenvalues, seed: int, known: Tensor | None = None) -> Modes:
    """The eigenpairs nearest to a number, two more than are wanted, and no other nearer ones.

    Args:
        pencil: A and G at a shift near that number.
        wanted: how many, and near what.
        seed: of the random vectors that the iteration begins with.
        known: (p, j) modes that it begins with, too.

    Raises:
        TooFewError: there are fewer than are wanted.
    """
    arnoldi = Arnoldi.begin(pencil.inverse, _start(pencil, seed, known))
    more = True
    while more:
        more = arnoldi.extend() and arnoldi.size < MOST_VECTORS
        ritz = arnoldi.ritz()
        inside, radius = _certain(ritz, pencil.shift, wanted.near, not more)
        if len(inside) >= wanted.count + EXTRA:
            break
    if len(inside) < wanted.count:
        message = (
            f"only {len(inside)} of the {wanted.count} eigenvalues nearest to {wanted.near:g} were found; ask for "
            "fewer with count="
        )
        raise TooFewError(message)
    return _modes(pencil, arnoldi, ritz, inside, radius)


def next_modes(pencil: Pencil, wanted: Eigenvalues, known: Tensor) -> Modes:
    """The eigenpairs after one step of subspace iteration from modes (p, j), as good as those were on other patches.

    What the rows leave of them, and how their coefficients decay, tells where to refine, not which others there are.
    """
    arnoldi = Arnoldi.begin(pencil.inverse, pencil.right(known))
    arnoldi.extend()
    ritz = arnoldi.ritz()
    finite = np.flatnonzero(np.abs(ritz.values) > INFINITE * np.abs(ritz.values).max())
    order = _order(pencil.shift + 1 / ritz.values[finite], wanted.near)
    return _modes(pencil, arnoldi, ritz, finite[order], 0.0)


def _start(pencil: Pencil, seed: int, known: Tensor | None) -> Tensor:
    """Right-hand sides (n, w): random ones, smoothed twice, and those of modes that are known."""
    space = pencil.space
    generator = torch.Generator().manual_seed(seed)
    width = WIDTH.get(space.dimension, max(WIDTH.values()))
    c = torch.randn(space.layout.total, width, generator=generator, dtype=torch.float64).to(space.half)
    for _ in range(2):
        c = pencil.inverse(pencil.right(c))[1]
    f = pencil.right(c)
    if known is None:
        return f
    return torch.cat([pencil.right(known), f], dim=1)


def _certain(ritz: Ritz, shift: float, near: float, whole: bool) -> tuple[np.ndarray, float]:
    """The numbers of the pairs that are certain, by the distance of λ to `near`, and the radius that they fill.

    Pairs converge from the largest |μ| on. Up to the first that has not, all are known: a disc about the shift, of
    which the disc about `near` that fits into it holds what is certain.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        values = shift + 1 / ritz.values
    finite = np.abs(ritz.values) > INFINITE * np.abs(ritz.values).max(initial=0.0)
    usable = finite & (ritz.residuals <= CONVERGED)
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
