"""Domain: what every shape, set operation and space–time cylinder has in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.geometry.coordinates import coordinate_names
from pdesolve.geometry.motion import Motion, rotating, scaling, translation
from pdesolve.geometry.piece import Piece, assemble
from pdesolve.geometry.place import Boundary
from pdesolve.geometry.rules import samplers
from pdesolve.geometry.surface import Surface
from pdesolve.quadrature import Rule

Made = TypeVar("Made", bound=type)
Product = TypeVar("Product", covariant=True)
# What `-`, `|`, `&` and `moved` make of domains, entered by the modules in which the results are defined: these
# know `Domain`, so it cannot know them.
OPERATIONS: dict[str, Callable[..., "Domain"]] = {}
# Names that shapes give to their faces: what lacks one says how parts are taken instead.
FACES = ("left", "right", "bottom", "top", "back", "front", "inner", "outer", "arc", "edges", "faces")


def operation(symbol: str) -> Callable[[Made], Made]:
    """Enter a class of domains as the one that an operator makes."""

    def enter(made: Made) -> Made:
        OPERATIONS[symbol] = made
        return made

    return enter


class Multiplier(Protocol[Product]):
    """What a domain can be multiplied by: a `TimeInterval`."""

    def times_space(self, space: "Domain") -> Product:
        """Return the product of a domain in space with this."""


class PartError(ProblemError, AttributeError):
    """A face was asked for that a domain does not have."""


class Domain(ABC):
    """A bounded open set of ℝ^d, given by a level function and by the smooth pieces of its boundary.

    Domains are values: two with the same numbers are equal, and so are their places. Everything that takes
    time is computed on first use. Tensors are float64 on the CPU.
    """

    @property
    @abstractmethod
    def bounds(self) -> Tensor:
        """Lower and upper corner of the bounding box, (2, d)."""

    @property
    @abstractmethod
    def surfaces(self) -> tuple[Surface, ...]:
        """Untrimmed surfaces in which the whole boundary lies."""

    @abstractmethod
    def level(self, x: Tensor) -> Tensor:
        """Return a continuous function (n,) of points x (n, d), < 0 inside and > 0 outside.

        Its Lipschitz constant is 1. Near the boundary it is the signed distance, except beside corners and
        seams of set operations.
        """

    @abstractmethod
    def rule(self, order: int) -> Rule:
        """Return an interior quadrature rule with about `order` points on each axis of each panel."""

    @property
    @abstractmethod
    def measure(self) -> float:
        """Length, area, volume."""

    @property
    def leaves(self) -> tuple["Domain", ...]:
        """The simple shapes that it is made of."""
        return (self,)

    @property
    def files(self) -> tuple[Path, ...]:
        """Files that it was read from: a saved solution keeps copies of them."""
        return tuple(dict.fromkeys(file for leaf in self.leaves if leaf is not self for file in leaf.files))

    def cuts(self, surface: Surface) -> tuple[Callable[[Tensor], Tensor], ...]:
        """Return level functions whose zeros may trim one of its surfaces; none if all of it is boundary."""
        del surface
        return ()

    def trims(self, surface: Surface) -> bool:
        """Tell whether some of one of its surfaces may be no boundary."""
        return bool(self.cuts(surface))

    @property
    def dimension(self) -> int:
        """Number of coordinates d, time included."""
        return self.bounds.shape[1]

    @property
    def in_space(self) -> "Domain":
        """The domain in space: itself, unless it is a space–time cylinder."""
        return self

    @property
    def time_ends(self) -> tuple[Surface, ...]:
        """Surfaces at the first and last time; none without time."""
        return ()

    @property
    def space_dimension(self) -> int:
        """Number of space coordinates."""
        return self.dimension

    @property
    def space_coordinates(self) -> tuple[str, ...]:
        """Names of the space coordinates."""
        return coordinate_names(self.space_dimension)

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names of all coordinates; the last is t in a space–time cylinder."""
        return self.space_coordinates

    @cached_property
    def rotation(self) -> Tensor:
        """Orthogonal matrix whose columns are the axes along which most of the boundary lies.

        Coordinates in that frame are `x @ rotation`, and `y @ rotation.T` goes back.
        """
        return torch.eye(self.space_dimension, dtype=torch.float64)

    @property
    def rounding(self) -> float:
        """Level below which a point is on the boundary (or on a seam of a union) to rounding."""
        return 1e-12 * float((self.bounds[1] - self.bounds[0]).norm())

    def contains(self, x: Tensor, tolerance: float = 0.0) -> Tensor:
        """Tell which points x (n, d) have level ≤ tolerance, booleans (n,)."""
        return self.level(x) <= tolerance

    def rule_through(self, point: tuple[float, ...], order: int) -> Rule:
        """Return the rule of a single space point: itself, or Gauss points in time for a cylinder."""
        del order
        return Rule(torch.tensor([point], dtype=torch.float64), torch.ones(1, dtype=torch.float64))

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """Smooth pieces of the whole boundary."""
        return assemble(Piece(surface, self) for surface in self.surfaces)

    @property
    def boundary(self) -> Boundary:
        """All of the boundary, as a place for conditions (of a cylinder: the lateral boundary)."""
        return Boundary(self)

    @property
    def part_names(self) -> tuple[str, ...]:
        """Names of the parts of its boundary, as `part` takes them."""
        return tuple(dict.fromkeys(surface.name for surface in self.surfaces))

    def part(self, *names: str) -> Boundary:
        """Return the parts of its boundary with these names as a place, such as `sector.part("arc")`.

        Raises:
            ProblemError: it has no part of such a name.
        """
        for name in names or ("",):
            if name not in self.part_names:
                message = (
                    f"{self} has no part {name!r}; its parts are {', '.join(map(repr, self.part_names))}."
                )
                raise ProblemError(message)
        return Boundary(self, names, " and ".join(names))

    def sample(self, n: int, sampler: str = "sobol", seed: int = 0) -> Tensor:
        """Return points (n', d) strictly inside, n' = n for the random samplers and about n for grids.

        Args:
            n: how many points.
            sampler: "uniform", "sobol", "gauss", "chebyshev" or "boundary-fitted".
            seed: of the random samplers.

        Raises:
            UsageError: no such sampler, or n is not positive.
        """
        return samplers.sample(self, n, sampler, seed)

    def boundary_fitted(self, n: int) -> Tensor:
        """Return about n points of a uniform grid, none of them much nearer to the boundary than half its spacing."""
        return samplers.fitted_grid(self, n)

    def __sub__(self, other: "Domain") -> "Domain":
        return self._combined("-", other)

    def __or__(self, other: "Domain") -> "Domain":
        return self._combined("|", other)

    def __and__(self, other: "Domain") -> "Domain":
        return self._combined("&", other)

    def _combined(self, symbol: str, other: "Domain") -> "Domain":
        if not isinstance(other, Domain):
            message = f"{self} {symbol} {other!r} was written, expected another domain on the right."
            raise ProblemError(message)
        return OPERATIONS[symbol](self, other)

    def moved(self, motion: Motion) -> "Domain":
        """Return the image of the domain under a rotation, translation and scaling."""
        return OPERATIONS["moved"](self, motion)

    def translated(self, offset) -> "Domain":
        """Return the domain moved by a vector, such as `disk.translated((1, 0))`."""
        return self.moved(translation(self, offset))

    def scaled(self, factor: float, about=None) -> "Domain":
        """Return the domain scaled by a factor about a point (default: the origin)."""
        return self.moved(scaling(self, factor, about))

    def rotated(self, angle: float, about=None, axis="z") -> "Domain":
        """Return the domain turned by an angle in radians about a point (default: the origin).

        In space it turns about the axis through that point: "x", "y", "z" or a vector.
        """
        return self.moved(rotating(self, angle, about, axis))

    def __mul__(self, time: Multiplier[Product]) -> Product:
        if not hasattr(time, "times_space"):
            message = f"{self} * {time!r} was written, expected {self} * TimeInterval(t0, t1)."
            raise ProblemError(message)
        return time.times_space(self)

    def __getattr__(self, name: str):
        if name not in FACES:
            return object.__getattribute__(
                self, name
            )  # raises what Python says, from inside of properties, too
        parts = ", ".join(map(repr, self.part_names[:8]))
        message = (
            f"{self} has no face '{name}'. Parts of its boundary are taken by name, domain.part({parts}), by place, "
            "domain.boundary.where(lambda …), or from the shape that it was made of, such as square.left."
        )
        raise PartError(message)

    def __reduce__(self):
        # Only the defining numbers travel; what was cached is computed again.
        return type(self), tuple(getattr(self, field.name) for field in fields(self))

    def __str__(self) -> str:
        return repr(self)
