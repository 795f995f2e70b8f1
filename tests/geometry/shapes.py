"""Domains on which the theorems are tested, and the functions they are tested with."""

import math

import torch

from pdesolve.geometry import (
    Annulus,
    Ball,
    Box,
    Disk,
    Ellipse,
    Extrusion,
    Interval,
    Polygon,
    Rectangle,
    Revolution,
    RoundedPolygon,
    Sector,
    SmoothCurve,
    StarShaped,
    TimeInterval,
    airfoil,
    circular_cylinder,
    torus,
)

SQUARE = Rectangle((0, 0), (1, 1))
WIDE = Rectangle((-1, -1), (1, 1))
TRIANGLE = Polygon([(0.1, 0), (1.3, 0.4), (0.2, 1.1)])
ARROW = [(0, 0), (2, 0.3), (1.5, 1.2), (0.7, 0.6), (-0.2, 1.0)]


def rotated_square(angle: float, side: float = 1.0):
    """Return a square whose first edge makes this angle with the x axis."""
    c, s = side * math.cos(angle), side * math.sin(angle)
    return Polygon([(0, 0), (c, s), (c - s, c + s), (-s, c)])


def four_holes():
    """Return the square with four circular holes."""
    domain = WIDE
    for x in (-0.5, 0.5):
        for y in (-0.4, 0.5):
            domain = domain - Disk((x, y), 0.21)
    return domain


def flower(theta):
    """Radius of a curve with five petals."""
    return 1 + 0.2 * torch.cos(5 * theta)


def naca(thickness: float = 0.12, points: int = 40):
    """Return the coordinates of a symmetric four-digit NACA airfoil, from the trailing edge and back."""
    rows = []
    for k in range(2 * points):
        x = (1 + math.cos(math.pi * k / points)) / 2
        y = 5 * thickness * (0.2969 * x**0.5 - 0.126 * x - 0.3516 * x**2 + 0.2843 * x**3 - 0.1036 * x**4)
        rows.append((x, y if k < points else -y))
    return rows


