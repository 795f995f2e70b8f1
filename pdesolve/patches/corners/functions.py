"""Singular functions about one corner, and their derivatives."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pdesolve.patches.corners.wedge import Power
from pdesolve.statement.calculus import MultiIndex
from pdesolve.statement.residual import Slot

# Of the size of the domain: what is nearer is the corner itself, of which only values are known.
NEAREST = 1e-14
# Of the size of the domain: derivatives at the corner itself are infinite, and are those at this distance. Nearer, what
# rounding leaves of the coefficients of a regular solution would be seen in them.
BESIDE = 1e-8


@dataclass(frozen=True, eq=False)
class CornerFunctions:
    """Re C ζ^λ |ζ|^2k (log ζ)^l = Re C ζ^(λ+k) ζ̄^k (log ζ)^l with ζ = g·(y - y₀).

    By the chain rule ∂_i = g_i ∂/∂ζ + ḡ_i ∂/∂ζ̄, derivatives are those of powers of ζ and of ζ̄. The middle of the wedge
    lies along arg ζ = 0, so that the cut of the powers, arg ζ = π, lies outside the domain.

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

    def table(self, y: Tensor, slots: Sequence[Slot], seen: Tensor | None = None) -> Tensor:
        """Derivatives (unknown, β) of all functions at points y (..., 2): (s, ..., n); there is but one sector."""
        del seen
        away = (y - self.place.to(y)).to(torch.complex128)
        zeta = (away * self.gradient.to(away)).sum(-1, keepdim=True)
        corner = zeta.abs() < NEAREST
        values = torch.where(corner, torch.finfo(y.dtype).tiny, zeta).log()
        beside = torch.where(corner, BESIDE, zeta).log()
        most = max(power.rounds for power in self.powers)
        by_orders: dict[tuple[int, int], Tensor] = {}
        found = []
        for _, index in slots:
            total = torch.zeros_like(zeta)
            for orders, chain in _chain(complex(self.gradient[0]), complex(self.gradient[1]), index):
                if orders[1] > most:
                    continue
                if orders not in by_orders:
                    log = beside
                    if not any(orders):
                        log = values
                    by_orders[orders] = self._derivatives(log, *orders)
                total = total + by_orders[orders] * chain
            found.append(total.real)
        return torch.stack(found)

    def _derivatives(self, log: Tensor, a: int, b: int) -> Tensor:
        """C ∂ᵃ/∂ζᵃ ∂ᵇ/∂ζ̄ᵇ of ζ^(λ+k) ζ̄^k (log ζ)^l, from log ζ (..., 1): (..., n)."""
        parts = []
        for power in self.powers:
            # ζ^μ ↦ p ζ^{μ-a} and, as log ζ ζ^μ = d/dμ ζ^μ, ζ^μ log ζ ↦ (p log ζ + p') ζ^{μ-a} with p = μ … (μ-a+1).
            exponent = power.exponent + power.rounds
            p = 1.0
            slope = 0.0
            for i in range(a):
                slope = slope * (exponent - i) + p
                p = p * (exponent - i)
            scale = math.perm(power.rounds, b) * torch.exp((exponent - a) * log)
            if power.rounds > b:
                scale = scale * torch.exp((power.rounds - b) * log.conj())
            part = p * scale
            if power.log:
                part = (p * log + slope) * scale
            parts.append(power.factor * part)
        return torch.cat(parts, dim=-1)

    def counts_on(self, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
        """Whether (e,) they count on cells: where all of a cell is nearer to the corner than the radius."""
        return within_radius(self.place, self.radius, lower, upper)

    def state(self) -> dict[str, Any]:
        """Everything needed to rebuild it, as tensors and numbers."""
        return {
            "place": self.place,
            "gradient": torch.view_as_real(self.gradient),
            "exponents": list(self.exponents),
            "factors": [[power.factor.real, power.factor.imag] for power in self.powers],
            "logs": [power.log for power in self.powers],
            "rounds": [power.rounds for power in self.powers],
            "radius": self.radius,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> CornerFunctions:
        """Rebuild from `state()`."""
        rounds = state.get("rounds", [0] * len(state["logs"]))  # files of earlier versions have none
        columns = zip(state["exponents"], state["factors"], state["logs"], rounds, strict=True)
        powers = tuple(Power(exponent, complex(*factor), log, k) for exponent, factor, log, k in columns)
        return cls(state["place"], torch.view_as_complex(state["gradient"]), powers, state["radius"])


def within_radius(place: Tensor, radius: float, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Whether (e,) all of the cells with these corners (e, 2) is nearer to a place (2,) than a radius."""
    farthest = np.maximum(np.abs(lower - place.numpy()), np.abs(upper - place.numpy()))
    return np.asarray(np.linalg.norm(farthest, axis=1) <= radius)


def _chain(g: complex, h: complex, index: MultiIndex) -> Iterator[tuple[tuple[int, int], complex]]:
    """Orders (a, b) by ζ and ζ̄, and factors, of (g ∂ + ḡ ∂̄)^i (h ∂ + h̄ ∂̄)^j."""
    i, j = index
    for b in range(i + j + 1):
        factor = 0j
        for m in range(max(0, b - j), min(i, b) + 1):
            n = b - m
            ways = math.comb(i, m) * math.comb(j, n)
            factor += ways * g ** (i - m) * g.conjugate() ** m * h ** (j - n) * h.conjugate() ** n
        yield (i + j - b, b), factor
