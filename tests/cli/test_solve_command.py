"""What `solve` prints, writes and returns, with a fake solver."""

import json
import os
from pathlib import Path

import fakes
import pytest

from pdesolve.cli.answer import KEYS
from pdesolve.cli.main import main

pytestmark = pytest.mark.usefixtures("fake")

FILES = {
    "run.json",
    "problem.py",
    "history.jsonl",
    "checkpoint.pt",
    "summary.json",
    "solution.pt",
    "solution.vtu",
    "solution.png",
}
SOLVE = ("solve", "my_poisson.py", "--out", "out")


def test_exit_code_0_where_the_tolerance_is_verified(run):
    result = run(*SOLVE, "--tol", "0.9", "--set", "iterations=50")
    assert result.code == 0
    assert result.answer.startswith("solved: relative L2 error ")
    assert result.answer.endswith("results in out")


def test_exit_code_3_where_it_is_not(run):
    result = run(*SOLVE, "--tol", "1e-9")
    assert result.code == 3
    assert result.answer.startswith("not verified: relative L2 error ")
    assert "(tolerance 1e-9) in 0" in result.answer
    assert "; stopped: raise the number of iterations; results in out" in result.answer


@pytest.mark.parametrize(
    ("fail", "code", "sentence"),
    [
        ("solve", 1, "error: the matrix is singular: look at the conditions"),
        ("unexpected", 1, "error: ValueError: boom; run with --debug for the traceback"),
        (
            "disk",
            1,
            "error: the disk is full while history.jsonl was written (No space left on device): make room, then "
            "start again, or --resume where there is a checkpoint",
        ),
        ("exit", 2, "error: the problem file stopped Python (SystemExit) while it was being solved"),
    ],
)
def test_a_failed_run_says_why_and_leaves_a_summary(fail, code, sentence, run):
    result = run(*SOLVE, "--set", f"fail={fail}")
    assert result.code == code
    assert result.sentence == sentence
    summary = json.loads(Path("out/summary.json").read_text())
    assert f"error: {summary['error']}" == sentence
    assert summary["converged"] is False


def test_the_run_directory_holds_everything_and_nothing_else(run):
    run(*SOLVE, "--tol", "0.9", "--seed", "3", "--param", "nu=2", "--set", "iterations=7")
    assert {path.name for path in Path("out").iterdir()} == FILES
    settings = json.loads(Path("out/run.json").read_text())
    assert settings["seed"] == 3
    assert settings["params"] == {"nu": 2.0}
    assert settings["settings"] == {"iterations": 7}
    assert settings["versions"]["torch"]
    assert Path("out/problem.py").read_text() == fakes.PROBLEM
    rows = [json.loads(line) for line in Path("out/history.jsonl").read_text().splitlines()]
    assert [row["iteration"] for row in rows] == list(range(1, 8))


def test_the_copy_is_the_problem_that_was_solved(run, monkeypatch):
    def edit_and_solve(problem, **options):
        Path("my_poisson.py").write_text("edited meanwhile")
        return fakes.solve(problem, **options)

    monkeypatch.setattr("pdesolve.solver.solve", edit_and_solve)
    run(*SOLVE)
    assert Path("out/problem.py").read_text() == fakes.PROBLEM


def test_json_is_the_record_and_the_summary(run):
    result = run(*SOLVE, "--json")
    assert result.code == 3
    assert set(result.json) == set(KEYS)
    assert result.json["max_error"] is None, "not a number"
    assert result.json["residual_rms"] is None, "infinite"
    assert result.json["error"] is None
    assert result.json["output"] == "out"
    assert result.json["peak_memory_mb"] > 10
    summary = json.loads(Path("out/summary.json").read_text())
    assert {**summary, "peak_memory_mb": 0} == {**result.json, "peak_memory_mb": 0}


def test_what_an_equation_prints_does_not_disturb_standard_output(run):
    result = run(*SOLVE, "--json", "--set", "fail=print")
    assert result.json["problem"] == "my_poisson"
    assert "noise" in result.err


def test_quiet_prints_the_answer_only(run):
    result = run(*SOLVE, "--quiet")
    assert result.err == ""
    assert result.out.count("\n") == 1


def test_progress_goes_to_standard_error(run):
    result = run(*SOLVE)
    assert "iteration 1 · loss" in result.err
    assert "iteration" not in result.out.replace("number of iterations", "")


def test_the_default_directory_is_named_by_problem_method_and_time(run):
    first, second = (run("solve", "my_poisson.py", "--json").json["output"] for _ in range(2))
    assert first != second
    assert first.startswith("runs/my_poisson-gmnm-20")


