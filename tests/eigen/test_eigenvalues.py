"""Eigenvalues and modes: exact spectra, true error estimates, multiplicities, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import jn_zeros, mathieu_a

from pdesolve import (
    Box,
    Condition,
    Dirichlet,
    Disk,
    Eigenvalues,
    Interval,
    Neumann,
    Periodic,
    Polygon,
    Problem,
    ProblemError,
    Rectangle,
    Solution,
    SolveError,
    TimeInterval,
    UsageError,
    check,
    export,
    laplace,
    load_problem,
    normal_derivative,
    solve,
)

LINE = Interval(0, 1)
FIXED = [Dirichlet(0, on=LINE.boundary)]
SQUARE = Rectangle((0, 0), (1, 1))


def membrane(u, lam):
    return -laplace(u) - lam * u


def on(domain, conditions, count, equation=membrane, near=0.0, name="lam"):
    return Problem(domain, equation, conditions, eigenvalues=Eigenvalues(name, count=count, near=near))


def string(count=4, near=0.0):
    return on(LINE, FIXED, count, near=near)


def assert_true(solution, exact, factor=3.0):
    """Errors are within the tolerance, and within a factor of their estimates, rounding apart."""
    exact = np.asarray(exact)
    found = solution.eigenvalues[: len(exact)]
    error = np.abs(found - exact)
    estimate = solution.eigenvalue_errors[: len(exact)]
    assert solution.converged, solution.status
    assert (error <= factor * estimate).all(), (error, estimate)
    rounding = 1e-13 * np.abs(solution.eigenvalues).max()
    assert (estimate <= factor * error + rounding).all(), (error, estimate)


@pytest.fixture(scope="module")
def square_modes():
    return solve(on(SQUARE, [Dirichlet(0, on=SQUARE.boundary)], 6), tol=1e-6)


def test_square_has_its_double_eigenvalues(square_modes):
    assert_true(square_modes, np.pi**2 * np.array([2, 5, 5, 8, 10, 10]))
    assert square_modes.spectrum["groups"] == [[0], [1, 2], [3], [4, 5]]


def test_modes_are_of_size_one_and_orthogonal(square_modes):
    points, weights = (
        square_modes.problem.domain.rule(40).points,
        square_modes.problem.domain.rule(40).weights,
    )
    values = square_modes.evaluate(points)
    gram = (values * weights[:, None]).T @ values
    assert torch.allclose(gram, torch.eye(6, dtype=torch.float64), atol=1e-6)


def test_a_mode_is_the_solution_of_the_problem_at_its_eigenvalue(square_modes):
    mode = square_modes.mode(1)
    assert abs(mode(0.3, 0.2)) == pytest.approx(2 * np.sin(0.3 * np.pi) * np.sin(0.2 * np.pi), rel=1e-8)
    assert mode(0.3, 0.2) == pytest.approx(square_modes(0.3, 0.2)["u_1"], rel=1e-14)
    assert mode.residual_rms < 1e-3
    assert abs(float(mode.integral())) == pytest.approx(8 / np.pi**2, rel=1e-8)


def test_saved_modes_are_loaded_to_the_bit(square_modes, tmp_path):
    square_modes.save(tmp_path)
    loaded = Solution.load(tmp_path, square_modes.problem)
    assert (loaded.eigenvalues == square_modes.eigenvalues).all()
    assert loaded.mode(2)(0.3, 0.2) == square_modes.mode(2)(0.3, 0.2)


def test_all_modes_are_written_into_one_file(square_modes, tmp_path):
    written = np.load(export(square_modes, tmp_path / "modes.npz")[0])
    assert {f"u_{k}" for k in range(1, 7)} <= set(written.files)


def test_summary_lists_eigenvalues(square_modes):
    summary = square_modes.summary()
    assert summary["eigenvalues"] == square_modes.eigenvalues.tolist()
    assert len(summary["eigenvalue_errors"]) == 6


def test_disc_has_the_zeros_of_bessel_functions():
    """The fifth is one of two that are alike, which rows divide into a complex pair: five are wanted, and five come."""
    disc = Disk((0, 0), 1)
    solution = solve(on(disc, [Dirichlet(0, on=disc.boundary)], 5), tol=1e-5)
    exact = [jn_zeros(0, 1)[0] ** 2, *2 * [jn_zeros(1, 1)[0] ** 2], *2 * [jn_zeros(2, 1)[0] ** 2]]
    assert len(solution.eigenvalues) == 5
    error = np.abs(solution.eigenvalues - exact)
    assert (error <= 3 * solution.eigenvalue_errors).all()
    # Those of the rows are off by 3e-6: quotients are integrated to three digits on patches that the circle cuts.
    assert error.max() < 2e-7


def test_quotients_are_off_by_squares_of_modes(square_modes):
    """Modes to 1e-9 have quotients at rounding, where eigenvalues of the rows are off by as much as the modes."""
    exact = np.pi**2 * np.array([2, 5, 5, 8, 10, 10])
    assert np.abs(square_modes.eigenvalues / exact - 1).max() < 1e-14


def test_there_are_no_quotients_where_a_problem_is_not_self_adjoint():
    """-u'' + 2 b u' = λ u with u = 0 at the ends: λ = b² + k² π²; there is no symmetry."""
    solution = solve(on(LINE, FIXED, 2, lambda u, lam: -u.xx + 2 * u.x - lam * u), tol=1e-7)
    error = np.abs(solution.eigenvalues - 1 - np.array([1, 4]) * np.pi**2)
    assert (error <= 3 * solution.eigenvalue_errors).all()


