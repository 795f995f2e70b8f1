"""Each equation and condition by itself: does it evaluate, is it pointwise, is it finite?"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from pdesolve.checks.report import Findings, at
from pdesolve.errors import PdesolveError, ProblemError
from pdesolve.geometry import Point
from pdesolve.statement.coefficient_fields import coefficient_fields
from pdesolve.statement.pointwise import ADVICE, is_pointwise
from pdesolve.statement.problem import Problem, Term
from pdesolve.statement.residual import ResidualOperator, Slot, compiled, sample_points

# Points of each term: a derivative that is there at all is there at one of them, and a term costs a millisecond.
POINTS = 64
# Points of the grid of simple places, relative to the box: the centre, where 1/r is not finite, and beside it.
SIMPLE = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Sample:
    """A compiled term with points (n, d) where it holds, normals (n, d) there, and the parameters' values."""

    operator: ResidualOperator
    points: Tensor
    normals: Tensor | None
    parameters: dict[str, Tensor]

    @property
    def term(self) -> Term:
        """The term itself."""
        return self.operator.term

    def some(self, chosen: Tensor) -> Sample:
        """The term at some of its points, by a mask (n,) or by their numbers."""
        normals = None if self.normals is None else self.normals[chosen]
        return Sample(self.operator, self.points[chosen], normals, self.parameters)

    @cached_property
    def strength(self) -> Tensor:
        """The largest |∂F| (m, s) at random jets, one where it is no number: zero where nothing depends on a slot."""
        _, dF = self.linearise(random_jets(self, seed=5))
        return dF.nan_to_num(1.0).abs().amax(dim=0)

    def linearise(self, jets: Tensor) -> tuple[Tensor, Tensor]:
        """Residuals (n, m) and their derivatives (n, m, s) with respect to jets (n, s)."""
        return self.operator.linearise(self.points, jets, self.normals, self.parameters)

    def residual(self, jets: Tensor) -> Tensor:
        """Residuals (n, m) at jets (n, s)."""
        with torch.enable_grad():  # derivatives of expressions are taken by autograd
            r = self.operator.residual(self.points, jets, self.normals, self.parameters)
        return r.detach()


def compile_samples(problem: Problem, findings: Findings) -> list[Sample]:
    """Compile every term that can be compiled, and report the others as errors."""
    samples = []
    for number, term in enumerate(problem.terms):
        try:
            _check_place(problem, term)
            points, normals = sample_points(problem, term, POINTS)
            operator = compiled(problem, number)
        except PdesolveError as error:
            findings.error(_with_name(str(error), term.name))
        else:
            parameters = {k: points.new_tensor(v) for k, v in problem.parameters.items()}
            samples.append(Sample(operator, points, normals, parameters))
    return samples


def _check_place(problem: Problem, term: Term) -> None:
    if isinstance(term.place, Point) and not term.place.meets(problem.domain):
        message = f"{term.name} lies outside the domain {problem.domain}; move it inside or onto the boundary"
        raise ProblemError(message)


def _with_name(sentence: str, name: str) -> str:
    return sentence if name in sentence else f"{name}: {sentence}"


def check_pointwise(sample: Sample, findings: Findings) -> None:
    """A residual at a point may depend on the jet there only: half the points must give the same as all."""
    if sample.term.prescribes_a_number:
        return
    jets = random_jets(sample, seed=1)
    try:
        pointwise = is_pointwise(
            lambda chosen: sample.some(chosen).residual(jets[chosen]), len(sample.points)
        )
    except PdesolveError as error:
        findings.error(_with_name(str(error), sample.term.name))
        return
    if not pointwise:
        findings.error(f"{sample.term.name} is not pointwise: {ADVICE}")


