"""Low moments of residuals and of jumps of fluxes weigh more: what the left factor does, and what it is for."""

import numpy as np
import pytest
import torch
from discretised import assemble, error_of, patches_over, polynomial_problem, solve_on

from pdesolve import Dirichlet, Interval, Neumann, Problem, Rectangle, laplace
from pdesolve.adaptive.solve import solve_adaptively
from pdesolve.geometry import Box, Disk
from pdesolve.least_squares.sparse.row_blocks import shared
from pdesolve.patches.cover import gauss_grid
from pdesolve.patches.rows.conservation import (
    MOMENT_WEIGHT,
    left_factor,
    left_factor_of_modes,
    of_values,
    size_factors,
)
from pdesolve.patches.rows.continuity import ContinuityRows
from pdesolve.runs.monitor import Monitor

SQUARE = Rectangle((0, 0), (1, 1))


def gauss_rows(dimension: int, n: int = 4, blocks: int = 3):
    """Points (b, m, d), weights (b, m), and sizes (b,) of blocks that differ."""
    t, w = gauss_grid(dimension, n)
    size = torch.tensor([1.0, 0.5, 0.1], dtype=torch.float64)[:blocks]
    return t.expand(blocks, -1, -1), w.sqrt().expand(blocks, -1), size


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_means_and_slopes_weigh_the_same_in_cells_of_every_size(dimension):
    t, weight, size = gauss_rows(dimension)
    left = left_factor(size, t, weight)
    for low in (torch.ones_like(t[..., 0]), t[..., 0], 3 - 2 * t.sum(2)):
        rows = weight * low
        torch.testing.assert_close(left(rows), MOMENT_WEIGHT * rows)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_what_has_no_low_moments_weighs_less_in_small_cells(dimension):
    t, weight, size = gauss_rows(dimension)
    rows = weight * (t[..., 0] ** 2 - 1 / 3)
    torch.testing.assert_close(left_factor(size, t, weight)(rows), size[:, None] * rows)


def test_points_on_a_flat_side_have_no_slope_across_it():
    t, weight, size = gauss_rows(1)
    flat = torch.stack([torch.ones_like(t[..., 0]), t[..., 0]], dim=2)
    oblique = torch.stack([0.3 * t[..., 0], t[..., 0]], dim=2)
    rows = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = left_factor(size, t, weight)(rows)
    for points in (flat, oblique):
        torch.testing.assert_close(left_factor(size, points, weight)(rows), expected)