def test_estimates_count_what_rounding_is_multiplied_by():
    """-u'' + 40 u' = λ u: λ = 400 + k² π², of which the iteration leaves 1e5 times what it leaves of symmetric ones."""
    solution = solve(on(LINE, FIXED, 4, lambda u, lam: -u.xx + 40 * u.x - lam * u), tol=1e-6)
    error = np.abs(solution.eigenvalues - 400 - np.arange(1, 5) ** 2 * np.pi**2)
    assert (error <= 3 * solution.eigenvalue_errors).all()


def test_constants_are_modes_where_nothing_holds_them():
    solution = solve(on(LINE, [Neumann(0, on=LINE.boundary)], 3), tol=1e-8)
    assert abs(solution.eigenvalues[0]) < 1e-12
    assert_true(solution, [0.0, np.pi**2, 4 * np.pi**2])


def test_boundaries_in_several_directions_divide_no_patches_before_the_first_solve():
    free = on(SQUARE, [Neumann(0, on=SQUARE.boundary)], 1)
    assert solve(free, tol=1e-4).history[0]["patches"] == 9


def test_those_near_a_number_are_found():
    solution = solve(string(3, near=400.0), tol=1e-6)
    assert np.allclose(np.sqrt(solution.eigenvalues) / np.pi, [6, 7, 5], rtol=1e-6)


def test_mathieu_equation():
    line = Interval(0, np.pi)
    problem = on(
        line,
        [Neumann(0, on=line.boundary)],
        4,
        lambda u, x, lam: -u.xx + 10 * torch.cos(2 * x) * u - lam * u,
        near=-6.0,
    )
    assert_true(solve(problem, tol=1e-7), [mathieu_a(k, 5) for k in range(4)])


def test_eigenvalues_in_a_condition():
    """Steklov on a disc of radius 1: 0, 1, 1, 2, 2, …"""
    disc = Disk((0, 0), 1)
    condition = Condition(lambda u, lam: normal_derivative(u) - lam * u, on=disc.boundary)
    solution = solve(on(disc, [condition], 5, lambda u: laplace(u)), tol=1e-6)
    assert np.allclose(solution.eigenvalues, [0, 1, 1, 2, 2], atol=1e-8)


def test_complex_pairs_of_an_advection():
    """-ε u'' + u' = λ u on a circle of length 2π: λ = ε k² + ik; modes are the parts of exp(ikx)."""
    ring = Interval(0, 2 * np.pi)
    solution = solve(on(ring, [Periodic("x")], 3, lambda u, lam: -0.1 * u.xx + u.x - lam * u), tol=1e-7)
    assert np.allclose(solution.eigenvalues, [0, 0.1 + 1j, 0.1 - 1j], atol=1e-9)
    assert solution.residual_rms < 1e-5


def test_a_generalised_problem():
    """-u'' = λ (1 + x) u against a tenth of its tolerance, and λ scales as the weight does."""
    one = on(LINE, FIXED, 2, lambda u, x, lam: -u.xx - lam * (1 + x) * u)
    two = on(LINE, FIXED, 2, lambda u, x, lam: -u.xx - 4 * lam * (1 + x) * u)
    assert np.allclose(solve(one, tol=1e-8).eigenvalues, 4 * solve(two, tol=1e-8).eigenvalues, rtol=1e-10)


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (lambda: on(LINE, [Dirichlet(1, on=LINE.boundary)], 2), "homogeneous"),
        (lambda: on(LINE, [], 2, lambda u, lam, x: -u.xx - lam * u - x), "homogeneous"),
        (lambda: on(LINE, [], 2, lambda u, lam: -u.xx - lam * u + u**3), "nonlinear in the unknowns"),
        (lambda: on(LINE, FIXED, 2, lambda u, lam: -u.xx - lam**2 * u), "enters equation"),
        (lambda: on(LINE, FIXED, 2, lambda u, lam: -u.xx - 0 * lam * u), "no coefficient"),
        (lambda: on(LINE * TimeInterval(0, 1), [], 2, lambda u, lam: u.t - u.xx - lam * u), "time interval"),
        (lambda: on(LINE, [Periodic("x", jump=1.0)], 2), "jump"),
    ],
)
def test_what_is_no_eigenvalue_problem_is_refused_in_words(problem, said):
    report = check(problem())
    assert any(said in sentence for sentence in report.errors), report


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"eigenvalues": Eigenvalues("mu")}, "neither the equation nor a Condition"),
        ({"eigenvalues": "lam"}, "expected Eigenvalues"),
        ({"eigenvalues": Eigenvalues("lam"), "constants": {"lam": 1.0}}, "in one of them"),
        ({"eigenvalues": Eigenvalues("lam"), "parameters": {"k": 1.0}}, "do not go together"),
        ({"eigenvalues": Eigenvalues("lam"), "exact": lambda x: x}, "leave exact out"),
    ],
)
def test_what_contradicts_the_statement_is_refused(arguments, said):
    with pytest.raises(ProblemError, match=said):
        Problem(LINE, membrane, FIXED, **arguments)


