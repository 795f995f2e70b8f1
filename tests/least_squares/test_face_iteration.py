"""The iteration on faces solves what the direct factor solves, in steps that do not grow with the patches."""

import numpy as np
import pytest
import torch
from discretised import assemble, patches_over

from pdesolve import Box, Dirichlet, Problem, Rectangle, laplace
from pdesolve.adaptive.estimation import difference
from pdesolve.errors import OutOfMemoryError
from pdesolve.least_squares.sparse import face_iteration, normal_equations
from pdesolve.least_squares.sparse.condensed_cholesky import CondensedCholesky
from pdesolve.least_squares.sparse.face_iteration import ENOUGH, FaceIteration, iteration_pays
from pdesolve.least_squares.sparse.normal_equations import LastFactor, NormalEquations, condensed_with_border
from pdesolve.patches.newton import gauss_newton
from pdesolve.runs.monitor import Monitor

CUBE = Box((0, 0, 0), (1, 1, 1))


def wave(x, y, z):
    return torch.sin(2 * x + y) * torch.exp(z)


PROBLEM = Problem(
    CUBE, lambda u, x, y, z: laplace(u) + 4 * wave(x, y, z), [Dirichlet(wave, on=CUBE.boundary)]
)


def assembled(cells=2, q=5, hanging=True):
    return assemble(PROBLEM, patches_over(PROBLEM, cells, hanging), q)


def equations(assembly, factorise):
    rows, residuals, _ = assembly.linearise(assembly.space.zero())
    last = LastFactor(factorise=factorise)
    return NormalEquations(assembly.layout, assembly.patches.centre, rows, last), [-r for r in residuals]


@pytest.mark.parametrize("hanging", [False, True])
def test_refined_it_is_the_direct_solution(hanging):
    assembly = assembled(hanging=hanging)
    direct, b = equations(assembly, CondensedCholesky)
    iterated, _ = equations(assembly, FaceIteration)
    expected = direct.solve(b).x
    found = iterated.solve(b)
    assert float((found.x - expected).norm()) <= 1e-10 * float(expected.norm())
    both = torch.stack([b[0], 2 * b[0]], dim=-1)
    columns = [both, *(torch.stack([part, 2 * part], dim=-1) for part in b[1:])]
    many = iterated.solve_many(columns, tolerance=1e-13)
    assert torch.allclose(many, expected[:, None] * torch.tensor([1.0, 2.0]).to(expected), atol=1e-9)