def check_dependence(sample: Sample, findings: Findings) -> None:
    """An equation must depend on each unknown in fact, not only mention it."""
    if sample.term.kind != "equation":
        return
    present = {unknown for unknown, _ in active_slots(sample)}
    # A field to be identified may stand under a derivative of a constant only; the data determine it.
    present |= set(fields_of(sample.operator.problem, [sample]))
    for i, name in enumerate(sample.operator.problem.unknowns):
        if i not in present:
            findings.error(
                f"{sample.term.name} does not depend on its unknown {name}: all its coefficients vanish; "
                "check the constants and the signs, or leave the unknown out"
            )


def fields_of(problem: Problem, samples: Sequence[Sample]) -> tuple[int, ...]:
    """Numbers of the unknowns that are coefficient fields, to be identified from data."""
    equations = [sample.operator for sample in samples if sample.term.kind == "equation"]
    if not equations:
        return ()
    return coefficient_fields(problem, equations)


def active_slots(sample: Sample) -> list[Slot]:
    """The derivatives on which a term depends in fact (coefficients may vanish)."""
    strength = sample.strength.amax(dim=0).tolist()
    return [slot for slot, size in zip(sample.operator.slots, strength, strict=True) if size > 0]


def check_finite(sample: Sample, findings: Findings, exact: Tensor | None = None) -> None:
    """Report points where the residual is not finite, whatever the unknown (several trial jets).

    An equation that is finite there is also tried at simple points such as the centre.
    """
    try:
        values = _trial_residuals(sample, exact)
    except PdesolveError as error:
        findings.error(_with_name(str(error), sample.term.name))
        return
    bad = ~values.isfinite().all(dim=2).any(dim=0)
    if bad.any():
        first = int(bad.nonzero()[0])
        worst = values[0, first][~values[0, first].isfinite()][0]
        where = at(sample.operator.problem.coordinates, sample.points[first])
        findings.error(
            f"{sample.term.name} is not finite at {int(bad.sum())} of {len(bad)} points, e.g. {float(worst)} "
            f"{where}; look for a division by zero, or the root or logarithm of a negative number"
        )
    elif sample.term.kind == "equation":
        _check_simple_points(sample, findings)


def _trial_residuals(sample: Sample, exact: Tensor | None = None) -> Tensor:
    """Residuals (trials, n, m) at jets of different size and sign, so that √(1 - u²) is finite for some."""
    jets = random_jets(sample, seed=2)
    trials = [jets, 1e-2 * jets, -jets, 0 * jets]
    if exact is not None:
        trials.append(exact)
    return torch.stack([sample.residual(trial) for trial in trials])


def _check_simple_points(sample: Sample, findings: Findings) -> None:
    problem = sample.operator.problem
    lower, upper = problem.domain.bounds
    d = problem.domain.dimension
    if d > 3:
        return  # 3^d points
    fractions = torch.tensor(list(itertools.product(SIMPLE, repeat=d)), dtype=lower.dtype)
    points = torch.cat([lower + fractions * (upper - lower), torch.zeros(1, d, dtype=lower.dtype)])
    # Well inside: on the boundary an equation need not hold.
    points = points[problem.domain.contains(points, -1e-6 * float((upper - lower).min()))]
    if not len(points):
        return
    inside = Sample(sample.operator, points, None, sample.parameters)
    bad = ~_trial_residuals(inside).isfinite().all(dim=2).any(dim=0)
    if bad.any():
        findings.warn(
            f"{sample.term.name} is not finite {at(problem.coordinates, points[bad][0])}; a collocation "
            "point may fall there: give its limit, e.g. with torch.where on both numerator and denominator"
        )


def random_jets(sample: Sample, seed: int) -> Tensor:
    """Jets (n, s) with entries between 0.5 and 1.5, the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    shape = (len(sample.points), len(sample.operator.slots))
    return torch.rand(shape, generator=generator, dtype=torch.float64).to(sample.points) + 0.5


def slot_name(problem: Problem, slot: Slot) -> str:
    """A derivative in words: "u_xx"."""
    unknown, alpha = slot
    axes = "".join(name * k for name, k in zip(problem.coordinates, alpha, strict=True))
    name = problem.unknowns[unknown]
    return f"{name}_{axes}" if axes else name
