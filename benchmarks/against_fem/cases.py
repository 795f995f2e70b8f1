"""The problems, stated a second time for finite elements: -Δu + c u = f, u = g on the boundary.

Functions take (x, y, lib); lib is numpy or ngsolve, whose sin, cos and atan2 have the same names. The solution that
errors are measured against is the one of the problem file, so a slip here shows as an error that does not fall.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import pi
from types import ModuleType
from typing import Any

Function = Callable[[Any, Any, ModuleType], Any]
SQUARE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


@dataclass(frozen=True)
class Case:
    """A boundary value problem in a polygon with circular holes.

    Attributes:
        name: stem of the problem file.
        polygon: vertices, counter-clockwise.
        source, boundary: f and g; g is asked for on the outer polygon, holes have the value `on_holes`.
        reaction: c.
        holes: (x, y, radius) of each.
        singular: whether the first vertex is a re-entrant corner to grade meshes toward.
        coarsest: mesh width that the coarsest meshes have.
    """

    name: str
    polygon: tuple[tuple[float, float], ...]
    source: Function
    boundary: Function
    reaction: float = 0.0
    holes: tuple[tuple[float, float, float], ...] = ()
    on_holes: float = 0.0
    singular: bool = False
    coarsest: float = 0.5


def constant(value: float) -> Function:
    """`value`, of the kind of x."""
    return lambda x, *_: value + 0 * x


def helmholtz(a: int, b: int) -> Function:
    """-q for u* = sin aπx sin bπy in Δu + u = q."""
    return lambda x, y, lib: ((a**2 + b**2) * pi**2 - 1) * lib.sin(a * pi * x) * lib.sin(b * pi * y)


def multiscale(x: Any, y: Any, lib: ModuleType) -> Any:
    """-Δ of ¼ Σ sin wπx sin wπy, w = 4, 8, 12, 16."""
    terms = [2 * (w * pi) ** 2 * lib.sin(w * pi * x) * lib.sin(w * pi * y) for w in (4, 8, 12, 16)]
    return (terms[0] + terms[1] + terms[2] + terms[3]) / 4


def corner(x: Any, y: Any, lib: ModuleType) -> Any:
    """r^⅔ sin ⅔θ about the re-entrant corner."""
    if hasattr(lib, "arctan2"):
        atan2 = lib.arctan2
    else:
        atan2 = lib.atan2
    return (x * x + y * y) ** (1 / 3) * lib.sin(2 / 3 * (3 * pi / 4 - atan2(x + y, y - x)))


CASES = {
    case.name: case
    for case in (
        Case(
            "poisson_2d",
            SQUARE,
            lambda x, y, lib: 2 * pi**2 * lib.sin(pi * x) * lib.sin(pi * y),
            constant(0),
        ),
        Case(
            "helmholtz_2d",
            ((-1, -1), (1, -1), (1, 1), (-1, 1)),
            helmholtz(1, 4),
            constant(0),
            reaction=-1.0,
        ),
        Case("poisson_multiscale_2d", SQUARE, multiscale, constant(0), coarsest=0.125),
        Case(
            "poisson_four_holes",
            ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)),
            constant(0),
            constant(1),
            holes=tuple((x, y, 0.1) for x in (-0.3, 0.3) for y in (-0.3, 0.3)),
            coarsest=0.2,
        ),
        Case(
            "poisson_lshape",
            ((0, 0), (1, 0), (1, 1), (-1, 1), (-1, -1), (0, -1)),
            constant(0),
            corner,
            singular=True,
            coarsest=1.0,
        ),
    )
}
