"""`solve`: certified errors are true, whatever the units; nothing that is stated is ignored."""

import math
import sys
from pathlib import Path

import pytest
import torch
from clocks import just_late

from pdesolve import (
    Box,
    Condition,
    Dirichlet,
    Disk,
    Initial,
    Interval,
    Neumann,
    Observation,
    Point,
    Problem,
    Rectangle,
    TimeInterval,
    div,
    grad,
    laplace,
    solve,
)
from pdesolve.adaptive.solve import solve_adaptively
from pdesolve.benchmarking.variants import VARIANTS
from pdesolve.errors import ProblemError, SolveError, UsageError
from pdesolve.methods import METHODS
from pdesolve.runs.monitor import Monitor
from pdesolve.statement.loading import load_problem

FOLDER = Path(__file__).resolve().parent.parent / "problems"
SQUARE, LINE = Rectangle((0, 0), (1, 1)), Interval(0, 1)
ZERO = Dirichlet(0, on=SQUARE.boundary)
POISSON = Problem(SQUARE, lambda u: laplace(u) + 1, [ZERO])

FAST = "poisson_1d advection_diffusion_1d poisson_2d poisson_disk annulus_robin heat_1d nonlinear_poisson_2d".split()
MEDIUM = "helmholtz_2d reaction_diffusion_2d wave_1d kovasznay poisson_3d".split()
MOVED = "poisson_2d poisson_disk helmholtz_2d annulus_robin kovasznay cube_less_ball".split()


def slow(names):
    return [pytest.param(name, marks=pytest.mark.slow) for name in names]


def solved(name, tol=1e-6):
    return solve(load_problem(FOLDER / f"{name}.py"), tol=tol)


# ---------------------------------------------------------------- the certificate is true


@pytest.mark.parametrize(
    ("equation", "conditions"),
    [
        (lambda u: u.x**2 - 1, [Dirichlet(0, on=LINE.left)]),
        (lambda u: u * u.x - 1, [Dirichlet(0, on=LINE.left)]),
        (lambda u: u**2 + 1 + 0 * u.xx, [Dirichlet(0, on=LINE.boundary)]),
        (lambda u: -u.xx - 1, [Condition(lambda u: u**2 - 1, on=LINE.boundary)]),
    ],
)
def test_a_start_at_which_no_change_helps_is_no_solution(equation, conditions):
    """Gauss–Newton stays there, and so would both solutions whose difference is the estimate."""
    with pytest.raises(SolveError, match="no change of the unknowns changes it to first order"):
        solve(Problem(LINE, equation, conditions), tol=1e-4, time_limit=20)


def test_the_same_equation_is_solved_from_elsewhere():
    problem = Problem(LINE, lambda u: u.x**2 - 1, [Dirichlet(0, on=LINE.left)], guess=lambda x: 2 * x)
    solution = solve(problem, tol=1e-8, time_limit=20)
    assert solution.converged
    assert solution(0.5) == pytest.approx(0.5, abs=1e-8)


def test_an_order_that_is_too_high_is_refused():
    problem = Problem(LINE, lambda u: u.derivative(*["x"] * 8) - 1, [Dirichlet(0, on=LINE.boundary)])
    with pytest.raises(UsageError, match=r"is of order 8 in u.*up to order 6"):
        solve(problem)


@pytest.mark.parametrize("name", [*FAST, *slow(MEDIUM)])
def test_the_estimate_is_the_true_error_within_a_factor_of_ten(name):
    solution = solved(name)
    assert solution.converged, solution.status
    assert solution.estimated_error <= 1e-6
    assert solution.relative_l2_error() <= 3e-6
    for unknown, estimate in zip(solution.unknowns, solution.estimates, strict=True):
        assert 0.1 <= estimate / solution.relative_l2_error(unknown) <= 10, unknown


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", slow(MOVED))
def test_a_variant_is_solved_as_well_as_its_base(name, variant):
    """Shifted, rotated, frequencies × 1.3: the figures hold within a factor of ten."""
    tol = 1e-6
    solution = solve(VARIANTS[variant](load_problem(FOLDER / f"{name}.py")), tol=tol, time_limit=30)
    assert solution.converged, solution.status
    assert solution.relative_l2_error() <= 3 * tol
    assert 0.1 <= solution.estimated_error / solution.relative_l2_error() <= 10
    assert solution.degrees_of_freedom <= 10 * solved(name, tol).degrees_of_freedom


