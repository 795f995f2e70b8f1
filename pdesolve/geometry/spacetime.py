"""Time intervals and space–time cylinders."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.geometry.coordinates import finite_numbers
from pdesolve.geometry.domain import Domain
from pdesolve.geometry.motion import Motion
from pdesolve.geometry.piece import Piece
from pdesolve.geometry.place import Boundary
from pdesolve.geometry.shapes.box import AxisAlignedBox
from pdesolve.geometry.surface import PieceLike, Surface
from pdesolve.quadrature import Rule, gauss_legendre

# Nodes on each axis that decide whether a predicate leaves anything of a lateral piece. A predicate that holds on
# less than a sixteenth of every axis is not seen.
PROBES = 16


@dataclass(frozen=True, repr=False)
class TimeInterval:
    """Times from t0 to t1; `space * TimeInterval(t0, t1)` is a space–time cylinder.

    Attributes:
        t0: the first time.
        t1: the last time.
        breaks: times in between, increasing, at which data break: steps of an evolution end there.

    Raises:
        ProblemError: t0, t1 or a break is not a finite number, t0 ≥ t1, or breaks do not increase between them.
    """

    t0: float
    t1: float
    breaks: Sequence[float] = ()

    def __post_init__(self):
        ends = finite_numbers((self.t0, self.t1), "TimeInterval")
        if not ends[0] < ends[1]:
            message = f"TimeInterval received {self.t0!r} and {self.t1!r}, expected the earlier time first."
            raise ProblemError(message)
        object.__setattr__(self, "t0", ends[0])
        object.__setattr__(self, "t1", ends[1])
        object.__setattr__(self, "breaks", self._checked_breaks())

    def _checked_breaks(self) -> tuple[float, ...]:
        given = self.breaks.tolist() if hasattr(self.breaks, "tolist") else self.breaks
        if not isinstance(given, (list, tuple)):
            message = f"TimeInterval received breaks={self.breaks!r}, expected a list of times such as breaks=[1, 2]."
            raise ProblemError(message)
        breaks = finite_numbers(given, "TimeInterval (breaks)")
        for before, after in pairwise(breaks):
            if not before < after:
                message = (
                    f"TimeInterval received the breaks {before:g} and {after:g} one after the other, expected each "
                    "later than the one before."
                )
                raise ProblemError(message)
        for time in breaks:
            if not self.t0 < time < self.t1:
                message = (
                    f"TimeInterval received the break {time:g}, expected times between {self.t0:g} and {self.t1:g}: "
                    "the ends need none."
                )
                raise ProblemError(message)
        return tuple(breaks)

    def __repr__(self) -> str:
        breaks = ", ".join(f"{time:g}" for time in self.breaks)
        return f"TimeInterval({self.t0:g}, {self.t1:g}{f', breaks=[{breaks}]' if breaks else ''})"

    def times_space(self, space: Domain) -> "Cylinder":
        """Return the space–time cylinder over a domain in space."""
        return Cylinder(space, self)

    def __mul__(self, other):
        message = f"{self} * {other!r} was written, expected space * {self}: space first, then time."
        raise ProblemError(message)

    def __rmul__(self, other):
        message = f"{other!r} * {self} was written, expected a domain in space times {self}."
        raise ProblemError(message)

    @property
    def length(self) -> float:
        """t1 - t0."""
        return self.t1 - self.t0


@dataclass(frozen=True)
class Lateral(Surface):
    """A surface of the space domain at all times; its last parameter is (t - t0)/(t1 - t0)."""

    base: Surface
    time: TimeInterval
    owner: tuple[Any, str] = field(init=False, compare=False)

    def __post_init__(self):
        # The owner of the space surface, so that a place of the space domain selects it.
        object.__setattr__(self, "owner", self.base.owner)

    @property
    def dimension(self) -> int:
        """Space dimension plus one."""
        return self.base.dimension + 1

    @property
    def plane(self) -> tuple[int, float] | None:
        """The hyperplane of the space surface."""
        return self.base.plane

    @property
    def periodic(self) -> tuple[bool, ...]:
        """Tell which parameters close upon themselves: those of the space surface; time does not."""
        return (*self.base.periodic, False)

    def map(self, parameters: Tensor) -> Tensor:
        """Return (x, t)."""
        t = self.time.t0 + self.time.length * parameters[:, -1:]
        return torch.cat([self.base.map(parameters[:, :-1]), t], dim=1)

    def normal_at(self, x: Tensor) -> Tensor:
        """Return (n, 0)."""
        return torch.cat([self.base.normal_at(x[:, :-1]), torch.zeros_like(x[:, -1:])], dim=1)

    def area(self, parameters: Tensor) -> Tensor:
        """Return the area element in space times the length of the time interval."""
        return self.base.area(parameters[:, :-1]) * self.time.length

    def carrier(self) -> tuple[str, tuple[float, ...]]:
        """Return the plane over the plane in which the space surface lies; other carriers are named anew."""
        kind, values = self.base.carrier()
        if kind != "plane":  # nothing but itself is a cylinder over a sphere; over a plane there is a plane
            kind = f"{kind} in time"
        return kind, (*values[:-1], 0.0, values[-1])

    def distance(self, x: Tensor) -> Tensor:
        """Return the distances in space."""
        return self.base.distance(x[:, :-1])

    def covers(self, x: Tensor) -> Tensor:
        """Tell which points lie over the space surface, at any time."""
        return self.base.covers(x[:, :-1])

    def rule(self, piece: PieceLike, order: int) -> Rule:
        """Rule of the space piece times Gauss in time; predicates that mention t only select points."""
        x, _, w = self.in_space(piece).rule(order)
        points, weights = times_time(Rule(x, w), self.time, order)
        keep = torch.ones(len(points), dtype=torch.bool)
        for accept in filter(_mentions_time, piece.filters):
            keep &= accept(points)
        for other in piece.hidden_by:
            if any(map(_mentions_time, other.filters)):
                keep &= ~other.claims(points)
        return Rule(points[keep], weights[keep])

    def in_space(self, piece: PieceLike) -> Piece:
        """Return the space piece of a lateral piece, with those of its filters that do not mention t."""
        # What mentions time cannot be asked in space; `rule` asks it at every time.
        steady = (p for p in piece.hidden_by if not any(map(_mentions_time, p.filters)))
        filters = (f for f in piece.filters if not _mentions_time(f))
        return Piece(
            self.base,
            piece.domain.in_space,
            tuple(p.surface.in_space(p) for p in steady if isinstance(p.surface, Lateral)),
            tuple(_frozen(f, self.time) for f in filters),
        )

    def is_empty(self, piece: PieceLike) -> bool:
        """Tell whether no part of the lateral piece is boundary."""
        return self.in_space(piece).is_empty or len(self.rule(piece, PROBES).weights) == 0


def _mentions_time(accept: Callable[[Tensor], Tensor]) -> bool:
    return "t" in getattr(accept, "names", ())


def _frozen(accept: Callable[[Tensor], Tensor], time: TimeInterval) -> Callable[[Tensor], Tensor]:
    """Turn a predicate of (x, t) into one of x, at the middle of the time interval."""
    return lambda x: accept(torch.cat([x, torch.full_like(x[:, :1], (time.t0 + time.t1) / 2)], dim=1))


@dataclass(frozen=True)
class TimeEnd(Surface):
    """All of the space domain at the first or last time, parametrised by its bounding box."""

    space: Domain
    time: TimeInterval
    last: bool
    owner: tuple[Any, str] = field(init=False, compare=False)

    def __post_init__(self):
        object.__setattr__(self, "owner", (self.space, "final" if self.last else "initial"))

    @property
    def dimension(self) -> int:
        """Space dimension plus one."""
        return self.space.dimension + 1

    @property
    def plane(self) -> tuple[int, float]:
        """The hyperplane t = t0 or t = t1."""
        return self.space.dimension, self.time.t1 if self.last else self.time.t0

    def map(self, parameters: Tensor) -> Tensor:
        """Return the bounding box of the space domain, at this time."""
        lower, upper = self.space.bounds.to(parameters.dtype)
        t = torch.full_like(parameters[:, :1], self.plane[1])
        return torch.cat([lower + (upper - lower) * parameters, t], dim=1)

    def normal_at(self, x: Tensor) -> Tensor:
        """Return (0, ±1)."""
        normal = torch.zeros_like(x)
        normal[:, -1] = 2.0 * self.last - 1.0
        return normal

    def area(self, parameters: Tensor) -> Tensor:
        """Return the volume of the bounding box, constant."""
        lower, upper = self.space.bounds
        return parameters.new_full((len(parameters),), float((upper - lower).prod()))

    def carrier(self) -> tuple[str, tuple[float, ...]]:
        """Return the hyperplane of this time."""
        return "plane", (*(0.0,) * self.space.dimension, 1.0, self.plane[1])

    def rule(self, piece: PieceLike, order: int) -> Rule:
        """Rule of the space domain at this time; predicates select points."""
        x, w = self.space.rule(order)
        points = torch.cat([x, torch.full_like(x[:, :1], self.plane[1])], dim=1)
        keep = piece.active(points)
        return Rule(points[keep], w[keep])


def times_time(rule: Rule, time: TimeInterval, order: int) -> Rule:
    """Return the product of a rule in space and Gauss in time."""
    t, w = gauss_legendre(order, time.t0, time.t1)
    points = torch.cat(
        [rule.points.repeat_interleave(order, dim=0), t.repeat(len(rule.points))[:, None]], dim=1
    )
    return Rule(points, (rule.weights[:, None] * w).reshape(-1))


@dataclass(frozen=True, repr=False)
class Cylinder(Domain):
    """Space–time cylinder {(x, t) : x in space, t0 < t < t1}; the last coordinate is t.

    Its `boundary` is the lateral boundary; `initial` and `final` are its ends. Places of the space domain
    stand for these places at all times.
    """

    space: Domain
    time: TimeInterval

    def __post_init__(self):
        if isinstance(self.space, Cylinder):
            message = (
                f"{self.space} has a time axis already, expected a domain in space times a TimeInterval."
            )
            raise ProblemError(message)

    def __repr__(self) -> str:
        return f"{self.space} * {self.time}"

    def __str__(self) -> str:
        return f"({self!r})"

    @property
    def files(self) -> tuple[Path, ...]:
        """Those of the space domain."""
        return self.space.files

    @cached_property
    def bounds(self) -> Tensor:
        """Bounding box in space and time, (2, d)."""
        t = torch.tensor([[self.time.t0], [self.time.t1]], dtype=torch.float64)
        return torch.cat([self.space.bounds, t], dim=1)

    @property
    def in_space(self) -> Domain:
        """The space domain."""
        return self.space

    @property
    def space_dimension(self) -> int:
        """Number of space coordinates."""
        return self.space.dimension

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Space coordinates and t."""
        return (*self.space_coordinates, "t")

    @cached_property
    def rotation(self) -> Tensor:
        """Frame of the space domain."""
        return self.space.rotation

    def moved(self, motion: Motion) -> Domain:
        """Refuse: lengths and times have no common motion.

        Raises:
            ProblemError: always.
        """
        del motion
        message = (
            f"{self} was to be moved; move the domain in space first, then multiply by its TimeInterval."
        )
        raise ProblemError(message)

    def level(self, x: Tensor) -> Tensor:
        """max(level in space, |t - middle| - half length)."""
        t = x[:, -1]
        return torch.maximum(self.space.level(x[:, :-1]), torch.maximum(self.time.t0 - t, t - self.time.t1))

    @cached_property
    def time_ends(self) -> tuple[TimeEnd, TimeEnd]:
        """Surfaces at the first and last time."""
        return TimeEnd(self.space, self.time, False), TimeEnd(self.space, self.time, True)

    @cached_property
    def surfaces(self) -> tuple[Surface, ...]:
        """Lateral surfaces, then both ends."""
        return (*(Lateral(s, self.time) for s in self.space.surfaces), *self.time_ends)

    def trims(self, surface: Surface) -> bool:
        """Tell what is trimmed: the surfaces that are in space, and the ends unless the space domain is a box."""
        if isinstance(surface, Lateral):
            return self.space.trims(surface.base)
        return not isinstance(self.space, AxisAlignedBox)

    def cuts(self, surface: Surface):
        """Return the levels in space; the ends are cut by the whole boundary in space, unless it is a box."""
        if isinstance(surface, Lateral):
            levels = self.space.cuts(surface.base)
        elif isinstance(self.space, AxisAlignedBox):
            levels = ()
        else:
            levels = tuple(leaf.level for leaf in self.space.leaves)
        return tuple((lambda x, level=level: level(x[:, :-1])) for level in levels)

    @property
    def initial(self) -> Boundary:
        """All of space at t = t0."""
        return Boundary(self, ("initial",), "initial")

    @property
    def final(self) -> Boundary:
        """All of space at t = t1."""
        return Boundary(self, ("final",), "final")

    def rule(self, order: int) -> Rule:
        """Rule in space times Gauss in time."""
        return times_time(self.space.rule(order), self.time, order)

    def rule_through(self, point: tuple[float, ...], order: int) -> Rule:
        """Return Gauss points in time at one point of space."""
        return times_time(self.space.rule_through(point, order), self.time, order)

    def boundary_fitted(self, n: int) -> Tensor:
        """Boundary-fitted in space times evenly spaced in time: lengths and times have no common unit."""
        steps = max(1, round(n ** (1 / self.dimension)))
        x = self.space.boundary_fitted(max(1, round(n / steps)))
        t = self.time.t0 + self.time.length * (torch.arange(steps, dtype=torch.float64) + 0.5) / steps
        return torch.cat([x.repeat(steps, 1), t.repeat_interleave(len(x))[:, None]], dim=1)

    @property
    def measure(self) -> float:
        """Measure in space times the length of the time interval."""
        return self.space.measure * self.time.length
