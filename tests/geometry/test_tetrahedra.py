"""Tetrahedra fill closed surfaces of triangles exactly, also those that none between the vertices alone can fill."""

import math

import numpy as np
import pytest

from pdesolve.geometry.shapes.tetrahedra import filled


def torus(nu=14, nv=8, radius=0.4):
    points, facets = [], []
    for i in range(nu):
        for j in range(nv):
            a, b = 2 * math.pi * i / nu, 2 * math.pi * j / nv
            around = 1 + radius * math.cos(b)
            points.append((around * math.cos(a), around * math.sin(a), radius * math.sin(b)))
            p, q = i * nv + j, ((i + 1) % nu) * nv + j
            s, t = i * nv + (j + 1) % nv, ((i + 1) % nu) * nv + (j + 1) % nv
            facets += [(p, q, t), (p, t, s)]
    return np.array(points), np.array(facets)


def star(points=5, inner=0.4, height=0.3):
    """A prism over a star: its upper and lower face are fans around their centres."""
    n = 2 * points
    angle = np.arange(n) * 2 * math.pi / n
    radius = np.where(np.arange(n) % 2, 1.0, inner)
    rim = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    low = np.column_stack([rim, np.zeros(n)])
    high = np.column_stack([rim, np.full(n, height)])
    vertices = np.vstack([low, high, [[0, 0, 0]], [[0, 0, height]]])
    facets = []
    for i in range(n):
        j = (i + 1) % n
        facets += [(i, j, j + n), (i, j + n, i + n), (2 * n, j, i), (2 * n + 1, i + n, j + n)]
    return vertices, np.array(facets)


def schoenhardt(twist=math.pi / 6):
    """A twisted prism: no tetrahedra between its six vertices fill it (Schönhardt 1928)."""
    angle = np.arange(3) * 2 * math.pi / 3
    low = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(3)])
    high = np.column_stack([np.cos(angle + twist), np.sin(angle + twist), np.ones(3)])
    facets = [(0, 2, 1), (3, 4, 5)]
    for i in range(3):
        j = (i + 1) % 3
        # The diagonals at which the sides bend inwards.
        facets += [(i, j, j + 3), (i, j + 3, i + 3)]
    return np.vstack([low, high]), np.array(facets)


def volume_of(points, facets):
    corner = points[facets]
    return float(np.linalg.det(corner - corner.mean(axis=(0, 1))).sum()) / 6


def winding(points, facets):
    """Whether points are inside, by the solid angle of the surface (van Oosterom and Strackee 1983)."""

    def inside(x):
        a, b, c = (points[facets[:, k]][None] - x[:, None] for k in range(3))
        la, lb, lc = (np.linalg.norm(v, axis=2) for v in (a, b, c))
        numerator = np.einsum("nfd,nfd->nf", a, np.cross(b, c))
        dot = [np.einsum("nfd,nfd->nf", p, q) for p, q in ((a, b), (b, c), (c, a))]
        angle = 2 * np.arctan2(numerator, la * lb * lc + dot[0] * lc + dot[1] * la + dot[2] * lb)
        return angle.sum(axis=1) > 2 * math.pi

    return inside


@pytest.mark.parametrize(
    "surface",
    [torus(), star(), star(7, 0.2, 2.0), schoenhardt()],
    ids=["torus", "star", "sharp star", "twisted"],
)
def test_tetrahedra_fill_what_the_surface_encloses(surface):
    points, facets = surface
    volume = volume_of(points, facets)
    assert volume > 0
    found, cells = filled(points, facets, volume, winding(points, facets))
    six = np.linalg.det(found[cells[:, 1:]] - found[cells[:, :1]])
    assert (six > 0).all()
    assert six.sum() / 6 == pytest.approx(volume, rel=1e-12)
    assert np.array_equal(found[: len(points)], points)
    middle = found[cells].mean(axis=1)
    assert winding(points, facets)(middle).all()


def test_a_solid_that_needs_more_vertices_gets_them_on_its_edges():
    points, facets = schoenhardt()
    found, _ = filled(points, facets, volume_of(points, facets), winding(points, facets))
    assert len(found) > len(points)


def test_a_surface_that_encloses_something_else_is_not_filled():
    points, facets = star()
    assert filled(points, facets, 2 * volume_of(points, facets), winding(points, facets)) is None
