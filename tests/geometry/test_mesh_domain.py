"""Domains from mesh files: what is read, kept, refused, and that the theorems hold on them."""

import math
import pickle

import meshio
import numpy as np
import pytest
import torch
from scipy.spatial import ConvexHull
from shapes import divergence_gap

from pdesolve import Dirichlet, Problem, Solution, laplace, load_problem, solve
from pdesolve.errors import ProblemError
from pdesolve.geometry import Ball, Disk, Extrusion, Rectangle, load_mesh
from pdesolve.output.mesh import output_mesh

CORNERS = np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)])
BRICK = [0, 4, 6, 2, 1, 5, 7, 3]  # of the corners of `cube(1)`, in the order of a hexahedron
KUHN = [[0, 1, 3, 7], [0, 3, 2, 7], [0, 2, 6, 7], [0, 6, 4, 7], [0, 4, 5, 7], [0, 5, 1, 7]]


def ring(n: int = 24):
    """Points and triangles between two circles of n vertices, radii 0.5 and 1, and boundary lines with tags."""
    turn = 2 * np.pi * np.arange(n) / n
    circle = np.column_stack([np.cos(turn), np.sin(turn)])
    i, j = np.arange(n), (np.arange(n) + 1) % n
    triangles = np.concatenate([np.column_stack([i, n + i, n + j]), np.column_stack([i, n + j, j])])
    lines = np.concatenate([np.column_stack([i, j]), np.column_stack([n + i, n + j])])
    return np.concatenate([0.5 * circle, circle]), triangles, lines, np.repeat([7, 9], n)


def l_shape():
    """An L of three unit squares, each in two triangles; its boundary in eight unit edges, no names."""
    points = np.array([(x, y) for y in range(3) for x in range(3)], dtype=float)
    squares = [(0, 1, 4, 3), (1, 2, 5, 4), (3, 4, 7, 6)]
    return points, np.array([t for a, b, c, d in squares for t in ((a, b, c), (a, c, d))])


def cube(n: int = 2):
    """The unit cube in n³ cubes of six tetrahedra, some of them turned inside out."""
    axis = np.arange(n + 1)
    index = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    number = {tuple(k): i for i, k in enumerate(index.tolist())}
    corners = [(i, j, k) for k in (0, 1) for j in (0, 1) for i in (0, 1)]
    cells = []
    for origin in index[(index < n).all(axis=1)].tolist():
        at = [number[tuple(o + c for o, c in zip(origin, corner, strict=True))] for corner in corners]
        cells += [[at[i] for i in tetrahedron] for tetrahedron in KUHN]
    return index / n, np.array(cells)


def sphere(n: int = 60):
    """Nearly even points on the unit sphere and the triangles of their hull, outwards."""
    z = 1 - (2 * np.arange(n) + 1) / n
    turn = np.pi * (1 + 5**0.5) * (np.arange(n) + 0.5)
    x = np.column_stack([np.sqrt(1 - z**2) * np.cos(turn), np.sqrt(1 - z**2) * np.sin(turn), z])
    triangles = ConvexHull(x).simplices
    flip = np.linalg.det(x[triangles]) < 0
    triangles[flip] = triangles[flip][:, ::-1]
    return x, triangles


def write(path, points, cells, **more):
    points = np.column_stack([points, np.zeros((len(points), 3 - points.shape[1]))])
    meshio.Mesh(points, cells, **more).write(
        path, **({"file_format": "gmsh22"} if path.suffix == ".msh" else {})
    )
    return path


def write_ring(path, n: int = 24):
    points, triangles, lines, tags = ring(n)
    labels = [tags, np.full(len(triangles), 1)]
    return write(
        path,
        points,
        [("line", lines), ("triangle", triangles)],
        cell_data={"gmsh:physical": labels, "gmsh:geometrical": labels},
        field_data={"inner": np.array([7, 1]), "outer": np.array([9, 1]), "metal": np.array([1, 2])},
    )


