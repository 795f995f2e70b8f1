"""Where a quantity is taken: a part of the boundary, a sub-domain or the domain, at a time or at all times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from pdesolve.errors import UsageError
from pdesolve.geometry import Domain
from pdesolve.geometry.piece import Piece
from pdesolve.solution.aligned import aligned_rule, panels
from pdesolve.solution.measures import integral_rule
from pdesolve.solution.patch_numbers import patch_numbers
from pdesolve.statement.subdomains import subdomains_of

# Points on each axis of each panel by the dimension of what is integrated over: each twice as many as the one before
# (one and a half times in space), until the rules differ by less than the solutions do.
ORDERS = {
    0: (1,),
    1: (40, 80, 160, 320, 640, 1280),
    2: (32, 64, 128),
    3: (16, 24, 36),
}
ON_PANELS = (12, 20, 32, 48)  # points on the part of a curve that lies in one patch
LOOK = {
    1: 40,
    2: 64,
    3: 16,
}  # points on each axis of the rule that shows whether a sub-domain leaves the domain
FINEST = 12  # in more dimensions
INSIDE = 1e-9  # of the size of the domain: points of a sub-domain beyond its boundary by rounding are in it


@dataclass(frozen=True)
class Region:
    """A set of points over which quantities are taken.

    Attributes:
        solution: whose domain it is in.
        on: part of the boundary, or None.
        over: sub-domain, or None for the whole domain.
        time: the time, or None for all times (or no time at all).
        name: for messages.
    """

    solution: Any
    on: Any
    over: Any
    time: float | None
    name: str

    @property
    def domain(self) -> Domain:
        """The whole domain: in space at a time, in space–time at all times."""
        domain: Domain = self.solution.problem.domain
        if self.time is None:
            return domain
        return domain.in_space

    @property
    def dimension(self) -> int:
        """Of the region: one less than that of the domain on a boundary."""
        return self.domain.dimension - int(self.on is not None)

    @cached_property
    def inner(self) -> Domain:
        """What the sub-domain and the domain have in common, or all of it."""
        if self.over is None:
            return self.domain
        whole = self.domain
        if self.over.dimension == whole.dimension > whole.in_space.dimension:  # in space–time itself
            return self.over
        inner = self._common(whole.in_space)
        if inner.dimension < whole.dimension:  # at all times
            inner = inner * whole.time  # type: ignore[attr-defined]
        return inner

    def _common(self, space: Domain) -> Domain:
        """The sub-domain, without what of it lies outside: rules of its own would end at the boundary by chance.

        Raises:
            UsageError: it has no points of the domain.
        """
        inside = self._contains(space, self.over.rule(LOOK.get(space.dimension, FINEST)).points)
        if bool(inside.all()):
            return self.over
        self.require(inside.nonzero())
        return self.over & space

    def rules(self) -> Iterator[tuple[Tensor, Tensor | None, Tensor]]:
        """Points (n, d), normals (n, d) on boundaries, and weights (n,) of finer and finer rules.

        Raises:
            UsageError: a sub-domain has no points of the domain.
        """
        if self.on is not None:
            yield from self._rules_on_boundary()
        elif (on_patches := self._rules_on_patches()) is not None:
            yield from on_patches
        else:
            yield from self._rules_inside()

    def _rules_on_patches(self) -> list[tuple[Tensor, Tensor | None, Tensor]] | None:
        """Gauss rules on the patches of both solutions; None where there are none, or the boundary cuts patches."""
        beside = self.solution.verification
        if beside is None or self.over is not None or self.time is not None:
            return None
        problem = self.solution.problem
        rules = [
            integral_rule(problem, expansion) for expansion in (self.solution.approximator, beside.expansion)
        ]
        # Where the boundary cuts patches, both are the rule of the domain: they say nothing of their error.
        if len(rules[0][0]) == len(rules[1][0]):
            return None
        return [(points, None, weights) for points, weights in rules]

    def _rules_on_boundary(self) -> Iterator[tuple[Tensor, Tensor | None, Tensor]]:
        domain = self.domain
        if domain.dimension == 2 and self.solution.verification is not None:
            yield from self._rules_on_curves()
            return
        for order in ORDERS.get(domain.dimension - 1, (FINEST,)):
            rule = self.on.rule(domain, order)
            yield self.timed(rule.points), self.timed_normals(rule.normals), rule.weights

    def _rules_on_curves(self) -> Iterator[tuple[Tensor, Tensor | None, Tensor]]:
        """Rules whose panels end where patches do."""
        # The panels are the same for all orders, so the search for patches is done once.
        divided = [(piece, panels(piece, self._patch)) for piece in self.on.pieces_on(self.domain)]
        for order in ON_PANELS:
            rules = [aligned_rule(piece, intervals, order) for piece, intervals in divided]
            points, normals, weights = (torch.cat(column) for column in zip(*rules, strict=True))
            yield self.timed(points), self.timed_normals(normals), weights

    def _patch(self, points: Tensor) -> Tensor:
        """Numbers (n,) of the patches in which points (n, d) of the domain lie."""
        return patch_numbers(self.solution.approximator, self.timed(points))

    def _rules_inside(self) -> Iterator[tuple[Tensor, Tensor | None, Tensor]]:
        for order in ORDERS.get(self.inner.dimension, (FINEST,)):
            rules = [part.rule(order) for part in self._parts]
            points = torch.cat([rule.points for rule in rules])
            weights = torch.cat([rule.weights for rule in rules])
            keep = self.contains(points)
            self.require(points[keep])
            yield self.timed(points[keep]), None, weights[keep]

    @property
    def _parts(self) -> tuple[Domain, ...]:
        """What interfaces divide the domain into: coefficients jump between them."""
        if self.over is not None or self.time is not None:
            return (self.inner,)
        return subdomains_of(self.solution.problem) or (self.inner,)

    def contains(self, points: Tensor) -> Tensor:
        """Which points (n, d) of the sub-domain are in the closed domain."""
        return self._contains(self.domain, points)

    def _contains(self, domain: Domain, points: Tensor) -> Tensor:
        extent = float((domain.bounds[1] - domain.bounds[0]).max())
        return domain.contains(points, INSIDE * extent)

    def require(self, points: Tensor) -> None:
        """See that something is left of a sub-domain.

        Raises:
            UsageError: nothing is.
        """
        if not len(points):
            message = f"{self.name}: {self.over} has nothing in common with the domain {self.domain}"
            raise UsageError(message)

    def timed(self, points: Tensor) -> Tensor:
        """Points (n, d) with the time as their last coordinate, where there is one."""
        if self.time is None:
            return points
        return torch.nn.functional.pad(points, (0, 1), value=self.time)

    def timed_normals(self, normals: Tensor) -> Tensor:
        """Normals (n, d) with a zero for the time."""
        if self.time is None:
            return normals
        return torch.nn.functional.pad(normals, (0, 1))

    def pieces(self) -> tuple[Piece, ...]:
        """Pieces of the boundary: of the part, or of the whole region."""
        if self.on is not None:
            found: tuple[Piece, ...] = self.on.pieces_on(self.domain)
            return found
        return self.inner.pieces
