"""Convergence studies: a steady problem on uniform patches, ever smaller or of ever higher degree."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pdesolve.adaptive.discretisation import Discretisation
from pdesolve.approximators.multi_index import unit_index, value_index
from pdesolve.checks.exactness import exact_jets
from pdesolve.errors import UsageError
from pdesolve.patches.mixture import PartitionedMixture
from pdesolve.patches.newton import Discrete, condition_of
from pdesolve.runs import html
from pdesolve.runs.monitor import Monitor
from pdesolve.solution.measures import error_rule, relative_l2
from pdesolve.statement.problem import Problem

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Where nothing else is known, errors are differences to a solution on the finest patches with degrees this much higher:
# its own error is then below by orders of magnitude, except beside a singular point.
MORE_DEGREES = 4
# Patches in more dimensions would be too many.
MOST_DIMENSIONS = 3
# Of Gauss–Newton, where the problem is nonlinear: rounding and no more is left.
TOLERANCE = 1e-13


@dataclass(frozen=True)
class Step:
    """One discretisation of a study.

    Attributes:
        cells: patches along the longest side.
        degree: as of `solve(degree=…)`: polynomials have lower degrees.
        unknowns: coefficients in all.
        l2: ‖u - u*‖/‖u*‖, of a system that of the worst unknown.
        h1: the same of the gradients; NaN where those of u* are not known.
        maximum: largest |u - u*| at the points of the rule.
        residual: norm of all weighted rows.
        condition: estimated condition number of the rows, scaled to columns of length one.
        seconds: to make and solve the rows.
    """

    cells: int
    degree: int
    unknowns: int
    l2: float
    h1: float
    maximum: float
    residual: float
    condition: float
    seconds: float


@dataclass(frozen=True)
class Convergence:
    """The steps of a study; printed, a table with the observed rates.

    Attributes:
        name: of the problem.
        steps: one for each discretisation, in the order asked for.
        beside: what errors are measured against: "exact", "reference", or "the finest solution".
    """

    name: str
    steps: tuple[Step, ...]
    beside: str

    @property
    def by_degree(self) -> bool:
        """Whether the degree varies, and not the number of cells."""
        return len({step.degree for step in self.steps}) > 1

    def rates(self, measure: str = "l2") -> list[float]:
        """Observed rates from step to step, one fewer than there are steps.

        Of cells the order p of error ∝ h^p; of degrees the digits gained with each.

        Args:
            measure: "l2", "h1" or "maximum".
        """
        return [self._rate(a, b, measure) for a, b in pairwise(self.steps)]

    def _rate(self, a: Step, b: Step, measure: str) -> float:
        before = getattr(a, measure)
        after = getattr(b, measure)
        if not (before > 0 and after > 0):
            return math.nan
        if self.by_degree:
            return math.log10(before / after) / (b.degree - a.degree)
        return math.log(before / after) / math.log(b.cells / a.cells)

    def __str__(self) -> str:
        title = f"{self.name}: errors beside {self.beside}"
        rate = "digits per degree" if self.by_degree else "order"
        head = (
            f"{'cells':>6}{'degree':>8}{'unknowns':>10}{'relative L2':>13}{rate:>19}{'H1':>11}{'maximum':>11}"
        )
        lines = [title, f"{head}{'residual':>11}{'condition':>11}{'seconds':>9}"]
        for step, order in zip(self.steps, [math.nan, *self.rates()], strict=True):
            shown = "" if math.isnan(order) else f"{order:.2f}"
            lines.append(
                f"{step.cells:6}{step.degree:8}{step.unknowns:10,}{step.l2:13.1e}{shown:>19}{step.h1:11.1e}"
                f"{step.maximum:11.1e}{step.residual:11.1e}{step.condition:11.1e}{step.seconds:9.2f}"
            )
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        names = [field.name for field in fields(Step)]
        rate = "digits per degree" if self.by_degree else "order"
        lines = [
            [*(getattr(step, name) for name in names), "" if math.isnan(order) else f"{order:.2f}"]
            for step, order in zip(self.steps, [math.nan, *self.rates()], strict=True)
        ]
        content = io.BytesIO()
        self.plot().savefig(content, format="png", dpi=90)
        title = f"{self.name}: errors beside {self.beside}"
        return html.columns(title, [*names, rate], lines) + html.picture(content.getvalue())

    def plot(self, path: str | Path | None = None) -> Figure:
        """A figure of the errors over the cells, or over the degree; written to a file where one is named."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(4.6, 3.4), layout="constrained")
        axes = figure.subplots()
        across = [step.degree if self.by_degree else step.cells for step in self.steps]
        for measure, label in (("l2", "relative $L^2$"), ("h1", "relative $H^1$"), ("maximum", "largest")):
            axes.plot(
                across, [getattr(step, measure) for step in self.steps], "o-", markersize=4, label=label
            )
        axes.set_yscale("log")
        axes.set_xlabel("degree")
        if not self.by_degree:
            axes.set_xscale("log", base=2)
            axes.set_xlabel("cells along the longest side")
            axes.set_xticks(across, [str(cells) for cells in across])
        axes.set_ylabel("error")
        axes.grid(alpha=0.25)
        axes.legend(frameon=False)
        if path is not None:
            figure.savefig(path, dpi=160)
        return figure


