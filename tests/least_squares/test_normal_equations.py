"""Refined normal equations are as good as an orthogonal factorisation."""

import numpy as np
import pytest
import torch
from block_matrices import dense, grid_centres, grid_pairs, random_layout, random_rows

from pdesolve.least_squares.sparse import dissection, hands
from pdesolve.least_squares.sparse.normal_equations import LastFactor, NormalEquations
from pdesolve.least_squares.sparse.row_blocks import Columns, RowBlocks

GRID = (5, 5)
LAYOUT = random_layout(25, low=6, high=12)


@pytest.fixture(autouse=True)
def small_leaves(monkeypatch):
    monkeypatch.setattr(dissection, "LEAF_COLUMNS", 40)


def problem(condition: float, seed: int = 0, noise: float = 0.0):
    """Rows of a given condition, and right-hand sides b = A x + noise as blocks."""
    rows = random_rows(LAYOUT, grid_pairs(GRID), condition, coupling=0.1 / condition, seed=seed)
    generator = torch.Generator().manual_seed(seed + 1)
    x = torch.randn(LAYOUT.total, generator=generator, dtype=torch.float64)
    b = [block.apply(x) for block in rows]
    b = [part + noise * torch.randn(part.shape, generator=generator, dtype=torch.float64) for part in b]
    return rows, x, b


def flat(parts) -> torch.Tensor:
    return torch.cat([part.flatten() for part in parts])


@pytest.mark.parametrize("condition", [1e1, 1e4, 1e6, 1e7])
@pytest.mark.parametrize("noise", [0.0, 1e-3])
def test_the_solution_is_that_of_an_orthogonal_factorisation(condition, noise):
    rows, _, b = problem(condition, noise=noise)
    matrix = dense(rows, LAYOUT)
    found = NormalEquations(LAYOUT, grid_centres(GRID), rows).solve(b).x
    expected = torch.linalg.lstsq(matrix, flat(b), driver="gelsd").solution
    # perturbation theory: eps κ for consistent rows, and eps κ² times the residual (Björck 1996, §1.4)
    attainable = 1e-14 * condition * (1 + condition * noise)
    assert float((found - expected).norm()) <= max(attainable, 1e-12) * float(expected.norm())


@pytest.mark.parametrize("condition", [1e1, 1e4, 1e6])
def test_the_condition_number_is_that_of_the_scaled_rows(condition):
    rows, _, _ = problem(condition)
    matrix = dense(rows, LAYOUT)
    values = torch.linalg.svdvals(matrix / matrix.norm(dim=0))
    true = float(values[0] / values[-1])
    system = NormalEquations(LAYOUT, grid_centres(GRID), rows)
    assert true / 2 <= system.condition(3) <= true * (1 + 1e-9)
    assert true / 1.2 <= system.condition() <= true * (1 + 1e-9)
    weak = system.weakest(lambda v: v / system.scale**2)[1]
    assert true / 2 <= system.condition(3, weak) <= true * (1 + 1e-9)


@pytest.mark.parametrize("condition", [1e6, 1e8])
def test_refinement_restores_what_squaring_the_condition_number_lost(condition):
    rows, exact, b = problem(condition)
    system = NormalEquations(LAYOUT, grid_centres(GRID), rows)
    once = system.solve(b, max_steps=1)
    refined = system.solve(b)
    residual_once, residual = (
        float((flat(system.apply(s.x)) - flat(b)).norm() / flat(b).norm()) for s in (once, refined)
    )
    assert residual < 1e-13
    assert residual < 1e-2 * residual_once or residual_once < 1e-13
    assert float((refined.x - exact).norm() / exact.norm()) < 1e-15 * condition * 30
    assert once.steps == 1


@pytest.mark.parametrize("condition", [1e4, 1e6, 1e7])
def test_refinement_makes_the_gradient_vanish(condition):
    rows, _, b = problem(condition, noise=1e-3)
    system = NormalEquations(LAYOUT, grid_centres(GRID), rows)
    x = system.solve(b).x
    gradient = system.apply_transposed([part - image for part, image in zip(b, system.apply(x), strict=True)])
    rounding = 1e-14 * float(flat(b).norm() + (x / system.scale).norm())  # of b - A x
    assert float((system.scale * gradient).norm()) < rounding


def test_the_solution_does_not_depend_on_the_units_of_the_columns():
    rows, _, b = problem(1e2)
    units = torch.logspace(-9, 9, LAYOUT.total, dtype=torch.float64)
    scaled = [
        RowBlocks.make(
            LAYOUT, r.groups, tuple(m * units[c][:, None] for m, c in zip(r.matrices, r.columns, strict=True))
        )
        for r in rows
    ]
    plain = NormalEquations(LAYOUT, grid_centres(GRID), rows).solve(b).x
    assert torch.allclose(
        NormalEquations(LAYOUT, grid_centres(GRID), scaled).solve(b).x * units, plain, rtol=1e-9
    )


