from pathlib import Path

import pytest

from pdesolve.methods import METHODS

pytestmark = pytest.mark.usefixtures("fake")

PROBLEMS = Path(__file__).parents[2] / "problems"


def test_problems_are_listed_with_their_first_docstring_line(run):
    assert run("ls", "problems", ".").out == "my_poisson.py  Poisson equation on an interval.\n"


def test_files_that_define_no_problem_are_left_out(run):
    Path("helper.py").write_text('"""Not a problem."""\n')
    assert "helper" not in run("ls", ".").out


def test_a_file_that_cannot_be_parsed_is_listed_as_such(run):
    Path("broken.py").write_text("x = = 1\n")
    assert "broken.py      (cannot be read: line 1: invalid syntax)" in run("ls", ".").out


def test_every_problem_file_has_a_title(run):
    lines = run("ls", "problems", PROBLEMS).out.splitlines()
    assert len(lines) == len([p for p in PROBLEMS.glob("*.py") if "\nproblem = " in p.read_text()])
    assert all(len(line.split(maxsplit=1)) == 2 for line in lines)


@pytest.mark.parametrize("name", METHODS)
def test_methods_are_listed_with_summary_and_settings(name, run):
    out = run("ls", "methods").out
    method = METHODS[name]
    assert f"{name} " in out
    assert method.summary in out
    assert all(f"{key}=" in out for key in method.settings)
