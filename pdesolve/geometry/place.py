"""Places: what the argument `on=` of a condition accepts."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.geometry.coordinates import finite_numbers, named_coordinates
from pdesolve.geometry.piece import CLOSED, PROBE, Piece, assemble
from pdesolve.geometry.rules import boundary_rule
from pdesolve.geometry.surface import DomainLike, Surface


class BoundaryRule(NamedTuple):
    """Rule ∫ f dS ≈ Σ_n weights[n] f(points[n]).

    Points (n, d), unit outward normals (n, d), weights (n,), and the number of the piece (n,) in `pieces_on`.
    """

    points: Tensor
    normals: Tensor
    weights: Tensor
    piece_index: Tensor


@dataclass(frozen=True)
class Filter:
    """A predicate of some of the coordinates, by name."""

    predicate: Callable[..., Tensor]
    coordinates: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the coordinates that the predicate asks for."""
        return tuple(inspect.signature(self.predicate).parameters)

    def __call__(self, x: Tensor) -> Tensor:
        """Return the truth values (n,) at points x (n, d)."""
        known = named_coordinates(x, self.coordinates)
        for name in self.names:
            if name not in known:
                message = (
                    f"the predicate of where(…) asks for {name!r}, "
                    f"but the coordinates are {', '.join(self.coordinates)}."
                )
                raise ProblemError(message)
        try:
            value = torch.as_tensor(self.predicate(**{name: known[name] for name in self.names}))
        except Exception as error:
            message = (
                f"the predicate of where(…) failed: {type(error).__name__}: {error}; coordinates arrive as tensors, "
                "one number per point: write it like `lambda x, y: (x < 0.5) & (y > 0)`."
            )
            raise ProblemError(message) from error
        if value.dtype != torch.bool or value.shape not in ((), (len(x),)):
            message = (
                f"the predicate of where(…) returned {value.dtype} of shape {tuple(value.shape)}, expected "
                f"one truth value for each of {len(x)} points; write it like `lambda x: x < 0.5`."
            )
            raise ProblemError(message)
        return value.expand(len(x))


class Place(ABC):
    """A part of the boundary, or a point: what `on=` accepts."""

    @property
    @abstractmethod
    def name(self) -> str:
        """A readable name."""

    @abstractmethod
    def pieces_on(self, domain: DomainLike) -> tuple[Piece, ...]:
        """Return the pieces of the domain's boundary that belong to this place; none if it meets none."""

    def rule(self, domain: DomainLike, order: int) -> BoundaryRule:
        """Return a quadrature rule on the part of the domain's boundary that belongs to this place."""
        return join_rules([piece.rule(order) for piece in self.pieces_on(domain)], domain.dimension)

    def sample(self, domain: DomainLike, n: int, seed: int = 0) -> BoundaryRule:
        """Return about n points of equal weight: evenly spaced by arc length on curves, Sobol on surfaces."""
        pieces = self.pieces_on(domain)
        return join_rules(boundary_rule.spread(pieces, n, seed), domain.dimension)

    def meets(self, domain: DomainLike) -> bool:
        """Tell whether any part of the domain's boundary belongs to this place."""
        return bool(self.pieces_on(domain))

    def where(self, predicate: Callable[..., Tensor]) -> "Place":
        """Return the part of this place where a predicate of the coordinates, taken by name, holds.

        For example `disk.boundary.where(lambda x, y: x < y)`.
        """
        return Filtered(self, predicate)

    def __or__(self, other: "Place") -> "Place":
        if not isinstance(other, Place):
            return NotImplemented
        return Joined((self, other))

    def __str__(self) -> str:
        return self.name


def join_rules(parts: list[tuple[Tensor, Tensor, Tensor]], dimension: int) -> BoundaryRule:
    """Concatenate (points, normals, weights) of several pieces."""
    empty = torch.zeros(0, dimension, dtype=torch.float64)
    parts = parts or [(empty, empty, empty[:, 0])]
    index = torch.cat([torch.full((len(weights),), i) for i, (_, _, weights) in enumerate(parts)])
    points, normals, weights = (torch.cat(column) for column in zip(*parts, strict=True))
    return BoundaryRule(points, normals, weights, index)


@dataclass(frozen=True)
class Boundary(Place):
    """The boundary of `source`, or those of its surfaces that are named in `faces`."""

    source: DomainLike
    faces: tuple[str, ...] | None = None
    label: str = "boundary"

    @property
    def name(self) -> str:
        """Such as "Rectangle((0, 0), (1, 1)).left"."""
        return f"{self.source}.{self.label}"

    def pieces_on(self, domain: DomainLike) -> tuple[Piece, ...]:
        """Select by owner; where `source` is a set operation, only what is boundary of it as well."""
        owners = {s.owner for s in self.source.surfaces if self.faces is None or s.name in self.faces}
        if self.faces is None:
            # "The boundary" of a cylinder is the lateral one; its ends are `initial` and `final`.
            owners -= {s.owner for s in self.source.time_ends}
        chosen = [s for s in domain.surfaces if s.owner in owners]
        return assemble((Piece(s, domain, filters=self._belongs(s, domain)) for s in chosen), domain.pieces)

    def _belongs(self, surface: Surface, domain: DomainLike) -> tuple[Callable[[Tensor], Tensor], ...]:
        own = {s.owner: s for s in self.source.surfaces}[surface.owner]
        if self.source in (domain, domain.in_space) or not self.source.trims(own):
            return ()
        piece = Piece(own, self.source)
        return (lambda x: piece.active(x[:, : self.source.dimension]),)


