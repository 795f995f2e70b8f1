"""Quadrature for errors and norms, independent of the collocation points of any method."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from pdesolve.geometry import Domain, TimeInterval
from pdesolve.marching.expansion import CollocatedMixture, MarchedMixture
from pdesolve.marching.ordinary.polynomials import TimePolynomials
from pdesolve.patches.cover import Frame, Patches, interior_points
from pdesolve.patches.mixture import PartitionedMixture
from pdesolve.quadrature import gauss_legendre
from pdesolve.statement.problem import Problem
from pdesolve.statement.subdomains import subdomains_of

ORDER = {1: 400, 2: 100, 3: 36}
MOST_TIMES = 12  # Gauss points in a slab: the polynomial in time has at most degree 13
MOST_POINTS = 1_500_000  # of all slabs together


def error_rule(problem: Problem, approximator: Any) -> tuple[Tensor, Tensor]:
    """Points (n, d) and weights (n,) of a rule that resolves a solution.

    For a partitioned mixture, Gauss rules on its patches with one point more per axis than the order
    (collocation uses other nodes), so that layers are seen where patches are small. Otherwise the rule of the
    domain.
    """
    if isinstance(approximator, TimePolynomials):
        return approximator.quadrature()
    if isinstance(approximator, CollocatedMixture):
        return _march_rule(problem, approximator)
    if isinstance(approximator, MarchedMixture):
        borders = approximator.times.tolist()
        space = problem.domain.space
        domains = [space * TimeInterval(a, b) for a, b in pairwise(borders)]
        parts = [
            _patch_rule(_patches(problem, d, m), m) for d, m in zip(domains, approximator.slabs, strict=True)
        ]
        return _joined(parts)
    if isinstance(approximator, PartitionedMixture):
        return _patch_rule(_patches(problem, problem.domain, approximator), approximator)
    rule = problem.domain.rule(ORDER.get(problem.domain.dimension, 12))
    return rule.points, rule.weights


def integral_rule(problem: Problem, approximator: Any) -> tuple[Tensor, Tensor]:
    """Points (n, d) and weights (n,) of a rule that integrates to many digits.

    As `error_rule`, but of the domain where its boundary cuts patches: there, points of a rule on the whole cell that
    happen to lie inside measure an error, but no integral.
    """
    if isinstance(approximator, TimePolynomials):
        return approximator.quadrature()
    slab = approximator
    domain = problem.domain
    if isinstance(approximator, (MarchedMixture, CollocatedMixture)):
        slab = approximator.slabs[0]
    if isinstance(approximator, CollocatedMixture):
        domain = problem.domain.space
    if isinstance(slab, PartitionedMixture) and not _patches(problem, domain, slab).cut.any():
        return error_rule(problem, approximator)
    rules = [part.rule(ORDER.get(part.dimension, 12)) for part in subdomains_of(problem) or (problem.domain,)]
    return torch.cat([rule.points for rule in rules]), torch.cat([rule.weights for rule in rules])


def _patches(problem: Problem, domain: Domain, approximator: PartitionedMixture) -> Patches:
    """The patches on a domain; cells of different sub-domains may lie in one place."""
    subdomains = subdomains_of(problem) if len(approximator.subdomains) > 1 else ()
    if domain.dimension == problem.domain.space_dimension:
        subdomains = tuple(part.in_space for part in subdomains)
    frame = Frame.of(domain, subdomains, rotation=approximator.rotation.cpu())
    return Patches.over(frame, approximator.partition)[0]


def _march_rule(problem: Problem, march: CollocatedMixture) -> tuple[Tensor, Tensor]:
    """Patches in space times Gauss in every slab, with fewer times where there are very many points."""
    space = problem.domain.space
    rules = {id(m.partition): _patch_rule(_patches(problem, space, m), m) for m in march.slabs}
    total = sum(len(rules[id(m.partition)][0]) for m in march.slabs)
    parts = []
    for (a, b), mixture in zip(pairwise(march.times.tolist()), march.slabs, strict=True):
        x, w = rules[id(mixture.partition)]
        t, v = gauss_legendre(max(2, min(MOST_TIMES, MOST_POINTS // total)), a, b)
        points = torch.cat([x.repeat_interleave(len(t), 0), t.repeat(len(x))[:, None]], 1)
        parts.append((points, (w[:, None] * v).reshape(-1)))
    return _joined(parts)


def _joined(parts: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Points and weights of several rules as one."""
    return torch.cat([points for points, _ in parts]), torch.cat([weights for _, weights in parts])


def _patch_rule(patches: Patches, approximator: PartitionedMixture) -> tuple[Tensor, Tensor]:
    points = []
    weights = []
    # One point more than the degree asks for: the nodes of collocation, where the residual is small, are others.
    for batch in interior_points(patches, approximator.q, lambda q: q + 1, batch=4096):
        volume = torch.from_numpy(patches.half).prod(1)[torch.from_numpy(batch.cells)]
        # Rows are weighted by square roots, as least squares squares them.
        w = batch.weight**2 * volume[:, None]
        keep = w > 0
        points.append(batch.y[keep] @ patches.frame.rotation.T)
        weights.append(w[keep])
    return torch.cat(points), torch.cat(weights)


def relative_l2(difference: Tensor, reference: Tensor, weights: Tensor) -> list[float]:
    """‖difference‖/‖reference‖ per unknown, both (n, u); the absolute norm where the reference vanishes."""
    error = (difference**2 * weights[:, None]).sum(0).sqrt()
    size = (reference**2 * weights[:, None]).sum(0).sqrt()
    return torch.where(size > 0, error / size, error).tolist()
