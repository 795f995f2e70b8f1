"""Domains, their boundary pieces and places on them."""

from pdesolve.geometry.ball import Ball, Disk
from pdesolve.geometry.box import Box, Interval, Rectangle
from pdesolve.geometry.domain import Domain, coordinate_names
from pdesolve.geometry.place import Boundary, BoundaryRule, Piece, Place, Point, named_coordinates
from pdesolve.geometry.polygon import Polygon
from pdesolve.geometry.set_operations import Difference, Intersection, Union
from pdesolve.geometry.spacetime import Cylinder, TimeInterval
from pdesolve.quadrature import Rule

__all__ = [
    "Ball",
    "Boundary",
    "BoundaryRule",
    "Box",
    "Cylinder",
    "Difference",
    "Disk",
    "Domain",
    "Intersection",
    "Interval",
    "Piece",
    "Place",
    "Point",
    "Polygon",
    "Rectangle",
    "Rule",
    "TimeInterval",
    "Union",
    "coordinate_names",
    "named_coordinates",
]
