"""Scalars and coefficient fields from observations, by Gauss–Newton on what they leave free.

Minimised over θ, with u(θ) the solution of the problem for given scalars and fields, is

    Σ_g Σ_i ((u(θ)(x_i) - d_i)/σ_g)² + Σ_a α_a ‖R η_a + r_a‖² .

The equation is a constraint, not one misfit among others: u(θ) is solved for at every θ, to the tolerance, and noise
enters through θ alone. Its sensitivity follows from the factor of the same rows, A ∂u/∂θ = -∂r/∂θ. Where σ_g is not
given it is estimated, σ_g² = RSS_g/(n_g - tr S_g) with the hat matrix S; the weight α of the roughness of a field
minimises the generalised cross-validation score n RSS/(n - 1.4 tr S)² (Craven & Wahba, Numer. Math. 31 (1979) 377; the
factor 1.4: Kim & Gu, J. R. Stat. Soc. B 66 (2004) 337). With the Gauss–Newton Hessian H, intervals are
θ ± t √(H⁻¹)_ii; for fields H contains the penalty, which makes them those of Wahba (J. R. Stat. Soc. B 45 (1983) 133).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from pdesolve.adaptive.estimation import difference
from pdesolve.adaptive.solve import FINEST_TOLERANCE, AdaptiveResult, NonlinearFailure, Solver
from pdesolve.errors import SolveError, UsageError
from pdesolve.inverse.unknowns import HIGHEST_DEGREE, Sought, polynomials, seek
from pdesolve.least_squares.sparse.normal_equations import NormalEquations
from pdesolve.least_squares.sparse.row_blocks import squared_norm
from pdesolve.patches.assembly import Assembly
from pdesolve.patches.cover import Patches
from pdesolve.patches.mixture import PartitionedMixture
from pdesolve.patches.newton import Discrete, carried, gauss_newton, value_table
from pdesolve.runs.monitor import Monitor
from pdesolve.statement.problem import Problem

MOST_STEPS = 40
SHORTEST = 1e-6  # step length
CHOOSING = 8  # steps during which weights are chosen anew
SETTLED = 1e-2  # step, in standard deviations, below which they stay
OPEN = 1e-12  # relative singular value of the Hessian's root below which fields are not determined
SMALL = 0.3  # step, in standard deviations, that is certainly near the end
AT_REST = 1e-4  # step, in standard deviations, that is none
AT_ONCE = 32  # sensitivities solved for together
SENSITIVITY = 1e-9  # to which ∂u/∂θ is solved for
UNDETERMINED = 1e-9  # relative singular value of the sensitivities of scalars
PRUDENCE = 1.4  # of degrees of freedom in generalised cross-validation
LEVEL = 0.95
MOST_USED = 0.5  # part of the coefficients of fields that the data may determine
MISFIT = 4.0  # standard deviations of χ² beyond which given sigmas are called into question
WEIGHTS = 10.0 ** np.arange(-10, 4.1, 0.25)  # of roughness, relative to the data


class Observations:
    """The data of a problem at the places of an assembly: predictions are O c + F(θ).

    Attributes:
        values: (n,) of all observations.
        group: (n,) number of the observation each belongs to.
        sigma: of each group; NaN where it is to be estimated.
    """

    def __init__(self, assembly: Assembly):
        problem, sought = assembly.statement.problem, assembly.sought
        assert sought is not None
        states = assembly.statement.states
        points = [o.arrays[0] for o in problem.data]
        for i, x in enumerate(points):
            _require_inside(problem, i, x)
        self.values = torch.cat([o.arrays[1] for o in problem.data])
        self.group = torch.repeat_interleave(torch.tensor([len(x) for x in points]))
        self.sigma = torch.tensor([o.sigma or torch.nan for o in problem.data], dtype=torch.float64)
        unknown = torch.tensor([problem.unknowns.index(problem.unknown_of(o)) for o in problem.data])[
            self.group
        ]
        y = torch.cat(points) @ assembly.patches.frame.rotation
        zero = (0,) * assembly.dimension
        self.constant = y.new_zeros(len(y))
        self.direct = y.new_zeros(len(y), sought.size)
        for number, one in enumerate(sought.fields):
            mine = unknown == one
            if mine.any():
                constant, table = sought.tables(y[mine], ((number, zero),))
                self.constant[mine], self.direct[mine] = constant[:, 0], table[:, 0]
        mixture = assembly.mixture()
        at = torch.nonzero(torch.isin(unknown, torch.tensor(states)))[:, 0]
        patch = _patch_of(mixture, y[at])
        self.parts = []
        for part, table in mixture.basis_on(patch, y[at].to(mixture.centre)):
            columns = assembly.layout.of(torch.from_numpy(patch[part])).view(len(part), len(states), -1)
            which = torch.tensor([states.index(int(u)) for u in unknown[at[part]]])
            self.parts.append((at[part], columns[torch.arange(len(part)), which], table))

    def apply(self, c: Tensor) -> Tensor:
        """O c for c (p,) or (p, j)."""
        out = c.new_zeros(len(self.values), *c.shape[1:])
        for at, columns, table in self.parts:
            out[at] = torch.einsum("nk,nk...->n...", table, c[columns])
        return out

    def residual(self, c: Tensor, theta: Tensor) -> Tensor:
        """Predictions minus values (n,)."""
        return self.apply(c) + self.constant + self.direct @ theta - self.values


def _require_inside(problem: Problem, number: int, x: Tensor) -> None:
    outside = int((~problem.domain.contains(x, 1e-9)).sum())
    if outside:
        message = f"data[{number}] has {outside} of {len(x)} points outside the domain; leave them out"
        raise UsageError(message)


def _patch_of(mixture: PartitionedMixture, y: Tensor) -> np.ndarray:
    """The patch of each point, the nearest one where a sliver of the domain has none."""
    patch = mixture.patch_of(y)
    lost = np.flatnonzero(patch < 0)
    if len(lost):
        centre = mixture.centre.cpu().numpy()
        patch[lost] = ((y[lost].numpy()[:, None] - centre) ** 2).sum(2).argmin(1)
    return patch


@dataclass(frozen=True)
class Choice:
    """Standard deviations of the groups of data, (g,), and weights of roughness, (f,)."""

    sigma: Tensor
    alpha: Tensor


@dataclass(frozen=True, eq=False)
class Identified(Discrete):
    """A discrete solution with what was identified.

    Attributes:
        theta: (θ,) values.
        choice: weights they belong to.
        spread: L (θ, θ), of the covariance L Lᵀ.
        response: ∂c/∂θ (p, θ).
        freedom: degrees of freedom of the noise; infinite where every sigma is given.
        chi: χ² of the data, and its expectation.
        used: degrees of freedom of the data that fields take up.
    """

    theta: Tensor
    choice: Choice
    spread: Tensor
    response: Tensor
    freedom: float
    chi: tuple[float, float]
    used: float


@dataclass(frozen=True)
class Findings:
    """What `--json` and the table say of an inverse problem.

    Attributes:
        parameters: values of the scalars.
        intervals: 95 % intervals of the scalars.
        uncertainty: standard deviation of every unknown due to the noise, relative L2.
        noise: standard deviation of each group of data, given or estimated.
        remark: what else is to be said, or "".
    """

    parameters: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    uncertainty: dict[str, float]
    noise: tuple[float, ...]
    remark: str = ""


@dataclass(frozen=True)
class IdentifiedResult(AdaptiveResult):
    """As `AdaptiveResult`, for all unknowns, fields among them."""

    findings: Findings = field(kw_only=True)


# ---------------------------------------------------------------- one discretisation


def identify(
    assembly: Assembly,
    start: Tensor | None,
    theta: Tensor,
    stop: float,
    monitor: Monitor,
    choice: Choice | None = None,
) -> Identified:
    """Gauss–Newton over θ on one set of patches; every step solves the problem for its own θ.

    Args:
        assembly: rows of the problem.
        start: coefficients to begin a nonlinear solve with.
        theta: where to begin.
        stop: relative change of θ at which to stop.
        monitor: time limit.
        choice: weights to be kept; None: they are chosen by the data.

    Raises:
        UsageError: the data do not determine the scalars.
    """
    data, sought = Observations(assembly), assembly.sought
    assert sought is not None
    fixed, converged = choice is not None, False
    state = _forward(assembly, start, theta, stop, monitor)
    seen = _seen(data, state, theta)
    _require_determined(seen.J, seen.response, assembly, theta)
    for step in range(MOST_STEPS):
        if not fixed:
            choice = choose(data, seen.e, seen.J, sought, theta, choice)
        assert choice is not None
        move, root = _step(data, seen.e, seen.J, sought, theta, choice)
        if step == 0 and sought.fields:
            _require_regular(root, assembly)
        deviations = float((root @ move).norm())
        shortest = max(SHORTEST, AT_REST / max(deviations, AT_REST))
        # Where patches do not resolve u yet, ∂u/∂θ misses what the residual contributes, and near the end a full step
        # may raise the misfit by as little as it promises to lower it.
        slack = deviations**2 if deviations < SMALL else 0.0
        length, theta, state = _line_search(
            assembly, data, state, theta, move, seen.response, choice, stop, monitor, shortest, slack
        )
        change = _change(sought, theta, move, state.coefficients, seen.response)
        fixed = fixed or step >= CHOOSING or deviations < SETTLED
        if length > 0.0:
            seen = _seen(data, state, theta)
        resting = length < 1.0 and length * deviations < AT_REST
        if resting or change <= stop or monitor.out_of_time():
            converged = change <= stop or deviations < SETTLED
            break
    assert choice is not None
    return _identified(data, sought, state, seen, theta, choice, converged)


@dataclass(frozen=True)
class _Seen:
    """What the data see of a state: misfits e (n,), ∂e/∂θ (n, θ), and ∂c/∂θ (p, θ) behind it."""

    e: Tensor
    J: Tensor
    response: Tensor


def _seen(data: Observations, state: _Forward, theta: Tensor) -> _Seen:
    response = _response(state)
    return _Seen(data.residual(state.coefficients, theta), data.apply(response) + data.direct, response)


def _identified(
    data: Observations,
    sought: Sought,
    state: _Forward,
    seen: _Seen,
    theta: Tensor,
    choice: Choice,
    converged: bool,
) -> Identified:
    """The end of the iteration with its covariance and degrees of freedom."""
    _, root = _step(data, seen.e, seen.J, sought, theta, choice)
    inverse = torch.linalg.solve_triangular(root, torch.eye(len(root), dtype=root.dtype), upper=True)
    sigma = choice.sigma[data.group]
    hat = (seen.J / sigma[:, None]) @ inverse  # of the hat matrix S = hat hatᵀ
    expected = len(seen.e) - float(hat.square().sum())
    known = not bool(data.sigma.isnan().any())
    return Identified(
        **{**vars(state.discrete), "converged": converged and state.discrete.converged},
        theta=theta,
        choice=choice,
        spread=inverse,
        response=seen.response,
        freedom=np.inf if known else max(expected, 1.0),
        chi=(float((seen.e / sigma).square().sum()), expected),
        used=float(hat[:, len(sought.names) :].square().sum()) if sought.fields else 0.0,
    )


@dataclass(frozen=True, eq=False)
class _Forward:
    """A solution at given θ; where the problem is linear in it, with the factor that gave it."""

    discrete: Discrete
    equations: NormalEquations | None
    scales: list[Tensor]

    @property
    def coefficients(self) -> Tensor:
        """Of the solution."""
        return self.discrete.coefficients


def _forward(
    assembly: Assembly, start: Tensor | None, theta: Tensor, stop: float, monitor: Monitor
) -> _Forward:
    """u(θ)."""
    assembly = assembly.at(theta)
    if not assembly.statement.linear:
        return _Forward(gauss_newton(assembly, start, stop, monitor), None, [])
    c = torch.zeros(assembly.layout.total, dtype=assembly.half.dtype, device=assembly.device)
    c = c if start is None else start
    rows, residuals, scales = assembly.linearise(c)
    equations = NormalEquations(assembly.layout, assembly.patches.centre, rows)
    move = equations.solve([-r for r in residuals]).x
    c = c + move
    residuals = [r + block.apply(move) for r, block in zip(residuals, rows, strict=True)]
    size, of_patch = squared_norm(residuals) ** 0.5, assembly.residual_of_patch(residuals)
    return _Forward(Discrete(assembly, c, True, size, 1, of_patch), equations, scales)


def _response(state: _Forward) -> Tensor:
    """∂c/∂θ (p, θ) from A ∂c/∂θ = -∂r/∂θ."""
    assembly, c = state.discrete.assembly, state.coefficients
    equations, scales = state.equations, state.scales
    if equations is None:
        rows, _, scales = assembly.linearise(c)
        equations = NormalEquations(assembly.layout, assembly.patches.centre, rows)
    columns = assembly.sought_columns(c, scales)
    rest = [part.new_zeros(*part.shape, 0) for part in equations.apply(torch.zeros_like(c))[len(columns) :]]
    found = []
    for start in range(0, columns[0].shape[2], AT_ONCE):
        chosen = [-part[..., start : start + AT_ONCE] for part in columns]
        width = chosen[0].shape[2]
        chosen += [part.new_zeros(*part.shape[:2], width) for part in rest]
        found.append(equations.solve_many(chosen, SENSITIVITY))
    return torch.cat(found, dim=1)


def _require_determined(J: Tensor, response: Tensor, assembly: Assembly, theta: Tensor) -> None:
    """Every scalar must move the predictions in a way of its own, and every field move them.

    Raises:
        UsageError: it does not.
    """
    sought = assembly.sought
    assert sought is not None
    count = len(sought.names)
    each = len(sought.offset) // max(len(sought.fields), 1)
    for i, unknown in enumerate(sought.fields):
        moved = J[:, count:] @ sought.free[i * each : (i + 1) * each].T
        if sought.roughness[i][0].any() and float(moved.norm()) <= UNDETERMINED * float(response.norm()):
            message = (
                f"no observation depends on the field {assembly.statement.problem.unknowns[unknown]}; observe an "
                "unknown that it acts on"
            )
            raise UsageError(message)
    if not count:
        return
    names = ", ".join(sought.names)
    if (n := len(J)) < count:
        message = (
            f"{n} observations for {count} parameters ({names}); add data, or make some of them constants"
        )
        raise UsageError(message)
    columns = J[:, :count]
    norms = columns.norm(dim=0)
    missing = norms <= UNDETERMINED * response[:, :count].norm(dim=0)
    if bool(missing.any()):
        one = int(missing.int().argmax())
        message = (
            f"no observation depends on the parameter {sought.names[one]} at {float(theta[one]):.3g} (it starts at "
            f"{float(sought.start[one]):g}): observe where it matters, start elsewhere, or make it a constant"
        )
        raise UsageError(message)
    _, s, V = torch.linalg.svd(columns / norms, full_matrices=False)
    if float(s[-1]) < UNDETERMINED * float(s[0]):
        involved = [name for name, v in zip(sought.names, V[-1].tolist(), strict=True) if abs(v) > 0.1]
        message = (
            f"the data determine only a combination of the parameters {', '.join(involved)}, not each of them; make "
            "one a constant, or observe something else"
        )
        raise UsageError(message)


def _require_regular(root: Tensor, assembly: Assembly) -> None:
    """Together, data and roughness must determine fields.

    Raises:
        UsageError: they leave something open, which is smooth: a factor for instance.
    """
    s = torch.linalg.svdvals(root)
    if float(s[-1]) <= OPEN * float(s[0]):
        problem = assembly.statement.problem
        names = [problem.unknowns[u] for u in assembly.statement.fields]
        message = (
            f"the data leave something of the fields {', '.join(names)} open, a constant or a factor for instance; "
            "prescribe a value on the boundary, or observe the field itself somewhere"
        )
        raise UsageError(message)


def _step(
    data: Observations, e: Tensor, J: Tensor, sought: Sought, theta: Tensor, choice: Choice
) -> tuple[Tensor, Tensor]:
    """The Gauss–Newton step, and the root R of its Hessian RᵀR."""
    rows, values = _penalty(sought, theta, choice.alpha)
    weight = 1 / choice.sigma[data.group]
    A = torch.cat([J * weight[:, None], rows])
    Q, root = torch.linalg.qr(A)
    rhs = Q.T @ torch.cat([e * weight, values])
    return -torch.linalg.solve_triangular(root, rhs[:, None], upper=True)[:, 0], root


def _penalty(sought: Sought, theta: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """Rows √α R (·, θ) of the roughness of all fields, and their values at θ."""
    count = len(sought.names)
    rows, values = [theta.new_zeros(0, sought.size)], [theta.new_zeros(0)]
    for (R, r), a in zip(sought.roughness, alpha, strict=True):
        rows.append(torch.cat([R.new_zeros(len(R), count), R], dim=1) * a.sqrt())
        values.append((R @ theta[count:] + r) * a.sqrt())
    return torch.cat(rows), torch.cat(values)


def choose(
    data: Observations, e: Tensor, J: Tensor, sought: Sought, theta: Tensor, before: Choice | None
) -> Choice:
    """Weights of data and of roughness for the linearised problem, by the data alone."""
    groups = len(data.sigma)
    size = torch.zeros(groups, dtype=e.dtype).index_add_(0, data.group, e**2)
    count = torch.bincount(data.group, minlength=groups)
    sigma = before.sigma if before else (size / count).sqrt().clamp_min(1e-300)
    sigma = torch.where(data.sigma.isnan(), sigma, data.sigma)
    alpha = before.alpha if before else theta.new_ones(len(sought.fields))
    for _ in range(3):
        weight = 1 / sigma[data.group]
        Q, R = torch.linalg.qr(J * weight[:, None])
        z = Q.T @ (e * weight)
        rest = float((e * weight).square().sum() - z.square().sum())
        if len(alpha):
            alpha = _cross_validated(R, z, max(rest, 0.0), len(e), sought, theta, alpha)
        rows, values = _penalty(sought, theta, alpha)
        H = R.T @ R + rows.T @ rows
        L = _root(H)
        move = -torch.cholesky_solve((R.T @ z + rows.T @ values)[:, None], L)[:, 0]
        left = e + J @ move
        hat = (Q @ (R @ torch.cholesky_solve(R.T, L)) * Q).sum(1)  # diagonal of S
        used = torch.zeros(groups, dtype=e.dtype).index_add_(0, data.group, hat)
        rss = torch.zeros(groups, dtype=e.dtype).index_add_(0, data.group, left**2)
        floor = 1e-14 * float(data.values.abs().max().clamp_min(1e-300))
        estimated = (rss / (count - used).clamp_min(1.0)).sqrt().clamp_min(floor)
        sigma = torch.where(data.sigma.isnan(), estimated, data.sigma)
    return Choice(sigma, alpha)


def _cross_validated(
    R: Tensor, z: Tensor, rest: float, n: int, sought: Sought, theta: Tensor, alpha: Tensor
) -> Tensor:
    """Weights α (f,) of roughness with the least score n RSS/(n - 1.4 tr S)², one field after the other."""
    normal, rhs = R.T @ R, R.T @ z
    parts = [_penalty(_only(sought, i), theta, theta.new_ones(1)) for i in range(len(alpha))]
    unit = [float(normal.trace() / rows.square().sum().clamp_min(1e-300)) for rows, _ in parts]

    def score(trial: Tensor) -> float:
        H, g = normal.clone(), rhs.clone()
        for a, (rows, values) in zip(trial, parts, strict=True):
            H += a * (rows.T @ rows)
            g += a * (rows.T @ values)
        L = _root(H)
        move = -torch.cholesky_solve(g[:, None], L)[:, 0]
        used = float(torch.linalg.solve_triangular(L, R.T, upper=False).square().sum())
        left = n - PRUDENCE * used
        return float("inf") if left <= 0 else n * (rest + float((z + R @ move).square().sum())) / left**2

    for _ in range(1 if len(alpha) == 1 else 3):
        for i in range(len(alpha)):
            trials = [
                torch.cat([alpha[:i], alpha.new_tensor([w * unit[i]]), alpha[i + 1 :]]) for w in WEIGHTS
            ]
            alpha = min(trials, key=score)
    return alpha


def _root(H: Tensor) -> Tensor:
    """Lower Cholesky factor of a semidefinite matrix, with as little on its diagonal as it takes."""
    eye = H.diagonal().mean() * torch.eye(len(H), dtype=H.dtype)
    for shift in (1e-15, 1e-13, 1e-11):
        L, info = torch.linalg.cholesky_ex(H + shift * eye)
        if not int(info):
            return L
    return torch.linalg.cholesky(H + 1e-9 * eye)


def _only(sought: Sought, i: int) -> Sought:
    return replace(sought, fields=sought.fields[i : i + 1], roughness=sought.roughness[i : i + 1])


def _line_search(
    assembly: Assembly,
    data: Observations,
    state: _Forward,
    theta: Tensor,
    move: Tensor,
    response: Tensor,
    choice: Choice,
    stop: float,
    monitor: Monitor,
    shortest: float,
    slack: float,
) -> tuple[float, Tensor, _Forward]:
    """The first of 1, ½, ¼, … at which the objective does not rise; 0 and the old state where there is none."""

    def objective(c: Tensor, at: Tensor) -> float:
        e = data.residual(c, at) / choice.sigma[data.group]
        return float(e.square().sum() + _penalty(assembly.sought, at, choice.alpha)[1].square().sum())  # type: ignore[arg-type]

    before, length = objective(state.coefficients, theta), 1.0
    while length >= shortest:
        trial = theta + length * move
        try:
            reached = _forward(
                assembly, state.coefficients + length * (response @ move), trial, stop, monitor
            )
            after = objective(reached.coefficients, trial)
        except SolveError:
            after = float("inf")
        if after <= before * (1 + 1e-9) + slack:
            return length, trial, reached
        length /= 2
    return 0.0, theta, state


def _change(sought: Sought, theta: Tensor, move: Tensor, c: Tensor, response: Tensor) -> float:
    """Largest relative change of a scalar or of a field.

    A scalar is measured against itself or, where that is more, against what changes the solution by its own size.
    """
    count = len(sought.names)
    unit = c.norm() / response[:, :count].norm(dim=0).clamp_min(1e-300)
    changes = (move[:count].abs() / torch.maximum(theta[:count].abs(), unit).clamp_min(1e-300)).tolist()
    if sought.fields:
        each = len(sought.offset) // len(sought.fields)
        moved = (sought.free @ move[count:]).view(-1, each).norm(dim=1)
        changes += (moved / sought.coefficients(theta).norm(dim=1).clamp_min(1e-300)).tolist()
    return max(changes, default=0.0)


# ---------------------------------------------------------------- adaptivity


class NotIdentified(NonlinearFailure):
    """Gauss–Newton over θ ends where no step lowers the misfit."""

    def __init__(self) -> None:
        SolveError.__init__(
            self,
            "no step lowers the misfit of the data any more; start nearer, with parameters={…} or guess=",
        )


@dataclass
class InverseSolver(Solver):
    """Adaptive least squares in which every level identifies θ anew, from that of the level before."""

    sought: Sought = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.sought = seek(self.statement, self.frame, 0.1 * self.tol)
        if not self.sought.size:
            message = (
                "data= is given, but nothing is to be identified: the conditions determine every unknown; add "
                "parameters={…}, or leave one condition or equation to the data by a field (see Inverse problems)"
            )
            raise UsageError(message)

    def solve(
        self, patches: Patches, q: np.ndarray, previous: Discrete | None, max_steps: int = 25
    ) -> Identified:
        """Identify θ and solve on given patches; with all orders raised on the same patches, to the same weights.

        The degree of fields is raised until the data use less than half of their coefficients: then the penalty, hence
        the data, decide what is resolved.
        """
        del max_steps
        theta, choice = self.sought.start, None
        if isinstance(previous, Identified):
            theta = previous.theta
            verifying = patches is previous.assembly.patches and bool((q == previous.assembly.q + 2).all())
            choice = previous.choice if verifying else None
        while True:
            found = self._identify(patches, q, previous, theta, choice)
            d = found.assembly.dimension
            enough = found.used <= MOST_USED * (self.sought.size - len(self.sought.names))
            highest = self.sought.degree + 2 > HIGHEST_DEGREE[d] or self.monitor.out_of_time()
            if choice is not None or enough or highest:
                return found
            finer = seek(self.statement, self.frame, 0.1 * self.tol, self.sought.degree + 2)
            theta, self.sought = finer.adopted(self.sought, found.theta), finer

    def _after_failure(self, current: Discrete, finer: Discrete, estimates: np.ndarray) -> Discrete | None:
        """As for any problem; where the finer solution is the next level, its weights are chosen anew."""
        try:
            following = super()._after_failure(current, finer, estimates)
        except NonlinearFailure:
            raise NotIdentified from None
        if following is not finer:
            return following
        assert isinstance(finer, Identified)
        return self._identify(finer.assembly.patches, finer.assembly.q, finer, finer.theta, None)

    def _identify(
        self,
        patches: Patches,
        q: np.ndarray,
        previous: Discrete | None,
        theta: Tensor,
        choice: Choice | None,
    ) -> Identified:
        assembly = Assembly(self.statement, patches, q, self.device, self.sought, theta)
        start = None
        if not self.statement.linear or (previous is not None and patches.cut.any()):
            start = carried(assembly, previous, self.problem)
        return identify(assembly, start, theta, max(1e-2 * self.tol, 1e-13), self.monitor, choice)

    def difference(self, current: Discrete, finer: Discrete) -> np.ndarray:
        """Estimated errors of all unknowns; of scalars the largest counts for every one of them."""
        assert isinstance(current, Identified)
        assert isinstance(finer, Identified)
        moved = finer.theta - current.theta
        only = replace(self.sought, fields=())
        scalars = _change(only, finer.theta, moved, finer.coefficients, finer.response)
        estimates = np.full(len(self.problem.unknowns), np.nan)
        estimates[list(self.statement.states)] = difference(current, finer)
        a, b = (self.sought.coefficients(d.theta) for d in (current, finer))
        for one, u, v in zip(self.sought.fields, a, b, strict=True):
            estimates[one] = float((u - v).norm() / v.norm().clamp_min(1e-300)) + self.sought.misfit
        return np.maximum(estimates, scalars)

    def _finish(self, current: Discrete, estimates: np.ndarray, met: bool, status: str) -> IdentifiedResult:
        assert isinstance(current, Identified)
        if len(estimates) < len(self.problem.unknowns):
            states, estimates = estimates, np.full(len(self.problem.unknowns), np.nan)
            estimates[list(self.statement.states)] = states
        found = findings(current)
        status = f"{status}, for the data as they are" if met else status
        if found.remark:
            status = f"{status}; {found.remark}"
        return IdentifiedResult(
            joined(current), tuple(estimates.tolist()), met, status, current.residual, findings=found
        )


def joined(discrete: Identified) -> PartitionedMixture:
    """All unknowns on the same patches: fields are fitted locally."""
    assembly, sought = discrete.assembly, discrete.assembly.sought
    assert sought is not None
    if not sought.fields:
        return discrete.mixture
    problem, states = assembly.statement.problem, assembly.statement.states
    phi = sought.coefficients(discrete.theta)
    whole = replace(discrete.mixture, outputs=len(problem.unknowns))
    c = torch.zeros(whole.layout.total, dtype=phi.dtype)
    zero = ((0,) * assembly.dimension,)
    for points in assembly.interior:
        b, m, d = points.y.shape
        columns = whole.layout.of(torch.from_numpy(points.cells)).view(b, len(problem.unknowns), -1)
        own = assembly.layout.of(torch.from_numpy(points.cells)).view(b, len(states), -1)
        c[columns[:, list(states)]] = discrete.coefficients.cpu()[own]
        w = points.weight[..., None]
        table = value_table(assembly, points).cpu().expand(b, -1, -1) * w
        values = (
            polynomials(points.y.reshape(-1, d), sought.centre, sought.half, sought.degree, zero)[0] @ phi.T
        )
        # Not lstsq: its default driver (gelsy) carries the pivots of one matrix of a batch over to the next.
        Q, R = torch.linalg.qr(torch.cat([table, 1e-13 * torch.eye(table.shape[2]).expand(b, -1, -1)], dim=1))
        fit = torch.linalg.solve_triangular(
            R, Q[:, :m].mT @ (values.view(b, m, -1) * w), upper=True
        )  # (b, k, f)
        c[columns[:, list(sought.fields)]] = fit.mT
    return replace(whole, coefficients=c)


def findings(discrete: Identified) -> Findings:
    """Values with their intervals, and the uncertainty of every unknown."""
    assembly, sought = discrete.assembly, discrete.assembly.sought
    assert sought is not None
    count, problem = len(sought.names), assembly.statement.problem
    width = float(stats.t.ppf(0.5 + LEVEL / 2, discrete.freedom))
    deviation = discrete.spread[:count].norm(dim=1).tolist()
    values = dict(zip(sought.names, discrete.theta[:count].tolist(), strict=True))
    intervals = {
        name: (value - width * s, value + width * s)
        for (name, value), s in zip(values.items(), deviation, strict=True)
    }
    chi, expected = discrete.chi
    remark = ""
    given = not bool(torch.tensor([o.sigma is None for o in problem.data]).any())
    if given and abs(chi - expected) > MISFIT * np.sqrt(2 * max(expected, 1.0)):
        ratio = np.sqrt(chi / max(expected, 1e-300))
        remark = (
            f"the data are missed by {ratio:.3g} times their sigma: "
            + ("the model or sigma is wrong" if ratio > 1 else "sigma is too large")
            + ", and so are the intervals"
        )
    return Findings(values, intervals, _uncertainty(discrete), tuple(discrete.choice.sigma.tolist()), remark)


def _uncertainty(discrete: Identified) -> dict[str, float]:
    """√∫ var(u) / ‖u‖ of every unknown: traces of D Σ Dᵀ, D its coefficients' derivatives by θ.

    The basis is orthonormal on each patch but for its envelope, which is nearly flat there. The trace of an unknown,
    a field that stands in conditions only, may vanish; it is measured against the largest unknown.
    """
    assembly, sought = discrete.assembly, discrete.assembly.sought
    assert sought is not None
    problem, states = assembly.statement.problem, assembly.statement.states
    lower = discrete.spread
    spread = (discrete.response.cpu() @ lower).square().sum(1)
    volume = assembly.half.cpu().prod(1)
    squares = torch.zeros(2, len(states), dtype=torch.float64)
    for points in assembly.interior:
        cells = torch.from_numpy(points.cells)
        columns = assembly.layout.of(cells).view(len(cells), len(states), -1)
        values = torch.stack([spread, discrete.coefficients.cpu().square()])[:, columns].sum(3)  # (2, b, u)
        squares += torch.einsum("b,xbu->xu", volume[cells], values)
    found = {
        problem.unknowns[u]: float((squares[0, i] / squares[1, i].clamp_min(1e-300)).sqrt())
        for i, u in enumerate(states)
    }
    count = len(sought.names)
    phi = sought.coefficients(discrete.theta)
    k = phi.shape[1] if sought.fields else 0
    inside = {u for u, _ in assembly.statement.terms[0].operator.slots}
    largest = (squares[1] / volume.sum()).max().sqrt()
    for i, one in enumerate(sought.fields):
        D = sought.free[i * k : (i + 1) * k] @ lower[count:]
        size = phi[i].norm() if one in inside else torch.maximum(phi[i].norm(), largest)
        found[problem.unknowns[one]] = float(D.norm() / size.clamp_min(1e-300))
    return found


def solve_inverse(
    problem: Problem, tol: float, monitor: Monitor | None = None, device: str = "cpu", **settings: int
) -> IdentifiedResult:
    """As `solve_adaptively`, for a problem with data and something to identify from them.

    The tolerance is that of the discretisation: of u, of fields and of scalars, for the data as they are.

    Raises:
        UsageError: nothing is to be identified, or the data do not determine it.
    """
    threads = torch.get_num_threads()
    try:
        solver = InverseSolver(problem, max(tol, FINEST_TOLERANCE), monitor or Monitor(), device, settings)
        result = solver.run()
        assert isinstance(result, IdentifiedResult)
        return result
    finally:
        torch.set_num_threads(threads)
