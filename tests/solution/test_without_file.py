"""Problems of notebooks and scripts: what they depend on is kept beside a solution, or a sentence says why not."""

import subprocess
import sys
from pathlib import Path

import pytest

from pdesolve import Dirichlet, Interval, Problem, Solution, UsageError, export, plot, solve
from pdesolve.statement.written import UnknownSourceError, sliced

CELLS = [
    "from __future__ import annotations\nimport numpy as np",
    "from pdesolve import Dirichlet, Interval, Problem, laplace, solve",
    "%matplotlib is no Python",
    "data = np.loadtxt('data.csv')\nsources = []",
    "k = 5.0  # of a first trial",
    "def f(x):\n    scale = k\n    return scale * sum(source(x) for source in sources)",
    "sources.append(lambda x: data[0] * x); print('not needed')",
    "line = Interval(0, 1)\nedges = [Dirichlet(0, on=line.boundary)]\nk = 2.0",
    "rod = Problem(line, lambda u, x: laplace(u) + f(x), edges, exact=lambda x: x * (1 - x**2))",
    "solution = solve(rod, tol=1e-8)",
]


def played(cells, folder, monkeypatch):
    """The names of a notebook after its cells, as IPython keeps them."""
    monkeypatch.chdir(folder)
    Path("data.csv").write_text("3.0 4.0")
    names = {"__name__": "__main__", "In": [], "get_ipython": None}
    for cell in cells:
        names["In"].append(cell)
        if not cell.startswith("%"):
            exec(compile(cell, "<ipython-input>", "exec"), names)
    return names


def test_a_problem_of_a_notebook_loads_without_it(tmp_path, monkeypatch):
    solution = played(CELLS, tmp_path, monkeypatch)["solution"]
    solution.save("kept")
    text = Path("kept/problem.py").read_text()
    assert "not needed" not in text
    assert "solve(" not in text
    Path("data.csv").unlink()
    monkeypatch.chdir(tmp_path / "kept")
    loaded = Solution.load(".")
    assert loaded(0.3) == solution(0.3)
    assert loaded.relative_l2_error() == solution.relative_l2_error() < 1e-8
    assert loaded.problem.name == solution.problem.name
    assert plot(loaded, "u.png").exists()
    assert export(loaded, "u.vtu")
    assert loaded.save(tmp_path / "again").exists()
    assert (tmp_path / "again" / "data.csv").exists()


ANOTHER = "rod = Problem(line, lambda u, x: laplace(u) + 6 * x, edges)"
UNSEEN = "def grow():\n    sources.append(lambda x: 0 * x + 1)\n\n\ngrow()"
SOLVED = "first = solve(rod, tol=1e-2)\nrod = Problem(line, lambda u, x: laplace(u) + first(x), edges)"


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ([], [ANOTHER], "has no name of its own at the top"),
        ([UNSEEN], [], r"states another problem now \(.* differs\)"),
        ([SOLVED], [], "depends on `first = solve.*`, which calls solve"),
        ([], ["import os; os.remove('data.csv')"], r"do not run by themselves \(.*data.csv"),
    ],
    ids=["name taken", "changed unseen", "made by a solve", "data gone"],
)
def test_what_cannot_be_stated_again_is_not_kept(tmp_path, monkeypatch, before, after, sentence):
    names = played([*CELLS[:-1], *before], tmp_path, monkeypatch)
    solution = solve(names["rod"], tol=1e-2)
    for cell in after:
        names["In"].append(cell)
        exec(cell, names)
    # What an earlier solution left there must not be taken for this one's.
    Path("kept").mkdir()
    Path("kept/problem.py").write_text("problem = None")
    Path("kept/solution.pt").touch()
    with pytest.warns(UserWarning, match=sentence):
        solution.save("kept")
    with pytest.raises(UsageError, match="pass it, Solution"):
        Solution.load("kept")
    assert Solution.load("kept", solution.problem)(0.3) == solution(0.3)


def test_a_file_of_the_user_is_left_alone(tmp_path, monkeypatch):
    solution = played(CELLS, tmp_path, monkeypatch)["solution"]
    Path("problem.py").write_text("mine = 1")
    with pytest.warns(UserWarning, match="is there already"):
        solution.save(".")
    assert Path("problem.py").read_text() == "mine = 1"


def test_a_problem_within_a_function_says_that_it_has_no_name(tmp_path):
    line = Interval(0, 1)
    solution = solve(Problem(line, lambda u: u.xx + 1, [Dirichlet(0, on=line.boundary)]), tol=1e-2)
    with pytest.warns(UserWarning, match="assign it to one"):
        solution.save(tmp_path)


SCRIPT = """
from pdesolve import Dirichlet, Interval, Problem, solve
from beside import strength

line = Interval(0, 1)
rod = Problem(line, lambda u, x: u.xx + strength * x, [Dirichlet(0, on=line.boundary)])
solution = solve(rod, tol=1e-3)
solution.save("kept")
print(solution(0.5))
"""


@pytest.mark.slow
def test_a_script_keeps_its_problem_and_the_modules_beside_it(tmp_path, monkeypatch):
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "beside.py").write_text("strength = 2.0")
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (tmp_path / "beside.py").unlink()
    monkeypatch.chdir(tmp_path / "kept")
    assert Solution.load(".")(0.5) == float(done.stdout)
    assert "solve(" not in (tmp_path / "kept" / "problem.py").read_text()


# ---------------------------------------------------------------- slices


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        (["a = 1", "b = 2", "c = a"], ["a = 1", "c = a"]),
        (["a = 1\na += 1", "c = a; d = c"], ["a = 1", "a += 1", "c = a"]),
        (
            ["def f(b):\n    a = b\n    return a", "a = 1; b = 2", "c = f"],
            ["def f(b):\n    a = b\n    return a", "c = f"],
        ),
        (["x = [1]", "x[0] = 2", "y = [3]; y.append(4)", "c = x"], ["x = [1]", "x[0] = 2", "c = x"]),
        (
            [
                "from math import *",
                "@cache\ndef f(): return g",
                "def cache(f): return f",
                "g = pi",
                "c = f()",
            ],
            [
                "from math import *",
                "@cache\ndef f(): return g",
                "def cache(f): return f",
                "g = pi",
                "c = f()",
            ],
        ),
        (["if True:\n    c = 1\nelse:\n    c = 2"], ["if True:\n    c = 1\nelse:\n    c = 2"]),
        (["a = ]", "c = 1"], ["c = 1"]),
    ],
)
def test_a_slice_holds_what_a_name_depends_on_and_no_more(source, kept):
    assert sliced(source, "c") == kept


@pytest.mark.parametrize("source", [["a = 1"], ["c = solve(1)"], ["c = []", "c.append(model.show())"]])
def test_what_nothing_binds_or_what_acts_is_refused(source):
    with pytest.raises(UnknownSourceError):
        sliced(source, "c")
