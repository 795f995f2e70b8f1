"""Strains and stresses of known displacements, and a plate under uniform tension."""

import math

import pytest
import torch

from pdesolve import (
    Condition,
    Dirichlet,
    Field,
    Flux,
    Probe,
    Problem,
    ProblemError,
    Rectangle,
    Vector,
    div,
    load_problem,
    solve,
    tangential,
    vector,
)
from pdesolve.mechanics import lame, plane_stress, strain, stress, traction, von_mises
from pdesolve.statement.frame import Frame


def linear(gradient):
    """A frame, and the displacement u = G x in it."""
    G = torch.tensor(gradient, dtype=torch.float64)
    d = len(G)
    points = torch.rand(5, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    frame = Frame(("x", "y", "z")[:d], points, depth=1)
    x = torch.stack(list(frame.coordinates.values()), 1)
    return frame, Vector([Field(column, frame) for column in (x @ G.T).unbind(1)], frame.names)


def numbers(matrix):
    return torch.stack(
        [torch.stack([e.tensor if isinstance(e, Field) else e for e in row]) for row in matrix]
    )[..., 0]


def test_a_rotation_has_no_strain():
    frame, u = linear([[0.0, -0.3], [0.3, 0.0]])
    with frame:
        assert numbers(strain(u)).abs().max() < 1e-15


def test_hooke_in_space():
    frame, u = linear([[0.1, 0.0, 0.2], [0.0, 0.3, 0.0], [0.0, 0.0, -0.1]])
    with frame:
        found = numbers(stress(u, 2.0, 0.5))
    epsilon = torch.tensor([[0.1, 0, 0.1], [0, 0.3, 0], [0.1, 0, -0.1]], dtype=torch.float64)
    assert torch.allclose(found, 2.0 * 0.3 * torch.eye(3, dtype=torch.float64) + epsilon)


def test_von_mises_is_the_tension_of_a_rod_and_root_three_times_a_shear():
    E, nu = 7.0, 0.3
    rod = [[1 / E, 0, 0], [0, -nu / E, 0], [0, 0, -nu / E]]
    frame, u = linear(rod)
    with frame:
        assert von_mises(stress(u, *lame(E, nu))).tensor == pytest.approx(1)
    frame, u = linear([[1 / E, 0], [0, -nu / E]])
    with frame:
        assert von_mises(stress(u, *plane_stress(E, nu))).tensor == pytest.approx(1)
    frame, u = linear([[0, 0.2], [0, 0]])
    with frame:
        assert von_mises(stress(u, 1.0, 5.0), nu=0.1).tensor == pytest.approx(math.sqrt(3))


def test_plane_strain_is_the_solid_that_does_not_stretch_along_z():
    E, nu = 3.0, 0.25
    frame, u = linear([[0.1, 0.05, 0], [0.02, -0.2, 0], [0, 0, 0]])
    with frame:
        solid = float(von_mises(stress(u, *lame(E, nu))).tensor[0])
    frame, u = linear([[0.1, 0.05], [0.02, -0.2]])
    with frame:
        assert von_mises(stress(u, *lame(E, nu)), nu=nu).tensor == pytest.approx(solid)


@pytest.mark.parametrize("make", [lambda: lame(-1, 0.3), lambda: lame(1, 0.5), lambda: plane_stress(1, -1)])
def test_constants_of_no_material(make):
    with pytest.raises(ProblemError, match="expected E > 0"):
        make()


def test_von_mises_takes_a_stress():
    frame, u = linear([[1.0, 0], [0, 1]])
    with frame, pytest.raises(ProblemError, match="takes a stress"):
        von_mises(u)


def test_a_plate_under_tension_stretches_as_its_constants_say():
    E, nu = 2.0, 0.25
    lam, mu = plane_stress(E, nu)
    plate = Rectangle((0, 0), (2, 1))

    def equilibrium(u: Vector):
        return div(stress(u, lam, mu))

    problem = Problem(
        plate,
        equilibrium,
        [
            Dirichlet(0, on=plate.left, unknown="u", along="normal"),
            Condition(lambda u, n: tangential(traction(u, lam, mu), n), on=plate.left),
            Dirichlet(0, on=plate.bottom, unknown="u", along="normal"),
            Condition(lambda u, n: tangential(traction(u, lam, mu), n), on=plate.bottom),
            Condition(lambda u: traction(u, lam, mu), on=plate.top),
            Condition(lambda u: traction(u, lam, mu) - vector(1.0, 0.0), on=plate.right),
        ],
        quantities={"pull": Flux(plate.right, "u_x"), "narrowing": Probe((1, 1), "u_y")},
    )
    solution = solve(problem, tol=1e-6)
    assert solution(2.0, 1.0)["u_x"] == pytest.approx(2 / E, abs=1e-8)
    found = solution.quantities()
    assert found["narrowing"] == pytest.approx(-nu / E, abs=1e-8)
    assert found["pull"] == pytest.approx(1.0, abs=1e-8)


def test_the_wall_bears_what_a_cantilever_weighs():
    found = solve(load_problem("problems/cantilever.py"), tol=1e-3).quantities()
    assert abs(found["force on the wall"] - 5e-3) <= 3 * found["force on the wall"].estimated_error
    assert abs(found["tip"] + 0.36453) <= 3 * found["tip"].estimated_error < 3e-3


@pytest.mark.slow
def test_the_stress_at_a_hole_is_three_times_that_of_the_plate():
    solution = solve(load_problem("problems/kirsch.py"), tol=1e-5)
    found = solution.quantities()["concentration"]
    assert solution.converged
    assert abs(found - 3) <= min(1e-4, 3 * found.estimated_error)
    assert found.place == pytest.approx((0, 1), abs=1e-2)
