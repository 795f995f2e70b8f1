"""Domains, their boundary pieces and places on them.

What the words mean, from the outside in:

* a *domain* is a bounded open set, given by a level function; a *shape* or *leaf* is one that no operator made;
* the *boundary* of a domain is all of it, in a space–time cylinder all of its lateral part;
* a *surface* is one smooth hypersurface that bounds a shape: a face, an edge, a circle. It knows its map from the unit
  cube, its normal and its area element, and nothing of other shapes, which may cut parts off it: it is *untrimmed*;
* the *owner* of a surface is the shape that it bounds and its name there, by which it is found again in any domain;
* the *carrier* is the plane or sphere in which a surface lies: two surfaces can overlap only in a common carrier;
* a *piece* is that part of a surface which bounds a domain: what other shapes cut off (its *trims*), what earlier
  pieces in the same carrier *hide*, and what *filters* refuse does not belong to it;
* a *part* of a boundary is what its shape calls by a name: "left", "arc", the group of a mesh file;
* a *place* is what a user writes after `on=`: a boundary or parts of it, filtered by `where`, joined by `|`, or a
  point. It becomes pieces of a domain, or points, when a condition is met with that domain;
* a *path* is a plane curve with its parameter; a *rule* is points and weights of a quadrature.
"""

from pdesolve.geometry.coordinates import coordinate_names, named_coordinates
from pdesolve.geometry.domain import Domain
from pdesolve.geometry.moved import Moved
from pdesolve.geometry.piece import Piece
from pdesolve.geometry.place import Boundary, BoundaryRule, Place, Point
from pdesolve.geometry.set_operations import Difference, Intersection, Union
from pdesolve.geometry.shapes.arcs import Annulus, Ellipse, Sector
from pdesolve.geometry.shapes.ball import Ball, Disk
from pdesolve.geometry.shapes.box import Box, Interval, Rectangle
from pdesolve.geometry.shapes.extrusion import Extrusion, circular_cylinder
from pdesolve.geometry.shapes.mesh import PlaneMesh, load_mesh
from pdesolve.geometry.shapes.polygon import Polygon
from pdesolve.geometry.shapes.revolution import Revolution, torus
from pdesolve.geometry.shapes.rounded import RoundedPolygon
from pdesolve.geometry.shapes.smooth import SmoothCurve, StarShaped, airfoil
from pdesolve.geometry.shapes.solid_mesh import SolidMesh
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
