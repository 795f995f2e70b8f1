"""The table of evolutions says what was reached, by whom, and what was not done."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))

from benchmarks.against_mol.runs import problem_and_error
from benchmarks.against_mol.targets import by_lines, by_pdesolve, lines_of


@pytest.mark.slow
def test_both_reach_the_error_of_an_easy_row():
    problem, error = problem_and_error("heat_1d")
    ours = by_pdesolve(problem, error, 1e-6, 30.0, repeats=2)
    assert ours["met"]
    assert ours["error"] <= 1e-6
    assert ours["repeats"] == 2
    differences, spectral = by_lines("heat_1d", error, 1e-6, 5.0, repeats=1)
    assert max(differences["error"], spectral["error"]) <= 1e-6
    assert spectral["unknowns"] < differences["unknowns"]


@pytest.mark.slow
def test_a_run_that_meets_its_limit_is_a_row_without_an_error():
    problem, error = problem_and_error("burgers_1d")
    row = by_pdesolve(problem, error, 1e-9, 0.2, repeats=3)
    assert not row["met"]
    assert not row["error"] <= 1e-9


def test_what_reaches_the_target_in_time_is_bold_and_what_does_not_end_is_not_done():
    numbers = {"seconds": 1.5, "wall": 22.2, "unknowns": 1000, "met": True}
    rows = [
        {"method": "pdesolve", "error": 2e-9, **numbers},
        {"method": "Fourier, BDF", "error": 2e-7, **numbers},
        {"method": "Fourier, Radau", "error": None, **numbers, "met": False},
        {"method": "Fourier, DOP853", "error": 2e-9, **numbers, "seconds": 6.0},
        {"method": "Chebyshev", "status": "no solution within 3 s"},
    ]
    case = {"tol": 1e-8, "target_seconds": 5.0, "rows": rows}
    found = lines_of("heat_1d", case, {"error": 8.7e-8, "cost": "923 s, GPU"})
    assert found[0].endswith(
        "| 1e-08, 5 s | pdesolve | **2.0e-09** | 1.5 | 22 | 1,000 | 8.7e-08, 923 s, GPU |"
    )
    assert "| 2.0e-07 |" in found[1]
    assert "| not done |" in found[2]
    assert "| 2.0e-09 |" in found[3]  # too late
    assert "no solution within 3 s" in found[4]
