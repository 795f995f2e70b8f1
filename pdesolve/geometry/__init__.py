"""Domains, their boundary pieces and places on them."""

from pdesolve.geometry.coordinates import coordinate_names, named_coordinates
from pdesolve.geometry.domain import Domain
from pdesolve.geometry.moved import Moved
from pdesolve.geometry.piece import Piece
from pdesolve.geometry.place import Boundary, BoundaryRule, Place, Point
from pdesolve.geometry.set_operations import Difference, Intersection, Union
from pdesolve.geometry.shapes.ball import Ball, Disk
from pdesolve.geometry.shapes.box import Box, Interval, Rectangle
from pdesolve.geometry.shapes.mesh import PlaneMesh, SolidMesh, load_mesh
from pdesolve.geometry.shapes.polygon import Polygon
from pdesolve.geometry.shapes.region import (
    Annulus,
    Ellipse,
    RoundedPolygon,
    Sector,
    SmoothCurve,
    StarShaped,
    airfoil,
)
from pdesolve.geometry.shapes.solids import Extrusion, Revolution, circular_cylinder, torus
from pdesolve.geometry.spacetime import Cylinder, TimeInterval
from pdesolve.quadrature import Rule

__all__ = [
    "Annulus",
    "Ball",
    "Boundary",
    "BoundaryRule",
    "Box",
    "Cylinder",
    "Difference",
    "Disk",
    "Domain",
    "Ellipse",
    "Extrusion",
    "Intersection",
    "Interval",
    "Moved",
    "Piece",
    "Place",
    "PlaneMesh",
    "Point",
    "Polygon",
    "Rectangle",
    "Revolution",
    "RoundedPolygon",
    "Rule",
    "Sector",
    "SmoothCurve",
    "SolidMesh",
    "StarShaped",
    "TimeInterval",
    "Union",
    "airfoil",
    "circular_cylinder",
    "coordinate_names",
    "load_mesh",
    "named_coordinates",
    "torus",
]
