"""A user's own problem, module and optimiser enter the comparison, from Python and from the command line."""

import json

import pytest
import torch

from pdesolve import Dirichlet, Interval, Problem
from pdesolve.benchmarking import tables
from pdesolve.benchmarking.case import Case, method_spec
from pdesolve.benchmarking.here import run_here
from pdesolve.cli.main import main
from pdesolve.errors import UsageError

ROD = Interval(0, 1)
PROBLEM = Problem(ROD, lambda u: -u.xx - 2, [Dirichlet(0, on=ROD.boundary)], exact=lambda x: x - x**2)
OWN = """
import torch


class Line(torch.nn.Module):
    def __init__(self, inputs, outputs, width):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(inputs, width), torch.nn.Tanh(), torch.nn.Linear(width, outputs)
        )

    def forward(self, x):
        return self.layers(x)


def descent(parameters):
    return torch.optim.SGD(parameters, lr=1e-3)


COUNT = 3
"""
FILE = """
from pdesolve import Dirichlet, Interval, Problem

rod = Interval(0, 1)
problem = Problem(rod, lambda u: -u.xx - 2, [Dirichlet(0, on=rod.boundary)], exact=lambda x: x - x**2)
"""


def test_what_is_in_no_file_is_compared_and_a_failure_is_a_row():
    def broken(_):
        return None

    net = torch.nn.Sequential(torch.nn.Linear(1, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    methods = {
        "mine": {"approximator": net, "optimiser": lambda parameters: torch.optim.SGD(parameters, lr=1e-3)},
        "broken": {"approximator": net, "optimiser": broken},
        "mixture": "gmnm-ridge+lm",
    }
    records = run_here({"rod": PROBLEM}, methods, seeds=(0, 1), iterations=20, parameters=40)
    assert [r["outcome"] for r in records] == ["finished", "refused", "finished"] * 2
    assert "None" in records[1]["status"]
    assert records[2]["relative_l2_error"] < records[0]["relative_l2_error"]
    assert all(
        r["history"][-1]["error"] == pytest.approx(r["relative_l2_error"], rel=0.1) for r in records[2::3]
    )
    _, (line,) = tables.overview(records)
    assert line[2] == "∞"


def test_nothing_to_compare_and_settings_of_no_method_are_refused():
    with pytest.raises(UsageError, match="1 problems and 0 methods"):
        run_here({"rod": PROBLEM}, {})
    with pytest.raises(UsageError, match="no method of these has a setting 'parmeters'"):
        run_here({"rod": PROBLEM}, {"mixture": "gmnm-ridge+lm"}, parmeters=3)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "rod.py").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_record_belongs_to_the_text_of_the_users_optimiser(folder):
    case = Case("rod.py", method_spec("mlp-tanh+own.py:descent"))
    before = case.identity
    (folder / "own.py").write_text(OWN.replace("1e-3", "1e-4"))
    assert case.identity != before
    assert method_spec("mlp-tanh+a/b/own.py:descent").label == "mlp-tanh+own.py:descent"


@pytest.mark.parametrize(
    ("method", "word"),
    [
        ("mlp-tanh+own.py:ascent", "defines no function or class 'ascent'; it defines Line, descent"),
        ("mlp-tanh+own.py:COUNT", "defines no function or class 'COUNT'"),
        ("mlp-tanh+nowhere.py:descent", "there is no file nowhere.py for the optimiser"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_an_optimiser_that_is_not_there_is_refused_before_anything_runs(method, word, capsys):
    assert main(["bench", "rod.py", "--methods", method]) == 2
    assert word in capsys.readouterr().err


@pytest.mark.slow
def test_all_three_enter_from_the_command_line(folder):
    arguments = ["--methods", "own.py:Line+own.py:descent", "--set", "iterations=5", "--set", "parameters=20"]
    assert main(["bench", "rod.py", *arguments, "--quiet"]) == 0
    (path,) = (folder / "bench" / "records").iterdir()
    record = json.loads(path.read_text())
    assert record["outcome"] == "finished"
    assert record["method"] == "own.py:Line+own.py:descent"
