"""Do as many data stand on each part of the boundary as characteristics come in through it?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from pdesolve.checks.exactness import exact_jets
from pdesolve.checks.held import Held
from pdesolve.checks.report import Findings, share_in_words
from pdesolve.checks.terms import Sample, active_slots
from pdesolve.statement.problem import Problem

# A speed along the normal, relative to the largest in any direction, below minus this is inflow: where the flow
# follows the wall, rounding decides nothing.
INFLOW = 1e-6
# Imaginary parts of speeds, and what conditions say of a characteristic, are rounding below this: eigenvalues of a
# defective pair are good to the root of machine precision only, 1.5e-8.
REAL = 1e-6
# Of the coefficients of ∂/∂t, relative: a matrix with smaller singular values leaves an unknown without a rate.
SINGULAR = 1e-8
# Share of the inflow boundary without data that is worth a warning: less is the resolution of the rule.
BARE = 0.02


def check_inflow(problem: Problem, samples: Sequence[Sample], findings: Findings) -> None:
    """Of equations of first order A u_t + Σ_i B_i u_{x_i} = …, as many data are needed as characteristics come in.

    These are the negative eigenvalues of A⁻¹ Σ_i n_i B_i, and the data must determine their eigenvectors. Without time
    a characteristic of a single equation needs data at one of its ends: that end counts where more is given.
    """
    equation = samples[0]
    if not _has_known_characteristics(problem, equation):
        return
    given = [s for s in samples[1:] if s.term.place is not None and s.term.kind != "initial"]
    ends = _both_ends(problem, equation, given)
    if ends is None:
        return
    forward, backward = ends
    end = forward
    if "t" not in problem.coordinates and backward.total_bare < forward.total_bare:
        end = backward
    if missing := end.missing():
        findings.warn(_sentence(problem, ", ".join(missing)))


def _sentence(problem: Problem, places: str) -> str:
    if len(problem.unknowns) == 1:
        return (
            f"{problem.unknowns[0]} flows in through {places}, where nothing is prescribed: an equation "
            "of first order needs a value on its inflow boundary, e.g. Dirichlet(0, on=…)"
        )
    return (
        f"more characteristics of {', '.join(problem.unknowns)} come in through {places} than the "
        "conditions there determine: a system of first order needs a value for each that enters, and one that "
        "fixes only what leaves does not count"
    )


def _has_known_characteristics(problem: Problem, equation: Sample) -> bool:
    """Whether there are as many equations as unknowns, of first order, with directions that are known beforehand."""
    unknowns = len(problem.unknowns)
    if equation.term.kind != "equation" or equation.operator.components != unknowns:
        return False
    if max((sum(index) for _, index in active_slots(equation)), default=0) != 1:
        return False
    # A steady system may be elliptic (Cauchy–Riemann).
    if "t" not in problem.coordinates and unknowns > 1:
        return False
    # The direction of a nonlinear equation is that of its unknown, which only an exact solution tells.
    return equation.operator.linear or bool(problem.exact)


@dataclass
class Inflow:
    """Measures of the parts of the boundary through which something comes in, whole and without data, by name."""

    whole: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    bare: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @property
    def total_bare(self) -> float:
        """Measure of all that is without data."""
        return sum(self.bare.values())

    def add(self, name: str, weights: Tensor, entering: Tensor, fixed: Tensor) -> None:
        """Count a piece, whose points have weights (n,), characteristics entering (n, u) and data fixed (n,)."""
        self.whole[name] += float(weights[entering.any(1)].sum())
        self.bare[name] += float(weights[fixed < entering.sum(1)].sum())

    def missing(self) -> list[str]:
        """The parts where data are missing, in words."""
        return [
            share_in_words(name, self.bare[name] / whole)
            for name, whole in self.whole.items()
            if whole and self.bare[name] > BARE * whole
        ]


def _both_ends(problem: Problem, equation: Sample, given: Sequence[Sample]) -> tuple[Inflow, Inflow] | None:
    """Where characteristics enter, and where they leave; None where the system is not hyperbolic."""
    ends = {s.owner for s in getattr(problem.domain, "time_ends", ())}
    forward = Inflow()
    backward = Inflow()
    for piece in problem.domain.pieces:
        if piece.owner in ends or (piece.plane and piece.plane[0] in problem.periodic_axes):
            continue
        x, normal, weights = piece.rule(6)
        waves = _waves(problem, equation, x, normal)
        if waves is None:
            return None
        rows, others = _data_at(problem, given, x, normal)
        for sign, inflow in ((1, forward), (-1, backward)):
            entering = sign * waves.speeds < -INFLOW  # (n, u)
            # Only the part of the data counts that the entering characteristics feel.
            felt = rows @ (waves.vectors * entering[:, None])
            inflow.add(piece.name, weights, entering, torch.linalg.matrix_rank(felt, atol=REAL) + others)
    return forward, backward


class Waves(NamedTuple):
    """Speeds (n, u) of characteristics along the normal, relative to the largest, and their vectors (n, u, u)."""

    speeds: Tensor
    vectors: Tensor


def _waves(problem: Problem, equation: Sample, x: Tensor, normal: Tensor) -> Waves | None:
    """The characteristics at points x (n, d) with their normals (n, d).

    None where there are no real ones: the system is not hyperbolic, or contains an unknown without ∂/∂t.
    """
    unknowns = len(problem.unknowns)
    by_axis = _first_order_part(problem, equation, x)
    in_time = torch.eye(unknowns, dtype=x.dtype).expand(len(x), -1, -1)
    if "t" in problem.coordinates:
        in_time = by_axis[:, -1]
        by_axis = by_axis[:, :-1]
        normal = normal[:, :-1]
    if not bool(by_axis.isfinite().all() and in_time.isfinite().all()):
        return None
    if bool((torch.linalg.matrix_rank(in_time, rtol=SINGULAR) < unknowns).any()):
        return None
    through = torch.linalg.solve(in_time, torch.einsum("nimu,ni->nmu", by_axis, normal))
    whole = torch.linalg.solve(in_time[:, None], by_axis).flatten(1).norm(dim=1)
    speeds, vectors = torch.linalg.eig(through / whole.clamp_min(torch.finfo(x.dtype).tiny)[:, None, None])
    if bool((speeds.imag.abs() > REAL).any()):
        return None
    return Waves(speeds.real, vectors.real)


def _first_order_part(problem: Problem, equation: Sample, x: Tensor) -> Tensor:
    """Coefficients (n, d, m, u) of the first derivatives, along each axis."""
    slots = equation.operator.slots
    unknowns = len(problem.unknowns)
    jets = torch.zeros(len(x), len(slots), dtype=x.dtype)
    if not equation.operator.linear:
        jets = exact_jets(problem, x, slots)
    _, dF = equation.operator.linearise(x, jets, None, equation.parameters)
    by_axis = torch.zeros(len(x), problem.domain.dimension, unknowns, unknowns, dtype=x.dtype)
    for column, (unknown, index) in enumerate(slots):
        if sum(index) == 1:
            by_axis[:, index.index(1), :, unknown] = dF[:, :, column]
    return by_axis


def _data_at(problem: Problem, given: Sequence[Sample], x: Tensor, normal: Tensor) -> tuple[Tensor, Tensor]:
    """Directions (n, c, u) in which the conditions at points x (n, d) fix values, and how many fix slopes, (n,)."""
    rows = [torch.zeros(len(x), 1, len(problem.unknowns), dtype=x.dtype)]
    others = torch.zeros(len(x), dtype=torch.long)
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
    # To length one, so that the rank below does not depend on the units of a condition.
    return table / table.norm(dim=2, keepdim=True).clamp_min(torch.finfo(x.dtype).tiny), others
