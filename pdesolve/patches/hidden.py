"""What sources, coefficients and boundary values do between collocation points, looked at before anything is solved.

All functions of a problem are given. A source that is narrower than the distance of the points leaves no trace in the
solution, so patches are halved around it until their points see it; from there on the adaptive loop does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pdesolve.patches.cells import Patches
from pdesolve.patches.compiled import GridTerm, Statement
from pdesolve.patches.partition import MAX_LEVEL
from pdesolve.patches.points.boundary import boundary_points
from pdesolve.patches.points.interior import Points
from pdesolve.patches.space import ROWS_PER_FUNCTION, Space
from pdesolve.runs.deadline import check_deadline
from pdesolve.statement.residual import ResidualOperator

# Points by dimension: a bell curve of width 1e-5 of an interval is above 1e-3 of its height on 5e-5 of it, which is
# three points; in the plane one of width 3e-3 has as many.
SAMPLES = {1: 2**16, 2: 2**15, 3: 2**14}
MOST_PER_AXIS = (
    512  # of a part of a boundary in a patch: Gauss rules of more points take longer to make than the rest
)
LOCAL = 0.1  # of the half width of a patch, as standard deviation of where data are large: of all places it is 0.58
FLAT = 0.1  # of LOCAL: points that spread less lie on a plane
# Tolerance to which what is seen, but local, is looked at; the rest is left to the adaptive loop.
ROUGHLY = 1e-4
HIDDEN = 10.0  # misfit at other points over that at the points of the fit: aliased waves have 2 to 3
NOTICED = 0.1  # of the tolerance: the part that a patch may hide of the mean size of the data
ROUNDING = 1e-10  # part of the largest value that fits of degree 22 leave of smooth data
FEW = 2**8  # points at which the sizes of sources and other terms are compared
AT_ONCE = 2**15  # points at which data are evaluated together, which bounds the memory
Data = Callable[[Space, Points], Tensor]
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
    terms = [(term, data_of(term)) for term in statement.terms]
    for level in range(MAX_LEVEL):
        axes = np.zeros((len(patches), patches.dimension), dtype=bool)
        for term, data in terms:
            check_deadline()
            space = Space(patches, q, np.zeros((term.operator.components, patches.dimension), dtype=int))
            axes |= _hidden(space, term, data, level, tol)
        if not axes.any():
            break
        partition, parent = patches.partition.split(axes)
        patches, kept = Patches.over(patches.frame, partition)
        q = q[parent[kept]]
    return patches, q


def at_one_jet(operator: ResidualOperator) -> Callable[[Tensor, Tensor | None], Tensor]:
    """The residual (n, c) of a term as a function of the place and the normal: sources and coefficients at once.

    It is taken at a random jet, the same at all places, of such a size that sources and the other terms are alike.
    """
    domain = operator.problem.domain
    lengths = domain.bounds[1] - domain.bounds[0]
    units = torch.stack([lengths.pow(-torch.tensor(alpha)).prod() for _, alpha in operator.slots])
    generator = torch.Generator().manual_seed(9)
    # A random jet makes it unlikely that coefficients cancel; entries stay away from zero, lest one be overlooked.
    jet = (torch.rand(len(units), generator=generator, dtype=torch.float64) + 0.5) * units
    x = domain.sample(FEW, sampler="sobol", seed=9)
    normals = None
    if operator.term.place is not None:
        normals = torch.ones_like(x) / math.sqrt(x.shape[1])
    sources = _values(operator, x, 0 * jet, normals)
    others = _values(operator, x, jet, normals) - sources
    # Without a common size, a strong source would hide a coefficient that varies, or the other way round.
    size = float((sources.abs().sum(0) / others.abs().sum(0)).nan_to_num(0.0, 0.0, 0.0).max())
    jet = jet * (size or 1.0)
    return lambda x, normals: _values(operator, x, jet, normals)


def data_of(term: GridTerm) -> Data:
    """The residual (b, m, c) of a term at one jet, as a function of the points of a space."""
    values = at_one_jet(term.operator)

    def data(space: Space, points: Points) -> Tensor:
        x = torch.split(space.coordinates(points), AT_ONCE)
        normals: Sequence[Tensor | None] = [None] * len(x)
        if points.normals is not None:
            # One direction for all: the corner of a square under ∂u/∂n = 0 is no jump of the data.
            direction = torch.full_like(points.normals, 1 / math.sqrt(points.normals.shape[-1]))
            normals = torch.split(direction.flatten(0, 1), AT_ONCE)
        found = [values(part, normal) for part, normal in zip(x, normals, strict=True)]
        return torch.cat(found).view(*points.weight.shape, -1)

    return data


def _values(operator: ResidualOperator, x: Tensor, jet: Tensor, normals: Tensor | None) -> Tensor:
    """Residuals (n, c) at places with one jet; zero where they are not finite."""
    parameters = {k: torch.tensor(v, dtype=torch.float64) for k, v in operator.problem.parameters.items()}
    with torch.no_grad() if operator.depth == 0 else torch.enable_grad():
        found = operator.residual(x, jet.expand(len(x), -1), normals, parameters).detach()
    return found.nan_to_num(0.0, 0.0, 0.0)


def _hidden(space: Space, term: GridTerm, data: Data, seed: int, tol: float) -> np.ndarray:
    """Axes (e, d) to halve, where the data of a term do more between the points than at them."""
    nothing = np.zeros((len(space.patches), space.dimension), dtype=bool)
    if term.operator.term.place is None:
        # The fit takes the points of the solve: the question is what these points see.
        own = space.value_points
        others = space.unseen_points(SAMPLES[space.dimension], seed)
    elif space.dimension == 1 or not space.patches.frame.pieces_on(term.operator.term.place):
        return nothing  # single points, all of which are seen
    else:
        own = _on_boundary(space, term, math.ceil(ROWS_PER_FUNCTION * int(space.q.max())))
        others = _on_boundary(space, term, _dense(space, sum(len(points.cells) for points in own)))
    values = [data(space, points) for points in others]
    if _are_constant(values):
        return nothing
    look = Look.at(space, [(p, data(space, p)) for p in own], list(zip(others, values, strict=True)))
    axes = look.hidden(tol)
    if term.operator.term.place is not None:
        axes = np.repeat(axes.any(1, keepdims=True), space.dimension, axis=1)  # as deep as wide
    return axes


def _are_constant(values: Sequence[Tensor]) -> bool:
    """Whether a term asks for the same at all points, as values of zero on a boundary."""
    return all(bool((part == values[0][0, 0]).all()) for part in values)


def _dense(space: Space, parts: int) -> int:
    """Points along each axis of each of so many parts of a boundary."""
    count = (SAMPLES[space.dimension] / max(1, parts)) ** (1 / (space.dimension - 1))
    return min(max(int(count), 3 * int(space.q.max())), MOST_PER_AXIS)


def _on_boundary(space: Space, term: GridTerm, count: int) -> list[Points]:
    """So many points along each axis of each part of a boundary, in batches of patches of one degree."""
    counts = np.full_like(space.q, count)
    found = []
    for points in boundary_points(space.patches, term.operator.term.place, counts, space.batch):
        own = space.q[points.cells]
        for degree in np.unique(own):
            mine = own == degree
            normals = points.given_normals[mine]
            found.append(Points(points.cells[mine], points.y[mine], points.weight[mine], False, normals))
    return found


@dataclass(frozen=True, eq=False)
class Look:
    """How well polynomials on patches, fitted at their own points, predict data at other points.

    Attributes:
        seen: (e, c) root mean square misfit at the points of the fit.
        between: (e, c) mean misfit at the others.
        net: (e, c) misfit of the mean over the others.
        spread: (e, d, c) standard deviation of where the data are large, over the half width of the patch.
        part: (e,) of all of the domain or the boundary.
        size: (c,) mean absolute values.
        largest: (c,) largest ones.
    """

    seen: Tensor
    between: Tensor
    net: Tensor
    spread: Tensor
    part: Tensor
    size: Tensor
    largest: Tensor

    @classmethod
    def at(cls, space: Space, own: Sequence[Known], others: Sequence[Known]) -> Look:
        """Fit what is known of the data at the points of the solve on every patch, and look at others."""
        seen, between, net, size = torch.zeros(4, len(space.patches), space.unknowns, dtype=torch.float64)
        part = torch.zeros(len(space.patches), dtype=torch.float64)
        largest = torch.zeros(space.unknowns, dtype=torch.float64)
        spread = torch.ones(len(space.patches), space.dimension, space.unknowns, dtype=torch.float64)
        fit = space.zero()
        for points, values in own:
            found = space.fit_at(points, values)
            fit[space.columns(points.cells)] = found.reshape(len(found), -1)
            weight = points.weight.square()[..., None]
            missed = _misfit(space, points, fit, values)
            seen[points.cells] = ((weight * missed.square()).sum(1) / weight.sum(1)).sqrt()
            part[points.cells] = space.volume_weights(points).sum(1)
        for points, values in others:
            weight = points.weight.square()[..., None]
            missed = _misfit(space, points, fit, values)
            between[points.cells] = (weight * missed.abs()).sum(1) / weight.sum(1)
            net[points.cells] = ((weight * missed).sum(1) / weight.sum(1)).abs()
            spread[points.cells] = _spread(space, points, values)
            values = torch.where(weight > 0, values.abs(), 0.0)
            size[points.cells] = (weight * values).sum(1) / weight.sum(1)
            largest = torch.maximum(largest, values.amax((0, 1)))
        part = part / part.sum()
        return cls(seen, between, net, spread, part, part @ size, largest)

    def hidden(self, tol: float) -> np.ndarray:
        """Axes (e, d) to halve: of patches in which data do more between the points than at them, enough to matter."""
        share = self.part[:, None] * self.between / self.size.clamp_min(torch.finfo(self.size.dtype).tiny)
        exact = self.between > ROUNDING * self.largest
        narrow = (self.between > HIDDEN * self.seen) & (share > NOTICED * tol) & exact
        local = (share > NOTICED * max(tol, ROUGHLY)) & exact
        # A net source that is missing is felt everywhere, however small what it does nearby.
        missing = self.part[:, None] * self.net / self.size.clamp_min(torch.finfo(self.size.dtype).tiny)
        local |= (missing > NOTICED * tol) & exact
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
