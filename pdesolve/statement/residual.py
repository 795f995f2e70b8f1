"""From jets to residuals: which derivatives an equation mentions, its residual, and its linearisation.

A residual is pointwise in the jet, so its Jacobian with respect to any parameters θ of an approximator is one
diagonal per derivative:  J = Σ_s diag(∂F/∂u_s) · ∂u_s/∂θ,  with slots s = (unknown, multi-index).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.statement.calculus import Frame, MultiIndex
from pdesolve.statement.linearity import is_affine, is_polynomial
from pdesolve.statement.problem import Problem
from pdesolve.statement.term import Term

# Which unknown, which derivative.
Slot = tuple[int, MultiIndex]
# Of jets at which second differences must vanish.
SIZES = (1e-12, 1e-8, 1e-4, 1.0, 1e4, 1e8, 1e12)
# Points times components: up to so many an operation costs its call, and not its numbers.
AT_ONCE = 256
# Points at which linearity is examined: operations are the same at all.
FEW = 16
# Conditions that are affine by what they say.
PRESCRIBED = ("dirichlet", "neumann", "robin", "initial")
# Of the values: a second difference below it is the rounding of sums of terms.
SAME_SLOPE = 1e-9
# Points at which terms are compiled; eight times as many inside, where a coefficient may differ from zero in a small
# part only.
COMPILED_AT = 64
COMPARED_AT = 2**8  # points at which the sizes of sources and other terms are compared


@dataclass(frozen=True)
class ResidualOperator:
    """F of one term: jets (n, s) ↦ residuals (n, m) and sensitivities ∂F/∂jet (n, m, s).

    Attributes:
        problem, term: what it evaluates.
        slots: the derivatives it needs, (unknown index, multi-index) each.
        components: m, the number of residuals per point.
        depth: nesting of derivatives of expressions (order of the Taylor polynomials).
        linear: whether F is affine in the jet.
    """

    problem: Problem
    term: Term
    slots: tuple[Slot, ...]
    components: int
    depth: int
    linear: bool

    def residual(
        self,
        points: Tensor,
        jets: Tensor,
        normals: Tensor | None = None,
        parameters: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """Residual (n, m) for jets (n, s) at points (n, d), differentiable with respect to the jets.

        It has the dtype of the jets, whatever the dtype of tensors that the problem file made.
        """
        frame = self.frame(points, jets.unbind(1), normals, parameters)
        return torch.stack(self.term.evaluate(frame), dim=1).to(jets.dtype)

    def values(
        self,
        points: Tensor,
        jets: Tensor,
        normals: Tensor | None,
        parameters: Mapping[str, Tensor] | None,
    ) -> Tensor:
        """As `residual`, values alone."""
        return self.residual(points, jets, normals, parameters).detach()

    def linearise(
        self,
        points: Tensor,
        jets: Tensor,
        normals: Tensor | None = None,
        parameters: Mapping[str, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Residual (n, m) and sensitivities dF (n, m, s): a reverse pass per component, or one at few points."""
        if self.components > 1 and len(points) * self.components <= AT_ONCE:
            return self._linearised_at_once(points, jets, normals, parameters)
        with torch.enable_grad():
            jets = jets.detach().requires_grad_()
            r = self.residual(points, jets, normals, parameters)
            rows = []
            for i in range(r.shape[1]):
                row = torch.zeros_like(jets)
                if r.requires_grad:
                    (row,) = torch.autograd.grad(
                        r[:, i].sum(), jets, retain_graph=i + 1 < r.shape[1], materialize_grads=True
                    )
                rows.append(row)
        return r.detach(), torch.stack(rows, dim=1)

    def _linearised_at_once(
        self,
        points: Tensor,
        jets: Tensor,
        normals: Tensor | None,
        parameters: Mapping[str, Tensor] | None,
    ) -> tuple[Tensor, Tensor]:
        """As `linearise`, with the points once for each component: what a pass costs does not depend on few points."""
        m = self.components
        with torch.enable_grad():
            copies = jets.detach().repeat(m, 1).requires_grad_()
            repeated = None if normals is None else normals.repeat(m, 1)
            r = self.residual(points.repeat(m, 1), copies, repeated, parameters).view(m, len(points), m)
            gradient = torch.zeros_like(copies)
            if r.requires_grad:
                # Copy i of the points is differentiated through component i alone.
                own = r.diagonal(dim1=0, dim2=2)
                (gradient,) = torch.autograd.grad(own.sum(), copies, materialize_grads=True)
        return r[0].detach(), gradient.view(m, *jets.shape).transpose(0, 1).contiguous()

    def parameter_sensitivity(
        self, points: Tensor, jets: Tensor, normals: Tensor | None, parameters: Mapping[str, Tensor]
    ) -> Tensor:
        """∂F/∂κ (n, m, κ) with respect to identified scalars κ, given as numbers."""
        with torch.enable_grad():
            leaves = {
                name: value.detach().expand(len(points)).clone().requires_grad_()
                for name, value in parameters.items()
            }
            r = self.residual(points, jets.detach(), normals, leaves)
            rows = []
            for i in range(r.shape[1]):
                found: Sequence[Tensor] = [torch.zeros_like(r[:, i])] * len(leaves)
                if r.requires_grad:
                    found = torch.autograd.grad(
                        r[:, i].sum(), list(leaves.values()), retain_graph=True, materialize_grads=True
                    )
                rows.append(torch.stack(list(found), dim=1))
        return torch.stack(rows, dim=1)

    def parameter_slope(
        self,
        points: Tensor,
        jets: Tensor,
        normals: Tensor | None,
        parameters: Mapping[str, Tensor],
        name: str,
    ) -> Tensor:
        """∂²F/∂κ∂jet (n, m, s), what one scalar κ multiplies, of a residual that is affine in the jets."""
        with torch.enable_grad():
            jets = jets.detach().requires_grad_()
            kappa = parameters[name].detach().expand(len(points)).clone().requires_grad_()
            r = self.residual(points, jets, normals, {**parameters, name: kappa})
            rows = [self._slope(r[:, i], kappa, jets) for i in range(r.shape[1])]
        return torch.stack(rows, dim=1)

    @staticmethod
    def _slope(r: Tensor, kappa: Tensor, jets: Tensor) -> Tensor:
        """∂/∂jet of ∂r/∂κ, (n, s), zero where there is none."""
        inner = None
        if r.requires_grad:
            (inner,) = torch.autograd.grad(r.sum(), kappa, create_graph=True, allow_unused=True)
        outer = None
        if inner is not None and inner.requires_grad:
            (outer,) = torch.autograd.grad(inner.sum(), jets, retain_graph=True, allow_unused=True)
        if outer is None:
            return torch.zeros_like(jets)
        return outer

    @cached_property
    def at_one_jet(self) -> Callable[[Tensor, Tensor | None], Tensor]:
        """The residual (n, m) as a function of the place and the normal: sources and coefficients at once.

        It is taken at a random jet, the same at all places, of such a size that sources and the other terms are alike.
        """
        domain = self.problem.domain
        lengths = domain.bounds[1] - domain.bounds[0]
        units = torch.stack([lengths.pow(-torch.tensor(alpha)).prod() for _, alpha in self.slots])
        generator = torch.Generator().manual_seed(9)
        # A random jet makes it unlikely that coefficients cancel; entries stay away from zero, lest one be overlooked.
        jet = (torch.rand(len(units), generator=generator, dtype=torch.float64) + 0.5) * units
        x = domain.sample(COMPARED_AT, sampler="sobol", seed=9)
        normals = None
        if self.term.place is not None:
            normals = torch.ones_like(x) / math.sqrt(x.shape[1])
        sources = self._finite_values(x, 0 * jet, normals)
        others = self._finite_values(x, jet, normals) - sources
        # Without a common size, a strong source would hide a coefficient that varies, or the other way round.
        size = float((sources.abs().sum(0) / others.abs().sum(0)).nan_to_num(0.0, 0.0, 0.0).max())
        jet = jet * (size or 1.0)
        return lambda x, normals: self._finite_values(x, jet, normals)

    def _finite_values(self, x: Tensor, jet: Tensor, normals: Tensor | None) -> Tensor:
        """Residuals (n, m) at places with one jet (s,); zero where they are not finite."""
        parameters = {k: torch.tensor(v, dtype=torch.float64) for k, v in self.problem.parameters.items()}
        with torch.no_grad() if self.depth == 0 else torch.enable_grad():
            found = self.residual(x, jet.expand(len(x), -1), normals, parameters).detach()
        return found.nan_to_num(0.0, 0.0, 0.0)

    def frame(
        self,
        points: Tensor,
        jets: Sequence[Tensor],
        normals: Tensor | None,
        parameters: Mapping[str, Tensor] | None,
        kind: type[Frame] = Frame,
    ) -> Frame:
        """The frame in which the term is evaluated at points (n, d), with a jet (n,) for each slot."""
        columns = dict(zip(self.slots, jets, strict=True))
        index_of = {name: i for i, name in enumerate(self.problem.unknowns)}

        def jet(name: str, index: MultiIndex) -> Tensor | None:
            return columns.get((index_of[name], index))

        frame = kind(self.problem.coordinates, points, jet, self.depth, normals)
        frame.parameters = parameters  # type: ignore[attr-defined]
        return frame


