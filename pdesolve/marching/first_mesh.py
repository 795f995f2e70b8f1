"""The first patches: a few root cells, halved where they do not resolve the initial values."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from pdesolve.marching.evolution import Evolution
from pdesolve.marching.refinement import directions, split, tails
from pdesolve.marching.space import Space
from pdesolve.marching.step import relative_to
from pdesolve.patches.basis import basis_size
from pdesolve.patches.compiled import GridTerm
from pdesolve.patches.cover import Patches
from pdesolve.patches.frame import once
from pdesolve.patches.hidden import Data, Watched, data_of, halve_where_hidden, may_hide
from pdesolve.patches.partition import Partition
from pdesolve.patches.planes import planes_of_data

CELLS = {1: 4, 2: 2, 3: 2}  # root cells along the longest side
MOST_LEVELS = 12  # of halvings for initial values, which may have jumps
# A jump asks for ever more patches; where these do not suffice, the first slabs refine them.
MOST_PATCHES = {1: 400, 2: 900, 3: 216}
# Higher degrees need fewer patches, but a patch costs the cube of its functions.
HIGHEST = {
    1: 18,
    2: 16,
    3: 13,
}  # degrees that are tried, by dimension; beyond, tables and inverses rule the cost
# Tolerance to which jumps of data are looked for: those of any size cost a patch at most.
TIGHT = 1e-8
TIMES = (0.01, 0.31, 0.77)  # of the interval, at which data are looked at for what is narrow in space
HIDDEN = 1e-3  # of the mean size of the data, of which a patch may hide a tenth; slabs look for the rest
PROBES = 4096  # points at which initial values are compared with what the patches make of them
# Truncation between points is seen by the decay already: only what decay cannot see should count here.
MISFIT = 1e3  # times the tolerance: values there that differ by more were not seen by the patches


def root_space(evolution: Evolution, q: int, cells: int | None = None) -> Space:
    """The root grid."""
    problem = evolution.problem
    seams = {seam.axis: seam for seam in problem.seams}
    breaks = evolution.frame.breaks(cells or CELLS[evolution.dimension], tuple(seams), _planes(evolution))
    shift = np.zeros((evolution.dimension, evolution.dimension))
    for axis, seam in seams.items():
        shift[axis] = seam.shift[:-1]
    periodic = [i in seams for i in range(evolution.dimension)]
    parts = len(evolution.frame.subdomains)
    partition = Partition.grid(breaks, periodic, parts, shift if shift.any() else None)
    patches = once(
        evolution.memo,
        ("halved", cells or 0),
        lambda: _halved(evolution, Patches.over(evolution.frame, partition)[0], q),
    )
    return Space(evolution, patches, q)


def _halved(evolution: Evolution, patches: Patches, q: int) -> Patches:
    """Patches halved where data, at a few times, do more between their points than at them; once, for one degree."""
    if evolution.problem.data:
        return patches
    terms: list[tuple[GridTerm, Any]] = [(evolution.statement.terms[0], None)]
    terms += [(evolution.statement.terms[number], place) for number, place in evolution.places.items()]
    watched = [
        Watched(*_at_times(evolution, term), place) for term, place in terms if may_hide(patches, term, place)
    ]
    return halve_where_hidden(patches, np.full(len(patches), q), watched, HIDDEN)[0]


def _at_times(evolution: Evolution, term: GridTerm) -> tuple[Data, int]:
    """Data of a term as functions (n, d) ↦ (n, c) of the place, at all TIMES, and c."""
    values = data_of(term)
    time = evolution.problem.domain.time
    times = [time.t0 + part * time.length for part in TIMES]

    def data(x: Tensor) -> Tensor:
        return torch.cat([values(torch.cat([x, torch.full_like(x[:, :1], t)], 1)) for t in times], 1)

    return data, len(times) * term.operator.components


def _planes(evolution: Evolution) -> list[list[float]]:
    """Where data jump or bend at all times, found once."""
    frame = evolution.frame
    return once(
        evolution.memo,
        ("planes", evolution.statement),
        lambda: planes_of_data(frame, evolution.statement, TIGHT),
    )


def resolving(evolution: Evolution, q: int, tolerance: float, cells: int | None = None) -> Space:
    """Patches whose predicted truncation of the initial values is below the tolerance, as far as a few levels go."""
    space = root_space(evolution, q, cells)
    orders = range(max(1, evolution.depth))
    for _ in range(MOST_LEVELS):
        c = torch.stack([space.project(j) for j in orders])
        marked = torch.zeros(len(space), dtype=torch.bool)
        along = np.zeros((len(space), space.d), dtype=bool)
        for j in orders:
            scale = space.norms(c[j : j + 1])[0]
            if not bool(scale.any()):
                continue
            wrong = tails(space, c[j : j + 1], scale) > tolerance / len(space) ** 0.5
            missed = _missed(space, c[j], j, MISFIT * tolerance)
            marked |= wrong | missed
            along |= directions(space, c[j : j + 1], scale) | missed.numpy()[:, None]
        if not bool(marked.any()) or len(space) > MOST_PATCHES[space.d]:
            break
        finer = split(space, marked, along)
        if finer is None:
            break
        space = finer[0]
    return space


def cheapest(evolution: Evolution, q: int, tolerance: float, cells: int | None = None) -> Space:
    """The cheapest of `resolving` with degrees from q on; q itself where the root grid resolves with it."""
    best = resolving(evolution, q, tolerance, cells)
    if len(best) == len(root_space(evolution, q, cells)):
        return best
    for higher in range(q + 1, HIGHEST[evolution.dimension] + 1):
        space = resolving(evolution, higher, tolerance, cells)
        if elimination_flops(space) < elimination_flops(best):
            best = space
    return best


def elimination_flops(space: Space) -> float:
    """Cubes of the blocks that are eliminated: of every patch, and of the largest separator of the patches.

    A separator of P patches in d dimensions has about P^{(d-1)/d} faces, each with the modes of degree below q in
    d - 1 coordinates, of values and of normal derivatives.
    """
    count = len(space)
    modes = 1
    if space.d > 1:
        modes = basis_size(space.d - 1, space.q)
    separator = count ** ((space.d - 1) / space.d) * 2 * modes * space.unknowns
    return count * float(space.width) ** 3 + separator**3


def _missed(space: Space, c: Tensor, order: int, tolerance: float) -> Tensor:
    """Patches (e,) in which the initial values differ from their projection at points that it has not seen."""
    x = space.evolution.problem.domain.space.sample(PROBES, sampler="sobol", seed=1)
    mixture = space.mixture(c)
    patch = torch.from_numpy(mixture.patch_of(x @ space.rotation))
    stated = space.evolution.initial(x, order)
    known = patch >= 0
    found = mixture.jet(x[known], ((0,) * space.d,))[:, :, 0]
    size = stated.square().mean(0).sqrt()
    off = relative_to((found - stated[known]).abs(), size).amax(1)
    missed = torch.zeros(len(space), dtype=torch.bool)
    missed[patch[known][off > max(tolerance, 1e-9)]] = True
    return missed
