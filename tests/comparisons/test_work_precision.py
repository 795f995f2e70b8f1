"""Tables of work and precision say what the records say; factorisations solve the same normal equations."""

import sys
import weakref
from math import inf
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))

from benchmarks import factorisations  # noqa: E402
from benchmarks.work_precision import REPEATS, Entry, best, envelope, measure, table  # noqa: E402

ROWS = [
    {"method": "pdesolve", "error": 1e-5, "seconds": 2.0},
    {"method": "pdesolve", "error": 1e-9, "seconds": 4.0},
    {"method": "other", "error": 1e-4, "seconds": 0.5},
    {"method": "other", "error": 1e-7, "seconds": 8.0},
    {"method": "other", "error": 1e-6, "seconds": 9.0},
]


def test_best_time_is_the_least_of_those_that_are_accurate_enough():
    assert best(ROWS, "other", 1e-4) == 0.5
    assert best(ROWS, "other", 1e-6) == 8.0
    assert best(ROWS, "other", 1e-8) == inf


def test_the_envelope_leaves_out_what_is_slower_and_no_better():
    assert [row["seconds"] for row in envelope([r for r in ROWS if r["method"] == "other"])] == [0.5, 8.0]


def test_table_states_ratios_to_ours_and_dashes():
    lines = table("case", ROWS).splitlines()
    assert lines[0] == "| case | 1e-4 | 1e-6 | 1e-8 | 1e-11 |"
    assert lines[2] == "| pdesolve | 2 s (1) | 4 s (1) | 4 s (1) | – |"
    assert lines[3] == "| other | 0.5 s (0.25) | 8 s (2) | – | – |"


def test_lines_end_at_rounding_and_take_the_median_of_repeats(monkeypatch):
    class Halved:
        unknowns = 7

        def __init__(self, size):
            self.size = size

        def __call__(self, points):
            return np.ones(len(points)) + 0.1**self.size

    # A hundred collections of what the suite holds take longer than all else here.
    monkeypatch.setattr("benchmarks.work_precision.gc.collect", lambda: None)
    rows = measure({"pdesolve": Halved, "other": Halved}, {"pdesolve": 3}, np.zeros((5, 2)), np.ones(5), 10.0)
    assert [r["size"] for r in rows if r["method"] == "pdesolve"] == [0, 1, 2]
    errors = [r["error"] for r in rows if r["method"] == "other"]
    np.testing.assert_allclose(errors, 0.1 ** np.arange(len(errors)), rtol=1e-2)
    assert errors[-1] < 3e-13 <= errors[-2]
    assert {r["repeats"] for r in rows} == {REPEATS}


def test_an_entry_is_repeated_less_the_longer_it_takes():
    short, long = Entry("a", 0, int, seconds=[0.1] * 2), Entry("a", 0, int, seconds=[13.0])
    assert short.wants_more()
    assert not long.wants_more()


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """The normal equations of a small problem."""
    import torch

    path = tmp_path_factory.mktemp("matrix") / "poisson_2d.pt"
    assert factorisations.capture("poisson_2d", 1e-4, path) > 100
    return torch.load(path, weights_only=False)


@pytest.mark.parametrize("name", factorisations.FACTORISATIONS)
def test_every_factorisation_solves_the_same_normal_equations(name, kept):
    if name == "MKL PARDISO":
        pytest.importorskip("pypardiso", reason="needs the extra bench")
    if name == "CHOLMOD":
        pytest.importorskip("sksparse_minimal", reason="needs the extra bench")
    lower = factorisations.lower_triangle(kept)
    x = np.random.default_rng(0).normal(size=kept["columns"])
    full = factorisations.symmetric(lower)
    solve = factorisations.FACTORISATIONS[name](kept if name == factorisations.OURS else lower)()
    np.testing.assert_allclose(full @ solve(full @ x), full @ x, atol=1e-10)


def test_the_matrix_is_the_product_of_the_rows(kept):
    import torch

    full = factorisations.symmetric(factorisations.lower_triangle(kept))
    x = torch.randn(kept["columns"], dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = sum(float((block.apply(kept["scale"] * x) ** 2).sum()) for block in kept["rows"])
    assert float(x.numpy() @ (full @ x.numpy())) == pytest.approx(expected, rel=1e-12)


def test_what_an_earlier_evaluation_left_is_not_part_of_a_solve():
    class Left:
        """Garbage in a cycle, which only the collector clears away."""

        def __init__(self):
            self.me = self

    alive = weakref.ref(Left())
    found = []
    Entry("a", 0, lambda: found.append(alive())).run()
    assert found == [None]


def test_a_solve_held_up_once_does_not_end_its_line():
    entry = Entry("a", 0, lambda: None, seconds=[100.0])
    assert not entry.takes_more_than(1.0)
    assert len(entry.seconds) == 2