def convergence(
    problem: Problem, cells: int | Sequence[int] = 4, degree: int | Sequence[int] = 8, device: str = "cpu"
) -> Convergence:
    """Solve on uniform patches of several sizes, or degrees, and measure what the error does.

    Nothing is adapted. Errors are measured beside `exact` or `reference`, by a rule that no row uses; where a problem
    has neither, beside a solution on the finest patches with degrees higher by four.

    Args:
        problem: a steady one.
        cells: patches along the longest side of the bounding box, or several such numbers.
        degree: as of `solve(degree=…)`, or several.
        device: where the linear algebra runs.

    Returns:
        A table with observed rates; `.plot()` draws it.

    Raises:
        UsageError: both are several, or neither is, or the problem is not steady.

    >>> from torch import pi, sin
    >>> from pdesolve import Dirichlet, Interval, Problem
    >>> line = Interval(0, 1)
    >>> wave = Problem(
    ...     line,
    ...     lambda u, x: u.xx + pi**2 * sin(pi * x),
    ...     [Dirichlet(0, on=line.boundary)],
    ...     exact=lambda x: sin(pi * x),
    ... )
    >>> [round(rate) for rate in convergence(wave, cells=[4, 8, 16], degree=4).rates("h1")]
    [3, 3]
    """
    _require_steady(problem)
    pairs = _pairs(cells, degree)
    solved = [_solved(problem, c, q, device) for c, q in pairs]
    known = problem.exact or problem.reference
    if known:
        beside = "exact" if problem.exact else "reference"
        truth = _stated(problem)
    else:
        beside = "the finest solution"
        finest, _ = _solved(
            problem, max(c for c, _ in pairs), max(q for _, q in pairs) + MORE_DEGREES, device
        )
        truth = _computed(finest.mixture)
    steps = [
        _measured(problem, c, q, found, seconds, truth)
        for (c, q), (found, seconds) in zip(pairs, solved, strict=True)
    ]
    return Convergence(str(problem.name), tuple(steps), beside)


def _require_steady(problem: Problem) -> None:
    if "t" in problem.coordinates:
        message = "convergence takes steady problems: an evolution has steps in time, too, which it would not refine"
        raise UsageError(message)
    if problem.data or problem.parameters:
        message = "convergence takes problems with nothing to identify; make parameters constants, and leave data out"
        raise UsageError(message)
    if problem.domain.dimension > MOST_DIMENSIONS:
        message = (
            f"convergence covers at most {MOST_DIMENSIONS} dimensions with patches; this problem has "
            f"{problem.domain.dimension}"
        )
        raise UsageError(message)


def _pairs(cells: int | Sequence[int], degree: int | Sequence[int]) -> list[tuple[int, int]]:
    """(cells, degree) of each step."""
    if isinstance(cells, int) == isinstance(degree, int):
        message = (
            f"received cells={cells!r} and degree={degree!r}; expected several numbers for one of them, "
            "such as cells=[2, 4, 8] and degree=6"
        )
        raise UsageError(message)
    if isinstance(cells, int):
        pairs = [(cells, q) for q in degree]  # type: ignore[union-attr]
    else:
        pairs = [(c, degree) for c in cells]  # type: ignore[misc]
    wrong = [number for pair in pairs for number in pair if not isinstance(number, int) or number < 1]
    if wrong or len(set(pairs)) < 2:
        message = (
            f"received cells={cells!r} and degree={degree!r}; expected at least two whole numbers above zero"
        )
        raise UsageError(message)
    return pairs


def _solved(problem: Problem, cells: int, degree: int, device: str) -> tuple[Discrete, float]:
    """The discrete solution on a uniform grid, and the seconds that it took."""
    monitor = Monitor()
    threads = torch.get_num_threads()
    space = Discretisation(problem, TOLERANCE, monitor, device, {"cells": cells, "degree": degree})
    try:
        found = space.solve(*space.roots(), None)
    finally:
        torch.set_num_threads(threads)
    return found, monitor.seconds


# Points (n, d) ↦ values (n, u) and gradients (n, u, d) of what is true, NaN where they are not known.
Truth = Callable[[Tensor], tuple[Tensor, Tensor]]


def _stated(problem: Problem) -> Truth:
    """`exact` with its derivatives by autograd, or `reference`."""
    d = problem.domain.dimension
    slots = [(u, unit_index(d, axis)) for u in range(len(problem.unknowns)) for axis in range(d)]

    def truth(x: Tensor) -> tuple[Tensor, Tensor]:
        values = problem.values(problem.exact or problem.reference, x)  # type: ignore[arg-type]
        if problem.exact is None:
            return values, torch.full((*values.shape, d), math.nan, dtype=values.dtype)
        return values, exact_jets(problem, x, slots).reshape(*values.shape, d)

    return truth


def _computed(mixture: PartitionedMixture) -> Truth:
    return lambda x: _values_and_gradients(mixture, x)


def _values_and_gradients(mixture: PartitionedMixture, x: Tensor) -> tuple[Tensor, Tensor]:
    d = x.shape[1]
    jet = mixture.jet(x, [value_index(d), *(unit_index(d, axis) for axis in range(d))])
    return jet[:, :, 0], jet[:, :, 1:]


def _measured(
    problem: Problem, cells: int, degree: int, found: Discrete, seconds: float, truth: Truth
) -> Step:
    x, weights = error_rule(problem, found.mixture)
    values, gradients = _values_and_gradients(found.mixture, x)
    true_values, true_gradients = truth(x)
    difference = values - true_values
    d = x.shape[1]
    # Of every unknown its gradient as one vector: rows of the derivatives side by side with the same weight.
    slope = (gradients - true_gradients).transpose(1, 2).flatten(0, 1)
    size = true_gradients.transpose(1, 2).flatten(0, 1)
    return Step(
        cells,
        degree,
        found.assembly.layout.total,
        max(relative_l2(difference, true_values, weights)),
        max(relative_l2(slope, size, weights.repeat_interleave(d))),
        float(difference.abs().amax()),
        found.residual,
        condition_of(found),
        seconds,
    )