def compile_term(
    problem: Problem, term: Term, points: Tensor, normals: Tensor | None = None
) -> ResidualOperator:
    """Find out which derivatives a term mentions, how deep, and whether it is linear.

    What is asked for outright (`u.xx`) is recorded: a term that happens to vanish (κ u_xx at κ = 0) is kept.
    What enters through derivatives of expressions is found by sensitivity to random jets at `points`.

    Args:
        problem: the problem the term belongs to.
        term: the term.
        points: (n, d) sample points where the term holds, a few dozen.
        normals: (n, d) outward normals there, for boundary terms.

    Raises:
        ProblemError: wrong type, shape or number of residuals.
    """
    generator = torch.Generator(device="cpu").manual_seed(0)
    probe = _Probe(problem, term, points, normals, generator)
    frame, _ = probe.evaluate(depth=0)
    depth = frame.deepest
    requested = set(frame.requested)
    frame, residuals = probe.evaluate(depth)
    slots = _slots(problem, probe, requested, residuals)
    if term.kind == "equation":
        _check_equation(problem, term, residuals, slots)
    operator = ResidualOperator(problem, term, slots, len(residuals), depth, linear=False)
    parameters = {k: points.new_tensor(v) for k, v in problem.parameters.items()}
    linear = is_affine_in(operator, points, normals, parameters, [True] * len(slots))
    return replace(operator, linear=linear)