@pytest.fixture(scope="module")
def meshes(tmp_path_factory):
    """Domains read from files of four formats."""
    folder = tmp_path_factory.mktemp("meshes")
    points, triangles = l_shape()
    return {
        "ring": load_mesh(write_ring(folder / "ring.msh")),
        "l-shape": load_mesh(write(folder / "l.vtu", points, [("triangle", triangles)])),
        "cube": load_mesh(write(folder / "cube.vtu", cube()[0], [("tetra", cube()[1])])),
        "sphere": load_mesh(write(folder / "sphere.stl", sphere()[0], [("triangle", sphere()[1])])),
        "turned cube": load_mesh(write(folder / "c.vtu", cube()[0], [("tetra", cube()[1])])).rotated(0.3),
    }


NAMES = ["ring", "l-shape", "cube", "sphere", "turned cube"]


@pytest.mark.parametrize("name", NAMES)
def test_divergence_theorem_holds_on(meshes, name):
    gap, size = divergence_gap(meshes[name], 16)
    assert abs(gap) < 1e-9 * size


@pytest.mark.parametrize("name", NAMES)
def test_rule_and_output_mesh_fill_the_domain(meshes, name):
    domain = meshes[name]
    x, w = domain.rule(8)
    assert domain.contains(x, domain.rounding).all()
    assert float(w.sum()) == pytest.approx(domain.measure, rel=1e-12)
    mesh = output_mesh(domain, 800)
    assert (mesh.measures > 0).all()
    assert mesh.measures.sum() == pytest.approx(domain.measure, rel=1e-3)  # the turned one is cut anew


@pytest.mark.parametrize("name", NAMES)
def test_level_is_the_signed_distance(meshes, name):
    domain = meshes[name]
    torch.manual_seed(0)
    lower, upper = domain.bounds
    x, y = (lower + (upper - lower) * (1.4 * torch.rand(300, domain.dimension) - 0.2) for _ in "xy")
    x, y = x.double(), y.double()
    assert ((domain.level(x) - domain.level(y)).abs() <= (x - y).norm(dim=1) * (1 + 1e-9)).all()
    for piece in domain.pieces:
        point, normal, _ = piece.rule(4)
        assert torch.allclose(domain.level(point + 1e-4 * normal), torch.tensor(1e-4).double(), atol=1e-12)
        assert torch.allclose(domain.level(point), torch.tensor(0.0).double(), atol=1e-12)


def test_named_groups_are_parts(meshes):
    domain, n = meshes["ring"], 24
    assert domain.part_names == ("inner", "outer")
    for name, radius in (("inner", 0.5), ("outer", 1.0)):
        rule = domain.part(name).rule(domain, 4)
        assert float(rule.weights.sum()) == pytest.approx(2 * n * radius * math.sin(math.pi / n))
    sign = (rule.normals * rule.points).sum(dim=1)
    assert (sign > 0).all()
    plate = Extrusion(domain, 0, 2)
    assert plate.files == domain.files
    assert len(plate.pieces) == 4


def test_straight_sides_become_edges_and_flat_sides_faces(meshes):
    assert [piece.plane for piece in meshes["l-shape"].pieces].count((0, 0.0)) == 1
    assert len(meshes["l-shape"].pieces) == 6
    planes = {piece.plane for piece in meshes["cube"].pieces}
    assert planes == {(axis, value) for axis in range(3) for value in (0.0, 1.0)}


def test_set_operations_take_meshes(meshes):
    holed = meshes["l-shape"] - Disk((0.5, 0.5), 0.2)
    assert holed.measure == pytest.approx(3 - 0.04 * math.pi, abs=1e-10)
    gap, size = divergence_gap(holed, 20)
    assert abs(gap) < 1e-9 * size
    half = meshes["ring"] & Rectangle((-2, 0), (2, 2))
    assert half.measure == pytest.approx(meshes["ring"].measure / 2, abs=1e-10)


@pytest.mark.parametrize("suffix", [".stl", ".obj", ".vtu", ".vtk", ".off", ".ply"])
def test_a_closed_surface_is_read_in_every_format(tmp_path, suffix):
    x, triangles = sphere()
    domain = load_mesh(write(tmp_path / f"ball{suffix}", x, [("triangle", triangles[:, ::-1])]))  # inside out
    assert domain.measure == pytest.approx(ConvexHull(x).volume, rel=1e-6)
    assert float(domain.level(torch.zeros(1, 3, dtype=torch.float64))) < -0.8


