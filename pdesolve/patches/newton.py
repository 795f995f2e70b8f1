"""A discrete solution: Gauss–Newton on the rows of an assembly, warm starts, and norms on its patches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from pdesolve.least_squares.sparse.normal_equations import Factors, NormalEquations
from pdesolve.least_squares.sparse.row_blocks import squared_norm
from pdesolve.patches.assembly import Assembly
from pdesolve.patches.basis import basis_table
from pdesolve.patches.cover import Points
from pdesolve.patches.mixture import PartitionedMixture
from pdesolve.runs.monitor import Monitor
from pdesolve.statement.problem import Problem

AT_ROUNDING = 1e-9  # relative step below which only rounding keeps Gauss–Newton from contracting
NEAR = 1e-2  # relative step below which the next may use the same linearisation
CONTRACTING = 0.1  # a step with the same linearisation that is not this much shorter is not taken


@dataclass(frozen=True, eq=False)
class Weakest:
    """The direction v (p,) of the coefficients that the rows A hold back least, and σ = ‖A v‖ for v of size one."""

    sigma: float
    direction: Tensor


@dataclass(frozen=True, eq=False)
class Discrete:
    """A discrete solution: rows, coefficients, and how Gauss–Newton ended."""

    assembly: Assembly
    coefficients: Tensor
    converged: bool
    residual: float
    steps: int
    residual_of_patch: np.ndarray  # (e,) norms of the rows that touch each patch
    weakest: Weakest | None = field(default=None, kw_only=True)  # where it was asked for

    @property
    def mixture(self) -> PartitionedMixture:
        """The approximator."""
        return self.assembly.mixture(self.coefficients)


def gauss_newton(
    assembly: Assembly,
    start: Tensor | None,
    stop: float,
    monitor: Monitor,
    max_steps: int = 25,
    factors: Factors | None = None,
    examine: bool = False,
) -> Discrete:
    """Minimise ½‖r‖² over the coefficients; one step where the problem is linear.

    Stops when a full step changes the coefficients by less than `stop`, relatively, or by what rounding leaves: tiny
    steps that do not shrink any more. Near the solution a linearisation serves for several steps, and the `factors` of
    earlier ones as long as they help. Where it is to `examine`, what the rows hold back least is found, too.
    """
    size = assembly.layout.total
    c = torch.zeros(size, dtype=assembly.half.dtype, device=assembly.device) if start is None else start
    converged, smallest, step = False, 1e-300, 0
    factors = factors or Factors(1)
    energy, last = 0.0, np.inf
    while step < max_steps:
        step += 1
        rows, residuals, scales = assembly.linearise(c)
        equations = NormalEquations(assembly.layout, assembly.patches.centre, rows, factors)
        found = equations.solve([-r for r in residuals], energy=energy)
        move, energy = found.x, found.energy
        if assembly.statement.linear:
            c, converged = c + move, True
            residuals = [r + block.apply(move) for r, block in zip(residuals, rows, strict=True)]
            break
        length, after, residuals = _line_search(assembly, c, move, residuals, scales)
        c = c + length * move
        change = float(move.norm() / c.norm().clamp_min(smallest))
        while length == 1.0 and stop < change <= NEAR:
            move = equations.solve([-r for r in residuals], energy=energy).x
            shorter = float(move.norm() / c.norm().clamp_min(smallest))
            if not shorter <= CONTRACTING * change:
                break
            c, change = c + move, shorter
            residuals = assembly.residuals(c, scales)
        if length == 0.0:  # no descent left: rounding, unless the step is still large
            converged = change <= max(1e3 * stop, 1e-10)
            break
        stagnant = last <= AT_ROUNDING and change > 0.5 * last
        converged = (length == 1.0 and (change <= stop or stagnant)) or after == 0.0
        last = change
        if converged or monitor.out_of_time():
            break
    if not assembly.statement.linear:
        residuals = assembly.residuals(c, scales)
    weakest = Weakest(*equations.weakest(_mass(assembly, equations.scale))) if examine else None
    parts = assembly.residual_of_patch(residuals)
    return Discrete(assembly, c, converged, squared_norm(residuals) ** 0.5, step, parts, weakest=weakest)


def weakest_of(discrete: Discrete) -> Weakest:
    """The direction that the rows of a discrete solution hold back least; its rows are factored once more."""
    if discrete.weakest is not None:
        return discrete.weakest
    assembly = discrete.assembly
    rows, _, _ = assembly.linearise(discrete.coefficients)
    equations = NormalEquations(assembly.layout, assembly.patches.centre, rows)
    return Weakest(*equations.weakest(_mass(assembly, equations.scale)))


def _mass(assembly: Assembly, scale: Tensor) -> Callable[[Tensor], Tensor]:
    """The map v ↦ M v with vᵀM v = Σ over unknowns of mean squares, each in the unit in which the rows see it as one.

    The basis is orthonormal but for its envelope. On cut cells it is not: what is large outside the domain only, is no
    function, and rows do not hold it back.
    """
    size = coefficients_of(_with(assembly, scale), np.arange(len(assembly.patches)))[..., 0].median(0).values
    tables = {
        i: value_table(assembly, points) * points.weight[..., None]
        for i, points in enumerate(assembly.interior)
        if assembly.patches.cut[points.cells].any()
    }

    def apply(v: Tensor) -> Tensor:
        found = torch.zeros_like(v)
        for i, points in enumerate(assembly.interior):
            columns = assembly.layout.of(torch.from_numpy(points.cells)).to(v.device)
            c = v[columns].view(len(points.cells), assembly.unknowns, -1)
            if i in tables:
                c = (c @ tables[i].mT) @ tables[i]
            found[columns] = (c / size[:, None] ** 2).reshape(len(columns), -1)
        return found

    return apply


def _with(assembly: Assembly, coefficients: Tensor) -> Discrete:
    """Coefficients as those of a solution."""
    return Discrete(assembly, coefficients, True, 0.0, 0, np.zeros(len(assembly.patches)))


def _line_search(
    assembly: Assembly, c: Tensor, move: Tensor, residuals: list[Tensor], scales: list[Tensor]
) -> tuple[float, float, list[Tensor]]:
    """Backtracking from the full step until the residual falls (Armijo): its length, the new ‖r‖² and r."""
    length, before = 1.0, squared_norm(residuals)
    while length > 1e-3:
        trial = assembly.residuals(c + length * move, scales)
        after = squared_norm(trial)
        if after <= (1 - 1e-4 * length) * before or (length == 1.0 and after <= before * (1 + 1e-6)):
            return length, after, trial
        length /= 2
    return 0.0, before, residuals


def carried(assembly: Assembly, previous: Discrete | None, problem: Problem) -> Tensor | None:
    """Coefficients that stand for an earlier solution, exactly on the same patches; else for the problem's `guess`."""
    if previous is None or previous.assembly.patches is not assembly.patches:
        return project(assembly, previous.mixture if previous is not None else None, problem)
    c = torch.zeros(assembly.layout.total, dtype=assembly.half.dtype, device=assembly.device)
    for points in assembly.interior:
        columns = assembly.layout.of(torch.from_numpy(points.cells)).to(assembly.device)
        b = len(points.cells)
        own, known = c[columns].view(b, assembly.unknowns, -1), coefficients_of(previous, points.cells)
        k = min(own.shape[2], known.shape[2])  # bases are nested
        own[..., :k] = known[..., :k]
        c[columns] = own.view(b, -1)
    return c


