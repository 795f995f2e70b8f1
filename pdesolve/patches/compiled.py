"""A problem compiled for a grid frame: terms with derivatives along the grid axes, and the orders of the equation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from pdesolve.errors import UsageError
from pdesolve.patches.rotation import rotate_indices, rotation_key
from pdesolve.patches.rows.weights import FLUX_WEIGHTS
from pdesolve.statement.coefficient_fields import coefficient_fields, is_linear_beside
from pdesolve.statement.problem import Problem
from pdesolve.statement.residual import ResidualOperator, Slot, compile_problem

# Of derivatives of one order: a rotation of the axes leaves 1e-16 where a coefficient is zero.
ROTATED = 1e-12
# Of all derivatives, in units of the domain: ε u'' beside u makes layers of √ε, the width of the smallest patches.
NO_LAYER = 1e-24


@dataclass(frozen=True)
class GridTerm:
    """A compiled term with its derivatives expressed along the grid axes.

    Attributes:
        operator: the residual of the term.
        slots: (unknown, β) along grid axes.
        transform: (s_x, s_y) with jets_x = jets_y @ transform', dF_y = dF_x @ transform; None: identity.
        fields: slots of coefficient fields, which are no unknowns of the patches.
        places: where `slots`, and then `fields`, stand among the columns of the transform; empty without fields.
        linear: whether the residual is affine in the jets of `slots`.
    """

    operator: ResidualOperator
    slots: tuple[Slot, ...]
    transform: Tensor | None
    fields: tuple[Slot, ...] = ()
    places: tuple[int, ...] = ()
    linear: bool = True

    def without(self, fields: tuple[int, ...], linear: bool) -> GridTerm:
        """The same term, its slots divided into those of the other unknowns, renumbered, and those of the fields."""
        own = [i for i, (u, _) in enumerate(self.slots) if u not in fields]
        other = [i for i, (u, _) in enumerate(self.slots) if u in fields]
        states = sorted({u for u in range(len(self.operator.problem.unknowns)) if u not in fields})
        return GridTerm(
            self.operator,
            tuple((states.index(self.slots[i][0]), self.slots[i][1]) for i in own),
            self.transform,
            tuple((fields.index(self.slots[i][0]), self.slots[i][1]) for i in other),
            (*own, *other),
            linear,
        )


def grid_term(operator: ResidualOperator, rotation: Tensor) -> GridTerm:
    """Rotate the derivatives of a term into the grid axes."""
    # Terms are compiled in the coordinates of the problem; only their derivatives are turned, once for all points.
    key = rotation_key(rotation)
    _, matrix = rotate_indices(tuple(a for _, a in operator.slots), key)
    if matrix is None:
        return GridTerm(operator, operator.slots, None, linear=operator.linear)
    rows = []
    for unknown, alpha in operator.slots:
        betas, weights = rotate_indices((alpha,), key)
        rows.append({(unknown, b): float(w) for b, w in zip(betas, weights[0], strict=True)})  # type: ignore[index]
    slots = tuple(sorted({s for row in rows for s in row}, key=lambda s: (s[0], sum(s[1]), s[1][::-1])))
    transform = torch.tensor([[row.get(s, 0.0) for s in slots] for row in rows], dtype=torch.float64)
    return GridTerm(operator, slots, transform, linear=operator.linear)


@dataclass(frozen=True)
class Statement:
    """A problem compiled for a grid frame: terms, and the order of each unknown along each axis.

    Attributes:
        problem: the problem.
        terms: what holds for the unknowns of the patches, the equation first.
        orders: (u, d) of these unknowns.
        fields: coefficient fields to be identified, which are no unknowns of the patches.
        field_terms: what holds for fields alone, the equation among them, which may have components of that kind.
    """

    problem: Problem
    terms: tuple[GridTerm, ...]
    orders: np.ndarray
    fields: tuple[int, ...] = ()
    field_terms: tuple[GridTerm, ...] = ()

    @classmethod
    def of(cls, problem: Problem, rotation: Tensor) -> Statement:
        """Compile all terms and find the orders that rule continuity."""
        operators = compile_problem(problem)
        terms = tuple(grid_term(operator, rotation) for operator in operators)
        orders = _orders(problem, terms[0])
        # Continuity has a weight for each derivative below the order, and there are only so many of these weights.
        if orders.max() > (most := len(FLUX_WEIGHTS)):
            unknown, axis = np.argwhere(orders > most)[0]
            message = (
                f"{terms[0].operator.term.name} is of order {orders[unknown, axis]} in {problem.unknowns[unknown]}; "
                f"method gmnm solves equations up to order {most}: write it as a system of lower order"
            )
            raise UsageError(message)
        fields = coefficient_fields(problem, operators)
        if not fields:
            return cls(problem, terms, orders)
        # The equation stands on both sides, since some of its components may speak of fields alone.
        divided = [term.without(fields, is_linear_beside(term.operator, fields)) for term in terms]
        states = [u for u in range(len(orders)) if u not in fields]
        return cls(
            problem,
            tuple(term for term in divided if term.slots),
            orders[states],
            fields,
            tuple(term for i, term in enumerate(divided) if i == 0 or not term.slots),
        )

    @cached_property
    def linear(self) -> bool:
        """Whether every term is affine in the jets."""
        return all(term.linear for term in self.terms)

    def restated(self, problem: Problem) -> Statement:
        """The same terms of the same problem with other constants, which need not be compiled again."""
        terms = tuple(
            replace(term, operator=replace(term.operator, problem=problem, term=problem.terms[i]))
            for i, term in enumerate(self.terms)
        )
        return replace(self, problem=problem, terms=terms)

    @property
    def states(self) -> tuple[int, ...]:
        """The unknowns of the patches."""
        return tuple(u for u in range(len(self.problem.unknowns)) if u not in self.fields)


def _orders(problem: Problem, term: GridTerm) -> np.ndarray:
    """Highest derivative of each unknown along each grid axis, where its coefficient does not vanish.

    Coefficients are compared in units of the domain, at jets of size 1 and near 0: neither the units of the
    coordinates nor a steep nonlinear term may hide a derivative.
    """
    points = problem.domain.sample(64, sampler="sobol", seed=1)
    generator = torch.Generator().manual_seed(1)
    # Jets between ½ and 1½ keep away from zero, where a nonlinear coefficient may vanish by chance.
    jets = torch.rand(len(points), len(term.operator.slots), generator=generator, dtype=torch.float64) + 0.5
    parameters = {k: torch.tensor(v, dtype=torch.float64) for k, v in problem.parameters.items()}
    orders = np.zeros((len(problem.unknowns), problem.domain.dimension), dtype=int)
    # A steep term, an exponential of u, may outweigh a derivative at size 1; near 0 it does not.
    for size in (1.0, 1e-8):
        _, sensitivity = term.operator.linearise(points, size * jets, None, parameters)
        if term.transform is not None:
            sensitivity = sensitivity @ term.transform
        orders = np.maximum(orders, orders_of(problem, term.slots, sensitivity, len(orders)))
    return orders


def orders_of(problem: Problem, slots: Sequence[Slot], sensitivity: Tensor, unknowns: int) -> np.ndarray:
    """Highest derivative (u, d) of each unknown along each axis whose coefficient in ∂F (n, m, s) does not vanish."""
    lengths = problem.domain.bounds[1] - problem.domain.bounds[0]
    # A derivative over a long axis has a small unit; without these units it would pass for rounding.
    units = torch.stack([lengths.pow(-torch.tensor(beta)).prod() for _, beta in slots]).to(sensitivity)
    strength = sensitivity.nan_to_num(0.0, 0.0, 0.0).abs().amax((0, 1)) * units
    orders = np.zeros((unknowns, problem.domain.dimension), dtype=int)
    for i, (unknown, beta) in enumerate(slots):
        mine = [j for j, (u, _) in enumerate(slots) if u == unknown]
        alike = [j for j in mine if sum(slots[j][1]) == sum(beta)]
        rounding = max(ROTATED * strength[alike].max(), NO_LAYER * strength[mine].max())
        if strength[i] > rounding:
            orders[unknown] = np.maximum(orders[unknown], beta)
    return orders
