"""Check a problem without solving it: everything that is wrong with it, in sentences, in seconds."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

from pdesolve.checks.balance import check_balance
from pdesolve.checks.boundary import check_conditions
from pdesolve.checks.coefficients import check_coefficients
from pdesolve.checks.eigenvalues import check_eigenvalues
from pdesolve.checks.exactness import check_exact, check_functions, exact_jets
from pdesolve.checks.inflow import check_inflow
from pdesolve.checks.interfaces import check_interfaces_meet_equation
from pdesolve.checks.jumps import check_jumps
from pdesolve.checks.lost import check_lost_derivatives
from pdesolve.checks.outputs import check_outputs
from pdesolve.checks.report import Findings, Report
from pdesolve.checks.scales import check_data, check_names, check_precision, check_representable, check_scales
from pdesolve.checks.solvability import check_repetition, check_structure
from pdesolve.checks.terms import (
    Sample,
    active_slots,
    check_dependence,
    check_finite,
    check_pointwise,
    compile_samples,
    slot_name,
)
from pdesolve.errors import PdesolveError, ProblemError
from pdesolve.statement.initial_values import is_ordinary, orders_and_start
from pdesolve.statement.problem import Problem
from pdesolve.statement.scalar_equations import (
    check_starts,
    compiled_scalars,
    require_marched,
    with_scalars_given,
)

__all__ = ["Report", "check", "check_file", "require_sound"]


def check(problem: Problem) -> Report:
    """Examine a problem at sample points; nothing is trained.

    Args:
        problem: the problem.

    Returns:
        A report with errors (it cannot be solved as written), warnings (it can, but may not say what was
        meant) and notes.
    """
    findings = Findings()
    problem.operators.clear()  # what functions of the user read may have changed since
    try:
        _examine(_fields_alone(problem), findings)
    except PdesolveError as error:
        findings.error(str(error))
    return findings.report(str(problem.name))


def _fields_alone(problem: Problem) -> Problem:
    """The problem with unknowns of time only as given functions; their own equations are compiled.

    Raises:
        ProblemError: one of those is no equation, or has too many or too few initial values.
    """
    operator = compiled_scalars(problem)
    if operator is not None:
        check_starts(problem, operator)
        require_marched(problem)
    return with_scalars_given(problem)


def check_file(path: str | Path, params: Mapping[str, float] | None = None) -> Report:
    """Load a problem file and check it; what is wrong with the file itself is an error of the report, too."""
    from pdesolve.statement.loading import load_problem

    try:
        return check(load_problem(path, params))
    except PdesolveError as error:
        return Report(Path(path).stem, errors=(str(error),))


def require_sound(problem: Problem, tol: float) -> None:
    """The quick part of the check, before a problem is solved to a tolerance.

    What is in single precision is a warning here, too: its error is in the problem, where no estimate sees it.

    Raises:
        ProblemError: it cannot be solved as written; the sentences are those of `check`.
    """
    findings = Findings()
    _examine_statement(_fields_alone(problem), findings, tol)
    if findings.errors:
        raise ProblemError("; and ".join(findings.errors))
    precision = Findings()
    check_precision(problem, precision)
    for sentence in precision.warnings:
        warnings.warn(sentence, stacklevel=3)


def _examine_statement(problem: Problem, findings: Findings, tol: float | None = None) -> list[Sample]:
    """What `check` and `solve` look at alike; the terms that could be compiled."""
    samples = compile_samples(problem, findings)
    if is_ordinary(problem) and samples:
        orders_and_start(problem, samples[0].operator)
    check_conditions(problem, samples, findings)
    for sample in samples:
        check_pointwise(sample, findings)
        check_dependence(sample, findings)
        check_structure(sample, findings)
    check_representable(samples, findings)
    check_eigenvalues(problem, samples, findings)
    if samples and (problem.outputs or problem.quantities):
        check_outputs(problem, samples[0], findings)
    if not findings.errors:
        check_balance(problem, samples, findings)
    # What follows looks under derivatives, at many more points than the rest: only where nothing else was found.
    for sample in _unless_wrong(samples, findings):
        check_lost_derivatives(sample, findings)
        check_jumps(sample, findings, tol)
        check_interfaces_meet_equation(sample, findings)
    return samples


def _unless_wrong(samples: list[Sample], findings: Findings) -> list[Sample]:
    if findings.errors:
        return []
    return samples


def _examine(problem: Problem, findings: Findings) -> None:
    samples = _examine_statement(problem, findings)
    for sample in _unless_wrong(samples, findings):
        check_coefficients(problem, sample, findings)
    if len(samples) == len(problem.terms):
        check_repetition(problem, samples, findings)
        check_inflow(problem, samples, findings)
    usable = check_functions(problem, findings)
    for sample in samples:
        jets = exact_jets(problem, sample.points, sample.operator.slots) if usable else None
        check_finite(sample, findings, jets)
    if usable and not _broken(findings):
        check_exact(problem, samples, findings)
    check_precision(problem, findings)
    check_names(problem, findings)
    check_data(problem, samples, findings)
    if not findings.errors:
        check_scales(problem, samples, problem.domain.sample(256), findings)
        _describe(problem, samples, findings)


def _broken(findings: Findings) -> bool:
    """Whether comparing with the exact solution would only repeat what was found."""
    return any("not pointwise" in sentence or "not finite" in sentence for sentence in findings.errors)


def _describe(problem: Problem, samples: list[Sample], findings: Findings) -> None:
    names = [slot_name(problem, slot) for slot in active_slots(samples[0])]
    kind = "linear" if all(sample.operator.linear for sample in samples) else "nonlinear"
    findings.note(f"{samples[0].term.name} is {kind} and contains {', '.join(names)}")