@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-9])
def test_a_tolerance_is_met_and_a_tighter_one_costs_more(tol):
    solution = solved("poisson_2d", tol)
    assert solution.converged
    assert solution.relative_l2_error() <= 3 * tol
    assert solution.degrees_of_freedom <= solved("poisson_2d", tol / 1000).degrees_of_freedom


# ---------------------------------------------------------------- units


def scaled(length, size):
    """-(k u_x)_x - u_yy + u² = f with exact u = size · sin(2x/L) e^(y/L), stated in other units."""
    square = Rectangle((0, 0), (length, length))

    def exact(x, y):
        return size * torch.sin(2 * x / length) * torch.exp(y / length)

    def operator(u, x):
        return -div((1 + x / length) * grad(u)) * length**2 / size + (u / size) ** 2

    def equation(u, x, y):
        return operator(u, x) - source(x, y)

    def source(x, y):
        s, c, e = torch.sin(2 * x / length), torch.cos(2 * x / length), torch.exp(y / length)
        w = s * e
        return -(2 * c * e - (1 + x / length) * 4 * w) - (1 + x / length) * w + w**2

    conditions = [
        Dirichlet(exact, on=square.left | square.bottom | square.top),
        Neumann(
            lambda x, y: 2 * size / length * torch.cos(2 * x / length) * torch.exp(y / length),
            on=square.right,
        ),
    ]
    return Problem(square, equation, conditions, exact=exact)


def test_the_twin_in_unit_scales_is_well_posed():
    solution = solve(scaled(1.0, 1.0), tol=1e-6)
    assert solution.converged
    assert solution.relative_l2_error() < 1e-6


@pytest.mark.parametrize(("length", "size"), [(1e3, 1.0), (1.0, 1e6), (1e3, 1e6), (1e-4, 1e-8)])
def test_the_error_does_not_depend_on_the_units(length, size):
    unit, other = solve(scaled(1.0, 1.0), tol=1e-6), solve(scaled(length, size), tol=1e-6)
    assert other.converged
    assert 1 / 3 <= other.relative_l2_error() / unit.relative_l2_error() <= 3
    assert other.degrees_of_freedom == unit.degrees_of_freedom


def test_an_equation_in_large_units_is_solved_alike():
    plain = solve(POISSON, tol=1e-3)
    heavy = solve(Problem(SQUARE, lambda u: 1e9 * (laplace(u) + 1), [ZERO]), tol=1e-3)
    points = SQUARE.sample(100)
    assert float((plain.evaluate(points) - heavy.evaluate(points)).abs().max()) < 1e-10


# ---------------------------------------------------------------- what may and may not influence the result


@pytest.mark.parametrize("name", ["poisson_2d", "annulus_robin", "heat_1d"])
def test_the_exact_solution_never_influences_the_result(name):
    problem = load_problem(FOLDER / f"{name}.py")
    with_exact = solve(problem, tol=1e-5)
    problem.exact = None
    without = solve(problem, tol=1e-5)
    points = problem.domain.sample(100)
    assert torch.equal(with_exact.evaluate(points), without.evaluate(points))
    assert with_exact.estimates == without.estimates
    assert without.relative_l2_error() is None


