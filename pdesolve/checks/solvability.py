"""Can there be a solution, and is it determined: balance of fluxes, inflow, structure of systems, repetitions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from torch import Tensor

from pdesolve.checks.exactness import exact_jets
from pdesolve.checks.held import Held
from pdesolve.checks.report import Findings
from pdesolve.checks.terms import Sample, active_slots, fields_of, random_jets
from pdesolve.errors import PdesolveError
from pdesolve.statement.problem import Problem

BALANCED = 1e-6  # of all sources and fluxes: an imbalance above this, and above the quadrature error, is one
QUADRATURE = (12, 20)  # orders of two rules whose difference is the error of the first
SAME_COEFFICIENT = 1e-6
STEP = 1e-5  # of central differences of coefficients, relative to the domain
INFLOW = 1e-6  # b·n / |b| below minus this is inflow
REAL = 1e-6  # below, imaginary parts of speeds and what conditions say of a characteristic are rounding
BARE = 0.02  # share of the inflow boundary without data that is worth a warning


def check_structure(sample: Sample, findings: Findings) -> None:
    """Every equation of a system must contain an unknown, and every unknown have an equation of its own.

    Equations and unknowns are matched one to one; an unknown that cannot be matched is not determined.
    """
    if sample.term.kind != "equation":
        return
    names = sample.operator.problem.unknowns
    if fields_of(sample.operator.problem, [sample]):
        return  # counted where the fields are found
    jets = random_jets(sample, seed=5)
    _, dF = sample.operator.linearise(sample.points, jets, sample.normals, sample.parameters)
    strength = dF.nan_to_num(1.0).abs().amax(dim=0)  # (m, slots)
    contains = torch.zeros(len(strength), len(names), dtype=torch.bool)
    for column, (unknown, _) in enumerate(sample.operator.slots):
        contains[:, unknown] |= strength[:, column] > 0
    if not contains.any(dim=0).all():
        return  # an unknown in no equation at all is reported elsewhere
    empty = [i + 1 for i in range(len(contains)) if not contains[i].any()]
    for i in empty:
        findings.error(
            f"equation {i} of {len(contains)} of {sample.term.name} contains no unknown: it cannot be solved for "
            "anything; leave it out, or look for a factor that vanishes"
        )
    match = maximum_bipartite_matching(csr_array(contains.numpy().astype(np.int8)), perm_type="row")
    for unknown in np.flatnonzero(match < 0).tolist() if not empty else ():
        others = ", ".join(name for i, name in enumerate(names) if i != unknown)
        findings.error(
            f"no equation of {sample.term.name} is left to determine {names[unknown]}: all those that contain it "
            f"are needed for {others}; is one of the {len(contains)} equations the same as another, or an unknown "
            "missing from one?"
        )


def check_repetition(problem: Problem, samples: Sequence[Sample], findings: Findings) -> None:
    """Conditions written as functions, and Robin conditions, that are stated twice on one place."""
    held = [
        Held(problem, sample.term, sample.points)
        for sample in samples
        if sample.term.kind in ("condition", "robin")
    ]
    chosen = [sample for sample in samples if sample.term.kind in ("condition", "robin")]
    for (first, mine), (second, yours) in itertools.combinations(zip(held, chosen, strict=True), 2):
        same_operator = (
            mine.operator.slots == yours.operator.slots
            and mine.operator.components == yours.operator.components
            and first.term.kind == second.term.kind
        )
        shared = second.holds_at(mine.points)
        if not same_operator or not shared.any():
            continue
        jets = random_jets(mine, seed=7)
        a, b = (_residual(s, mine, jets, shared) for s in (mine, yours))
        if bool(torch.isclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True).all()):
            place = "" if first.term.name == second.term.name else f" and {second.term.name}"
            findings.warn(
                f"{first.term.name}{place} say the same on one part of the boundary; one of them is enough"
            )


def _residual(sample: Sample, place: Sample, jets: Tensor, chosen: Tensor) -> Tensor:
    """Residual of one condition at the points of another."""
    normals = None if place.normals is None else place.normals[chosen]
    with torch.enable_grad():
        return sample.operator.residual(
            place.points[chosen], jets[chosen], normals, sample.parameters
        ).detach()


def check_balance(problem: Problem, samples: Sequence[Sample], findings: Findings) -> None:
    """Of -div(k grad u) = f with ∂u/∂n = g all around, ∫ f + ∮ k g must vanish (Fredholm's alternative)."""
    equation = samples[0]
    conditions = [s for s in samples[1:] if s.term.place is not None]
    if "t" in problem.coordinates or len(problem.unknowns) > 1 or problem.parameters or problem.interfaces:
        return
    if equation.term.kind != "equation" or not equation.operator.linear or equation.operator.components != 1:
        return
    around = [s for s in conditions if s.term.kind == "neumann"]
    points = [s for s in conditions if not s.term.place.pieces_on(problem.domain)]
    if not around or problem.periodic_axes or len(around) + len(points) < len(conditions):
        return
    orders = {sum(index) for _, index in active_slots(equation)}
    if not orders or max(orders) != 2 or 0 in orders:
        return
    held = [Held(problem, s.term, s.points) for s in around]
    if not all(_covered(held, piece.rule(6)[0]) for piece in problem.domain.pieces):
        return
    try:
        found = [b for order in QUADRATURE if (b := _imbalance(problem, equation, held, order))]
    except PdesolveError:
        return  # what cannot be evaluated is reported elsewhere
    if len(found) < len(QUADRATURE):
        return
    coarse, fine = found
    inside, through, size = fine
    error = abs(inside + through - coarse[0] - coarse[1])
    if abs(inside + through) > BALANCED * size + 10 * error:
        findings.error(
            f"the data of this pure Neumann problem do not balance: the sources inside add up to {inside:.4g}, the "
            f"prescribed fluxes bring in {through:.4g}, and the sum must vanish, so that no solution exists; "
            "correct one of them, or prescribe a value on part of the boundary"
        )


def _covered(held: Sequence[Held], x: Tensor) -> bool:
    return bool(torch.stack([one.holds_at(x) for one in held]).any(dim=0).all())


def _imbalance(
    problem: Problem, equation: Sample, held: Sequence[Held], order: int
) -> tuple[float, float, float] | None:
    """∫ f, ∮ k g, and the sum of their absolute values; None if the operator is no div(k grad u)."""
    x, w = problem.domain.rule(order)
    k, source = _diffusion(problem, equation, x)
    if k is None:
        return None
    inside, size = float(w @ source), float(w @ source.abs())
    through = 0.0
    for one in held:
        for piece in one.pieces:
            y, _, v = piece.rule(order)
            edge, _ = _coefficients(problem, equation, y)
            flux = edge[:, 0] * one.value(y)
            through += float(v @ flux)
            size += float(v @ flux.abs())
    return inside, through, size


def _coefficients(problem: Problem, equation: Sample, x: Tensor) -> tuple[Tensor, Tensor]:
    """Coefficients (n, 1 + d) of -Δu and of -u_x, -u_y, …, and what does not depend on u, with its sign turned.

    Not a number where the second derivatives do not make a Laplacian.
    """
    jets = torch.zeros(len(x), len(equation.operator.slots), dtype=x.dtype)
    r, dF = equation.operator.linearise(x, jets, None, equation.parameters)
    d = problem.domain.dimension
    found = torch.zeros(len(x), 1 + d, dtype=x.dtype)
    second = torch.zeros(len(x), d, dtype=x.dtype)
    for column, (_, index) in enumerate(equation.operator.slots):
        values = dF[:, 0, column]
        if sum(index) == 1:
            found[:, 1 + index.index(1)] = -values
        elif max(index) == 2:
            second[:, index.index(2)] = -values
        elif bool((values != 0).any()):
            found[:, 0] = torch.nan
    scale = second.abs().amax().clamp_min(torch.finfo(x.dtype).tiny)
    isotropic = bool(((second - second[:, :1]).abs() <= SAME_COEFFICIENT * scale).all())
    found[:, 0] += second[:, 0] if isotropic else torch.nan
    return found, -r[:, 0]


def _diffusion(problem: Problem, equation: Sample, x: Tensor) -> tuple[Tensor | None, Tensor]:
    """The coefficient k (n,) of -div(k grad u) and the source (n,); None where it is of no such form.

    -div(k grad u) = -k Δu - grad k · grad u: the first-order coefficients must be the gradient of the second's.
    """
    found, source = _coefficients(problem, equation, x)
    k = found[:, 0]
    if not k.isfinite().all() or not source.isfinite().all():
        return None, source
    d = problem.domain.dimension
    h = STEP * float((problem.domain.bounds[1] - problem.domain.bounds[0]).min())
    extent = float((problem.domain.bounds[1] - problem.domain.bounds[0]).max())
    for i in range(d):
        step = torch.zeros(d, dtype=x.dtype)
        step[i] = h
        slope = (
            _coefficients(problem, equation, x + step)[0] - _coefficients(problem, equation, x - step)[0]
        )[:, 0] / (2 * h)
        wrong = (found[:, 1 + i] - slope).abs() * extent > 1e-4 * k.abs().amax()
        if not slope.isfinite().all() or bool(wrong.any()):
            return None, source
    return k, source


def check_inflow(problem: Problem, samples: Sequence[Sample], findings: Findings) -> None:
    """Of equations of first order A u_t + Σ_i B_i u_{x_i} = …, as many data are needed as characteristics come in.

    These are the negative eigenvalues of A⁻¹ Σ_i n_i B_i, and the data must determine their eigenvectors. Without time
    a characteristic of a single equation needs data at one of its ends: that end counts where more is given.
    """
    equation, steady = samples[0], "t" not in problem.coordinates
    unknowns = len(problem.unknowns)
    if equation.term.kind != "equation" or equation.operator.components != unknowns:
        return
    if max((sum(index) for _, index in active_slots(equation)), default=0) != 1:
        return
    if (steady and unknowns > 1) or (not equation.operator.linear and not problem.exact):
        return  # elliptic or not, or of a direction that is that of the unknown
    ends = {s.owner for s in getattr(problem.domain, "time_ends", ())}
    given = [s for s in samples[1:] if s.term.place is not None and s.term.kind != "initial"]
    need: dict[int, dict[str, tuple[float, float]]] = {1: {}, -1: {}}
    for piece in problem.domain.pieces:
        if piece.owner in ends or (piece.plane and piece.plane[0] in problem.periodic_axes):
            continue
        x, normal, w = piece.rule(6)
        waves = _waves(problem, equation, x, normal)
        if waves is None:
            return
        speeds, vectors = waves
        rows, others = _data_at(problem, given, x, normal)
        for sign in (1, -1):
            entering = sign * speeds < -INFLOW  # (n, u)
            fixed = torch.linalg.matrix_rank(rows @ (vectors * entering[:, None]), atol=REAL) + others
            bare = fixed < entering.sum(1)
            amount = float(w[entering.any(1)].sum()), float(w[bare].sum())
            before = need[sign].get(piece.name, (0.0, 0.0))
            need[sign][piece.name] = before[0] + amount[0], before[1] + amount[1]
    counts = {sign: sum(bare for _, bare in need[sign].values()) for sign in (1, -1)}
    sign = -1 if steady and counts[-1] < counts[1] else 1
    missing = [
        f"'{name}'" if bare > 0.999 * whole else f"{bare / whole:.0%} of '{name}'"
        for name, (whole, bare) in need[sign].items()
        if whole and bare > BARE * whole
    ]
    if missing and unknowns == 1:
        findings.warn(
            f"{problem.unknowns[0]} flows in through {', '.join(missing)}, where nothing is prescribed: an equation "
            "of first order needs a value on its inflow boundary, e.g. Dirichlet(0, on=…)"
        )
    elif missing:
        findings.warn(
            f"more characteristics of {', '.join(problem.unknowns)} come in through {', '.join(missing)} than the "
            "conditions there determine: a system of first order needs a value for each that enters, and one that "
            "fixes only what leaves does not count"
        )


def _waves(problem: Problem, equation: Sample, x: Tensor, normal: Tensor) -> tuple[Tensor, Tensor] | None:
    """Speeds (n, u) of characteristics along the normal, relative to the largest, and their vectors (n, u, u).

    None where there are no real ones: the system is not hyperbolic, or contains an unknown without ∂/∂t.
    """
    slots, unknowns = equation.operator.slots, len(problem.unknowns)
    jets = torch.zeros(len(x), len(slots), dtype=x.dtype)
    if not equation.operator.linear:
        jets = exact_jets(problem, x, slots)
    _, dF = equation.operator.linearise(x, jets, None, equation.parameters)
    by_axis = torch.zeros(len(x), problem.domain.dimension, unknowns, unknowns, dtype=x.dtype)
    for column, (unknown, index) in enumerate(slots):
        if sum(index) == 1:
            by_axis[:, index.index(1), :, unknown] = dF[:, :, column]
    in_time = torch.eye(unknowns, dtype=x.dtype).expand(len(x), -1, -1)
    if "t" in problem.coordinates:
        in_time, by_axis = by_axis[:, -1], by_axis[:, :-1]
        normal = normal[:, :-1]
    if not bool(by_axis.isfinite().all() and in_time.isfinite().all()):
        return None
    if bool((torch.linalg.matrix_rank(in_time, rtol=1e-8) < unknowns).any()):
        return None
    through = torch.linalg.solve(in_time, torch.einsum("nimu,ni->nmu", by_axis, normal))
    whole = torch.linalg.solve(in_time[:, None], by_axis).flatten(1).norm(dim=1)
    speeds, vectors = torch.linalg.eig(through / whole.clamp_min(torch.finfo(x.dtype).tiny)[:, None, None])
    if bool((speeds.imag.abs() > REAL).any()):
        return None
    return speeds.real, vectors.real


def _data_at(problem: Problem, given: Sequence[Sample], x: Tensor, normal: Tensor) -> tuple[Tensor, Tensor]:
    """Directions (n, c, u) in which the conditions at points x (n, d) fix values, and how many fix slopes, (n,)."""
    rows, others = (
        [torch.zeros(len(x), 1, len(problem.unknowns), dtype=x.dtype)],
        torch.zeros(len(x), dtype=torch.long),
    )
    for sample in given:
        holds = Held(problem, sample.term, sample.points).holds_at(x)
        slots = sample.operator.slots
        if any(sum(index) for _, index in slots):
            others = others + holds * sample.operator.components
            continue
        jets = torch.zeros(len(x), len(slots), dtype=x.dtype)
        _, dF = sample.operator.linearise(x, jets, normal, sample.parameters)
        row = torch.zeros(len(x), dF.shape[1], len(problem.unknowns), dtype=x.dtype)
        row[:, :, [unknown for unknown, _ in slots]] = dF.nan_to_num(0.0)
        rows.append(row * holds[:, None, None])
    table = torch.cat(rows, dim=1)
    return table / table.norm(dim=2, keepdim=True).clamp_min(torch.finfo(x.dtype).tiny), others