def test_used_directories_are_refused_and_left_alone(run):
    run(*SOLVE)
    before = {path: path.read_bytes() for path in Path("out").iterdir()}
    result = run(*SOLVE)
    assert result.code == 2
    assert "out already exists and is not empty" in result.sentence
    assert {path: path.read_bytes() for path in Path("out").iterdir()} == before


def test_an_empty_directory_is_used(run):
    Path("out").mkdir()
    assert run(*SOLVE).code == 3


def test_force_replaces_results_and_spares_other_files(run):
    run(*SOLVE)
    Path("out/notes.txt").write_text("mine")
    Path("out/solution.pvd").write_text("of an earlier run")
    assert run(*SOLVE, "--force", "--set", "iterations=2").code == 3
    assert Path("out/notes.txt").read_text() == "mine"
    assert not Path("out/solution.pvd").exists()
    assert len(Path("out/history.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("wrong", [["--set", "fail=at the start"], ["--param", "mu=1"], ["--vtk", "x"]])
def test_force_replaces_nothing_before_the_input_is_valid(wrong, run):
    run(*SOLVE)
    before = {path: path.read_bytes() for path in Path("out").iterdir()}
    assert run(*SOLVE, "--force", *wrong).code == 2
    assert {path: path.read_bytes() for path in Path("out").iterdir()} == before


def test_force_never_overwrites_the_users_own_problem_file(run):
    Path("problem.py").write_text("# mine")
    result = run("solve", "my_poisson.py", "--out", ".", "--force")
    assert result.code == 2
    assert "problem.py was not written by a run" in result.sentence
    assert Path("problem.py").read_text() == "# mine"


def test_nothing_is_left_of_a_run_that_did_not_begin(run):
    result = run("solve", "my_poisson.py", "--out", "a/b/c", "--set", "fail=at the start")
    assert result.code == 2
    assert not Path("a").exists()


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="needs a folder in which nobody can make one")
def test_a_directory_that_cannot_be_made_is_refused_before_solving(run):
    result = run("solve", "my_poisson.py", "--out", "/proc/results")
    assert result.code == 2
    assert "cannot write to /proc/results" in result.sentence


def test_files_that_were_asked_for_are_written(run):
    result = run(*SOLVE, "--vtk", "a/u.vtu", "--plot", "b/u.png")
    assert Path("a/u.vtu").exists()
    assert Path("b/u.png").exists()
    assert "a/u.vtu" in result.out


def test_a_picture_that_fails_is_a_warning(run, monkeypatch):
    def fail(_solution, _path):
        message = "nothing to draw"
        raise ValueError(message)

    monkeypatch.setattr("pdesolve.output.plotting.plot", fail)
    result = run(*SOLVE)
    assert result.code == 3
    assert "warning: solution.png was not written: ValueError: nothing to draw" in result.err
    assert run(*SOLVE, "--force", "--plot", "u.png").code == 1


def test_four_dimensions_are_written_as_values_and_said_so(run):
    text = fakes.PROBLEM.replace("Interval(0, 1)", "Box((0,) * 4, (1,) * 4)").replace("Interval", "Box")
    text = text.replace("(u, x, nu)", "(u, x1, nu)").replace("u.xx", "u.derivative('x1')")
    Path("four.py").write_text(text.replace("sin(pi * x)", "sin(pi * x1)").replace("lambda x:", "lambda x1:"))
    result = run("solve", "four.py", "--out", "out")
    assert result.code == 3, result.err
    assert Path("out/solution.npz").exists()
    assert not Path("out/solution.vtu").exists()
    assert "warning: ParaView cannot show 4 space dimensions" in result.err


def test_time_dependent_solutions_become_a_series(run):
    text = fakes.PROBLEM.replace("Interval, Problem", "Interval, Problem, TimeInterval")
    Path("heat.py").write_text(text.replace("domain=interval", "domain=interval * TimeInterval(0, 1)"))
    assert run("solve", "heat.py", "--out", "out").code == 3
    assert Path("out/solution.pvd").exists()


def test_the_time_limit_reaches_the_solver(run):
    result = run(*SOLVE, "--time-limit", "0.2", "--set", "iterations=1000000", "--json")
    assert 0.2 <= result.json["seconds"] < 2


def test_export_and_plot_read_a_run(run, monkeypatch):
    monkeypatch.setattr("pdesolve.solution.solution.Solution.load", lambda directory: directory)
    assert run("export", "out", "u.vtu").out == "wrote u.vtu\n"
    assert run("plot", "out", "u.png").out == "wrote u.png\n"


def test_main_returns_the_exit_code():
    assert main(["ls", "."]) == 0
