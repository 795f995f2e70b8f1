"""Triangles in space as one surface."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.geometry.shapes.mesh_data import MeshData
from pdesolve.geometry.shapes.simplices import simplex_rule
from pdesolve.geometry.surface import Surface
from pdesolve.quadrature import Rule

# Sine of the angle below which two edges, or two triangles, are in one line or plane. Coordinates of double
# precision written with 16 digits give angles below 1e-13, those of a slight bend are far above.
STRAIGHT = 1e-9


def load_igl() -> Any:
    """Return the package libigl, an extra.

    Raises:
        ProblemError: it is not installed.
    """
    try:
        import igl
    except ImportError:
        message = (
            "solids given by a mesh need the package libigl for their distances: "
            "install it with pip install 'pdesolve[mesh]'."
        )
        raise ProblemError(message) from None
    return igl


@dataclass(frozen=True)
class Facets(Surface):
    """Triangles in space as one surface; the first parameter runs through them one after another.

    The unit square is cut into as many strips as there are triangles, a power of two (large ones are halved
    until there are so many), in the order of a search tree, so that a panel of the square is a patch of
    neighbours: slot j, with local parameters s and t, is x = (1 - s) a + s ((1 - t) b + t c).
    """

    owner: tuple[Any, str]
    data: MeshData
    rows: tuple[int, ...]
    plane: tuple[int, float] | None = None
    dimension: int = 3
    continuous = False

    @cached_property
    def triangles(self) -> Tensor:
        """Corners (m, 3, 3) of the triangles as they are."""
        return torch.from_numpy(self.data.points[self.data.facets[list(self.rows)]])

    @cached_property
    def _slots(self) -> Tensor:
        corners = self.triangles.numpy()
        count = 1 << (len(corners) - 1).bit_length()
        while len(corners) < count:
            corners = _halved(corners, count - len(corners))
        order = _tree_order(corners.mean(axis=1))
        if self._flat is None:  # no symmetric sample of the square shall make a bent surface look flat
            normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
            normal = normal / np.linalg.norm(normal, axis=1)[:, None]
            other = int((normal[order] @ normal[order[0]]).argmin())
            order[[count // 2, other]] = order[[other, count // 2]]
        return torch.from_numpy(corners[order])

    def map(self, parameters: Tensor) -> Tensor:
        """Return points of the triangles."""
        a, b, c = self._slot(parameters).unbind(dim=1)
        s, t = self._local(parameters)
        return (1 - s) * a + s * ((1 - t) * b + t * c)

    def _slot(self, parameters: Tensor) -> Tensor:
        count = len(self._slots)
        return self._slots[(parameters[:, 0] * count).long().clamp(0, count - 1)]

    def _local(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        count = len(self._slots)
        place = parameters[:, :1] * count
        return (place - place.floor().clamp(0, count - 1)), parameters[:, 1:]

    def area(self, parameters: Tensor) -> Tensor:
        """Return s |(b - a) × (c - a)| times the number of slots."""
        a, b, c = self._slot(parameters).unbind(dim=1)
        s, _ = self._local(parameters)
        return torch.linalg.cross(b - a, c - a).norm(dim=1) * s[:, 0] * len(self._slots)

    def normal_at(self, x: Tensor) -> Tensor:
        """Return the normal of the nearest triangle."""
        a, b, c = self.triangles.unbind(dim=1)
        normal = torch.linalg.cross(b - a, c - a)
        normal = normal / normal.norm(dim=1, keepdim=True)
        return normal[self._nearest(x)[1]].to(x.dtype)

    def _nearest(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Squared distance to, and number of the nearest triangle."""
        if self._flat is not None:  # all have one normal
            return torch.zeros(len(x), dtype=torch.float64), torch.zeros(len(x), dtype=torch.long)
        return self._search(x)

    def _search(self, x: Tensor) -> tuple[Tensor, Tensor]:
        facets = self.data.facets[list(self.rows)]
        points = x.detach().to(torch.float64).numpy()
        square, index, _ = load_igl().point_mesh_squared_distance(points, self.data.points, facets)
        return torch.from_numpy(np.atleast_1d(square)), torch.from_numpy(np.atleast_1d(index))

    @cached_property
    def _flat(self) -> tuple[float, ...] | None:
        """Normal and offset of the plane in which all triangles lie, if they do."""
        a, b, c = self.triangles.unbind(dim=1)
        normal = torch.linalg.cross(b - a, c - a)
        n = normal[normal.norm(dim=1).argmax()]
        n = n / n.norm()
        height = self.triangles.reshape(-1, 3) @ n
        size = float((self.triangles.amax(dim=(0, 1)) - self.triangles.amin(dim=(0, 1))).max())
        flat = float(height.max() - height.min()) <= 10 * STRAIGHT * size
        if not flat:
            return None
        return (*n.tolist(), float(height.mean()))

    def carrier(self) -> tuple[str, tuple[float, ...]]:
        """Return the plane of a flat part; any other coincides only with itself."""
        if self._flat is None:
            return super().carrier()
        return "plane", self._flat

    def distance(self, x: Tensor) -> Tensor:
        """Return the distances from the triangles."""
        return self._search(x)[0].sqrt()

    def covers(self, x: Tensor) -> Tensor:
        """Tell which points lie on a triangle, to rounding."""
        size = float(np.ptp(self.data.points, axis=0).max())
        return self.distance(x) <= 1e-9 * size

    def whole_rule(self, order: int) -> Rule:
        """Gauss rules on the triangles."""
        return simplex_rule(self.triangles, order)


def _halved(corners: np.ndarray, most: int) -> np.ndarray:
    """Halve the largest triangles, no more than `most`, across their longest edges."""
    edge = np.linalg.norm(corners - np.roll(corners, -1, axis=1), axis=2)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    chosen = np.argsort(-area, kind="stable")[: min(most, len(corners))]
    turn = (edge[chosen].argmax(axis=1)[:, None] + np.arange(3)) % 3
    a, b, c = np.take_along_axis(corners[chosen], turn[:, :, None], axis=1).transpose(1, 0, 2)
    middle = (a + b) / 2
    rest = np.delete(corners, chosen, axis=0)
    return np.concatenate([rest, np.stack([a, middle, c], 1), np.stack([middle, b, c], 1)])


def _tree_order(x: np.ndarray) -> np.ndarray:
    """Order of points (2^k, d) in which halves, quarters, … are neighbours: split at the median, widest axis."""
    groups = [np.arange(len(x))]
    while len(groups[0]) > 1:
        split = []
        for group in groups:
            axis = int(np.ptp(x[group], axis=0).argmax())
            ordered = group[np.argsort(x[group, axis], kind="stable")]
            split += [ordered[: len(ordered) // 2], ordered[len(ordered) // 2 :]]
        groups = split
    return np.concatenate(groups)
