"""Full disks, folders that cannot be written to, and interrupts, with the real solver: what is left is valid."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import Process, ended, pdesolve, with_short_files

from pdesolve import Solution

PROBLEMS = Path(__file__).parents[2] / "problems"
POISSON = PROBLEMS / "poisson_2d.py"


@pytest.fixture(autouse=True)
def _empty_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def leftovers(directory):
    """Temporary files that should be gone."""
    return [p.name for p in Path(directory).iterdir() if p.suffix in (".tmp", ".part") or p.name[0] == "."]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "file"), [(200, "run.json"), (4000, "solution.pt"), (20_000, "solution.vtu")]
)
def test_a_full_disk_is_said_in_a_sentence_and_leaves_whole_files(size, file):
    code, _, err = ended(with_short_files, size, "solve", POISSON, "--tol", "1e-4", "--out", "out", "--quiet")
    assert code == 1
    sentence = err.rstrip("\n").split("\n")[-1]
    assert sentence.startswith("error: the disk is full while")
    assert file in sentence
    assert "Traceback" not in err
    assert leftovers("out") == []
    for name in ("run.json", "summary.json"):
        if Path("out", name).exists():
            json.loads(Path("out", name).read_text())
    if file == "solution.vtu":  # what was solved is there
        assert Solution.load("out").converged
        assert "the disk is full" in json.loads(Path("out/summary.json").read_text())["error"]
    else:
        assert not Path("out/solution.pt").exists()


def test_a_device_that_is_full_is_said_in_a_sentence(run):
    """/dev/full takes no byte; the temporary name of run.json leads there."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    Path("out").mkdir()
    Path("out/.run.json.part").symlink_to("/dev/full")
    result = run("solve", POISSON, "--tol", "1e-2", "--out", "out", "--force")
    assert result.code == 1
    assert "the disk is full while out/run.json was written (No space left on device)" in result.sentence
    assert [p.name for p in Path("out").iterdir()] == ["summary.json"]  # the rest of the disk is not full


@pytest.mark.parametrize(
    "arguments", [("info",), ("solve", POISSON, "--tol", "1e-2", "--out", "out", "--json")]
)
def test_a_standard_output_that_is_full_is_said_in_a_sentence(arguments):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "pdesolve.cli.main", *arguments]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "the disk is full while output was written" in done.stderr


def test_a_closed_standard_output_is_no_fault(tmp_path):
    command = [sys.executable, "-m", "pdesolve.cli.main", "solve", str(POISSON), "--tol", "1e-2", "--quiet"]
    shell = " ".join([*command, "--out", str(tmp_path / "out"), ">&-"])
    done = subprocess.run(shell, shell=True, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_exact_solution_of_another_problem_is_noticed(run):
    """It decides nothing, but the user should know."""
    other = PROBLEMS.parent / "tests" / "broken" / "rejected" / "exact_misses_the_equation.py"
    result = run("solve", other, "--tol", "1e-3", "--out", "out")
    assert result.code == 0
    assert "differs from exact by 0.5: the problem file may not say what was meant" in result.err
    assert "differs from" not in run("solve", POISSON, "--tol", "1e-3", "--out", "fine").err


def test_a_saved_solution_is_not_lost_when_saving_again_fails(run, monkeypatch):
    assert run("solve", POISSON, "--tol", "1e-2", "--out", "out", "--quiet").code == 0
    solution, before = Solution.load("out"), Path("out/solution.pt").read_bytes()

    def full(self, _content):
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match=r"No space left on device: 'out/solution\.pt'"):
        solution.save("out")
    assert Path("out/solution.pt").read_bytes() == before
    assert leftovers("out") == []


def test_a_solution_is_saved_before_its_error_is_measured(run, monkeypatch):
    """A reference may take seconds, for which a run that is to end is not given time."""

    def killed(self):
        del self
        raise MemoryError

    monkeypatch.setattr(Solution, "summary", killed)
    assert run("solve", PROBLEMS / "poisson_1d.py", "--out", "out").code != 0
    assert Solution.load("out").converged


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused_before_solving(run):
    Path("locked").mkdir(mode=0o500)
    result = run("solve", POISSON, "--out", "locked/out")
    assert result.code == 2
    assert "cannot write to locked/out" in result.sentence


@pytest.mark.parametrize("place", ["/proc/out", "file/out", "/dev/null/out"])
def test_a_place_where_nothing_can_be_made_is_refused_before_solving(place, run):
    Path("file").write_text("a file")
    result = run("solve", POISSON, "--out", place)
    assert result.code == 2
    assert f"cannot write to {place}" in result.sentence
    assert "choose another --out" in result.sentence


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half a file", b"not a solution", b"\x80\x04N."])
@pytest.mark.parametrize("command", ["export", "plot"])
def test_a_damaged_or_foreign_solution_is_refused_in_a_sentence(command, content, run):
    Path("out").mkdir()
    Path("out/solution.pt").write_bytes(content)
    result = run(command, "out", "u.vtu" if command == "export" else "u.png")
    assert result.code == 2
    assert "solution.pt is damaged or no solution of pdesolve" in result.sentence


def test_a_solution_with_code_in_it_is_refused_unread(run, tmp_path):
    import torch

    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sprung",)

    Path("out").mkdir()
    torch.save({"format": "pdesolve solution 1", "trap": Trap()}, "out/solution.pt")
    assert run("export", "out", "u.vtu").code == 2
    assert not (tmp_path / "sprung").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminate"])
def test_an_interrupted_solve_leaves_a_valid_partial_result(number):
    """A problem that takes long at this tolerance, stopped after its first step."""
    options = ["--tol", "1e-12", "--out", "out", "--json"]
    process = Process(pdesolve, "solve", PROBLEMS / "poisson_lshape_f1.py", *options)
    history = Path("out/history.jsonl")
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline and not (history.exists() and history.read_text()):
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate()
    assert process.returncode == 130, err
    record = json.loads(out)
    assert record["converged"] is False
    assert "Traceback" not in err
    assert leftovers("out") == []
    assert json.loads(Path("out/summary.json").read_text())["converged"] is False
    solution = Solution.load("out")
    assert not solution.converged
    assert float(solution(-0.5, 0.5)) == float(solution(-0.5, 0.5))  # a number, not nan