def test_cells_of_higher_order_count_by_their_corners(tmp_path):
    points, triangles = l_shape()
    middles = np.concatenate([points[triangles[:, [i, (i + 1) % 3]]].mean(axis=1) for i in range(3)])
    number = 9 + np.arange(len(middles)).reshape(3, -1).T
    cells = np.column_stack([triangles, number])
    domain = load_mesh(write(tmp_path / "l.vtu", np.concatenate([points, middles]), [("triangle6", cells)]))
    assert domain.measure == pytest.approx(3)
    quads = load_mesh(write(tmp_path / "q.vtu", points, [("quad", np.array([[0, 1, 4, 3], [1, 2, 5, 4]]))]))
    assert quads.measure == pytest.approx(2)


@pytest.mark.parametrize("numbers", [range(27), (5 * np.arange(27)) % 27, (26 - 7 * np.arange(27)) % 27])
def test_hexahedra_in_any_numbering_are_the_cube_with_its_sides(tmp_path, numbers):
    numbers, (points, _) = np.array(numbers), cube(2)
    index = np.round(2 * points).astype(int)
    number = {tuple(k): numbers[i] for i, k in enumerate(index.tolist())}
    at = lambda o: [number[tuple(o + c)] for c in CORNERS]  # noqa: E731
    cells = np.array([at(o) for o in index[(index < 2).all(axis=1)]])
    places = np.empty_like(points)
    places[numbers] = points
    floor = cells[places[cells[:, 0]][:, 2] == 0][:, :4]
    labels = [np.ones(len(cells), int), np.full(len(floor), 3)]
    domain = load_mesh(
        write(
            tmp_path / "cube.msh",
            places,
            [("hexahedron", cells), ("quad", floor)],
            cell_data={"gmsh:physical": labels, "gmsh:geometrical": labels},
            field_data={"floor": np.array([3, 2])},
        )
    )
    assert domain.measure == pytest.approx(1)
    assert float(domain.part("floor").rule(domain, 4).weights.sum()) == pytest.approx(1)
    gap, size = divergence_gap(domain, 12)
    assert abs(gap) < 1e-9 * size


def test_wedges_pyramids_and_tetrahedra_fit_together(tmp_path):
    corners = cube(1)[0][BRICK]
    points = np.concatenate([corners, [[0.5, 0.5, 1.8], [0.0, 1.0, 2.0]]])
    wedges = np.array([[0, 1, 2, 4, 5, 6], [0, 2, 3, 4, 6, 7]])
    cells = [("wedge", wedges), ("pyramid", np.array([[4, 5, 6, 7, 8]])), ("tetra", np.array([[6, 7, 8, 9]]))]
    domain = load_mesh(write(tmp_path / "tower.vtu", points, cells))
    apex = abs(np.linalg.det(points[[7, 8, 9]] - points[6])) / 6
    assert domain.measure == pytest.approx(1 + 0.8 / 3 + apex)
    gap, size = divergence_gap(domain, 12)
    assert abs(gap) < 1e-9 * size


def test_equal_meshes_are_equal_domains(tmp_path):
    first = load_mesh(write_ring(tmp_path / "a.msh"))
    same, other = load_mesh(write_ring(tmp_path / "a.msh")), load_mesh(write_ring(tmp_path / "b.msh", 25))
    assert first == same == pickle.loads(pickle.dumps(first))
    assert hash(first) == hash(same)
    assert first != other


def refuse(path, sentence):
    with pytest.raises(ProblemError, match=sentence) as caught:
        load_mesh(path)
    assert str(caught.value).endswith(".")


