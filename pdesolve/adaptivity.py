"""Solve, look at the decay of the coefficients, refine, and stop when a better solution confirms the tolerance.

On every level the problem is solved on the current patches. Where the local expansion decays fast, the order of a
patch is raised; where it does not, the patch is split. Once the predicted truncation error is below the tolerance, the
problem is solved again with all orders raised by two. The difference of the two solutions is the error estimate of the
first, and nothing is returned as converged without it. The exact solution is never looked at.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from pdesolve.approximators.local_basis import basis_size, basis_table, degrees
from pdesolve.approximators.partitioned_mixture import PartitionedMixture
from pdesolve.assembly import Assembly, Statement
from pdesolve.least_squares.normal_equations import NormalEquations
from pdesolve.least_squares.row_blocks import squared_norm
from pdesolve.monitor import Monitor
from pdesolve.partition import Partition
from pdesolve.patches import Frame, Patches
from pdesolve.problem import Problem

FIRST_ORDER = {1: 10, 2: 8, 3: 8}
HIGHEST_ORDER = {1: 22, 2: 20, 3: 12}
FIRST_CELLS = {1: 3, 2: 3, 3: 2}
SAFETY = 0.3  # predicted truncation error over tolerance that refinement aims at
SLOW_DECAY = 0.4  # per two degrees: slower than this, raising orders does not help
DIRECTION_SHARE = 0.1  # of the strongest axis: below it, an axis is not split
ROUNDING = 2e-12  # relative size of the highest coefficients of a patch below which slow decay is rounding
FINEST_TOLERANCE = 1e-13
MOST_UNKNOWNS = 250_000
THREADED_UNKNOWNS = 6_000


@dataclass(frozen=True, eq=False)
class Discrete:
    """A discrete solution: rows, coefficients, and how Gauss–Newton ended."""

    assembly: Assembly
    coefficients: Tensor
    converged: bool
    residual: float
    steps: int
    residual_of_patch: np.ndarray  # (e,) norms of the rows that touch each patch

    @property
    def mixture(self) -> PartitionedMixture:
        """The approximator."""
        return self.assembly.mixture(self.coefficients)


@dataclass(frozen=True)
class AdaptiveResult:
    """What `solve_adaptively` returns; estimates are relative L2 errors per unknown."""

    mixture: PartitionedMixture
    estimates: tuple[float, ...]
    converged: bool
    status: str
    residual: float


@dataclass(frozen=True)
class Decay:
    """Truncation of the local expansions.

    Attributes:
        error: (e,) predicted L2 error of each patch, relative to the norm of the unknown, the largest over unknowns.
        rate: (e,) decay ρ of the coefficients per two degrees.
        gain: (e,) factor γ ≤ 1 by which the rate itself falls per two degrees (entire functions: γ < 1).
        directions: (e, d) axes along which the highest degrees matter, those a split should halve.
        strongest: (e,) the axis along which they matter most.
    """

    error: np.ndarray
    rate: np.ndarray
    gain: np.ndarray
    directions: np.ndarray
    strongest: np.ndarray


def solve_adaptively(
    problem: Problem, tol: float, monitor: Monitor | None = None, device: str = "cpu", **settings: int
) -> AdaptiveResult:
    """Solve to an estimated relative L2 error of at most `tol`.

    Args:
        problem: the problem.
        tol: relative L2 tolerance for every unknown, at least 1e-13 in double precision.
        monitor: progress and time limit.
        device: where the linear algebra runs.
        **settings: `cells` (root cells on the longest side), `order` (first order), `max_order`, `max_unknowns`.

    Returns:
        The solution on the last level that could be estimated, its estimate, and why it stopped.
    """
    threads = torch.get_num_threads()
    try:
        return Solver(problem, max(tol, FINEST_TOLERANCE), monitor or Monitor(), device, settings).run()
    finally:
        torch.set_num_threads(threads)


@dataclass
class Solver:
    problem: Problem
    tol: float
    monitor: Monitor
    device: str
    settings: dict[str, int]
    level: int = 0
    residual_goal: float = np.inf
    thin: bool = False  # one cell in time
    threads: int = field(default_factory=torch.get_num_threads)
    frame: Frame = field(init=False)
    statement: Statement = field(init=False)

    def __post_init__(self) -> None:
        d = self.problem.domain.dimension
        self.frame = Frame.of(self.problem.domain)
        self.statement = Statement.of(self.problem, self.frame.rotation)
        self.first_order = self.settings.get("order", FIRST_ORDER.get(d, 5))
        self.highest_order = max(self.first_order, self.settings.get("max_order", HIGHEST_ORDER.get(d, 8)))
        self.most_unknowns = self.settings.get("max_unknowns", MOST_UNKNOWNS)

    def run(self) -> AdaptiveResult:
        """The loop: solve, predict, then refine or verify."""
        patches, q = self.start()
        current = self.solve(patches, q, None)
        verified: tuple[Discrete, np.ndarray] | None = None
        while True:
            decay = predict(current)
            predicted = float(np.sqrt((decay.error**2).sum()))
            self._record(current, predicted, verified)
            if (why := self._must_stop(current)) is not None:
                return self._give_up(current, why)
            refined = None
            if predicted > self.tol:
                refined = self._refine(current, decay)
            elif current.residual > self.residual_goal:
                refined = self._refine_by_residual(current, decay)
            if refined is not None:
                current = self.solve(*refined, current)
                continue
            finer = self.solve(current.assembly.patches, current.assembly.q + 2, current)
            estimates = difference(current, finer)
            verified = (current, estimates)
            if estimates.max() <= self.tol and current.converged:
                self._record(current, predicted, verified)
                return self._finish(current, estimates, True, "tolerance met: confirmed by the next order")
            current = self._after_failure(current, finer, estimates)
            if current is None:
                status = f"stalled at an estimate of {estimates.max():.1e}: rounding; ask for a looser --tol"
                return self._finish(verified[0], estimates, False, status)

    def _after_failure(self, current: Discrete, finer: Discrete, estimates: np.ndarray) -> Discrete | None:
        """Go on from a verification that did not confirm the tolerance.

        Where the finer solution decays fast, it is the next level. Else the error is carried in from patches that
        the truncation does not show (pollution from a singular corner): they have the large residuals, and must be
        split until the residual has fallen by the root of what is missing, since pollution goes with its square.
        """
        decay = predict(finer)
        bulk = bulk_of(finer.residual_of_patch)
        if (decay.rate[bulk] <= SLOW_DECAY).all() or not current.converged:
            stuck = (
                finer.assembly.q > self.highest_order + 6
            ).any() or finer.residual > 0.9 * current.residual
            return None if stuck and current.converged else finer
        self.residual_goal = finer.residual / float(estimates.max() / self.tol) ** 0.5
        refined = self._refine_by_residual(current, predict(current))
        return self.solve(*refined, current)

    def _refine_by_residual(self, current: Discrete, decay: Decay) -> tuple[Patches, np.ndarray]:
        """Split the patches that hold most of the residual."""
        bulk = bulk_of(current.residual_of_patch)
        return self.split(current, bulk[:, None] & decay.directions, current.assembly.q)

    def split(self, current: Discrete, axes: np.ndarray, q: np.ndarray) -> tuple[Patches, np.ndarray]:
        partition, parent = current.assembly.patches.partition.split(axes)
        patches, kept = Patches.over(self.frame, partition)
        return patches, q[parent[kept]]

    def start(self) -> tuple[Patches, np.ndarray]:
        problem, d = self.problem, self.problem.domain.dimension
        torch.set_num_threads(1)
        breaks = self.frame.breaks(self.settings.get("cells", FIRST_CELLS.get(d, 1)), problem.periodic_axes)
        if "t" in problem.coordinates and self.thin:
            breaks[-1] = breaks[-1][[0, -1]]
        periodic = [i in problem.periodic_axes for i in range(d)]
        patches, _ = Patches.over(self.frame, Partition.grid(breaks, periodic))
        return patches, np.full(len(patches), self.first_order)

    def solve(self, patches: Patches, q: np.ndarray, previous: Discrete | None) -> Discrete:
        assembly = Assembly(self.statement, patches, q, self.device)
        start = None
        if not self.statement.linear:
            source = previous.mixture if previous is not None else None
            start = project(assembly, source, self.problem)
        # Small dense blocks lose more to waking threads than they gain, above all on a busy machine.
        torch.set_num_threads(self.threads if assembly.layout.total > THREADED_UNKNOWNS else 1)
        stop = max(1e-2 * self.tol, 1e-13)
        return gauss_newton(assembly, start, stop, self.monitor)

    def _record(
        self, current: Discrete, predicted: float, verified: tuple[Discrete, np.ndarray] | None
    ) -> None:
        estimate = None if verified is None else float(verified[1].max())
        self.level += 1
        self.monitor.record(
            level=self.level,
            patches=len(current.assembly.patches),
            unknowns=current.assembly.layout.total,
            predicted=predicted,
            estimate=estimate,
            residual=current.residual,
            steps=current.steps,
        )

    def _must_stop(self, current: Discrete) -> str | None:
        if self.monitor.out_of_time():
            return f"the time limit of {self.monitor.time_limit:g} s passed; raise --time-limit"
        if current.assembly.layout.total > self.most_unknowns:
            return f"{current.assembly.layout.total} unknowns passed the limit; raise --set max_unknowns"
        return None

    def _give_up(self, current: Discrete, why: str) -> AdaptiveResult:
        """Estimate what there is by one verifying solve, and say why it ended."""
        finer = self.solve(current.assembly.patches, current.assembly.q + 2, current)
        estimates = difference(current, finer)
        met = bool(estimates.max() <= self.tol) and current.converged
        return self._finish(current, estimates, met, "tolerance met" if met else f"stopped early: {why}")

    def _finish(self, current: Discrete, estimates: np.ndarray, met: bool, status: str) -> AdaptiveResult:
        return AdaptiveResult(current.mixture, tuple(estimates.tolist()), met, status, current.residual)

    def _refine(self, current: Discrete, decay: Decay) -> tuple[Patches, np.ndarray] | None:
        """Mark the patches that hold the error back; raise their order or split them, whichever is cheaper."""
        assembly = current.assembly
        goal = SAFETY * self.tol
        order = np.argsort(decay.error)
        harmless = np.sqrt(np.cumsum(decay.error[order] ** 2)) <= 0.7 * goal
        marked = np.ones(len(order), dtype=bool)
        marked[order[harmless]] = False
        if not marked.any():
            return None
        bulk = bulk_of(decay.error, 0.9)
        if (
            decay.rate[bulk] > SLOW_DECAY
        ).any():  # something is not resolved yet: what lies around it may be its echo
            marked &= bulk
        target = 0.7 * goal / np.sqrt(len(order))
        split, wanted = cheapest(decay, assembly.q, target, assembly.dimension, self.highest_order)
        split &= marked
        q = np.where(marked, wanted, assembly.q)
        if not split.any():
            return assembly.patches, q
        return self.split(current, split[:, None] & decay.directions, q)


def cheapest(
    decay: Decay, q: np.ndarray, target: float, dimension: int, highest: int
) -> tuple[np.ndarray, np.ndarray]:
    """Split or raise the order of each patch: the least work whose predicted error meets the target.

    Raising the order by 2j multiplies the first neglected pair by ρ^j γ^{j(j+1)/2}. Halving a patch m times divides a
    coefficient of degree k by 2^{mk}, hence the first neglected pair by 2^{mq} and the rate ρ by 4^m. The work is
    taken as k² for the k functions of an order and (2^m)^{1.3} for each direction split: between assembly (k², 1) and
    the factorisation in the plane (k³, 3/2). Orders are not raised where nothing decays yet.

    Returns:
        (e,) whether to split now, and the order to take.
    """
    directions = decay.directions.sum(axis=1)
    best, split, wanted = np.full(len(q), np.inf), np.zeros(len(q), dtype=bool), q.copy()
    for halvings in range(4):
        for raised in range(0, highest - 5, 2):
            order = np.clip(q + raised - (2 if halvings else 0), 4, highest)
            pairs = (order - q) / 2
            faster = decay.gain ** (np.maximum(pairs, 0) * (pairs + 1) / 2)
            error = decay.error * 2.0 ** (-halvings * q) * (decay.rate / 4.0**halvings) ** pairs * faster
            size = np.array([basis_size(dimension, int(k)) for k in order])
            cost = size**2 * 2.0 ** (1.3 * halvings * directions)
            # What cannot be reached is at least approached: splitting more beats splitting less.
            cost = np.where(
                error <= target, cost, 1e12 * (1 + np.log10(np.maximum(error / target, 1))) + cost
            )
            if raised:
                cost = np.where(decay.rate > SLOW_DECAY, np.inf, cost)
            better = cost < best
            best, split = np.where(better, cost, best), np.where(better, halvings > 0, split)
            wanted = np.where(better, np.where(halvings > 1, q, order), wanted)
    wanted = np.where(decay.rate > SLOW_DECAY, q, wanted)
    nothing = ~split & (wanted <= q)
    return split | (nothing & (q >= highest)), np.where(nothing & (q < highest), q + 2, wanted)


def bulk_of(share: np.ndarray, fraction: float = 0.75) -> np.ndarray:
    """The fewest entries whose squares make up `fraction` of the sum of squares, as a mask (Dörfler 1996)."""
    order = np.argsort(-share)
    sums = np.cumsum(share[order] ** 2)
    mask = np.zeros(len(share), dtype=bool)
    mask[order[: int(np.searchsorted(sums, fraction * sums[-1])) + 1]] = True
    return mask


# -------------------------------------------------------------------- Gauss–Newton on the rows


def gauss_newton(
    assembly: Assembly, start: Tensor | None, stop: float, monitor: Monitor, max_steps: int = 25
) -> Discrete:
    """Minimise ½‖r‖² over the coefficients; one step where the problem is linear.

    Stops when a full step changes the coefficients by less than `stop`, relatively.
    """
    size = assembly.layout.total
    c = torch.zeros(size, dtype=assembly.half.dtype, device=assembly.device) if start is None else start
    converged, smallest = False, 1e-300
    for step in range(1, max_steps + 1):
        rows, residuals, scales = assembly.linearise(c)
        move = (
            NormalEquations(assembly.layout, assembly.patches.centre, rows).solve([-r for r in residuals]).x
        )
        if assembly.statement.linear:
            c, converged = c + move, True
            break
        length, after = _line_search(assembly, c, move, squared_norm(residuals), scales)
        c = c + length * move
        change = float(move.norm() / c.norm().clamp_min(smallest))
        if length == 0.0:  # no descent left: rounding, unless the step is still large
            converged = change <= max(1e3 * stop, 1e-10)
            break
        converged = (change <= stop and length == 1.0) or after == 0.0
        if converged or monitor.out_of_time():
            break
    residuals = assembly.residuals(c, scales)
    return Discrete(
        assembly, c, converged, squared_norm(residuals) ** 0.5, step, assembly.residual_of_patch(residuals)
    )


def _line_search(
    assembly: Assembly, c: Tensor, move: Tensor, before: float, scales: list[Tensor]
) -> tuple[float, float]:
    """Backtracking from the full step until the residual falls (Armijo)."""
    length = 1.0
    while length > 1e-3:
        after = squared_norm(assembly.residuals(c + length * move, scales))
        if after <= (1 - 1e-4 * length) * before or (length == 1.0 and after <= before * (1 + 1e-6)):
            return length, after
        length /= 2
    return 0.0, before


# -------------------------------------------------------------------- warm starts, norms, decay


def project(assembly: Assembly, source: PartitionedMixture | None, problem: Problem) -> Tensor | None:
    """Coefficients of the best local fit to an earlier solution, or to the problem's `guess`."""
    if source is None and problem.guess is None:
        return None
    c = torch.zeros(assembly.layout.total, dtype=assembly.half.dtype, device=assembly.device)
    zero = ((0,) * assembly.dimension,)
    for points in assembly.interior:
        b, m, d = points.y.shape
        y = points.y.to(assembly.device).reshape(-1, d)
        if source is not None:
            values = source.jet_on(source.patch_of(y), y, zero)[:, :, 0].nan_to_num(0.0)
        else:
            guessed = problem.values(problem.guess, (y @ assembly.rotation.T).cpu(), "guess")  # type: ignore[arg-type]
            values = guessed.to(y).nan_to_num(0.0)
        table = value_table(assembly, points) * points.weight.to(y)[..., None]  # (b or 1, m, k)
        rhs = values.view(b, m, -1) * points.weight.to(y)[..., None]
        gram = table.mT @ table
        gram = gram + 1e-12 * gram.diagonal(dim1=1, dim2=2).amax() * torch.eye(gram.shape[1]).to(gram)
        fit = torch.linalg.solve(gram, table.mT @ rhs)  # (b, k, u)
        columns = assembly.layout.of(torch.from_numpy(points.cells)).to(assembly.device)
        c[columns] = fit.mT.reshape(b, -1)
    return c


