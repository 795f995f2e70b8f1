"""Types: every Python block of the README is strictly typed as its reader writes it, and editors complete names."""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pdesolve

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = ("torch", "numpy", "scipy", "matplotlib", "meshio", "pyvista", "pandas", "xarray", "distributed")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.M | re.S)


def test_the_package_says_that_it_is_typed():
    assert (Path(pdesolve.__file__).parent / "py.typed").exists()


@pytest.mark.slow
def test_mypy_accepts_every_python_block_of_the_readme(tmp_path):
    assert BLOCKS
    for number, block in enumerate(BLOCKS):
        (tmp_path / f"block_{number}.py").write_text(block)
    # A reader's own functions are annotated or not as he likes; what he imports and calls is checked strictly.
    options = ["--strict", "--allow-untyped-defs", "--allow-untyped-calls", "--follow-imports=silent"]
    # To read the libraries takes three quarters of the time; how they are called is theirs to check.
    skipped = "\n".join(f"[mypy-{name}.*]\nfollow_imports = skip\n" for name in LIBRARIES)
    (tmp_path / "mypy.ini").write_text(f"[mypy]\n{skipped}")
    command = [sys.executable, "-m", "mypy", *options, "--cache-dir", str(tmp_path / "cache"), "."]
    # An editable installation is found by its folder only.
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("function", [pdesolve.solve, pdesolve.Problem, pdesolve.plot, pdesolve.export])
def test_every_argument_is_named_and_explained(function):
    """What Python knows of them, editors and `help()` show: no decorator hides the names."""
    explained = inspect.getdoc(function)
    for parameter in inspect.signature(function).parameters.values():
        assert re.search(rf"^ *(.*, )?\**{parameter.name}(, .*)?:", explained, re.M), parameter.name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "known"),
    [
        ("import pdesolve\npdesolve.", set(pdesolve.__all__)),
        ("from pdesolve import solve\nsolve(", {"problem=", "method=", "tol=", "time_limit=", "on_record="}),
        (
            "from pdesolve import Problem\nProblem(",
            {"domain=", "equation=", "conditions=", "exact=", "quantities="},
        ),
        (
            "from pdesolve import Problem, solve\n\ndef use(problem: Problem):\n    solve(problem).",
            {"derivative", "differentiable", "estimated_error", "history", "integral", "save", "to_xarray"},
        ),
    ],
    ids=["pdesolve.", "solve(", "Problem(", "solution."],
)
def test_an_editor_completes(code, known):
    jedi = pytest.importorskip("jedi")
    names = {found.name for found in jedi.Script(code, project=jedi.Project(ROOT)).complete()}
    assert known - names == set()