SIMPLE = {
    "interval": Interval(-1, 2),
    "square": SQUARE,
    "far small rectangle": Rectangle((1000, 2000), (1000.01, 2000.02)),
    "box": Box((0, 0, -1), (1, 2, 0.5)),
    "disk": Disk((0.1, 0.2), 0.7),
    "ball": Ball((0, 0.1, 0.2), 0.8),
    "triangle": TRIANGLE,
    "arrow": Polygon(ARROW),
    "arrow clockwise": Polygon(ARROW[::-1]),
    "rotated square": rotated_square(math.radians(17)),
    "polygon with holes": Polygon(
        [(-1, -1), (3, -1), (3, 3), (-1, 3)], holes=[ARROW, [(0, 2), (1, 2), (1, 2.5)]]
    ),
    "ellipse": Ellipse((0.1, 0.2), (1, 0.3), 0.4),
    "ring": Annulus((0, 1), 0.4, 1),
    "sector": Sector((0, 0), 1, 0.2, 2),
    "sector of a ring": Sector((0.5, 0), 1, 0.2, 5, 0.3),
    "flower": StarShaped(flower, (1, 0)),
    "rounded arrow": RoundedPolygon(ARROW, 0.1),
    "rounded arrow clockwise": RoundedPolygon(ARROW[::-1], 0.1),
    "airfoil": airfoil(naca()),
    "blunt airfoil": airfoil(naca()[1:-1]),
    "blob": SmoothCurve([(0, 0), (1, 0.2), (1.5, 1), (0.5, 0.8), (-0.4, 1.1)]),
}
MOVED = {
    f"{name}, moved": SIMPLE[name].rotated(0.7, about=(1, 2)).scaled(0.1).translated((0.3, -0.2))
    for name in (
        "square",
        "ellipse",
        "sector of a ring",
        "flower",
        "rounded arrow",
        "airfoil",
        "polygon with holes",
    )
} | {
    "shifted interval": SIMPLE["interval"].scaled(2, about=(1,)).translated((3,)),
    "turned box": SIMPLE["box"].rotated(0.5, about=(1, 0, 0), axis=(1, 1, 0)),
}
SIMPLE |= MOVED
PLANE_SETS = {
    "hole": SQUARE - Disk((0.5, 0.5), 0.2),
    "tiny hole": SQUARE - Disk((0.51, 0.52), 1e-3),
    "annulus": Disk((0, 0), 1) - Disk((0, 0), 0.4),
    "bitten corner": SQUARE - Disk((1, 1), 0.5),
    "tiny bite": SQUARE - Disk((0.47, 1), 1e-4),
    "bulge": SQUARE | Disk((1, 0.5), 0.3),
    "quarter disk": SQUARE & Disk((0, 0), 0.9),
    "lens": Disk((0, 0), 1) & Disk((1, 0.3), 0.8),
    "l-shape by difference": WIDE - Rectangle((0, -1), (1, 0)),
    "l-shape by union": Rectangle((-1, 0), (1, 1)) | Rectangle((-1, -1), (0, 0)),
    "domino": SQUARE | Rectangle((1, 0), (2, 1)),
    "overlapping on one line": SQUARE | Rectangle((0.5, 0), (1.5, 0.7)),
    "two islands": SQUARE | Disk((3, 0), 0.5),
    "four holes": four_holes(),
    "touching disk": SQUARE - Disk((0.5, 0.7), 0.3),
    "rotated hole": rotated_square(0.3, 2.0) - Disk((0.3, 1.4), 0.3),
    "rotated domino": rotated_square(0.3) | Polygon(
        [(math.cos(0.3) * a - math.sin(0.3) * b, math.sin(0.3) * a + math.cos(0.3) * b) for a, b in
         [(1, 0), (2, 0), (2, 1), (1, 1)]]
    ),
    "ellipse and flower": SIMPLE["ellipse"] | StarShaped(flower),
    "sector of a disk twice": Disk((0, 0), 1) & SIMPLE["sector"],
    "ring less an ellipse": Annulus((0, 0), 0.4, 1) - SIMPLE["ellipse"],
    "around an airfoil": Rectangle((-0.5, -0.5), (1.5, 0.5)) - SIMPLE["airfoil"],
    "hole, moved": (SQUARE - Disk((0.5, 0.5), 0.2)).rotated(0.3).translated((1, 0)),
    "nested": ((WIDE - Disk((0.3, 0.3), 0.2)) | Disk((1, 1), 0.3))
    & Polygon([(-2, -1), (1.2, -1.4), (0.5, 2)]),
}  # fmt: skip
LINE_SETS = {
    "two intervals": Interval(0, 1) | Interval(2, 3),
    "joined intervals": Interval(0, 1) | Interval(1, 3),
    "interval without its middle": Interval(0, 1) - Interval(0.4, 0.5),
}
CYLINDERS = {
    "interval in time": Interval(-1, 1) * TimeInterval(0, 2),
    "intervals in time": LINE_SETS["interval without its middle"] * TimeInterval(-1, 2),
    "square in time": SQUARE * TimeInterval(0, 1),
    "disk in time": Disk((0, 0), 1) * TimeInterval(1, 1.5),
    "hole in time": PLANE_SETS["hole"] * TimeInterval(0, 0.5),
    "domino in time": PLANE_SETS["domino"] * TimeInterval(0, 0.5),
    "triangle in time": TRIANGLE * TimeInterval(0, 1e-3),
    "ball in time": Ball((0, 0, 0), 1) * TimeInterval(0, 1),
}
SOLIDS = {
    "cylinder": circular_cylinder((0.1, 0.2, -0.5), 0.7, 1.5),
    "cylinder along x": circular_cylinder((0, 0, 0), 0.5, 2).rotated(math.pi / 2, axis="y"),
    "torus": torus((0, 0, 0.2), 1, 0.4),
    "torus, moved": torus((0, 0, 0.2), 1, 0.4).rotated(0.5, axis=(1, 1, 0)).scaled(0.5),
    "prism": Extrusion(TRIANGLE, 0, 1),
    "holed plate": Extrusion(PLANE_SETS["hole"], 0, 0.3),
    "ball by turning": Revolution(Disk((0, 0), 0.8)),
    "cone": Revolution(Polygon([(0, 0), (1, 0), (0, 1)])),
    "hemisphere": Revolution(Disk((0, 0), 1) & Rectangle((0, 0), (2, 2))),
    "pipe": Revolution(Rectangle((0.5, 0), (1, 1))),
    "rod": Revolution(Rectangle((0, 0), (1, 1))),
    "spun blob": Revolution(SIMPLE["blob"].translated((1, 0))),
}
SOLID_SETS = {
    "drilled box": Box((-1, -1, -1), (1, 1, 1)) - circular_cylinder((0, 0, -2), 0.5, 4),
    "fichera, turned": (Box((-1, -1, -1), (1, 1, 1)) - Box((0, 0, 0), (1, 1, 1))).rotated(
        0.7, axis=(1, 1, 0)
    ),
    "stacked": circular_cylinder((0, 0, 0), 1, 1) | circular_cylinder((0, 0, 1), 0.5, 1),
    "cavity": Box((-1, -1, -1), (1, 1, 1)) - Ball((0.1, 0, 0), 0.5),
    "bitten box": Box((-1, -1, -1), (1, 1, 1)) - Ball((1, 1, 1), 0.7),
    "two balls": Ball((0, 0, 0), 1) | Ball((0.9, 0, 0), 0.7),
    "fichera": Box((-1, -1, -1), (1, 1, 1)) - Box((0, 0, 0), (1, 1, 1)),
}
EXACT = SIMPLE | PLANE_SETS | LINE_SETS | CYLINDERS | SOLIDS
ALL = EXACT | SOLID_SETS


def divergence_gap(domain, order: int) -> tuple[float, float]:
    """Return ∫ div F dx - ∫ F·n dS for a smooth field on the domain's scale, and ∫ |F| dS for comparison."""
    lower, upper = domain.bounds
    d = domain.dimension
    wave = 1.0 + torch.arange(d, dtype=torch.float64) / 2

    def phases(x):
        return [((x - lower) / (upper - lower)) @ wave + i for i in range(d)]

    x, w = domain.rule(order)
    divergence = sum(wave[i] / (upper - lower)[i] * torch.cos(p) for i, p in enumerate(phases(x)))
    flux = size = 0.0
    for piece in domain.pieces:
        y, normal, weight = piece.rule(order)
        field = torch.stack([torch.sin(p) for p in phases(y)], dim=1)
        flux += float(weight @ (field * normal).sum(dim=1))
        size += float(weight @ field.norm(dim=1))
    return float(w @ divergence) - flux, size