class _Probe:
    """Evaluates a term with random jets, made as they are asked for."""

    def __init__(
        self, problem: Problem, term: Term, points: Tensor, normals: Tensor | None, generator: torch.Generator
    ):
        self.problem = problem
        self.term = term
        self.points = points
        self.normals = normals
        self.generator = generator
        self.jets: dict[tuple[str, MultiIndex], Tensor] = {}

    def jet(self, name: str, index: MultiIndex) -> Tensor:
        """A random value for this derivative, the same at every request."""
        if (name, index) not in self.jets:
            # Away from zero, where a product would hide what it depends on.
            value = torch.rand(len(self.points), generator=self.generator, dtype=torch.float64) + 0.5
            self.jets[name, index] = value.to(self.points).requires_grad_()
        return self.jets[name, index]

    def evaluate(self, depth: int) -> tuple[Frame, tuple[Tensor, ...]]:
        """The term at random jets, with Taylor polynomials of the given order."""
        with torch.enable_grad():
            frame = Frame(self.problem.coordinates, self.points, self.jet, depth, self.normals)
            random = torch.rand(len(self.problem.parameters), generator=self.generator, dtype=torch.float64)
            frame.parameters = {  # type: ignore[attr-defined]
                k: r.to(self.points) + 0.5 for k, r in zip(self.problem.parameters, random, strict=True)
            }
            return frame, self.term.evaluate(frame)


