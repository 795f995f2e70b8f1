"""Singular edges of solids: found from geometry and conditions, exact where nothing changes along them."""

import math
from functools import cache

import pytest
import torch

from pdesolve import Box, Condition, Dirichlet, Neumann, Problem, Vector, div, laplace, solve
from pdesolve.adaptive.discretisation import Discretisation
from pdesolve.errors import SolveError
from pdesolve.mechanics import stress
from pdesolve.patches.corners.edges import EdgeFunctions
from pdesolve.patches.corners.enrichment import Enrichment
from pdesolve.patches.corners.find_edges import edge_functions
from pdesolve.patches.cover import Patches
from pdesolve.patches.frame import Frame
from pdesolve.runs.monitor import Monitor

CUBE = Box((0, 0, 0), (1, 1, 1))
FICHERA = Box((-1, -1, -1), (1, 1, 1)) - CUBE
HOLLOW = CUBE - Box((0.25, 0.25, 0.25), (0.75, 0.75, 0.75))
PRISM = Box((-1, -1, 0), (1, 1, 1)) - Box((0, -1, 0), (1, 0, 1))


def of(problem: Problem) -> Discretisation:
    return Discretisation(problem, 1e-3, Monitor(), "cpu", {})


def found(problem: Problem) -> tuple[EdgeFunctions, ...]:
    space = of(problem)
    return edge_functions(space.statement, space.frame)


@cache
def fichera() -> tuple[Discretisation, tuple[EdgeFunctions, ...]]:
    space = of(poisson(FICHERA, Dirichlet(0, on=FICHERA.boundary)))
    return space, edge_functions(space.statement, space.frame)


def poisson(domain, *conditions) -> Problem:
    return Problem(domain, lambda u: -laplace(u) - 1, list(conditions))


def test_a_cube_has_no_singular_edge():
    # At right angles exponents are 2, 4, … between values, and 1, 3, … between values and fluxes: polynomials.
    assert found(poisson(CUBE, Dirichlet(0, on=CUBE.boundary))) == ()
    held = Dirichlet(0, on=CUBE.left)
    rest = Neumann(0, on=CUBE.right | CUBE.front | CUBE.back | CUBE.bottom | CUBE.top)
    assert found(poisson(CUBE, held, rest)) == ()


def test_values_that_jump_along_edges_have_no_functions():
    hot = Dirichlet(1, on=CUBE.boundary.where(lambda z: z > 1 - 1e-9))
    assert found(poisson(CUBE, hot, Dirichlet(0, on=CUBE.boundary.where(lambda z: z < 1 - 1e-9)))) == ()


def test_re_entrant_edges_of_the_fichera_corner():
    _, edges = fichera()
    assert [edge.axis for edge in edges] == [0, 1, 2]
    for edge in edges:
        assert (edge.begin, edge.end) == (0.0, 1.0)
        assert sorted(set(edge.exponents)) == pytest.approx([2 / 3, 4 / 3], abs=1e-9)


def test_edges_of_a_clamped_face():
    """sin² (λω) = (κ + 1)² / 4κ - λ² sin² ω / κ between clamped and free, κ = 3 - 4ν (Williams, 1952)."""
    beam = Box((0, 0, 0), (2, 1, 1))

    def equilibrium(u: Vector):
        return div(stress(u, 1.0, 1.0))

    free = Condition(lambda u, n: stress(u, 1.0, 1.0) @ n, on=beam.boundary.where(lambda x: x > 1e-9))
    held = Dirichlet(0, on=beam.boundary.where(lambda x: x < 1e-9), unknown="u")
    edges = found(Problem(beam, equilibrium, [held, free]))
    assert sorted(edge.axis for edge in edges) == [1, 1, 2, 2]
    for edge in edges:
        exponent = min(edge.exponents)
        assert math.sin(exponent * math.pi / 2) ** 2 == pytest.approx(9 / 8 - exponent**2 / 2, abs=1e-9)


def test_only_lines_that_are_edges_are_looked_at_closely(monkeypatch):
    """Of the 144 parts of grid lines of a cube with a box hole 48 are edges, 12 of them re-entrant."""
    space = of(poisson(HOLLOW, Dirichlet(0, on=HOLLOW.boundary)))
    asked = []
    inside = Frame.inside
    monkeypatch.setattr(Frame, "inside", lambda *given: asked.append(given) or inside(*given))
    edges = edge_functions(space.statement, space.frame)
    assert len(edges) == 12
    # Once for all lines along an axis, then for every part of an edge, and for the ray behind each of 24 edges.
    assert len(asked) <= 3 + 48 + 24


