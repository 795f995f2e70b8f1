"""Where the Gaussians of a trained mixture start: the grid and widths that fit the linearised rows best.

Whether a solution wants more components along one axis, isotropic or stretched ones, narrow or wide, is
unknown beforehand, and a fit of the coefficients alone answers it in milliseconds per candidate. The choice
looks at the rows only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from pdesolve.approximators import GaussianMixture
from pdesolve.least_squares.stopping import half_square
from pdesolve.methods_trained.mixture import SeparableMixture
from pdesolve.methods_trained.rows import Group, affine_function
from pdesolve.methods_trained.sampling import GRID_DIMENSIONS, start_parameters
from pdesolve.problem import Problem

MARGIN = 0.15  # the grid reaches this part of an axis beyond the domain, where Gaussians still help
WIDTHS = (1.0, 1.5, 2.0, 3.0)  # in grid spacings
RATIOS = (1, 2, 4)  # components along one axis relative to another


def best_start(
    problem: Problem, groups: Sequence[Group], sizes: Tensor, size: int, ridge: float, seed: int
) -> GaussianMixture:
    """The candidate with about `size` parameters whose coefficients fit the rows best."""
    dtype, device = groups[0].points.dtype, groups[0].points.device
    parameters = start_parameters(problem, dtype, device)
    linear = [_linearised(group, parameters) for group in groups]
    best: GaussianMixture | None = None
    smallest = math.inf
    for mixture in _candidates(problem, size, seed):
        mixture = mixture.to(groups[0].points)
        separable = SeparableMixture(mixture, linear, sizes)
        loss = half_square(separable.problem(ridge).residual(separable.alpha))
        if best is None or loss < smallest:
            best, smallest = mixture, loss
    assert best is not None  # there is always a candidate
    return best


def _linearised(group: Group, parameters: dict[str, Tensor]) -> Group:
    """The rows around the function zero."""
    if group.linear:
        return group
    jets = group.points.new_zeros(len(group.points), len(group.slots))
    F, dF, _ = group.function(jets, parameters)
    return replace(group, function=affine_function(dF, F), linear=True)


def _candidates(problem: Problem, size: int, seed: int) -> Iterator[GaussianMixture]:
    domain, d, u = problem.domain, problem.domain.dimension, len(problem.unknowns)
    lower, upper = (corner.tolist() for corner in domain.bounds)
    for kind, shape in (("isotropic", d + 1), ("diagonal", 2 * d)):
        if kind == "diagonal" and d == 1:
            continue
        components = max(1, size // (shape + u))
        if d > GRID_DIMENSIONS:
            for width in WIDTHS:
                yield GaussianMixture(
                    d, u, components, kind, lower=lower, upper=upper, width_factor=width, seed=seed
                )
            continue
        for counts in _grids(components, d):
            for width in WIDTHS:
                yield _inside(domain, GaussianMixture.on_grid(lower, upper, counts, width, MARGIN, u, kind))


def _grids(components: int, d: int) -> list[tuple[int, ...]]:
    """Component counts per axis with product at most `components`, one per set of ratios."""
    found = []
    for choice in range(len(RATIOS) ** d):
        ratios = [RATIOS[choice // len(RATIOS) ** i % len(RATIOS)] for i in range(d)]
        if min(ratios) > 1:
            continue
        base = (components / math.prod(ratios)) ** (1 / d)
        counts = [max(1, int(base * ratio + 1e-9)) for ratio in ratios]
        for i in range(d):
            while math.prod(counts) // counts[i] * (counts[i] + 1) <= components:
                counts[i] += 1
        if math.prod(counts) <= components:
            found.append(tuple(counts))
    return sorted(set(found))


def _inside(domain, mixture: GaussianMixture) -> GaussianMixture:
    """Move centres far outside a domain that does not fill its box to random places inside."""
    centres = mixture.centres.detach()
    reach = MARGIN * float((domain.bounds[1] - domain.bounds[0]).max()) * math.sqrt(domain.dimension)
    outside = domain.level(centres) > reach
    if not bool(outside.any()):
        return mixture
    with torch.no_grad():
        moved = domain.sample(int(outside.sum()), sampler="sobol", seed=5)
        mixture.centres[outside] = moved.to(centres)
    return mixture