def test_files_that_bound_no_domain_are_refused_in_a_sentence(tmp_path, capfd):
    refuse(tmp_path / "nothing.msh", "no mesh file")
    for name in ("damaged.msh", "damaged.stl", "damaged.vtu", "strange.xyz"):
        (tmp_path / name).write_text("$MeshFormat\n4.1 0 8\nthis is no mesh")
        refuse(tmp_path / name, f"{name} cannot be read|{name} holds nothing")
    x, triangles = sphere()
    refuse(write(tmp_path / "open.stl", x, [("triangle", triangles[1:])]), "not closed")
    odd = triangles.copy()
    odd[0] = odd[0][::-1]
    refuse(write(tmp_path / "odd.vtu", x, [("triangle", odd)]), "not oriented alike")
    refuse(write(tmp_path / "line.vtu", x, [("line", triangles[:, :2])]), "holds line, expected triangles")
    pentagon = np.array([(np.cos(t), np.sin(t)) for t in np.arange(5) * 2 * np.pi / 5])
    refuse(
        write(tmp_path / "five.vtu", pentagon, [("polygon", np.arange(5)[None])]), "polygon cells, expected"
    )
    bent = cube(1)[0][BRICK]
    bent[6] += 0.1
    refuse(
        write(tmp_path / "bent.vtu", bent, [("hexahedron", np.arange(8)[None])]),
        "3 boundary faces .* one plane",
    )
    dart = np.array([[0, 0], [2, 1], [0, 2], [1, 1]], dtype=float)
    refuse(write(tmp_path / "dart.vtu", dart, [("quad", np.arange(4)[None])]), "overlap")
    flat = np.array([[0, 0], [1, 0], [2, 0]], dtype=float)
    refuse(write(tmp_path / "flat.vtu", flat, [("triangle", np.array([[0, 1, 2]]))]), "any volume")
    nan = np.array([[0, 0], [1, 0], [0, np.nan]])
    refuse(write(tmp_path / "nan.vtu", nan, [("triangle", np.array([[0, 1, 2]]))]), "not finite")
    assert capfd.readouterr().out == ""


def test_a_part_that_is_not_there_is_refused_with_those_that_are(meshes):
    with pytest.raises(ProblemError, match=r"no part 'inlet'; its parts are 'inner', 'outer'"):
        meshes["ring"].part("inlet")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ring", "cube", "sphere"])
def test_a_manufactured_problem_is_solved_on(meshes, name):
    domain = meshes[name]
    if domain.dimension == 2:
        problem = Problem(
            domain,
            lambda u, x, y: -laplace(u) - torch.sin(x + y) * 2,
            [Dirichlet(lambda x, y: torch.sin(x + y), on=domain.boundary)],
            exact=lambda x, y: torch.sin(x + y),
        )
    else:
        problem = Problem(
            domain,
            lambda u, x, y, z: -laplace(u) - torch.sin(x + y + z) * 3,
            [Dirichlet(lambda x, y, z: torch.sin(x + y + z), on=domain.boundary)],
            exact=lambda x, y, z: torch.sin(x + y + z),
        )
    tolerance = 1e-6 if domain.dimension == 2 else 1e-4
    solution = solve(problem, tol=tolerance, time_limit=60)
    assert solution.converged
    assert solution.relative_l2_error() <= tolerance


def test_a_saved_solution_keeps_a_copy_of_its_mesh(tmp_path):
    source = tmp_path / "problem"
    (source / "meshes").mkdir(parents=True)
    write_ring(source / "meshes" / "ring.msh", 8)
    (source / "ring.py").write_text(
        "from pdesolve import *\n"
        "ring = load_mesh('meshes/ring.msh')\n"
        "problem = Problem(ring, lambda u: -laplace(u), [Dirichlet(lambda x, y: x * y, on=ring.boundary)])\n"
    )
    problem = load_problem(source / "ring.py")
    solution = solve(problem, tol=1e-2, time_limit=20)
    solution.save(tmp_path / "kept")
    for file in sorted(source.rglob("*.*"), reverse=True):
        file.unlink()
    assert Solution.load(tmp_path / "kept")(0.7, 0.1) == solution(0.7, 0.1)


def test_a_finer_mesh_of_a_ball_tends_to_it(tmp_path):
    ball = Ball((0, 0, 0), 1)
    errors = []
    for n in (50, 200):
        path = write(tmp_path / f"{n}.stl", sphere(n)[0], [("triangle", sphere(n)[1])])
        errors.append(abs(load_mesh(path).measure - ball.measure))
    assert errors[0] / errors[1] > 3.3  # quadratic in the edge: linear in the number of points
