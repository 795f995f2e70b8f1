import math

import numpy as np
import pytest
import torch

from pdesolve.errors import UsageError
from pdesolve.geometry import (
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
    StarShaped,
    TimeInterval,
    circular_cylinder,
    torus,
)
from pdesolve.output.mesh import output_mesh, output_times, spacetime_mesh

SQUARE = Rectangle((0, 0), (1, 1))
WIDE = Rectangle((-1, -1), (1, 1))
ARROW = Polygon([(0, 0), (2, 0.3), (1.5, 1.2), (0.7, 0.6), (-0.2, 1.0)])
PLANE = {
    "disk": Disk((0.1, 0.2), 0.7),
    "arrow": ARROW,
    "acute wedge": Polygon([(0, 0), (1, 0), (1, 0.1)]),
    "hole": SQUARE - Disk((0.5, 0.5), 0.2),
    "tiny hole": SQUARE - Disk((0.51, 0.52), 1e-3),
    "thin gap": (WIDE - Disk((-0.3, 0), 0.295)) - Disk((0.3, 0), 0.295),
    "annulus": Disk((0, 0), 1) - Disk((0, 0), 0.4),
    "bitten corner": SQUARE - Disk((1, 1), 0.5),
    "l-shape": WIDE - Rectangle((0, -1), (1, 0)),
    "domino": SQUARE | Rectangle((1, 0), (2, 1)),
    "two islands": SQUARE | Disk((3, 0), 0.5),
    "lens": Disk((0, 0), 1) & Disk((1, 0.3), 0.8),
    "far and small": Disk((1000, 2000), 1e-2) - Disk((1000.002, 2000), 3e-3),
}
PLANE |= {
    "sector": Sector((0, 0), 1, 0.2, 5, 0.3),
    "flower": StarShaped(lambda theta: 1 + 0.2 * torch.cos(5 * theta)),
    "rounded": RoundedPolygon([(0, 0), (1, 0), (1.2, 1), (0, 1)], 0.4),
    "polygon with a hole": Polygon([(-1, -1), (3, -1), (3, 3), (-1, 3)], holes=[ARROW.vertices]),
    "turned ellipse": Ellipse((0, 0), (1, 0.2)).rotated(0.4),
}
EULER = {"polygon with a hole": 0} | {
    "hole": 0,
    "tiny hole": 0,
    "thin gap": -1,
    "annulus": 0,
    "two islands": 2,
    "far and small": 0,
}
SOLID = {
    "cylinder": circular_cylinder((0, 0, 0), 0.5, 1),
    "torus": torus((0, 0, 0), 1, 0.4).rotated(0.5, axis="x"),
    "cone": Revolution(Polygon([(0, 0), (1, 0), (0, 1)])),
    "plate": Extrusion(SQUARE - Disk((0.5, 0.5), 0.2), 0, 0.5),
    "ball": Ball((0, 0.1, 0.2), 0.8),
    "cavity": Box((-1, -1, -1), (1, 1, 1)) - Ball((0.1, 0, 0), 0.5),
    "fichera": Box((-1, -1, -1), (1, 1, 1)) - Box((0, 0, 0), (1, 1, 1)),
    "bitten box": Box((-1, -1, -1), (1, 1, 1)) - Ball((1, 1, 1), 0.7),
}
LINE = {
    "interval": Interval(-1, 2),
    "two intervals": Interval(0, 1) | Interval(2, 3),
    "joined intervals": Interval(0, 1) | Interval(1, 2),
    "interval without its middle": Interval(0, 1) - Interval(0.4, 0.5),
}


def facets(mesh):
    """Sorted facets of all cells, each once, and how many cells it bounds."""
    corners = mesh.cells.shape[1]
    sides = [[j for j in range(corners) if j != i] for i in range(corners)]
    every = np.sort(mesh.cells[:, sides], axis=2).reshape(-1, corners - 1)
    return np.unique(every, axis=0, return_counts=True)


def boundary_vertices(mesh):
    sides, count = facets(mesh)
    return mesh.points[np.unique(sides[count == 1])]


@pytest.mark.parametrize("domain", LINE.values(), ids=LINE)
def test_lines_fill_the_domain_exactly(domain):
    mesh = output_mesh(domain)
    assert math.isclose(mesh.measures.sum(), domain.measure, rel_tol=1e-13)
    assert (mesh.measures > 0).all()
    assert len(mesh.points) == 500
    assert domain.contains(torch.as_tensor(mesh.centroids)).all()


@pytest.mark.parametrize(
    ("domain", "kind"),
    [
        (SQUARE, "quad"),
        (Rectangle((1000, 2000), (1000.1, 2000.01)), "quad"),
        (Rectangle((0, 0), (1000, 1)), "quad"),
        (Box((0, 0, -1), (1, 2, 0.5)), "hexahedron"),
    ],
    ids=["square", "far small", "thin", "box"],
)
def test_grids_fill_a_box_exactly(domain, kind):
    mesh = output_mesh(domain, 5000)
    assert mesh.cell_type == kind
    assert math.isclose(mesh.measures.sum(), domain.measure, rel_tol=1e-9)
    assert (mesh.measures > 0).all()
    assert 3000 < len(mesh.points) < 8000
    assert len(np.unique(mesh.cells)) == len(mesh.points)


