"""Where the Gaussians of a trained mixture start: the kind, places and widths that fit the linearised rows best.

Whether a solution wants more components along one axis, isotropic or stretched ones, narrow or wide, is
unknown beforehand, and a fit of the coefficients alone answers it in milliseconds per candidate. The choice
looks at the rows only. Wide Gaussians start best: they span nearly polynomials, and training narrows them where
it helps, whereas narrow ones see nothing of each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from pdesolve.approximators import GaussianMixture
from pdesolve.least_squares.dense.stopping import half_square
from pdesolve.statement.problem import Problem
from pdesolve.trained.mixture import SeparableMixture
from pdesolve.trained.rows import Group, affine_function
from pdesolve.trained.sampling import GRID_DIMENSIONS, Sampling, Statement, start_parameters

# Centres reach this part of an axis beyond the domain, where Gaussians still help
MARGIN = 0.15
# In spacings of as many centres on a grid
WIDTHS = (1.0, 1.5, 2.0, 3.0, 4.5)
# In lengths of the domain: one projection crosses all of it
RIDGE_WIDTHS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
# Components along one axis relative to another
RATIOS = (1, 2, 4)
# Of a fit of coefficients; fewer could be met between the points
ROWS_PER_UNKNOWN = 3.0


def best_start(
    statement: Statement,
    size: int,
    ridge: float,
    seed: int,
    start: str | None = None,
    value_weight: float = 1.0,
    out_of_time: Callable[[], bool] = lambda: False,
) -> GaussianMixture:
    """The candidate with about `size` parameters whose coefficients fit the rows best.

    Args:
        statement: the compiled problem; a nonlinear one is linearised about the function zero.
        size: number of parameters.
        ridge: of the fit, see `SeparableProblem`.
        seed: of points and of random places.
        start: "grid" or "random"; None: a grid in up to three dimensions.
        value_weight: see `Sampling`.
        out_of_time: asked after every candidate; the best so far is then taken.
    """
    problem = statement.problem
    if problem.domain.dimension <= GRID_DIMENSIONS:
        sampler = "gauss"
    else:
        sampler = "sobol"
    # Components, of the smallest kind
    most = size / (problem.domain.dimension + 2)
    sampling = Sampling(max(60, round(ROWS_PER_UNKNOWN * most)), sampler=sampler, value_weight=value_weight)
    groups = statement.sample(sampling, seed)
    parameters = start_parameters(problem, statement.dtype, statement.device)
    linear = [_linearised(group, parameters) for group in groups]
    best: GaussianMixture | None = None
    smallest = math.inf
    for mixture in _candidates(problem, size, seed, start):
        mixture = mixture.to(groups[0].points)
        separable = SeparableMixture(mixture, linear, statement.sizes)
        loss = half_square(separable.problem(ridge).residual(separable.alpha))
        if best is None or loss < smallest:
            best = mixture
            smallest = loss
        if out_of_time():
            break
    assert best is not None  # there is always a candidate
    return best


def _linearised(group: Group, parameters: dict[str, Tensor]) -> Group:
    """The rows around the function zero."""
    if group.linear:
        return group
    jets = group.points.new_zeros(len(group.points), len(group.slots))
    F, dF, _ = group.function(jets, parameters)
    return replace(group, function=affine_function(dF, F), linear=True)


def _candidates(problem: Problem, size: int, seed: int, start: str | None) -> Iterator[GaussianMixture]:
    d = problem.domain.dimension
    if start == "random" or d > GRID_DIMENSIONS:
        yield from _random(problem, size, seed)
    else:
        yield from _on_grids(problem, size)


def _on_grids(problem: Problem, size: int) -> Iterator[GaussianMixture]:
    domain = problem.domain
    d = problem.domain.dimension
    u = len(problem.unknowns)
    lower, upper = (corner.tolist() for corner in domain.bounds)
    for kind, components in _kinds(d, u, size, ("isotropic", "diagonal")):
        for counts in _grids(components, d):
            for width in WIDTHS:
                yield _inside(domain, GaussianMixture.on_grid(lower, upper, counts, width, MARGIN, u, kind))


def _random(problem: Problem, size: int, seed: int) -> Iterator[GaussianMixture]:
    """Random places, and random directions where there are more of them than a few: kinds and widths."""
    d = problem.domain.dimension
    u = len(problem.unknowns)
    lower, upper = problem.domain.bounds
    reach = MARGIN * (upper - lower)
    box = {"lower": (lower - reach).tolist(), "upper": (upper + reach).tolist()}
    # In five dimensions isotropic ones may fit better at the start, but a ridge can turn to what it is to resolve.
    names: tuple[str, ...] = ("isotropic", "diagonal")
    if d > GRID_DIMENSIONS:
        names = ("ridge",)
    for kind, components in _kinds(d, u, size, names):
        # The width factor of one length of the domain
        one = components ** (1 / d) / (1 + 2 * MARGIN)
        widths: Iterable[float] = WIDTHS
        if kind == "ridge":
            widths = [one * width for width in RIDGE_WIDTHS]
        for width in widths:
            yield GaussianMixture(d, u, components, kind, width_factor=width, seed=seed, **box)


def _kinds(d: int, u: int, size: int, names: Sequence[str]) -> list[tuple[str, int]]:
    """The kinds, each with the number of components that has about `size` parameters."""
    shape = {"isotropic": d + 1, "ridge": d + 1, "diagonal": 2 * d}
    return [(name, max(1, size // (shape[name] + u))) for name in names if name != "diagonal" or d > 1]


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
