"""One run has an error at every budget; verdicts by budget, and what is not the approximator's."""

import math

import pytest
from test_report import PUBLISHED, RECORDS, full
from test_statistics import record

from pdesolve.benchmarking import budgets, review
from pdesolve.benchmarking.report import write_report
from pdesolve.benchmarking.statistics import rows


def timed(method, *errors, problem="p", seed=0, budget=60.0):
    """A run that had these errors at 1, 2, 4, … s, the last one at its end."""
    history = [{"seconds": 2.0**i, "iteration": i, "error": error} for i, error in enumerate(errors)]
    more = {"history": history, "budget": budget, "seconds": history[-1]["seconds"]}
    return record(errors[-1], method=method, problem=problem, seed=seed) | more


def test_a_run_has_the_error_of_its_last_copy_and_after_its_end_the_final_one():
    (row,) = rows([timed("a", 1e-1, 1e-2, 1e-3)])
    found = [budgets.at_budget(row, seconds)[1] for seconds in (0.5, 1.5, 2.0, 4.0, 300.0)]
    assert found == [math.inf, 1e-1, 1e-2, 1e-3, 1e-3]


def test_a_failed_run_is_infinitely_wrong_at_every_budget_and_an_unknown_error_stays_unknown():
    failed = timed("a", 1e-1, 1e-2, seed=1) | {"outcome": "crashed", "seconds": None}
    (row,) = rows([timed("a", 1e-1, 1e-2), failed])
    assert all(budgets.at_budget(row, seconds)[1] == math.inf for seconds in (1.0, 60.0))
    (row,) = rows([timed("a", 1e-1) | {"relative_l2_error": None}])
    assert math.isnan(budgets.at_budget(row, 60.0)[1])


def test_columns_end_with_the_longest_budget_and_do_not_say_the_same_twice():
    assert budgets.budgets_of([timed("a", 1.0, budget=60.0)]) == [0.5, 2.0, 10.0, 60.0]
    assert budgets.budgets_of([timed("a", 1.0, budget=2.5)]) == [0.5, 2.5]


def test_the_winner_changes_with_the_budget():
    runs = [
        timed("quick", 1e-3, 1e-3, 1e-3),
        timed("slow", 1e-1, 1e-4, 1e-6),
        timed("near", 1e-1, 1e-1, 2e-6),
    ]
    _, early = budgets.standings(runs, 1.0)
    _, late = budgets.standings(runs, 60.0)
    assert early[0] == ("quick", "1", "0", "0", "")
    assert dict((line[0], line[1:4]) for line in late) == {
        "slow": ("0", "1", "0"),
        "near": ("0", "1", "0"),
        "quick": ("0", "0", "1"),
    }


@pytest.mark.parametrize("seconds", [1.0, 2.0, 60.0])
def test_every_problem_counts_once_for_every_method(seconds):
    runs = [timed(m, e, e / 10, problem=p) for m in "abc" for p, e in (("p", 1.0), ("q", 0.1 * ord(m)))][:-1]
    _, lines = budgets.standings(runs, seconds)
    assert [sum(int(cell or 0) for cell in line[1:]) for line in lines] == [2, 2, 2]


def test_stages_say_who_ran_who_is_accurate_and_who_was_there_early():
    runs = [timed("early", 1e-4, 1e-4, 1e-4), timed("late", 1.0, 1.0, 1.0, 2e-4), timed("wrong", 1.0, 1.0)]
    _, lines = budgets.stages(rows(runs))
    assert dict((line[0], line[1:]) for line in lines) == {
        "early": ("1 of 1", "yes", "yes, 1 s"),
        "late": ("1 of 1", "yes", "no, 8 s"),
        "wrong": ("1 of 1", "no", ""),
    }


def test_a_product_of_two_factors_is_taken_apart():
    sizes = {"mix": 1.0, "net": 100.0}
    speeds = {"lm": 1e-6, "adam": 1e-3}
    runs = [
        timed(f"{a}+{o}", sizes[a] * speeds[o] * scale, problem=p)
        for a in sizes
        for o in speeds
        for p, scale in (("p", 1.0), ("q", 100.0))
    ]
    header, lines = review.contributions([*runs, timed("other+lm", 1.0)])
    assert header == ("mean of 2 problems", "lm", "adam", "worst / best optimiser")
    assert lines[0] == ("mix", "1e-5", "0.01", "1,000")
    assert lines[-1] == ("worst / best approximator", "100", "100", "")
    assert review.contributions([run for run in runs if run["method"].endswith("lm")]) is None


def test_what_was_asked_for_and_has_no_record_is_listed():
    suite = {
        "problems": ["x/franke.py", "y/peaks.py"],
        "methods": ["a", {"label": "b", "method": "network"}],
        "seeds": "0-1",
    }
    assert review.not_run(RECORDS, suite) == ["peaks"]
    assert review.not_run(RECORDS[1:], {"problems": ["franke"], "methods": ["a"], "seeds": 2}) == [
        "franke, a: seeds 2"
    ]


def test_published_figures_stand_beside_the_best_that_was_reached():
    _, (line,) = review.beside_published([full("a", 1.2e-6), full("c", 1e-3)], {"franke": PUBLISHED})
    assert line == ("franke", "1.2e-6", "a", "1.2e-7", "some method (300 s; a paper)", "10")


@pytest.mark.slow
def test_the_first_page_answers_a_referee_in_order(tmp_path):
    suite = {"problems": ["franke", "peaks"], "methods": ["a", "b"], "seeds": "0-1"}
    markdown, page = write_report(RECORDS, tmp_path, "Trial", {"franke": PUBLISHED}, suite)
    text = markdown.read_text("utf-8")
    headings = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert headings == [
        "Median errors",
        "Wins, ties and losses at 0.5 s",
        "Wins, ties and losses at 3 s",
        "Beside published figures",
        "Not run",
        "Failed runs",
        "franke",
        "Commands",
    ]
    assert page.read_text("utf-8").count("<h2>") == len(headings)