def _slots(
    problem: Problem, probe: _Probe, requested: set[tuple[str, MultiIndex]], residuals: tuple[Tensor, ...]
) -> tuple[Slot, ...]:
    """What was asked for, and what the residuals depend on.

    Coefficients of Taylor polynomials that do not enter have sensitivity 0 exactly: their offset is 0.
    """
    needed = set(requested)
    for r in residuals:
        if r.requires_grad and probe.jets:
            found = torch.autograd.grad(
                r.sum(), list(probe.jets.values()), retain_graph=True, allow_unused=True
            )
            for key, sensitivity in zip(probe.jets, found, strict=True):
                if sensitivity is not None and bool((sensitivity != 0).any()):
                    needed.add(key)
    order = {name: i for i, name in enumerate(problem.unknowns)}
    return tuple(sorted(((order[n], a) for n, a in needed), key=lambda s: (s[0], sum(s[1]), s[1][::-1])))


def _check_equation(
    problem: Problem, term: Term, residuals: tuple[Tensor, ...], slots: tuple[Slot, ...]
) -> None:
    count = len(residuals)
    names = tuple(name for name in problem.unknowns if name not in problem.names.scalars)
    if problem.data:  # fields to be identified have no equation, and the trace of an unknown is in none
        names = tuple(name for name in names if any(problem.unknowns[u] == name for u, _ in slots))
        count = max(count, len(names))
    if count < len(names):
        message = (
            f"{term.name} returned {count} residual{'s' * (count > 1)} for the {len(names)} unknowns "
            f"{', '.join(names)}; expected at least one equation per unknown"
        )
        raise ProblemError(message)
    present = {problem.unknowns[unknown] for unknown, _ in slots}
    missing = [name for name in names if name not in present]
    if missing:
        message = (
            f"{term.name} does not depend on its unknown{'s' * (len(missing) > 1)} {', '.join(missing)}; "
            "a number meant as a constant belongs in constants={...}"
        )
        raise ProblemError(message)


def is_affine_in(
    operator: ResidualOperator,
    points: Tensor,
    normals: Tensor | None,
    parameters: Mapping[str, Tensor],
    chosen: Sequence[bool],
) -> bool:
    """Whether a term is affine in the chosen slots of its jets, whatever the others are.

    The operations of one evaluation prove it; values at jets of all sizes must agree, for what torch does not see.
    """
    if operator.term.kind in PRESCRIBED or not any(chosen):
        return True
    points, normals, jets = _few(operator, points, normals)
    evaluate, columns = _evaluation(operator, points, normals, parameters, jets, chosen)
    # The operations first: they take one evaluation, the values one for each size.
    return is_affine(evaluate, columns) and _values_are_affine(
        operator, points, normals, parameters, jets, chosen
    )


def is_polynomial_in_jets(
    operator: ResidualOperator, points: Tensor, normals: Tensor | None, parameters: Mapping[str, Tensor]
) -> bool:
    """Whether a term is a polynomial in its jets, of few factors, by the operations of one evaluation."""
    points, normals, jets = _few(operator, points, normals)
    chosen = [True] * len(operator.slots)
    return is_polynomial(*_evaluation(operator, points, normals, parameters, jets, chosen))


