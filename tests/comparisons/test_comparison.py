"""The tables of the comparison by budget agree with those at the end, and long suites go on where they stopped."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import comparison

from pdesolve.benchmarking.records import read_records
from pdesolve.benchmarking.statistics import by_problem
from pdesolve.benchmarking.tables import number


@pytest.fixture(scope="module")
def records():
    return read_records(comparison.kept("poisson"))


def test_at_the_last_budget_the_best_of_each_family_is_that_of_the_summary(records):
    _, lines = comparison.by_budget(records)
    for line, (problem, group) in zip(lines, by_problem(records).items(), strict=True):
        mixture = comparison.best_of(group, "mixture").error
        network = comparison.best_of(group, "perceptron").error
        assert line[0] == problem
        assert line[-3:-1] == (number(mixture), number(network / mixture))


def test_a_long_suite_says_what_is_missing_and_goes_on_from_there(records, tmp_path, monkeypatch):
    assert "none of its 210 runs (60 s each)" in comparison.missing("poisson_60s", [])
    some = [r for r in records if r["method"] == "mlp-tanh+lm"]
    said = comparison.missing("poisson_60s", some)
    assert "poisson_2d, gmnm-trained: seeds 0, 1, 2, 3, 4" in said
    assert "mlp-tanh+lm" not in said
    # A sitting hands the records that are kept to the runner, which skips what they answer.
    seen = []
    monkeypatch.setattr(comparison, "kept", lambda _: tmp_path / "kept.jsonl")
    monkeypatch.setattr(
        comparison, "run_all", lambda _, folder, *_more, **named: seen.append((read_records(folder), named))
    )
    comparison.write_records(tmp_path / "kept.jsonl", some)
    comparison.sit("poisson_60s", 1)
    ((handed, named),) = seen
    assert {(r["problem"], r["seed"]) for r in handed} == {(r["problem"], r["seed"]) for r in some}
    assert named == {"skip_existing": True}