def test_solving_again_gives_the_same_bits():
    first, second = (solve(POISSON, tol=1e-3, seed=seed) for seed in (0, 1))
    points = SQUARE.sample(100)
    assert torch.equal(first.evaluate(points), second.evaluate(points))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_default_dtype_of_the_caller_changes_nothing(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        value = solve(scaled(1.0, 1.0), tol=1e-8)(0.3, 0.4)
    finally:
        torch.set_default_dtype(before)
    assert value == pytest.approx(math.sin(0.6) * math.exp(0.4), rel=1e-7)


# ---------------------------------------------------------------- nothing is ignored


def conductivity(u, kappa):
    return kappa * laplace(u) + 1


def laplace_of(u):
    return laplace(u)


FIVE = Box((0,) * 5, (1,) * 5)
INNER = Disk((0.5, 0.5), 0.2)
MEASURED = [Observation([[0.5, 0.5]], [0.07])]


@pytest.mark.parametrize(
    ("problem", "sentence"),
    [
        (
            Problem(SQUARE, conductivity, [ZERO], parameters={"kappa": 1.0}),
            "parameters kappa are to be identified",
        ),
        (Problem(SQUARE, lambda u: laplace(u), [ZERO], data=MEASURED), "nothing is to be identified"),
        (
            Problem(FIVE, lambda u: laplace(u), [Dirichlet(0, on=FIVE.boundary)]),
            "in at most 3 dimensions; this one has 5",
        ),
    ],
)
def test_what_gmnm_would_ignore_it_refuses(problem, sentence):
    with pytest.raises(UsageError, match=sentence):
        solve(problem)


def test_every_kind_of_condition_reaches_the_solution():
    """u = x + 2y: each side states it in its own way, and none could be left out."""
    conditions = [
        Dirichlet(lambda y: 2 * y, on=SQUARE.left.where(lambda x, y: y + x < 0.5)),
        Condition(
            lambda u, n, y: n @ grad(u) + u - 2 * y + 1, on=SQUARE.left.where(lambda x, y: y + x >= 0.5)
        ),
        Neumann(1, on=SQUARE.right),
        Neumann(-2, on=SQUARE.bottom),
        Dirichlet(lambda x: x + 2, on=SQUARE.top),
    ]
    solution = solve(
        Problem(SQUARE, lambda u: laplace(u), conditions, exact=lambda x, y: x + 2 * y), tol=1e-8
    )
    assert solution.max_error() < 1e-7


def test_a_point_fixes_the_constant_of_a_pure_neumann_problem():
    problem = Problem(
        SQUARE,
        lambda u, x: laplace(u) + torch.pi**2 * torch.cos(torch.pi * x),
        [Neumann(0, on=SQUARE.boundary), Dirichlet(4, on=Point((0, 0)))],
        exact=lambda x: torch.cos(torch.pi * x) + 3,
    )
    solution = solve(problem, tol=1e-6)
    assert solution.converged
    assert solution.max_error() < 1e-5


def test_a_guess_chooses_between_two_solutions():
    """u² = 1 + x holds for u = ±√(1 + x)."""
    for sign in (1.0, -1.0):
        problem = Problem(LINE, lambda u, x: u**2 - 1 - x, guess=sign)
        assert solve(problem, tol=1e-8)(0.44) == pytest.approx(sign * 1.2, rel=1e-7)


def test_the_annulus_is_a_domain_like_any_other():
    """ln r / ln 2 between r = 1 and 2: flux 2π / ln 2 through either circle."""
    inner, outer = Disk((0, 0), 1), Disk((0, 0), 2)
    conditions = [Dirichlet(0, on=inner.boundary), Dirichlet(1, on=outer.boundary)]
    solution = solve(Problem(outer - inner, lambda u: laplace(u), conditions), tol=1e-6)
    assert solution(0.0, math.sqrt(2)) == pytest.approx(0.5, abs=1e-6)
    assert math.isnan(solution(0.0, 0.5))
    assert solution.flux(on=outer.boundary) == pytest.approx(2 * math.pi / math.log(2), rel=1e-5)
    assert solution.flux(on=inner.boundary) == pytest.approx(-2 * math.pi / math.log(2), rel=1e-5)


def test_values_in_time_reach_the_end():
    line, time = Interval(0, math.pi), TimeInterval(0, 2)
    problem = Problem(line * time, lambda u: u.t - u.xx, [Initial(torch.sin), Dirichlet(0, on=line.boundary)])
    assert solve(problem, tol=1e-6)(math.pi / 2, 2.0) == pytest.approx(math.exp(-2), rel=1e-4)


# ---------------------------------------------------------------- how it ends


def test_out_of_time_says_so_and_certifies_nothing():
    monitor = Monitor(time_limit=1e-3, clock=just_late())
    solution = solve(load_problem(FOLDER / "poisson_2d.py"), tol=1e-12, monitor=monitor)
    assert not solution.converged
    assert "time limit" in solution.status
    assert math.isfinite(solution.relative_l2_error())


def test_too_many_unknowns_say_which_setting_to_raise():
    solution = solve(load_problem(FOLDER / "poisson_2d.py"), tol=1e-12, max_unknowns=10)
    assert not solution.converged
    assert "max_unknowns" in solution.status


def test_settings_are_heard():
    coarse, fine = (solve(POISSON, tol=1e-2, cells=cells, degree=6) for cells in (1, 4))
    assert coarse.history[0]["patches"] == 1
    assert fine.history[0]["patches"] == 16
    assert fine.settings == {"cells": 4, "degree": 6}


def test_the_monitor_hears_every_level():
    rows = []
    solution = solve(POISSON, tol=1e-3, monitor=Monitor(on_record=rows.append))
    assert rows == solution.history
    assert all(row["residual"] >= 0 for row in rows)


def test_a_residual_that_is_not_finite_is_an_error_not_a_number():
    problem = Problem(SQUARE, lambda u, x: laplace(u) + torch.log(x - 0.5), [ZERO])
    with pytest.raises((SolveError, ProblemError), match="not finite"):
        solve(problem)


# ---------------------------------------------------------------- sentences


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"method": "fem"}, "there is no method 'fem'; the methods are gmnm, gmnm-trained, pinn, kan"),
        ({"layers": 3}, "method gmnm has no setting 'layers'; its settings are cells, degree"),
        ({"method": "pinn", "cells": 3}, "method pinn has no setting 'cells'; its settings are iterations"),
        ({"method": "gmm"}, "did you mean 'gmnm'?"),
        ({"degre": 8}, "did you mean 'degree'?"),
        ({"slabs": 4}, "slabs=4: slabs are for evolutions"),
        ({"cells": 0}, "cells=0; expected a positive whole number"),
        ({"order": 2.5}, "degree=2.5; expected a positive whole number"),
        ({"max_unknowns": True}, "max_unknowns=True; expected"),
        ({"dtype": "float16"}, "dtype='float16'; expected float64 or float32"),
        ({"dtype": "float32"}, "method gmnm works to tolerance in float64 only"),
        ({"device": "tpu"}, "device='tpu' is not available here; expected auto, cpu"),
        ({"tol": 0}, "tol=0; expected a relative error between 0 and 1"),
        ({"tol": 1}, "tol=1;"),
        ({"tol": math.nan}, "tol=nan"),
        ({"tol": "small"}, "tol='small'"),
        ({"seed": -1}, "seed=-1; expected a whole number"),
        ({"seed": 0.5}, "seed=0.5"),
        ({"time_limit": 0}, "time_limit=0; expected a number of seconds above 0"),
        ({"time_limit": math.nan}, "time_limit=nan"),
    ],
)
def test_an_argument_that_cannot_be_is_a_sentence(arguments, sentence):
    with pytest.raises(UsageError, match=sentence):
        solve(POISSON, **arguments)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_describes_itself_and_its_settings(name):
    method = METHODS[name]
    assert method.name == name
    assert len(method.summary) < 100
    assert all(method.settings.values())


