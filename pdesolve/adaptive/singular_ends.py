"""Ends of a line at which an equation is singular: how its solutions go there, and which conditions they can meet.

With ξ the distance from the end, Σ_k A_k u^{(k)} has solutions like ξ^r, where Σ_k P_k r (r - 1) … (r - k + 1) = 0 and
P_k is the limit of ξ^{n-k} A_k / A_n (Fuchs). At a regular end r = 0, 1, …, n - 1. A condition on u^{(m)} is met by no
ξ^r with r < m that is no power of a polynomial: where there are such, conditions may ask for too much. A discrete
solution meets them all the same, by a jump within the last patch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pdesolve.patches.newton import Discrete
from pdesolve.patches.rows.terms import TermRows

DISTANCES = (1e-6, 1e-7)  # of the line: where the coefficients are compared with their limits
SETTLED = 1e-2  # relative difference of what should be one limit
REGULAR = 1e-3  # of all P_k below the highest; regular coefficients of size one leave 1e-6
INTEGER = 1e-2  # roots nearer to one are one
BESIDE = 1e-4  # of the line, from an end: what an exponent of 1/2 changes within it is a hundredth
JUMPS = 0.1  # of the size of a derivative, which changes by more within that
STEEP = 0.25  # exponent of what changes by a tenth there
GRID = 257  # points at which this size is measured


@dataclass(frozen=True, eq=False)
class SingularEnd:
    """An end at which an equation is singular.

    Attributes:
        place: its coordinate.
        inward: 1 at the lower end, -1 at the upper.
        roots: (n,) exponents r of its solutions ξ^r.
    """

    place: float
    inward: float
    roots: np.ndarray

    @property
    def exponents(self) -> str:
        """The exponents in words."""
        return ", ".join(
            f"{r.real:.3g}" if abs(r.imag) < INTEGER else f"{r:.3g}" for r in np.sort(self.roots)
        )

    def excludes(self, order: int) -> bool:
        """Whether a derivative of this order has no limit in one of the solutions, and changes slowly in the others."""
        above = self.roots.real - order
        if ((above > INTEGER) & (above < STEEP)).any():
            return False  # what such a solution does beside the end is as good as a jump
        seen: set[int] = set()
        for root in self.roots:
            power = round(root.real)
            if abs(root - power) > INTEGER:
                if root.real < order - INTEGER:
                    return True
            elif power < 0 or (power in seen and power <= order):
                return True  # a double root brings a logarithm with it
            seen.add(power if abs(root - power) <= INTEGER else -1)
        return False


def singular_ends(discrete: Discrete) -> list[SingularEnd]:
    """Ends of a line at which a single equation, linearised about a solution, is singular."""
    statement = discrete.assembly.statement
    if discrete.assembly.dimension != 1 or discrete.assembly.unknowns != 1 or statement.fields:
        return []
    lower, upper = statement.problem.domain.bounds[:, 0].tolist()
    found = []
    for place, inward in ((lower, 1.0), (upper, -1.0)):
        limits = [_scaled(discrete, place, inward, part * (upper - lower)) for part in DISTANCES]
        if not all(np.isfinite(p).all() for p in limits):
            continue
        near, nearer = limits
        settled = (np.abs(near - nearer) <= SETTLED * (1 + np.abs(nearer))).all()
        if settled and np.abs(nearer[:-1]).max(initial=0.0) > REGULAR:
            found.append(SingularEnd(place, inward, _roots(nearer)))
    return found


def met_by_a_jump(discrete: Discrete) -> str | None:
    """Why a condition at a singular end is met by a jump alone, in a sentence; None where none is."""
    for end in singular_ends(discrete):
        for name, order in _conditions_at(discrete, end):
            if end.excludes(order) and _jumps(discrete, end, order):
                return (
                    f"{name} is met by a jump at {end.place:.6g} only: the equation is singular there, its solutions "
                    f"go like ξ^r with r = {end.exponents} at the distance ξ, and those that can meet the condition "
                    "do not meet the others; leave it out, or state what the equation takes there, such as a flux"
                )
    return None


def _scaled(discrete: Discrete, place: float, inward: float, distance: float) -> np.ndarray:
    """ξ^{n-k} A_k / A_n (n + 1,) at a distance ξ from an end."""
    term = discrete.assembly.statement.terms[0]
    x = torch.tensor([[place + inward * distance]], dtype=torch.float64)
    orders = [beta[0] for _, beta in term.slots]
    jets = _derivatives(discrete, x, orders)
    parameters = {
        k: torch.tensor(v, dtype=torch.float64) for k, v in term.operator.problem.parameters.items()
    }
    _, sensitivity = term.operator.linearise(x, jets, None, parameters)
    if sensitivity.shape[1] != 1:
        return np.array([np.nan])
    n = max(orders)
    found = np.zeros(n + 1)
    for order, value in zip(orders, sensitivity[0, 0].tolist(), strict=True):
        found[order] = value * inward**order * distance ** (n - order)
    with np.errstate(divide="ignore", invalid="ignore"):
        return found / found[n]


def _roots(limits: np.ndarray) -> np.ndarray:
    """Roots (n,) of Σ_k P_k r (r - 1) … (r - k + 1)."""
    total = np.polynomial.Polynomial([0.0])
    factor = np.polynomial.Polynomial([1.0])
    for k, value in enumerate(limits):
        total = total + value * factor
        factor = factor * np.polynomial.Polynomial([-float(k), 1.0])
    return np.asarray(total.roots(), dtype=complex)


def _conditions_at(discrete: Discrete, end: SingularEnd) -> list[tuple[str, int]]:
    """Names of the conditions at an end, and the highest derivative that has a coefficient there."""
    rows = discrete.assembly.source(TermRows)
    found = []
    for term, points in rows.points:
        if term.operator.term.place is None or float((points.y - end.place).abs().min()) > 0:
            continue
        jets = rows.at.jets(term, points, rows.at.table(term, points), discrete.coefficients)
        _, sensitivity = rows.at.linearise(term, points, jets)
        strength = sensitivity.abs().amax((0, 1, 2))
        orders = [beta[0] for (_, beta), s in zip(term.slots, strength.tolist(), strict=True) if s > 0]
        if orders:
            found.append((term.operator.term.name, max(orders)))
    return found


def _jumps(discrete: Discrete, end: SingularEnd, order: int) -> bool:
    lower, upper = discrete.assembly.statement.problem.domain.bounds[:, 0].tolist()
    inside = torch.linspace(lower, upper, GRID, dtype=torch.float64)[1:-1]
    beside = torch.tensor([end.place, end.place + end.inward * BESIDE * (upper - lower)], dtype=torch.float64)
    values = _derivatives(discrete, torch.cat([beside, inside])[:, None], [order])[:, 0]
    return float((values[0] - values[1]).abs()) > JUMPS * float(values[1:].abs().max())


def _derivatives(discrete: Discrete, x: Tensor, orders: list[int]) -> Tensor:
    """Derivatives (n, s) of a solution of one unknown at x (n, 1)."""
    x = x.to(discrete.assembly.device)
    return discrete.mixture.jet(x, tuple((order,) for order in orders))[:, 0].cpu()
