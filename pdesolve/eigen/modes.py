"""Eigenvalues of one pencil with their modes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from pdesolve.eigen.pencil import Pencil
from pdesolve.eigen.rayleigh import Rayleigh
from pdesolve.eigen.stacked import values as stacked_values
from pdesolve.patches.rows.conservation import size_factors


@dataclass(frozen=True, eq=False)
class Modes:
    """Eigenvalues λ (k,) and coefficients (p, k), real: of a complex pair λ, λ̄ the real and the imaginary part.

    Attributes:
        pencil: what they belong to.
        values: λ, complex, those nearest to the wanted number first; of a pair the one with Im λ > 0 first.
        coefficients: c of the modes.
        right: (n, k) the right-hand sides f = -(λ - σ) G c that they are least-squares solutions for.
        radius: all eigenvalues nearer to the wanted number than this are among them.
    """

    pencil: Pencil
    values: np.ndarray
    coefficients: Tensor
    right: Tensor
    radius: float = 0.0

    @cached_property
    def residuals(self) -> list[Tensor]:
        """What the rows leave, A c - f of each block, (b, m, k).

        For a pair that has converged it is (A + (λ - σ) G) c. Of one that has not, it tells the discretisation from it.
        """
        return self.pencil.left(self.coefficients, self.right)

    @cached_property
    def quotients(self) -> np.ndarray:
        """Eigenvalues (k,) as quotients of Rayleigh; as they are where there is no quotient.

        Where there is one the problem is self-adjoint, and a complex pair is a double eigenvalue that the rows divide:
        real and imaginary part of its vector are both modes.
        """
        quotient = Rayleigh(self.pencil)
        if not quotient.applies():
            return self.values
        found = self.values.real + quotient.corrections(self.values, self.coefficients)
        return np.where(np.isfinite(found), found, self.values)

    @property
    def has_quotients(self) -> bool:
        """Whether the problem is one whose eigenvalues are quotients of Rayleigh."""
        return self.quotients is not self.values

    @cached_property
    def energies(self) -> np.ndarray:
        """Squares (k,) of what the rows leave in all, in units of the energy: without the factor of small cells."""
        size = size_factors(self.pencil.space.patches.half)
        found = np.zeros(len(self.values))
        for k in range(len(found)):
            of_patch = self.pencil.assembly.residual_of_patch([part[..., k] for part in self.residuals])
            found[k] = ((of_patch / size) ** 2).sum()
        return found

    def scaled(self, factors: Tensor) -> Modes:
        """The same modes times factors (k,); of a complex pair both are multiplied by the first."""
        factors = factors.clone()
        second = np.flatnonzero(self.values.imag < 0)
        factors[second] = factors[second - 1]
        return replace(self, coefficients=self.coefficients * factors, right=self.right * factors)

    def untangled(self, error: np.ndarray) -> Modes:
        """Eigenvalues that differ by less than their errors (k,) as real ones that are alike, with orthonormal modes.

        The discretisation divides a double eigenvalue into two, or into a complex pair, whose modes are any of the
        eigenspace.
        """
        values = np.where(np.abs(self.values.imag) <= error, self.values.real, self.values)
        c = self.coefficients.clone()
        f = self.right.clone()
        for group in groups_of(values, np.where(values.imag == 0, error, 0.0)):
            if len(group) > 1:
                mine = list(group)
                v = stacked_values(self.pencil.space, c[:, mine])[:, self.pencil.measured].flatten(0, 1)
                triangle = torch.linalg.qr(v)[1]
                c[:, mine] = torch.linalg.solve_triangular(triangle, c[:, mine], upper=True, left=False)
                f[:, mine] = torch.linalg.solve_triangular(triangle, f[:, mine], upper=True, left=False)
        return replace(self, values=values, coefficients=c, right=f)

    def first(self, count: int) -> Modes:
        """The first modes; a complex pair is not cut."""
        if count < len(self.values) and self.values[count - 1].imag > 0:
            count += 1
        kept = self.values[:count], self.coefficients[:, :count], self.right[:, :count]
        return Modes(self.pencil, *kept, self.radius)


def groups_of(found: np.ndarray, width: np.ndarray) -> tuple[tuple[int, ...], ...]:
    """Numbers of eigenvalues that are no farther apart than their widths, in chains."""
    group = np.arange(len(found))
    for i in range(len(found)):
        for j in range(i):
            if abs(found[i] - found[j]) <= max(width[i], width[j]):
                group[group == group[i]] = group[j]
    return tuple(tuple(np.flatnonzero(group == g).tolist()) for g in dict.fromkeys(group.tolist()))
