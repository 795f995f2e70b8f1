"""What is to be identified from data, as one vector θ: scalars, and coefficients of smooth fields.

A coefficient field a is an unknown that the equations do not determine. It is not expanded on patches, where noise
would decide on its finest details, but in polynomials of total degree < N on the box around the domain,

    a = Σ_j φ_j P_j,   φ = φ₀ + Z η,

of which φ₀ and the null space Z take care of everything that is stated of fields alone, see `fields`. What the data do
not determine of η is left to a penalty on the roughness Σ_ij ∫ (∂²a/∂x_i ∂x_j)², see `selection`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pdesolve.patches.basis import basis_size, basis_table
from pdesolve.statement.calculus import MultiIndex
from pdesolve.statement.residual import Slot

CHUNK = 4_000_000  # numbers in a table of polynomials


@dataclass(frozen=True, eq=False)
class UnknownParameters:
    """Scalars κ and coefficients η of fields, θ = (κ, η).

    Attributes:
        names: of the scalars.
        fields: numbers of the unknowns that are fields, f of them.
        degree: N; every field has k = C(N - 1 + d, d) coefficients φ.
        centre, half: (1, d) of the box in grid coordinates.
        offset: φ₀ (f k,).
        free: Z (f k, η), orthonormal columns.
        roughness: (R, r) for each field, whose roughness is ‖R η + r‖².
        start: θ to begin with.
        misfit: relative size of what statements on fields alone leave.
    """

    names: tuple[str, ...]
    fields: tuple[int, ...]
    degree: int
    centre: Tensor
    half: Tensor
    offset: Tensor
    free: Tensor
    roughness: tuple[tuple[Tensor, Tensor], ...]
    start: Tensor
    misfit: float

    @property
    def size(self) -> int:
        """Length of θ."""
        return len(self.start)

    def scalars(self, theta: Tensor) -> dict[str, Tensor]:
        """κ by name."""
        return dict(zip(self.names, theta[: len(self.names)], strict=True))

    def coefficients(self, theta: Tensor) -> Tensor:
        """φ (f, k) of the fields."""
        each = len(self.offset) // max(len(self.fields), 1)
        return (self.offset + self.free @ theta[len(self.names) :]).view(len(self.fields), each)

    def adopted(self, other: UnknownParameters, theta: Tensor) -> Tensor:
        """The θ nearest to that of another of lower degree, whose polynomials come first in these."""
        if not self.fields:
            return theta
        phi = other.coefficients(theta)
        wide = phi.new_zeros(len(self.fields), len(self.offset) // len(self.fields))
        wide[:, : phi.shape[1]] = phi
        count = len(self.names)
        return torch.cat([theta[:count], self.free.T @ (wide.flatten() - self.offset)])

    def tables(self, y: Tensor, slots: Sequence[Slot]) -> tuple[Tensor, Tensor]:
        """Jets of fields at grid points y (n, d): at η = 0 (n, s), and their derivatives by θ (n, s, θ).

        Args:
            y: points.
            slots: (number of the field, derivative along grid axes).
        """
        constant = y.new_zeros(len(y), len(slots))
        table = y.new_zeros(len(y), len(slots), self.size)
        k = basis_size(y.shape[1], self.degree)
        betas = tuple(dict.fromkeys(beta for _, beta in slots))
        for part in torch.split(torch.arange(len(y)), max(1, CHUNK // (k * len(betas)))):
            basis = polynomials(y[part], self.centre, self.half, self.degree, betas)
            for s, (field, beta) in enumerate(slots):
                mine = slice(field * k, (field + 1) * k)
                constant[part, s] = basis[betas.index(beta)] @ self.offset[mine]
                table[part, s, len(self.names) :] = basis[betas.index(beta)] @ self.free[mine]
        return constant, table

    def penalty(self, theta: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
        """Rows √α R (·, θ) of the roughness of all fields, weighted by α (f,), and their values at θ."""
        count = len(self.names)
        rows = [theta.new_zeros(0, self.size)]
        values = [theta.new_zeros(0)]
        for (R, r), a in zip(self.roughness, alpha, strict=True):
            rows.append(torch.cat([R.new_zeros(len(R), count), R], dim=1) * a.sqrt())
            values.append((R @ theta[count:] + r) * a.sqrt())
        return torch.cat(rows), torch.cat(values)

    def only_field(self, i: int) -> UnknownParameters:
        """The same, with the roughness of one field only."""
        return replace(self, fields=self.fields[i : i + 1], roughness=self.roughness[i : i + 1])

    def change(self, theta: Tensor, move: Tensor, c: Tensor, response: Tensor) -> float:
        """Largest relative change by a step of a scalar or of a field.

        A scalar is measured against itself or, where that is more, against what changes the solution by its own size.

        Args:
            theta: (θ,) after the step.
            move: (θ,) the step.
            c: (p,) coefficients of the solution.
            response: (p, θ) their derivatives by θ.
        """
        count = len(self.names)
        # A scalar near zero has no relative change of its own; what it does to the solution is its measure.
        unit = c.norm() / response[:, :count].norm(dim=0).clamp_min(1e-300)
        changes = (move[:count].abs() / torch.maximum(theta[:count].abs(), unit).clamp_min(1e-300)).tolist()
        if self.fields:
            each = len(self.offset) // len(self.fields)
            moved = (self.free @ move[count:]).view(-1, each).norm(dim=1)
            changes += (moved / self.coefficients(theta).norm(dim=1).clamp_min(1e-300)).tolist()
        return max(changes, default=0.0)


def polynomials(
    y: Tensor, centre: Tensor, half: Tensor, degree: int, betas: tuple[MultiIndex, ...]
) -> Tensor:
    """Derivatives β of the orthonormal polynomials of total degree < N on a box: (a, n, k)."""
    wide = torch.full_like(half[0], torch.inf)
    return basis_table(((y - centre) / half)[None], half, wide, degree, betas)[:, 0]
