"""What is done before a surrogate answers: solutions on one space, and residuals through the reference operator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from pdesolve.adaptive.estimation import difference, difference_norms
from pdesolve.errors import UsageError
from pdesolve.least_squares.sparse.normal_equations import LastFactor, NormalEquations, for_many_solves
from pdesolve.least_squares.sparse.row_blocks import squared_norm
from pdesolve.patches.assembly import Assembly
from pdesolve.patches.family import Family
from pdesolve.patches.newton import Discrete, gauss_newton
from pdesolve.patches.space import Space
from pdesolve.runs.monitor import Monitor
from pdesolve.surrogates.box import Array, Box

LOW_DEGREE = 4  # of the patches on which the dependence on constants is sampled: few unknowns, many points
SOLVED = 1e-11  # relative length of a last step of Gauss–Newton
# Of the tolerance: errors were seen up to 5,209 times their residual, relative to the terms of the rows.
HIDDEN = 1e-5
AFFINE = 1e-9  # of the residual: what of a third difference is rounding


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A solution at a parameter, and its error estimated from that of the next order, infinite where it is unknown."""

    point: Array
    coefficients: Tensor
    error: float
    residual_of_patch: Array


class Offline:
    """A problem on a space, at the parameters of a box.

    Args:
        family: the problem on a space, at the centre of the box.
        box: of the constants.
        tol: of the surrogate.
    """

    def __init__(self, family: Family, box: Box, tol: float):
        self.family = family
        self.box = box
        self.tol = tol
        self.linear = family.statement.linear

    @property
    def space(self) -> Space:
        """Where solutions live."""
        return self.family.space

    def at(self, point: Array) -> Assembly:
        """The rows at a parameter."""
        return self.family.at(self.box.constants(point))

    def solve(self, point: Array, start: Tensor | None, monitor: Monitor) -> Snapshot:
        """The solution at a parameter, checked by that of the next order."""
        found = self._solve(self.family, point, start, monitor)
        finer = self.family.raised
        begin = None if self.linear else finer.space.prolong(self.space, found.coefficients)
        better = self._solve(finer, point, begin, monitor)
        error = float(difference(found, better).max())
        if not np.isfinite(error) and self._is_negligible(found):
            # Of a solution that patches hold exactly, a constant for one, both residuals are little but rounding.
            wrong, size = difference_norms(found, better)
            error = float((wrong / size.clip(1e-300)).max())
        # Two solves that did not end may differ by little and be wrong both.
        if not (found.converged and better.converged):
            error = np.inf
        return Snapshot(point, found.coefficients, error, found.residual_of_patch)

    def _is_negligible(self, found: Discrete) -> bool:
        """Whether the residual is so small a part of its terms that no error of the tolerance can hide in it."""
        rows, _, _ = found.assembly.linearise(found.coefficients)
        terms = squared_norm([block.apply(found.coefficients) for block in rows]) ** 0.5
        return found.residual <= HIDDEN * self.tol * terms

    def solve_here(self, point: Array, start: Tensor | None, monitor: Monitor) -> Discrete:
        """The solution at a parameter on this space, not checked."""
        return self._solve(self.family, point, start, monitor)

    def _solve(self, family: Family, point: Array, start: Tensor | None, monitor: Monitor) -> Discrete:
        return gauss_newton(family.at(self.box.constants(point)), start, SOLVED, monitor)

    # ---------------------------------------------------------------- the reference

    def refer(self, point: Array, c: Tensor) -> None:
        """Take the rows at a parameter, linearised at coefficients c, for the reference."""
        assembly = self.at(point)
        rows, _, self.scales = assembly.linearise(c)
        last = LastFactor(factorise=for_many_solves)
        self.reference = NormalEquations(assembly.layout, assembly.patches.centre, rows, last)

    def preconditioned(self, residuals: list[Tensor]) -> Tensor:
        """S r (p,): what the rows of the reference make of residuals."""
        return self.reference.solve(residuals).x

    # ---------------------------------------------------------------- norms

    @cached_property
    def _tables(self) -> list[tuple[Tensor, Tensor, np.ndarray]]:
        space = self.space
        return [
            (space.value_table(p), space.volume_weights(p).sqrt(), p.cells)
            for p in map(space.to_device, space.interior)
        ]

    def values(self, c: Tensor, units: Tensor) -> Array:
        """Values (n,) of all unknowns, in their units (u,), at all points, times the root of the quadrature weights.

        Their Euclidean norm is the L2 norm, also on cut cells, where the basis is not orthonormal.
        """
        found = []
        for table, weight, cells in self._tables:
            own = self.space.coefficients_on(c, cells)
            values = torch.einsum("bmk,buk->bmu", table.expand(len(own), -1, -1), own) / units
            found.append((values * weight[..., None]).flatten())
        return torch.cat(found).cpu().numpy()

    # ---------------------------------------------------------------- dependence on constants

    def sampler(self) -> Callable[[Array], Array]:
        """Values of rows at a parameter, for no coefficients and for random ones, on patches of low degree."""
        family = self.family
        q = np.full(len(self.space.patches), max(LOW_DEGREE, int(self.space.orders.max()) + 2))
        low = Family.on(family.statement, self.space.patches, q)
        generator = torch.Generator().manual_seed(5)
        zero = low.space.zero()
        # Random coefficients leave no term of the rows at zero by chance, as those of a solution may.
        c = torch.randn(zero.shape, generator=generator, dtype=zero.dtype)
        scales = low.at(self.box.constants(self.box.centre)).linearise(c)[2]

        def rows(point: Array) -> Array:
            assembly = low.at(self.box.constants(point))
            parts = [r.flatten() for x in (zero, c) for r in assembly.residuals(x, scales)]
            return torch.cat(parts).cpu().numpy()

        return rows

    def degree(self) -> int:
        """One where the rows are affine in the coefficients, two where they are quadratic.

        Raises:
            UsageError: they are neither.
        """
        if self.linear:
            return 1
        assembly = self.at(self.box.centre)
        generator = torch.Generator().manual_seed(7)
        zero = self.space.zero()
        c = torch.randn(zero.shape, generator=generator, dtype=zero.dtype)
        r = [torch.cat([p.flatten() for p in assembly.residuals(k * c, self.scales)]) for k in range(4)]
        # The third difference of a polynomial of degree two is zero.
        third = r[3] - 3 * r[2] + 3 * r[1] - r[0]
        if float(third.norm()) > AFFINE * float(r[3].norm()):
            message = (
                "a surrogate needs a problem that is linear or quadratic in its unknowns, such as u u_x; this one is "
                "neither: sweep over the constants, or write a cube as a product with an unknown v = u²"
            )
            raise UsageError(message)
        return 2
