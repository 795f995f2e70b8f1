"""Plane domains bounded by closed chains of curves: what all of them have in common."""

import math
from abc import abstractmethod
from functools import cached_property

import torch
from torch import Tensor

from pdesolve.geometry.domain import Domain
from pdesolve.geometry.frames import frame
from pdesolve.geometry.rules.planar_rule import planar_rule
from pdesolve.geometry.surface import Surface
from pdesolve.geometry.surfaces import Segment, extremes
from pdesolve.quadrature import Rule, gauss_legendre

# Points at once: a few megabytes of distances, feet and normals, whatever the number of points.
CHUNK = 65536
# Relative difference of distances to two curves that meet at the nearest point, which is a corner of both: a
# million times the rounding of a distance.
TIED = 1e-10
# Gauss points between two breaks. Arcs between breaks turn by a quarter at most, so that 32 points give areas to
# rounding.
AREA_ORDER = 32
FULL_TURN = 2 * math.pi


class Region(Domain):
    """A plane domain whose surfaces are curves without any trimming; subclasses say which.

    The level is the signed distance to the nearest curve. At a corner, where two are equally near, the
    one that the point faces most squarely tells the side.
    """

    @property
    @abstractmethod
    def surfaces(self) -> tuple[Surface, ...]:
        """The curves, with outward normals; together they are the whole boundary."""

    @cached_property
    def bounds(self) -> Tensor:
        """Bounding box of the curves, (2, 2)."""
        x = torch.cat([extremes(surface) for surface in self.surfaces])
        return torch.stack([x.amin(dim=0), x.amax(dim=0)])

    @cached_property
    def rotation(self) -> Tensor:
        """Frame along most of the straight edges."""
        return frame((s.tangent, s.length) for s in self.surfaces if isinstance(s, Segment))

    def level(self, x: Tensor) -> Tensor:
        """Return the signed distance to the boundary."""
        return torch.cat([self._level(part) for part in x.split(CHUNK)])

    def _level(self, x: Tensor) -> Tensor:
        y = x.to(torch.float64)
        distance = torch.full((len(y),), torch.inf, dtype=torch.float64)
        height = torch.zeros_like(distance)  # above the tangent at the nearest point
        zero = TIED * float((self.bounds[1] - self.bounds[0]).max())
        for surface in self.surfaces:
            foot, normal = surface.nearest(y)
            gap = y - foot
            d = gap.norm(dim=1)
            h = (gap * normal).sum(dim=1)
            # At a corner rounding decides which of two curves is nearer, and the flatter view may tell the wrong side.
            tied = (d - distance).abs() <= TIED * d + 1e-3 * zero
            better = torch.where(tied, h.abs() > height.abs(), d < distance)
            height = torch.where(better, h, height)
            distance = torch.minimum(distance, d)
        return torch.copysign(distance, height).to(x.dtype)

    @cached_property
    def measure(self) -> float:
        """Area by the divergence theorem, ½ ∮ (x - c)·n dS."""
        centre = self.bounds.mean(dim=0)
        total = 0.0
        s, w = gauss_legendre(AREA_ORDER, 0.0, 1.0)
        for surface in self.surfaces:
            ends = torch.tensor(surface.breaks, dtype=torch.float64)
            width = ends.diff()[:, None]
            t = (ends[:-1, None] + width * s).reshape(-1, 1)
            x = surface.map(t)
            flux = ((x - centre) * surface.normal_at(x)).sum(dim=1) * surface.area(t)
            total += float(flux @ (width * w).reshape(-1)) / 2
        return total

    def rule(self, order: int) -> Rule:
        """Return the strip rule between the curves."""
        return planar_rule(self, order)