def value_table(assembly: Assembly, points: object, q: int | None = None) -> Tensor:
    """Basis values at the points of a batch: (b or 1, m, k)."""
    cells = torch.from_numpy(points.cells).to(assembly.device)  # type: ignore[attr-defined]
    y = points.y.to(assembly.device)  # type: ignore[attr-defined]
    if points.congruent:  # type: ignore[attr-defined]
        cells, y = cells[:1], y[:1]
    half = assembly.half[cells]
    t = (y - assembly.centre[cells][:, None]) / half[:, None]
    order = q or int(assembly.q[points.cells[0]])  # type: ignore[attr-defined]
    return basis_table(t, half, assembly.sigma, order, ((0,) * assembly.dimension,))[0]


def difference(coarse: Discrete, fine: Discrete) -> np.ndarray:
    """Estimated ‖u - u*‖/‖u*‖ per unknown, from a finer solution v on the same patches.

    It is ‖v - u‖/‖v‖, divided by 1 - σ for the error σ‖u - u*‖ that v shares with u. Pollution goes with the square of
    the residual, so σ = (‖r_v‖/‖r_u‖)²: nearly zero where the solution is smooth, 0.6 beside a re-entrant corner.
    """
    error, size = difference_norms(coarse, fine)
    shared = min((fine.residual / max(coarse.residual, 1e-300)) ** 2, 0.9)
    return relative(error, size) / (1 - shared)


