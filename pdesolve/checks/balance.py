"""Do sources and fluxes balance? A pure Neumann problem has a solution only if they do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pdesolve.checks.held import Held
from pdesolve.checks.report import Findings
from pdesolve.checks.terms import Sample, active_slots
from pdesolve.errors import PdesolveError
from pdesolve.statement.problem import Problem

# Of all sources and fluxes: data typed with seven digits balance up to this.
BALANCED = 1e-6
# Orders of two rules, the difference of which is the error of the first. An imbalance must exceed ten times that:
# at a kink of the source both rules are wrong alike.
QUADRATURE = (12, 20)
ERROR_FACTOR = 10
# Coefficients of u_xx and u_yy that differ by more, relatively, make no Laplacian.
SAME_COEFFICIENT = 1e-6
# Step of central differences of coefficients, relative to the domain: near ε^{1/3} = 6e-6, where truncation and
# rounding are alike; what remains of either lies far below the tolerance for the slope.
STEP = 1e-5
SAME_SLOPE = 1e-4


def check_balance(problem: Problem, samples: Sequence[Sample], findings: Findings) -> None:
    """Of -div(k grad u) = f with ∂u/∂n = g all around, ∫ f + ∮ k g must vanish (Fredholm's alternative)."""
    equation = samples[0]
    if not _is_one_steady_equation(problem, equation) or not _has_orders_one_and_two(equation):
        return
    around = _fluxes_all_around(problem, samples[1:])
    if not around:
        return
    try:
        coarse, fine = (_balance(problem, equation, around, order) for order in QUADRATURE)
    except PdesolveError:
        return  # what cannot be evaluated is reported elsewhere
    if coarse is None or fine is None:
        return
    error = abs(fine.excess - coarse.excess)
    if abs(fine.excess) > BALANCED * fine.size + ERROR_FACTOR * error:
        findings.error(
            f"the data of this pure Neumann problem do not balance: the sources inside add up to {fine.inside:.4g}, "
            f"the prescribed fluxes bring in {fine.through:.4g}, and the sum must vanish, so that no solution exists; "
            "correct one of them, or prescribe a value on part of the boundary"
        )


def _is_one_steady_equation(problem: Problem, equation: Sample) -> bool:
    """Whether it is one linear equation for one unknown, without time, and nothing is to be identified."""
    steady = "t" not in problem.coordinates and not problem.periodic_axes
    known = len(problem.unknowns) == 1 and not problem.parameters and not problem.interfaces
    linear = equation.term.kind == "equation" and equation.operator.linear
    return steady and known and linear and equation.operator.components == 1


def _has_orders_one_and_two(equation: Sample) -> bool:
    """Whether the equation is of second order and free of u itself, which would fix the constant."""
    orders = {sum(index) for _, index in active_slots(equation)}
    return bool(orders) and max(orders) == 2 and 0 not in orders


def _fluxes_all_around(problem: Problem, conditions: Sequence[Sample]) -> list[Held]:
    """The fluxes prescribed, if they fill the boundary and nothing but points is prescribed beside; else none."""
    placed = [sample for sample in conditions if sample.term.place is not None]
    fluxes = [sample for sample in placed if sample.term.kind == "neumann"]
    points = [sample for sample in placed if not sample.term.place.pieces_on(problem.domain)]
    if not fluxes or len(fluxes) + len(points) < len(placed):
        return []
    held = [Held(problem, sample.term, sample.points) for sample in fluxes]
    if not all(_covered(held, piece.rule(6)[0]) for piece in problem.domain.pieces):
        return []
    return held


def _covered(held: Sequence[Held], x: Tensor) -> bool:
    return bool(torch.stack([one.holds_at(x) for one in held]).any(dim=0).all())


class Balance(NamedTuple):
    """∫ f inside, ∮ k g through the boundary, and the sum of the integrals of their absolute values."""

    inside: float
    through: float
    size: float

    @property
    def excess(self) -> float:
        """What would have to vanish."""
        return self.inside + self.through


def _balance(problem: Problem, equation: Sample, held: Sequence[Held], order: int) -> Balance | None:
    """The balance by rules of an order; None if the operator is no div(k grad u)."""
    x, w = problem.domain.rule(order)
    source = _source(problem, equation, x)
    if source is None:
        return None
    through = 0.0
    size = float(w @ source.abs())
    for one in held:
        for piece in one.pieces:
            y, _, v = piece.rule(order)
            k, _ = _coefficients(problem, equation, y)
            flux = k[:, 0] * one.value(y)
            through += float(v @ flux)
            size += float(v @ flux.abs())
    return Balance(float(w @ source), through, size)


def _coefficients(problem: Problem, equation: Sample, x: Tensor) -> tuple[Tensor, Tensor]:
    """Coefficients (n, 1 + d) of -Δu and of -u_x, -u_y, …, and what does not depend on u, with its sign turned.

    Not a number where the second derivatives do not make a Laplacian.
    """
    jets = torch.zeros(len(x), len(equation.operator.slots), dtype=x.dtype)
    r, dF = equation.operator.linearise(x, jets, None, equation.parameters)
    d = problem.domain.dimension
    found = torch.zeros(len(x), 1 + d, dtype=x.dtype)
    second = torch.zeros(len(x), d, dtype=x.dtype)
    for column, (_, index) in enumerate(equation.operator.slots):
        values = dF[:, 0, column]
        if sum(index) == 1:
            found[:, 1 + index.index(1)] = -values
        elif max(index) == 2:
            second[:, index.index(2)] = -values
        elif bool((values != 0).any()):  # u_xy
            found[:, 0] = torch.nan
    scale = second.abs().amax().clamp_min(torch.finfo(x.dtype).tiny)
    if bool(((second - second[:, :1]).abs() <= SAME_COEFFICIENT * scale).all()):
        found[:, 0] += second[:, 0]
    else:
        found[:, 0] = torch.nan
    return found, -r[:, 0]


def _source(problem: Problem, equation: Sample, x: Tensor) -> Tensor | None:
    """The source f (n,) of -div(k grad u) = f; None where the equation is of no such form.

    -div(k grad u) = -k Δu - grad k · grad u: the first-order coefficients must be the gradient of the second's.
    """
    found, source = _coefficients(problem, equation, x)
    k = found[:, 0]
    if not k.isfinite().all() or not source.isfinite().all():
        return None
    lower, upper = problem.domain.bounds
    h = STEP * float((upper - lower).min())
    extent = float((upper - lower).max())
    for i, step in enumerate(h * torch.eye(problem.domain.dimension, dtype=x.dtype)):
        ahead, _ = _coefficients(problem, equation, x + step)
        behind, _ = _coefficients(problem, equation, x - step)
        slope = (ahead - behind)[:, 0] / (2 * h)
        wrong = (found[:, 1 + i] - slope).abs() * extent > SAME_SLOPE * k.abs().amax()
        if not slope.isfinite().all() or bool(wrong.any()):
            return None
    return source
