"""What sources, coefficients and boundary values do between collocation points, looked at before anything is solved.

All functions of a problem are given. A source that is narrower than the distance of the points leaves no trace in the
solution, so patches are halved around it until their points see it; from there on the adaptive loop does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pdesolve.patches.cells import Patches
from pdesolve.patches.compiled import GridTerm, Statement
from pdesolve.patches.partition import MAX_LEVEL
from pdesolve.patches.points.boundary import points_on_pieces
from pdesolve.patches.points.grids import panel_grid
from pdesolve.patches.points.interior import Points
from pdesolve.patches.points.owners import Part, batched
from pdesolve.patches.points.thinned import BLOCK, neighbours, thinned
from pdesolve.patches.space import ROWS_PER_FUNCTION, Space
from pdesolve.runs.deadline import check_deadline

# Points by dimension: a bell curve of width 1e-6 of an interval is above 1e-3 of its height on 5e-6 of it, which is
# one point; in the plane one of width 1e-3 has six, in space one of 1e-2 thirty.
SAMPLES = {1: 2**18, 2: 2**18, 3: 2**18}
LOCAL = 0.1  # of the half width of a patch, as standard deviation of where data are large: of all places it is 0.58
FLAT = 0.1  # of LOCAL: points that spread less lie on a plane
# Tolerance to which what is seen, but local, is looked at; the rest is left to the adaptive loop.
ROUGHLY = 1e-4
HIDDEN = 10.0  # misfit at other points over that at the points of the fit: aliased waves have 2 to 3
NOTICED = 0.1  # of the tolerance: the part that a patch may hide of the mean size of the data
ROUNDING = 1e-10  # part of the largest value that fits of degree 22 leave of smooth data
AT_ONCE = 2**15  # points at which data are evaluated together, which bounds the memory
LEAST_BLOCKS = 2  # of points along each axis of a patch
Data = Callable[[Tensor], Tensor]
Known = tuple[Points, Tensor]  # a batch of points, and values (b, m, c) there


def halve_where_data_hide(
    patches: Patches, q: np.ndarray, statement: Statement, tol: float
) -> tuple[Patches, np.ndarray]:
    """Halve patches until polynomials through the data at their points say what the data do in between.

    Args:
        patches: to begin with.
        q: (e,) their degrees.
        statement: the compiled problem.
        tol: relative to the mean size of the data; a patch may hide a part of it.

    Returns:
        The patches and their degrees.
    """
    if statement.problem.data:
        return patches, q  # coefficients are yet to be found
    terms = [(term, term.operator.term.place) for term in statement.terms]
    watched = [
        Watched(data_of(term), term.operator.components, place)
        for term, place in terms
        if may_hide(patches, term, place)
    ]
    return halve_where_hidden(patches, q, watched, tol)


def halve_where_hidden(
    patches: Patches, q: np.ndarray, watched: Sequence[Watched], tol: float
) -> tuple[Patches, np.ndarray]:
    """`halve_where_data_hide` for data that are given as functions of the place."""
    fresh = np.ones(len(patches), dtype=bool)
    for level in range(MAX_LEVEL):
        axes = np.zeros((len(patches), patches.dimension), dtype=bool)
        for one in watched:
            check_deadline()
            space = Space(patches, q, np.zeros((one.components, patches.dimension), dtype=int))
            axes |= one.hidden(space, fresh, level, tol)
        if not axes.any():
            break
        halved = np.asarray(axes.any(1))
        partition, parent = patches.partition.split(axes)
        patches, kept = Patches.over(patches.frame, partition)
        q = q[parent[kept]]
        # What was seen stays so: children alone are looked at again.
        fresh = halved[parent[kept]]
    return patches, q


def may_hide(patches: Patches, term: GridTerm, place: Any) -> bool:
    """Whether a term holds at other places than points, all of which are seen, and asks for more than a number."""
    if place is None:
        return True
    if term.operator.term.prescribes_a_number:
        return False
    return patches.dimension > 1 and bool(patches.frame.pieces_on(place))


def data_of(term: GridTerm) -> Data:
    """The residual (n, c) of a term at one jet, as a function of points x (n, d)."""
    values = term.operator.at_one_jet
    inside = term.operator.term.place is None

    def data(x: Tensor) -> Tensor:
        found = []
        for part in torch.split(x, AT_ONCE):
            # One direction for all: the corner of a square under ∂u/∂n = 0 is no jump of the data.
            direction = None if inside else torch.full_like(part, 1 / math.sqrt(part.shape[1]))
            found.append(values(part, direction))
        return torch.cat(found)

    return data


@dataclass(eq=False)
class Watched:
    """A term whose data are looked at level by level.

    Attributes:
        data: its residual at one jet, at places (n, d): (n, c).
        components: c.
        place: where a condition holds; None of the equation.
        count: blocks of points in each patch; on a boundary points along each axis of its part in a patch.
        size: (c,) mean absolute values over the domain or the boundary.
        largest: (c,) largest ones.
        measure: of the domain or the boundary, in reference cells.
        constant: whether it asks for the same at all points, as values of zero on a boundary.
    """

    data: Data
    components: int
    place: Any = None
    count: int = 0
    size: Tensor = field(default_factory=lambda: torch.zeros(1))
    largest: Tensor = field(default_factory=lambda: torch.zeros(1))
    measure: float = 0.0
    constant: bool = False

    def hidden(self, space: Space, fresh: np.ndarray, level: int, tol: float) -> np.ndarray:
        """Axes (e, d) to halve of `fresh` patches (e,), in which data do more between the points than at them."""
        nothing = np.zeros((len(space.patches), space.dimension), dtype=bool)
        if self.constant:
            return nothing
        # The fit takes the points of the solve: the question is what these points see.
        own = [(p, self._at(space, p)) for p in self._own(space, fresh)]
        if not own:
            return nothing
        if level == 0:
            self.count = self._enough(space, own)
            self.measure = float(_measures(space, own).sum())
        others = [(p, self._at(space, p)) for p in self._others(space, fresh, level)]
        if level == 0:
            self._size_up(space, own, others)
            if self.constant:
                return nothing
        axes = Look.at(space, own, others).hidden(self, tol)
        if self.on_boundary:
            axes = np.repeat(axes.any(1, keepdims=True), space.dimension, axis=1)  # as deep as wide
        return axes

    @property
    def on_boundary(self) -> bool:
        """Whether it is a condition, and not the equation."""
        return self.place is not None

    def _at(self, space: Space, points: Points) -> Tensor:
        """Values (b, m, c) at the points of a batch."""
        return self.data(space.coordinates(points)).view(*points.weight.shape, -1)

    def _own(self, space: Space, fresh: np.ndarray) -> list[Points]:
        """Points of the solve in the patches of a mask (e,)."""
        if not self.on_boundary:
            return _of(space.value_points, fresh)
        n = math.ceil(ROWS_PER_FUNCTION * int(space.q.max()))
        part = points_on_pieces(space.patches, self.place, n, chosen=torch.from_numpy(fresh))
        return _batches(space, part)

    def _others(self, space: Space, fresh: np.ndarray, level: int) -> list[Points]:
        """Points that stand for many in the patches of a mask (e,)."""
        if self.on_boundary:
            part = points_on_pieces(
                space.patches, self.place, self.count, panel_grid, torch.from_numpy(fresh)
            )
            kept, weight = thinned(part[0], self.data(part[0]), part[3].square())
            x, normals, cells, _ = (column[kept] for column in part)
            return _batches(space, (x, normals, cells, weight.sqrt()))
        found = []
        batch = max(1, AT_ONCE // (self.count * BLOCK))
        for points in neighbours(space.patches, np.flatnonzero(fresh), self.count, level, batch):
            x = space.coordinates(points)
            kept, weight = thinned(x, self.data(x), points.weight.flatten().square())
            y = points.y.flatten(0, 1)[kept].view(len(points.cells), -1, space.dimension)
            found += _of_one_degree(space, Points(points.cells, y, weight.sqrt().view(len(y), -1)))
        return _together(space, found)

    def _enough(self, space: Space, own: Sequence[Known]) -> int:
        """Blocks in each patch, or points along each axis of each part of a boundary; parts are as long as patches."""
        samples = SAMPLES[space.dimension]
        if not self.on_boundary:
            return max(samples // (BLOCK * len(space.patches)), LEAST_BLOCKS**space.dimension)
        parts = sum(len(points.cells) for points, _ in own)
        if space.dimension > 2:
            # On a surface a patch may have many panels.
            each = math.ceil(ROWS_PER_FUNCTION * int(space.q.max())) ** (space.dimension - 1)
            parts = max(parts, sum(points.weight.numel() for points, _ in own) // each)
        count = int((samples / max(1, parts)) ** (1 / (space.dimension - 1)))
        return max(count, 3 * int(space.q.max()))

    def _size_up(self, space: Space, own: Sequence[Known], others: Sequence[Known]) -> None:
        """What data are measured against."""
        self.constant = all(bool((values == others[0][1][0, 0]).all()) for _, values in others)
        part = _measures(space, own) / self.measure
        self.size, self.largest = torch.zeros(2, space.unknowns, dtype=torch.float64)
        for points, values in others:
            weight = points.weight.square()[..., None]
            values = torch.where(weight > 0, values.abs(), 0.0)
            mean = (weight * values).sum(1) / weight.sum(1).clamp_min(torch.finfo(weight.dtype).tiny)
            self.size += part[points.cells] @ mean
            self.largest = torch.maximum(self.largest, values.amax((0, 1)))


def _measures(space: Space, own: Sequence[Known]) -> Tensor:
    """Measures (e,) of the parts of the domain or the boundary in the patches."""
    found = torch.zeros(len(space.patches), dtype=torch.float64)
    for points, _ in own:
        found[points.cells] = space.volume_weights(points).sum(1)
    return found


def _batches(space: Space, part: Part) -> list[Points]:
    """Points of a boundary in batches of patches of one degree."""
    x, normals, cells, weight = part
    return batched(x @ space.rotation, normals, cells, weight, space.q, space.batch)


def _together(space: Space, batches: Sequence[Points]) -> list[Points]:
    """Points inside of patches of one degree in as few batches as memory allows, since a look costs its calls."""
    alike: dict[tuple[int, int], list[Points]] = {}
    for points in batches:
        alike.setdefault((int(space.q[points.cells[0]]), points.y.shape[1]), []).append(points)
    found = []
    for (_, m), mine in alike.items():
        cells = np.concatenate([points.cells for points in mine])
        y = torch.cat([points.y for points in mine])
        weight = torch.cat([points.weight for points in mine])
        b = max(1, AT_ONCE // m)
        found += [
            Points(cells[start : start + b], y[start : start + b], weight[start : start + b])
            for start in range(0, len(cells), b)
        ]
    return found


def _of_one_degree(space: Space, points: Points) -> list[Points]:
    """A batch divided by the degrees of its patches."""
    own = space.q[points.cells]
    return [_some(points, own == degree) for degree in np.unique(own)]


def _of(batches: Sequence[Points], chosen: np.ndarray) -> list[Points]:
    """Points of the patches of a mask (e,)."""
    masks = [chosen[points.cells] for points in batches]
    return [_some(points, mine) for points, mine in zip(batches, masks, strict=True) if mine.any()]


def _some(points: Points, mine: np.ndarray) -> Points:
    if mine.all():
        return points
    normals = None
    if points.normals is not None:
        normals = points.normals[mine]
    return Points(points.cells[mine], points.y[mine], points.weight[mine], points.congruent, normals)


@dataclass(frozen=True, eq=False)
class Look:
    """How well polynomials on patches, fitted at their own points, predict data at other points.

    Attributes:
        seen: (e, c) root mean square misfit at the points of the fit.
        between: (e, c) mean misfit at the others.
        net: (e, c) misfit of the mean over the others.
        spread: (e, d, c) standard deviation of where the data are large, over the half width of the patch.
        measure: (e,) of the parts of the domain or the boundary.
    """

    seen: Tensor
    between: Tensor
    net: Tensor
    spread: Tensor
    measure: Tensor

    @classmethod
    def at(cls, space: Space, own: Sequence[Known], others: Sequence[Known]) -> Look:
        """Fit what is known of the data at the points of the solve on every patch, and look at others."""
        seen, between, net = torch.zeros(3, len(space.patches), space.unknowns, dtype=torch.float64)
        spread = torch.ones(len(space.patches), space.dimension, space.unknowns, dtype=torch.float64)
        fit = space.zero()
        for points, values in own:
            found = space.fit_at(points, values)
            fit[space.columns(points.cells)] = found.reshape(len(found), -1)
            weight = points.weight.square()[..., None]
            missed = _misfit(space, points, fit, values)
            seen[points.cells] = ((weight * missed.square()).sum(1) / weight.sum(1)).sqrt()
        for points, values in others:
            weight = points.weight.square()[..., None]
            missed = _misfit(space, points, fit, values)
            whole = weight.sum(1).clamp_min(torch.finfo(weight.dtype).tiny)
            between[points.cells] = (weight * missed.abs()).sum(1) / whole
            net[points.cells] = ((weight * missed).sum(1) / whole).abs()
            spread[points.cells] = _spread(space, points, values)
        return cls(seen, between, net, spread, _measures(space, own))

    def hidden(self, of: Watched, tol: float) -> np.ndarray:
        """Axes (e, d) to halve: of patches in which data do more between the points than at them, enough to matter."""
        part = (self.measure / of.measure)[:, None]
        size = of.size.clamp_min(torch.finfo(of.size.dtype).tiny)
        share = part * self.between / size
        exact = self.between > ROUNDING * of.largest
        narrow = (self.between > HIDDEN * self.seen) & (share > NOTICED * tol) & exact
        local = (share > NOTICED * max(tol, ROUGHLY)) & exact
        # A net source that is missing is felt everywhere, however small what it does nearby.
        local |= (part * self.net / size > NOTICED * tol) & exact
        small = self.spread < LOCAL  # (e, d, c)
        unclear = narrow & ~small.any(1)
        return np.asarray((small & (narrow | local)[:, None] | unclear[:, None]).any(2))


def _spread(space: Space, points: Points, values: Tensor) -> Tensor:
    """Standard deviations (b, d, c) of where data are far from their median, in half widths; one across a boundary."""
    t, _ = space.local(points.cells, points.y)
    # Distances from the median, not from the mean: a narrow peak hardly moves the median.
    away = (values - values.median(1, keepdim=True).values).abs()
    away = away / away.amax(1, keepdim=True).clamp_min(torch.finfo(away.dtype).tiny)
    every = points.weight.square()[..., None]
    flat = _deviation(t, every) < FLAT * LOCAL
    return torch.where(flat, 1.0, _deviation(t, every * away.square().square()))


def _deviation(t: Tensor, weight: Tensor) -> Tensor:
    """Standard deviations (b, d, c) of places t (b, m, d) with weights (b, m, c)."""
    weight = weight / weight.sum(1, keepdim=True).clamp_min(torch.finfo(weight.dtype).tiny)
    mean = t.mT @ weight
    return (t.square().mT @ weight - mean.square()).clamp_min(0.0).sqrt()


def _misfit(space: Space, points: Points, fit: Tensor, values: Tensor) -> Tensor:
    """Misfits (b, m, c) of a fit (p,) to values."""
    own = space.coefficients_on(fit, points.cells)
    table = space.value_table(points).expand(len(own), -1, -1)
    return torch.einsum("bmk,buk->bmu", table, own) - values