def test_one_solve_ends_near_its_energy():
    assembly = assembled()
    direct, _ = equations(assembly, CondensedCholesky)
    iterated, _ = equations(assembly, FaceIteration)
    b = torch.randn(assembly.layout.total, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def energy(v):
        return sum(float(part.square().sum()) for part in direct.apply(direct.scale * v)) ** 0.5

    expected = direct.factor.solve(b)
    # The norm of the preconditioner is that of the energy up to the root of a condition number of some tens.
    assert energy(iterated.factor.solve(b) - expected) <= 10 * ENOUGH * energy(expected)


def test_steps_do_not_grow_with_the_patches():
    steps = []
    for cells in (3, 5):
        iterated, b = equations(assembled(cells, q=5, hanging=False), FaceIteration)
        iterated.solve(b, max_steps=1)
        steps.append(iterated.factor.steps)
    assert 0 < steps[1] <= 1.3 * steps[0]


def test_what_the_rows_can_meet_is_found_exactly():
    assembly = assembled(q=4)
    iterated, _ = equations(assembly, FaceIteration)
    x = torch.randn(assembly.layout.total, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = iterated.solve(iterated.apply(x)).x
    assert float((found - x).norm()) <= 1e-11 * float(x.norm())


def test_what_a_solve_leaves_is_bounded_and_counts_in_the_estimate(monkeypatch):
    assembly = assembled()
    finer = assemble(PROBLEM, assembly.patches, 7)
    exact = gauss_newton(assembly, None, 1e-13, Monitor())
    assert exact.algebraic is None
    # So coarse that a solve ends with what matters.
    monkeypatch.setattr(face_iteration, "ENOUGH", 0.1)
    loose = gauss_newton(assembly, None, 1.0, Monitor(), at_hand=LastFactor(factorise=FaceIteration))
    off = assembly.space.norms(loose.coefficients - exact.coefficients).numpy()
    assert (1e-9 < off).all()
    assert (off <= loose.algebraic).all()
    fine = gauss_newton(finer, None, 1e-13, Monitor())
    size = finer.space.norms(fine.coefficients).numpy()
    assert (difference(loose, fine) >= loose.algebraic / size).all()


def test_it_is_chosen_where_a_factor_does_not_fit(monkeypatch):
    assembly = assembled()
    rows, _, _ = assembly.linearise(assembly.space.zero())
    arguments = assembly.layout, assembly.patches.centre, rows
    assert not iteration_pays(*arguments, torch.device("cpu"))
    monkeypatch.setattr(face_iteration, "SMALL", 0)
    monkeypatch.setattr(face_iteration, "CROSS_OVER", 1e9)
    assert not iteration_pays(*arguments, torch.device("cpu"))
    monkeypatch.setattr(face_iteration, "available_memory", lambda _: 1e5)
    assert iteration_pays(*arguments, torch.device("cpu"))
    monkeypatch.setattr(normal_equations, "iteration_pays", lambda *_: True)
    scale = torch.ones(assembly.layout.total, dtype=torch.float64)
    with pytest.raises(OutOfMemoryError, match=f"iteration on the faces of {assembly.layout.total} unknowns"):
        condensed_with_border(*arguments, scale)
    monkeypatch.setattr(face_iteration, "available_memory", lambda _: 8e9)
    assert isinstance(condensed_with_border(*arguments, scale), FaceIteration)


def test_in_the_plane_it_is_never_chosen(monkeypatch):
    square = Rectangle((0, 0), (1, 1))
    problem = Problem(square, lambda u: laplace(u) - 1, [Dirichlet(0, on=square.boundary)])
    assembly = assemble(problem, patches_over(problem, 3), 4)
    rows, _, _ = assembly.linearise(assembly.space.zero())
    monkeypatch.setattr(face_iteration, "SMALL", 0)
    monkeypatch.setattr(face_iteration, "available_memory", lambda _: 0.0)
    assert not iteration_pays(assembly.layout, assembly.patches.centre, rows, torch.device("cpu"))


def test_rows_that_contradict_are_least_squares():
    """What is iterated on is the least-squares problem, consistent or not."""
    assembly = assembled(hanging=False)
    direct, b = equations(assembly, CondensedCholesky)
    iterated, _ = equations(assembly, FaceIteration)
    b = [part + 1e-3 * torch.from_numpy(np.random.default_rng(0).normal(size=part.shape)) for part in b]
    expected = direct.solve(b).x
    assert float((iterated.solve(b).x - expected).norm()) <= 1e-9 * float(expected.norm())


def test_a_direct_factor_takes_over_where_it_does_not_converge(monkeypatch):
    assembly = assembled(hanging=False)
    direct, b = equations(assembly, CondensedCholesky)
    iterated, _ = equations(assembly, FaceIteration)
    monkeypatch.setattr(face_iteration, "MOST_STEPS", 3)
    found = iterated.solve(b)
    assert isinstance(iterated.factor.direct, CondensedCholesky)
    assert found.last is None
    assert torch.allclose(found.x, direct.solve(b).x, atol=1e-12)


def test_what_an_iteration_did_before_a_factor_took_over_is_no_error(monkeypatch):
    assembly = assembled(hanging=False)
    direct, b = equations(assembly, CondensedCholesky)
    iterated, _ = equations(assembly, FaceIteration)
    converging = iterated.factor.forward

    def forward(z):
        converging(z)
        # The next solve of the refinement, for what rounding and the end of this one left, does not converge.
        monkeypatch.setattr(face_iteration, "MOST_STEPS", 3)

    monkeypatch.setattr(iterated.factor, "forward", forward)
    found = iterated.solve(b)
    assert isinstance(iterated.factor.direct, CondensedCholesky)
    assert found.last is None
    assert torch.allclose(found.x, direct.solve(b).x, atol=1e-12)


def test_what_is_not_finite_has_not_converged():
    b = torch.tensor([1.0, torch.nan], dtype=torch.float64)
    _, _, off = face_iteration.conjugate_gradients(lambda v: 2 * v, lambda r: r, b, ENOUGH)
    assert not off <= 1.0
    _, _, off = face_iteration.conjugate_gradients(lambda v: 2 * v, lambda r: r, 0 * b.nan_to_num(), ENOUGH)
    assert off == 0.0
