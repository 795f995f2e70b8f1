"""Geometric refinement toward points: what it finds, and what it leaves alone."""

from pathlib import Path

import numpy as np
import pytest

from pdesolve import solve
from pdesolve.patches.grading import Singularities, halve_toward
from pdesolve.patches.partition import Partition
from pdesolve.runs.monitor import Monitor
from pdesolve.statement.loading import load_problem

PROBLEMS = Path(__file__).parents[2] / "problems"
EXTENT = np.array([1.0, 1.0])


def square(n: int = 8) -> Partition:
    return Partition.grid([np.linspace(0, 1, n + 1)] * 2)


def touching(partition: Partition, point) -> np.ndarray:
    lower, upper = partition.bounds
    return ((lower <= point) & (point <= upper)).all(axis=1)


def error_at(partition: Partition, point, exponent: float) -> np.ndarray:
    """Norms that fall by 2^exponent with every halving of the cells at a point, and are tiny elsewhere."""
    half = partition.half.max(axis=1)
    return np.where(touching(partition, point), half**exponent, 1e-12)


def refine(partition, amount, known, aim):
    marked = amount > 1e-2 * amount.max()
    targets = known.targets(partition, marked, amount, aim)
    return targets, halve_toward(partition, np.repeat(marked[:, None], 2, axis=1), targets)[0]


def test_a_new_point_is_halved_once_a_known_one_as_often_as_its_error_asks():
    point, exponent, known = np.array([0.5, 0.5]), 1.5, Singularities(EXTENT)
    partition, aim = square(), 1e-6
    made = []
    for _ in range(9):
        amount = error_at(partition, point, exponent)
        if np.sqrt((amount[touching(partition, point)] ** 2).sum()) <= aim:
            break
        targets, partition = refine(partition, amount, known, aim)
        made.append(targets[0].halvings if targets else 1)
    assert made[:3] == [1, 2, 4]
    wanted = np.log2(2 * (1 / 16) ** exponent / aim) / exponent  # four cells touch the point
    assert sum(made) == int(np.ceil(wanted))


def test_a_point_on_the_boundary_that_one_cell_touches_is_found_by_its_history():
    point, known = np.array([0.0, 1.0]), Singularities(EXTENT)
    partition = square()
    targets, partition = refine(partition, error_at(partition, point, 1.0), known, 1e-4)
    assert targets == []
    targets, _ = refine(partition, error_at(partition, point, 1.0), known, 1e-4)
    np.testing.assert_allclose(targets[0].point, point)


def test_a_line_is_no_point():
    known, partition = Singularities(EXTENT), square()
    for _ in range(3):
        lower, upper = partition.bounds
        on = (lower[:, 0] <= 0.5) & (upper[:, 0] >= 0.5)
        targets, partition = refine(partition, np.where(on, partition.half[:, 0], 1e-9), known, 1e-6)
        assert targets == []


def test_halving_toward_a_point_keeps_the_area_and_grades_by_two():
    partition, point = square(), np.array([0.5, 0.5])
    marked = touching(partition, point)
    known = Singularities(EXTENT)
    known.targets(partition, marked, error_at(partition, point, 1.0), 1e-3)
    partition, _ = partition.split(np.repeat(marked[:, None], 2, axis=1))
    marked = touching(partition, point)
    targets = known.targets(partition, marked, error_at(partition, point, 1.0), 1e-3)
    before = partition.half[marked][0, 0]
    found, parent = halve_toward(partition, np.repeat(marked[:, None], 2, axis=1), targets)
    assert np.prod(2 * found.half, axis=1).sum() == pytest.approx(1.0, rel=1e-14)
    assert found.half[touching(found, point)].max() == before / 2 ** targets[0].halvings
    np.testing.assert_array_equal(found.half[~marked[parent]], partition.half[parent][~marked[parent]])


@pytest.mark.slow
def test_a_re_entrant_corner_takes_few_levels():
    monitor = Monitor(time_limit=120)
    solution = solve(load_problem(PROBLEMS / "poisson_lshape.py"), tol=1e-8, monitor=monitor)
    assert solution.converged
    assert solution.relative_l2_error() <= 3e-8
    assert len(monitor.history) <= 16  # one halving a level takes more than 25
