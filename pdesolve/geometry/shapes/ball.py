"""Disk and Ball."""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.geometry.coordinates import as_written, finite_numbers
from pdesolve.geometry.domain import Domain
from pdesolve.geometry.motion import Motion
from pdesolve.geometry.rules.boundary_rule import sobol_size
from pdesolve.geometry.surfaces import Sphere
from pdesolve.quadrature import Rule, gauss_legendre, sobol, tensor_rule


@dataclass(frozen=True, repr=False)
class Round(Domain):
    """{x : |x - centre| < radius}; subclasses are its names in two and in more dimensions."""

    centre: tuple[float, ...]
    radius: float

    def _set(self) -> None:
        what = type(self).__name__
        centre = finite_numbers(self.centre, what)
        radius = finite_numbers(self.radius, what)
        if len(radius) != 1 or not radius[0] > 0:
            message = f"{what} received the radius {self.radius!r}, expected one number above zero."
            raise ProblemError(message)
        object.__setattr__(self, "centre", centre)
        object.__setattr__(self, "radius", radius[0])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({as_written(self.centre)}, {self.radius:g})"

    @cached_property
    def bounds(self) -> Tensor:
        """Centre ± radius, (2, d)."""
        centre = torch.tensor(self.centre, dtype=torch.float64)
        return torch.stack([centre - self.radius, centre + self.radius])

    def level(self, x: Tensor) -> Tensor:
        """Return the signed distance |x - centre| - radius."""
        square = torch.zeros_like(x[:, 0])
        for i, c in enumerate(self.centre):
            square = square + (x[:, i] - c) ** 2
        return square.sqrt() - self.radius

    @cached_property
    def surfaces(self) -> tuple[Sphere, ...]:
        """One sphere (a circle in the plane)."""
        name = "circle" if len(self.centre) == 2 else "sphere"
        return (Sphere((self, name), self.centre, self.radius),)

    @property
    def measure(self) -> float:
        """π^{d/2} r^d / Γ(d/2 + 1)."""
        d = len(self.centre)
        return math.pi ** (d / 2) * self.radius**d / math.gamma(d / 2 + 1)

    def rule(self, order: int) -> Rule:
        """Gauss in the radius times a rule on the sphere; from four dimensions on order³ Sobol points."""
        d = len(self.centre)
        if d > 3:
            return self._sobol_rule(order)
        r, w = gauss_legendre(order, 0.0, self.radius)
        turn = torch.arange(2 * order + 1, dtype=torch.float64) * (2 * math.pi / (2 * order + 1))
        around = (turn, torch.full_like(turn, 2 * math.pi / len(turn)))
        if d == 2:
            # ∫ f r dr dφ, with equally spaced angles: exact for trigonometric degree 2 order.
            p, weights = tensor_rule((r, w * r), around)
            offset = p[:, :1] * torch.stack([p[:, 1].cos(), p[:, 1].sin()], dim=1)
        else:
            # ∫ f r² dr d(cos θ) dφ: Gauss in cos θ takes the sine of the area element with it.
            p, weights = tensor_rule((r, w * r**2), gauss_legendre(order), around)
            rho = (1 - p[:, 1] ** 2).sqrt()
            offset = p[:, :1] * torch.stack([rho * p[:, 2].cos(), rho * p[:, 2].sin(), p[:, 1]], dim=1)
        return Rule(offset + torch.tensor(self.centre, dtype=torch.float64), weights)

    def moved(self, motion: Motion) -> Domain:
        """Return the image, of the same kind."""
        return type(self)(motion.of(self.centre)[0], motion.scale * self.radius)

    def _sobol_rule(self, order: int) -> Rule:
        points = self.bounds[0] + 2 * self.radius * sobol(sobol_size(order), len(self.centre))
        points = points[self.level(points) < 0]
        return Rule(points, torch.full((len(points),), self.measure / len(points), dtype=torch.float64))


@dataclass(frozen=True, repr=False)
class Disk(Round):
    """Disk in the plane.

    Raises:
        ProblemError: the centre has not two finite coordinates, or the radius is not positive.

    >>> round(Disk((0, 0), 2).measure, 6)
    12.566371
    """

    centre: tuple[float, float]
    radius: float

    def __post_init__(self):
        self._set()
        if len(self.centre) != 2:
            message = (
                f"Disk received a centre with {len(self.centre)} coordinates, expected 2; see also Ball."
            )
            raise ProblemError(message)


@dataclass(frozen=True, repr=False)
class Ball(Round):
    """Ball in three or more dimensions.

    Raises:
        ProblemError: the centre has fewer than three finite coordinates, or the radius is not positive.

    >>> round(Ball((0, 0, 0), 1).measure, 6)
    4.18879
    """

    centre: tuple[float, ...]
    radius: float

    def __post_init__(self):
        self._set()
        if len(self.centre) < 3:
            message = (
                f"Ball received a centre with {len(self.centre)} coordinates, expected at least 3; "
                f"use Interval(a, b) in one dimension and Disk(centre, radius) in two."
            )
            raise ProblemError(message)
