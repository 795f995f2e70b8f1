"""Does `exact` satisfy the equation and the conditions?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from pdesolve.checks.report import Findings, at
from pdesolve.checks.terms import Sample, slot_name
from pdesolve.errors import PdesolveError, PostponedError, ProblemError
from pdesolve.references.cache import postponed
from pdesolve.statement.calculus import Frame, MultiIndex
from pdesolve.statement.periodic import PeriodicAxis, among_slots, turned
from pdesolve.statement.problem import Problem
from pdesolve.statement.residual import Slot

# Of the largest term: a wrong coefficient is larger, rounding of second derivatives by autograd far smaller.
TOLERANCE = 1e-6
# Share of the largest term anywhere that is added to the one at a point: where all nearly vanish, rounding is no error.
FLOOR = 1e-2
# Random points; an error on one per cent of the domain escapes all of them with the probability 0.99^1000 = 4e-5.
POINTS = 1000
# Of a value and of the largest one: the same operations on other points in a batch may round differently.
SAME = 1e-9
# Of ∫ |u|: the order of the rule resolves no kink in u better.
INTEGRAL_ORDER = 24
INTEGRAL = 1e-4
# Of the largest derivative of any unknown: differences below are rounding of one that vanishes.
VANISHING = 1e-6


def exact_jets(problem: Problem, points: Tensor, slots: Sequence[Slot]) -> Tensor:
    """Derivatives of the exact solution by nested autograd.

    Args:
        problem: with an exact solution.
        points: (n, d).
        slots: (unknown index, multi-index) of each wanted derivative.

    Returns:
        (n, s); not finite where the exact solution cannot be differentiated.

    Raises:
        ProblemError: there is no exact solution, or it returned a wrong type or shape.
    """
    with torch.enable_grad():
        frame = Frame(problem.coordinates, points, depth=1)
        with frame:
            found: dict[Slot, Tensor] = {}
            for unknown in {slot[0] for slot in slots}:
                name = problem.unknowns[unknown]
                value = problem.value(_exact(problem)[name], frame, f"exact of '{name}'")
                found[unknown, (0,) * len(frame.names)] = value
            columns = [_derivative(found, slot, frame).detach() for slot in slots]
    if not columns:
        return points[:, :0]
    return torch.stack([column.to(points) for column in columns], dim=1)


def _exact(problem: Problem) -> dict[str, Any]:
    if problem.exact is None:
        message = f"{problem.name} has no exact solution; give it as exact="
        raise ProblemError(message)
    return problem.exact


def _derivative(found: dict[Slot, Tensor], slot: Slot, frame: Frame) -> Tensor:
    """D^α from D^(α - e_i) by one more autograd pass; what is found once is kept."""
    if slot not in found:
        unknown, index = slot
        axis = max(i for i, order in enumerate(index) if order)
        below: MultiIndex = tuple(order - (i == axis) for i, order in enumerate(index))
        value = _derivative(found, (unknown, below), frame)
        gradient = None
        if value.requires_grad:
            (gradient,) = torch.autograd.grad(
                value.sum(), frame.coordinates[frame.names[axis]], create_graph=True, allow_unused=True
            )
        if gradient is None:  # a constant in this direction
            gradient = torch.zeros_like(value)
        found[slot] = gradient
    return found[slot]


def check_functions(problem: Problem, findings: Findings) -> bool:
    """Evaluate exact, reference and guess; whether `exact` can be differentiated, too."""
    points = problem.domain.sample(POINTS // 4)
    usable = problem.exact is not None
    for owner in ("exact", "reference", "guess"):
        functions = getattr(problem, owner)
        for name, function in (functions or {}).items():
            fine = _check_function(problem, {name: function}, owner, points, findings)
            usable = usable and (fine or owner != "exact")
    return usable and all(_differentiable(problem, name, points, findings) for name in problem.unknowns)


def _label(problem: Problem, owner: str, name: str) -> str:
    return owner if len(problem.unknowns) == 1 else f"{owner} of '{name}'"


def _check_function(problem: Problem, function: dict, owner: str, points: Tensor, findings: Findings) -> bool:
    (name,) = function
    column = problem.unknowns.index(name)
    label = _label(problem, owner, name)
    shuffled = torch.randperm(len(points), generator=torch.Generator().manual_seed(0))

    def evaluate(x: Tensor) -> Tensor:
        return problem.values(function, x, owner)[:, column]

    try:
        with postponed():
            values = evaluate(points)
            halves = torch.cat([evaluate(points[half]) for half in shuffled.chunk(2)])
    except PostponedError:
        return True
    except PdesolveError as error:
        findings.error(str(error))
        return False
    except Exception as error:
        findings.error(f"{label} failed: {type(error).__name__}: {error}; write it with torch functions")
        return False
    if not values.isfinite().all():
        bad = ~values.isfinite()
        findings.error(
            f"{label} is not finite at {int(bad.sum())} of {len(bad)} interior points, e.g. "
            f"{float(values[bad][0])} {at(problem.coordinates, points[bad][0])}"
        )
        return False
    if not torch.allclose(values[shuffled], halves, rtol=SAME, atol=SAME * float(values.abs().max())):
        findings.error(
            f"{label} is not pointwise: on half the points it gives other values than on all of them; it "
            "must depend on the coordinates of one point only, so write x, not x[0] or x.max()"
        )
        return False
    return True


def _differentiable(problem: Problem, name: str, points: Tensor, findings: Findings) -> bool:
    advice = "; write it with torch functions, or give it as reference=, which need not be differentiable"
    label = _label(problem, "exact", name)
    try:
        with torch.enable_grad(), Frame(problem.coordinates, points, depth=1) as frame:
            value = problem.value(_exact(problem)[name], frame, label)
    except PdesolveError as error:
        findings.error(str(error))
        return False
    except Exception as error:
        findings.error(f"{label} cannot be differentiated: {type(error).__name__}: {error}{advice}")
        return False
    if not value.requires_grad and bool((value != value[0]).any()):
        findings.error(f"{label} cannot be differentiated: its result is not connected to x{advice}")
        return False
    return True


def check_exact(problem: Problem, samples: Sequence[Sample], findings: Findings) -> None:
    """Evaluate every term with the jets of the exact solution; they must vanish up to rounding."""
    slots = sorted({slot for sample in samples for slot in sample.operator.slots})
    interior = problem.domain.sample(POINTS)
    sizes = _amplitudes(exact_jets(problem, interior, slots))
    size_of = dict(zip(slots, sizes.tolist(), strict=True))
    worst = 0.0
    for sample in samples:
        if problem.parameters and sample.term.kind == "equation":
            findings.note("exact was not put into the equation: its parameters are still to be identified")
            continue
        sample = _finer(problem, sample, interior)
        worst = max(worst, _check_term(problem, sample, size_of, findings))
    for seam in problem.seams:
        _check_periodic(problem, seam, interior, slots, size_of, findings)
    _check_integrals(problem, findings)
    if not findings.errors:
        findings.note(f"exact satisfies the equation and the conditions up to {worst:.1e} of their terms")


def _finer(problem: Problem, sample: Sample, interior: Tensor) -> Sample:
    """The same term at more points."""
    if sample.term.place is None:
        return Sample(sample.operator, interior, None, sample.parameters)
    rule = sample.term.place.sample(problem.domain, POINTS // 2)
    if not len(rule.points):
        return sample
    return Sample(sample.operator, rule.points, rule.normals, sample.parameters)


def _amplitudes(jets: Tensor) -> Tensor:
    """Largest finite size of each column, (s,)."""
    return jets.nan_to_num(0.0, 0.0, 0.0).abs().amax(dim=0)


def _check_term(problem: Problem, sample: Sample, size_of: dict[Slot, float], findings: Findings) -> float:
    """Relative size of the largest residual of a term at the exact solution."""
    jets = exact_jets(problem, sample.points, sample.operator.slots)
    differentiable = jets.isfinite().all(dim=1)
    if not differentiable.any():
        findings.error(
            f"exact could not be put into {sample.term.name}: it cannot be differentiated at any of "
            f"{len(differentiable)} points; its derivatives are not finite there"
        )
        return math.inf
    r, dF = sample.some(differentiable).linearise(jets[differentiable])
    finite = (r.isfinite() & dF.isfinite().all(dim=2)).all(dim=1)
    if not finite.any():
        return 0.0  # reported as not finite elsewhere
    usable = differentiable.clone()
    usable[differentiable] = finite
    return _largest_residual(sample.some(usable), jets[usable], r[finite], dF[finite], size_of, findings)


def _largest_residual(
    sample: Sample, jets: Tensor, r: Tensor, dF: Tensor, size_of: dict[Slot, float], findings: Findings
) -> float:
    """Relative size of the largest residual r (n, m), reported where it does not vanish."""
    term = sample.term
    if term.kind == "equation":
        scale = _sizes_at_points(jets, r, dF)
    else:
        scale = _size_anywhere(sample.operator.slots, jets, r, dF, size_of).expand_as(r)
    relative = r.abs() / scale.clamp_min(torch.finfo(r.dtype).tiny)
    worst = int(relative.amax(dim=1).argmax())
    component = int(relative[worst].argmax())
    if relative[worst, component] > TOLERANCE:
        which = f" (equation {component + 1})" if sample.operator.components > 1 else ""
        place = at(sample.operator.problem.coordinates, sample.points[worst])
        findings.error(
            f"exact does not satisfy {term.name}{which}: {place} the "
            f"residual is {float(r[worst, component]):.3g} where the largest term is "
            f"{float(scale[worst, component]):.3g}; check signs, coefficients and sources, or give a "
            "solution known only roughly as reference="
        )
    return float(relative[worst, component])


def _sizes_at_points(jets: Tensor, r: Tensor, dF: Tensor) -> Tensor:
    """Size (n, m) of the largest term, ∂F/∂u_s u_s or what is left without them, at each point.

    A hundredth of the largest anywhere is added: where all terms nearly vanish, rounding is no error.
    """
    terms = dF * jets[:, None, :]
    sizes = torch.cat([terms, (r - terms.sum(dim=2))[:, :, None]], dim=2).abs().amax(dim=2)
    return sizes + FLOOR * sizes.amax(dim=0)


def _size_anywhere(
    slots: Sequence[Slot], jets: Tensor, r: Tensor, dF: Tensor, size_of: dict[Slot, float]
) -> Tensor:
    """Size (m,) of the largest term of a condition, with the derivatives as large as they get anywhere."""
    data = (r - torch.einsum("nms,ns->nm", dF, jets)).abs().amax(dim=0)
    sizes = _amplitudes(jets)
    known = sizes.new_tensor([size_of.get(slot, 0.0) for slot in slots])
    terms = dF.abs().amax(dim=0) * torch.maximum(sizes, known)
    if not len(slots):
        return data
    return torch.maximum(terms.amax(dim=1), data)


def _check_periodic(
    problem: Problem,
    seam: PeriodicAxis,
    interior: Tensor,
    slots: Sequence[Slot],
    size_of: dict[Slot, float],
    findings: Findings,
) -> None:
    """Compare the derivatives below the highest of the axis at both of its ends."""
    wanted = _below_the_highest(seam.axis, slots)
    start, end = seam.ends(interior[:100])
    inside = problem.domain.contains(start, problem.domain.rounding)
    start = start[inside]
    end = end[inside]
    before = exact_jets(problem, start, wanted)
    rotation = turned(problem.seams, seam, end, len(problem.unknowns))
    if rotation is not None:
        before = torch.einsum("nst,nt->ns", among_slots(rotation, wanted), before)
    difference = before - exact_jets(problem, end, wanted)
    jumps = problem.jumps(seam, end)
    for column, (u, index) in enumerate(wanted):
        if not sum(index):
            difference[:, column] += jumps[:, u]
    sizes = _amplitudes(exact_jets(problem, interior, wanted))
    wrong = _amplitudes(difference) > TOLERANCE * sizes.clamp_min(size_of.get(wanted[0], 0.0) * VANISHING)
    if wrong.any():
        first = int(wrong.nonzero()[0])
        coordinate = problem.coordinates[seam.axis]
        gap = float(difference[:, first].abs().amax())
        stated = any(seam.shift) or any(seam.jumps.values())
        after = " after the shift and jump stated" if stated else ""
        if seam.phases:
            after = " after the phase stated"
        findings.error(
            f"exact does not satisfy Periodic('{coordinate}'): {slot_name(problem, wanted[first])} differs by "
            f"{gap:.3g} between {coordinate} = {seam.lower:g} and {seam.upper:g}{after}"
        )


def _below_the_highest(axis: int, slots: Sequence[Slot]) -> list[Slot]:
    """Derivatives along an axis that continue at a seam: each unknown's below its highest, at least its value."""
    highest: dict[int, int] = {}
    for unknown, index in slots:
        highest[unknown] = max(highest.get(unknown, 1), index[axis])
    d = max(len(index) for _, index in slots)
    return [
        (unknown, tuple(k * (i == axis) for i in range(d)))
        for unknown, top in highest.items()
        for k in range(top)
    ]


def _check_integrals(problem: Problem, findings: Findings) -> None:
    if "t" in problem.coordinates:
        return
    for condition in problem.integrals:
        unknown = problem.unknown_of(condition)
        rule = problem.domain.rule(INTEGRAL_ORDER)
        column = problem.unknowns.index(unknown)
        values = problem.values(_exact(problem), rule.points)[:, column]
        integral = float(rule.weights @ values)
        size = float(rule.weights @ values.abs())
        value = float(_constant(problem, condition.value, rule.points))
        if abs(integral - value) > INTEGRAL * max(size, abs(value)):
            findings.error(
                f"exact does not satisfy Integral of {unknown}: it integrates to {integral:.6g}, "
                f"expected {value:.6g}"
            )


def _constant(problem: Problem, value: float | Callable, points: Tensor) -> Tensor:
    frame = Frame(problem.coordinates, points[:1])
    with frame:
        return problem.value(value, frame, "the value of Integral")[0]
