"""Singular functions about one corner, and their derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pdesolve.patches.corners.wedge import Power
from pdesolve.statement.calculus import MultiIndex

# Of the size of the domain: what is nearer is the corner itself, of which only values are known.
NEAREST = 1e-14
# Of the size of the domain: derivatives at the corner itself are infinite, and are those at this distance. Nearer, what
# rounding leaves of the coefficients of a regular solution would be seen in them.
BESIDE = 1e-8


@dataclass(frozen=True, eq=False)
class CornerFunctions:
    """Re C ζ^λ (log ζ)^l with ζ = g·(y - y₀): all derivatives are those of ζ^λ times powers of g.

    The middle of the wedge lies along arg ζ = 0, so that the cut of the powers, arg ζ = π, lies outside the domain.

    Attributes:
        place: (2,) the corner y₀ in grid coordinates.
        gradient: (2,) complex, g = ∇ζ; one over a length of the domain in size.
        powers: the functions.
        radius: up to which distance from the corner the cut does not meet the domain again; may be infinite.
    """

    place: Tensor
    gradient: Tensor
    powers: tuple[Power, ...]
    radius: float

    def __len__(self) -> int:
        return len(self.powers)

    @property
    def exponents(self) -> tuple[float, ...]:
        """λ of the functions."""
        return tuple(power.exponent for power in self.powers)

    def table(self, y: Tensor, indices: Sequence[MultiIndex], seen: Tensor | None = None) -> Tensor:
        """Derivatives β (a of them) of all functions at points y (..., 2): (a, ..., n); there is but one sector."""
        del seen
        away = (y - self.place.to(y)).to(torch.complex128)
        zeta = (away * self.gradient.to(away)).sum(-1, keepdim=True)
        corner = zeta.abs() < NEAREST
        values = torch.where(corner, torch.finfo(y.dtype).tiny, zeta).log()
        beside = torch.where(corner, BESIDE, zeta).log()
        by_order: dict[int, Tensor] = {}
        found = []
        for index in indices:
            order = sum(index)
            if order not in by_order:
                log = beside
                if order == 0:
                    log = values
                by_order[order] = self._derivatives(log, order)
            chain = self.gradient[0] ** index[0] * self.gradient[1] ** index[1]
            found.append((by_order[order] * chain.to(zeta)).real)
        return torch.stack(found)

    def _derivatives(self, log: Tensor, order: int) -> Tensor:
        """C dᵏ/dζᵏ of ζ^λ (log ζ)^l for k = order, from log ζ (..., 1): (..., n)."""
        parts = []
        for power in self.powers:
            # ζ^λ ↦ p ζ^{λ-k} and, as log ζ ζ^λ = d/dλ ζ^λ, ζ^λ log ζ ↦ (p log ζ + p') ζ^{λ-k} with p = λ … (λ-k+1).
            p = 1.0
            slope = 0.0
            for i in range(order):
                slope = slope * (power.exponent - i) + p
                p = p * (power.exponent - i)
            scale = torch.exp((power.exponent - order) * log)
            part = p * scale
            if power.log:
                part = (p * log + slope) * scale
            parts.append(power.factor * part)
        return torch.cat(parts, dim=-1)

    def state(self) -> dict[str, Any]:
        """Everything needed to rebuild it, as tensors and numbers."""
        return {
            "place": self.place,
            "gradient": torch.view_as_real(self.gradient),
            "exponents": list(self.exponents),
            "factors": [[power.factor.real, power.factor.imag] for power in self.powers],
            "logs": [power.log for power in self.powers],
            "radius": self.radius,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> CornerFunctions:
        """Rebuild from `state()`."""
        columns = zip(state["exponents"], state["factors"], state["logs"], strict=True)
        powers = tuple(Power(exponent, complex(*factor), log) for exponent, factor, log in columns)
        return cls(state["place"], torch.view_as_complex(state["gradient"]), powers, state["radius"])