def project(assembly: Assembly, source: PartitionedMixture | None, problem: Problem) -> Tensor | None:
    """Coefficients of the best local fit to an earlier solution, or to the problem's `guess`."""
    if source is None and problem.guess is None:
        return None
    c = torch.zeros(assembly.layout.total, dtype=assembly.half.dtype, device=assembly.device)
    zero = ((0,) * assembly.dimension,)
    for points in assembly.value_points:
        b, m, d = points.y.shape
        y = points.y.to(assembly.device).reshape(-1, d)
        if source is not None:
            values = source.jet_on(source.patch_of(y), y, zero)[:, :, 0].nan_to_num(0.0)
        else:
            guessed = problem.values(problem.guess, (y @ assembly.rotation.T).cpu(), "guess")  # type: ignore[arg-type]
            values = guessed[:, list(assembly.statement.states)].to(y).nan_to_num(0.0)
        table = value_table(assembly, points)  # (b or 1, m, k)
        weight = points.weight.to(y)[..., None]
        table, rhs = table * weight[: len(table)], values.view(b, m, -1) * weight
        gram = table.mT @ table
        gram.diagonal(dim1=1, dim2=2).add_(1e-12 * float(gram.diagonal(dim1=1, dim2=2).amax()))
        fit = torch.cholesky_solve(table.mT @ rhs, torch.linalg.cholesky(gram))  # (b, k, u)
        columns = assembly.layout.of(torch.from_numpy(points.cells)).to(assembly.device)
        c[columns] = fit.mT.reshape(b, -1)
    return c


def value_table(assembly: Assembly, points: Points, q: int | None = None) -> Tensor:
    """Basis values at the points of a batch: (b or 1, m, k)."""
    cells = torch.from_numpy(points.cells).to(assembly.device)
    y = points.y.to(assembly.device)
    if points.congruent:
        cells, y = cells[:1], y[:1]
    half = assembly.half[cells]
    t = (y - assembly.centre[cells][:, None]) / half[:, None]
    order = q or int(assembly.q[points.cells[0]])
    return basis_table(t, half, assembly.sigma, order, ((0,) * assembly.dimension,))[0]


def coefficients_of(discrete: Discrete, cells: np.ndarray) -> Tensor:
    """Coefficients (b, u, k) of patches; those of lower order are filled up with zeros, since bases are nested."""
    layout, unknowns = discrete.assembly.layout, discrete.assembly.unknowns
    groups = torch.from_numpy(cells)
    sizes = layout.sizes[groups]
    found = discrete.coefficients.new_zeros(len(cells), unknowns, int(sizes.max()) // unknowns)
    for size in torch.unique(sizes).tolist():
        mine = torch.nonzero(sizes == size)[:, 0]
        columns = layout.of(groups[mine]).to(found.device)
        found[mine.to(found.device), :, : size // unknowns] = discrete.coefficients[columns].view(
            len(mine), unknowns, -1
        )
    return found


def volume_weights(assembly: Assembly, points: Points) -> Tensor:
    """Quadrature weights (b, m) of a batch of interior points."""
    half = assembly.half[torch.from_numpy(points.cells).to(assembly.device)]
    return points.weight.to(half) ** 2 * half.prod(1)[:, None]
