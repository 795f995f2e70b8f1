"""A solution: what goes in comes out in kind, its measures satisfy theorems, and files give the same bits."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pdesolve import (
    MLP,
    Dirichlet,
    Interface,
    Interval,
    Neumann,
    Piecewise,
    Point,
    Polygon,
    Problem,
    Rectangle,
    Sector,
    Solution,
    div,
    grad,
    laplace,
    solve,
)
from pdesolve.errors import UsageError
from pdesolve.statement.loading import load_problem

FOLDER = Path(__file__).resolve().parents[2] / "problems"
KEYS = (
    "problem method tol status converged relative_l2_error max_error estimated_error residual_rms "
    "degrees_of_freedom seconds seed dtype device relative_residual"
).split()


@pytest.fixture(scope="module")
def poisson():
    return solve(load_problem(FOLDER / "poisson_2d.py"), tol=1e-7)


@pytest.fixture(scope="module")
def system():
    return solve(load_problem(FOLDER / "reaction_diffusion_2d.py"), tol=1e-5)


@pytest.fixture(scope="module")
def disk():
    return solve(load_problem(FOLDER / "poisson_disk.py"), tol=1e-7)


def exact(x, y):
    return np.sin(np.pi * x) * np.sin(np.pi * y)


# ---------------------------------------------------------------- call


def test_numbers_give_a_number(poisson):
    value = poisson(0.3, 0.4)
    assert type(value) is float
    assert value == pytest.approx(exact(0.3, 0.4), abs=1e-6)
    assert type(poisson(np.float64(0.3), 1)) is float


@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (0,)])
def test_arrays_give_arrays_of_their_shape(poisson, shape):
    x = np.random.default_rng(0).uniform(size=shape)
    value = poisson(np.asarray(x), np.asarray(x**2))
    assert isinstance(value, np.ndarray)
    assert value.shape == shape
    assert np.allclose(value, exact(x, x**2), atol=1e-6)


def test_coordinates_broadcast(poisson):
    x, y = np.linspace(0, 1, 4)[:, None], np.linspace(0, 1, 3)
    assert np.array_equal(poisson(x, y), poisson(*np.broadcast_arrays(x, y)))
    assert poisson(0.5, y).shape == (3,)


def test_tensors_give_tensors(poisson):
    x = torch.linspace(0, 1, 5, requires_grad=True)
    value = poisson(x, 0.5)
    assert isinstance(value, torch.Tensor)
    assert not value.requires_grad
    assert value.shape == (5,)


def test_outside_the_domain_is_nan_and_the_boundary_is_inside(poisson, disk):
    values = poisson(np.array([-0.1, 0.0, 0.5, 1.0, 1.1]), 0.5)
    assert np.isnan(values).tolist() == [True, False, False, False, True]
    angle = np.linspace(0, 2 * np.pi, 50)
    assert np.isfinite(disk(np.cos(angle), np.sin(angle))).all()
    assert math.isnan(disk(0.8, 0.8))


L_SHAPES = {
    "difference": lambda: Rectangle((-1, -1), (1, 1)) - Rectangle((0, -1), (1, 0)),
    "union": lambda: Rectangle((-1, -1), (0, 1)) | Rectangle((0, 0), (1, 1)),
    "polygon": lambda: Polygon([(-1, -1), (0, -1), (0, 0), (1, 0), (1, 1), (-1, 1)]),
    "sector": lambda: Sector((0, 0), 1, 0, 1.5 * math.pi),
}


@pytest.mark.parametrize("shape", L_SHAPES)
def test_the_closed_boundary_has_values_also_on_re_entrant_edges(shape):
    domain = L_SHAPES[shape]()
    problem = Problem(domain, lambda u: laplace(u), [Dirichlet(lambda x, y: x - y, on=domain.boundary)])
    solution = solve(problem, tol=1e-6)
    corners = [(0.0, -1.0), (0.0, 0.0), (1.0, 0.0), (0.0, -0.25), (0.25, 0.0)]
    points = torch.cat([domain.boundary.rule(domain, 12).points, torch.tensor(corners).double()])
    x, y = points[domain.contains(points, 1e-12)].numpy().T
    assert len(x) >= 24
    assert np.allclose(solution(x, y), x - y, atol=1e-5)
    assert np.allclose(solution.derivative("x")(x, y), 1.0, atol=1e-3)


def test_the_closed_boundary_has_values_where_the_edge_of_a_block_runs_along_it():
    square, block = Rectangle((0, 0), (1, 1)), Rectangle((0.5, 0), (1, 0.5))
    k = Piecewise({block: 2.0}, otherwise=2.0)
    bars = Problem(
        square,
        lambda u, x, y: -div(k(x, y) * grad(u)),
        [Dirichlet(lambda x, y: x - y, on=square.boundary), Interface(k, on=block.boundary)],
    )
    solution = solve(bars, tol=1e-6)
    x, y = (a.ravel() for a in np.meshgrid(np.linspace(0, 1, 9), np.linspace(0, 1, 9)))
    assert np.allclose(solution(x, y), x - y, atol=1e-9)
    assert np.isnan(solution(0.75, -0.01))


def test_a_system_gives_a_dict(system):
    values = system(np.array([0.2, 0.7]), 0.4)
    assert set(values) == {"u", "v"}
    assert np.allclose(values["v"], np.cos(np.pi * np.array([0.2, 0.7])) * np.cos(0.4 * np.pi), atol=1e-4)
    assert type(system(0.1, 0.1)["u"]) is float


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda s: s(0.5), "received 1 coordinates, expected 2: x, y"),
        (lambda s: s(np.zeros(3), np.zeros(2)), "arrays of one shape"),
        (lambda s: s("a", 0.0), "no numbers"),
        (lambda s: s.derivative("t"), "no derivative 't': the coordinates are x, y"),
        (lambda s: s.derivative("x", unknown="w"), "unknown='w'; expected one of u"),
        (lambda s: s.integral("w"), "'w'; the unknowns and outputs are u"),
        (lambda s: s.flux(on="left"), "expected a part of the boundary"),
        (lambda s: s.flux(on=Interval(0, 1)), "expected a part of the boundary"),
        (lambda s: s.flux(on=Rectangle((5, 5), (6, 6)).left), "no part of the boundary"),
        (lambda s: s.relative_l2_error("w"), "unknown='w'"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(poisson, ask, sentence):
    with pytest.raises(UsageError, match=sentence):
        ask(poisson)


def test_a_system_asks_which_unknown(system):
    with pytest.raises(UsageError, match="expected one of 'u', 'v'"):
        system.integral()


# ---------------------------------------------------------------- derivatives, integrals, fluxes


def test_derivatives_are_those_of_the_exact_solution(poisson):
    x, y = np.random.default_rng(1).uniform(size=(2, 40))
    slope = np.pi * np.cos(np.pi * x) * np.sin(np.pi * y)
    assert np.allclose(poisson.derivative("x")(x, y), slope, atol=1e-4)
    mixed = np.pi**2 * np.cos(np.pi * x) * np.cos(np.pi * y)
    assert np.allclose(poisson.derivative("x", "y")(x, y), mixed, atol=1e-3)
    assert np.array_equal(poisson.derivative("y", "x")(x, y), poisson.derivative("x", "y")(x, y))


def test_the_integral_is_that_of_the_exact_solution(poisson, system):
    assert poisson.integral() == pytest.approx(4 / math.pi**2, rel=1e-6)
    assert system.integral("u") == pytest.approx(4 / math.pi**2, rel=1e-4)
    assert system.integral("v") == pytest.approx(0, abs=1e-4)


def test_the_flux_through_the_boundary_is_what_the_sources_make(poisson, disk):
    """∫ ∂u/∂n = ∫ Δu = -∫ f; on each side of the square a quarter of it."""
    square = poisson.problem.domain
    total = -2 * math.pi**2 * 4 / math.pi**2
    assert poisson.flux(on=square.boundary) == pytest.approx(total, rel=1e-5)
    for side in (square.left, square.right, square.bottom, square.top):
        assert poisson.flux(on=side) == pytest.approx(total / 4, rel=1e-4)
    points, weights = disk.problem.domain.rule(60)
    source = float((disk.jet(points, [(2, 0), (0, 2)]).sum(2)[:, 0] * weights).sum())
    assert disk.flux(on=disk.problem.domain.boundary) == pytest.approx(source, rel=1e-5)


# ---------------------------------------------------------------- errors


def test_errors_are_those_at_points_of_ones_own_choice(poisson):
    x, y = np.random.default_rng(2).uniform(size=(2, 20_000))
    error = poisson(x, y) - exact(x, y)
    assert poisson.relative_l2_error() == pytest.approx(np.sqrt(np.mean(error**2)) * 2, rel=0.1)
    assert poisson.max_error() == pytest.approx(np.abs(error).max(), rel=0.2)


def test_errors_are_measured_by_a_rule_that_is_exact_for_polynomials(poisson):
    points, weights = poisson._rule
    assert float(weights.sum()) == pytest.approx(1, rel=1e-12)
    assert float((points[:, 0] ** 6 * weights).sum()) == pytest.approx(1 / 7, rel=1e-12)


def test_the_largest_error_of_a_system_is_reported(system):
    parts = [system.relative_l2_error(name) for name in system.unknowns]
    assert system.relative_l2_error() == max(parts)
    assert system.max_error() == max(system.max_error("u"), system.max_error("v"))
    assert system.estimated_error == max(system.estimates)


def made_by_hand(**rest):
    line = Interval(0, 1)
    problem = Problem(line, lambda u: u.xx, [Dirichlet(0, on=line.boundary)], **rest)
    torch.manual_seed(0)
    return Solution(problem, MLP(1, 1).double(), "pinn", 1e-3, "stopped", False)


def test_without_a_reference_there_is_no_error():
    solution = made_by_hand()
    assert solution.relative_l2_error() is None
    assert solution.max_error() is None
    assert solution.estimated_error is None
    assert solution.exact_values(torch.zeros(1, 1)) is None


def test_a_reference_that_is_nowhere_finite_certifies_nothing():
    solution = made_by_hand(reference=lambda x: x * math.nan)
    assert math.isnan(solution.relative_l2_error())
    assert solution.summary()["relative_l2_error"] is None


def test_a_reference_known_in_part_counts_where_it_is_known():
    solution = made_by_hand(reference=lambda x: torch.where(x < 0.5, 1.0, math.nan))
    points, weights = solution._rule
    left = points[:, 0] < 0.5
    error = ((solution.evaluate(points)[left, 0] - 1).square() @ weights[left]).sqrt() / weights[
        left
    ].sum().sqrt()
    assert solution.relative_l2_error() == pytest.approx(float(error), rel=1e-12)


def test_a_solution_that_is_not_finite_has_no_error_but_nan():
    solution = made_by_hand(exact=lambda x: x)
    with torch.no_grad():
        next(iter(solution.approximator.parameters())).fill_(math.nan)
    assert math.isnan(solution.relative_l2_error())
    assert solution.summary()["max_error"] is None


def test_the_residual_is_that_of_the_equation(poisson):
    points = poisson.problem.domain.sample(50)
    x, y = points.unbind(1)
    source = 2 * math.pi**2 * torch.sin(math.pi * x) * torch.sin(math.pi * y)
    laplacian = poisson.jet(points, [(2, 0), (0, 2)]).sum(2)[:, 0]
    assert torch.allclose(poisson.residual(points)[:, 0], -laplacian - source, atol=1e-12)
    assert 0 < poisson.residual_rms < 1e-3
    sampled = float(poisson.residual(poisson.problem.domain.sample(4000)).square().mean().sqrt())
    assert poisson.residual_rms == pytest.approx(sampled, rel=0.1)


def test_derivatives_and_residual_are_the_same_together_and_alone(system):
    points, indices = system.problem.domain.sample(50), [(1, 0), (0, 0)]
    jet, residual = system.jet_and_residual(points, indices)
    torch.testing.assert_close(jet, system.jet(points, indices), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(residual, system.residual(points), rtol=1e-12, atol=1e-10)


# ---------------------------------------------------------------- summary, history


def test_the_summary_has_the_agreed_keys_and_is_json(poisson, system):
    summary = poisson.summary()
    assert list(summary) == KEYS
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["relative_l2_error"] == poisson.relative_l2_error()
    both = system.summary()
    assert set(both) == {*KEYS, "unknowns"}
    assert set(both["unknowns"]) == {"u", "v"}
    assert both["relative_l2_error"] == max(part["relative_l2_error"] for part in both["unknowns"].values())
    json.dumps(both, allow_nan=False)


def test_history_and_provenance_tell_how_it_was_made(poisson):
    assert poisson.history
    seconds = [row["seconds"] for row in poisson.history]
    assert seconds == sorted(seconds)
    assert 0 < seconds[-1] <= poisson.seconds
    assert poisson.history[-1]["unknowns"] == poisson.degrees_of_freedom
    assert (poisson.method, poisson.tol, poisson.seed, poisson.dtype) == ("gmnm", 1e-7, 0, "float64")
    json.dumps(poisson.history, allow_nan=False)


# ---------------------------------------------------------------- files


def same(first, second):
    points = first.problem.domain.sample(200)
    assert torch.equal(first.evaluate(points), second.evaluate(points))
    assert torch.equal(first.residual(points), second.residual(points))
    assert first.summary() == second.summary()
    assert first.history == second.history


@pytest.mark.parametrize("name", ["poisson_1d", "heat_1d", "reaction_diffusion_2d", "poisson_disk"])
def test_what_is_loaded_is_what_was_saved_to_the_bit(name, tmp_path):
    file = next(FOLDER.rglob(f"{name}.py"))
    solution = solve(load_problem(file), tol=1e-4)
    path = solution.save(tmp_path / "run")
    assert (tmp_path / "run" / "problem.py").read_bytes() == file.read_bytes()
    assert not list((tmp_path / "run").glob("*.tmp"))
    assert path.is_file()
    loaded = Solution.load(tmp_path / "run")
    same(solution, loaded)
    loaded.save(tmp_path / "run")
    same(solution, Solution.load(tmp_path / "run"))


DECAY = """
from pdesolve import Dirichlet, Interval, Problem
line = Interval(0, 1)
problem = Problem(line, lambda u, rate: u.x + rate * u, [Dirichlet(1, on=line.left)], constants={"rate": 1.0})
"""


def test_overridden_constants_are_remembered(tmp_path):
    (tmp_path / "decay.py").write_text(DECAY)
    solution = solve(load_problem(tmp_path / "decay.py", {"rate": 2.0}), tol=1e-7)
    assert solution(1.0) == pytest.approx(math.exp(-2), abs=1e-6)
    solution.save(tmp_path / "run")
    loaded = Solution.load(tmp_path / "run")
    end = torch.ones(1, 1, dtype=torch.float64)
    assert (loaded.problem.name, loaded.problem.constants) == ("decay", {"rate": 2.0})
    assert torch.equal(loaded.residual(end), solution.residual(end))


READS = """
import json
from pathlib import Path
import numpy as np
from pdesolve import Dirichlet, Interval, Problem
from shapes_of_mine import line
from pieces.rates import factor

