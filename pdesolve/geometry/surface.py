"""What a surface is, and the little that surfaces and quadrature rules know of pieces and domains."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from pdesolve.quadrature import Rule

SAME = 1e-10  # relative distance below which two carriers (planes, spheres) are the same


class Surface(ABC):
    """One smooth hypersurface; `owner` = (shape, name) is equal exactly for the same part of equal shapes."""

    owner: tuple[Any, str]

    @property
    @abstractmethod
    def dimension(self) -> int:
        """Number of coordinates d; the surface has d - 1 parameters."""

    @property
    def plane(self) -> tuple[int, float] | None:
        """The hyperplane (axis, value) in which the surface lies, if that is normal to an axis."""
        return None

    @property
    def continuous(self) -> bool:
        """Whether the map is; if not, predicates only select points of `whole_rule`."""
        return True

    @property
    def breaks(self) -> tuple[float, ...]:
        """Values of the first parameter that no panel of a rule may span."""
        return (0.0, 1.0)

    @property
    def name(self) -> str:
        """What the shape calls this part of its boundary."""
        return self.owner[1]

    @property
    def periodic(self) -> tuple[bool, ...]:
        """Tell for each parameter whether the surface closes upon itself."""
        return (False,) * (self.dimension - 1)

    @abstractmethod
    def map(self, parameters: Tensor) -> Tensor:
        """Return the points (n, d) of the parameters (n, d-1)."""

    @abstractmethod
    def normal_at(self, x: Tensor) -> Tensor:
        """Return the shape's unit outward normals (n, d) at points x (n, d) of the surface."""

    @abstractmethod
    def area(self, parameters: Tensor) -> Tensor:
        """Return the area element (n,): area of the image of a unit of parameter volume."""

    def carrier(self) -> tuple[str, tuple[float, ...]]:
        """Return the set it lies in: a plane (normal, offset), a sphere (centre, radius), or else itself.

        Itself is said by the coordinates of some of its points: two surfaces of other kinds can coincide
        only if they are the same.
        """
        axis = torch.linspace(0, 1, 7, dtype=torch.float64)
        grid = torch.cartesian_prod(*[axis] * (self.dimension - 1)).reshape(-1, self.dimension - 1)
        return type(self).__name__, tuple(self.map(grid).reshape(-1).tolist())

    def distance(self, x: Tensor) -> Tensor:
        """Return the distances (n,) of points x (n, d) from the plane, sphere or curve in which it lies."""
        kind, values = self.carrier()
        if kind in ("plane", "sphere"):
            numbers = x.new_tensor(values)
            centre, size = numbers[:-1], numbers[-1]
            height = x @ centre if kind == "plane" else (x - centre).norm(dim=1)
            return (height - size).abs()
        return (x - self.nearest(x)[0]).norm(dim=1)

    def whole_rule(self, order: int) -> Rule | None:
        """Return a rule on all of it that is boundary of its shape, if it has a better one than its parameters."""
        del order
        return None

    def rule(self, piece: "PieceLike", order: int) -> Rule | None:
        """Return the surface's own rule on a piece of it, or None where the rules for all surfaces serve."""
        del piece, order
        return None

    def is_empty(self, piece: "PieceLike") -> bool | None:
        """Tell whether no part of a piece is boundary, or return None where sampling has to tell."""
        del piece
        return None

    def foot(self, x: Tensor) -> Tensor:
        """Return the parameters (n,) of the nearest points of a plane curve to points x (n, 2)."""
        message = f"{type(self).__name__} is no plane curve"
        raise NotImplementedError(message)

    def nearest(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the nearest points of a plane curve to points x (n, 2), and the normals there."""
        point = self.map(self.foot(x)[:, None])
        return point, self.normal_at(point)

    def covers(self, x: Tensor) -> Tensor:
        """Tell which points x (n, d) of its carrier it contains, ends included."""
        return torch.ones(len(x), dtype=torch.bool)

    def coincides(self, other: "Surface") -> bool:
        """Tell whether both lie in the same plane or sphere, so that they may overlap."""
        kind, a = self.carrier()
        other_kind, b = other.carrier()
        if kind != other_kind or len(a) != len(b):
            return False
        size = max(map(abs, a))
        if kind != "plane":
            return _equal(a, b, SAME * size)
        # A unit normal gives planes the scale 1, also those through the origin; (n, c) and (-n, -c) are one plane.
        tolerance = SAME * max(1.0, size)
        return _equal(a, b, tolerance) or _equal(a, tuple(-value for value in b), tolerance)


def _equal(a: Sequence[float], b: Sequence[float], tolerance: float) -> bool:
    return all(abs(p - q) <= tolerance for p, q in zip(a, b, strict=True))


class DomainLike(Protocol):
    """What pieces, places and rules know of a domain; `Domain` says what each of these is."""

    @property
    def bounds(self) -> Tensor:
        """Lower and upper corner of the bounding box, (2, d)."""

    @property
    def surfaces(self) -> Sequence[Surface]:
        """Untrimmed surfaces in which the whole boundary lies."""

    @property
    def time_ends(self) -> Sequence[Surface]:
        """Surfaces at the first and last time; none without time."""

    @property
    def leaves(self) -> Sequence["DomainLike"]:
        """The simple shapes that it is made of."""

    @property
    def pieces(self) -> Sequence["PieceLike"]:
        """Smooth pieces of the whole boundary."""

    @property
    def in_space(self) -> "DomainLike":
        """The domain in space: itself, unless it is a space–time cylinder."""

    @property
    def dimension(self) -> int:
        """Number of coordinates d, time included."""

    @property
    def space_dimension(self) -> int:
        """Number of space coordinates."""

    @property
    def space_coordinates(self) -> tuple[str, ...]:
        """Names of the space coordinates."""

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names of all coordinates."""

    @property
    def measure(self) -> float:
        """Length, area, volume."""

    @property
    def rotation(self) -> Tensor:
        """Orthogonal matrix whose columns are the axes along which most of the boundary lies."""

    @property
    def rounding(self) -> float:
        """Level below which a point is on the boundary to rounding."""

    def level(self, x: Tensor) -> Tensor:
        """Return a function (n,) of points x (n, d), < 0 inside and > 0 outside."""

    def contains(self, x: Tensor, tolerance: float = 0.0) -> Tensor:
        """Tell which points x (n, d) have level ≤ tolerance."""

    def cuts(self, surface: Surface) -> Sequence[Callable[[Tensor], Tensor]]:
        """Return level functions whose zeros may trim one of its surfaces."""

    def trims(self, surface: Surface) -> bool:
        """Tell whether some of one of its surfaces may be no boundary."""

    def rule_through(self, point: tuple[float, ...], order: int) -> Rule:
        """Return the rule of a single space point."""

    def boundary_fitted(self, n: int) -> Tensor:
        """Return about n points of a grid that keeps clear of the boundary."""


class PieceLike(Protocol):
    """What rules and surfaces know of a piece; `Piece` says what each of these is."""

    @property
    def surface(self) -> Surface:
        """The untrimmed surface in which it lies."""

    @property
    def domain(self) -> DomainLike:
        """The domain that it bounds."""

    @property
    def hidden_by(self) -> Sequence["PieceLike"]:
        """Earlier pieces which count where they overlap with it."""

    @property
    def filters(self) -> Sequence[Callable[[Tensor], Tensor]]:
        """Predicates (n, d) → (n,), all of which hold on it."""

    @property
    def owner(self) -> tuple[Any, str]:
        """(shape, name) of the part from which it comes."""

    @property
    def dimension(self) -> int:
        """Number of coordinates d; it has d - 1 parameters."""

    @property
    def trimmed(self) -> bool:
        """Whether some of the surface may be no boundary."""

    @property
    def intervals(self) -> Tensor:
        """Parameter intervals (e, 2) of a curve that are boundary."""

    def map(self, parameters: Tensor) -> Tensor:
        """Return the points (n, d) of parameters (n, d-1)."""

    def area(self, parameters: Tensor) -> Tensor:
        """Return the area element (n,)."""

    def normal_at(self, x: Tensor) -> Tensor:
        """Return unit normals (n, d) out of the domain at points x (n, d)."""

    def active(self, x: Tensor) -> Tensor:
        """Tell which points x (n, d) of the surface are boundary and pass the filters."""

    def claims(self, x: Tensor) -> Tensor:
        """Tell which points x (n, d) of its carrier lie on its surface and pass its filters."""