@pytest.mark.parametrize(
    "bad", [{"count": 0}, {"count": 1.5}, {"count": True}, {"near": np.inf}, {"name": "2"}]
)
def test_numbers_that_say_nothing_are_refused(bad):
    with pytest.raises(ProblemError, match="Eigenvalues received"):
        Eigenvalues(**{"name": "lam", **bad})


def test_trained_methods_find_none():
    with pytest.raises(UsageError, match="method gmnm finds them"):
        solve(string(), method="pinn")


def test_only_modes_are_asked_for_integrals(square_modes):
    with pytest.raises(UsageError, match="several modes"):
        square_modes.integral("u_1")
    with pytest.raises(UsageError, match="from 1 to 6"):
        square_modes.mode(7)


def bands(k, most=20):
    """Eigenvalues of -(d/dx + ik)² + 10 cos 2πx on a circle of length 1, in Fourier modes."""
    g = np.arange(-most, most + 1)
    kinetic = np.diag((2 * np.pi * g + k) ** 2)
    return np.linalg.eigvalsh(kinetic + 5 * (np.eye(len(g), k=1) + np.eye(len(g), k=-1)))


LATTICE = np.sort(np.add.outer(bands(1.0), bands(0.5)).ravel())[:4]


def problem_file(name):
    return load_problem(Path(__file__).parents[2] / "problems" / f"{name}.py")


def test_sloshing_tank():
    k = np.arange(4) * np.pi / 2
    solution = solve(problem_file("sloshing_2d"), tol=1e-5)
    # At rounding, which of a Steklov problem is that of its infinite eigenvalues, there is one side only.
    assert (np.abs(solution.eigenvalues - k * np.tanh(k)) <= 3 * solution.eigenvalue_errors).all()
    assert solution.eigenvalue_errors.max() < 1e-8


@pytest.mark.slow
def test_a_triple_eigenvalue_of_the_cube():
    cube = Box((0, 0, 0), (1, 1, 1))
    solution = solve(on(cube, [Dirichlet(0, on=cube.boundary)], 4), tol=1e-2)
    assert_true(solution, np.pi**2 * np.array([3, 6, 6, 6]))


def test_a_system_has_modes_of_all_its_unknowns():
    """Two strings without a spring between them: every eigenvalue twice, and none is missed."""

    def strings(u, v, lam):
        return -u.xx - lam * u, -v.xx - lam * v

    ends = [Dirichlet(0, on=LINE.boundary, unknown=name) for name in "uv"]
    solution = solve(on(LINE, ends, 4, strings), tol=1e-7)
    assert_true(solution, np.pi**2 * np.array([1, 1, 4, 4]))
    assert solution.unknowns[:4] == ("u_1", "v_1", "u_2", "v_2")
    assert set(solution.mode(1)(0.5)) == {"u", "v"}


def test_multiplicities_beyond_the_random_vectors_are_found():
    """Twelve strings without springs between them, of which three random vectors at once showed nine."""
    names = [f"u{i}" for i in range(12)]
    strings = {}
    exec(
        f"def strings({', '.join(names)}, lam): return [-u.xx - lam * u for u in ({', '.join(names)})]",
        strings,
    )
    ends = [Dirichlet(0, on=LINE.boundary, unknown=name) for name in names]
    solution = solve(on(LINE, ends, 13, strings["strings"]), tol=1e-4)
    assert_true(solution, np.pi**2 * np.array([1] * 12 + [4]))