def test_components_do_not_mix():
    t, weight, size = gauss_rows(2)
    left = left_factor(size, t, weight)
    rows = torch.randn(*weight.shape, 2, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(left(rows)[:, :, 1, 3], left(rows[:, :, 1, 3]))


def test_faces_that_lie_differently_in_their_cells_share_one_set_of_moments():
    t, weight, _ = gauss_rows(2)
    shift = torch.tensor([[0.3], [0.0], [-0.5]], dtype=torch.float64)[:, None]
    scale = torch.tensor([0.5, 1.0, 0.25], dtype=torch.float64)[:, None]
    left = left_factor(torch.ones(3, dtype=torch.float64), shift + scale[..., None] * t, scale * weight)
    assert (len(left.modes), len(left.size)) == (1, 1)


def test_moments_along_a_face_of_a_solid_are_its_polynomials_of_degree_one():
    t, weight, size = gauss_rows(2)
    columns = torch.stack([torch.ones_like(t[..., 0]), t[..., 0], t[..., 1], t.prod(2)], dim=2)
    modes = torch.linalg.qr(columns * weight[..., None])[0]
    reduced = left_factor_of_modes(size, modes, 3)
    jump = weight * (1 + t[..., 0] - t.prod(2))
    full = left_factor(size, t, weight)(jump)
    found = reduced((modes.mT @ jump[..., None])[..., 0])
    torch.testing.assert_close(found, (modes.mT @ full[..., None])[..., 0])


def test_equal_cells_are_of_size_one_in_any_units():
    half = np.array([[1.0, 1e-6], [1.0, 1e-6]])
    assert size_factors(half).tolist() == [1.0, 1.0]
    graded = np.array([[1.0, 1.0], [0.25, 1.0], [0.25, 1 / 16]])
    assert np.allclose(size_factors(graded), size_factors(graded * [1e3, 1e-3]))
    assert size_factors(graded).tolist() == [1.0, 0.5, 0.25]


def test_rows_of_values_keep_their_shape_and_are_left_alone_in_equal_cells():
    rows = torch.ones(2, 3, 4, dtype=torch.float64)
    assert of_values(torch.ones(2, dtype=torch.float64))(rows) is rows


@pytest.mark.parametrize(
    "domain", [Interval(0, 1), SQUARE, Box((0, 0, 0), (1, 1, 1))], ids=["1-D", "2-D", "3-D"]
)
def test_equal_cells_with_equal_coefficients_still_share_one_matrix(domain):
    problem = Problem(domain, lambda u: -laplace(u) - 1, [Neumann(0, on=domain.boundary)])
    assembly = assemble(problem, patches_over(problem, 3), 5)
    rows, _, _ = assembly.linearise(torch.zeros(assembly.layout.total, dtype=torch.float64))
    inside = [rows[0], *assembly.source(ContinuityRows).blocks]
    assert all(shared(m) for block in inside for m in block.matrices)


# ---------------------------------------------------------------- what it is for


def half_insulated() -> Problem:
    """T ~ r^½ where one half of an edge is held at 1 and the other insulated."""

    def exact(x, y):
        r = torch.sqrt(x**2 + y**2).clamp_min(1e-300)
        return torch.sqrt((r + x).clamp_min(0) / 2)  # Re √(x + iy)

    plate = Rectangle((-1, 0), (1, 1))
    held, insulated = plate.bottom.where(lambda x: x < 0), plate.bottom.where(lambda x: x > 0)
    rest = plate.left | plate.right | plate.top
    conditions = [Dirichlet(0, on=held), Neumann(0, on=insulated), Dirichlet(exact, on=rest)]
    return Problem(plate, lambda T: -laplace(T), conditions, exact=exact)


def graded(problem: Problem, halvings: int):
    """Two cells, halved again and again toward the origin."""
    patches = patches_over(problem, 2)
    partition = patches.partition
    for _ in range(halvings):
        lower, upper = partition.bounds
        touching = ((lower <= 1e-12) & (upper >= -1e-12)).all(axis=1)
        partition, _ = partition.split(np.repeat(touching[:, None], 2, axis=1))
    return type(patches).over(patches.frame, partition)[0]


def test_halving_at_a_singular_point_is_worth_its_square_far_away():
    """The pollution K₋ ~ H^2λ falls by two per halving at λ = ½; rows without moments leave ten times as much."""
    problem = half_insulated()
    errors = [error_of(solve_on(problem, graded(problem, n), 8)) for n in (2, 5)]
    assert errors[1] < 1.3 * errors[0] / 8
    assert errors[1] < 2e-3


def test_an_equation_of_fourth_order_converges_on_graded_cells():
    line = Interval(0, 1)

    def exact(x):
        return torch.sin(3 * x)

    beam = Problem(
        line,
        lambda u, x: u.xxxx - 81 * exact(x),
        [Dirichlet(exact, on=line.boundary), Neumann(lambda x: 3 * torch.cos(3 * x), on=line.right),
         Neumann(lambda x: -3 * torch.cos(3 * x), on=line.left)],
        exact=exact,
    )  # fmt: skip
    partition = patches_over(beam, 2).partition
    for _ in range(4):
        partition, _ = partition.split(partition.bounds[0] == 0.0)
    patches = type(patches_over(beam, 2)).over(patches_over(beam, 2).frame, partition)[0]
    assert error_of(solve_on(beam, patches, 12)) < 1e-9


def test_cut_cells_reproduce_polynomials_on_refined_patches():
    problem = polynomial_problem(Disk((0, 0), 1), 3)
    assert error_of(solve_on(problem, patches_over(problem, 3, hanging=True), 8)) < 1e-8


@pytest.mark.slow
def test_the_tip_of_a_clamped_beam_bends_down_and_by_the_right_amount():
    from pdesolve import Condition

    beam, weight = Rectangle((0, 0), (5, 1)), 1e-3

    def stress(u, v):
        dilation = u.x + v.y
        return dilation + 2 * u.x, u.y + v.x, dilation + 2 * v.y

    def equilibrium(u, v):
        xx, xy, yy = stress(u, v)
        return xx.x + xy.y, xy.x + yy.y - weight

    def along(u, v, n):
        xx, xy, _ = stress(u, v)
        return xx * n.x + xy * n.y

    def across(u, v, n):
        _, xy, yy = stress(u, v)
        return xy * n.x + yy * n.y

    free = beam.right | beam.bottom | beam.top
    held = [Dirichlet(0, on=beam.left, unknown=name) for name in "uv"]
    problem = Problem(beam, equilibrium, [*held, Condition(along, on=free), Condition(across, on=free)])
    result = solve_adaptively(problem, 1e-2, Monitor(time_limit=60))
    assert result.converged
    tip = result.expansion(torch.tensor([[5.0, 1.0]], dtype=torch.float64))[0]
    expected = torch.tensor(
        [0.046739, -0.36455], dtype=torch.float64
    )  # finite elements, graded at both corners
    assert float(((tip - expected) / expected).abs().max()) < 1e-2
