"""Data: single precision, scales far from one, names that nothing uses, observations that do not fit."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from pdesolve.checks.fluxes import units
from pdesolve.checks.report import Findings
from pdesolve.checks.terms import Sample, fields_of, random_jets
from pdesolve.statement.conditions import Observation
from pdesolve.statement.problem import Problem, Term

# Extents of the domain and sizes of values outside these are worth a warning. Solving is in scaled coordinates and
# unknowns; these are numbers at which people mistake a unit (mm for m, kPa for Pa).
LENGTHS = (1e-3, 1e3)
VALUES = (1e-4, 1e4)
# A domain this many times as long as wide is more often a mistaken unit than a thin plate.
RATIO = 1e3
# The square of a number of this size, and of its reciprocal, can be summed within the range of doubles, 1e±308.
REPRESENTABLE = 1e140
# Distance from the domain at which a point still lies on its boundary: rounding of a mapped point.
ON_BOUNDARY = 1e-9
# Functions in functions that are searched for single precision: a condition, what it calls, and what that calls.
DEPTH = 3


def functions_of(problem: Problem) -> Iterator[Callable]:
    """All functions that the user wrote."""
    yield problem.equation
    for condition in problem.conditions:
        for name in ("value", "a", "jump", "phase", "function"):
            if callable(getattr(condition, name, None)):
                yield getattr(condition, name)
    for group in (problem.exact, problem.reference, problem.guess):
        yield from (function for function in (group or {}).values() if callable(function))


def check_precision(problem: Problem, findings: Findings) -> None:
    """Warn about float32 numbers that the functions of the problem use."""
    names = single_precision(problem)
    if names:
        findings.warn(
            f"{', '.join(names)} is of type float32 and good to 7 digits only; make it float64, "
            "e.g. torch.tensor(…, dtype=torch.float64)"
        )


def single_precision(problem: Problem) -> list[str]:
    """Names of float32 numbers and arrays that the functions of the problem use."""
    found = {name for function in functions_of(problem) for name in _single_precision(function, DEPTH)}
    for i, observation in enumerate(problem.data):
        if any(_is_single(part) for part in (observation.points, observation.values)):
            found.add(f"data[{i}]")
    return sorted(found)


def _is_exact(value: Any) -> bool:
    """Whether a single number is what its seven digits say, as 0.5 is and 0.1 is not."""
    number = float(value)
    return float(f"{number:.7g}") == number


def _is_single(value: Any) -> bool:
    return str(getattr(value, "dtype", "")) in ("torch.float32", "torch.float16", "float32", "float16")


def _single_precision(function: Callable, depth: int) -> Iterator[str]:
    """Names of float32 arrays that a function, or a function it calls, refers to."""
    code = getattr(function, "__code__", None)
    if code is None or depth == 0:
        return
    try:
        scope = inspect.getclosurevars(function)
    except (TypeError, ValueError):
        return
    for name, value in {**scope.globals, **scope.nonlocals}.items():
        if _is_single(value) and (getattr(value, "ndim", 0) > 0 or not _is_exact(value)):
            yield name
        elif inspect.isfunction(value):
            yield from _single_precision(value, depth - 1)


def check_representable(samples: Sequence[Sample], findings: Findings) -> None:
    """Report data and coefficients whose squares double precision does not hold: least squares would see zeros.

    Beside data that it holds, such as a peak inside, the tail of it on a wall is as good as the zero it becomes.
    """
    reached = [entry for sample in samples for entry in _reached(sample)]
    seen = any(what == "data" and 1 / REPRESENTABLE < size < REPRESENTABLE for _, what, size in reached)
    for name, what, size in reached:
        if _is_beyond(size, small_is_zero=seen and what == "data"):
            findings.error(
                f"the {what} of {name} reach {size:.1e}, too far from one for squares in double "
                "precision; state the problem in units in which they are nearer to one"
            )


def _reached(sample: Sample) -> list[tuple[str, str, float]]:
    """Name of a term, "data" or "coefficients", and the largest of them."""
    jets = random_jets(sample, seed=15) * units(sample.operator.problem, sample.operator.slots)
    source = sample.residual(0 * jets)
    _, dF = sample.operator.linearise(sample.points, jets, sample.normals, sample.parameters)
    name = sample.term.name
    return [(name, "data", _largest(source)), (name, "coefficients", _largest(dF * jets[:, None]))]


def _is_beyond(size: float, small_is_zero: bool) -> bool:
    """Whether double precision holds no squares of a size; zero is what it says: no source, or no such term."""
    if size >= REPRESENTABLE:
        return True
    return 0 < size <= 1 / REPRESENTABLE and not small_is_zero


def _largest(values: Tensor) -> float:
    """Largest finite size among values; 0 if there are none."""
    finite = values.nan_to_num(0.0, 0.0, 0.0).abs().flatten()
    return max(finite.tolist(), default=0.0)


def check_scales(problem: Problem, samples: Sequence[Sample], interior: Tensor, findings: Findings) -> None:
    """Warn about lengths, values and aspect ratios far from one."""
    lower, upper = problem.domain.bounds
    extents = dict(zip(problem.coordinates, (upper - lower).tolist(), strict=True))
    for name, extent in extents.items():
        if not LENGTHS[0] <= extent <= LENGTHS[1]:
            findings.warn(
                f"the scale of {name} is far from one: it extends over {extent:.4g}; solving works in scaled "
                "coordinates, but other units would make numbers easier to judge"
            )
    space = [extents[name] for name in problem.domain.space_coordinates]
    if space and max(space) > RATIO * min(space):
        findings.warn(f"the domain is {max(space) / min(space):.0f} times as long as wide; is that meant?")
    for unknown, size in _sizes(problem, samples, interior).items():
        if size and not VALUES[0] <= size <= VALUES[1]:
            findings.warn(
                f"the scale of {unknown} is far from one: its prescribed or exact values reach {size:.4g}; "
                "solving works with scaled unknowns, but other units would make numbers easier to judge"
            )


def _sizes(problem: Problem, samples: Sequence[Sample], interior: Tensor) -> dict[str, float]:
    """Largest known value of each unknown: of the exact solution, else of Dirichlet and initial data."""
    sizes = dict.fromkeys(problem.unknowns, 0.0)
    if problem.exact:
        values = problem.values(problem.exact, interior).nan_to_num(0.0, 0.0, 0.0).abs().amax(dim=0)
        return dict(zip(problem.unknowns, values.tolist(), strict=True))
    for sample in samples:
        if unknown := _value_prescribed(sample.term):
            zero = torch.zeros(len(sample.points), len(sample.operator.slots)).to(sample.points)
            # A condition that prescribes a value has the residual u - value.
            sizes[unknown] = max(sizes[unknown], _largest(sample.residual(zero)))
    return sizes


def _value_prescribed(term: Term) -> str | None:
    """The unknown of which a condition prescribes the value itself, not a derivative."""
    if term.name.startswith(("Dirichlet", "Initial")) and "order" not in term.name:
        return term.unknown
    return None


def check_names(problem: Problem, findings: Findings) -> None:
    """Warn about constants and parameters that no function asks for, and parameters without data."""
    used = _used_names(problem)
    for name in problem.constants:
        if name not in used:
            findings.warn(f"the constant {name} is not used: no function has an argument of that name")
    for name in problem.parameters:
        if name not in used:
            findings.warn(f"the parameter {name} is not used: no function has an argument of that name")
        elif not problem.data and problem.eigenvalues is None:
            findings.warn(
                f"the parameter {name} is to be identified, but there is no data; add data=[Observation(…)], "
                f"or make it a constant: constants={{'{name}': {problem.parameters[name]:g}}}"
            )


def _used_names(problem: Problem) -> set[str]:
    """All names that functions of the problem ask for."""
    return {name for function in functions_of(problem) for name in _arguments(function)}


def _arguments(function: Callable) -> Sequence[str]:
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []


def check_data(problem: Problem, samples: Sequence[Sample], findings: Findings) -> None:
    """Observations lie in the domain, are not too few, and every parameter matters somewhere."""
    for i, observation in enumerate(problem.data):
        _check_inside(problem, i, observation, findings)
    if problem.data:
        _check_count(problem, samples, findings)
    # A term that could not be compiled may be the one that contains a parameter.
    stated = problem.parameters and problem.eigenvalues is None
    if stated and len(samples) == len(problem.terms):
        _check_sensitivities(problem, samples, findings)


def _check_inside(problem: Problem, number: int, observation: Observation, findings: Findings) -> None:
    points, _ = observation.arrays
    outside = int((~problem.domain.contains(points, ON_BOUNDARY)).sum())
    if outside:
        findings.error(
            f"data[{number}] has {outside} of {len(points)} points outside the domain; leave them out"
        )


def _check_count(problem: Problem, samples: Sequence[Sample], findings: Findings) -> None:
    count = sum(len(observation.arrays[1]) for observation in problem.data)
    if count < len(problem.parameters):
        findings.error(
            f"{count} observations for {len(problem.parameters)} parameters ({', '.join(problem.parameters)}): too "
            "few; add data, or make some of them constants"
        )
    if not problem.parameters and not fields_of(problem, samples):
        findings.warn(
            "there is data, but nothing is to be identified from it: add parameters={…}, or leave a coefficient field "
            "unknown"
        )


def _check_sensitivities(problem: Problem, samples: Sequence[Sample], findings: Findings) -> None:
    """Report parameters on which no residual depends, though a function asks for them."""
    size = dict.fromkeys(problem.parameters, 0.0)
    for sample in samples:
        jets = random_jets(sample, seed=9)
        found = sample.operator.parameter_sensitivity(sample.points, jets, sample.normals, sample.parameters)
        # What is not a number depends on something, and is reported elsewhere.
        sizes = found.nan_to_num(1.0).abs().amax((0, 1)).tolist()
        size = {name: max(size[name], own) for name, own in zip(size, sizes, strict=True)}
    used = _used_names(problem)
    for name, largest in size.items():
        if largest == 0 and name in used:
            findings.error(
                f"nothing depends on the parameter {name}: its factor vanishes in the equation and in every condition; "
                "look for a factor of zero, or leave it out"
            )
