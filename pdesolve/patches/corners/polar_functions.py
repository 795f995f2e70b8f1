"""Singular functions of a system about one corner, and their derivatives: r^λ (Φ(θ) log r + Ψ(θ))."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pdesolve.patches.corners.functions import BESIDE, NEAREST, within_radius
from pdesolve.patches.corners.polar import polar_derivative, tables
from pdesolve.patches.corners.systems import Profile
from pdesolve.statement.residual import Slot

# Chebyshev polynomials for e^{imθ} over a whole turn, |m| ≤ 4, beside those of a profile.
TURNING = 20


@dataclass(frozen=True, eq=False)
class PolarFunctions:
    """Unknown i of function j is Re r^{λ_j + τ_i} (Φ_ij(θ) log r + Ψ_ij(θ)), r in units of a size.

    Attributes:
        place: (2,) the corner in grid coordinates.
        angle: direction of the middle of the wedge, where θ = 0.
        size: length in which r is measured.
        radius: up to which distance from the corner θ = ±π does not meet the domain; may be infinite.
        tau: τ of the unknowns.
        powers: λ, n of them.
        profiles: (2, n, u, N) complex Chebyshev coefficients of Ψ and Φ over |θ| ≤ π.
    """

    place: Tensor
    angle: float
    size: float
    radius: float
    tau: tuple[int, ...]
    powers: tuple[complex, ...]
    profiles: Tensor
    memo: dict[Slot, Tensor] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        place: Tensor,
        angle: float,
        size: float,
        radius: float,
        tau: Sequence[int],
        found: Sequence[Profile],
    ) -> PolarFunctions:
        """The functions of profiles."""
        both = np.array([[one.plain for one in found], [one.log for one in found]])
        powers = tuple(one.exponent for one in found)
        return cls(place, angle, size, radius, tuple(tau), powers, torch.from_numpy(both))

    def __len__(self) -> int:
        return len(self.powers)

    @property
    def of_systems(self) -> bool:
        """Whether a function has values of all unknowns, and one coefficient for them."""
        return True

    @property
    def exponents(self) -> tuple[float, ...]:
        """Re λ of the functions."""
        return tuple(power.real for power in self.powers)

    def table(self, y: Tensor, slots: Sequence[Slot], seen: Tensor | None = None) -> Tensor:
        """Derivatives (unknown, β) of all functions at points y (..., 2): (s, ..., n); there is but one sector."""
        del seen
        device = y.device
        # Profiles are few numbers, whose products with the points are made where they lie.
        away = (y.cpu() - self.place) / self.size
        r = away.norm(dim=-1)
        theta = torch.atan2(away[..., 1], away[..., 0]) - self.angle
        theta = torch.remainder(theta + math.pi, 2 * math.pi) - math.pi
        at_corner = r < NEAREST
        log_of_values = torch.where(at_corner, NEAREST, r).log()[..., None]
        log_beside = torch.where(at_corner, BESIDE, r).log()[..., None]
        columns = torch.stack([self._angular(slot) for slot in slots])  # (s, 2, N, n)
        chebyshev = self._chebyshev(theta, columns.shape[2])
        lambdas = torch.tensor(self.powers, dtype=torch.complex128)
        found = []
        for (i, beta), column in zip(slots, columns, strict=True):
            powers = lambdas + (self.tau[i] - sum(beta))
            infinite = powers.real < 0
            log = torch.where(infinite, log_beside, log_of_values)
            parts = chebyshev @ torch.view_as_real(column).movedim(0, 1).flatten(1)
            plain, with_log = torch.view_as_complex(parts.unflatten(-1, (2, len(self), 2))).unbind(-2)
            scale = torch.exp(powers * log) * self.size ** -sum(beta)
            found.append(((plain + log * with_log) * scale).real)
        return torch.stack(found).to(device)

    def _chebyshev(self, theta: Tensor, count: int) -> Tensor:
        """T_k(θ/π), k < count: (..., count)."""
        return torch.cos(torch.arccos((theta / math.pi).clamp(-1, 1))[..., None] * torch.arange(count))

    def _angular(self, slot: Slot) -> Tensor:
        """Coefficients (2, N, n) of the factors of r^{λ+τ-|β|} and r^{λ+τ-|β|} log r in a derivative."""
        if slot not in self.memo:
            i, beta = slot
            n = self.profiles.shape[-1]
            count = n + TURNING
            theta = math.pi * np.cos((np.arange(count) + 0.5) * math.pi / count)
            values = np.array(tables(theta, math.pi, n, sum(beta)))  # (k, points, n)
            own = np.einsum("kpn,ljn->lkpj", values, self.profiles[:, :, i].numpy())
            plain = np.zeros((count, len(self)), dtype=complex)
            log = np.zeros_like(plain)
            lambdas = np.array(self.powers)
            # The derivatives are along the axes: those by θ count from the middle of the wedge.
            for m, c in polar_derivative(beta, self.tau[i]).items():
                turn = np.exp(1j * m * (theta + self.angle))[:, None]
                for j, k in np.argwhere(c):
                    power = c[j, k] * lambdas**j
                    slope = c[j, k] * j * lambdas ** max(j - 1, 0)
                    plain += turn * (power * own[0, k] + slope * own[1, k])
                    log += turn * power * own[1, k]
            inverse = np.linalg.inv(tables(theta, math.pi, count, 0)[0])
            self.memo[slot] = torch.from_numpy(np.array([inverse @ plain, inverse @ log]))
        return self.memo[slot]

    def counts_on(self, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
        """Whether (e,) they count on cells: where all of a cell is nearer to the corner than the radius."""
        return within_radius(self.place, self.radius, lower, upper)

    def state(self) -> dict[str, Any]:
        """Everything needed to rebuild it, as tensors and numbers."""
        return {
            "place": self.place,
            "angle": self.angle,
            "size": self.size,
            "radius": self.radius,
            "tau": list(self.tau),
            "powers": [[power.real, power.imag] for power in self.powers],
            "profiles": torch.view_as_real(self.profiles),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> PolarFunctions:
        """Rebuild from `state()`."""
        return cls(
            state["place"],
            state["angle"],
            state["size"],
            state["radius"],
            tuple(state["tau"]),
            tuple(complex(*power) for power in state["powers"]),
            torch.view_as_complex(state["profiles"]),
        )
