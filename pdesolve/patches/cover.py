"""The cover of a domain by patches under one name: its frame, its cells, and the points of a solve on them."""

from pdesolve.patches.cells import Patches
from pdesolve.patches.frame import Frame, once
from pdesolve.patches.points.faces import FacePoints, face_points
from pdesolve.patches.points.grids import gauss_grid, sobol_grid
from pdesolve.patches.points.interior import Points, interior_points

__all__ = [
    "FacePoints",
    "Frame",
    "Patches",
    "Points",
    "face_points",
    "gauss_grid",
    "interior_points",
    "once",
    "sobol_grid",
]
