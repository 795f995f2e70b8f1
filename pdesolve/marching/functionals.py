"""Numbers that fields have at a time: integrals and means over the domain or its boundary, values at points.

A functional is ∑_n w_n f(x_n, t, jets of the fields), and its derivative a row over all coefficients. Rules follow the
patches: Gauss on those that lie inside and on pieces of the boundary, cut at the patches; where the boundary cuts
patches, the rule of the domain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.geometry import Domain, Point
from pdesolve.marching.evolution import Evolution, InSpace
from pdesolve.marching.rows import TermRows
from pdesolve.marching.space import BATCH, Cells, Space
from pdesolve.patches.compiled import GridTerm, grid_term
from pdesolve.patches.frame import once
from pdesolve.patches.points.boundary import boundary_points
from pdesolve.patches.points.owners import stretch
from pdesolve.statement.quantities import Mean, Probe, integrand
from pdesolve.statement.residual import compile_term, sample_points
from pdesolve.statement.term import Term
from pdesolve.statement.terms import called

MORE_POINTS = 4  # Gauss points on an axis beyond the degree: f need not be linear
MOST_NODES = {1: 400, 2: 120, 3: 40}  # per axis of a panel, of a domain whose boundary cuts patches
SAMPLES = 64  # points at which it is compiled


@dataclass(frozen=True, eq=False)
class FunctionalTerm:
    """What a functional is of: compiled once for all patches.

    Attributes:
        term: f, with derivatives along the grid axes.
        place: part of the boundary or point, in space; None for a region.
        region: in space, the domain where there is no place.
        mean: whether it is divided by the measure.
    """

    term: GridTerm
    place: InSpace | None
    region: Domain | None
    mean: bool

    @classmethod
    def of(cls, evolution: Evolution, quantity: Any, name: str) -> FunctionalTerm:
        """Compile an Integral, Mean or Probe.

        Raises:
            ProblemError: it has several components.
        """
        problem = evolution.problem
        on = Point(tuple(quantity.at)) if isinstance(quantity, Probe) else quantity.on
        f = integrand(quantity)
        if f is None or isinstance(f, str):
            unknown = problem.names.unknown_of(_Named(f), f"quantity '{name}'")
            function = _reader(unknown)
        else:
            problem.names.check_arguments(f, f"quantity '{name}'", problem.names.of_conditions)
            function = called(problem, f)
        term = Term(f"quantity '{name}'", "condition", on, function)
        operator = compile_term(problem, term, *sample_points(problem, term, SAMPLES))
        if operator.components != 1:
            message = f"quantity '{name}' has {operator.components} components; expected one number"
            raise ProblemError(message)
        rotation = torch.eye(evolution.dimension + 1, dtype=torch.float64)
        rotation[:-1, :-1] = evolution.frame.rotation
        place = None
        if on is not None:
            place = InSpace(on, problem.domain)
        over = getattr(quantity, "over", None)
        return cls(grid_term(operator, rotation), place, over, isinstance(quantity, Mean))

    @property
    def linear(self) -> bool:
        """Whether f is affine in the fields."""
        return self.term.linear


def functionals_of(evolution: Evolution) -> list[FunctionalTerm]:
    """The quantities of all scalars, in the order of `coupled`."""
    stated = [(f"{s.name}.{key}", q) for s in evolution.problem.scalars for key, q in s.quantities.items()]
    return once(
        evolution.memo,
        ("functionals",),
        lambda: [FunctionalTerm.of(evolution, quantity, name) for name, quantity in stated],
    )


def is_linear(evolution: Evolution) -> bool:
    """Whether the equations of the scalars, and all quantities in them, are affine."""
    operator = evolution.in_time
    terms = functionals_of(evolution)
    return operator is None or (operator.linear and all(term.linear for term in terms))


def means_of(evolution: Evolution) -> list[FunctionalTerm]:
    """The means of prescribed integrals."""
    problem = evolution.problem
    names = [problem.unknown_of(condition) for condition in problem.integrals]
    return once(
        evolution.memo,
        ("means",),
        lambda: [FunctionalTerm.of(evolution, Mean(name), f"mean of {name}") for name in names],
    )


@dataclass(frozen=True)
class _Named:
    unknown: str | None


def _reader(unknown: str) -> Any:
    return lambda frame: frame.unknown(unknown)


@dataclass(frozen=True, eq=False)
class Functional:
    """A functional on a space.

    Attributes:
        space: the patches.
        parts: rows of f, and weights (b, m) of its points.
        measure: of what it is taken over.
    """

    space: Space
    parts: list[tuple[TermRows, Tensor]]
    measure: float

    @classmethod
    def on(cls, space: Space, compiled: FunctionalTerm) -> Functional:
        """Its rule on the patches of a space."""
        points = _points(space, compiled)
        measure = float(sum(weights.sum() for _, weights in points))
        divisor = 1.0
        if compiled.mean:
            divisor = measure
        boundary = compiled.place is not None
        parts = [
            (TermRows(space, compiled.term, cells, boundary), weights / divisor) for cells, weights in points
        ]
        return cls(space, parts, measure)

    def values(self, derivatives: Sequence[Tensor], times: Tensor) -> Tensor:
        """At S times (S,), from functions (S, e, u, k) with their derivatives in time."""
        found = [
            torch.einsum("sbm,bm->s", rows.residual(derivatives, times)[..., 0], weights)
            for rows, weights in self.parts
        ]
        return reduce(add, found)

    def rows(self, derivatives: Sequence[Tensor], time: Tensor) -> Tensor:
        """Its derivative with respect to the j-th derivatives in time of all coefficients, (j, e, n)."""
        space = self.space
        depth = len(derivatives) - 1
        result = torch.zeros(depth + 1, len(space), space.width, dtype=torch.float64)
        for rows, weights in self.parts:
            dF = rows.linearise(derivatives, time)[0] * weights[:, :, None, None]
            for j, matrix in enumerate(rows.matrices(dF, depth)):
                if matrix is not None:
                    result[j].index_add_(0, rows.points.cells, matrix.sum((1, 2)).flatten(1))
        return result


Weighted = tuple[Cells, Tensor]


def _points(space: Space, compiled: FunctionalTerm) -> list[Weighted]:
    if compiled.place is not None:
        return _on_boundary(space, compiled.place)
    if compiled.region is None and not space.patches.cut.any():
        return [
            (cells, cells.weight**2 * space.volume[cells.cells][:, None])
            for cells in space.points(space.q + MORE_POINTS)
        ]
    return [_inside(space, compiled.region)]


def _inside(space: Space, region: Domain | None) -> Weighted:
    """A rule of the domain, or of a region in it, point by point."""
    finest = float((space.patches.frame.extent / (2 * space.patches.half)).max())
    # Where the boundary cuts patches, panels of the domain must be as fine as the smallest patch in it.
    order = min(MOST_NODES[space.d], int((space.q + MORE_POINTS) * (2 + finest)))
    parts = space.patches.frame.subdomains
    if region is not None:
        parts = tuple(part & region for part in parts)
    rules = [part.rule(order) for part in parts]
    y = torch.cat([rule.points for rule in rules]) @ space.rotation
    weights = torch.cat([rule.weights for rule in rules])
    cells = torch.from_numpy(space.patches.partition.locate_closed(y.numpy(), space.part_of(y)))
    known = cells >= 0
    weights = weights[known][:, None]
    return space.cells(cells[known].numpy(), y[known][:, None], weights.sqrt()), weights


def _on_boundary(space: Space, place: InSpace) -> list[Weighted]:
    """Gauss points on pieces of the boundary, cut at the patches; a point has the weight one."""
    found = []
    pieces = place.pieces_on(space.evolution.frame.domain)
    for batch in boundary_points(space.patches, place, space.degrees + MORE_POINTS, BATCH):  # type: ignore[arg-type]
        normals = batch.normals
        cells = torch.from_numpy(batch.cells)
        weights = batch.weight**2
        if pieces and normals is not None and space.d > 1:
            b, m, d = batch.y.shape
            owner = cells.repeat_interleave(m)
            areas = stretch(space.patches, owner, normals.reshape(-1, d)).view(b, m)
            weights = torch.where(batch.weight > 0, weights / areas, 0.0)
        if normals is not None:
            normals = torch.cat([normals, torch.zeros_like(normals[..., :1])], dim=-1)
        found.append((space.cells(batch.cells, batch.y, batch.weight, normals), weights))
    return found