@dataclass(frozen=True)
class Filtered(Place):
    """The part of a place where a predicate holds."""

    place: Place
    predicate: Callable[..., Tensor]

    @property
    def name(self) -> str:
        """Such as "Disk((0, 0), 1).boundary where f(x, y)"."""
        function = getattr(self.predicate, "__name__", "predicate")
        function = "condition" if function == "<lambda>" else function
        return (
            f"{self.place.name} where {function}({', '.join(inspect.signature(self.predicate).parameters)})"
        )

    def _filter(self, domain: DomainLike) -> Filter:
        return Filter(self.predicate, domain.coordinates)

    def pieces_on(self, domain: DomainLike) -> tuple[Piece, ...]:
        """Return the pieces of the place, with the predicate in `active`."""
        test = self._filter(domain)
        return assemble(replace(p, filters=(*p.filters, test)) for p in self.place.pieces_on(domain))

    def rule(self, domain: DomainLike, order: int) -> BoundaryRule:
        """Filter the rule of a point; on curves and surfaces the pieces carry the filter already."""
        if not self.place.pieces_on(domain):
            rule = self.place.rule(domain, order)
            keep = self._filter(domain)(rule.points)
            return BoundaryRule(*(column[keep] for column in rule))
        return super().rule(domain, order)


@dataclass(frozen=True)
class Joined(Place):
    """Several places together; where they overlap, the first counts."""

    places: tuple[Place, ...]

    @property
    def name(self) -> str:
        """Their names, joined."""
        return " | ".join(place.name for place in self.places)

    def pieces_on(self, domain: DomainLike) -> tuple[Piece, ...]:
        """Return the pieces of all places, every point of the boundary in one of them only."""
        return assemble(piece for place in self.places for piece in place.pieces_on(domain))

    def rule(self, domain: DomainLike, order: int) -> BoundaryRule:
        """Return the rule of the pieces, then the points."""
        parts = [piece.rule(order) for piece in self.pieces_on(domain)]
        parts += [place.rule(domain, order)[:3] for place in self.places if not place.pieces_on(domain)]
        return join_rules(parts, domain.dimension)

    def where(self, predicate: Callable[..., Tensor]) -> "Place":
        """Filter each of the places."""
        return Joined(tuple(place.where(predicate) for place in self.places))

    def meets(self, domain: DomainLike) -> bool:
        """Tell whether any of the places meets the domain."""
        return any(place.meets(domain) for place in self.places)


class Point(Place):
    """One point of the closed domain; in a space–time cylinder, this point at all times.

    Its rule has weight 1 (times the Gauss weights in time) and zero normals; it has no pieces.

    Raises:
        ProblemError: the coordinates are not finite numbers.
    """

    def __init__(self, coordinates):
        self.coordinates = finite_numbers(coordinates, "Point")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and self.coordinates == other.coordinates

    def __hash__(self) -> int:
        return hash(("Point", self.coordinates))

    def __repr__(self) -> str:
        return f"Point({', '.join(f'{c:g}' for c in self.coordinates)})"

    @property
    def name(self) -> str:
        """Such as "point (0, 0)"."""
        return f"point ({', '.join(f'{c:g}' for c in self.coordinates)})"

    def pieces_on(self, domain: DomainLike) -> tuple[Piece, ...]:
        """Return none: a point is no piece of a boundary; use `rule`."""
        del domain
        return ()

    def rule(self, domain: DomainLike, order: int) -> BoundaryRule:
        """Return the point, or its line through time; nothing if the closed domain does not contain it.

        Raises:
            ProblemError: it has another number of coordinates than the domain.
        """
        if len(self.coordinates) != domain.space_dimension:
            message = (
                f"{self.name} has {len(self.coordinates)} coordinates, expected {domain.space_dimension} "
                f"({', '.join(domain.space_coordinates)}) for a condition on {domain}."
            )
            raise ProblemError(message)
        points, weights = domain.rule_through(self.coordinates, order)
        # A corner or an edge may be off by rounding and is a point of the closed domain still.
        keep = domain.contains(points, CLOSED * PROBE * float((domain.bounds[1] - domain.bounds[0]).norm()))
        kept = points[keep]
        return join_rules([(kept, torch.zeros_like(kept), weights[keep])], domain.dimension)

    def sample(self, domain: DomainLike, n: int, seed: int = 0) -> BoundaryRule:
        """Return the rule of n points in time."""
        del seed
        return self.rule(domain, n)

    def meets(self, domain: DomainLike) -> bool:
        """Tell whether the closed domain contains the point."""
        return len(self.rule(domain, 1).weights) > 0
