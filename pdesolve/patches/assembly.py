"""Where jets of a partitioned mixture meet the residuals of a problem: θ ↦ rows r, J in dense blocks.

Rows and their weights, in units of the unknown itself (H: half widths of the patch, β: derivatives in grid axes):

* equation: divided by max |∂F/∂u_β| H^{-β} over the cell, times the root of the reference quadrature weight;
* boundary, initial and other conditions: divided alike, times 10 where only values enter, 1 where derivatives do;
* continuity of ∂^k/∂n^k across faces, k = 0 … order of that unknown along the face normal minus 1:
  H^k times 10, 1, 0.3, 0.1, … .

Values are weighted above fluxes because the discrete trace of a value controls the solution (the factor 10 is that of
a collocation penalty; results move little between 3 and 100), and all rows scale with u, never with the size of a
cell or the units of the equation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from pdesolve.errors import SolveError, UsageError
from pdesolve.least_squares.sparse.border import DenseRows
from pdesolve.least_squares.sparse.row_blocks import Columns, RowBlocks
from pdesolve.patches.basis import basis_size, basis_table
from pdesolve.patches.cover import FacePoints, Patches, Points, face_points, interior_points, sobol_grid
from pdesolve.patches.mixture import (
    PartitionedMixture,
    default_sigma,
    rotate_indices,
    rotation_key,
)
from pdesolve.patches.points.boundary import InterfacePoints, boundary_points, interface_points
from pdesolve.patches.rows.integrals import integral_rows
from pdesolve.statement.calculus import MultiIndex
from pdesolve.statement.coefficient_fields import coefficient_fields, is_linear_beside
from pdesolve.statement.problem import Problem
from pdesolve.statement.residual import ResidualOperator, Slot, compile_problem
from pdesolve.statement.subdomains import interface_pieces

VALUE_WEIGHT = 10.0
FLUX_WEIGHTS = (10.0, 1.0, 0.3, 0.1, 0.03, 0.01)
ROUNDING = 1e-9  # part of the largest residual of a term below which a component of it is met
EQUAL = 1e-13  # relative difference of coordinates or coefficients that is rounding
BATCH_NUMBERS = 24_000_000  # matrix entries in one batch of rows: 192 MB


class Sought(Protocol):
    """What is to be identified from data, as the rows see it: a vector θ of scalars and coefficients of fields."""

    @property
    def size(self) -> int:
        """Length of θ."""

    def scalars(self, theta: Tensor) -> dict[str, Tensor]:
        """The scalars by name."""

    def tables(self, y: Tensor, slots: Sequence[Slot]) -> tuple[Tensor, Tensor]:
        """Jets of the fields at grid points y (n, d): at θ = 0 (n, s), and their derivatives by θ (n, s, θ)."""


@dataclass(frozen=True)
class GridTerm:
    """A compiled term with its derivatives expressed along the grid axes.

    Attributes:
        operator: the residual of the term.
        slots: (unknown, β) along grid axes.
        transform: (s_x, s_y) with jets_x = jets_y @ transform', dF_y = dF_x @ transform; None: identity.
        sought: slots of coefficient fields, which are no unknowns of the patches (see `sought`).
        places: where `slots`, and then `sought`, stand among the columns of the transform; empty without fields.
        linear: whether the residual is affine in the jets of `slots`.
    """

    operator: ResidualOperator
    slots: tuple[Slot, ...]
    transform: Tensor | None
    sought: tuple[Slot, ...] = ()
    places: tuple[int, ...] = ()
    linear: bool = True

    def without(self, fields: tuple[int, ...], linear: bool) -> GridTerm:
        """The same term, its slots divided into those of the other unknowns, renumbered, and those of `fields`."""
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
    jets = torch.rand(len(points), len(term.operator.slots), generator=generator, dtype=torch.float64) + 0.5
    parameters = {k: torch.tensor(v, dtype=torch.float64) for k, v in problem.parameters.items()}
    orders = np.zeros((len(problem.unknowns), problem.domain.dimension), dtype=int)
    for size in (1.0, 1e-8):
        _, sensitivity = term.operator.linearise(points, size * jets, None, parameters)
        if term.transform is not None:
            sensitivity = sensitivity @ term.transform
        orders = np.maximum(orders, orders_of(problem, term.slots, sensitivity, len(orders)))
    return orders


def orders_of(problem: Problem, slots: Sequence[Slot], sensitivity: Tensor, unknowns: int) -> np.ndarray:
    """Highest derivative (u, d) of each unknown along each axis whose coefficient in ∂F (n, m, s) does not vanish."""
    lengths = problem.domain.bounds[1] - problem.domain.bounds[0]
    units = torch.stack([lengths.pow(-torch.tensor(beta)).prod() for _, beta in slots]).to(sensitivity)
    strength = sensitivity.nan_to_num(0.0, 0.0, 0.0).abs().amax((0, 1)) * units
    orders = np.zeros((unknowns, problem.domain.dimension), dtype=int)
    for unknown in range(unknowns):
        mine = [i for i, (u, _) in enumerate(slots) if u == unknown]
        for i in mine:
            if strength[i] > 1e-12 * strength[mine].max():
                orders[unknown] = np.maximum(orders[unknown], slots[i][1])
    return orders


class Assembly:
    """Rows of one problem on one set of patches with given orders.

    Args:
        statement: the compiled problem.
        patches: the patches.
        q: (e,) their orders.
        device: where tables and matrices live.
        sought: scalars and fields to be identified, where there are any.
        theta: their present values.
    """

    def __init__(
        self,
        statement: Statement,
        patches: Patches,
        q: np.ndarray,
        device: str = "cpu",
        sought: Sought | None = None,
        theta: Tensor | None = None,
    ):
        self.statement, self.patches, self.q, self.device = statement, patches, q, device
        self.sought, self.theta = sought, theta
        frame = patches.frame
        self.unknowns, self.dimension = len(statement.states), patches.dimension
        sizes = [self.unknowns * basis_size(self.dimension, int(k)) for k in q]
        self.layout = Columns(torch.tensor(sizes, dtype=torch.long))
        self.sigma = default_sigma(frame.reach).to(device)
        self.half = torch.from_numpy(patches.half).to(device)
        self.centre = torch.from_numpy(patches.centre).to(device)
        self.rotation = frame.rotation.to(device)
        width = self.unknowns * max(sizes)
        points = max(1, int(q.max() + 1) ** self.dimension * (2**self.dimension if patches.cut.any() else 1))
        self.batch = max(1, BATCH_NUMBERS // (width * points))
        self.interior = interior_points(patches, q, self._per_axis, self.batch)
        self._tables: dict[int, Tensor] = {}
        self._field_tables: dict[tuple[int, int], tuple[Points, Tensor, Tensor]] = {}

    def at(self, theta: Tensor) -> Assembly:
        """The same rows at other values of what is to be identified; points and tables are shared."""
        _ = self.points, self.face_rows(), self.integral_rows
        other = copy(self)
        other.theta = theta
        return other

    @cached_property
    def points(self) -> list[tuple[GridTerm, Points]]:
        """Collocation points of all terms."""
        result = []
        for term in self.statement.terms:
            place = term.operator.term.place
            found = (
                self.interior if place is None else boundary_points(self.patches, place, self.q, self.batch)
            )
            if place is not None:
                found = [part for p in found for part in self._congruent(p)]
            result += [(term, self._to_device(p)) for p in found]
        return result

    def _congruent(self, points: Points) -> list[Points]:
        """Points on a boundary divided by where they lie in their cells, if many cells have them in equal places."""
        index = torch.from_numpy(points.cells)
        half = self.half.cpu()[index]
        t = (points.y - self.centre.cpu()[index][:, None]) / half[:, None]
        marks = torch.cos(torch.arange(t[0].numel(), dtype=t.dtype))
        places = torch.cat([(t.flatten(1) @ marks)[:, None], half], dim=1)
        _, kind = np.unique(
            (places / places.abs().amax(0) * 1e9).round().numpy(), axis=0, return_inverse=True
        )
        kind = kind.ravel()
        if kind.max() + 1 > 0.5 * len(kind):
            return [points]
        result = []
        for k in range(kind.max() + 1):
            mine = kind == k
            normals = None if points.normals is None else points.normals[mine]
            equal = _all_equal(t[mine]) and _all_equal(half[mine])
            result.append(Points(points.cells[mine], points.y[mine], points.weight[mine], equal, normals))
        return result

    def _per_axis(self, q: int) -> int:
        """Gauss points per axis: at least 1.6 rows per basis function, and enough for the residual's degree.

        The Legendre polynomial P_n vanishes at n Gauss points. Its integral over an axis along which the equation is
        of first order (and its r-fold integral at order r) must not be in the basis: hence n ≥ q - r. Otherwise
        the rows do not see it, and the pressure of an incompressible flow is anything.
        """
        orders = self.statement.orders
        lowest = min(int(row[row > 0].min(initial=2)) if row.any() else 0 for row in orders)
        enough = math.ceil((1.6 * basis_size(self.dimension, q)) ** (1 / self.dimension))
        return max(q - lowest, enough, 2)

    @cached_property
    def value_points(self) -> list[Points]:
        """At least q Gauss points per axis, at which no function of order q vanishes, as P_n does at n points."""
        if self.dimension == 1:
            return self.interior
        return interior_points(self.patches, self.q, lambda q: max(q, self._per_axis(q)), self.batch)

    def unseen_points(self, samples: int, seed: int) -> list[Points]:
        """About `samples` Sobol points, the same number in every cell, beside the collocation points."""
        least = math.ceil((samples / len(self.patches)) ** (1 / self.dimension))
        count = lambda q: max(least, self._per_axis(q))  # noqa: E731
        found = interior_points(self.patches, self.q, count, self.batch, partial(sobol_grid, seed=seed))
        return [self._to_device(p) for p in found]

    def _to_device(self, p: Points) -> Points:
        if self.device == "cpu":
            return p
        normals = None if p.normals is None else p.normals.to(self.device)
        return Points(p.cells, p.y.to(self.device), p.weight.to(self.device), p.congruent, normals)

    def mixture(self, coefficients: Tensor | None = None) -> PartitionedMixture:
        """The approximator with these coefficients (zero by default)."""
        if coefficients is None:
            coefficients = torch.zeros(self.layout.total, dtype=self.half.dtype, device=self.device)
        return PartitionedMixture(
            self.patches.partition,
            np.arange(len(self.patches)),
            self.centre,
            self.half,
            self.q,
            self.sigma,
            self.rotation,
            self.unknowns,
            coefficients,
            self.patches.frame.subdomains if len(self.patches.frame.subdomains) > 1 else (),
        )

    # ---------------------------------------------------------------- rows of terms

    def linearise(
        self, coefficients: Tensor
    ) -> tuple[list[RowBlocks | DenseRows], list[Tensor], list[Tensor]]:
        """All rows at given coefficients.

        Returns:
            The Jacobian in blocks, the weighted residuals (b, m) of each block, and the row scales used
            (for `residuals` along a line search).

        Raises:
            SolveError: a residual is not finite, or does not vanish and depends on nothing.
        """
        rows: list[RowBlocks | DenseRows] = []
        residuals, scales = [], []
        largest: dict[int, list[Tensor]] = {}  # of each term: residuals and scales of its components, (2, c)
        for number, (term, points) in enumerate(self.points):
            table = self._table(number, term, points)
            r, dF = self.evaluate(term, points, self.jets(term, points, table, coefficients), True)
            self._require_finite(term, points, r, dF)
            scale = self.row_scale(term, points, dF)
            largest.setdefault(id(term), []).append(torch.stack([r.abs().amax((0, 1)), scale.amax((0, 1))]))
            weight = points.weight[:, :, None] * scale
            rows.append(self._jacobian(term, points, table, dF * weight[..., None]))
            residuals.append((r * weight).flatten(1))
            scales.append(scale)
        self._require_sensitive(largest)
        for block in self.face_rows():
            rows.append(block)
            residuals.append(block.residual(coefficients))
        if self.integral_rows is not None:
            rows.append(self.integral_rows)
            residuals.append(self.integral_rows.residual(coefficients))
        return rows, residuals, scales

    def residuals(self, coefficients: Tensor, scales: Sequence[Tensor]) -> list[Tensor]:
        """Weighted residuals only, with row scales from `linearise`."""
        found = []
        for number, (term, points) in enumerate(self.points):
            table = self._table(number, term, points)
            r, _ = self.evaluate(term, points, self.jets(term, points, table, coefficients), False)
            found.append((r * points.weight[:, :, None] * scales[number]).flatten(1))
        found += [block.residual(coefficients) for block in self.face_rows()]
        return found + ([self.integral_rows.residual(coefficients)] if self.integral_rows else [])

    @cached_property
    def integral_rows(self) -> DenseRows | None:
        """Rows that touch all patches: means of unknowns, weighted as values are."""
        if not self.statement.problem.integrals:
            return None
        problem = self.statement.problem
        names = [problem.unknowns[u] for u in self.statement.states]
        return integral_rows(problem, names, self.patches, self.mixture(), VALUE_WEIGHT)

    def residual_of_patch(self, residuals: Sequence[Tensor]) -> np.ndarray:
        """Norm of all rows that touch each patch (e,), from the blocks of `linearise` or `residuals`."""
        squares = torch.zeros(len(self.patches), dtype=self.half.dtype, device=self.device)
        groups: list[tuple[Tensor, ...]] = [(torch.from_numpy(points.cells),) for _, points in self.points]
        groups += [block.groups for block in self.face_rows()]
        for touched, r in zip(groups, residuals, strict=False):  # rows that touch all patches come last
            for cells in touched:
                squares.index_add_(0, cells.to(self.device), (r**2).sum(1))
        return squares.sqrt().cpu().numpy()

    def _table(self, number: int, term: GridTerm, points: Points) -> Tensor:
        """`table` of the batch with this number; kept where all cells share one, or where it is needed again."""
        if number in self._tables:
            return self._tables[number]
        table = self.table(term, points)
        if points.congruent or not self.statement.linear:
            self._tables[number] = table
        return table

    def table(self, term: GridTerm, points: Points) -> Tensor:
        """Derivatives of the basis that a term asks for at a batch of points: (s, b, m, k), or b = 1 for all cells."""
        cells = torch.from_numpy(points.cells).to(self.device)
        if points.congruent:
            cells, y = cells[:1], points.y[:1]
        else:
            y = points.y
        half = self.half[cells]
        t = (y - self.centre[cells][:, None]) / half[:, None]
        betas = tuple(dict.fromkeys(beta for _, beta in term.slots))
        table = basis_table(t, half, self.sigma, int(self.q[points.cells[0]]), betas)
        place = [betas.index(beta) for _, beta in term.slots]
        return table if len(place) == len(betas) else table[place]

    def jets(self, term: GridTerm, points: Points, table: Tensor, coefficients: Tensor) -> Tensor:
        """Jets along grid axes (b, m, s)."""
        if not bool(coefficients.any()):
            return coefficients.new_zeros(*points.weight.shape, len(term.slots))
        c = coefficients[self._columns(points.cells)].view(len(points.cells), self.unknowns, -1)
        per_slot = c[:, [u for u, _ in term.slots]]  # (b, s, k)
        if points.congruent:
            return torch.einsum("smk,bsk->bms", table[:, 0], per_slot)
        return torch.einsum("sbmk,bsk->bms", table, per_slot)

    def _columns(self, cells: np.ndarray) -> Tensor:
        return self.layout.of(torch.from_numpy(cells)).to(self.device)

    def evaluate(
        self, term: GridTerm, points: Points, jets: Tensor, derivatives: bool
    ) -> tuple[Tensor, Tensor]:
        """R (b, m, c) and dF along grid axes (b, m, c, s)."""
        b, m, _ = jets.shape
        jets, x, normals = self._arguments(term, points, jets)
        if not derivatives:
            with torch.no_grad() if term.operator.depth == 0 else torch.enable_grad():
                r = term.operator.residual(x, jets, normals, self.parameters()).detach()
            return r.view(b, m, -1), r
        r, dF = term.operator.linearise(x, jets, normals, self.parameters())
        if term.transform is not None:
            dF = dF @ term.transform.to(dF)
        if term.places:
            dF = dF[..., list(term.places[: len(term.slots)])]
        used = points.weight.reshape(-1) > 0
        r = torch.where(used[:, None], r, 0.0)
        dF = torch.where(used[:, None, None], dF, 0.0)
        return r.view(b, m, -1), dF.view(b, m, r.shape[1], -1)

    def _arguments(
        self, term: GridTerm, points: Points, jets: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Jets (n, s) of a term along the coordinates, fields included, points (n, d) and normals, n = b m."""
        b, m, _ = jets.shape
        jets = jets.reshape(b * m, -1)
        if term.sought:
            constant, table = self.field_tables(term, points)
            known = constant + table @ self.theta.to(table)  # type: ignore[union-attr]
            jets = torch.cat([jets, known], dim=1)[:, np.argsort(term.places)]
        if term.transform is not None:
            jets = jets @ term.transform.to(jets).T
        normals = None if points.normals is None else points.normals.reshape(b * m, -1)
        return jets, points.y.reshape(b * m, -1) @ self.rotation.T, normals

    def field_tables(self, term: GridTerm, points: Points) -> tuple[Tensor, Tensor]:
        """Jets of the fields at a batch of points, constant (n, s) and derivatives by θ (n, s, θ)."""
        key = id(term), id(points)
        if key not in self._field_tables:
            y = points.y.reshape(-1, self.dimension).cpu()
            constant, table = self.sought.tables(y, term.sought)  # type: ignore[union-attr]
            self._field_tables[key] = points, constant.to(self.device), table.to(self.device)
        return self._field_tables[key][1:]

    def sought_columns(self, coefficients: Tensor, scales: Sequence[Tensor]) -> list[Tensor]:
        """Derivatives of all rows by θ, (b, m, θ) for each block of `linearise`, of which the scales are.

        ∂r/∂κ = w ∂F/∂κ for a scalar, Σ_s w ∂F/∂a_s ∂a_s/∂η for the coefficients η of a field a.
        """
        assert self.sought is not None
        found, size = [], self.sought.size
        for number, (term, points) in enumerate(self.points):
            b, m = points.weight.shape
            own = self.jets(term, points, self._table(number, term, points), coefficients)
            jets, x, normals = self._arguments(term, points, own)
            parameters = self.parameters()
            columns = jets.new_zeros(b * m, scales[number].shape[2], size)
            if parameters:
                by_scalar = term.operator.parameter_sensitivity(x, jets, normals, parameters)
                columns[..., : len(parameters)] = by_scalar
            if term.sought:
                _, dF = term.operator.linearise(x, jets, normals, parameters)
                dF = dF if term.transform is None else dF @ term.transform.to(dF)
                by_field = dF[..., list(term.places[len(term.slots) :])]
                columns += torch.einsum("ncs,nsj->ncj", by_field, self.field_tables(term, points)[1])
            used = points.weight.reshape(-1) > 0
            columns = torch.where(used[:, None, None], columns, 0.0).view(b, m, -1, size)
            weight = points.weight[:, :, None] * scales[number]
            found.append((columns * weight[..., None]).flatten(1, 2))
        return found

    def _require_finite(self, term: GridTerm, points: Points, r: Tensor, dF: Tensor) -> None:
        """Raise SolveError where a residual (b, m, c) or its sensitivities (b, m, c, s) are not."""
        bad = ~(torch.isfinite(r).all(2) & torch.isfinite(dF).all(3).all(2))
        if bool(bad.any()):
            where = ", ".join(f"{v:.4g}" for v in (points.y[bad][0] @ self.rotation.T).tolist())
            message = (
                f"{term.operator.term.name} is not finite at {int(bad.sum())} of {bad.numel()} points, first at "
                f"({where}); look for a division by zero, a root or logarithm of a negative number, or start "
                "nearer with guess="
            )
            raise SolveError(message)

    def _require_sensitive(self, largest: Mapping[int, Sequence[Tensor]]) -> None:
        """Raise SolveError where a component is not met and nothing changes it: Gauss–Newton would not see it."""
        for term in {id(term): term for term, _ in self.points}.values():
            residual, scale = torch.stack(list(largest[id(term)])).amax(0)
            unseen = (residual > ROUNDING * residual.max()) & (scale == 0)
            if bool(unseen.any()):
                message = (
                    f"{term.operator.term.name} is not met, off by {float(residual[unseen].max()):.3g}, and at the "
                    "start no change of the unknowns changes it to first order, as of u² = 1 about u = 0; start "
                    "elsewhere with guess="
                )
                raise SolveError(message)

    def parameters(self) -> dict[str, Tensor]:
        """Scalars to be identified, at their present or starting values."""
        if self.sought is not None and self.theta is not None:
            return self.sought.scalars(self.theta.to(self.half))
        found = self.statement.problem.parameters
        return {k: torch.tensor(v, dtype=self.half.dtype, device=self.device) for k, v in found.items()}

    def row_scale(self, term: GridTerm, points: Points, dF: Tensor) -> Tensor:
        """(b, 1, c): the reciprocal of max |∂F/∂u_β| H^{-β} over the cell, times 10 for values on a boundary."""
        half = self.half[torch.from_numpy(points.cells).to(self.device)]  # (b, d)
        beta = torch.tensor([list(b) for _, b in term.slots], dtype=half.dtype, device=half.device)
        reach = torch.exp(-(half.log() @ beta.T))  # (b, s)
        size = (dF.abs() * reach[:, None, None, :]).amax((1, 3))
        floor = torch.finfo(size.dtype).tiny
        scale = torch.where(size > floor, 1 / size.clamp_min(floor), 0.0)
        if points.normals is not None and not bool(beta.any()):
            scale = scale * VALUE_WEIGHT
        return scale[:, None]

    def _jacobian(self, term: GridTerm, points: Points, table: Tensor, dF: Tensor) -> RowBlocks:
        """Rows (b, m c, u k) from weighted sensitivities dF (b, m, c, s); one matrix where all cells have the same."""
        cells = len(dF)
        if points.congruent and _equal_by_slot(dF):
            dF = dF[:1]
        b, m, components, _ = dF.shape
        k = table.shape[-1]
        matrix = dF.new_zeros(b, m, components, self.unknowns, k)
        for u in range(self.unknowns):
            mine = [i for i, (v, _) in enumerate(term.slots) if v == u]
            for i in mine:
                part = table[i, 0] if points.congruent else table[i]
                matrix[:, :, :, u].addcmul_(
                    dF[..., i, None], part[..., :, None, :].expand(b, m, components, k)
                )
        groups = (torch.from_numpy(points.cells),)
        matrix = matrix.view(b, m * components, -1).expand(cells, -1, -1)
        return RowBlocks.make(self.layout, groups, (matrix,))

    # ---------------------------------------------------------------- rows of faces

    def face_rows(self) -> list[RowBlocks]:
        """Continuity of every unknown and its normal derivatives below the order of the equation."""
        return self._face_rows

    @cached_property
    def _face_rows(self) -> list[RowBlocks]:
        faces = face_points(self.patches, self.q, self.batch * 8)
        found = [row for f in faces if (row := self._continuity(f)) is not None]
        problem = self.statement.problem
        if problem.interfaces:
            pieces = interface_pieces(problem, self.patches.frame.subdomains)
            found += [self._jump(f) for f in interface_points(self.patches, pieces, self.q, self.batch)]
        return found

    def _continuity(self, f: FacePoints) -> RowBlocks | None:
        orders = self.statement.orders[:, f.axis]
        if orders.max() == 0:
            return None
        sides = []
        y, weight, half = (a.to(self.device) for a in (f.y, f.weight, f.half))
        for cells, points, sign in ((f.minus, y, 1.0), (f.plus, y - f.shift.to(self.device)[:, None], -1.0)):
            sides.append(self._traces(cells, points, f, orders, half, sign * weight))
        groups = (torch.from_numpy(f.minus), torch.from_numpy(f.plus))
        return RowBlocks.make(self.layout, groups, tuple(sides), self._jumps_over_seam(f, orders))

    def _jumps_over_seam(self, f: FacePoints, orders: np.ndarray) -> Tensor | None:
        """What the rows of `_continuity` yield, (b, rows): jumps of values over a seam; None where there are none."""
        problem = self.statement.problem
        seam = next((s for s in problem.seams if s.axis == f.axis), None)
        wrapped = f.shift[:, f.axis] != 0
        jumping = any(any(s.jumps.values()) for s in problem.seams)
        if seam is None or not jumping or not bool(wrapped.any()):
            return None
        b, m, d = f.y.shape
        jumps = problem.jumps(seam, f.y.reshape(-1, d) @ self.patches.frame.rotation.T)
        jumps = jumps[:, list(self.statement.states)].view(b, m, -1) * wrapped[:, None, None]
        jumps = FLUX_WEIGHTS[0] * f.weight[..., None] * jumps
        if f.modes is not None:
            jumps = f.modes.mT @ jumps
        values = jumps.new_zeros(b, int(orders.sum()), jumps.shape[1])
        first = np.cumsum(orders) - orders  # row of each value; its derivatives follow
        for u in np.flatnonzero(orders):
            values[:, first[u]] = jumps[..., u]
        return values.view(b, -1).to(self.device)

    def _traces(
        self,
        cells: np.ndarray,
        y: Tensor,
        face: FacePoints,
        orders: np.ndarray,
        face_half: Tensor,
        weight: Tensor,
    ) -> Tensor:
        """Weighted traces of all normal derivatives of all unknowns from one side: (b, rows, u k)."""
        index = torch.from_numpy(cells).to(self.device)
        half = self.half[index]
        t = (y - self.centre[index][:, None]) / half[:, None]
        if all(map(_all_equal, (t, half, face_half, weight))):
            t, half, face_half, weight = (a[:1] for a in (t, half, face_half, weight))
        betas = _powers(self.dimension, face.axis, int(orders.max()))
        table = basis_table(t, half, self.sigma, int(self.q[cells[0]]), betas)  # (a, b, m, k)
        table = table * weight[..., None]
        if face.modes is not None:
            table = face.modes[: len(t)].to(table).mT @ table
        b, m, k = table.shape[1:]
        matrix = table.new_zeros(b, int(orders.sum()), m, self.unknowns, k)
        row = 0
        for u, order in enumerate(orders):
            for power in range(int(order)):
                factor = FLUX_WEIGHTS[power] * face_half**power
                matrix[:, row, :, u] = table[power] * factor[:, None, None]
                row += 1
        return matrix.view(b, row * m, -1).expand(len(cells), -1, -1)

    # ---------------------------------------------------------------- rows of interfaces

    def _jump(self, f: InterfacePoints) -> RowBlocks:
        """[u] = 0 and [k ∂u/∂n] = 0 between sub-domains, k = 1 for unknowns without an interface of their own."""
        problem, weight = self.statement.problem, f.weight.to(self.device)
        orders = self.statement.orders[:, : problem.domain.space_dimension].max(axis=1)
        x = (f.y @ self.patches.frame.rotation.T).reshape(-1, self.dimension)
        step = 1e-7 * float(np.max(self.patches.frame.extent)) * f.normals.reshape(-1, self.dimension)
        ks = []  # (b, m) for each unknown, from each side
        for shifted in (x - step, x + step):
            found = {problem.unknown_of(c): c.k for c in problem.interfaces}
            coordinates = [x[:, i] for i in range(self.dimension)]
            ks.append(
                [
                    found[name].on_branch(found[name].branch(shifted), *coordinates).view(f.weight.shape)
                    if name in found
                    else torch.ones_like(f.weight)
                    for name in problem.unknowns
                ]
            )
        half = np.minimum(self.patches.half[f.minus], self.patches.half[f.plus]).min(axis=1)
        reach = torch.from_numpy(half).to(self.device)[:, None]
        normals = (f.normals @ self.patches.frame.rotation).to(self.device)
        sides = []
        for cells, own, other, sign in ((f.minus, 0, 1, 1.0), (f.plus, 1, 0, -1.0)):
            index = torch.from_numpy(cells).to(self.device)
            h = self.half[index]
            t = (f.y.to(self.device) - self.centre[index][:, None]) / h[:, None]
            zero, *first = _first_indices(self.dimension)
            table = basis_table(t, h, self.sigma, int(self.q[cells[0]]), (zero, *first))
            slope = torch.einsum("abmk,bma->bmk", table[1:], normals)
            b, m, k = slope.shape
            matrix = slope.new_zeros(b, 2 * self.unknowns, m, self.unknowns, k)
            for u in range(self.unknowns):
                if orders[u] >= 1:
                    matrix[:, 2 * u, :, u] = sign * FLUX_WEIGHTS[0] * weight[..., None] * table[0]
                if orders[u] >= 2:
                    mine, theirs = ks[own][u].to(slope), ks[other][u].to(slope)
                    share = mine / (mine * theirs).abs().sqrt().clamp_min(1e-300)
                    factor = sign * FLUX_WEIGHTS[1] * weight * share * reach
                    matrix[:, 2 * u + 1, :, u] = factor[..., None] * slope
            sides.append(matrix.view(b, 2 * self.unknowns * m, -1))
        groups = (torch.from_numpy(f.minus), torch.from_numpy(f.plus))
        return RowBlocks.make(self.layout, groups, tuple(sides))


def _all_equal(a: Tensor) -> bool:
    """Whether all a[i] are a[0], but for the rounding of coordinates."""
    return len(a) > 1 and bool((a - a[:1]).abs().amax() <= EQUAL * a[0].abs().amax())


def _equal_by_slot(dF: Tensor) -> bool:
    """Whether all dF[i] (b, m, c, s) are dF[0], each slot by its own size: slots have units of their own."""
    size = dF[0].abs().amax(0)
    return len(dF) > 1 and bool(((dF - dF[:1]).abs().amax((0, 1)) <= EQUAL * size).all())


@lru_cache
def _first_indices(dimension: int) -> tuple[MultiIndex, ...]:
    """Zero, and one derivative along each axis."""
    axes = range(dimension)
    return tuple(tuple(int(i == axis) for i in axes) for axis in (-1, *axes))


@lru_cache
def _powers(dimension: int, axis: int, count: int) -> tuple[MultiIndex, ...]:
    return tuple(tuple(k if i == axis else 0 for i in range(dimension)) for k in range(count))
