"""The problem files: each passes its check, and its exact solution, where there is one, is exact."""

import copy
import re
from pathlib import Path

import pytest
import torch

from pdesolve.checks.check import check
from pdesolve.checks.exactness import exact_jets
from pdesolve.statement.coefficient_fields import coefficient_fields
from pdesolve.statement.loading import load_problem
from pdesolve.statement.residual import compile_problem, compile_term, sample_points

FOLDER = Path(__file__).resolve().parents[2] / "problems"
FILES = sorted(path for folder in (".", "fitting") for path in FOLDER.glob(f"{folder}/*.py"))
WITH_EXACT = [path for path in FILES if re.search(r"\bexact\b *=|def exact", path.read_text("utf-8"))]
JUMPS = {"nonlinear_diffusion_2d"}  # as published: 2e-3 where the initial values meet the wall


def by_name(path: Path) -> str:
    return path.stem


# The divergence beside an equation of every component, complex in the second: least squares take it.
WITH_MORE = {"maxwell_modes": 1, "maxwell_absorbing_2d": 2}


def terms_at_the_exact_solution(problem, n):
    """(term name, residual (n, m), size of its largest term) for the equation and every condition."""
    for term in problem.terms:
        points, normals = sample_points(problem, term, n)
        operator = compile_term(problem, term, points, normals)
        jets = exact_jets(problem, points, operator.slots)
        r, dF = operator.linearise(points, jets, normals, {})
        largest = torch.einsum("nms,ns->nms", dF, jets).abs().amax()
        yield term.name, r, max(1.0, float(largest))


@pytest.mark.parametrize("path", WITH_EXACT, ids=by_name)
def test_exact_solution_annihilates_the_residual(path):
    for name, r, size in terms_at_the_exact_solution(load_problem(path), 200):
        assert float(r.abs().max()) < 1e-12 * size, name


@pytest.mark.parametrize("path", FILES, ids=by_name)
def test_a_good_file_passes_its_check_without_complaint(path):
    report = check(load_problem(path))
    assert report.ok, report
    assert all(path.stem in JUMPS and " jumps at " in warning for warning in report.warnings), report
    assert report.name == path.stem


@pytest.mark.parametrize("path", WITH_EXACT, ids=by_name)
def test_an_exact_solution_off_by_a_ten_thousandth_is_noticed(path):
    problem = copy.copy(load_problem(path))

    def enlarged(function):
        def larger(frame):
            return 1.0001 * problem.value(function, frame, "exact")

        return larger

    problem.exact = {name: enlarged(function) for name, function in problem.exact.items()}
    original = problem.value
    problem.value = lambda value, frame, owner: (
        value(frame) if getattr(value, "__name__", "") == "larger" else original(value, frame, owner)
    )
    report = check(problem)
    assert any("exact does not satisfy" in error for error in report.errors), report


@pytest.mark.parametrize("path", FILES, ids=by_name)
def test_a_problem_file_is_short_and_holds_no_method(path):
    text = path.read_text("utf-8")
    assert 15 <= len(text.splitlines()) <= (50 if "reference=" in text or "data=" in text else 41)
    assert text.startswith('"""')
    assert not re.search(r"epochs|optimi[sz]er|network|learning|weights?=|points=|torch\.nn|method", text)


@pytest.mark.parametrize("path", FILES, ids=by_name)
def test_every_equation_compiles_to_as_many_residuals_as_unknowns(path):
    problem = load_problem(path)
    equation, *conditions = compile_problem(problem)
    fields = coefficient_fields(problem, [equation])
    most = len(problem.unknowns) + WITH_MORE.get(path.stem, 0)
    assert len(problem.unknowns) - len(fields) <= equation.components <= most
    # One for each component of a vector; none where a function is fitted.
    most = max(map(len, (group.members for group in problem.names.groups.values())), default=1)
    assert {operator.components for operator in conditions} <= {1, most}
    assert conditions or problem.seams or path.parent.name == "fitting"


@pytest.mark.parametrize(
    ("name", "corner_value"),
    [("poisson_lshape", 0.0), ("peak_2d", 1.0)],
)
def test_exact_solution_is_finite_at_the_corner(name, corner_value):
    problem = load_problem(FOLDER / f"{name}.py")
    value = problem.values(problem.exact, torch.zeros(1, 2, dtype=torch.float64))
    assert float(value) == pytest.approx(corner_value, abs=1e-12)


def test_the_lshape_solution_vanishes_on_both_edges_of_the_corner():
    problem = load_problem(FOLDER / "poisson_lshape.py")
    s = torch.linspace(0.01, 1, 50, dtype=torch.float64)
    edges = torch.cat([torch.stack([s, 0 * s], 1), torch.stack([0 * s, -s], 1)])
    assert float(problem.values(problem.exact, edges).abs().max()) < 1e-15


def test_the_reference_of_the_four_holes_is_harmonic_and_fits_its_boundary_values():
    problem = load_problem(FOLDER / "poisson_four_holes.py")
    for term in problem.terms[1:]:
        points = term.place.sample(problem.domain, 500).points
        values = problem.values(problem.reference, points)
        assert float((values - term.value).abs().max()) < 1e-10, term.name
    x = problem.domain.sample(500).requires_grad_()
    (slope,) = torch.autograd.grad(problem.reference["u"](*x.unbind(1)).sum(), x, create_graph=True)
    second = [torch.autograd.grad(slope[:, i].sum(), x, retain_graph=True)[0][:, i] for i in (0, 1)]
    assert float((second[0] + second[1]).abs().max()) < 1e-10 * float(second[0].abs().max())


def test_burgers_layer_is_as_steep_as_published():
    """|u_x(0, t)| peaks at 152.00516 near t = 0.5105 (Basdevant et al., Computers & Fluids 14 (1986) 23)."""
    problem = load_problem(FOLDER / "burgers_1d.py")
    times = torch.linspace(0.500, 0.520, 81, dtype=torch.float64)
    points = torch.stack([torch.zeros_like(times), times], dim=1)
    slope = exact_jets(problem, points, [(0, (1, 0))])[:, 0].abs()
    assert float(slope.max()) == pytest.approx(152.00516, abs=1e-3)
    assert float(times[slope.argmax()]) == pytest.approx(0.5105, abs=1e-3)