rate = float(np.load(Path(__file__).parent / "rate.npy")) * json.loads({given}.read_text())["scale"]
problem = Problem(line, lambda u: u.x + factor * rate * u, [Dirichlet(1, on=line.left)])
"""


@pytest.mark.parametrize("given", ['Path("more/scale.json")', '(Path(__file__).parent / "more/scale.json")'])
def test_a_solution_loads_where_its_problem_reads_files_and_modules_beside_it(tmp_path, monkeypatch, given):
    monkeypatch.delitem(sys.modules, "shapes_of_mine", raising=False)
    folder = tmp_path / "mine"
    (folder / "more").mkdir(parents=True)
    (folder / "pieces").mkdir()
    np.save(folder / "rate.npy", 2.0)
    (folder / "more" / "scale.json").write_text('{"scale": 0.5}')
    (folder / "shapes_of_mine.py").write_text("from pdesolve import Interval\nline = Interval(0, 1)\n")
    (folder / "pieces" / "rates.py").write_text("factor = 1.0\n")
    (folder / "decay.py").write_text(READS.format(given=given))
    monkeypatch.chdir(folder)
    solution = solve(load_problem(Path("decay.py")), tol=1e-6)
    solution.save(tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    folder.rename(tmp_path / "elsewhere")
    for name in ("shapes_of_mine", "pieces", "pieces.rates"):
        monkeypatch.delitem(sys.modules, name)
    same(solution, Solution.load(tmp_path / "run"))


def test_files_that_a_problem_writes_or_reads_elsewhere_are_not_copied(tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "there.txt").write_text("1")
    code = (
        DECAY
        + f"""
