"""Difference, union and intersection of domains."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.geometry.domain import Domain, operation
from pdesolve.geometry.frames import frame
from pdesolve.geometry.motion import Motion
from pdesolve.geometry.rules.boundary_rule import sobol_size
from pdesolve.geometry.rules.critical import critical_values
from pdesolve.geometry.rules.planar_rule import planar_rule
from pdesolve.geometry.surface import SAME, Surface
from pdesolve.quadrature import Rule, cut_rule, distinct, gauss_legendre, sobol

# Sobol points that look for an inside. What they miss, less than a thousandth of the box, has boundary still.
SAMPLES = 4096
# Nodes on each axis of each panel: panels end where the boundary is not smooth, and smooth between: 24 are many digits.
MEASURE_ORDER = 24


@dataclass(frozen=True, repr=False)
class SetOperation(Domain):
    """A domain made of two others; its boundary lies in theirs and is trimmed point by point."""

    left: Domain
    right: Domain
    symbol: ClassVar[str]

    def _check(self) -> None:
        for part in (self.left, self.right):
            if part.in_space is not part:
                message = (
                    f"a space–time cylinder took part in {self}; combine the domains in space first, "
                    f"then multiply: (a - b) * TimeInterval(0, 1)."
                )
                raise ProblemError(message)
        if self.left.dimension != self.right.dimension:
            message = (
                f"{self} combines {self.left.dimension} and {self.right.dimension} dimensions, "
                f"expected two domains of the same dimension."
            )
            raise ProblemError(message)
        if bool((self.bounds[0] >= self.bounds[1]).any()) or not self._has_inside():
            message = f"{self} leaves nothing inside; check positions and sizes of both domains."
            raise ProblemError(message)

    def _has_inside(self) -> bool:
        lower, upper = self.bounds
        x = lower + (upper - lower) * sobol(SAMPLES, self.dimension)
        if bool((self.level(x) < 0).any()):
            return True
        return bool(self.pieces)  # a sliver that all samples miss still has a boundary

    def __repr__(self) -> str:
        parts = (f"({p!r})" if isinstance(p, SetOperation) else repr(p) for p in (self.left, self.right))
        return f" {self.symbol} ".join(parts)

    def __str__(self) -> str:
        return f"({self!r})"

    @cached_property
    def leaves(self) -> tuple[Domain, ...]:
        """The simple shapes that it is made of, each once."""
        return tuple(dict.fromkeys(self.left.leaves + self.right.leaves))

    @cached_property
    def surfaces(self) -> tuple[Surface, ...]:
        """Surfaces of all leaves."""
        return tuple(surface for leaf in self.leaves for surface in leaf.surfaces)

    def cuts(self, surface: Surface):
        """Return the levels of all other leaves, and what trims the surface in its own."""
        own = [leaf for leaf in self.leaves if leaf == surface.owner[0]]
        others = (leaf.level for leaf in self.leaves if leaf != surface.owner[0])
        return (*others, *(level for leaf in own for level in leaf.cuts(surface)))

    def trims(self, surface: Surface) -> bool:
        """Return true: even a - a has all of a's surfaces, and none of them is boundary."""
        del surface
        return True

    @cached_property
    def rotation(self) -> Tensor:
        """Frame along most of the straight boundary that is left."""
        if self.dimension == 3:
            return self._common_rotation()
        if self.dimension != 2 or all(torch.equal(leaf.rotation, torch.eye(2)) for leaf in self.leaves):
            return torch.eye(self.dimension, dtype=torch.float64)
        # Only what is left of the boundary counts: an edge that another shape covers is no direction of the domain.
        straight = [piece for piece in self.pieces if piece.surface.carrier()[0] == "plane"]
        return frame(
            (_tangent(p.surface), float(p.area(e[:, :1]) @ (e[:, 1] - e[:, 0])))
            for p, e in ((piece, piece.intervals) for piece in straight)
        )

    def _common_rotation(self) -> Tensor:
        """Frame of the solids with flat faces if they have one in common, else the coordinate axes."""
        flat = [p for p in self.leaves if any(s.carrier()[0] == "plane" for s in p.surfaces)]
        frames = [leaf.rotation for leaf in flat]
        same = bool(frames) and all(torch.allclose(f, frames[0], rtol=0, atol=SAME) for f in frames)
        if same:
            return frames[0]
        return torch.eye(3, dtype=torch.float64)

    @cached_property
    def measure(self) -> float:
        """Length, area or volume, by quadrature."""
        return float(self.rule(MEASURE_ORDER).weights.sum())

    def moved(self, motion: Motion) -> Domain:
        """Return the image, the same operation on the images of both."""
        return type(self)(self.left.moved(motion), self.right.moved(motion))

    def rule(self, order: int) -> Rule:
        """Strips between the boundary arcs in the plane, the height-function rule in space, Sobol beyond."""
        if self.dimension == 1:
            return self._interval_rule(order)
        if self.dimension == 2:
            return planar_rule(self, order)
        # The height-function rule goes along the axes: faces at an angle to them would be cut into slices without
        # need.
        if self.dimension == 3 and not torch.equal(self.rotation, torch.eye(3)):
            back = Motion(tuple(map(tuple, self.rotation.T.tolist())), (0.0, 0.0, 0.0))
            x, w = self.moved(back).rule(order)
            return Rule(x @ self.rotation.T, w)
        if self.dimension == 3:
            levels = [leaf.level for leaf in self.leaves]
            return cut_rule(
                lambda x: torch.stack([level(x) for level in levels], dim=1),
                lambda x: self.contains(x, self.rounding),
                self.bounds,
                order,
                critical_values(self),
            )
        lower, upper = self.bounds
        n = sobol_size(order)
        x = lower + (upper - lower) * sobol(n, self.dimension)
        x = x[self.level(x) < 0]
        return Rule(x, torch.full((len(x),), float((upper - lower).prod()) / n, dtype=torch.float64))

    def _interval_rule(self, order: int) -> Rule:
        ends = torch.cat([leaf.bounds[:, 0] for leaf in self.leaves])
        ends = distinct(ends, 1e-12 * float(self.bounds[1] - self.bounds[0]))
        middle = (ends[:-1] + ends[1:]) / 2
        keep = self.contains(middle[:, None], self.rounding)
        start = ends[:-1][keep, None]
        length = ends.diff()[keep, None]
        s, w = gauss_legendre(order, 0.0, 1.0)
        return Rule((start + length * s).reshape(-1, 1), (length * w).reshape(-1))


