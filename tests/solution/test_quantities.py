"""Outputs and quantities: values are those of the exact solution, and estimates tell their errors."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from torch import pi, sin

from pdesolve import (
    Annulus,
    Dirichlet,
    Disk,
    Flux,
    Initial,
    Integral,
    Interval,
    Maximum,
    Mean,
    Minimum,
    Neumann,
    Polygon,
    Probe,
    Problem,
    ProblemError,
    Rectangle,
    Solution,
    SolveError,
    TimeInterval,
    UsageError,
    div,
    grad,
    laplace,
    normal_derivative,
    solve,
)
from pdesolve.solution.growth import growth
from pdesolve.solution.values import Values
from pdesolve.statement.outputs import Expression

SQUARE = Rectangle((0, 0), (1, 1))
LINE = Interval(0, 1)


def poisson(u, x, y):
    return -laplace(u) - 2 * pi**2 * sin(pi * x) * sin(pi * y)


def problem_with(**more):
    return Problem(SQUARE, poisson, [Dirichlet(0, on=SQUARE.boundary)], **more)


@pytest.fixture(scope="module")
def bump():
    return solve(
        problem_with(
            outputs={"flux": lambda u: -grad(u), "square": lambda u: u**2},
            quantities={
                "volume": Integral("u"),
                "outflow": Integral(lambda u, n: n @ grad(u), on=SQUARE.left),
                "top": Maximum("u"),
                "slope": Minimum(lambda u: u.x),
                "middle": Mean("square"),
                "quarter": Probe((0.25, 0.25)),
                "all round": Flux(SQUARE.boundary),
                "net": Integral("flux"),
            },
        ),
        tol=1e-4,
    )


@pytest.fixture(scope="module")
def cooling():
    lateral = Dirichlet(0, on=LINE.boundary)
    problem = Problem(
        LINE * TimeInterval(0, 0.1),
        lambda u: u.t - 2 * u.xx,
        [Initial(lambda x: sin(pi * x)), lateral],
        quantities={"out": Flux(LINE.right), "heat": Integral("u"), "top": Maximum("u")},
    )
    return solve(problem, tol=1e-6)


EXACT = {
    "volume": 4 / math.pi**2,
    "outflow": -2.0,
    "top": 1.0,
    "slope": -math.pi,
    "middle": 0.25,
    "quarter": 0.5,
    "all round": -8.0,
}


@pytest.fixture(scope="module")
def measured(bump):
    return bump.quantities()


@pytest.mark.parametrize("name", EXACT)
def test_an_estimate_is_not_far_below_nor_above_the_error(measured, name):
    found = measured[name]
    error = abs(found - EXACT[name])
    assert error <= 3 * found.estimated_error
    # What is conserved is more exact than the two solutions can tell.
    assert found.estimated_error <= 3 * error + 2e-9


def test_extrema_know_their_places(measured):
    assert measured["top"].place == pytest.approx((0.5, 0.5), abs=1e-5)
    assert measured["slope"].place == pytest.approx((1, 0.5), abs=1e-5)


def test_a_vector_has_a_number_for_each_component(bump, measured):
    net = measured["net"]
    assert len(net) == 2
    assert max(map(abs, net)) < 1e-12
    x, _ = bump.output("flux")(0.2, 0.3)
    assert x == pytest.approx(-math.pi * math.cos(0.2 * math.pi) * math.sin(0.3 * math.pi), abs=1e-5)
    assert bump.output("square")(np.array([0.5]), np.array([0.5])) == pytest.approx([1], abs=1e-6)


def test_quantities_survive_saving(bump, measured, tmp_path):
    bump.save(tmp_path)
    loaded = Solution.load(tmp_path, bump.problem).quantities()
    for name, found in measured.items():
        assert repr(loaded[name]) == repr(found)


def test_a_record_holds_values_and_estimates(bump):
    record = json.loads(json.dumps(bump.summary()["quantities"]))
    assert record["volume"]["value"] == bump.integral("u")
    assert 0 < record["volume"]["estimated_error"] < 1e-8
    assert len(record["net"]["value"]) == 2


def test_a_line_tells_values_and_estimates_and_stops_at_the_boundary(bump):
    found = bump.line((0, 0.5), (1.5, 0.5), 31)
    inside = found["x"] <= 1
    assert np.abs(found["u"] - np.sin(np.pi * found["x"]))[inside].max() < 1e-6
    assert np.isnan(found["flux_x"][~inside]).all()
    assert found["distance"][-1] == 1.5


def test_a_part_of_the_domain(bump):
    disk = Disk((0.5, 0.5), 0.25)
    assert bump.integral(1, over=disk) == pytest.approx(math.pi / 16, rel=1e-12)
    assert bump.integral(1, on=SQUARE.left) == pytest.approx(1, rel=1e-12)
    assert bump.maximum("u", over=Disk((0, 0.5), 0.25)) == pytest.approx(math.sin(math.pi / 4), abs=1e-6)


def test_ends_of_a_sub_domain_outside_of_the_domain_do_not_count(bump):
    """∫∫ sin πx sin πy over the square is 4/π², and a disk around the square has no more of it."""
    around = bump.mean("u", over=Disk((0.5, 0.5), 10))
    assert abs(around - 4 / math.pi**2) <= 3 * around.estimated_error < 1e-7
    assert bump.integral(1, over=Disk((0, 0.5), 0.2)) == pytest.approx(math.pi * 0.02, rel=1e-12)


def test_the_flux_is_that_of_the_coefficient():
    ring = Annulus((0, 0), 1, 2)
    problem = Problem(
        ring,
        lambda u, x, y: -div((x**2 + y**2) * grad(u)),
        [Dirichlet(0, on=ring.inner), Dirichlet(1, on=ring.outer)],
    )
    solution = solve(problem, tol=1e-5)
    through = 2 * math.pi * 8 / 3  # 2π r · r² u' with u' = (8/3) / r³
    for part, sign in ((ring.inner, -1), (ring.outer, 1)):
        found = solution.flux(part)
        assert abs(found - sign * through) <= 3 * found.estimated_error
        assert found.estimated_error < 1e-3


def product(x, y):
    return torch.exp(x) * sin(2 * y)


@pytest.mark.parametrize(
    ("equation", "flux"),
    [
        (lambda u, x, y: laplace(u) - laplace(product(x, y)), math.e * math.sin(1) ** 2),
        (
            lambda u, x, y: -div((1 + x * y) * grad(u)) + div((1 + x * y) * grad(product(x, y))),
            math.e * (math.sin(1) ** 2 + math.sin(2) / 4 - math.cos(2) / 2),
        ),
    ],
)
def test_what_is_known_beforehand_is_no_part_of_a_flux(equation, flux):
    """∫ k ∂u/∂x over x = 1 for u = exp(x) sin(2y), of which the equation holds a derivative as its source."""
    problem = Problem(SQUARE, equation, [Dirichlet(product, on=SQUARE.boundary)])
    found = solve(problem, tol=1e-4).flux(SQUARE.right)
    assert abs(found - flux) <= 3 * found.estimated_error < 1e-4


@pytest.mark.parametrize(
    ("equation", "sentence"),
    [
        (lambda u, x: -(1 + x) * laplace(u) - 1, "changes from point to point"),
        (lambda u: u - 1, "no row holds second derivatives"),
    ],
)
def test_an_equation_without_divergence_has_no_flux(equation, sentence):
    conditions = [Dirichlet(0, on=SQUARE.boundary)] if "laplace" in equation.__code__.co_names else []
    problem = Problem(SQUARE, equation, conditions, quantities={"out": Flux(SQUARE.left)})
    with pytest.raises(ProblemError, match=sentence):
        solve(problem)


def test_of_an_evolution_at_a_time(cooling):
    found = cooling.quantities()
    decay = math.exp(-2 * math.pi**2 * 0.1)
    exact = {"out": -2 * math.pi * decay, "heat": 2 / math.pi * decay, "top": decay}
    for name, value in exact.items():
        assert abs(found[name] - value) <= 3 * found[name].estimated_error
    assert cooling.integral("u", time=0.05) == pytest.approx(2 / math.pi * decay**0.5, rel=1e-6)
    table = cooling.quantities_over([0.0, 0.1])
    assert table["heat"][0] == pytest.approx(2 / math.pi, rel=1e-9)
    assert table["heat"][1] == found["heat"]


def test_beside_a_coarser_solution_a_value_may_err_as_around_it(cooling):
    beside = replace(cooling.verification, shared=0.01, widened=(0.1,))
    stopped = replace(cooling, verification=beside)
    assert Values.of(stopped, Expression.of(stopped.problem, "u", "u")).left == 1.0


def test_times_may_be_scalars_of_torch_and_numpy(cooling):
    one = cooling.integral("u", time=0.1)
    assert float(cooling.integral("u", time=torch.tensor(0.1, dtype=torch.float64))) == float(one)
    assert float(cooling.integral("u", time=np.array(0.1))) == float(one)


def test_where_two_solutions_meet_by_chance_the_estimate_is_that_of_what_is_around():
    """u = exp(-100 r²) about (0.4, 0.6); along y = 0.55 the two solutions cross each other."""

    def peak(x, y):
        return torch.exp(-100 * ((x - 0.4) ** 2 + (y - 0.6) ** 2))

    problem = Problem(
        SQUARE, lambda u, x, y: laplace(u) - laplace(peak(x, y)), [Dirichlet(peak, on=SQUARE.boundary)]
    )
    solution = solve(problem, tol=1e-2)
    finer = solution.with_expansion(solution.verification.expansion)

    def difference(x):
        return finer(x, 0.55) - solution(x, 0.55)

    x = np.linspace(0.05, 0.95, 400)
    signs = np.sign(difference(x))
    crossings = [
        brentq(lambda s: float(difference(s)), x[i], x[i + 1])
        for i in np.flatnonzero(signs[1:] != signs[:-1])
    ]
    assert len(crossings) > 3
    for s in crossings:
        found = solution.probe((s, 0.55))
        error = abs(found - float(peak(torch.tensor(s), torch.tensor(0.55))))
        assert error <= 10 * found.estimated_error  # which was zero but for rounding


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda s: s.output("flu"), "did you mean 'flux'"),
        (lambda s: s.integral("w"), "unknowns and outputs are u, flux, square"),
        (lambda s: s.integral("u", on=LINE), "expected a part of the boundary"),
        (lambda s: s.integral("u", on=Disk((9, 9), 1).boundary), "no part of the boundary"),
        (lambda s: s.integral("u", over=Disk((9, 9), 1)), "nothing in common with the domain"),
        (lambda s: s.integral("u", time=1.0), "no evolution"),
        (lambda s: s.maximum("flux"), "is a vector"),
        (lambda s: s.probe((2, 2)), "outside the domain"),
        (lambda s: s.probe((0.5,)), "expected finite numbers x, y"),
        (lambda s: s.line((0, 0), (1, 1), 1), "at least 2"),
        (lambda s: s.integral(lambda u, w: u * w), "asks for 'w'"),
        (lambda s: s.integral(lambda u, n: u * n.x), "asks for 'n'"),
    ],
)
def test_what_cannot_be_asked_for(bump, ask, sentence):
    with pytest.raises((UsageError, ProblemError), match=sentence):
        ask(bump)


def test_the_flux_of_an_evolution_is_at_a_time(cooling):
    with pytest.raises(UsageError, match=r"time=0\.1"):
        cooling.flux(LINE.right)
    with pytest.raises(UsageError, match=r"expected 0 to 0\.1"):
        cooling.integral("u", time=2.0)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"outputs": 3}, "expected a dict"),
        ({"outputs": {"u": grad}}, "name of an unknown"),
        ({"outputs": {"a b": grad}}, "expected a name"),
        ({"outputs": {"f": 3}}, "expected a function"),
        ({"outputs": {"f": lambda w: w}}, "asks for 'w'"),
        ({"outputs": {"f": lambda u: str(u)}}, "returned a str"),
        ({"outputs": {"f": lambda u: (u, (u, u))}}, "a vector inside a vector"),
        ({"outputs": {"f": lambda u: u + torch.ones(64, 1)}}, "shape"),
        ({"quantities": [Integral("u")]}, "expected a dict"),
        ({"quantities": {"q": 3}}, "expected Integral, Mean"),
        ({"quantities": {"q": Integral("stress")}}, "speaks of 'stress'"),
        ({"quantities": {"q": Mean("u", on=Disk((9, 9), 1).boundary)}}, "no part of the boundary"),
        ({"quantities": {"q": Mean("u", on="left")}}, "expected a part of the boundary"),
        ({"quantities": {"q": Mean("u", over="left")}}, "expected a sub-domain"),
        ({"quantities": {"q": Mean("u", on=SQUARE.left, over=SQUARE)}}, "received on= and over="),
        ({"quantities": {"q": Mean("u", over=LINE)}}, "expected a sub-domain in 2 dimensions"),
        ({"quantities": {"q": Maximum(grad)}}, "extremum of a vector"),
        ({"quantities": {"q": Probe((2, 2))}}, "outside the domain"),
        ({"quantities": {"q": Probe((2,))}}, "expected finite numbers x, y"),
        ({"quantities": {"q": Flux(LINE.left, "v")}}, "part of the boundary"),
        ({"conditions": [Integral(0, on=SQUARE.left)]}, "quantities="),
    ],
)
def test_what_cannot_be_stated(more, sentence):
    conditions = more.pop("conditions", [Dirichlet(0, on=SQUARE.boundary)])
    with pytest.raises(ProblemError, match=sentence):
        solve(Problem(SQUARE, poisson, conditions, **more))


def test_a_normal_is_known_on_a_boundary(bump):
    assert bump.integral(normal_derivative, on=SQUARE.left) == pytest.approx(-2, abs=1e-6)


# ---------------------------------------------------------------- what does not exist

HALF = SQUARE.bottom.where(lambda x: x < 0.5)
REST = SQUARE.bottom.where(lambda x: x > 0.5)


@pytest.fixture(scope="module")
def half_insulated():
    """T ~ 1 + r^½ at (½, 0), where the condition changes its kind."""
    conditions = [
        Dirichlet(1, on=HALF),
        Neumann(0, on=REST | SQUARE.left | SQUARE.right),
        Dirichlet(0, on=SQUARE.top),
    ]
    return solve(Problem(SQUARE, lambda T: -laplace(T), conditions), tol=1e-3)


@pytest.fixture(scope="module")
def hot_lid():
    """∇T ~ 1 / r at two corners, where the values jump."""
    cold = Dirichlet(0, on=SQUARE.left | SQUARE.right | SQUARE.bottom)
    return solve(Problem(SQUARE, lambda T: -laplace(T), [Dirichlet(1, on=SQUARE.top), cold]), tol=1e-3)


def squared(T):
    return T.x**2 + T.y**2


@pytest.mark.parametrize(
    ("ask", "power"),
    [
        (lambda s: s.integral(lambda T: T.y**2, on=HALF), "-0.9|-1"),
        (lambda s: s.integral(lambda T: squared(T) ** 2), "-1.9|-2"),
        (lambda s: s.maximum(lambda T: abs(T.y)), "-0.[4-7]"),
        (lambda s: s.probe((0.5, 0), lambda T: T.y), "-0.[4-7]"),
    ],
)
def test_what_grows_without_bound_has_no_integral_and_no_maximum(half_insulated, ask, power):
    with pytest.raises(SolveError, match=rf"grows like r\^({power}).* towards \(0\.5"):
        ask(half_insulated)


def test_what_grows_and_is_integrable_has_its_integral(half_insulated):
    """Both are the heat that flows in, by Green's formula: ∫ |∇T|² = ∫_hot -T_y."""
    heat = half_insulated.integral(lambda T: -T.y, on=HALF)
    energy = half_insulated.integral(squared)
    assert abs(heat - energy) < 3 * (heat.estimated_error + energy.estimated_error)
    assert math.isfinite(half_insulated.integral(lambda T: squared(T) ** 1.5))


