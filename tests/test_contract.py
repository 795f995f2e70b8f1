"""The four files of the public contract: they load, pass their check, and their exact solutions are exact."""

from pathlib import Path

import pytest
import torch

from pdesolve.checks.check import check_file
from pdesolve.checks.exactness import exact_jets
from pdesolve.statement.loading import load_problem
from pdesolve.statement.residual import compile_term, sample_points

FOLDER = Path(__file__).resolve().parent.parent / "problems"
UNKNOWNS = {
    "poisson_2d": ("u",),
    "burgers_1d": ("u",),
    "cavity_2d": ("u", "v", "p"),
    "annulus_robin": ("u",),
}
ORDERS = {  # per unknown, every derivative that the equation mentions
    "poisson_2d": [{(2, 0), (0, 2)}],
    "burgers_1d": [{(0, 0), (1, 0), (0, 1), (2, 0)}],
    "cavity_2d": [{(0, 0), (1, 0), (0, 1), (2, 0), (0, 2)}] * 2 + [{(1, 0), (0, 1)}],
    "annulus_robin": [{(0, 0), (1, 0), (0, 1), (2, 0), (0, 2)}],
}


@pytest.mark.parametrize("name", UNKNOWNS)
def test_a_contract_file_loads_and_passes_its_check(name):
    report = check_file(FOLDER / f"{name}.py")
    assert report.ok, report
    problem = load_problem(FOLDER / f"{name}.py")
    assert (problem.name, problem.unknowns) == (name, UNKNOWNS[name])
    assert (problem.exact is None) == (name == "cavity_2d")


@pytest.mark.parametrize("name", ORDERS)
def test_a_contract_equation_mentions_these_derivatives(name):
    problem = load_problem(FOLDER / f"{name}.py")
    operator = compile_term(problem, problem.terms[0], *sample_points(problem, problem.terms[0], 64))
    found = [{a for u, a in operator.slots if u == i} for i in range(len(problem.unknowns))]
    assert found == ORDERS[name]
    assert operator.components == len(problem.unknowns)


@pytest.mark.parametrize("name", [name for name in UNKNOWNS if name != "cavity_2d"])
def test_the_exact_solution_of_a_contract_file_annihilates_every_residual(name):
    problem = load_problem(FOLDER / f"{name}.py")
    for term in problem.terms:
        points, normals = sample_points(problem, term, 300)
        operator = compile_term(problem, term, points, normals)
        jets = exact_jets(problem, points, operator.slots)
        r, dF = operator.linearise(points, jets, normals)
        size = torch.einsum("nms,ns->nms", dF, jets).abs().amax().clamp_min(1.0)
        assert float(r.abs().max()) < 1e-12 * float(size), term.name
