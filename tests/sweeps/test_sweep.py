"""Sweeps: rows are solves, failures are rows, and nothing depends on how many run at a time."""

import csv
import pickle
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from pdesolve import (
    Dirichlet,
    Eigenvalues,
    Interval,
    Problem,
    Solution,
    build_surrogate,
    follow_branch,
    load_problem,
    solve,
    sweep,
)
from pdesolve.errors import ProblemError, UsageError

# Solutions sin πx / (π² + k²) q; the square root has no value for q < 0.
FILE = """from torch import pi, sin, sqrt, tensor
from pdesolve import Dirichlet, Interval, Mean, Problem

rod = Interval(0, 1)


def equation(u, x, k, q):
    return -u.xx + k**2 * u - sqrt(tensor(q)) ** 2 * sin(pi * x)


problem = Problem(
    rod,
    equation,
    [Dirichlet(0, on=rod.boundary)],
    constants={"k": 1.0, "q": 1.0},
    quantities={"mean": Mean("u")},
)
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("rod.py").write_text(FILE)
    return "rod.py"


def middle(k, q):
    return q / (np.pi**2 + k**2)


def test_each_row_is_the_solve_with_these_constants(file):
    table = sweep(file, k=[0.5, 3], q=[1, 2])
    assert table["k"].tolist() == [0.5, 0.5, 3, 3]
    assert table["q"].tolist() == [1, 2, 1, 2]
    assert table.solved.all()
    found = [table.solution(i)(0.5) for i in range(4)]
    assert found == pytest.approx(middle(table["k"], table["q"]), rel=1e-10)
    alone = solve(load_problem(file, {"k": 3, "q": 2}))
    assert (alone(0.3), alone.estimated_error) == (table.solution(3)(0.3), table["estimated_error"][3])


def test_quantities_are_columns_with_their_errors(file):
    table = sweep(file, k=[0.5, 3], q=[1, -1])
    assert table.quantities == ("mean",)
    known = 2 / np.pi * middle(table["k"], 1)
    solved = table.solved
    error = abs(table["mean"] - known)[solved]
    assert (error <= 3 * table["mean_estimated_error"][solved] + 1e-14).all()
    assert np.isnan(table["mean"][~solved]).all()


def test_eigenvalues_are_columns_and_have_no_branch():
    rod = Interval(0, 1)
    problem = Problem(
        rod,
        lambda u, lam, a: -a * u.xx - lam * u,
        [Dirichlet(0, on=rod.boundary)],
        eigenvalues=Eigenvalues("lam", count=2, near=0),
        constants={"a": 1.0},
    )
    table = sweep(problem, a=[1, 3], tol=1e-6)
    for k in (1, 2):
        known = (k * np.pi) ** 2 * table["a"]
        assert table[f"eigenvalue_{k}"] == pytest.approx(known, rel=1e-9)
    assert "eigenvalue_1_estimated_error" in table
    with pytest.raises(UsageError, match="asks for eigenvalues: sweep"):
        follow_branch(problem, "a", 1, 2)
    with pytest.raises(UsageError, match="asks for eigenvalues: sweep"):
        build_surrogate(problem, {"a": (1, 2)})


def test_a_failure_is_a_row_with_its_sentence_and_the_sweep_goes_on(file):
    table = sweep(file, q=[1, -1, 2], out="out")
    assert table["verdict"].tolist() == ["solved", "failed", "solved"]
    assert "not finite" in table["status"][1]
    with pytest.raises(UsageError, match=r"point 1 has no solution: .*not finite"):
        table.solution(1)
    again = sweep(file, q=[1, -1, 2, 3], out="out", resume=True)
    assert again["status"][:3].tolist() == table["status"].tolist()
    assert again["seconds"][:3].tolist() == table["seconds"].tolist()
    assert again["verdict"][3] == "solved"


def test_a_point_on_disk_is_an_ordinary_run(file):
    sweep(file, k=[2], out="out")
    kept = Solution.load("out/k=2")
    assert kept.problem.constants == {"k": 2.0, "q": 1.0}
    assert kept(0.5) == pytest.approx(middle(2, 1), rel=1e-10)


def test_points_of_another_problem_or_tolerance_are_not_taken_for_these(file):
    sweep(file, k=[2], out="out")
    with pytest.raises(UsageError, match="holds points of a sweep already"):
        sweep(file, k=[2, 3], out="out")
    with pytest.raises(UsageError, match="tol was 1e-06 and is"):
        sweep(file, k=[2, 3], out="out", tol=1e-4, resume=True)
    Path(file).write_text(FILE.replace("k**2", "k**3"))
    with pytest.raises(UsageError, match="the problem file has changed"):
        sweep(file, k=[2, 3], out="out", resume=True)


def test_an_unknown_constant_is_named_with_what_may_have_been_meant(file):
    with pytest.raises(ProblemError, match="the constants of this problem are: k, q; did you mean 'k'"):
        sweep(file, kk=[1, 2])


def test_wrong_settings_are_refused_before_anything_is_solved(file):
    with pytest.raises(UsageError, match="degree"):
        sweep(file, k=[1, 2], settings={"order": 3.5}, out="out")
    with pytest.raises(UsageError, match="jobs=0; expected a whole number from 1"):
        sweep(file, k=[1, 2], jobs=0)
    assert not Path("out").exists()


def test_a_solution_is_the_same_after_pickle(file):
    problem = load_problem(file).with_constants({"k": 2}).with_guess({"u": 0.5})
    solution = solve(problem)
    found = pickle.loads(pickle.dumps(solution))
    x = np.linspace(0, 1, 9)
    assert found(x).tolist() == solution(x).tolist()
    assert found.summary() == solution.summary()
    assert found.problem.constants == problem.constants
    assert found.problem.guess == problem.guess


def test_a_problem_is_not_unpickled_from_another_file(file):
    content = pickle.dumps(load_problem(file))
    Path(file).write_text(FILE.replace("k**2", "k**3"))
    with pytest.raises(ProblemError, match="has changed"):
        pickle.loads(content)


def test_the_csv_reads_back_to_the_bit(file):
    table = sweep(file, k=[0.1, 1 / 3])
    with table.write_csv("sweep.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert list(rows[0]) == list(table)
    for name in ("k", "estimated_error", "seconds"):
        assert [float(row[name]) for row in rows] == table[name].tolist()
    assert rows[0]["relative_l2_error"] == ""


@pytest.mark.slow  # two processes that import torch
def test_numbers_do_not_depend_on_how_many_run_at_a_time(file):
    one = sweep(file, k=[1, 10, 100, 1000], tol=1e-9)
    two = sweep(file, k=[1, 10, 100, 1000], tol=1e-9, jobs=2)
    x = np.linspace(0, 1, 33)
    for i in range(4):
        assert one.solution(i)(x).tolist() == two.solution(i)(x).tolist()
    assert one["estimated_error"].tolist() == two["estimated_error"].tolist()


def test_the_command_writes_table_picture_and_a_collection_over_the_constant(file):
    from pdesolve.cli.main import main

    assert main(["sweep", file, "--param", "k=10:0.1:3:log", "--out", "out", "--quiet"]) == 0
    files = [node.attrib for node in ElementTree.parse("out/sweep.pvd").iter("DataSet")]
    assert [float(entry["timestep"]) for entry in files] == [0.1, 1, 10]
    assert all(Path("out", entry["file"]).is_file() for entry in files)
    assert Path("out/sweep.png").stat().st_size > 1000
    assert main(["sweep", file, "--param", "q=1,-1", "--out", "out2", "--quiet"]) == 3
    assert main(["sweep", file, "--param", "q=-2,-1", "--out", "out3", "--quiet"]) == 1


@pytest.mark.parametrize("given", ["kk=1,2", "k=0:1:3:log", "k=1:1:4", "k=", "k", "k=1:2"])
def test_the_command_ends_with_two_and_a_sentence(file, given, capsys):
    from pdesolve.cli.main import main

    assert main(["sweep", file, "--param", given, "--out", "out"]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert not Path("out").exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_cluster_solves_the_same_points(file):
    distributed = pytest.importorskip("distributed")
    expected = sweep(file, k=[0.5, 3], q=[-1, 2])
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        with pytest.raises(UsageError, match="leave one of the two out"):
            sweep(file, k=[0.5], jobs=2, client=client)
        table = sweep(file, k=[0.5, 3], q=[-1, 2], client=client, out="points")
    assert table["verdict"].tolist() == expected["verdict"].tolist() == ["failed", "solved"] * 2
    assert np.array_equal(table["mean"], expected["mean"], equal_nan=True)
    assert table["status"].tolist() == expected["status"].tolist()
    assert sorted(path.name for path in Path("points").iterdir()) == [
        "k=0.5,q=-1",
        "k=0.5,q=2",
        "k=3,q=-1",
        "k=3,q=2",
    ]
    assert table.solution(1).relative_l2_error() is None


def notebook(monkeypatch, folder, *cells):
    """The names of a notebook after its cells, as IPython keeps them."""
    monkeypatch.chdir(folder)
    names = {"__name__": "__main__", "In": [], "get_ipython": None}
    for cell in cells:
        names["In"].append(cell)
        exec(compile(cell, "<ipython-input>", "exec"), names)
    return names


def test_a_problem_of_a_notebook_is_swept_into_directories_and_goes_on_there(tmp_path, monkeypatch):
    names = notebook(monkeypatch, tmp_path, FILE, "print('not needed')")
    first = sweep(names["problem"], k=[1, 2], out="out", tol=1e-4)
    assert first.solution(1)(0.5) == pytest.approx(middle(2, 1), rel=1e-4)
    assert Solution.load("out/k=2")(0.5) == first.solution(1)(0.5)
    assert "not needed" not in Path("out/problem.py").read_text()
    # What other processes load, and another session of the notebook goes on with.
    assert pickle.loads(pickle.dumps(load_problem("out/problem.py"))).constants == {"k": 1.0, "q": 1.0}
    written = Path("out/k=2/summary.json").stat().st_mtime_ns
    names = notebook(monkeypatch, tmp_path, FILE, FILE)
    again = sweep(names["problem"], k=[1, 2, 3], out="out", tol=1e-4, resume=True)
    assert list(again["verdict"]) == ["solved"] * 3
    assert Path("out/k=2/summary.json").stat().st_mtime_ns == written
    with pytest.raises(UsageError, match=r"states another problem than this one: choose another out"):
        sweep(names["problem"].with_constants({"q": 2.0}), k=[4], out="out", resume=True)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("problem.with_constants({'q': 2.0})", "assign the variant to a name"),
        ("made()", "has no name of its own"),
    ],
)
def test_a_problem_that_no_cell_states_is_not_swept_into_directories(tmp_path, monkeypatch, change, sentence):
    made = "def made():\n    return Problem(rod, lambda u, k: k * u.xx + 1, problem.conditions, constants={'k': 1.0})"
    names = notebook(monkeypatch, tmp_path, FILE, made)
    with pytest.raises(UsageError, match=rf"each run in out keeps a copy of its problem, and .*{sentence}"):
        sweep(eval(change, names), k=[1, 2], out="out")
    assert not Path("out/problem.py").exists()
