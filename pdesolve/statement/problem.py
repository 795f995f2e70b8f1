"""A problem: domain, equation and conditions, stated once and independent of any method.

Functions in a problem receive their arguments *by name*: coordinates, constants, parameters, unknowns and, on
boundaries, the normal `n`. `Problem.terms` is the list of everything that must vanish and where.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pdesolve.errors import ProblemError, did_you_mean
from pdesolve.geometry.spacetime import TimeInterval
from pdesolve.geometry.time_axis import TimeAxis
from pdesolve.runs import html
from pdesolve.runs.wording import named
from pdesolve.statement.arguments import names_explained
from pdesolve.statement.calculus import DerivativeError, Frame
from pdesolve.statement.conditions import Condition, Initial, Integral, Interface, Observation, Stated
from pdesolve.statement.eigenvalues import Eigenvalues, check_with, scalars_with
from pdesolve.statement.grouped import expanded, flat, observed
from pdesolve.statement.names import Names
from pdesolve.statement.output_names import checked_outputs
from pdesolve.statement.periodic import PeriodicAxis, find_periodic_axes
from pdesolve.statement.precision import in_double
from pdesolve.statement.quantities import check_prescribed, checked_quantities
from pdesolve.statement.scalars import Scalar
from pdesolve.statement.signatures import has_signature, signature
from pdesolve.statement.starts import with_starts
from pdesolve.statement.term import Term
from pdesolve.statement.terms import equation_term
from pdesolve.statement.values import values_of

_OTHER_WORDS = {
    **dict.fromkeys(("pde", "eq", "equations", "operator", "residual", "system"), "equation"),
    **dict.fromkeys(
        ("bc", "bcs", "boundary_conditions", "boundaries", "constraints", "ic", "ics"), "conditions"
    ),
    **dict.fromkeys(("geometry", "geom", "region", "mesh", "space"), "domain"),
    **dict.fromkeys(("solution", "analytic", "exact_solution"), "exact"),
    **dict.fromkeys(("initial_guess", "start", "u0"), "guess"),
    **dict.fromkeys(("params", "unknown_parameters"), "parameters"),
    **dict.fromkeys(("observations", "measurements"), "data"),
    **dict.fromkeys(("output", "derived", "fields"), "outputs"),
    **dict.fromkeys(("quantity", "functionals", "goals", "probes"), "quantities"),
    **dict.fromkeys(("eigenvalue", "eigen", "modes"), "eigenvalues"),
}
KINDS = "Dirichlet, Neumann, Robin, Initial, Periodic, Condition, Integral, Interface or Scalar"


class Problem:
    """A partial differential equation with its conditions.

    Args:
        domain: where it holds.
        equation: function returning what must vanish: one (n,) field, or a tuple of them for a system.
        conditions: list of conditions.
        exact: exact solution, a function of the coordinates (a dict of functions for a system).
        reference: independently computed solution, used for errors only.
        guess: starting point of a nonlinear solve (function, number, or dict of them).
        constants: name → number, available by name and overridable from the command line.
        parameters: name → starting value of a scalar to be identified from `data`.
        data: list of observations.
        name: in answers and pictures; the name of the equation, or of its file, where it is left out.
        outputs: name → function of the unknowns, as an equation is one, that returns a field or a vector.
        quantities: name → `Integral(f, on=part)`, `Mean`, `Maximum`, `Minimum`, `Flux` or `Probe`.
        eigenvalues: which number is sought, where equation and conditions are homogeneous.

    Raises:
        ProblemError: any part is not what it should be; the sentence says which and what to write.
    """

    @names_explained("Problem", _OTHER_WORDS)
    def __init__(
        self,
        domain: Any,
        equation: Callable[..., Any],
        conditions: Sequence[Any] = (),
        exact: Any = None,
        reference: Any = None,
        guess: Any = None,
        constants: Mapping[str, float] | None = None,
        parameters: Mapping[str, float] | None = None,
        data: Sequence[Observation] | None = None,
        name: str | None = None,
        outputs: Mapping[str, Callable[..., Any]] | None = None,
        quantities: Mapping[str, Any] | None = None,
        eigenvalues: Eigenvalues | None = None,
    ):
        # Ordinary differential equations: time is the only axis.
        if isinstance(domain, TimeInterval):
            domain = TimeAxis(domain)
        _check_kinds(domain, equation, conditions)
        self.domain = domain
        self.equation = equation
        self.constants = dict(constants or {})
        self.eigenvalues = eigenvalues
        self.parameters = scalars_with(eigenvalues, parameters or {}, self.constants)
        self.data: tuple[Observation, ...] = ()
        self.name = name or getattr(equation, "__name__", "problem")
        self.source_path: Any = None
        self.files: dict[str, Path] = {}  # that its file reads, by the path from that file
        self.changes: dict[str, Any] = {}  # arguments that differ from those in its file
        self.operators: dict[int, Any] = {}  # its terms by number, once they are compiled
        asking = [equation, *(c.function for c in conditions if isinstance(c, Condition))]
        beside = {"exact": exact, "reference": reference, "guess": guess, "data": data}
        beside |= {"outputs": outputs, "quantities": quantities}
        check_with(eigenvalues, asking, beside)
        scalars = tuple(c.name for c in conditions if isinstance(c, Scalar))
        stated = Names(domain.coordinates, self.constants, self.parameters, scalars=scalars)
        self.names = stated.with_unknowns_of(equation)
        self.conditions = expanded(conditions, self.names.groups)
        for condition in self.conditions:
            self._check_condition(condition)
        # Before the data and the exact solution, so that a wrong axis is named before what follows from it.
        self.seams = find_periodic_axes(self.conditions, domain, self.names)
        self._check_data(data)
        self.exact = self.names.per_unknown(exact, "exact")
        self.reference = self.names.per_unknown(reference, "reference")
        self.guess = self.names.per_unknown(guess, "guess", partial=True)
        self.outputs = checked_outputs(outputs, self.names)
        self.quantities = checked_quantities(quantities)
        self.stated = self.conditions
        self.conditions = with_starts(self, self.stated)

    # ---------------------------------------------------------------- names

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Coordinate names, time last."""
        return self.domain.coordinates

    @property
    def unknowns(self) -> tuple[str, ...]:
        """Names of the unknowns, in the order of the equation's arguments."""
        return self.names.unknowns

    def _check_condition(self, condition: Any) -> None:
        if not isinstance(condition, Stated):
            message = f"conditions contains a {type(condition).__name__}; expected {KINDS}"
            raise ProblemError(message)
        kind = type(condition).__name__
        if condition.needs_time and "t" not in self.coordinates:
            message = f"{kind} needs a time interval: use domain = space * TimeInterval(0, 1)"
            raise ProblemError(message)
        if isinstance(condition, Scalar):
            self._check_place_of(condition)
        if condition.speaks_of_one:
            self._check_scalar(condition, self.unknown_of(condition, kind), kind)
        self._check_values(condition, kind)
        if isinstance(condition, Integral):
            check_prescribed(condition)
        if isinstance(condition, Condition):
            owner = "the function of Condition"
            self.names.check_arguments(condition.function, owner, self.names.of_conditions)

    def _check_place_of(self, scalar: Scalar) -> None:
        """On a time axis there are no fields that a Scalar could stand beside."""
        if not self.domain.space_dimension:
            message = (
                f"Scalar '{scalar.name}' on a time axis: all unknowns live in time only; write its equation among the "
                "others"
            )
            raise ProblemError(message)

    def _check_values(self, condition: Any, kind: str) -> None:
        """Functions among the values ask for what there is."""
        for value in (getattr(condition, name, None) for name in ("value", "a", "jump")):
            if callable(value):
                self.names.check_arguments(value, f"the value of {kind}", self.names.of_values)

    def _check_scalar(self, condition: Any, unknown: str, kind: str) -> None:
        """An unknown that lives in time only begins with a number, and nothing else is prescribed of it."""
        if unknown not in self.names.scalars:
            return
        if not isinstance(condition, Initial):
            message = f"{kind} of '{unknown}': that is a Scalar, whose own equation says all about it"
            raise ProblemError(message)
        if callable(condition.value):
            message = f"Initial of '{unknown}' is a function; a Scalar begins with a number"
            raise ProblemError(message)

    def _check_data(self, data: Any) -> None:
        if data is not None and not isinstance(data, (list, tuple)):
            message = f"data is a {type(data).__name__}; expected a list: data=[Observation(points, values)]"
            raise ProblemError(message)
        self.data = tuple(
            one for observation in data or () for one in observed(observation, self.names.groups)
        )
        for i, observation in enumerate(self.data):
            if not isinstance(observation, Observation):
                message = f"data[{i}] is a {type(observation).__name__}; expected Observation(points, values)"
                raise ProblemError(message)
            self.unknown_of(observation)
            observation.check(f"data[{i}]", self.coordinates)

    def unknown_of(self, condition: Any, kind: str = "") -> str:
        """The unknown a condition speaks of; it may be left out where there is one only.

        Raises:
            ProblemError: it is left out of a system, or is no unknown.
        """
        return self.names.unknown_of(condition, kind or type(condition).__name__)

    def with_constants(self, constants: Mapping[str, float]) -> Problem:
        """The same problem with some constants overridden (`--param nu=0.001`)."""
        for name in constants:
            if name not in self.constants:
                known = (
                    ", ".join(self.constants)
                    or "none; constants={'k': 1.0} states one, as an argument k of functions"
                )
                message = f"{named('param')} {name}: the constants of this problem are: {known}"
                raise ProblemError(message + did_you_mean(name, self.constants))
        return self._with(constants={**self.constants, **constants})

    def with_guess(self, guess: Any) -> Problem:
        """The same problem with another starting point of its nonlinear solve."""
        return self._with(guess=guess)

    def with_conditions(self, conditions: Sequence[Any]) -> Problem:
        """The same problem with conditions that follow from what it states: no change of what its file says."""
        problem = self._with(conditions=conditions)
        problem.changes = self.changes
        return problem

    def at_eigenvalue(self, value: float) -> Problem:
        """The homogeneous problem in which the eigenvalue is a constant; modes solve it."""
        assert self.eigenvalues is not None
        return self._with(
            eigenvalues=None, parameters=None, constants={**self.constants, self.eigenvalues.name: value}
        )

    def with_data(self, data: Sequence[Observation]) -> Problem:
        """The same problem with other observations."""
        return self._with(data=data)

    def changed(self, changes: Mapping[str, Any]) -> Problem:
        """The same problem with other arguments, such as those that another one notes in `changes`."""
        return self._with(**changes) if changes else self

    def with_quantities(self, quantities: Mapping[str, Any]) -> Problem:
        """The same problem with more quantities."""
        return self._with(quantities={**self.quantities, **quantities})

    def _with(self, **changes: Any) -> Problem:
        names = (
            "domain equation exact reference guess constants data name outputs quantities eigenvalues"
        ).split()
        kept = {name: getattr(self, name) for name in names}
        kept["conditions"] = self.stated
        if self.eigenvalues is None:
            kept["parameters"] = self.parameters
        problem = Problem(**{**kept, **changes})
        problem.source_path = self.source_path
        problem.files = self.files
        problem.changes = {**self.changes, **changes}
        return problem

    # ---------------------------------------------------------------- evaluation

    def call(self, function: Callable, frame: Frame, parameters: Mapping[str, Any] | None = None) -> Any:
        """Call a user's function with its arguments matched by name, in a frame."""
        available: dict[str, Any] = {**self.constants, **self.parameters, **(parameters or {})}
        available.update(frame.arguments())
        names = signature(function, "a function", self.coordinates[:1])
        chosen: dict[str, Any] = {}
        for name, required in names.items():
            # What is passed by value goes before the unknown of that name.
            if name in self.unknowns and name not in available:
                chosen[name] = frame.unknown(name)
            elif name in self.names.groups:
                group = self.names.groups[name]
                chosen[name] = group.joined(list(map(frame.unknown, group.members)), frame.space_names)
            elif name in available:
                chosen[name] = available[name]
            elif required:
                message = f"'{name}' is not available here: there is {', '.join(available)}"
                raise DerivativeError(message)
        with in_double():
            if has_signature(function):
                return function(**chosen)
            return function(*chosen.values())

    def value(self, value: Any, frame: Frame, owner: str) -> Tensor:
        """A prescribed value at the points of a frame, (n,); a constant broadcasts."""
        if callable(value):
            value = self.call(value, frame)
        return values_of(value, frame, owner)

    def values(self, functions: Mapping[str, Any], points: Tensor, owner: str = "exact") -> Tensor:
        """A solution given as functions, at points (n, d): (n, u), NaN where a function is missing."""
        frame = Frame(self.coordinates, points)
        with torch.no_grad():
            columns = self._columns(functions, frame, owner)
        if frame.deepest:  # grad(…) of coordinates inside the functions
            deeper = Frame(self.coordinates, points, depth=frame.deepest)
            with torch.enable_grad():
                columns = self._columns(functions, deeper, owner)
        return torch.stack([c.detach().to(points) for c in columns], dim=1)

    def _columns(self, functions: Mapping[str, Any], frame: Frame, owner: str) -> list[Tensor]:
        # What is not given is not known: `nan` stands for all points.
        with frame:
            return [
                self.value(functions.get(u, torch.nan), frame, f"{owner} of '{u}'") for u in self.unknowns
            ]

    def jumps(self, seam: PeriodicAxis, points: Tensor) -> Tensor:
        """Jumps (n, u) of all unknowns over a seam at points (n, d) of its upper end.

        Where the shift goes beyond the end of another axis and comes in again, that axis' own jump is taken off.
        """
        with torch.no_grad(), Frame(self.coordinates, points) as frame:
            owner = f"the jump of Periodic('{self.coordinates[seam.axis]}')"
            jumps = torch.stack([self.value(seam.jumps[u], frame, owner) for u in self.unknowns], dim=1)
        if not bool(jumps.isfinite().all()):
            message = f"{owner} is not finite at the upper end; expected numbers"
            raise ProblemError(message)
        # u jumps by g for each period that the shift went round another axis.
        for axis, count in seam.wraps(points).items():
            other = next(s for s in self.seams if s.axis == axis)
            jumps = jumps - count[:, None] * self.jumps(other, other.ends(points)[1])
        return jumps

    # ---------------------------------------------------------------- terms

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """Everything pointwise that must vanish: the equation first, then the conditions."""
        found = [condition.term(self) for condition in self.conditions]
        equation = equation_term(self, self.equation)
        if self.names.groups:  # what must vanish may then be a vector or complex, too
            whole = equation.function
            equation = replace(equation, function=lambda frame: flat(whole(frame), self.names.groups))
        return (equation, *(term for term in found if term is not None))

    @cached_property
    def periodic_axes(self) -> tuple[int, ...]:
        """Indices of the coordinates in which everything is periodic."""
        return tuple(seam.axis for seam in self.seams)

    @cached_property
    def integrals(self) -> tuple[Integral, ...]:
        """Integral constraints."""
        return tuple(c for c in self.conditions if isinstance(c, Integral))

    @cached_property
    def scalars(self) -> tuple[Scalar, ...]:
        """Unknowns that live in time only, beside the fields."""
        return tuple(c for c in self.conditions if isinstance(c, Scalar))

    @cached_property
    def interfaces(self) -> tuple[Interface, ...]:
        """Interface conditions inside the domain, their coefficients with numbers in place of constants."""
        stated = [c for c in self.conditions if isinstance(c, Interface)]
        return tuple(replace(c, k=c.k.at(self.constants)) for c in stated)

    def _repr_html_(self) -> str:
        rows = {
            "domain": str(self.domain),
            "unknowns": ", ".join(self.unknowns),
            "coordinates": ", ".join(self.coordinates),
            "constants": ", ".join(f"{name} = {value:g}" for name, value in self.constants.items()),
            "identified": ", ".join(self.parameters),
            "conditions": "\n".join(term.name for term in self.terms[1:]),
        }
        table = html.pairs(f"Problem {self.name}", ((name, text) for name, text in rows.items() if text))
        return table + html.pictures(self)

    def __repr__(self) -> str:
        unknowns = ", ".join(self.unknowns)
        coordinates = ", ".join(self.coordinates)
        return f"Problem({self.name}: unknowns {unknowns}; coordinates {coordinates})"


def _check_kinds(domain: Any, equation: Any, conditions: Any) -> None:
    """Refuse arguments that are of another kind altogether, before anything is asked of them."""
    if not hasattr(domain, "coordinates") or not hasattr(domain, "pieces"):
        message = (
            f"domain is a {type(domain).__name__}; expected a domain such as Rectangle((0, 0), (1, 1)) "
            "or Interval(-1, 1) * TimeInterval(0, 1)"
        )
        raise ProblemError(message)
    if not callable(equation):
        message = (
            f"equation is a {type(equation).__name__}; expected a function that returns what must vanish"
        )
        raise ProblemError(message)
    if not isinstance(conditions, (list, tuple)):
        message = f"conditions is a {type(conditions).__name__}; expected a list: conditions=[Dirichlet(...)]"
        raise ProblemError(message)