from pathlib import Path
Path(__file__).with_name("log.txt").write_text("begun")
open({str(tmp_path / "there.txt")!r}).read()
"""
    )
    (tmp_path / "here" / "decay.py").write_text(code)
    assert load_problem(tmp_path / "here" / "decay.py").files == {}


def test_flipped_bits_do_not_load(poisson, tmp_path):
    path = poisson.save(tmp_path)
    saved = path.read_bytes()
    coefficients = poisson.approximator.coefficients.numpy()
    start = saved.index(coefficients[:16].tobytes())
    for place in (start, start + coefficients.nbytes // 2, start + coefficients.nbytes - 1):
        spoiled = bytearray(saved)
        spoiled[place] ^= 1
        path.write_bytes(spoiled)
        with pytest.raises(UsageError, match="damaged"):
            Solution.load(tmp_path)


def test_solutions_saved_without_a_checksum_still_load(poisson, tmp_path):
    path = poisson.save(tmp_path)
    state = torch.load(path, weights_only=True)
    del state["checksum"]
    torch.save(state, path)
    same(poisson, Solution.load(tmp_path))


def test_a_problem_without_a_file_is_given_when_loading(tmp_path):
    solution = made_by_hand(exact=lambda x: x)
    solution.save(tmp_path)
    loaded = Solution.load(tmp_path, solution.problem)
    points = torch.linspace(0, 1, 9).double()[:, None]
    assert torch.equal(loaded.evaluate(points), solution.evaluate(points))
    with pytest.raises(UsageError, match="outside of a file"):
        Solution.load(tmp_path)


def truncated(path):
    path.write_bytes(path.read_bytes()[:-200])


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (truncated, "damaged or no solution"),
        (lambda path: path.write_text("not torch"), "damaged or no solution"),
        (lambda path: path.write_bytes(b""), "damaged or no solution"),
        (lambda path: torch.save(torch.zeros(3), path), "damaged or no solution"),
        (lambda path: torch.save({"weights": 1}, path), "damaged or no solution"),
        (lambda path: torch.save({"format": "pdesolve solution 0"}, path), "another version"),
        (lambda path: path.unlink(), "holds no solution.pt"),
    ],
)
def test_a_damaged_or_foreign_file_is_a_sentence(poisson, tmp_path, spoil, sentence):
    spoil(poisson.save(tmp_path))
    with pytest.raises(UsageError, match=sentence):
        Solution.load(tmp_path)


def test_a_point_and_a_flux_on_a_line():
    line = Interval(0, 2)
    problem = Problem(line, lambda u: laplace(u) + 1, [Dirichlet(0, on=Point(0)), Neumann(0, on=line.right)])
    solution = solve(problem, tol=1e-8)
    assert solution(1.0) == pytest.approx(1.5, abs=1e-7)
    assert solution.flux(on=line.left) == pytest.approx(-2.0, abs=1e-6)
