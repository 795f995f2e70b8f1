"""What the estimate says is what the error is, of good solutions and of spoiled ones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from discretised import error_of, patches_over, polynomial_problem, solve_on

from pdesolve import Annulus, Dirichlet, Disk, Integral, Interval, Neumann, Problem, Rectangle, laplace
from pdesolve.adaptive.boundary_data import root_mean_squares
from pdesolve.adaptive.decay import Decay, predict, sufficient_orders
from pdesolve.adaptive.discretisation import Discretisation
from pdesolve.adaptive.estimation import (
    beyond,
    change,
    difference,
    difference_norms,
    left_over,
    overlooked,
    reference,
    relative,
)
from pdesolve.adaptive.hp import cheapest
from pdesolve.adaptive.marking import bulk_of
from pdesolve.adaptive.roughness import roughness
from pdesolve.adaptive.solve import run
from pdesolve.adaptive.strategy import Forward
from pdesolve.adaptive.tuning import TUNING
from pdesolve.patches.basis import basis_size
from pdesolve.patches.newton import Discrete, coefficients_of, value_table, volume_weights
from pdesolve.runs.monitor import Monitor
from pdesolve.statement.loading import load_problem

PROBLEMS = Path(__file__).parents[2] / "problems"
SMOOTH = {"poisson_2d": (3, 8), "annulus_robin": (3, 8), "heat_1d": (3, 8), "poisson_1d": (4, 10)}
LINE = Interval(0, 1)


def decay(rate: float, error: float = 1e-4, patches: int = 1, dimension: int = 2) -> Decay:
    """The same decay everywhere, along all axes."""
    full = np.full(patches, 1.0)
    return Decay(
        error=error * full,
        rate=rate * full,
        gain=full,
        slow=rate * full > TUNING.slow_decay,
        directions=np.ones((patches, dimension), dtype=bool),
        strongest=np.zeros(patches, dtype=int),
        share=np.full((patches, dimension), 1 / dimension),
    )


def perturbed(discrete: Discrete, size: float) -> Discrete:
    """Every coefficient changed by a random relative amount, with the residual that this leaves."""
    generator = torch.Generator().manual_seed(0)
    c = discrete.coefficients
    c = c * (1 + size * torch.randn(len(c), generator=generator, dtype=c.dtype))
    _, residuals, _ = discrete.assembly.linearise(c)
    return replace(discrete, coefficients=c, residual=float(sum((r**2).sum() for r in residuals)) ** 0.5)


# ---------------------------------------------------------------- the difference to a finer solution


@pytest.fixture(scope="module", params=SMOOTH)
def smooth(request):
    """A problem, its patches, a solution and one of the next order."""
    problem = load_problem(PROBLEMS / f"{request.param}.py")
    cells, q = SMOOTH[request.param]
    patches = patches_over(problem, cells)
    return problem, patches, solve_on(problem, patches, q), solve_on(problem, patches, q + 2)


def test_the_difference_to_the_next_order_is_the_error(smooth):
    _, _, coarse, fine = smooth
    assert difference(coarse, fine).max() == pytest.approx(error_of(coarse), rel=0.2)


def test_the_difference_sees_perturbed_coefficients(smooth):
    _, _, coarse, fine = smooth
    for size in (1e-3, 1e-1):
        spoiled = perturbed(coarse, size)
        assert error_of(spoiled) > 1e-4
        assert difference(spoiled, fine).max() == pytest.approx(error_of(spoiled), rel=0.2)


def test_the_difference_sees_one_patch_of_too_low_order(smooth):
    problem, patches, coarse, fine = smooth
    q = coarse.assembly.q.copy()
    q[len(q) // 2] = 4
    spoiled = solve_on(problem, patches, q)
    assert error_of(spoiled) > 10 * error_of(coarse)
    assert difference(spoiled, fine).max() == pytest.approx(error_of(spoiled), rel=0.2)
    assert 0.1 < difference(spoiled, solve_on(problem, patches, q + 2)).max() / error_of(spoiled) < 10


TOO_LITTLE = [
    ("poisson_1d", [[1]]),
    ("poisson_2d", [[1, 1]]),
    ("poisson_2d", [[0, 0]]),
    ("heat_1d", [[2, 0]]),
    ("annulus_robin", [[1, 1]]),
]


@pytest.mark.parametrize(("name", "orders"), TOO_LITTLE)
def test_continuity_that_is_missing_is_demanded_before_an_error_is_certified(name, orders):
    problem = load_problem(PROBLEMS / f"{name}.py")
    space = Discretisation(problem, 1e-4, Monitor(time_limit=20), "cpu", {})
    expected = space.statement.orders
    space.statement = replace(space.statement, orders=np.array(orders))
    result = run(Forward(space))
    assert result.converged
    assert (space.statement.orders == expected).all()
    points = problem.domain.sample(1000)
    exact = problem.values(problem.exact, points)
    error = float((result.expansion(points) - exact).norm() / exact.norm())
    assert 0.1 < result.estimates[0] / error < 10


def test_the_size_of_an_unknown_is_that_within_the_domain():
    """u = 1/r² for 0.2 < r < 1 has the mean square 25; coefficients of cut cells said 36 for its root of 5."""
    ring = Annulus((0, 0), 0.2, 1)

    def exact(x, y):
        return 1 / (x**2 + y**2)

    problem = Problem(
        ring,
        lambda u, x, y: laplace(u) - 4 * exact(x, y) ** 2,
        [Dirichlet(exact, on=ring.boundary)],
        exact=exact,
    )
    discrete = solve_on(problem, patches_over(problem, 8), 12)
    assert float(root_mean_squares(discrete)[0]) == pytest.approx(5, rel=0.03)


def test_two_solutions_with_too_little_continuity_may_agree_and_both_be_wrong():
    """Why orders are looked at again at unseen points: the difference alone does not show it."""
    problem = load_problem(PROBLEMS / "heat_1d.py")
    patches = patches_over(problem, 3)
    coarse, fine = (solve_on(problem, patches, q, np.array([[2, 0]])) for q in (8, 10))
    assert error_of(coarse) > 0.1
    assert difference(coarse, fine).max() < 1e-5
    _, orders = overlooked(coarse, 1e-4, 2**12)
    assert orders.tolist() == [[2, 1]]


@pytest.mark.parametrize("cells", [2, 4])
def test_the_estimate_counts_what_coarse_and_fine_have_in_common_beside_a_corner(cells):
    problem = load_problem(PROBLEMS / "poisson_lshape.py")
    patches = patches_over(problem, cells)
    coarse, fine = solve_on(problem, patches, 6), solve_on(problem, patches, 8)
    assert 0.3 < difference(coarse, fine).max() / error_of(coarse) < 3


def test_a_solution_does_not_differ_from_itself_and_says_nothing_of_its_error():
    problem = polynomial_problem(Interval(0, 1), 3)
    discrete = solve_on(problem, patches_over(problem, 3), 6)
    assert change(discrete, discrete).max() < 1e-14
    assert difference_norms(discrete, discrete)[0].max() == 0.0
    assert np.isinf(difference(discrete, discrete)).all()


def test_what_two_solutions_share_is_added_and_never_capped():
    found = np.array([1e-3])
    assert beyond(found, 0.0) == found
    assert beyond(found, 0.25) == pytest.approx(2e-3)
    assert beyond(found, 0.25, sharp=True) == pytest.approx(4e-3 / 3)
    assert np.isinf(beyond(found, 0.76)).all()


def test_an_unknown_is_measured_against_its_own_size_unless_the_equation_makes_it_zero():
    """φ ~ 1 and v = 0 coupled to it; w ~ 1e-14 coupled to nothing."""
    line = Interval(0, 1)

    def system(phi, v, w, x):
        source = torch.pi**2 * torch.sin(torch.pi * x)
        return -phi.xx - source, -v.xx + v * torch.cos(x) + (phi.xx + source), -w.xx - 1e-14 * source

    conditions = [Dirichlet(0, on=line.boundary, unknown=name) for name in ("phi", "v", "w")]
    problem = Problem(line, system, conditions)
    discrete = solve_on(problem, patches_over(problem, 3), 12)
    found = reference(discrete, np.array([0.7, 1e-17, 0.7e-14]))
    assert found[0] == 0.7
    assert found[1] > 1e-3
    assert found[2] == 0.7e-14


def test_an_equation_that_contradicts_its_conditions_is_left_over_on_patches_of_every_size():
    square = Rectangle((0, 0), (1, 1))
    problem = Problem(square, lambda u: -laplace(u) - 1, [Neumann(0, on=square.boundary), Integral(0)])
    left = [left_over(solve_on(problem, patches_over(problem, n), 6)) for n in (2, 4)]
    assert min(left) > 0.2
    assert left[1] > 0.9 * left[0]


def test_a_jump_of_boundary_values_is_not_left_over_as_patches_shrink():
    square = Rectangle((0, 0), (1, 1))
    cold = Dirichlet(0, on=square.left | square.right | square.bottom)
    problem = Problem(square, lambda u: -laplace(u), [Dirichlet(1, on=square.top), cold])
    left = [left_over(solve_on(problem, patches_over(problem, n), 6)) for n in (2, 4)]
    assert left[1] < 0.6 * left[0]


def test_the_change_between_other_patches_is_the_error_of_the_coarser():
    problem = load_problem(PROBLEMS / "annulus_robin.py")
    coarse = solve_on(problem, patches_over(problem, 3), 6)
    fine = solve_on(problem, patches_over(problem, 7), 8)
    assert change(coarse, fine).max() == pytest.approx(error_of(coarse), rel=0.2)


def test_errors_are_relative_and_an_unknown_that_vanishes_is_measured_against_the_largest():
    found = relative(np.array([1e-3, 1e-3, 0.0]), np.array([2.0, 1e-14, 0.5]))
    assert found.tolist() == pytest.approx([5e-4, 5e-4, 0.0])
    assert relative(np.array([0.3]), np.array([0.0])).tolist() == [0.3]


def test_coefficients_of_mixed_orders_are_filled_up_with_zeros():
    problem = polynomial_problem(Rectangle((0, 0), (1, 1)), 3)
    patches = patches_over(problem, 2)
    discrete = solve_on(problem, patches, np.array([4, 6, 4, 5]))
    found = coefficients_of(discrete, np.arange(4))
    assert found.shape == (4, 1, basis_size(2, 6))
    for e, q in enumerate([4, 6, 4, 5]):
        assert torch.equal(found[e, 0, : basis_size(2, q)], coefficients_of(discrete, np.array([e]))[0, 0])
        assert not bool(found[e, 0, basis_size(2, q) :].any())


# ---------------------------------------------------------------- decay


def layer_at(width: float) -> Problem:
    """A layer of this width on the left of the unit square; nothing happens along y."""
    square = Rectangle((0, 0), (1, 1))

    def exact(x, y):
        return torch.exp(-x / width) + 0 * y

    def equation(u, x, y):
        return -laplace(u) + exact(x, y) / width**2

    return Problem(square, equation, [Dirichlet(exact, on=square.boundary)], exact=exact)


def test_the_predicted_truncation_is_near_the_error_of_a_smooth_solution(smooth):
    _, _, coarse, _ = smooth
    predicted = float(np.sqrt((predict(coarse).error ** 2).sum()))
    assert 0.02 < predicted / error_of(coarse) < 50


def test_the_truncation_of_a_cut_cell_does_not_count_parts_that_cancel():
    """Adding to a solution what is nearly zero inside the domain does not change its prediction."""
    disk = Disk((0, 0), 1)

    def exact(x, y):
        return torch.exp(x) * torch.sin(y)

    problem = Problem(disk, lambda u: laplace(u), [Dirichlet(exact, on=disk.boundary)], exact=exact)
    patches = patches_over(problem, 6)
    discrete = solve_on(problem, patches, 10)
    before = predict(discrete).error
    c = discrete.coefficients.clone()
    for points in discrete.assembly.interior:
        if not patches.cut[points.cells[0]]:
            continue
        table = (
            value_table(discrete.assembly, points)
            * volume_weights(discrete.assembly, points).sqrt()[..., None]
        )
        _, sizes, modes = torch.linalg.svd(table, full_matrices=False)
        for cell, size, mode in zip(points.cells, sizes, modes, strict=True):
            c[discrete.assembly.layout.of(torch.tensor([int(cell)]))[0]] += 1e-13 / size[-1] * mode[-1]
    assert np.allclose(predict(replace(discrete, coefficients=c)).error, before, rtol=0.1, atol=1e-11)


def test_decay_is_fast_where_the_solution_is_smooth_and_slow_where_it_is_not(smooth):
    _, _, coarse, _ = smooth
    assert predict(coarse).rate.max() < TUNING.slow_decay
    steep = layer_at(0.005)
    patches = patches_over(steep, 4)
    found = predict(solve_on(steep, patches, 8))
    left = patches.partition.bounds[0][:, 0] == 0.0
    assert found.rate[left].min() > TUNING.slow_decay
    assert found.error[left].min() > 10 * np.median(found.error[~left])


def test_a_layer_is_split_across_and_not_along():
    problem = layer_at(0.05)
    patches = patches_over(problem, 3)
    found = predict(solve_on(problem, patches, 8))
    left = patches.partition.bounds[0][:, 0] == 0.0
    assert (found.directions[left] == [True, False]).all()
    assert (found.strongest[left] == 0).all()


def test_the_rate_of_a_function_with_a_known_pole_is_that_of_its_bernstein_ellipse():
    """1/(x - a) on [-1, 1] has Legendre coefficients that fall by (a + √(a² - 1))^-1 per degree."""
    interval, pole = Interval(-1, 1), 2.0

    def exact(x):
        return 1 / (pole - x)

    problem = Problem(
        interval,
        lambda u, x: u.xx - 2 / (pole - x) ** 3,
        [Dirichlet(exact, on=interval.boundary)],
        exact=exact,
    )
    patches = patches_over(problem, 1)
    expected = (pole + (pole**2 - 1) ** 0.5) ** -2
    assert predict(solve_on(problem, patches, 10)).rate[0] == pytest.approx(expected, rel=0.3)


# ---------------------------------------------------------------- marking


@pytest.mark.parametrize("seed", range(5))
def test_the_bulk_is_the_smallest_set_with_its_share(seed):
    share = np.random.default_rng(seed).lognormal(sigma=2, size=40)
    for fraction in (0.1, 0.5, 0.75, 0.99):
        bulk = bulk_of(share, fraction)
        total = (share**2).sum()
        assert (share[bulk] ** 2).sum() >= fraction * total * (1 - 1e-12)
        assert (share[bulk] ** 2).sum() - share[bulk].min() ** 2 < fraction * total
        if not bulk.all():
            assert share[bulk].min() >= share[~bulk].max()


@pytest.mark.parametrize("rate", [1e-3, 1e-2, 0.05])
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_fast_decay_raises_orders(rate, dimension):
    q = np.array([8])
    split, order = cheapest(decay(rate, dimension=dimension), q, 1e-6, dimension, 16)
    assert not split.any()
    assert order > q


@pytest.mark.parametrize("rate", [0.45, 0.7, 1.0])
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_slow_decay_splits_and_leaves_the_order(rate, dimension):
    q = np.array([8])
    split, order = cheapest(decay(rate, error=1e-2, dimension=dimension), q, 1e-9, dimension, 16)
    assert split.all()
    assert order <= q


def test_raising_orders_stops_at_the_highest():
    split, order = cheapest(decay(0.01), np.array([16]), 1e-12, 2, 16)
    assert split.all()
    assert order <= 16


def test_a_larger_gap_to_the_target_never_asks_for_less():
    raised = [int(cheapest(decay(0.02), np.array([8]), target, 2, 20)[1][0]) for target in (1e-5, 1e-6, 1e-8)]
    assert raised == sorted(raised)
    assert raised[0] < raised[-1]


def test_the_choice_of_a_patch_does_not_depend_on_the_others():
    rates = (0.01, 0.9, 0.2)
    alone = [cheapest(decay(r), np.array([8]), 1e-8, 2, 16) for r in rates]
    together = cheapest(
        replace(decay(0.0, patches=3), rate=np.array(rates)), np.array([8, 8, 8]), 1e-8, 2, 16
    )
    assert [bool(s[0]) for s, _ in alone] == together[0].tolist()
    assert [int(o[0]) for _, o in alone] == together[1].tolist()


# ---------------------------------------------------------------- coarsening


def test_a_polynomial_needs_the_order_above_its_degree():
    """Whatever the order of its patches, and the solution on those orders is the same."""
    problem = Problem(
        Rectangle((0, 0), (1, 1)),
        lambda u, x, y: laplace(u) - 6 * x * y**2 - 2 * x**3,
        [Dirichlet(lambda x, y: x**3 * y**2, on=Rectangle((0, 0), (1, 1)).boundary)],
    )
    found = solve_on(problem, patches_over(problem, 2), 12)
    enough = sufficient_orders(found, 1e-3)
    assert (enough < 12).all()
    assert sufficient_orders(found, 1e9).max() <= 0
    assert (sufficient_orders(found, 0.0) == 12).all()


def test_orders_that_suffice_leave_the_error_at_the_target(smooth):
    problem, patches, _, fine = smooth
    target = 1e-5
    found = solve_on(problem, patches, np.maximum(sufficient_orders(fine, target), 4))
    assert found.assembly.layout.total < fine.assembly.layout.total
    assert error_of(found) < 30 * target * len(patches) ** 0.5


def roughness_on_a_line(equation, conditions):
    """Of what is left on three patches of degree ten."""
    space = Discretisation(Problem(LINE, equation, conditions), 1e-3, Monitor(), "cpu", {})
    return roughness(space.solve(*space.roots(), None))


def test_what_a_layer_within_patches_leaves_is_rough():
    def layered(u, x):
        return -((2 + torch.tanh((x - 0.4137) / 1e-3)) * u.x).x - 1

    assert roughness_on_a_line(layered, [Dirichlet(0, on=LINE.boundary)]) > 2 * TUNING.rough


def test_what_no_flux_balances_leaves_is_smooth():
    conditions = [Neumann(0, on=LINE.boundary), Integral(0)]
    assert roughness_on_a_line(lambda u: -u.xx - 1, conditions) < 0.1 * TUNING.rough