def difference_norms(coarse: Discrete, fine: Discrete) -> tuple[np.ndarray, np.ndarray]:
    """‖v - u‖ and ‖v‖ per unknown, for a finer solution v on the same patches."""
    squares = fine.coefficients.new_zeros(2, fine.assembly.unknowns)
    for points in fine.assembly.interior:
        v = _coefficients(fine, points.cells)
        u = _coefficients(coarse, points.cells)
        e = v.clone()
        e[..., : u.shape[2]] -= u
        table = value_table(fine.assembly, points)
        volume = _volume_weights(fine.assembly, points)
        for row, c in enumerate((e, v)):
            values = torch.einsum("bmk,buk->bmu", table.expand(len(c), -1, -1), c)
            squares[row] += (volume[..., None] * values**2).sum((0, 1))
    return squares[0].sqrt().cpu().numpy(), squares[1].sqrt().cpu().numpy()


def relative(error: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Errors over norms; an unknown that vanishes is measured against the largest, and zero against one."""
    largest = size.max()
    reference = np.where(size > 1e-12 * largest, size, largest if largest > 0 else 1.0)
    return error / reference


def _coefficients(discrete: Discrete, cells: np.ndarray) -> Tensor:
    """(b, u, k) of patches of equal order."""
    columns = discrete.assembly.layout.of(torch.from_numpy(cells)).to(discrete.coefficients.device)
    return discrete.coefficients[columns].view(len(cells), discrete.assembly.unknowns, -1)


def _volume_weights(assembly: Assembly, points: object) -> Tensor:
    half = assembly.half[torch.from_numpy(points.cells).to(assembly.device)]  # type: ignore[attr-defined]
    return points.weight.to(half) ** 2 * half.prod(1)[:, None]  # type: ignore[attr-defined]


def predict(discrete: Discrete) -> Decay:
    """Truncation error and decay rate of every patch, from the three highest pairs of degrees.

    With T₀, T₁, T₂ the L2 norms on the patch of the parts of degrees {q-1, q-2}, {q-3, q-4}, {q-5, q-6} and the rate
    ρ = max(T₀/T₁, √(T₀/T₂)), the first neglected pair is predicted as ρ T₀.
    """
    assembly = discrete.assembly
    e, u = len(assembly.patches), assembly.unknowns
    parts = discrete.coefficients.new_zeros(e, u, 4)
    shares = discrete.coefficients.new_zeros(e, u, assembly.dimension)
    for points in assembly.interior:
        q = int(assembly.q[points.cells[0]])
        degree = torch.tensor(degrees(assembly.dimension, q), device=assembly.device)
        total = degree.sum(1)
        pair = ((q - 1 - total) // 2).clamp_max(3)
        c = _coefficients(discrete, points.cells)
        table = value_table(assembly, points)
        volume = _volume_weights(assembly, points)
        place = torch.from_numpy(points.cells).to(parts.device)
        high = (pair <= 1) * degree.T / total.clamp_min(1)  # (d, k): each axis' part in the highest degrees
        shares[place] = (
            torch.einsum("buk,dk->bud", c**2, high.to(c)) * assembly.half[place].prod(1)[:, None, None]
        )
        for k in range(4):
            mine = pair == k
            values = torch.einsum("bmk,buk->bmu", table[..., mine].expand(len(c), -1, -1), c[..., mine])
            parts[place, :, k] = (volume[..., None] * values**2).sum(1).sqrt()
    squares = parts.square()
    norm = squares.sum((0, 2)).sqrt()
    norm = torch.where(norm > 1e-12 * norm.max(), norm, norm.max().clamp_min(1e-300))
    t = (parts / norm[None, :, None]).cpu().numpy()
    tiny = 1e-17
    rate = np.maximum(t[..., 0] / (t[..., 1] + tiny), np.sqrt(t[..., 0] / (t[..., 2] + tiny)))
    rate = np.clip(rate, 0.0, 1.0)
    error = t[..., 0] * np.maximum(rate, 0.02)
    worst = error.argmax(axis=1)
    share = (shares / norm[None, :, None] ** 2).sum(1).cpu().numpy()
    directions = share >= DIRECTION_SHARE**2 * share.max(axis=1, keepdims=True)
    # What no longer decays this far down is rounding, and no refinement removes it.
    error[(t[..., 0] < ROUNDING) & (rate > SLOW_DECAY)] = 0.0
    gain = np.clip(t[..., 0] * t[..., 2] / (t[..., 1] ** 2 + tiny**2), 0.5, 1.0)
    each = np.arange(e), worst
    return Decay(
        error.max(axis=1), np.maximum(rate[each], 1e-3), gain[each], directions, share.argmax(axis=1)
    )


__all__ = ["AdaptiveResult", "Decay", "Discrete", "basis_size", "gauss_newton", "predict", "solve_adaptively"]
