"""The image of any domain under a rotation, translation and scaling."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pdesolve.geometry.domain import Domain, operation
from pdesolve.geometry.motion import Motion
from pdesolve.geometry.surface import Surface
from pdesolve.quadrature import Rule

GRID = 65  # parameters on each axis that start the search for a bounding box
ZOOMS = 16  # each to a third


@dataclass(frozen=True)
class MovedSurface(Surface):
    """The image of a surface."""

    owner: tuple[Any, str]
    base: Surface
    motion: Motion

    @property
    def dimension(self) -> int:
        """Number of coordinates d."""
        return self.base.dimension

    @property
    def breaks(self) -> tuple[float, ...]:
        """Unchanged by the motion."""
        return self.base.breaks

    @property
    def continuous(self) -> bool:
        """Unchanged by the motion."""
        return self.base.continuous

    @property
    def periodic(self) -> tuple[bool, ...]:
        """Unchanged by the motion."""
        return self.base.periodic

    @property
    def plane(self) -> tuple[int, float] | None:
        """The hyperplane (axis, value) if it is parallel to an axis still."""
        kind, values = self.carrier()
        for axis in range(self.dimension if kind == "plane" else 0):
            if abs(values[axis]) == 1.0:
                return axis, values[-1] * values[axis]
        return None

    def map(self, parameters: Tensor) -> Tensor:
        """Return the image of the surface's map."""
        return self.motion(self.base.map(parameters))

    def normal_at(self, x: Tensor) -> Tensor:
        """R n."""
        return self.motion.turn(self.base.normal_at(self.motion.back(x)))

    def area(self, parameters: Tensor) -> Tensor:
        """Return the area element times scale^{d-1}."""
        return self.base.area(parameters) * self.motion.scale ** (self.dimension - 1)

    def whole_rule(self, order: int) -> Rule | None:
        """Return the image of the surface's rule."""
        rule = self.base.whole_rule(order)
        if rule is None:
            return None
        return Rule(self.motion(rule.points), rule.weights * self.motion.scale ** (self.dimension - 1))

    def foot(self, x: Tensor) -> Tensor:
        """Return the parameters of the nearest points of a plane curve."""
        return self.base.foot(self.motion.back(x))

    def carrier(self) -> tuple[str, tuple[float, ...]]:
        """Return the image of a plane or sphere; anything else coincides only with itself."""
        kind, values = self.base.carrier()
        vector, last = torch.tensor([values[:-1]], dtype=torch.float64), values[-1]
        if kind == "plane":
            normal = self.motion.turn(vector)[0]
            offset = self.motion.scale * last + float(
                normal @ torch.tensor(self.motion.shift, dtype=torch.float64)
            )
            return kind, (*normal.tolist(), offset)
        if kind == "sphere":
            return kind, (*self.motion(vector)[0].tolist(), self.motion.scale * last)
        return super().carrier()

    def distance(self, x: Tensor) -> Tensor:
        """Return the distances before the motion, scaled."""
        return self.motion.scale * self.base.distance(self.motion.back(x))

    def covers(self, x: Tensor) -> Tensor:
        """Unchanged by the motion."""
        return self.base.covers(self.motion.back(x))


def _bounds(surfaces: tuple[Surface, ...]) -> Tensor:
    """Bounding box of surfaces: the best of a grid of parameters, then of ever smaller grids about it."""
    corners = []
    for surface in surfaces:
        k, d = surface.dimension - 1, surface.dimension
        start = torch.cartesian_prod(*[torch.linspace(0, 1, GRID, dtype=torch.float64)] * k).reshape(-1, k)
        nearby = torch.cartesian_prod(*[torch.linspace(-1, 1, 9, dtype=torch.float64)] * k).reshape(-1, k)
        for axis in range(d):
            for sign in (-1.0, 1.0):
                best, reach = start[(sign * surface.map(start)[:, axis]).argmax()], 1.0 / (GRID - 1)
                for _ in range(ZOOMS):
                    t = (best + reach * nearby).clamp(0, 1)
                    best, reach = t[(sign * surface.map(t)[:, axis]).argmax()], reach / 3
                corners.append(surface.map(best[None])[0])
    x = torch.stack(corners)
    return torch.stack([x.amin(dim=0), x.amax(dim=0)])


@operation("moved")
@dataclass(frozen=True, repr=False)
class Moved(Domain):
    """The image of a domain; its parts have the names they had."""

    base: Domain
    motion: Motion

    def __repr__(self) -> str:
        how = []
        if self.motion.turns:
            how.append("rotated")
        if self.motion.scale != 1:
            how.append(f"scaled by {self.motion.scale:g}")
        if any(self.motion.shift):
            how.append("shifted")
        return f"{self.base} {' and '.join(how)}"

    def __str__(self) -> str:
        return f"({self!r})"

    @property
    def files(self) -> tuple[Path, ...]:
        """Those of the domain before the motion."""
        return self.base.files

    @cached_property
    def bounds(self) -> Tensor:
        """Bounding box: of the shifted corners, or of the image of the boundary."""
        if not self.motion.turns:
            return self.motion(self.base.bounds)
        return _bounds(self.surfaces)

    @cached_property
    def surfaces(self) -> tuple[Surface, ...]:
        """Images of the surfaces."""
        return tuple(MovedSurface((self, s.name), s, self.motion) for s in self.base.surfaces)

    def cuts(self, surface: Surface):
        """Unchanged by the motion."""
        levels = self.base.cuts(surface.base)  # type: ignore[attr-defined]
        scale, back = self.motion.scale, self.motion.back
        return tuple((lambda x, level=level: scale * level(back(x))) for level in levels)

    def trims(self, surface: Surface) -> bool:
        """Unchanged by the motion."""
        return self.base.trims(surface.base)  # type: ignore[attr-defined]

    @cached_property
    def rotation(self) -> Tensor:
        """R times the frame of the domain before the motion."""
        return self.motion.matrix @ self.base.rotation

    def level(self, x: Tensor) -> Tensor:
        """Return the level before the motion times scale."""
        return self.motion.scale * self.base.level(self.motion.back(x))

    def rule(self, order: int) -> Rule:
        """Return the image of the rule."""
        x, w = self.base.rule(order)
        return Rule(self.motion(x), w * self.motion.scale**self.dimension)

    @property
    def measure(self) -> float:
        """Return the measure times scale^d."""
        return self.base.measure * self.motion.scale**self.dimension

    def moved(self, motion: Motion) -> Domain:
        """Return one motion of the domain that was moved first."""
        return self.base.moved(motion.after(self.motion))
