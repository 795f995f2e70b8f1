"""Loading problem files: names, precision, overridden constants, and errors that point to a line."""

import sys

import pytest
import torch

from pdesolve.errors import ProblemError, UsageError
from pdesolve.statement.loading import load_problem

GOOD = """
import torch
from pdesolve import Dirichlet, Interval, Problem

interval = Interval(0, 1)
table = torch.tensor([0.1, 0.2])


def decay(u, rate):
    return u.x + rate * u


problem = Problem(
    domain=interval,
    equation=decay,
    conditions=[Dirichlet(1, on=interval.left)],
    constants={"rate": 2.0},
)
"""


def write(folder, text, name="decay.py"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_problem_is_named_after_its_file(tmp_path):
    path = write(tmp_path, GOOD, "my_decay.py")
    problem = load_problem(path)
    assert problem.name == "my_decay"
    assert problem.source_path == path.resolve()
    assert problem.unknowns == ("u",)


def test_tensors_are_made_in_double_precision_while_a_file_loads(tmp_path):
    before = torch.get_default_dtype()
    problem = load_problem(write(tmp_path, GOOD))
    assert problem.equation.__globals__["table"].dtype == torch.float64
    assert torch.get_default_dtype() == before


def test_the_default_precision_returns_after_a_failure(tmp_path):
    before = torch.get_default_dtype()
    with pytest.raises(ProblemError):
        load_problem(write(tmp_path, "1 / 0"))
    assert torch.get_default_dtype() == before


def test_constants_can_be_overridden(tmp_path):
    path = write(tmp_path, GOOD)
    assert load_problem(path, {"rate": 5}).constants == {"rate": 5.0}
    assert load_problem(path, {"rate": 5}).name == "decay"
    assert load_problem(path).constants == {"rate": 2.0}


def test_an_override_of_an_unknown_constant_names_those_there_are(tmp_path):
    with pytest.raises(ProblemError, match=r"speed.*rate"):
        load_problem(write(tmp_path, GOOD), {"speed": 5})


def test_an_override_must_be_a_number(tmp_path):
    with pytest.raises(UsageError, match=r"rate=fast.*number"):
        load_problem(write(tmp_path, GOOD), {"rate": "fast"})


def test_what_a_file_prints_does_not_mix_with_results(tmp_path, capsys):
    load_problem(write(tmp_path, GOOD + "print('hello')\n"))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "hello\n"


def test_a_module_beside_the_file_can_be_imported(tmp_path):
    write(tmp_path, "rate = 3.0\n", "numbers_of_this_problem.py")
    text = GOOD.replace('{"rate": 2.0}', '{"rate": rate}')
    path = list(sys.path)
    problem = load_problem(write(tmp_path, f"from numbers_of_this_problem import rate\n{text}"))
    assert problem.constants == {"rate": 3.0}
    assert sys.path == path


def test_an_error_in_a_called_function_is_found_at_the_line_of_the_file(tmp_path):
    text = "import json\n\n\ndef broken():\n    json.loads('{')\n\n\nbroken()\n"
    with pytest.raises(ProblemError, match=r"decay\.py, line 5: JSONDecodeError"):
        load_problem(write(tmp_path, text))


def test_the_original_error_stays_attached_for_debugging(tmp_path):
    with pytest.raises(ProblemError) as caught:
        load_problem(write(tmp_path, "1 / 0"))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    ("name", "fragments"),
    [("decai.py", "did you mean .*decay.py"), ("decay", "did you mean .*decay.py"), (".", "folder")],
)
def test_a_wrong_path_is_answered_with_the_nearest_one(tmp_path, name, fragments):
    write(tmp_path, GOOD)
    with pytest.raises(UsageError, match=fragments):
        load_problem(tmp_path / name)


def test_a_file_that_is_no_python_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"\.py"):
        load_problem(write(tmp_path, GOOD, "decay.txt"))
    binary = tmp_path / "binary.py"
    binary.write_bytes(b"\x00\x01\xff\xfe")
    with pytest.raises(ProblemError, match=r"binary\.py"):
        load_problem(binary)
