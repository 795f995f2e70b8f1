"""The equations of unknowns that live in time only, compiled on a time axis."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pdesolve.errors import ProblemError
from pdesolve.statement.conditions import Condition, Initial
from pdesolve.statement.evolving import cannot_march
from pdesolve.statement.fields import Field
from pdesolve.statement.frame import Frame, active_frame
from pdesolve.statement.initial_values import require_as_many
from pdesolve.statement.problem import Problem
from pdesolve.statement.residual import ResidualOperator, compile_term, sample_points
from pdesolve.statement.scalars import Scalar, equations_of
from pdesolve.statement.signatures import signature

# Times at which they are compiled.
SAMPLES = 512


def compiled_scalars(problem: Problem) -> ResidualOperator | None:
    """g(q, q', …, Q, t) of all scalars; its unknowns are the scalars, then the quantities Q. None without scalars.

    Raises:
        ProblemError: an equation does not return one number, or differentiates a quantity.
    """
    scalars = problem.scalars
    if not scalars:
        return None
    equation = equations_of(scalars, problem.constants)
    in_time = Problem(problem.domain.time, equation, constants=problem.constants, name=equation.__name__)
    # No equation that must mention each of its unknowns: a Scalar may be what makes a quantity have a value.
    term = replace(in_time.terms[0], kind="condition")
    operator = compile_term(in_time, term, *sample_points(in_time, term, SAMPLES))
    for unknown, index in operator.slots:
        if unknown >= len(scalars) and index[0] > 0:
            name = in_time.unknowns[unknown]
            message = (
                f"the quantity '{name}' is differentiated in time; state another Scalar that is equal to it, and "
                "differentiate that"
            )
            raise ProblemError(message)
    return operator


def check_starts(problem: Problem, operator: ResidualOperator) -> None:
    """Every scalar begins with as many values as its equation has derivatives of it.

    Raises:
        ProblemError: there are more or fewer.
    """
    for number, scalar in enumerate(problem.scalars):
        order = max([index[0] for unknown, index in operator.slots if unknown == number], default=0)
        own = [
            c for c in problem.conditions if isinstance(c, Initial) and problem.unknown_of(c) == scalar.name
        ]
        require_as_many(scalar.name, order, {c.order for c in own})


def require_marched(problem: Problem) -> None:
    """Scalars are advanced step by step, from initial values.

    Raises:
        ProblemError: the problem is no evolution of that kind.
    """
    why = cannot_march(problem)
    if why is not None:
        message = (
            f"a Scalar is followed in time, step by step, but {why}; write it as a field, or leave that out"
        )
        raise ProblemError(message)


def with_scalars_given(problem: Problem) -> Problem:
    """The same problem with its scalars as given functions of time: those of `exact`, or any.

    What can be asked of fields and their conditions then is asked of a problem that has no other unknowns.
    """
    if not problem.scalars:
        return problem
    scalars = problem.names.scalars
    kept = [
        _with_given(condition, problem)
        for condition in problem.conditions
        if not isinstance(condition, Scalar) and not _speaks_of(condition, problem, scalars)
    ]
    changes: dict[str, Any] = {"equation": _given(problem.equation, problem), "conditions": kept}
    for name in ("exact", "reference", "guess"):
        functions = getattr(problem, name)
        changes[name] = functions and {key: f for key, f in functions.items() if key not in scalars}
    changes["outputs"] = {}
    changes["quantities"] = {}
    return problem.changed(changes)


def _speaks_of(condition: Any, problem: Problem, names: tuple[str, ...]) -> bool:
    return bool(condition.speaks_of_one) and problem.unknown_of(condition) in names


def _with_given(condition: Any, problem: Problem) -> Any:
    if not isinstance(condition, Condition):
        if condition.speaks_of_one and condition.unknown is None:
            return replace(condition, unknown=problem.unknown_of(condition))
        return condition
    return replace(condition, function=_given(condition.function, problem))


def _given(function: Callable[..., Any], problem: Problem) -> Callable[..., Any]:
    """A function of the user that is told the scalars, instead of asking for them."""
    asked = signature(function, "a function", problem.coordinates[:1])
    mine = [name for name in problem.names.scalars if name in asked]
    if not mine:
        return function

    def told(**given: Any) -> Any:
        frame = active_frame("a Scalar")
        known = {name: Field(_values(name, problem, frame), frame) for name in mine}
        return function(**{key: value for key, value in given.items() if key in asked}, **known)

    parameters = [p for p in inspect.signature(function).parameters.values() if p.name not in mine]
    if "t" not in asked:
        parameters.append(inspect.Parameter("t", inspect.Parameter.KEYWORD_ONLY))
    told.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    told.__name__ = getattr(function, "__name__", "equation")
    return told


def _values(name: str, problem: Problem, frame: Frame) -> Any:
    """What a scalar is at the points of a frame: what `exact` says, or something that changes."""
    if problem.exact is not None:
        return problem.value(problem.exact[name], frame, f"exact of '{name}'")
    time = problem.domain.time
    passed = (frame.coordinates["t"] - time.t0) / time.length
    return 1.3 + 0.7 * passed + 0.3 * passed**2
