"""The real solvers behind the real command line."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from processes import ended
from processes import killed as killed_after

pytestmark = pytest.mark.slow

PROBLEMS = Path(__file__).parents[2] / "problems"


@pytest.fixture(autouse=True)
def _empty_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def test_the_newcomers_command_gives_files_an_error_and_an_answer():
    command = [
        sys.executable,
        "-m",
        "pdesolve.cli.main",
        "solve",
        str(PROBLEMS / "poisson_2d.py"),
        "--tol",
        "1e-8",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (directory,) = Path("runs").iterdir()
    answer = done.stdout.rstrip("\n").split("\n")[-1]
    assert answer.startswith("solved: relative L2 error ")
    assert answer.endswith(f" s; results in {directory}")
    summary = json.loads((directory / "summary.json").read_text())
    assert summary["relative_l2_error"] <= 1e-8
    for name in ("solution.vtu", "solution.png"):
        assert (directory / name).stat().st_size > 1000
        assert str(directory / name) in done.stdout


def test_a_saved_run_can_be_exported_and_drawn_again(run):
    run("solve", PROBLEMS / "heat_1d.py", "--tol", "1e-4", "--out", "heat", "--quiet")
    assert run("export", "heat", "again.pvd", "--steps", "3").code == 0
    assert len(list(Path("again").glob("*.vtu"))) == 3
    assert run("export", "heat", "table.csv").code == 0
    assert run("plot", "heat", "again.png").code == 0
    refused = run("export", "heat", "u.stl")
    assert refused.code == 2
    assert "expected one of .vtu .pvd" in refused.sentence


def test_an_evolution_is_written_at_the_times_asked_for_also_when_it_is_resumed(run):
    arguments = [
        "solve",
        PROBLEMS / "heat_1d.py",
        "--tol",
        "1e-4",
        "--out",
        "heat",
        "--quiet",
        "--no-picture",
    ]
    assert run(*arguments, "--times", "0,0.1,1").code == 0
    assert re.findall(r'timestep="(.*?)"', Path("heat/solution.pvd").read_text()) == ["0.0", "0.1", "1.0"]
    assert run(*arguments, "--resume").code == 0
    assert len(list(Path("heat/solution").glob("*.vtu"))) == 3
    assert run(*arguments, "--force", "--steps", "5", "--vtk", "u.csv").code == 0
    assert len(list(Path("heat/solution").glob("*.vtu"))) == 5
    refused = run(*arguments, "--force", "--times", "0,2")
    assert refused.code == 2
    assert "the time 2 lies outside the problem's times, expected 0 to 1" in refused.sentence


def test_a_system_has_figures_for_each_unknown(run):
    result = run("solve", PROBLEMS / "reaction_diffusion_2d.py", "--tol", "1e-3", "--json")
    assert result.code == 0, result.err
    figures = result.json["unknowns"]
    assert set(figures) == {"u", "v"}
    assert result.json["relative_l2_error"] == max(f["relative_l2_error"] for f in figures.values())


@pytest.mark.parametrize(
    ("method", "iterations", "rows"), [("pinn", 60, 26), ("kan", 60, 26), ("gmnm-trained", 30, 10)]
)
def test_a_training_run_killed_in_the_middle_resumes_to_the_same_numbers(method, iterations, rows, run):
    arguments = ["solve", str(PROBLEMS / "poisson_1d.py"), "--method", method, "--tol", "1e-14", "--quiet"]
    for setting in (f"iterations={iterations}", "points=64", "parameters=60"):
        arguments += ["--set", setting]
    assert run(*arguments, "--out", "whole").code == 3
    assert ended(killed_after, rows, *arguments, "--out", "killed")[0] == -signal.SIGKILL
    before = torch.load("killed/checkpoint.pt", weights_only=True)["state"]
    assert len(before["history"]) >= rows - 1
    result = run(*arguments, "--out", "killed", "--resume")
    assert result.code == 3, result.err
    whole, killed = (json.loads(Path(name, "summary.json").read_text()) for name in ("whole", "killed"))
    different = {key for key in whole if whole[key] != killed[key]}
    assert different <= {"seconds", "peak_memory_mb", "output"}
    assert killed["seconds"] > before["seconds"]


def test_a_march_killed_after_half_of_its_slabs_resumes_to_the_same_numbers(run):
    """Until then, `solution.pvd` holds the steps that were passed; in the end all."""
    arguments = ["solve", str(PROBLEMS / "advection_1d.py"), "--tol", "1e-8", "--quiet", "--set", "slabs=16"]
    assert run(*arguments, "--out", "whole").code == 0
    half = Path("whole/history.jsonl").read_text().count("\n") // 2
    assert half >= 4
    assert ended(killed_after, half, *arguments, "--out", "killed")[0] == -signal.SIGKILL
    assert not Path("killed/summary.json").exists()
    steps = re.findall(r'file="(.*?)"', Path("killed/solution.pvd").read_text())
    assert 0 < len(steps) < 41
    assert all(Path("killed", step).stat().st_size > 1000 for step in steps)
    assert run(*arguments, "--out", "killed", "--resume").code == 0
    whole, killed = (torch.load(Path(n, "solution.pt"), weights_only=True) for n in ("whole", "killed"))
    assert same(killed["approximator"], whole["approximator"])
    assert killed["estimates"] == whole["estimates"]
    assert Path("killed/solution.pvd").read_text() == Path("whole/solution.pvd").read_text()


def same(a, b):
    """Whether two nested states agree to the bit."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
