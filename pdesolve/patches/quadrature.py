"""Gauss rules on patches, whose points are others than those of collocation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from pdesolve.geometry import Domain
from pdesolve.patches.cover import Frame, Patches, interior_points
from pdesolve.patches.partition import Partition
from pdesolve.quadrature import chebyshev_extrema
from pdesolve.statement.problem import Problem
from pdesolve.statement.subdomains import subdomains_of

# Of a rule on the boundary: points along each piece, at which a largest value may be.
ON_BOUNDARY = 40


class OnPatches(Protocol):
    """Cells, the frame they lie in, and what interfaces divide the domain into."""

    @property
    def partition(self) -> Partition:
        """The cells."""

    @property
    def rotation(self) -> Tensor:
        """(d, d) orthogonal."""

    @property
    def subdomains(self) -> Sequence[Domain]:
        """More than one where interfaces divide the domain."""


def cover_on(domain: Domain, problem: Problem, cells: OnPatches) -> Patches:
    """The patches over a domain; cells of different sub-domains may lie in one place.

    Args:
        domain: that of the problem, a slab of it, or that in space.
        problem: states the interfaces.
        cells: of an expansion.
    """
    subdomains: tuple[Domain, ...] = ()
    if len(cells.subdomains) > 1:
        subdomains = subdomains_of(problem)
    # A domain without time needs its sub-domains without time, too.
    if domain.dimension == problem.domain.space_dimension:
        subdomains = tuple(part.in_space for part in subdomains)
    frame = Frame.of(domain, subdomains, rotation=cells.rotation.cpu())
    return Patches.over(frame, cells.partition)[0]


def patch_rule(patches: Patches, q: np.ndarray) -> tuple[Tensor, Tensor]:
    """Points (n, d) and weights (n,) of Gauss rules on patches of degrees q (e,)."""
    points = []
    weights = []
    # One point more than the degree asks for: the nodes of collocation, where the residual is small, are others.
    for batch in interior_points(patches, q, lambda q: q + 1, batch=4096):
        volume = torch.from_numpy(patches.half).prod(1)[torch.from_numpy(batch.cells)]
        # Rows are weighted by square roots, as least squares squares them.
        w = batch.weight**2 * volume[:, None]
        keep = w > 0
        points.append(batch.y[keep] @ patches.frame.rotation.T)
        weights.append(w[keep])
    return torch.cat(points), torch.cat(weights)


def closed_points(patches: Patches, q: np.ndarray) -> Tensor:
    """Points (n, d) of patches of degrees q (e,) with their faces and corners, denser toward these, as maxima are.

    Chebyshev's extrema on each patch, two more along an axis than the degree; those within the closed domain.
    """
    found = []
    domain = patches.frame.domain
    for degree in np.unique(q):
        cells = np.flatnonzero(q == degree)
        axis = chebyshev_extrema(int(degree) + 2)
        t = torch.cartesian_prod(*[axis] * patches.dimension).reshape(-1, patches.dimension)
        centre = torch.from_numpy(patches.centre[cells])[:, None]
        half = torch.from_numpy(patches.half[cells])[:, None]
        x = (centre + half * t).flatten(0, 1) @ patches.frame.rotation.T
        found.append(x[domain.contains(x, domain.rounding)])
    if patches.cut.any():  # where nothing of a patch lies on the boundary
        found.append(domain.boundary.rule(domain, ON_BOUNDARY).points)
    return torch.cat(found)