@pytest.mark.parametrize("name", PLANE)
def test_a_plane_mesh_is_conforming_oriented_and_has_the_topology_of_the_domain(name):
    mesh = output_mesh(PLANE[name], 2000)
    edges, count = facets(mesh)
    assert (mesh.measures > 0).all()
    assert count.max() == 2
    assert len(mesh.points) - len(edges) + len(mesh.cells) == EULER.get(name, 1)
    assert 1600 < len(mesh.points) < 2600


@pytest.mark.parametrize("name", PLANE)
def test_boundary_vertices_of_a_plane_mesh_lie_on_the_boundary_and_inner_ones_inside(name):
    domain = PLANE[name]
    mesh = output_mesh(domain, 2000)
    size = float((domain.bounds[1] - domain.bounds[0]).norm())
    on = domain.level(torch.as_tensor(boundary_vertices(mesh))).abs()
    assert on.max() < 1e-8 * size
    assert domain.level(torch.as_tensor(mesh.points)).max() < 1e-8 * size


@pytest.mark.parametrize("name", PLANE)
def test_the_area_of_a_plane_mesh_is_right_to_second_order(name):
    domain = PLANE[name]
    wrong = [abs(output_mesh(domain, n).measures.sum() - domain.measure) for n in (500, 8000)]
    assert wrong[1] <= wrong[0] / 10 + 1e-7 * domain.measure  # 16 times the points: a quarter of the step


@pytest.mark.parametrize("name", [name for name in PLANE if name not in ("tiny hole", "acute wedge")])
def test_triangles_are_well_shaped(name):
    mesh = output_mesh(PLANE[name], 2000)
    corner = mesh.points[mesh.cells]
    sides = np.linalg.norm(corner - np.roll(corner, 1, axis=1), axis=2)
    quality = 4 * math.sqrt(3) * mesh.measures / (sides**2).sum(axis=1)  # 1: equilateral
    assert np.quantile(quality, 0.01) > 0.5
    assert quality.min() > 0.2


def test_corners_and_trim_points_are_vertices():
    mesh = output_mesh(PLANE["bitten corner"], 2000)
    for corner in [(0, 0), (1, 0), (0, 1), (0.5, 1), (1, 0.5)]:
        assert np.linalg.norm(mesh.points - corner, axis=1).min() < 1e-8


@pytest.mark.parametrize("name", SOLID)
def test_tetrahedra_are_conforming_and_oriented_with_all_outer_vertices_on_the_boundary(name):
    domain = SOLID[name]
    mesh = output_mesh(domain, 700)
    _, count = facets(mesh)
    assert (mesh.measures > 0).all()
    assert count.max() == 2
    assert domain.level(torch.as_tensor(boundary_vertices(mesh))).abs().max() < 1e-8
    assert domain.level(torch.as_tensor(mesh.points)).max() < 1e-8


@pytest.mark.parametrize("name", SOLID)
def test_the_volume_of_a_solid_mesh_is_right_to_second_order(name):
    domain = SOLID[name]
    wrong = [abs(output_mesh(domain, n).measures.sum() - domain.measure) for n in (500, 4000)]
    assert wrong[1] <= wrong[0] / 3 + 1e-4 * domain.measure  # 8 times the points: half the step


def test_a_cylinder_has_the_mesh_of_its_space_and_times_with_both_ends():
    domain = Disk((0, 0), 1) * TimeInterval(1, 3)
    assert output_mesh(domain, 300).points.shape[1] == 2
    np.testing.assert_allclose(output_times(domain, 5), [1, 1.5, 2, 2.5, 3], rtol=1e-15)
    assert len(output_times(domain)) == 41


@pytest.mark.parametrize("space", LINE.values(), ids=LINE)
def test_the_space_time_surface_covers_space_times_time(space):
    domain = space * TimeInterval(-1, 1)
    mesh = spacetime_mesh(domain)
    assert mesh.cell_type == "quad"
    assert (mesh.measures > 0).all()
    assert math.isclose(mesh.measures.sum(), 2 * space.measure, rel_tol=1e-12)
    assert mesh.points[:, 1].min() == -1
    assert mesh.points[:, 1].max() == 1


def test_more_than_three_space_dimensions_are_refused_with_what_to_try():
    with pytest.raises(UsageError, match=r"4 space dimensions \(x1, x2, x3, x4\).*csv"):
        output_mesh(Box((0,) * 4, (1,) * 4))
    with pytest.raises(UsageError, match="4 space dimensions"):
        output_mesh(Box((0,) * 4, (1,) * 4) * TimeInterval(0, 1))


def test_senseless_sizes_are_refused():
    with pytest.raises(UsageError, match="received 1 points"):
        output_mesh(SQUARE, 1)
    with pytest.raises(UsageError, match="received 1 time steps"):
        output_times(SQUARE * TimeInterval(0, 1), 1)
    with pytest.raises(UsageError, match="one space dimension and time"):
        spacetime_mesh(SQUARE * TimeInterval(0, 1))


def test_meshes_are_the_same_each_time():
    for domain in (PLANE["hole"], SOLID["cavity"]):
        first, second = output_mesh(domain, 500), output_mesh(domain, 500)
        np.testing.assert_array_equal(first.points, second.points)
        np.testing.assert_array_equal(first.cells, second.cells)
