"""Eigenpairs of one pencil: those nearest to a number, every one of them up to a radius."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from pdesolve.eigen.arnoldi import Arnoldi, Ritz
from pdesolve.eigen.pencil import Pencil
from pdesolve.eigen.stacked import values as stacked_values
from pdesolve.errors import SolveError
from pdesolve.statement.eigenvalues import Eigenvalues

# Vectors at once: eigenvalues of that multiplicity are found for certain. In space a cube has six alike, a ball nine.
WIDTH = {1: 3, 2: 4, 3: 9}
EXTRA = (
    2  # beyond those wanted, so that what a finer solution finds can be told from what the coarser one missed
)
MOST_VECTORS = 400
INFINITE = 1e-11  # of the largest |μ|: below it, λ is infinite to rounding
# Residual of a Ritz pair, relative to its |μ|: so small that the discretisation alone is to blame for what the rows
# leave of a mode. At 1e-8 the residuals of two degrees were alike, and no error could be told from them.
CONVERGED = 1e-12


@dataclass(frozen=True, eq=False)
class Modes:
    """Eigenvalues λ (k,) and coefficients (p, k), real: of a complex pair λ, λ̄ the real and the imaginary part.

    Attributes:
        pencil: what they belong to.
        values: λ, complex, those nearest to the wanted number first; of a pair the one with Im λ > 0 first.
        coefficients: of the modes, each of size one.
        radius: all eigenvalues nearer to the wanted number than this are among them.
    """

    pencil: Pencil
    values: np.ndarray
    coefficients: Tensor
    radius: float

    @cached_property
    def residuals(self) -> list[Tensor]:
        """(A + (λ - σ) G) c of each block, (b, m, k)."""
        moved = self.coefficients @ torch.from_numpy(self.distances).to(self.coefficients)
        found = [block.apply(self.coefficients) for block in self.pencil.rows]
        for number, block in enumerate(self.pencil.slopes):
            if block is not None:
                found[number] = found[number] + block.apply(moved)
        return found

    @cached_property
    def distances(self) -> np.ndarray:
        """D (k, k) with A C + G C D = 0: λ - σ on the diagonal, of a complex pair its 2 by 2 block."""
        d = self.values - self.pencil.shift
        found = np.diag(d.real)
        for i in np.flatnonzero(d.imag > 0):
            found[i, i + 1] = d[i].imag
            found[i + 1, i] = -d[i].imag
        return found

    def scaled(self, factors: Tensor) -> Modes:
        """The same modes times factors (k,); of a complex pair both are multiplied by the first."""
        factors = factors.clone()
        second = np.flatnonzero(self.values.imag < 0)
        factors[second] = factors[second - 1]
        return Modes(self.pencil, self.values, self.coefficients * factors, self.radius)

    def untangled(self, error: np.ndarray) -> Modes:
        """Eigenvalues that differ by less than their errors (k,) as real ones that are alike, with orthonormal modes.

        The discretisation divides a double eigenvalue into two, or into a complex pair, whose modes are any of the
        eigenspace.
        """
        values = np.where(np.abs(self.values.imag) <= error, self.values.real, self.values)
        c = self.coefficients.clone()
        for group in groups_of(values, np.where(values.imag == 0, error, 0.0)):
            if len(group) > 1:
                mine = list(group)
                v = stacked_values(self.pencil.space, c[:, mine])[:, self.pencil.measured].flatten(0, 1)
                triangle = torch.linalg.qr(v)[1]
                c[:, mine] = torch.linalg.solve_triangular(triangle, c[:, mine], upper=True, left=False)
        return Modes(self.pencil, values, c, self.radius)

    def first(self, count: int) -> Modes:
        """The first modes; a complex pair is not cut."""
        if count < len(self.values) and self.values[count - 1].imag > 0:
            count += 1
        return Modes(self.pencil, self.values[:count], self.coefficients[:, :count], self.radius)


class Search:
    """The search for the eigenpairs of one pencil nearest to a number, two more than are wanted.

    Args:
        pencil: A and G at a shift near that number.
        wanted: how many, and near what.
        seed: of the vectors that the iteration begins with.
    """

    def __init__(self, pencil: Pencil, wanted: Eigenvalues, seed: int):
        self.pencil = pencil
        self.wanted = wanted
        self.shapes = [
            None if block is None else block.apply(pencil.space.zero()).shape for block in pencil.slopes
        ]
        self.arnoldi = self._begin(seed)
        self.more = True

    def run(self) -> Modes:
        """Go on until all wanted pairs have converged.

        Raises:
            SolveError: there are fewer than are wanted.
        """
        wanted = self.wanted
        while True:
            ritz = self.arnoldi.ritz()
            whole = not self.more or len(ritz.values) >= MOST_VECTORS
            values, inside, radius = _certain(ritz, self.pencil.shift, wanted.near, whole)
            if len(inside) >= wanted.count + EXTRA or whole:
                break
            self.more = self.arnoldi.extend()
        if len(inside) < wanted.count:
            message = (
                f"only {len(inside)} of the {wanted.count} eigenvalues nearest to {wanted.near:g} were found; ask for "
                "fewer with count="
            )
            raise SolveError(message)
        return Modes(self.pencil, values[inside], _coefficients(self.arnoldi, ritz, inside, values), radius)

    def _begin(self, seed: int) -> Arnoldi:
        """The iteration on right-hand sides f ↦ -G S f, from random ones that were smoothed twice."""
        space = self.pencil.space
        generator = torch.Generator().manual_seed(seed)
        width = WIDTH.get(space.dimension, max(WIDTH.values()))
        c = torch.randn(space.layout.total, width, generator=generator, dtype=torch.float64)
        f = _in_a_column(self.pencil.image(c.to(space.half)))
        for _ in range(2):
            f = self._apply(f)[0]
        arnoldi = Arnoldi.begin(self._apply, f)
        arnoldi.extend()
        return arnoldi

    def _apply(self, f: Tensor) -> tuple[Tensor, Tensor]:
        """-G S f (n, j), and S f (p, j)."""
        c = self.pencil.solve(_in_blocks(f, self.shapes))
        return _in_a_column(self.pencil.image(c)), c


def groups_of(found: np.ndarray, width: np.ndarray) -> tuple[tuple[int, ...], ...]:
    """Numbers of eigenvalues that are no farther apart than their widths, in chains."""
    group = np.arange(len(found))
    for i in range(len(found)):
        for j in range(i):
            if abs(found[i] - found[j]) <= max(width[i], width[j]):
                group[group == group[i]] = group[j]
    return tuple(tuple(np.flatnonzero(group == g).tolist()) for g in dict.fromkeys(group.tolist()))


def _in_a_column(f: list[Tensor | None]) -> Tensor:
    return torch.cat([part.flatten(0, 1) for part in f if part is not None])


def _in_blocks(f: Tensor, shapes: list) -> list[Tensor | None]:
    found: list[Tensor | None] = []
    start = 0
    for shape in shapes:
        if shape is None:
            found.append(None)
            continue
        end = start + shape[0] * shape[1]
        found.append(f[start:end].reshape(*shape, -1))
        start = end
    return found


def _certain(ritz: Ritz, shift: float, near: float, whole: bool) -> tuple[np.ndarray, np.ndarray, float]:
    """All λ (m,), the numbers of those that are certain, by their distance to `near`, and the radius that they fill.

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
    # Of a complex pair, at the same distance, the one with Im λ > 0 comes first.
    order = np.lexsort((-values[inside].imag, distance[inside]))
    return values, inside[order], float(radius)


def _coefficients(arnoldi: Arnoldi, ritz: Ritz, chosen: np.ndarray, values: np.ndarray) -> Tensor:
    """Modes c = S F s (p, k), real; of a complex pair the real and the imaginary part of the first."""
    vectors = ritz.vectors[:, chosen]
    columns = np.where(values[chosen].imag < 0, -vectors.imag, vectors.real)
    return arnoldi.kept @ torch.from_numpy(np.ascontiguousarray(columns)).to(arnoldi.kept)