def test_the_heat_of_a_jump_is_infinite(hot_lid):
    for ask in (lambda: hot_lid.flux(SQUARE.top), lambda: hot_lid.integral(squared)):
        with pytest.raises(SolveError, match="has no integral"):
            ask()
    assert hot_lid.integral(lambda T: squared(T) ** 0.5).estimated_error < 0.1
    # Σ 8 / (nπ sinh nπ) over odd n, far from the corners.
    assert hot_lid.flux(SQUARE.bottom) == pytest.approx(-0.2206362, abs=3e-6)


def test_what_grows_is_seen_where_patches_only_shrink():
    """Of two unknowns no singular functions are known, so that patches are halved toward the corner."""
    conditions = [
        Dirichlet(1, on=HALF, unknown="T"),
        Neumann(0, on=REST | SQUARE.left | SQUARE.right, unknown="T"),
        Dirichlet(0, on=SQUARE.top, unknown="T"),
        Dirichlet(0, on=SQUARE.boundary, unknown="S"),
    ]
    problem = Problem(SQUARE, lambda T, S: (-laplace(T), -laplace(S) - 1), conditions)
    solution = solve(problem, tol=1e-3)
    with pytest.raises(SolveError, match=r"grows like r\^-(0.9|1).* towards \(0\.5"):
        solution.integral(lambda T: T.y**2, on=HALF)
    with pytest.raises(SolveError, match=r"grows like r\^-0.[4-7].* towards \(0\.5"):
        solution.maximum(lambda T: abs(T.y))