def test_functions_of_an_edge_are_harmonic_but_for_their_polynomial():
    """Δ(s P_k) = s P_k'', with P_2 = √(5/2) (3 t² - 1)/2."""
    edge = fichera()[1][2]
    y = torch.rand(20, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1
    y[:, :2] *= -1
    second = [(0, tuple(2 * int(i == j) for j in range(3))) for i in range(3)]
    laplacian = edge.table(y, second).sum(0).view(20, -1, edge.count)
    values = edge.table(y, [(0, (0, 0, 0))])[0].view(20, -1, edge.count)
    assert float(laplacian[..., :2].abs().max()) < 1e-9 * float(edge.table(y, second).abs().max())
    # t = 2 z - 1, so that P_2'' = 4 · 3 √(5/2), and P_0 = √½.
    wanted = values[..., 0] * math.sqrt(2) * 12 * math.sqrt(5 / 2)
    torch.testing.assert_close(laplacian[..., 2], wanted, rtol=1e-9, atol=1e-9)


def test_cells_beyond_the_end_of_an_edge_have_none_of_its_functions():
    space, edges = fichera()
    patches = space.roots()[0]
    supports = Enrichment(patches.partition, edges).supports[:, :: len(edges[0])]
    for axis, edge in enumerate(edges):
        assert edge.axis == axis
        assert (supports[:, axis] == (patches.centre[:, axis] > 0)).all()


def test_hanging_faces_of_prisms_reproduce_polynomials():
    """Cells that are halved across an edge, and not along it, meet others in parts of faces.

    The functions of patches are polynomials but for a wide envelope, so that what is missed is that of degree nine.
    """
    x2yz = Dirichlet(lambda x, y, z: x**2 * y * z - y**3 + z, on=CUBE.boundary)
    space = of(Problem(CUBE, lambda u, y, z: laplace(u) - 2 * y * z + 6 * y, [x2yz]))
    partition = space.roots()[0].partition
    for _ in range(2):
        lower, _ = partition.bounds
        axes = (lower[:, :1] == 0) & (lower[:, 1:2] == 0) & torch.tensor([[True, True, False]]).numpy()
        partition = partition.split(axes)[0]
    patches, _ = Patches.over(space.frame, partition)
    assert (patches.half[:, 2] > 3 * patches.half[:, 0]).any()
    solution = space.solve(patches, 0 * partition.level[:, 0] + 9, None)
    y = torch.rand(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    values = solution.mixture.jet(y, ((0, 0, 0),))[:, 0, 0]
    wanted = y[:, 0] ** 2 * y[:, 1] * y[:, 2] - y[:, 1] ** 3 + y[:, 2]
    torch.testing.assert_close(values, wanted, rtol=1e-6, atol=1e-7)


def wedge(x, y, z):
    """r^⅔ sin ⅔θ cos z, θ from the wall y = 0, x > 0 of the L-shaped prism."""
    theta = torch.remainder(torch.atan2(y, x), 2 * math.pi)
    return torch.hypot(x, y) ** (2 / 3) * torch.sin(2 / 3 * theta) * torch.cos(z)


@pytest.mark.slow
def test_an_edge_whose_strength_changes_along_it(tmp_path):
    """-Δu = u has the solution r^⅔ sin ⅔θ cos z in an L-shaped prism."""
    outer = PRISM.boundary.where(lambda x, y: (x.abs() > 1 - 1e-9) | (y.abs() > 1 - 1e-9))
    walls = PRISM.boundary.where(lambda x, y: (x.abs() < 1e-9) & (y < 0) | (y.abs() < 1e-9) & (x > 0))
    low = PRISM.boundary.where(lambda z: z < 1e-9)
    high = PRISM.boundary.where(lambda z: z > 1 - 1e-9)
    conditions = [
        Dirichlet(wedge, on=outer),
        Dirichlet(0, on=walls),
        Neumann(0, on=low),
        Condition(lambda u: u.z + math.tan(1.0) * u, on=high),
    ]
    problem = Problem(PRISM, lambda u: laplace(u) + u, conditions)
    solution = solve(problem, tol=1e-4)
    points = PRISM.sample(512, sampler="sobol", seed=3)
    right = wedge(*points.T)
    error = float((torch.as_tensor(solution(*points.T)) - right).norm() / right.norm())
    assert solution.converged
    assert error <= 3 * solution.estimated_error <= 3e-4
    solution.save(tmp_path)


@pytest.mark.slow
def test_the_verdict_of_the_fichera_corner():
    """Values of degree 14 on seven patches with three functions an edge, which agree with degree 12 to 2e-4."""
    solution = solve(poisson(FICHERA, Dirichlet(0, on=FICHERA.boundary)), tol=1e-2)
    assert solution.converged
    assert solution.degrees_of_freedom < 3000
    for place, value in {-0.5: 0.109453, -0.25: 0.154058}.items():
        found = float(solution(place, place, place))
        assert found == pytest.approx(value, rel=3 * solution.estimated_error)
    # ∇u ~ r^-⅓ at the edges: its fourth power has an integral, its sixth has none.
    with pytest.raises(SolveError, match="grows like r"):
        solution.integral(lambda u: u.x**6)
