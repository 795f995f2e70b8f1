"""From jets to residuals: which derivatives an equation mentions, its residual, and its linearisation.

A residual is pointwise in the jet, so its Jacobian with respect to any parameters θ of an approximator is one
diagonal per derivative:  J = Σ_s diag(∂F/∂u_s) · ∂u_s/∂θ,  with slots s = (unknown, multi-index).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.statement.calculus import Frame, MultiIndex
from pdesolve.statement.problem import Problem, Term

Slot = tuple[int, MultiIndex]  # which unknown, which derivative


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
        frame = self._frame(points, jets, normals, parameters)
        return torch.stack(self.term.evaluate(frame), dim=1).to(jets.dtype)

    def linearise(
        self,
        points: Tensor,
        jets: Tensor,
        normals: Tensor | None = None,
        parameters: Mapping[str, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Residual (n, m) and sensitivities dF (n, m, s), one reverse pass per component."""
        with torch.enable_grad():
            jets = jets.detach().requires_grad_()
            r = self.residual(points, jets, normals, parameters)
            rows = []
            for i in range(r.shape[1]):
                row = None
                if r.requires_grad:
                    (row,) = torch.autograd.grad(
                        r[:, i].sum(), jets, retain_graph=i + 1 < r.shape[1], allow_unused=True
                    )
                rows.append(torch.zeros_like(jets) if row is None else row)
        return r.detach(), torch.stack(rows, dim=1)

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
                found: Sequence[Tensor | None] = [None] * len(leaves)
                if r.requires_grad:
                    found = torch.autograd.grad(
                        r[:, i].sum(), list(leaves.values()), retain_graph=True, allow_unused=True
                    )
                rows.append(torch.stack([torch.zeros_like(r[:, i]) if g is None else g for g in found], 1))
        return torch.stack(rows, dim=1)

    def _frame(
        self,
        points: Tensor,
        jets: Tensor,
        normals: Tensor | None,
        parameters: Mapping[str, Tensor] | None,
    ) -> Frame:
        columns = dict(zip(self.slots, jets.unbind(1), strict=True))
        index_of = {name: i for i, name in enumerate(self.problem.unknowns)}

        def jet(name: str, index: MultiIndex) -> Tensor | None:
            return columns.get((index_of[name], index))

        frame = Frame(self.problem.coordinates, points, jet, self.depth, normals)
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
    return ResidualOperator(
        problem, term, slots, len(residuals), depth, linear=_is_linear(operator, points, normals, generator)
    )


class _Probe:
    """Evaluates a term with random jets, made as they are asked for."""

    def __init__(
        self, problem: Problem, term: Term, points: Tensor, normals: Tensor | None, generator: torch.Generator
    ):
        self.problem, self.term, self.points, self.normals = problem, term, points, normals
        self.generator = generator
        self.jets: dict[tuple[str, MultiIndex], Tensor] = {}

    def jet(self, name: str, index: MultiIndex) -> Tensor:
        """A random value for this derivative, the same at every request."""
        if (name, index) not in self.jets:
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
    count, names = len(residuals), problem.unknowns
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


def _is_linear(
    operator: ResidualOperator, points: Tensor, normals: Tensor | None, generator: torch.Generator
) -> bool:
    """Whether the sensitivities are the same for jets of very different size.

    Compared slot by slot: beside u_xx, the derivative 2u/S² of a term (u/S)² may be small, but it is no rounding.
    """

    def random_jets() -> Tensor:
        shape = (len(points), len(operator.slots))
        return torch.randn(shape, generator=generator, dtype=torch.float64).abs().to(points) + 0.5

    parameters = {k: points.new_tensor(v) for k, v in operator.problem.parameters.items()}
    _, first = operator.linearise(points, random_jets(), normals, parameters)
    _, second = operator.linearise(points, 1000 * random_jets(), normals, parameters)
    scale = first.abs().amax((0, 1))
    return bool(((first - second).abs() <= 100 * torch.finfo(first.dtype).eps * scale).all())


def compile_problem(problem: Problem, points: int = 64, seed: int = 0) -> tuple[ResidualOperator, ...]:
    """One operator per term, compiled at `points` sample points where each term holds.

    Raises:
        ProblemError: a condition meets no boundary point, or a term is wrong.
    """
    return tuple(
        # Eight times as many points inside: a coefficient may differ from zero in a small part only.
        compile_term(
            problem, term, *sample_points(problem, term, points * (8 if term.place is None else 1), seed)
        )
        for term in problem.terms
    )


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
    chosen = torch.linspace(0, len(rule.points) - 1, min(points, len(rule.points))).round().long()
    return rule.points[chosen], rule.normals[chosen]