def _few(
    operator: ResidualOperator, points: Tensor, normals: Tensor | None
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Few of the points and normals, and random jets (n, s) there."""
    points = points[:FEW]
    if normals is not None:
        normals = normals[:FEW]
    generator = torch.Generator().manual_seed(11)
    shape = (len(points), len(operator.slots))
    return points, normals, (torch.rand(shape, generator=generator, dtype=torch.float64) + 0.5).to(points)


def _evaluation(
    operator: ResidualOperator,
    points: Tensor,
    normals: Tensor | None,
    parameters: Mapping[str, Tensor],
    jets: Tensor,
    chosen: Sequence[bool],
) -> tuple[Callable[[Sequence[Tensor]], Sequence[Tensor]], list[Tensor]]:
    """A term as a function of the chosen slots of its jets, and their values."""

    def evaluate(variables: Sequence[Tensor]) -> Sequence[Tensor]:
        own = iter(variables)
        columns = [next(own) if mine else column for mine, column in zip(chosen, jets.unbind(1), strict=True)]
        return operator.term.evaluate(operator.frame(points, columns, normals, parameters))

    columns = [
        column.clone().requires_grad_() for mine, column in zip(chosen, jets.unbind(1), strict=True) if mine
    ]
    return evaluate, columns


def _values_are_affine(
    operator: ResidualOperator,
    points: Tensor,
    normals: Tensor | None,
    parameters: Mapping[str, Tensor],
    jets: Tensor,
    chosen: Sequence[bool],
) -> bool:
    """Whether F(j + s) - F(j) is F(j) - F(j - s) for steps s of all sizes, to rounding."""
    mine = torch.tensor(chosen, device=points.device)
    sizes = points.new_tensor([a * size for size in SIZES for a in (-0.5, 1.0, 2.5)])
    moved = torch.where(mine, sizes[:, None, None] * jets, jets)
    all_points = points.repeat(len(sizes), 1)
    if normals is not None:
        normals = normals.repeat(len(sizes), 1)
    with torch.enable_grad():
        r = operator.residual(all_points, moved.flatten(0, 1), normals, parameters).detach()
    a, b, c = r.view(len(SIZES), 3, -1).unbind(1)
    scale = a.abs() + b.abs() + c.abs()
    bad = (a + c - 2 * b).abs() > SAME_SLOPE * scale
    # Where a size overflows, nothing can be compared.
    return not bool((bad & scale.isfinite()).any())


def compile_problem(problem: Problem) -> tuple[ResidualOperator, ...]:
    """One operator per term, compiled at sample points where each term holds.

    Raises:
        ProblemError: a condition meets no boundary point, or a term is wrong.
    """
    return tuple(compiled(problem, number) for number in range(len(problem.terms)))


def compiled(problem: Problem, number: int) -> ResidualOperator:
    """The operator of a term by its number, the equation first: compiled once, kept by the problem.

    Raises:
        ProblemError: the term is a condition that meets no boundary point, or is wrong.
    """
    known = problem.operators.get(number)
    # A copy of a problem has the operators of the original.
    if known is None or known.problem is not problem:
        term = problem.terms[number]
        points = COMPILED_AT * (8 if term.place is None else 1)
        known = compile_term(problem, term, *sample_points(problem, term, points))
        problem.operators[number] = known
    return known


def sample_points(problem: Problem, term: Term, points: int, seed: int = 0) -> tuple[Tensor, Tensor | None]:
    """A few points (n, d) where a term holds, with normals (n, d) on boundaries."""
    if term.place is None:
        return problem.domain.sample(points, sampler="sobol", seed=seed), None
    rule = term.place.rule(problem.domain, max(4, points // 8))
    if len(rule.points) == 0:
        message = (
            f"{term.name} meets no boundary point of the domain; check on= (a `where` that is never true? "
            "a part that another domain cuts away?)"
        )
        raise ProblemError(message)
    # Evenly through the rule, so that every piece of the boundary is seen.
    chosen = torch.linspace(0, len(rule.points) - 1, min(points, len(rule.points))).round().long()
    return rule.points[chosen], rule.normals[chosen]
