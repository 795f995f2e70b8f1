"""The notebooks of the docs run from top to bottom, and what they show is right."""

import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def code(path):
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def run(name, folder, monkeypatch):
    """The names that a notebook defines, after all its cells."""
    monkeypatch.chdir(folder)
    names = {"__name__": "__main__"}
    for number, cell in enumerate(code(FOLDER / f"{name}.ipynb")):
        exec(compile(cell, f"{name}, cell {number}", "exec"), names)
    return names


def test_there_are_five_and_none_keeps_what_it_printed():
    assert len(NOTEBOOKS) == 5
    for path in NOTEBOOKS:
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            assert not cell.get("outputs"), path.name


@pytest.mark.slow
def test_first_solve(tmp_path, monkeypatch):
    found = run("first_solve", tmp_path, monkeypatch)
    assert found["solution"].converged
    assert found["figure"].axes
    assert "Problem" in repr(found["problem"])


@pytest.mark.slow
def test_heat_on_a_plate(tmp_path, monkeypatch):
    found = run("heat_on_a_plate", tmp_path, monkeypatch)
    assert found["solution"].converged
    assert found["rows"] == found["solution"].history
    assert 0 < found["hottest"] < 1


@pytest.mark.slow
def test_elasticity(tmp_path, monkeypatch):
    solution = run("elasticity", tmp_path, monkeypatch)["solution"]
    assert solution.converged
    assert solution.relative_l2_error() < 3e-4


def test_inverse(tmp_path, monkeypatch):
    found = run("inverse", tmp_path, monkeypatch)
    assert found["low"] < 0.7 < found["high"]


@pytest.mark.slow
def test_own_network_and_convergence(tmp_path, monkeypatch):
    found = run("own_network_and_convergence", tmp_path, monkeypatch)
    assert found["trained"].relative_l2_error() < 0.05
    assert found["adam"].relative_l2_error() < 1
    assert found["study"].rates()[-1] > 5
