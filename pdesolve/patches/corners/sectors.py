"""Corners of interfaces: exponents of sectors that conduct differently, and their singular functions.

Around a point where straight interfaces meet, sector j has the conductivity k_j, and u = Re C_j ζ^λ in it, ζ measured
from the middle of the sector. From one ray to the next, over an angle w, the state (u, k u_θ/λ) is turned by

    ( cos λw     sin λw / k )
    (-k sin λw   cos λw     ),

and comes back to itself after all sectors: λ is an exponent where the product M of all turns has the eigenvalue 1. As
det M = 1, that is where tr M = 2.

Source: Kellogg, Applicable Analysis 4 (1975) 101; Nicaise, Polygonal Interface Problems (1993).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.optimize import brentq, minimize_scalar
from torch import Tensor

from pdesolve.patches.corners.functions import NEAREST, within_radius
from pdesolve.patches.corners.wedge import INTEGER
from pdesolve.statement.residual import Slot

STEP = 1e-3  # of exponents, in which roots are looked for: two that are closer come out as one of the two
ROOT = (
    1e-9  # of tr M - 2 where it touches zero without a change of sign, as for two functions of one exponent
)
FREE = 1e-6  # singular value of M - 1, relative to its largest entry, that is zero
LEAST = 1e-3  # a smaller exponent is that of a constant


def turn(exponent: float, width: float, k: float) -> np.ndarray:
    """The state (u, k u_θ/λ) at the end of a sector, from that at its begin: (2, 2)."""
    c = math.cos(exponent * width)
    s = math.sin(exponent * width)
    return np.array([[c, s / k], [-k * s, c]])


def around(exponent: float, widths: Sequence[float], k: Sequence[float]) -> np.ndarray:
    """M (2, 2): once around all sectors."""
    found = np.eye(2)
    for width, one in zip(widths, k, strict=True):
        found = turn(exponent, width, one) @ found
    return found


def exponents_of_sectors(widths: Sequence[float], k: Sequence[float], most: float) -> list[float]:
    """All λ in (0, most] at which a state comes back to itself, in rising order."""

    def excess(exponent: float) -> float:
        return float(np.trace(around(exponent, widths, k))) - 2

    grid = np.arange(LEAST, most + STEP, STEP)
    values = np.array([excess(x) for x in grid])
    found = [
        brentq(excess, grid[i], grid[i + 1], xtol=1e-14) for i in np.flatnonzero(values[1:] * values[:-1] < 0)
    ]
    # A double root is a maximum, or a minimum, at zero.
    size = np.abs(values[1:-1])
    for i in 1 + np.flatnonzero((size <= np.abs(values[:-2])) & (size <= np.abs(values[2:]))):
        near = minimize_scalar(
            lambda x: abs(excess(x)), (grid[i - 1], grid[i], grid[i + 1]), options={"xtol": 1e-12}
        )
        if abs(near.fun) < ROOT and all(abs(near.x - x) > STEP for x in found):
            found.append(float(near.x))
    return sorted(x for x in found if x <= most)


def states(exponent: float, widths: Sequence[float], k: Sequence[float]) -> list[np.ndarray]:
    """The states (2,) on the first ray that come back to themselves: one, or two of one exponent."""
    M = around(exponent, widths, k) - np.eye(2)
    _, values, right = np.linalg.svd(M)
    small = values <= FREE * max(1.0, *k) / min(1.0, *k)
    # One of them comes back for certain, however rounding has it.
    small[-1] = True
    return [right[i] for i in np.flatnonzero(small)]


@dataclass(frozen=True, eq=False)
class SectorFunctions:
    """Re C_j ζ_j^λ in sector j about a point, with ζ_j = g·(y - y₀) e^{-i m_j}.

    Attributes:
        place: (2,) the point y₀ in grid coordinates.
        rays: (J + 1,) angles at which sectors begin, in rising order, and the first one after a turn.
        exponents: λ of the functions, n of them.
        factors: (J, n) complex, C.
        size: length in which distances are measured.
        radius: up to which distance from the point the interfaces are the rays.
    """

    place: Tensor
    rays: Tensor
    exponents: tuple[float, ...]
    factors: Tensor
    size: float
    radius: float

    def __len__(self) -> int:
        return len(self.exponents)

    def table(self, y: Tensor, slots: Sequence[Slot], seen: Tensor | None = None) -> Tensor:
        """Derivatives (unknown, β) of all functions at points y (..., 2): (s, ..., n).

        Args:
            y: the points.
            slots: the derivatives.
            seen: points (..., 2) that tell the sector, where those on a ray belong to either of two.
        """
        sector = self._sector(y if seen is None else seen)
        middle = ((self.rays[1:] + self.rays[:-1]) / 2)[sector][..., None]
        away = y - self.place
        zeta = torch.complex(away[..., 0], away[..., 1])[..., None] / self.size * torch.exp(-1j * middle)
        zeta = torch.where(zeta.abs() < NEAREST, torch.full_like(zeta, NEAREST), zeta)
        exponents = torch.tensor(self.exponents, dtype=torch.float64)
        found = []
        for _, index in slots:
            order = sum(index)
            falling = torch.ones_like(exponents)
            for i in range(order):
                falling = falling * (exponents - i)
            chain = (1j ** index[1]) * torch.exp(-1j * order * middle) / self.size**order
            powers = torch.exp((exponents - order) * zeta.log())
            found.append((self.factors[sector] * falling * chain * powers).real)
        return torch.stack(found)

    def _sector(self, y: Tensor) -> Tensor:
        """Numbers (...) of the sectors that points are in."""
        away = y - self.place
        angle = torch.atan2(away[..., 1], away[..., 0])
        since = torch.remainder(angle - self.rays[0], 2 * math.pi)
        return torch.searchsorted(self.rays[1:-1] - self.rays[0], since.contiguous(), right=True)

    def counts_on(self, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
        """Whether (e,) they count on cells: where all of a cell is nearer to the corner than the radius."""
        return within_radius(self.place, self.radius, lower, upper)

    def state(self) -> dict[str, Any]:
        """Everything needed to rebuild it, as tensors and numbers."""
        return {
            "place": self.place,
            "rays": self.rays,
            "exponents": list(self.exponents),
            "factors": torch.view_as_real(self.factors),
            "size": self.size,
            "radius": self.radius,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> SectorFunctions:
        """Rebuild from `state()`."""
        factors = torch.view_as_complex(state["factors"])
        exponents = tuple(state["exponents"])
        return cls(state["place"], state["rays"], exponents, factors, state["size"], state["radius"])


def sector_functions(
    place: Tensor, rays: Sequence[float], k: Sequence[float], size: float, radius: float, most: float
) -> SectorFunctions | None:
    """The functions about a point with exponents up to `most` that patches do not hold; None if there are none.

    Args:
        place: (2,) in grid coordinates.
        rays: angles at which sectors begin, in rising order.
        k: conductivity of the sector that begins at each.
        size: length in which distances are measured.
        radius: up to which distance the interfaces are straight.
        most: of exponents.
    """
    ends = [*rays, rays[0] + 2 * math.pi]
    widths = np.diff(ends).tolist()
    exponents = []
    columns = []
    for exponent in exponents_of_sectors(widths, k, most):
        # Pieces of polynomials are what patches on either side hold.
        if abs(exponent - round(exponent)) <= INTEGER:
            continue
        for start in states(exponent, widths, k):
            exponents.append(exponent)
            columns.append(_factors(start, exponent, widths, k))
    if not exponents:
        return None
    factors = torch.from_numpy(np.array(columns).T.copy())
    angles = torch.tensor(ends, dtype=torch.float64)
    return SectorFunctions(place, angles, tuple(exponents), factors, size, radius)


def _factors(
    start: np.ndarray, exponent: float, widths: Sequence[float], k: Sequence[float]
) -> list[complex]:
    """C of every sector, from a state on the first ray."""
    found = []
    state = start
    for width, one in zip(widths, k, strict=True):
        # u = a cos λφ + b sin λφ from the middle, where the state is (a, k b); Re C e^{iλφ} has C = a - i b.
        middle = turn(exponent, width / 2, one) @ state
        found.append(complex(middle[0], -middle[1] / one))
        state = turn(exponent, width, one) @ state
    return found
