"""An evolution problem as the march sees it: compiled terms, where they hold in space, and orders in time."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.geometry import Domain
from pdesolve.geometry.place import BoundaryRule, Piece, Place
from pdesolve.geometry.spacetime import Lateral
from pdesolve.marching.breaks import kept_off
from pdesolve.patches.compiled import GridTerm, Statement
from pdesolve.patches.cover import Frame
from pdesolve.patches.frame import once
from pdesolve.patches.narrow import Ranges
from pdesolve.statement.calculus import Frame as Points
from pdesolve.statement.conditions import Initial
from pdesolve.statement.problem import Problem
from pdesolve.statement.residual import ResidualOperator
from pdesolve.statement.scalar_equations import compiled_scalars
from pdesolve.statement.subdomains import subdomains_in_space

# Few, since only a rate whose coefficient vanishes at all of them is refused.
PROBES = 64  # points in space at which the coefficients of rates are compared
ROUNDING = 1e-12  # of the coefficient of a rate later on: less of it is none
BESIDE = 4e-13  # of the interval: so far from a break the values of one side are taken; far above rounding
MOST_ORDER = 3  # in time


@dataclass(frozen=True, eq=False)
class InSpace:
    """A place of a space–time cylinder, seen from its space domain."""

    place: Place
    cylinder: Domain

    def pieces_on(self, domain: Domain) -> tuple[Piece, ...]:
        """Pieces in space of the lateral pieces."""
        del domain
        pieces = self.place.pieces_on(self.cylinder)
        return tuple(p.surface.in_space(p) for p in pieces if isinstance(p.surface, Lateral))

    def rule(self, domain: Domain, order: int) -> BoundaryRule:
        """The point in space, where the place is a point."""
        return self.place.rule(domain, order)


@dataclass(frozen=True, eq=False)
class Evolution:
    """A problem on space × time, compiled in the grid axes of its space domain.

    Attributes:
        problem: with a time interval.
        statement: its terms with derivatives along the grid axes of space, and along t.
        frame: grid coordinates of the space domain.
        places: of the terms that hold on boundaries, by number of the term.
        breaks: times at which data jump.
        in_time: the equations of unknowns that live in time only, where there are any.
        memo: what is compiled once.
    """

    problem: Problem
    statement: Statement
    frame: Frame
    places: dict[int, InSpace]
    breaks: tuple[float, ...] = ()
    in_time: ResidualOperator | None = None
    memo: dict[Any, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, problem: Problem) -> Evolution:
        """Compile a problem."""
        space = problem.domain.space
        frame = Frame.of(space, subdomains_in_space(problem))
        rotation = torch.eye(space.dimension + 1, dtype=torch.float64)
        rotation[:-1, :-1] = frame.rotation
        statement = Statement.of(problem, rotation)
        places = {
            number: InSpace(term.operator.term.place, problem.domain)
            for number, term in enumerate(statement.terms)
            if term.operator.term.place is not None and term.operator.term.kind != "initial"
        }
        return cls(problem, statement, frame, places, in_time=compiled_scalars(problem))

    @property
    def ranges(self) -> Ranges:
        """Within which the equation has been looked at."""
        return once(self.memo, ("ranges",), Ranges)

    @property
    def dimension(self) -> int:
        """Space coordinates d."""
        return self.frame.domain.dimension

    @property
    def unknowns(self) -> int:
        """Number of unknowns."""
        return len(self.problem.unknowns)

    @cached_property
    def orders(self) -> np.ndarray:
        """(u, d) highest derivative of each unknown along each grid axis."""
        found = self.statement.orders[:, :-1].copy()
        # A scalar is one constant for all patches; there is nothing to be continuous over faces.
        found[list(self.scalars)] = 0
        return found

    @cached_property
    def time_orders(self) -> np.ndarray:
        """(u,) highest time derivative of each unknown; 0: algebraic."""
        found = self.statement.orders[:, -1].copy()
        for i, unknown in enumerate(self.scalars):
            assert self.in_time is not None
            own = [index[0] for name, index in self.in_time.slots if name == i]
            found[unknown] = max([int(found[unknown]), *own])
        return found

    @cached_property
    def scalars(self) -> tuple[int, ...]:
        """Numbers of the unknowns that live in time only: the last ones."""
        count = len(self.problem.scalars)
        return tuple(range(self.unknowns - count, self.unknowns))

    @property
    def depth(self) -> int:
        """Highest time derivative of all."""
        return int(self.time_orders.max())

    def within(self, times: Tensor, begin: float, end: float) -> Tensor:
        """Times (n,) of a slab, kept off its ends where data break there: a slab sees the values of its own side."""
        time = self.problem.domain.time
        margin = BESIDE * time.length
        return kept_off(times, begin, end, self.breaks, margin)

    def term_of(self, number: int) -> GridTerm:
        """A term by its number."""
        return self.statement.terms[number]

    @cached_property
    def parameters(self) -> dict[str, Tensor]:
        """Values of parameters, as numbers."""
        return {k: torch.tensor(v, dtype=torch.float64) for k, v in self.problem.parameters.items()}

    def _stated_starts(self, name: str, order: int) -> list[Any]:
        """The initial values of ∂^order u/∂t^order as they are stated; the guess, where there are none of u."""
        problem = self.problem
        starts = [c for c in problem.conditions if isinstance(c, Initial) and c.order == order]
        mine = [c.value for c in starts if problem.unknown_of(c) == name]
        guess = (problem.guess or {}).get(name)
        if order == 0 and not mine and guess is not None:
            return [guess]
        return mine

    @cached_property
    def begins(self) -> np.ndarray:
        """Which unknowns (u,) begin with values that are more than rounding of the largest."""
        values = self.initial(self.problem.domain.space.sample(PROBES, sampler="sobol", seed=0), 0)
        size = values.square().mean(0).sqrt()
        return (size > 10 * torch.finfo(size.dtype).eps * size.max()).numpy()

    def initial(self, x: Tensor, order: int) -> Tensor:
        """∂^order u/∂t^order (n, u) at the start, at points x (n, d) of space; 0 where nothing is prescribed.

        Raises:
            ProblemError: it is not finite.
        """
        problem = self.problem
        points = torch.cat([x, x.new_full((len(x), 1), problem.domain.time.t0)], dim=1)
        values = x.new_zeros(len(x), self.unknowns)
        for number, name in enumerate(problem.unknowns):
            for value in self._stated_starts(name, order):
                with torch.no_grad(), Points(problem.coordinates, points) as frame:
                    values[:, number] = problem.value(value, frame, f"the initial value of {name}").detach()
        if not bool(values.isfinite().all()):
            where = ", ".join(f"{v:.4g}" for v in x[~values.isfinite().all(1)][0].tolist())
            message = f"the initial value is not finite, first at ({where})"
            raise ProblemError(message)
        return values


def missing_starts(evolution: Evolution) -> list[str]:
    """Initial values that a unique solution needs and the problem does not state, such as "∂u/∂t"."""
    problem = evolution.problem
    stated = {(problem.unknown_of(c), c.order) for c in problem.conditions if isinstance(c, Initial)}
    return [
        name if order == 0 else f"∂{name}/∂t"
        for name, orders in zip(problem.unknowns, evolution.time_orders, strict=True)
        for order in range(int(orders))
        if (name, order) not in stated
    ]


def rate_vanishes_at_the_start(evolution: Evolution) -> bool:
    """Whether no equation contains the highest time derivatives at the first time, though later some do.

    Then the initial values do not determine what follows: each u = c t solves t u_t = u, u(0) = 0.
    """
    operator = evolution.statement.terms[0].operator
    domain = evolution.problem.domain
    highest = [
        i
        for i, (unknown, index) in enumerate(operator.slots)
        if index[-1] == evolution.time_orders[unknown] > 0
    ]
    x = domain.space.sample(PROBES, sampler="sobol", seed=11)
    generator = torch.Generator().manual_seed(11)
    jets = torch.rand(len(x), len(operator.slots), generator=generator, dtype=torch.float64) + 0.5
    first, last = domain.bounds[:, -1].tolist()
    # Random jets: at special ones, such as zero, a coefficient M(u) may vanish by chance.
    strengths = []
    for t in (first, (first + last) / 2):
        points = torch.cat([x, torch.full_like(x[:, :1], t)], dim=1)
        _, sensitivity = operator.linearise(points, jets, None, evolution.parameters)
        strengths.append(float(sensitivity[..., highest].nan_to_num(0.0).abs().amax()))
    return strengths[0] <= ROUNDING * strengths[1]