@pytest.mark.slow
@pytest.mark.parametrize("method", ["gmnm-trained", "pinn", "kan"])
def test_trained_methods_are_judged_by_the_exact_solution(method):
    problem = load_problem(FOLDER / "poisson_1d.py")
    settings = {"method": method, "tol": 0.1, "iterations": 60, "parameters": 60, "points": 60}
    solution = solve(problem, **settings)
    assert solution.estimates is None
    assert solution.converged
    assert solution.relative_l2_error() <= 0.1
    far = solve(problem, **settings | {"iterations": 1})
    assert far.converged == (far.relative_l2_error() <= 0.1)
    problem.exact = None
    assert not solve(problem, **settings).converged


@pytest.mark.parametrize(
    ("name", "method", "sentence"),
    [("poisson_1d", "pinn", "is trained in one process"), ("heat_1d", "gmnm", "is followed step by step")],
)
def test_what_a_cluster_would_not_speed_up_is_refused(name, method, sentence):
    with pytest.raises(UsageError, match=sentence):
        solve(load_problem(FOLDER / f"{name}.py"), method=method, client="tcp://nowhere:1")


def test_a_client_that_is_none_is_refused():
    with pytest.raises(UsageError, match=r"expected a distributed\.Client, or the address"):
        solve(load_problem(FOLDER / "poisson_1d.py"), client=3)


