"""Conditions between the points of a solve: what boundary values do there is seen by no collocation point."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pdesolve.patches.assembly import Assembly
from pdesolve.patches.compiled import GridTerm
from pdesolve.patches.newton import Discrete
from pdesolve.patches.points.boundary import boundary_points
from pdesolve.patches.points.interior import Points
from pdesolve.patches.rows.terms import TermRows

# Points of each term: on a square one in 6e-5 of the boundary. In space one in 1e-2 of a face.
SAMPLES = {2: 2**14, 3: 2**15}
MOST_PER_AXIS = 512  # of a patch: Gauss rules of more points take longer to make than all the rest
OUTSTANDING = 10.0  # residual between the points over that at the points of the solve


def missed_on_boundaries(discrete: Discrete, allowed: Tensor) -> np.ndarray:
    """Patches (e,) in which a condition fails between the points of the solve.

    Args:
        discrete: a solution.
        allowed: (u,) mean residuals, in units of the unknowns, that change no verdict.
    """
    assembly = discrete.assembly
    mask = np.zeros(len(assembly.patches), dtype=bool)
    if assembly.dimension not in SAMPLES:
        return mask  # ends of an interval are points, all of which are seen
    rows = assembly.source(TermRows)
    for term in assembly.statement.terms[1:]:
        if term.linear:
            continue  # its data were seen before the first solve
        known = [points for other, points in rows.points if other is term]
        seen = torch.zeros(len(mask), term.operator.components, dtype=torch.float64)
        for points in known:
            scaled, _ = _scaled(discrete, term, points, allowed)
            weight = points.weight.cpu().square()[..., None]
            seen[points.cells] += (scaled.square() * weight).sum(1) / weight.sum(1)
        for points in _many(assembly, term, sum(len(points.cells) for points in known)):
            scaled, limit = _scaled(discrete, term, points, allowed)
            mean = scaled.mean(1)
            missed = (mean > OUTSTANDING * seen[points.cells].sqrt()) & (mean > limit)
            mask[points.cells] |= (missed | ~mean.isfinite()).any(1).numpy()
    return mask


def _many(assembly: Assembly, term: GridTerm, patches: int) -> list[Points]:
    """About SAMPLES points of a boundary term that meets so many patches; none of one that holds at points."""
    place = term.operator.term.place
    if not assembly.patches.frame.pieces_on(place):
        return []
    faces = assembly.dimension - 1
    count = int((SAMPLES[assembly.dimension] / max(patches, 1)) ** (1 / faces))
    count = min(max(count, 2 * int(assembly.q.max())), MOST_PER_AXIS)
    found = boundary_points(assembly.patches, place, np.full_like(assembly.q, count), assembly.space.batch)
    # Tables are made for the degree of each patch, of which a batch has one.
    return [assembly.space.to_device(part) for points in found for part in _of_one_degree(points, assembly.q)]


def _of_one_degree(points: Points, q: np.ndarray) -> list[Points]:
    """A batch divided by the degrees of its patches."""
    own = q[points.cells]
    found = []
    for degree in np.unique(own):
        mine = own == degree
        normals = None
        if points.normals is not None:
            normals = points.normals[mine]
        found.append(Points(points.cells[mine], points.y[mine], points.weight[mine], False, normals))
    return found


def _scaled(discrete: Discrete, term: GridTerm, points: Points, allowed: Tensor) -> tuple[Tensor, Tensor]:
    """Absolute residuals (b, m, c) in units of the unknowns, and what is allowed of them (b, c)."""
    assembly = discrete.assembly
    at = assembly.source(TermRows).at
    jets = at.jets(term, points, at.table(term, points), discrete.coefficients)
    r, dF = at.linearise(term, points, jets)
    scale = at.row_scale(term, points, dF)
    limit = allowed @ unknowns_in(assembly, term, points, dF, scale)
    return (r * scale).abs().cpu(), limit.cpu()


def unknowns_in(assembly: Assembly, term: GridTerm, points: Points, dF: Tensor, scale: Tensor) -> Tensor:
    """Part (b, u, c) that unknown u has in row c of each cell: max |∂F/∂u_β| H^{-β} over the largest."""
    reach = assembly.half[torch.from_numpy(points.cells).to(assembly.device)]
    beta = torch.tensor([list(b) for _, b in term.slots], dtype=reach.dtype, device=reach.device)
    strength = (dF.abs() * torch.exp(-(reach.log() @ beta.T))[:, None, None]).amax(1) * scale.mT  # (b, c, s)
    found = strength.new_zeros(len(strength), assembly.unknowns, strength.shape[1])
    for s, (u, _) in enumerate(term.slots):
        found[:, u] = torch.maximum(found[:, u], strength[..., s])
    return found


def root_mean_squares(discrete: Discrete) -> Tensor:
    """‖u‖ / √|Ω| of the unknowns (u,), by quadrature within the domain.

    Coefficients would not do: those of a cut cell stand for a function on all of it, which may be large
    beyond the wall.
    """
    space = discrete.assembly.space
    volume = sum(float(space.volume_weights(points).sum()) for points in space.interior)
    return space.norms(discrete.coefficients) / volume**0.5
