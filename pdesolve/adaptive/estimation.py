"""What is known of the error: the difference to a finer solution, and what the equation leaves between the points."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pdesolve.adaptive.bodies import hidden_by_contrast, lost_in_bodies
from pdesolve.adaptive.boundary_data import missed_on_boundaries, root_mean_squares, unknowns_in
from pdesolve.adaptive.tuning import TUNING, Tuning
from pdesolve.patches.compiled import GridTerm, orders_of
from pdesolve.patches.evaluation import Evaluation
from pdesolve.patches.newton import Discrete, coefficients_of, volume_weights
from pdesolve.patches.points.interior import Points
from pdesolve.patches.rows.conservation import SIZE_POWER
from pdesolve.patches.rows.terms import TermRows

NARROW = 0.25  # of its second narrowest width: below, a cell was halved twice toward a wall, or more


def difference(coarse: Discrete, fine: Discrete, tuning: Tuning = TUNING) -> np.ndarray:
    """Estimated ‖u - u*‖/‖u*‖ per unknown, from a finer solution v on the same patches; infinite where there is none.

    It is d = ‖v - u‖/‖v‖, divided by 1 - √σ for the error that v shares with u, σ = (‖r_v‖/‖r_u‖)²: the error of v
    falls like the residual, of which pollution from a singular point is the square. σ is nearly zero where the
    solution is smooth, 0.6 beside a re-entrant corner. Above 0.75, v is no better than u, and d says nothing. What
    linear solves may have left in either of them is added to d.
    """
    error, size = difference_norms(coarse, fine)
    error = error + algebraic(coarse) + algebraic(fine)
    found = relative(error, reference(fine, size, tuning), 0.0)
    return estimates_of(found, shared(coarse, fine, tuning), coarse, fine, tuning=tuning)


def estimates_of(
    found: np.ndarray,
    sigma: float,
    coarse: Discrete,
    fine: Discrete,
    sharp: bool = False,
    tuning: Tuning = TUNING,
    of: Discrete | None = None,
) -> np.ndarray:
    """Estimated errors (u,) of a solution from what tells it from a finer one: all estimates are made here.

    Args:
        found: (u,) relative differences of the two.
        sigma: what they share, see `shared`.
        coarse: the solution.
        fine: the finer one.
        sharp: whether that is finer where the coarse one is singular, too.
        tuning: numbers that decide.
        of: whose error is meant, `coarse` by default.
    """
    of = of or coarse
    estimates = beyond(found, sigma, sharp, tuning) * hidden_by_contrast(of)
    lost = lost_in_bodies(of)
    if lost.any():
        sizes = of.assembly.space.norms(of.coefficients).cpu().numpy()
        estimates = np.maximum(estimates, relative(lost, reference(of, sizes, tuning), 0.0))
    return np.maximum(estimates, held_at_walls(coarse, fine, tuning))


def algebraic(discrete: Discrete) -> np.ndarray:
    """L2 norms (u,) of what a linear solve that is an iteration may have left; zero of a factorisation."""
    if discrete.algebraic is None:
        return np.zeros(discrete.assembly.unknowns)
    return discrete.algebraic


def shared(coarse: Discrete, fine: Discrete, tuning: Tuning = TUNING) -> float:
    """σ = (‖r_v‖/‖r_u‖)², not capped; 0 where nothing but rounding is left of either residual."""
    found = (fine.residual / max(coarse.residual, 1e-300)) ** 2
    if found > tuning.most_shared and at_rounding(coarse, tuning) and at_rounding(fine, tuning):
        return 0.0
    return float(found)


def held_at_walls(coarse: Discrete, fine: Discrete, tuning: Tuning = TUNING) -> float:
    """A relative error that two solutions share in patches at an end or along a wall, and no residual shows; else 0.

    Rows of a patch of size h weigh √h. That is right of a corner, whose errors stay there, and hides what is left at an
    end or along a wall, over which errors are carried on in full: √x beside 0, with (√x u')' = 0, was verified with an
    error fifty times as large as said, since all degrees leave as much of it in the last patch. So where patches are
    narrow along one axis only, what the equation leaves there, in units of the unknowns, must fall with the degree,
    or it counts as an error itself. It is up to ten times as large as the one that comes of it.
    """
    left = _left_at_walls(fine)
    if left <= tuning.left_at_walls or left**2 <= tuning.most_shared * _left_at_walls(coarse) ** 2:
        return 0.0
    return left


def _left_at_walls(discrete: Discrete) -> float:
    """Root sum of squares of what the equation leaves in patches with `_wall_sizes`, in units of the unknowns."""
    assembly = discrete.assembly
    weights = torch.from_numpy(_wall_sizes(assembly.patches.partition.half)).to(discrete.coefficients)
    if not bool(weights.any()):
        return 0.0
    term = assembly.statement.terms[0]
    at = assembly.source(TermRows).at
    size = root_mean_squares(discrete)
    total = 0.0
    for points in map(assembly.space.to_device, assembly.interior):
        jets = at.jets(term, points, at.table(term, points), discrete.coefficients)
        r, dF = at.linearise(term, points, jets)
        scale = at.row_scale(term, points, dF)
        unit = (size @ unknowns_in(assembly, term, points, dF, scale)).clamp_min(1e-300)  # (b, c)
        squares = ((r * scale * points.weight[..., None]) ** 2).sum(1) / points.weight.square().sum(1)[
            :, None
        ]
        mine = weights[torch.from_numpy(points.cells).to(weights.device)]
        total += float((mine**2 @ (squares / unit**2)).amax())
    return total**0.5


def _wall_sizes(half: np.ndarray) -> np.ndarray:
    """√(h/h_max) (e,) of cells of half widths (e, d) with their second narrowest width, 1 on a line; 0 of all others.

    A cell that is narrow along one axis only lies along a wall, which has a trace; one that is narrow along two lies at
    a corner or an edge, whose errors fade with the distance.
    """
    relative_half = np.sort(half / half.max(axis=0), axis=1)
    narrow = relative_half[:, 0]
    second = relative_half[:, 1] if half.shape[1] > 1 else np.ones(len(half))
    return np.where(narrow < NARROW * second, second**SIZE_POWER, 0.0)


def beyond(found: np.ndarray, sigma: float, sharp: bool = False, tuning: Tuning = TUNING) -> np.ndarray:
    """Estimates from differences (u,) of two solutions that share σ; infinite where that is too much.

    Args:
        found: relative differences.
        sigma: σ of the pair.
        sharp: whether the finer solution is finer where the coarse one is singular, too: then it shares only σ.
        tuning: numbers that decide.
    """
    if sigma > tuning.most_shared:
        return np.full_like(found, np.inf)
    if sharp:
        return found / (1 - sigma)
    return found / (1 - sigma**0.5)


def at_rounding(discrete: Discrete, tuning: Tuning = TUNING) -> bool:
    """Whether the residual is what rounding leaves of rows J c."""
    rows, _, _ = discrete.assembly.linearise(discrete.coefficients)
    terms = sum(float(block.apply(discrete.coefficients).square().sum()) for block in rows) ** 0.5
    return discrete.residual <= tuning.met * terms


def difference_norms(coarse: Discrete, fine: Discrete) -> tuple[np.ndarray, np.ndarray]:
    """‖v - u‖ and ‖v‖ per unknown, for a finer solution v on the same patches."""
    squares = fine.coefficients.new_zeros(2, fine.assembly.unknowns)
    space = fine.assembly.space
    error = fine.coefficients - space.prolong(coarse.assembly.space, coarse.coefficients)
    for points in fine.assembly.interior:
        v = coefficients_of(fine, points.cells)
        u = coefficients_of(coarse, points.cells)
        e = v.clone()
        e[..., : u.shape[2]] -= u
        volume = volume_weights(fine.assembly, points)
        for row, (own, c) in enumerate(((e, error), (v, fine.coefficients))):
            values = space.values(c, points, own)
            squares[row] += (volume[..., None] * values**2).sum((0, 1))
    return squares[0].sqrt().cpu().numpy(), squares[1].sqrt().cpu().numpy()


def change(before: Discrete, after: Discrete, tuning: Tuning = TUNING) -> np.ndarray:
    """‖after - before‖/‖after‖ per unknown, for solutions on different patches."""
    squares = after.coefficients.new_zeros(2, after.assembly.unknowns)
    zero = ((0,) * after.assembly.dimension,)
    source = before.mixture
    for points in after.assembly.interior:
        values = after.assembly.space.values(after.coefficients, points)
        y = points.y.to(values.device).reshape(-1, after.assembly.dimension)
        old = source.jet_on(source.patch_of(y), y, zero)[:, :, 0].view_as(values)
        volume = volume_weights(after.assembly, points)[..., None]
        volume = torch.where(torch.isfinite(old).all(-1, keepdim=True), volume, 0.0)
        squares[0] += (volume * (values - old.nan_to_num(0.0)) ** 2).sum((0, 1))
        squares[1] += (volume * values**2).sum((0, 1))
    error, size = squares.sqrt().cpu().numpy()
    error = error + algebraic(before) + algebraic(after)
    return relative(error, reference(after, size, tuning), 0.0)


def overlooked(
    discrete: Discrete, tol: float, samples: int, seed: int = 0, tuning: Tuning = TUNING
) -> tuple[np.ndarray, np.ndarray]:
    """Patches in which the equation fails at points that the solve has not seen, as a mask (e,), and its orders there.

    A feature narrower than the collocation points leaves no trace in the solution nor in its refinement. The residual
    at Sobol points, in units of the unknown (divided by max |∂F/∂u_β| H^{-β}, as the rows are), shows it where it is
    a thousand times what the rows leave. What falls between these points too, stays unseen.

    The orders (u, d) are those of the derivatives of each unknown along each axis that enter at these points, and ask
    for as much continuity: neither the residual nor the difference of two solutions shows that there is too little.
    """
    assembly = discrete.assembly
    term = assembly.statement.terms[0]
    at = assembly.source(TermRows).at
    size = root_mean_squares(discrete)
    left, scales = _seen_residuals(discrete)
    mask = np.zeros(len(assembly.patches), dtype=bool)
    orders = np.zeros_like(assembly.statement.orders)
    for points in assembly.space.unseen_points(samples, seed):
        jets = at.jets(term, points, at.table(term, points), discrete.coefficients)
        r, dF = at.linearise(term, points, jets)
        scale = at.row_scale(term, points, dF)
        scaled = (r * scale).abs()
        allowed = tol * size @ unknowns_in(assembly, term, points, dF, scale)  # (b, c)
        seen = left[torch.from_numpy(points.cells).to(left.device)]
        high = scaled.amax(1) > tuning.unseen * torch.maximum(allowed, left.amax(0))
        # What is narrow in an unknown has a large derivative by it at these points, which is in no row of the solve.
        mean = (r.abs() * scales[torch.from_numpy(points.cells).to(r.device), None]).mean(1)
        broad = (mean > tuning.outstanding * seen) & (mean > tuning.noticed * allowed)
        unmet = (high | broad | ~scaled.isfinite().all(1)).any(1)
        mask[points.cells] = unmet.cpu().numpy()
        found = orders_of(assembly.statement.problem, term.slots, dF.flatten(0, 1), len(orders))
        orders = np.maximum(orders, found)
    mask |= missed_on_boundaries(discrete, tuning.noticed * tol * size)
    return mask, orders


def _seen_residuals(discrete: Discrete) -> tuple[Tensor, Tensor]:
    """Root mean square residuals (e, c) of the equation at the points of the solve, in units of the unknown.

    And the scales (e, c) that bring them to these.
    """
    assembly = discrete.assembly
    term = assembly.statement.terms[0]
    at = assembly.source(TermRows).at
    found = discrete.coefficients.new_zeros(len(assembly.patches), term.operator.components)
    scales = torch.zeros_like(found)
    for points in map(assembly.space.to_device, assembly.interior):
        r, dF = at.linearise(
            term, points, at.jets(term, points, at.table(term, points), discrete.coefficients)
        )
        weight = points.weight[..., None]
        scale = at.row_scale(term, points, dF)
        mean = (r * scale * weight).square().sum(1) / weight.square().sum(1)
        cells = torch.from_numpy(points.cells).to(found.device)
        found[cells] = mean.sqrt()
        scales[cells] = scale[:, 0]
    return found, scales


def left_over(discrete: Discrete, tuning: Tuning = TUNING) -> float:
    """What the equation leaves, relative to its own terms Σ |∂F/∂u_β u_β| and its source: the mean over the domain.

    Of the component that is met worst. Every patch counts by its volume, so what stays at a corner does not count, and
    dividing patches does not make less of what contradicts the conditions. Where next to nothing happens, terms are
    put at a thousandth of the largest, or of those of an unknown of this size that changes over the whole domain: of
    Δ(xy) = 0 both terms are zero, and what a faint jump of boundary values leaves is no part of them.
    """
    assembly = discrete.assembly
    term = assembly.statement.terms[0]
    at = assembly.source(TermRows).at
    squares = discrete.coefficients.new_zeros(2, len(assembly.patches), term.operator.components)
    volume = squares.new_zeros(len(assembly.patches))
    sizes = _sizes_over_the_domain(discrete, term)
    natural = squares.new_zeros(len(assembly.patches), term.operator.components)
    for points in map(assembly.space.to_device, assembly.interior):
        r, terms, scale = _terms_of(discrete, term, at, points)
        _, dF = at.linearise(
            term, points, at.jets(term, points, at.table(term, points), discrete.coefficients)
        )
        weight = points.weight.square()[..., None]
        cells = torch.from_numpy(points.cells).to(squares.device)
        for row, values in enumerate((r, terms)):
            squares[row, cells] = (weight * (scale * values) ** 2).sum(1) / weight.sum(1)
        natural[cells] = (dF.abs() * sizes).amax(3).amax(1) * scale[:, 0]
        volume[cells] = assembly.space.volume_weights(points).sum(1)
    left, terms = squares.sqrt()
    faint = tuning.faint * torch.maximum(natural, terms.amax(0))
    share = left / (terms + faint).clamp_min(1e-300)
    return float(((volume / volume.sum()) @ share).max())


def _sizes_over_the_domain(discrete: Discrete, term: GridTerm) -> Tensor:
    """Sizes (s,) of the derivatives of unknowns of their sizes that change over the whole domain."""
    assembly = discrete.assembly
    size = root_mean_squares(discrete)
    reach = torch.from_numpy(assembly.patches.frame.reach).to(size)
    return torch.stack([size[u] * reach.pow(-torch.tensor(beta).to(reach)).prod() for u, beta in term.slots])


def _terms_of(
    discrete: Discrete, term: GridTerm, at: Evaluation, points: Points
) -> tuple[Tensor, Tensor, Tensor]:
    """Residuals, sums of the absolute values of their terms, both (b, m, c), and scales of rows (b, 1, c)."""
    jets = at.jets(term, points, at.table(term, points), discrete.coefficients)
    r, dF = at.linearise(term, points, jets)
    parts = dF * jets[:, :, None]
    return r, parts.abs().sum(3) + (r - parts.sum(3)).abs(), at.row_scale(term, points, dF)


def natural_sizes(discrete: Discrete) -> np.ndarray:
    """Sizes (u,) that the unknowns must have for what the equation says of them: the terms of its rows.

    Row c determines unknown u to the size max Σ |terms| / max |∂F/∂u_β| H^{-β}; the row that determines it best counts.
    """
    assembly = discrete.assembly
    term = assembly.statement.terms[0]
    at = assembly.source(TermRows).at
    largest = discrete.coefficients.new_zeros(assembly.unknowns, term.operator.components)
    for points in map(assembly.space.to_device, assembly.interior):
        _, terms, scale = _terms_of(discrete, term, at, points)
        jets = at.jets(term, points, at.table(term, points), discrete.coefficients)
        _, dF = at.linearise(term, points, jets)
        part = unknowns_in(assembly, term, points, dF, scale)
        size = (terms * scale).amax(1)[:, None] / part.clamp_min(1e-300)
        largest = torch.maximum(largest, size.amax(0))
    return largest.amin(1).cpu().numpy()


def reference(discrete: Discrete, norms: np.ndarray, tuning: Tuning = TUNING) -> np.ndarray:
    """L2 norms (u,) that errors are relative to: of the unknown itself, or its natural size where it is zero.

    An unknown of 1e-9 beside one of 1e4 is not zero. It is where the equation gives it a size beyond which it is
    rounding, such as a velocity across a channel beside the one along it.
    """
    small = norms <= tuning.vanishing * norms.max(initial=0.0)
    if not small.any():
        return norms
    volume = sum(float(discrete.assembly.space.volume_weights(p).sum()) for p in discrete.assembly.interior)
    natural = natural_sizes(discrete) * volume**0.5
    return np.where(small & (norms <= tuning.vanishing * natural), natural, norms)


def relative(error: np.ndarray, size: np.ndarray, least: float | np.ndarray = TUNING.vanishing) -> np.ndarray:
    """Errors (u,) over norms; an unknown below `least` of the largest is measured against it, and zero against one.

    Where the norms come from `reference`, nothing but zero itself is below: `least` = 0.
    """
    largest = size.max()
    return error / np.where(size > least * largest, size, largest if largest > 0 else 1.0)
