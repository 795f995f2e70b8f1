"""The uniform grid on which polynomials resolve the data of an equation, looked for before anything is solved.

Sources and coefficients are known functions. Where they oscillate all over the domain, so does the solution, and
levels on which neither is resolved tell nothing. On cells that are all alike high degrees are cheap: tables, Gram
matrices and factors of one cell serve all.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from pdesolve.patches.basis import basis_size, legendre_table
from pdesolve.patches.cells import Patches
from pdesolve.patches.compiled import GridTerm
from pdesolve.patches.hidden import Data, data_of
from pdesolve.patches.points.grids import gauss_grid
from pdesolve.patches.space import Space

# Unknowns of the first grid: a second of work, so that whoever has little time gets something at all. Beyond it, a grid
# that follows the solution is left to find what matters.
MOST_UNKNOWNS = 60_000
# Cells that stand for all, until a grid seems fine enough: a feature in fewer than one of them is local.
SAMPLED = 36
# Part of the cells that hold nearly all of what the first degree leaves out: where they are fewer, the data are local,
# and patches that are drawn to them do with less.
EVERYWHERE = 0.25
NEARLY_ALL = 0.9
# Relative to the data: what fits of degree 22 leave by rounding.
ROUNDING = 1e-14


def resolving_grid(
    patches_of: Callable[[int, int | None], Patches],
    term: GridTerm,
    cells: int,
    degrees: tuple[int, int],
    tol: float,
    most: int = MOST_UNKNOWNS,
) -> tuple[int, int]:
    """The coarsest grid on which the data of a term are resolved, and the degree that does it.

    Args:
        patches_of: cells on the longest side, and how many patches at most ↦ patches spread over a uniform grid.
        term: the equation.
        cells: on the longest side of the first grid.
        degrees: the first and the highest.
        tol: part of the data, in the mean square, that a degree may leave out.
        most: unknowns of it.

    Returns:
        Cells on the longest side and a degree; those of the first grid where the data are local, or resolved there,
        or nowhere.
    """
    first, highest = degrees
    data = data_of(term)
    components = term.operator.components

    def degree_on(number: int, sampled: int | None) -> int | None:
        return _degree(patches_of(number, sampled), data, components, degrees, tol)

    def enough(number: int) -> bool:
        degree = degree_on(number, SAMPLED)
        return degree is None or degree <= highest

    degree = degree_on(cells, None)
    if degree is None or degree <= highest:
        return cells, degree or first
    dimension = patches_of(cells, 1).dimension
    largest = int((min(most, MOST_UNKNOWNS) / basis_size(dimension, highest)) ** (1 / dimension))
    finer = range(cells + 1, largest + 1)
    # The cells that were looked at may have missed what others have: then it is the next grid.
    for number in finer[bisect_left(finer, True, key=enough) :]:
        degree = degree_on(number, None)
        if degree is None:
            break
        if degree <= highest:
            return number, degree
    return cells, first


def _degree(
    patches: Patches, data: Data, components: int, degrees: tuple[int, int], tol: float
) -> int | None:
    """The lowest even degree beyond which the data of patches have less than `tol`; None where they are local.

    A fit of two degrees more than the highest shows what is beyond it.
    """
    first, highest = degrees
    if patches.cut.all():
        return None
    patches = patches.some(~patches.cut)
    most = highest + 2
    space = Space(patches, np.full(len(patches), most), np.zeros((components, patches.dimension), dtype=int))
    parts = torch.zeros(len(patches), components, most, dtype=torch.float64)
    for points in space.value_points:
        values = data(space.coordinates(points)).view(*points.weight.shape, -1)
        volume = space.half[torch.from_numpy(points.cells)].prod(1)
        parts[points.cells] = _by_degree(values, most, space.dimension) * volume[:, None, None]
    return _lowest(parts, first, highest, tol)


def _by_degree(values: Tensor, most: int, dimension: int) -> Tensor:
    """Squares (b, c, q) of the Legendre coefficients, by total degree < q, of values (b, n^d, c) at n^d Gauss points.

    Polynomials of degree < q ≤ n are orthogonal at the points, so that the best fit is a product axis by axis.
    """
    b, m, components = values.shape
    n = round(m ** (1 / dimension))
    t, w = gauss_grid(1, n)
    along = legendre_table(t[:, 0], most, 0)[0] * w[:, None]  # (n, q)
    c = values.view(b, *[n] * dimension, components)
    for _ in range(dimension):
        c = torch.tensordot(c, along, ([1], [0]))  # the first axis is summed over, and its degree comes last
    c = c.flatten(2)  # (b, c, q^d)
    degree = torch.cartesian_prod(*[torch.arange(most)] * dimension).view(-1, dimension).sum(1)
    found = values.new_zeros(b, components, dimension * most)
    return found.index_add_(2, degree, c.square())[..., :most]


def _lowest(parts: Tensor, first: int, highest: int, tol: float) -> int | None:
    """From squares (e, c, q) by degree: see `_degree`; `highest` + 2 where no degree does."""
    total = parts.sum((0, 2)).clamp_min(1e-300)  # (c,)
    beyond = parts.flip(2).cumsum(2).flip(2)  # of degree q and above
    goal = max(tol, ROUNDING) ** 2
    allowed = goal * total
    left = beyond[..., first]  # (e, c)
    if bool((left.sum(0) <= allowed).all()):
        return first
    held = (left / left.sum(0).clamp_min(1e-300)).amax(1).sort(descending=True).values.cumsum(0)
    if float((held <= NEARLY_ALL * held[-1]).double().mean()) < EVERYWHERE:
        return None
    for degree in range(first, highest + 1, 2):
        if bool((beyond[..., degree].sum(0) <= allowed).all()):
            return degree
    return highest + 2