def _tangent(surface: Surface) -> tuple[float, float]:
    nx, ny, _ = surface.carrier()[1]
    return -ny, nx


@operation("-")
@dataclass(frozen=True, repr=False)
class Difference(SetOperation):
    """left - right = {x in left : x not in the closure of right}."""

    left: Domain
    right: Domain
    symbol = "-"

    def __post_init__(self):
        self._check()

    @property
    def bounds(self) -> Tensor:
        """Those of the left domain."""
        return self.left.bounds

    def level(self, x: Tensor) -> Tensor:
        """max(left, -right)."""
        return torch.maximum(self.left.level(x), -self.right.level(x))


@operation("|")
@dataclass(frozen=True, repr=False)
class Union(SetOperation):
    """left | right: the inside of the closure of both, so that a shared face disappears."""

    left: Domain
    right: Domain
    symbol = "|"

    def __post_init__(self):
        self._check()

    @cached_property
    def bounds(self) -> Tensor:
        """Bounding box of both."""
        both = torch.stack([self.left.bounds, self.right.bounds])
        return torch.stack([both[:, 0].amin(dim=0), both[:, 1].amax(dim=0)])

    def level(self, x: Tensor) -> Tensor:
        """min(left, right); zero, not negative, on a face that both share."""
        return torch.minimum(self.left.level(x), self.right.level(x))


@operation("&")
@dataclass(frozen=True, repr=False)
class Intersection(SetOperation):
    """left & right = {x in left and in right}."""

    left: Domain
    right: Domain
    symbol = "&"

    def __post_init__(self):
        self._check()

    @cached_property
    def bounds(self) -> Tensor:
        """Intersection of both bounding boxes."""
        return torch.stack(
            [
                torch.maximum(self.left.bounds[0], self.right.bounds[0]),
                torch.minimum(self.left.bounds[1], self.right.bounds[1]),
            ]
        )

    def level(self, x: Tensor) -> Tensor:
        """max(left, right)."""
        return torch.maximum(self.left.level(x), self.right.level(x))