def test_one_factor_serves_many_right_hand_sides():
    rows, x, b = problem(1e3)
    system = NormalEquations(LAYOUT, grid_centres(GRID), rows)
    for factor in (1.0, -2.0, 1e-100, 1e100):
        found = system.solve([factor * part for part in b]).x
        assert torch.allclose(found / factor, x, rtol=1e-9, atol=1e-9)


def test_nothing_to_fit_gives_zero():
    rows, _, b = problem(1e3)
    found = NormalEquations(LAYOUT, grid_centres(GRID), rows).solve([torch.zeros_like(part) for part in b])
    assert not bool(found.x.any())


def test_a_column_without_rows_stays_zero():
    layout = Columns(torch.tensor([3]))
    matrix = torch.randn(1, 5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    matrix[..., 1] = 0.0
    rows = [RowBlocks.make(layout, (torch.tensor([0]),), (matrix,))]
    b = [torch.ones(1, 5, dtype=torch.float64)]
    found = NormalEquations(layout, np.zeros((1, 1)), rows).solve(b).x
    expected = torch.linalg.lstsq(matrix[0], b[0][0], driver="gelsd").solution
    assert torch.allclose(found, expected, atol=1e-12)


def test_many_right_hand_sides_have_the_solutions_of_each():
    """Among them zero, and one a million times another: each column converges by itself."""
    rows, _, b = problem(1e4, noise=1e-3)
    system = NormalEquations(LAYOUT, grid_centres(GRID), rows)
    others = [part.roll(1, 0) * 1e6 for part in b]
    stacked = [torch.stack([p, 0 * p, q], dim=2) for p, q in zip(b, others, strict=True)]
    together = system.solve_many(stacked, tolerance=1e-14)
    for column, alone in ((0, system.solve(b).x), (2, system.solve(others).x)):
        assert float((together[:, column] - alone).norm() / alone.norm()) < 1e-8
    assert not together[:, 1].any()


def perturbed(rows, size: float):
    """The same rows with entries changed by relative amounts of this size."""
    generator = torch.Generator().manual_seed(9)
    return [
        RowBlocks.make(
            LAYOUT,
            block.groups,
            tuple(
                m * (1 + size * torch.randn(m.shape, generator=generator, dtype=m.dtype))
                for m in block.matrices
            ),
        )
        for block in rows
    ]


@pytest.mark.parametrize(("size", "made"), [(0.0, 1), (1e-3, 1), (1.0, 2)])
def test_a_factor_of_other_rows_serves_while_they_are_near(size, made, monkeypatch):
    """And the solution is that of the rows themselves, whatever the factor."""
    count = []
    original = NormalEquations._factorise
    monkeypatch.setattr(NormalEquations, "_factorise", lambda self: count.append(1) or original(self))
    rows, _, b = problem(10.0, noise=1e-3)
    last = LastFactor()
    NormalEquations(LAYOUT, grid_centres(GRID), rows, last).solve(b)
    others = perturbed(rows, size)
    found = NormalEquations(LAYOUT, grid_centres(GRID), others, last).solve(b).x
    expected = torch.linalg.lstsq(dense(others, LAYOUT), flat(b), driver="gelsd").solution
    assert float((found - expected).norm()) < 1e-11 * float(expected.norm())
    assert len(count) == made


def test_a_factor_serves_only_rows_that_touch_the_same_columns():
    rows, _, b = problem(10.0)
    last = LastFactor()
    NormalEquations(LAYOUT, grid_centres(GRID), rows, last).solve(b)
    assert last.near(LAYOUT, rows) is last.kept
    assert last.near(Columns(LAYOUT.sizes + 1), rows) is None
    coupled = [block for block in rows if len(block.groups) == 2]
    assert last.near(LAYOUT, [block for block in rows if block is not coupled[0]]) is None


def test_the_last_factor_is_given_up_before_another_is_made(monkeypatch):
    rows, exact, _ = problem(10.0)
    last = LastFactor()
    NormalEquations(LAYOUT, grid_centres(GRID), rows, last)
    fewer = [block for block in rows if len(block.groups) == 1]
    monkeypatch.setattr(hands, "available_memory", lambda _: 0.0 if last.kept else 8e9)
    found = NormalEquations(LAYOUT, grid_centres(GRID), fewer, last).solve(
        [block.apply(exact) for block in fewer]
    )
    assert last.kept is not None
    assert torch.isfinite(found.x).all()