def test_gradients_are_no_modes_of_a_cavity():
    """Curl curl makes nothing of any gradient: without the divergence, infinitely many zeros came before the first."""
    assert_true(solve(problem_file("maxwell_modes"), tol=1e-4), [1, 1, 2, 4, 4])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "tol", "exact"),
    [
        ("stokes_modes", 1e-3, [52.3446911]),
        ("plate_modes", 1e-4, [1294.9339796]),
        ("bloch_2d", 1e-5, LATTICE),
        ("anharmonic_1d", 1e-6, [1.0603620904841829, 3.7996730298013941, 7.4556979379867384]),
    ],
)
def test_published_eigenvalues(name, tol, exact):
    assert_true(solve(problem_file(name), tol=tol), exact, factor=5)


@pytest.fixture(scope="module")
def corner_modes():
    """The L-shape's first mode behaves as r^(2/3), and its functions stand beside the patches."""
    corner = Polygon([(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)])
    return solve(on(corner, [Dirichlet(0, on=corner.boundary)], 3), tol=1e-5)


def test_errors_at_a_re_entrant_corner_are_true(corner_modes):
    """λ by Trefethen & Betcke, Contemp. Math. 412 (2006) 297."""
    exact = np.array([9.63972384402194, 15.1972519264, 2 * np.pi**2])
    assert_true(corner_modes, exact, factor=10)
    assert (np.abs(corner_modes.eigenvalues - exact) < 1e-8).all()


def test_singular_modes_are_loaded_to_the_bit(corner_modes, tmp_path):
    corner_modes.save(tmp_path)
    loaded = Solution.load(tmp_path, corner_modes.problem)
    # Beside the corner the first mode is r^(2/3) times a number, whose power no patch has.
    near, far = (corner_modes.mode(1)(1 - r, 1 - r) for r in (1e-6, 2e-6))
    assert far / near == pytest.approx(2 ** (2 / 3), rel=1e-3)
    assert loaded.mode(1)(1 - 1e-6, 1 - 1e-6) == near
    assert corner_modes.mode(2)(0.3, 0.2) == pytest.approx(corner_modes(0.3, 0.2)["u_2"], rel=1e-14)


@pytest.mark.slow
def test_a_drum_sounds_like_the_other_and_its_estimates_are_true():
    """The second of Gordon, Webb & Wolpert; λ of both by Driscoll, SIAM Review 39 (1997) 1, who has a quarter of it."""
    known = [2.53794399980, 3.65550971352, 5.17555935622, 6.53755744376, 7.24807786256]
    known += [9.20929499840, 10.5969856913, 11.5413953956, 12.3370055014, 13.0536540557]
    drum = Polygon([(1, 0), (0, 1), (0, 2), (2, 2), (2, 3), (3, 2), (2, 1), (1, 1)])
    solution = solve(on(drum, [Dirichlet(0, on=drum.boundary)], 10), tol=1e-4)
    error = np.abs(solution.eigenvalues - 4 * np.array(known))
    assert solution.converged
    assert (error < 2e-7 * solution.eigenvalues).all()
    assert (error <= 4 * solution.eigenvalue_errors).all()


def test_more_eigenvalues_than_the_first_patches_hold():
    assert_true(solve(string(25), tol=1e-5), (np.arange(1, 26) * np.pi) ** 2, factor=20)


def test_finitely_many_eigenvalues_are_said_to_be_so():
    """∂u/∂n = λ u at the two ends of a string at rest: λ = 0 and 2, and no other."""
    condition = Condition(lambda u, n, lam: u.x * n.x - lam * u, on=LINE.boundary)
    assert np.allclose(solve(on(LINE, [condition], 2, lambda u: u.xx)).eigenvalues, [0, 2], atol=1e-12)
    with pytest.raises(SolveError, match="only 2 of the 3"):
        solve(on(LINE, [condition], 3, lambda u: u.xx))


def test_states_in_two_wells_differ_by_little_and_are_told_apart():
    """Even and odd states of a double well; differences agree with a solve to a hundredth of the tolerance."""
    line = Interval(-3, 3)
    wells = on(
        line,
        [Dirichlet(0, on=line.boundary)],
        2,
        lambda u, x, lam: -u.xx + 40 * (x**2 - 1.5) ** 2 * u - lam * u,
    )
    coarse, fine = solve(wells, tol=1e-6), solve(wells, tol=1e-8)
    assert np.diff(fine.eigenvalues)[0] == pytest.approx(5.88e-5, rel=2e-3)
    assert np.diff(coarse.eigenvalues)[0] == pytest.approx(np.diff(fine.eigenvalues)[0], rel=1e-4)


def test_a_well_narrower_than_the_first_points_is_seen():
    depth = 3e4
    problem = on(
        LINE,
        FIXED,
        1,
        lambda u, x, lam: -u.xx - depth * torch.exp(-(((x - 0.3137) / 0.01) ** 2)) * u - lam * u,
        near=-depth / 2,
    )
    assert_true(solve(problem, tol=1e-5), [-16414.65424095])