def test_rounding_at_a_corner_grows_to_nothing():
    """u = x is regular there: what is left of its singular functions is 1e-10, and no power of r."""
    bent = Polygon([(0, 0), (1, 0), (1, 1), (-1, 1), (-1, -1), (0, -1)])
    problem = Problem(bent, lambda u: -laplace(u), [Dirichlet(lambda x: x, on=bent.boundary)])
    solution = solve(problem, tol=1e-4)
    assert abs(solution.maximum(lambda u: u.y)) < 1e-4
    assert abs(solution.integral(lambda u: u.xx**2)) < 1e-8


def test_only_what_is_unbounded_is_taken_for_a_power():
    s = torch.rand(20_000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    place = torch.tensor([0.5, 0.5], dtype=torch.float64)
    r = (s - place).norm(dim=1)
    patch = (r > 0.02).long()

    def power(sizes):
        return growth(s, sizes, 0.05 * sizes, torch.ones_like(r), patch, place)

    assert power((-((r / 0.1) ** 2)).exp()) is None  # a peak that its patch does not resolve
    assert power(1 + 0.1 / r)[1] == pytest.approx(1, abs=0.1)
    assert (
        growth(s, 1 / r, 0.5 / r, torch.ones_like(r), patch, place) is None
    )  # two solutions do not agree on it
