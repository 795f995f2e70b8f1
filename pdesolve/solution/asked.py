"""What a solution is asked for: outputs, quantities and lines, from the words in which people ask."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral as Whole
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pdesolve.errors import PdesolveError, ProblemError, UsageError, did_you_mean
from pdesolve.solution import quantities
from pdesolve.solution.coordinates import at_coordinates
from pdesolve.solution.estimated import Estimated
from pdesolve.solution.extrema import extremum
from pdesolve.solution.regions import INSIDE, Region
from pdesolve.solution.values import Values, evaluated
from pdesolve.statement.conditions import Integral
from pdesolve.statement.conormal import Conormal
from pdesolve.statement.outputs import COMPLEX, Expression, entry_names, require_part
from pdesolve.statement.quantities import Flux, Maximum, Mean, Minimum, Probe, integrand

MOST_POINTS = 10_000_000  # of a line, as of a file


@dataclass(frozen=True)
class Asked:
    """Answers of one solution."""

    solution: Any

    @property
    def problem(self) -> Any:
        """That of the solution."""
        return self.solution.problem

    # ---------------------------------------------------------------- outputs

    def output(self, name: str) -> Callable[..., Any]:
        """An output as a function of the coordinates.

        Raises:
            UsageError: the problem has no such output.
        """
        known = [*self.problem.outputs, *self.problem.names.groups]
        if name not in known:
            hint = did_you_mean(str(name), known)
            message = f"output {name!r}; the outputs of this problem are: {', '.join(known) or 'none'}{hint}"
            raise UsageError(message)
        expression = self._expression(name, f"output '{name}'")
        m = expression.operator.components
        names = tuple(map(str, range(m)))

        def values(points: Tensor) -> Tensor:
            return evaluated(expression, self.solution, points)

        def at(*coordinates: Any) -> Any:
            found = at_coordinates(self.problem.domain, values, coordinates, names)
            if m == 1:
                return quantities.single((found,), expression)
            real, *rest = found.values()
            return real + 1j * rest[0] if expression.is_complex else (real, *rest)

        return at

    # ---------------------------------------------------------------- quantities

    def integral(self, f: Any, on: Any, over: Any, time: float | None, name: str = "integral") -> Any:
        """∫ f."""
        values, region = self._values(f, on, over, time, name)
        return quantities.single(quantities.integral(values, region), values.expression)

    def mean(self, f: Any, on: Any, over: Any, time: float | None, name: str = "mean") -> Any:
        """∫ f / ∫ 1."""
        values, region = self._values(f, on, over, time, name)
        return quantities.single(quantities.mean(values, region), values.expression)

    def extremum(
        self, f: Any, on: Any, over: Any, time: float | None, sign: float, name: str | None = None
    ) -> Estimated:
        """The largest (sign 1) or smallest (sign -1) value."""
        if name is None:
            name = "maximum" if sign > 0 else "minimum"
        values, region = self._values(f, on, over, time, name)
        return extremum(values, region, sign)

    def flux(self, on: Any, unknown: str | None, time: float | None, name: str = "flux") -> Estimated:
        """∫ of the flux that the equation means."""
        if not hasattr(on, "pieces_on"):
            message = f"{name} received on={on!r}; expected a part of the boundary such as square.left"
            raise UsageError(message)
        if time is None and self._moment() is not None:
            message = f"{name} of an evolution is that at a time; say which: time={self._last_time():g}"
            raise UsageError(message)
        region = self.region(on, None, time, name)
        index = self.solution.index_of(unknown)
        sample = self.problem.domain.sample(64)
        with _as_usage():
            conormal = Conormal.of(self.problem, self.solution.equation, index, sample, name)
        values = Values.of(self.solution, Expression(name, conormal))
        return quantities.integral(values, region)[0]

    def probe(self, point: Sequence[float], f: Any, time: float | None, name: str = "probe") -> Any:
        """The value at a point."""
        x = self._point(point, time, name)
        values = Values.of(self.solution, self._expression(f, name))
        region = self.region(None, None, time, name)
        return quantities.single(quantities.probe(values, region, x), values.expression)

    def line(
        self, start: Sequence[float], end: Sequence[float], n: int, f: Any, time: float | None
    ) -> dict[str, Any]:
        """Values along a line by name."""
        if isinstance(n, bool) or not isinstance(n, Whole) or not 2 <= n <= MOST_POINTS:
            message = f"line received n={n!r}; expected a whole number of points, at least 2, at most {MOST_POINTS:,}"
            raise UsageError(message)
        a = self._numbers(start, time, "line")
        b = self._numbers(end, time, "line")
        s = torch.linspace(0, 1, int(n), dtype=torch.float64)[:, None]
        points = a + s * (b - a)
        if not bool(self._inside(points).any()):
            message = (
                f"line: none of {n} points from {tuple(a.tolist())} to {tuple(b.tolist())} lies in the domain "
                f"{self.problem.domain}"
            )
            raise UsageError(message)
        found = {name: points[:, i].numpy() for i, name in enumerate(self.problem.coordinates)}
        found["distance"] = (s[:, 0] * (b - a).norm()).numpy()
        wanted = [f]
        if f is None:
            wanted = [*self.problem.unknowns, *self.problem.outputs]
        for one in wanted:
            found |= self._along(points, one)
        return found

    def _along(self, points: Tensor, f: Any) -> dict[str, np.ndarray]:
        name = "value"
        if isinstance(f, str):
            name = f
        values = Values.of(self.solution, self._expression(f, f"line: {name}"))
        m = values.expression.operator.components
        inside = self._inside(points)
        # A line may leave the domain and come back; there is no value in between.
        both = torch.full((2, len(points), m), torch.nan, dtype=torch.float64)
        both[0, inside], errors = quantities.at_points(values, points[inside])
        if errors is not None:
            both[1, inside] = errors
        names = entry_names(name, values.expression.shape, self.problem.domain.space_coordinates)
        found = {}
        for i, one in enumerate(names):
            found[one] = both[0, :, i].numpy()
            found[f"{one}_estimated_error"] = both[1, :, i].numpy()
        return found

    # ---------------------------------------------------------------- the table of a problem

    def table(self, time: float | None = None) -> dict[str, Any]:
        """The quantities of the problem by name."""
        if time is None:
            time = self._moment()
        return {name: self.of(name, quantity, time) for name, quantity in self.problem.quantities.items()}

    def records(self) -> dict[str, dict[str, Any]]:
        """What `--json` says of each quantity; one that cannot be evaluated says why."""
        found = {}
        for name, quantity in self.problem.quantities.items():
            time = self._moment()
            try:
                record = _record(self.of(name, quantity, time))
            except PdesolveError as error:
                # One that fails must not take the others with it.
                record = {"value": None, "estimated_error": None, "error": str(error)}
            if time is not None:
                record["time"] = time
            found[name] = record
        return found

    def over(self, times: Sequence[float]) -> dict[str, list[float]]:
        """Columns of a table over time."""
        if self._moment() is None:
            message = "quantities_over: the problem is no evolution in space; ask quantities()"
            raise UsageError(message)
        if isinstance(times, (str, bytes)) or not isinstance(times, Iterable):
            message = (
                f"quantities_over received times={times!r}; expected a list of times such as [0, 0.1, 1]"
            )
            raise UsageError(message)
        moments = [self.time(t, "quantities_over") for t in times]
        columns: dict[str, list[Any]] = {"t": list(moments)}
        axes = self.problem.domain.space_coordinates
        for t in moments:
            for name, found in self.table(t).items():
                parts: tuple[Any, ...] = (found,)
                shape: tuple[int, ...] = ()
                if isinstance(found, tuple):
                    parts = found
                    shape = COMPLEX if isinstance(found, quantities.Parts) else (len(found),)
                names = entry_names(name, shape, axes)
                for one, q in zip(names, parts, strict=True):
                    columns.setdefault(one, []).append(q)
                    columns.setdefault(f"{one}_estimated_error", []).append(q.estimated_error)
        return columns

    def of(self, name: str, quantity: Any, time: float | None) -> Any:
        """One quantity."""
        called = f"quantity '{name}'"
        if isinstance(quantity, Integral):
            return self.integral(integrand(quantity), quantity.on, quantity.over, time, called)
        if isinstance(quantity, Mean):
            return self.mean(quantity.f, quantity.on, quantity.over, time, called)
        if isinstance(quantity, Probe):
            return self.probe(quantity.at, quantity.f, time, called)
        if isinstance(quantity, Flux):
            return self.flux(quantity.on, quantity.unknown, time, called)
        assert isinstance(quantity, (Maximum, Minimum))
        sign = -1.0
        if isinstance(quantity, Maximum):
            sign = 1.0
        return self.extremum(quantity.f, quantity.on, quantity.over, time, sign, called)

    def _moment(self) -> float | None:
        """The last time of an evolution in space; None where all depends on space alone, or on time alone."""
        domain = self.problem.domain
        if not 0 < domain.space_dimension < domain.dimension:
            return None
        return self._last_time()

    def _last_time(self) -> float:
        reached = self.solution.reached
        if reached is None:
            return float(self.problem.domain.bounds[1, -1])
        return reached

    # ---------------------------------------------------------------- words

    def _values(self, f: Any, on: Any, over: Any, time: float | None, name: str) -> tuple[Values, Region]:
        region = self.region(on, over, time, name)
        expression = self._expression(f, name, on)
        return Values.of(self.solution, expression), region

    def _expression(self, f: Any, name: str, on: Any = None) -> Expression:
        with _as_usage():
            return Expression.of(self.problem, f, name, on)

    def region(self, on: Any, over: Any, time: float | None, name: str) -> Region:
        """Where a quantity is taken.

        Raises:
            UsageError: it is no part of the boundary, no sub-domain, or not a time of the solution.
        """
        if on is not None and not hasattr(on, "pieces_on"):
            message = f"{name} received on={on!r}; expected a part of the boundary such as square.left"
            raise UsageError(message)
        if over is not None and not hasattr(over, "rule"):
            message = f"{name} received over={over!r}; expected a sub-domain such as Disk((0, 0), 1)"
            raise UsageError(message)
        if on is not None and over is not None:
            message = f"{name} received on= and over=; give a part of the boundary or a sub-domain"
            raise UsageError(message)
        if over is not None and over.dimension not in self._dimensions():
            expected = " or ".join(map(str, self._dimensions()))
            message = f"{name} received over={over}; expected a sub-domain in {expected} dimensions"
            raise UsageError(message)
        if on is not None:
            with _as_usage():
                require_part(self.problem, on, name)
        return Region(self.solution, on, over, self.time(time, name), name)

    def _dimensions(self) -> list[int]:
        """Of sub-domains: in space, or in space and time."""
        domain = self.problem.domain
        return sorted({domain.in_space.dimension, domain.dimension})

    def time(self, time: float | None, name: str) -> float | None:
        """A time that the solution has, or None.

        Raises:
            UsageError: it has not this one.
        """
        if time is None:
            return None
        if isinstance(time, (Tensor, np.ndarray)) and time.ndim == 0:
            time = time.item()
        if self._moment() is None:
            message = f"{name} received time={time!r}, but the problem is no evolution in space; leave it out"
            raise UsageError(message)
        first = float(self.problem.domain.bounds[0, -1])
        last = self._last_time()
        if isinstance(time, bool) or not isinstance(time, Real):
            message = f"{name} received time={time!r}; expected a number from {first:g} to {last:g}"
            raise UsageError(message)
        if not first <= float(time) <= last:
            message = f"{name} received time={time:g}; expected {first:g} to {last:g}"
            raise UsageError(message)
        return float(time)

    def _numbers(self, point: Sequence[float], time: float | None, name: str) -> Tensor:
        """A point (d,) with the time as its last coordinate."""
        given: Any = point.tolist() if isinstance(point, (Tensor, np.ndarray)) else point
        numbers = [*(given if isinstance(given, (tuple, list)) else (given,))]
        moment = self.time(time, name)
        if moment is not None:
            numbers.append(moment)
        names = self.problem.coordinates
        if len(numbers) != len(names) or not all(isinstance(c, Real) and math.isfinite(c) for c in numbers):
            message = f"{name} received the point {point!r}; expected finite numbers {', '.join(names)}"
            if self._moment() is not None:
                message += " (or the point in space, and time=)"
            raise UsageError(message)
        return torch.tensor(numbers, dtype=torch.float64)

    def _inside(self, points: Tensor) -> Tensor:
        domain = self.problem.domain
        return domain.contains(points, INSIDE * float((domain.bounds[1] - domain.bounds[0]).max()))

    def _point(self, point: Sequence[float], time: float | None, name: str) -> Tensor:
        x = self._numbers(point, time, name)
        if not bool(self._inside(x[None])):
            message = f"{name}: the point {tuple(x.tolist())} lies outside the domain {self.problem.domain}"
            raise UsageError(message)
        return x


@contextmanager
def _as_usage() -> Iterator[None]:
    """What cannot be evaluated was asked for here, and not stated in a problem."""
    try:
        yield
    except ProblemError as error:
        raise UsageError(str(error)) from None


def _record(found: Any) -> dict[str, Any]:
    if not isinstance(found, tuple):
        record: dict[str, Any] = found.record()
        return record
    return {"value": [float(q) for q in found], "estimated_error": [q.estimated_error for q in found]}
