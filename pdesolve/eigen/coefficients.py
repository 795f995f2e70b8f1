"""The coefficients of one equation of second order, and whether it is self-adjoint."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pdesolve.statement.problem import Problem
from pdesolve.statement.residual import ResidualOperator

PROBES = 128  # points at which self-adjointness is examined
STEP = 1e-5  # of the domain, for a derivative of a coefficient: half the digits of a double
SAME = 1e-6  # relative: what differences of that step leave of an identity


@dataclass(frozen=True)
class Coefficients:
    """r = Σ a_ij u_ij + Σ b_i u_i + (c + λ w) u at points.

    Attributes:
        a: (n, d, d) symmetric.
        b: (n, d).
        c, w: (n,).
    """

    a: Tensor
    b: Tensor
    c: Tensor
    w: Tensor


def coefficients_at(equation: ResidualOperator, name: str, x: Tensor) -> Coefficients:
    """Those at points x (n, d), for λ = 0."""
    n, d = x.shape
    zero = torch.zeros(n, len(equation.slots), dtype=torch.float64)
    given = {k: torch.tensor(v, dtype=torch.float64) for k, v in equation.problem.parameters.items()}
    given[name] = torch.tensor(0.0, dtype=torch.float64)
    dF = equation.linearise(x, zero, None, given)[1][:, 0]
    slope = equation.parameter_slope(x, zero, None, given, name)[:, 0]
    a = torch.zeros(n, d, d, dtype=torch.float64)
    b = torch.zeros(n, d, dtype=torch.float64)
    c = torch.zeros(n, dtype=torch.float64)
    w = torch.zeros(n, dtype=torch.float64)
    for s, (_, alpha) in enumerate(equation.slots):
        axes = [axis for axis, count in enumerate(alpha) for _ in range(count)]
        if len(axes) == 2:
            i, j = axes
            share = 0.5 if i != j else 1.0
            a[:, i, j] = share * dF[:, s]
            a[:, j, i] = a[:, i, j]
        elif len(axes) == 1:
            b[:, axes[0]] = dF[:, s]
        else:
            c = dF[:, s]
            w = slope[:, s]
    return Coefficients(a, b, c, w)


def is_symmetric(problem: Problem, equation: ResidualOperator, name: str) -> bool:
    """Whether b_i = Σ_j ∂_j a_ij at points of the domain, and λ stands before u alone, where it does not vanish."""
    x = problem.domain.sample(PROBES, sampler="sobol", seed=3)
    size = float((problem.domain.bounds[1] - problem.domain.bounds[0]).max())
    here = coefficients_at(equation, name, x)
    divergence = torch.zeros_like(here.b)
    for j, axis in enumerate(torch.eye(x.shape[1], dtype=torch.float64)):
        ahead, behind = (
            coefficients_at(equation, name, x + sign * STEP * size * axis).a for sign in (1.0, -1.0)
        )
        divergence += (ahead - behind)[:, :, j] / (2 * STEP * size)
    scale = float(here.a.abs().max()) / size + float(here.b.abs().max())
    if float((here.b - divergence).abs().max()) > SAME * scale:
        return False
    given = {k: torch.tensor(v, dtype=torch.float64) for k, v in problem.parameters.items()}
    zero = torch.zeros(len(x), len(equation.slots), dtype=torch.float64)
    slope = equation.parameter_slope(x, zero, None, given, name)[:, 0]
    others = [s for s, (_, alpha) in enumerate(equation.slots) if any(alpha)]
    return not bool(slope[:, others].any())