def test_without_dask_a_sentence_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r'pip install "pdesolve\[cluster\]"'):
        solve(load_problem(FOLDER / "poisson_1d.py"), client="tcp://nowhere:1")


def test_the_history_tells_the_true_error_of_every_level_and_measures_it_once():
    problem = load_problem(FOLDER / "helmholtz_2d.py")
    monitor = Monitor()
    counted = []
    # From one patch, so that several levels are passed: by itself the solve begins where the source is resolved.
    low = {"cells": 1}
    solution = solve(
        problem, tol=1e-5, monitor=monitor, on_record=lambda row: counted.append(row["error"]), **low
    )
    assert len(counted) > 2
    assert counted[0] > counted[-1] == pytest.approx(solution.relative_l2_error(), rel=1e-6)
    before = monitor.true_error
    calls = []
    monitor.true_error = lambda expansion: calls.append(1) or before(expansion)
    found = solve_adaptively(problem, 1e-5, monitor, **low)
    assert found.converged
    # The last level has two rows: as it was reached, and with the estimate that verified it.
    assert len(calls) == len(counted) // 2 - 1


def test_a_small_solve_asks_for_the_equation_few_times():
    """An evaluation costs its call, not its points: what several looks ask for is asked for once."""
    square = Rectangle((0, 0), (1, 1))
    calls = []

    def poisson(u, x, y):
        calls.append(len(x))
        return -laplace(u) - 2 * torch.pi**2 * torch.sin(torch.pi * x) * torch.sin(torch.pi * y)

    assert solve(Problem(square, poisson, [Dirichlet(0, on=square.boundary)]), tol=1e-8).converged
    # The look between the points is at so many that it has a call for each 2^15 of them. Of others 35 were counted; 69
    # when checks, corners and looks at the data asked for themselves.
    assert sum(count < 2**12 for count in calls) <= 40


def test_what_a_global_has_become_counts_in_the_next_solve():
    square = Rectangle((0, 0), (1, 1))
    power = {"of u": 1}
    problem = Problem(
        square, lambda u: -laplace(u) + u ** power["of u"] - 1, [Dirichlet(0, on=square.boundary)]
    )
    solve(problem, tol=1e-3)
    power["of u"] = 3
    twin = Problem(square, lambda u: -laplace(u) + u**3 - 1, [Dirichlet(0, on=square.boundary)])
    again = solve(problem, tol=1e-3).approximator.coefficients
    assert torch.equal(again, solve(twin, tol=1e-3).approximator.coefficients)
