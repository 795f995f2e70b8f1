import json
import os
import subprocess
import sys

import pytest

from pdesolve.cli.answer import KEYS

QUICK = (["--help"], ["--version"], ["ls", "."], ["ls", "methods"], ["ls", "formats"], ["solve", "--help"])
HEAVY = "torch numpy scipy matplotlib meshio"


@pytest.mark.parametrize("arguments", QUICK, ids=" ".join)
@pytest.mark.usefixtures("fake")
def test_answers_without_importing_torch(arguments):
    code = (
        f"import sys; from pdesolve.cli.main import main; code = main({arguments}); "
        f"sys.exit(code or ', '.join(set(sys.modules) & set('{HEAVY}'.split())) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["bogus"], "No such command 'bogus'"),
        (["solve"], "Missing argument 'FILE'"),
        (["solve", "my_poisson.py", "--tool", "1"], "Did you mean '--tol'?"),
        (["solve", "my_poisson.py", "--tol", "small"], "'small' is not a valid float"),
        (["solve", "my_poisson.py", "--tol", "2"], "expected a relative error between 0 and 1"),
        (["solve", "my_poisson.py", "--tol", "nan"], "expected a relative error between 0 and 1"),
        (["solve", "my_poisson.py", "--seed", "-1"], "--seed -1: expected a whole number from 0"),
        (["solve", "my_poisson.py", "--method", "magic"], "the methods are gmnm"),
        (["solve", "my_poisson.py", "--dtype", "int8"], "expected float64 or float32"),
        (["solve", "my_poisson.py", "--device", "abacus"], "expected auto, cpu"),
        (["solve", "my_poisson.py", "--set", "colour=red"], "its settings are cells"),
        (["solve", "my_poisson.py", "--set", "cells"], "expected KEY=VALUE"),
        (["solve", "my_poisson.py", "--set", "cells=1", "--set", "cells=2"], "cells is given twice"),
        (["solve", "my_poisson.py", "--param", "nu=thin"], "expected a number"),
        (["solve", "my_poisson.py", "--param", "mu=1"], "the constants of this problem are: nu"),
        (["solve", "my_poisson.py", "--time-limit", "0"], "a number above 0"),
        (["solve", "my_poisson.py", "--resume", "--force"], "give one of them"),
        (["solve", "my_poisson.py", "--resume"], "there is no run"),
        (["solve", "my_poisson.py", "--resume", "--out", "."], "no run.json"),
        (["solve", "my_poisson.py", "--vtk", "solution"], "expected one of .vtu .pvd"),
        (["solve", "my_poisson.py", "--vtk", "u.stl"], "expected one of .vtu .pvd"),
        (["solve", "my_poisson.py", "--plot", "u.gif"], "the ending .png, .pdf, .svg"),
        (["solve", "my_poisson.py", "--plot", "."], "is a folder"),
        (["solve", "my_poisson.py", "--out", "my_poisson.py"], "already exists"),
        (["solve", "my_poisson.py", "--out", "my_poisson.py", "--force"], "File exists"),
        (["solve", "my_poisson.py", "--out", "."], "already exists and is not empty"),
        (["solve", "my_poison.py"], "did you mean my_poisson.py?"),
        (["solve", "empty.py"], "defines no `problem`"),
        (["solve", "broken.py"], "broken.py, line 2"),
        (["solve", "."], "is a folder"),
        (["check", "my_poison.py"], "did you mean my_poisson.py?"),
        (["check", "broken.py", "--debug"], "broken.py, line 2"),
        (["export", ".", "u.vtu"], "no solution.pt"),
        (["plot", "nowhere", "u.png"], "no solution.pt"),
        (["ls", "nothing"], "expected ls problems, ls methods"),
        (["ls", "problems", "nowhere"], "there is no folder 'nowhere'"),
        (["ls", "methods", "."], "takes no folder"),
        (["ls", "method"], "did you mean 'methods'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_sentence_and_exit_code_2(arguments, words, here, run):
    before = here()
    result = run(*arguments)
    assert result.code == 2
    assert words in result.err + result.out
    if "--debug" not in arguments:
        assert "Traceback" not in result.err
        assert len((result.err or result.out).strip().splitlines()) <= 2
    assert here() == before, "something was written"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The real solver, in a folder with good and broken problem files; returns its contents when called."""
    import fakes

    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_poisson.py").write_text(fakes.PROBLEM)
    (tmp_path / "empty.py").write_text("x = 1\n")
    (tmp_path / "broken.py").write_text("x = 1\ny = = 2\n")
    return lambda: {
        path: path.read_bytes() if path.is_file() else None
        for path in tmp_path.rglob("*")
        if "__pycache__" not in path.parts
    }


@pytest.mark.parametrize(
    "arguments",
    [["--bogus"], ["nowhere.py"], ["my_poisson.py", "--set", "fail=solve"], ["my_poisson.py"], []],
    ids=" ".join,
)
@pytest.mark.usefixtures("fake")
def test_json_is_one_object_with_every_key_whatever_fails(arguments, run):
    result = run("solve", "--json", *arguments)
    assert result.code in (1, 2, 3)
    assert set(result.json) == set(KEYS)
    if result.code != 3:
        assert result.json["error"] in result.err
    assert result.json["versions"]["python"]


@pytest.mark.usefixtures("fake")
def test_an_unexpected_error_names_itself_and_the_way_to_its_traceback(run):
    arguments = ["solve", "my_poisson.py", "--set", "fail=unexpected"]
    result = run(*arguments)
    assert result.code == 1
    assert result.sentence == "error: ValueError: boom; run with --debug for the traceback"
    assert "Traceback" not in result.err
    assert "Traceback" in run(*arguments, "--debug").err


@pytest.mark.usefixtures("fake")
def test_a_closed_pipe_is_no_error():
    command = f"{sys.executable} -m pdesolve.cli.main ls methods | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("0", "")


def test_a_poor_encoding_is_no_error():
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-m", "pdesolve.cli.main", "solve", "--help"],
        capture_output=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr


def test_without_a_command_help_is_shown(run):
    result = run()
    assert result.code == 0
    assert all(command in result.out for command in "check export info ls plot solve".split())


def test_info_names_versions_and_devices(run):
    result = run("info")
    assert result.code == 0
    for word in ("pdesolve", "torch", "python", "cores", "threads", "cpu"):
        assert word in result.out
    assert not json.dumps(result.err).strip('"')
