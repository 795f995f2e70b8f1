"""A step behind a sketch is the Gauss–Newton step, however small the sketch; a good one takes few iterations."""

from dataclasses import replace

import pytest
import torch

from pdesolve.least_squares.dense import sketched
from pdesolve.least_squares.dense.damped import decompose
from pdesolve.least_squares.dense.levenberg_marquardt import LevenbergMarquardtSettings, levenberg_marquardt
from pdesolve.least_squares.dense.linear import column_norms, solve_rank_revealing
from pdesolve.least_squares.dense.sketched import nystroem, sketched_problem

f64 = torch.float64


def falling(m=300, p=60, rate=0.6):
    """A Jacobian whose singular values fall like rate^i, as those of trained approximators do."""
    generator = torch.Generator().manual_seed(3)
    U = torch.linalg.qr(torch.randn(m, p, dtype=f64, generator=generator)).Q
    V = torch.linalg.qr(torch.randn(p, p, dtype=f64, generator=generator)).Q
    J = (U * rate ** torch.arange(p, dtype=f64)) @ V.T
    return J, torch.randn(m, dtype=f64, generator=generator)


def counted(monkeypatch):
    """How often a matrix-vector product with G is asked for."""
    calls, gram = [], sketched._gram

    def counting(J, scale, v):
        calls.append(v.ndim)
        return gram(J, scale, v)

    monkeypatch.setattr(sketched, "_gram", counting)
    return calls


def test_a_sketch_of_full_size_is_the_matrix_and_its_step_gauss_newtons():
    J, r = falling(rate=0.9)
    one = torch.ones(J.shape[1], dtype=f64)
    sketch = nystroem(J, one, J.shape[1])
    torch.testing.assert_close((sketch.U * sketch.values) @ sketch.U.T, J.T @ J, rtol=0, atol=1e-12)
    problem = replace(sketched_problem(J, r, one, J.shape[1]), tolerance=1e-12)
    newton = solve_rank_revealing(J, -r).solution
    torch.testing.assert_close(problem.step(1e-14), newton, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("damping", [1e-4, 1e-2, 1.0])
@pytest.mark.parametrize("columns", [5, 20, 60])
def test_a_step_behind_any_sketch_is_that_of_the_dense_matrix(columns, damping):
    J, r = falling(rate=0.9)
    D = column_norms(J)
    problem = replace(sketched_problem(J, r, D, columns), tolerance=1e-11, iterations=500)
    dense = decompose(J, r, D)
    torch.testing.assert_close(problem.step(damping), dense.step(damping), rtol=1e-7, atol=1e-8)
    assert problem.predicted_decrease(damping) == pytest.approx(dense.predicted_decrease(damping), rel=1e-7)
    torch.testing.assert_close(problem.gradient(), dense.gradient())


def test_what_lies_below_the_damping_needs_no_sketch_and_no_iterations(monkeypatch):
    J, r = falling()
    one = torch.ones(J.shape[1], dtype=f64)
    damping = float(torch.linalg.svdvals(J)[10] ** 2)
    needed = {}
    for columns in (1, 16):
        problem = replace(sketched_problem(J, r, one, columns), tolerance=1e-8, iterations=500)
        calls = counted(monkeypatch)
        problem.step(damping)
        needed[columns] = len(calls)
        monkeypatch.undo()
    assert needed[16] <= 6
    assert needed[1] > 2 * needed[16]


def test_an_inexact_step_is_near_the_exact_one():
    J, r = falling(rate=0.9)
    D = column_norms(J)
    problem, dense = sketched_problem(J, r, D), decompose(J, r, D)
    for damping in (1e-3, 1e-1):
        assert problem.predicted_decrease(damping) == pytest.approx(
            dense.predicted_decrease(damping), rel=0.03
        )


def test_levenberg_marquardt_behind_a_sketch_finds_the_same_minimum():
    generator = torch.Generator().manual_seed(0)
    x = torch.linspace(-1, 1, 80, dtype=f64)
    start = torch.randn(3, 10, dtype=f64, generator=generator).reshape(-1)

    def residual(θ):
        a, b, c = θ.reshape(3, 10)
        return torch.tanh(x[:, None] * a + b) @ c - torch.sin(3 * x)

    def jacobian(θ):
        a, b, c = θ.reshape(3, 10)
        h = torch.tanh(x[:, None] * a + b)
        inner = c * (1 - h**2)
        return torch.cat([inner * x[:, None], inner, h], dim=1)

    settings = LevenbergMarquardtSettings(iterations=60, loss_tolerance=1e-6)
    for factorisation in ("svd", "sketch"):
        found = levenberg_marquardt(
            residual, jacobian, start, None, replace(settings, factorisation=factorisation)
        )
        assert found.loss <= 1e-6, factorisation
