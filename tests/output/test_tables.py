import csv

import numpy as np
import pytest
import torch
from analytic import AnalyticSolution

from pdesolve.geometry import Box, Disk, Interval, Rectangle, TimeInterval
from pdesolve.output import export

SQUARE = Rectangle((0, 0), (1, 1))


def read_csv(path):
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    return dict(zip(header, np.array(rows, dtype=float).T, strict=True))


@pytest.mark.parametrize("domain", [Interval(-1, 1), SQUARE, Disk((0, 0), 1), Box((0,) * 5, (1,) * 5)])
def test_tables_hold_the_values_to_the_bit(tmp_path, domain):
    first = domain.coordinates[0]
    solution = AnalyticSolution(domain, {"u": f"sin({first})"}, error=f"{first}/4")
    table = read_csv(export(solution, tmp_path / "u.csv", points=100)[0])
    points = torch.as_tensor(np.column_stack([table[c] for c in domain.coordinates]))
    np.testing.assert_array_equal(table["u"], solution.evaluate(points)[:, 0])
    np.testing.assert_array_equal(table["residual"], points[:, 0] / 4)
    gradient = {name for name in table if name.startswith("grad_u")}
    assert gradient == {f"grad_u_{c}" for c in domain.coordinates}

    with np.load(export(solution, tmp_path / "u.npz", points=100)[0]) as arrays:
        np.testing.assert_array_equal(arrays["points"], points)
        np.testing.assert_array_equal(arrays["u"], table["u"])
        assert tuple(arrays["coordinates"]) == domain.coordinates
        assert ("cells" in arrays) == (domain.dimension <= 3)


def test_times_are_an_axis_of_an_archive_and_a_column_of_a_table(tmp_path):
    solution = AnalyticSolution(SQUARE * TimeInterval(0, 2), {"u": "x*t"})
    with np.load(export(solution, tmp_path / "u.npz", points=100, steps=3)[0]) as arrays:
        np.testing.assert_array_equal(arrays["times"], [0, 1, 2])
        np.testing.assert_array_equal(arrays["u"], np.outer(arrays["times"], arrays["points"][:, 0]))
        assert arrays["grad_u"].shape == (3, len(arrays["points"]), 3)
    table = read_csv(export(solution, tmp_path / "u.csv", points=100, steps=3)[0])
    assert sorted(set(table["t"])) == [0, 1, 2]
    np.testing.assert_array_equal(table["u"], table["x"] * table["t"])


def test_space_and_time_of_many_dimensions_are_sampled_together(tmp_path):
    solution = AnalyticSolution(Box((0,) * 4, (1,) * 4) * TimeInterval(0, 2), {"u": "x1*t"})
    table = read_csv(export(solution, tmp_path / "u.csv", points=64)[0])
    assert list(table)[:5] == ["x1", "x2", "x3", "x4", "t"]
    assert table["t"].max() > 1.5
    np.testing.assert_array_equal(table["u"], table["x1"] * table["t"])
