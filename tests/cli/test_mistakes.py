"""What people write in their first hour, and the sentence that they get: kept, so that a change is meant."""

import warnings
from pathlib import Path

import pytest
from snapshot import assert_as_kept

import pdesolve
from pdesolve.errors import PdesolveError, ProblemError, UsageError

HEAD = """import math
import numpy as np
import torch
from torch import pi, sin
from pdesolve import *

square, disk = Rectangle((0, 0), (1, 1)), Disk((0.5, 0.5), 0.2)
part, line = square - disk, Interval(0, 1)
zero = Dirichlet(0, on=square.boundary)

"""
EQUATIONS = {
    "unknown called": "-laplace(u) - u(x, y)",
    "torch's grad of a field": "torch.autograd.grad(u, x, create_graph=True)[0] - 1",
    "torch's grad of a sum": "torch.autograd.grad(u.sum(), x)[0] - 1",
    "choice by and": "-laplace(u) - ((x > 0.2) and (x < 0.4))",
    "choice by if": "-laplace(u) - (1.0 if x < 0.5 else 0.0)",
    "choice by max": "-laplace(u) - max(x, 0.5)",
    "sine of math": "-laplace(u) - math.sin(x)",
    "sine of numpy": "-laplace(u) - np.sin(u)",
    "derivative dx": "-u.dx - 1",
    "derivative by method": "u.diff(x)",
    "derivative along t": "u.t - laplace(u)",
    "laplacian": "laplacian(u)",
    "gradient": "gradient(u)",
    "first point": "laplace(u) - x[0]",
    "equality": "laplace(u) == 0",
    "truth of a field": "laplace(u) if u else u",
    "vector": "grad(u)",
    "number": "0",
    "nothing": "print(u)",
    "mean": "laplace(u) - u.mean()",
    "random": "laplace(u) - torch.rand(len(x))",
    "squared column": "laplace(u) - x[:, None]",
    "float of a field": "laplace(u) - float(u)",
    "complex": "laplace(u) - 1j * u",
    "diff of u": "diff(u, x)",
    "square of a gradient": "laplace(u) - grad(u) ** 2",
}
PROBLEMS = {
    "pde=": "Problem(domain=square, pde=lambda u: laplace(u), conditions=[zero])",
    "bcs=": "Problem(square, lambda u: laplace(u), bcs=[zero])",
    "geometry=": "Problem(geometry=square, equation=lambda u: laplace(u), conditions=[zero])",
    "conditons=": "Problem(square, lambda u: laplace(u), conditons=[zero])",
    "face of a difference": "Problem(part, lambda u: laplace(u), [Dirichlet(0, on=part.top)])",
    "face of a disk": "Problem(disk, lambda u: laplace(u), [Dirichlet(0, on=disk.left)])",
    "face by text": "Problem(square, lambda u: laplace(u), [Dirichlet(0, on='left')])",
    "boundary called": "Problem(square, lambda u: laplace(u), [Dirichlet(0, on=square.boundary())])",
    "no place": "Problem(square, lambda u: laplace(u), [Dirichlet(0)])",
    "where=": "Problem(square, lambda u: laplace(u), [Dirichlet(0, where=square.boundary)])",
    "side of a difference": "Problem(part, lambda u: laplace(u), [Dirichlet(0, on=part.left)])",
    "conductivity of a wall": "Problem(square, lambda u: laplace(u), [Neumann(1, on=square.left, k=2.0)])",
    "condition alone": "Problem(square, lambda u: laplace(u), zero)",
    "value by if": "Problem(square, lambda u: laplace(u), [Dirichlet(lambda x: max(x, 0.5), on=square.boundary)])",
    "value of a stranger": "Problem(square, lambda u: laplace(u), [Dirichlet(lambda s: s, on=square.boundary)])",
    "domain of numbers": "Problem([0, 1], lambda u: laplace(u), [zero])",
    "equation in text": "Problem(square, 'laplace(u) = 0', [zero])",
    "CAD file": "Problem(load_mesh('part.step'), lambda u: laplace(u), [])",
    "no mesh file": "Problem(load_mesh('part.msh'), lambda u: laplace(u), [])",
    "time without interval": "Problem(square, lambda u: laplace(u), [zero, Initial(0)])",
    "interval backwards": "Problem(Interval(1, 0), lambda u: u.xx, [])",
    "domain times number": "Problem(square * 2, lambda u: laplace(u), [zero])",
    "two unknowns, one equation": "Problem(square, lambda u, v: laplace(u) + v, [zero])",
    "unknown not said": "Problem(square, lambda u, v: (laplace(u), laplace(v)), [zero])",
    "constant in text": "Problem(square, lambda u, k: k * laplace(u), [zero], constants={'k': 'two'})",
    "no condition": "Problem(square, lambda u: laplace(u), [])",
    "four corners": "Problem(Rectangle(0, 0, 1, 1), lambda u: laplace(u), [])",
    "args": "Problem(square, lambda *args: args[0], [zero])",
}


def sentence(text: str, folder: Path) -> str:
    """The first finding about a problem file."""
    file = folder / "mine.py"
    file.write_text(HEAD + text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pdesolve.check(pdesolve.load_problem(file)).lines()[0]
    except PdesolveError as error:
        return f"error: {error}"


def test_every_mistake_gets_the_sentence_that_is_kept(tmp_path):
    texts = {
        name: f"problem = Problem(square, lambda u, x, y: {equation}, [zero])\n"
        for name, equation in EQUATIONS.items()
    }
    texts |= {name: f"problem = {problem}\n" for name, problem in PROBLEMS.items()}
    assert len(texts) >= 40
    found = {name: sentence(text, tmp_path).replace(str(tmp_path), ".") for name, text in texts.items()}
    assert [name for name, said in found.items() if not said.startswith("error: ")] == []
    assert_as_kept("mistakes", "\n".join(f"{name}\n    {said}" for name, said in found.items()))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"tolerance": 1e-3}, "did you mean 'tol'?"),
        ({"cels": 3}, "did you mean 'cells'?"),
        ({"degre": 3}, "did you mean 'degree'?"),
        ({"timeout": 3}, "did you mean 'time_limit'?"),
        ({"method": "gmmn"}, "did you mean 'gmnm'?"),
    ],
    ids=str,
)
def test_settings_of_solve_are_suggested(settings, words):
    square = pdesolve.Rectangle((0, 0), (1, 1))
    problem = pdesolve.Problem(
        square, lambda u: pdesolve.laplace(u) - 1, [pdesolve.Dirichlet(0, on=square.boundary)]
    )
    with pytest.raises(UsageError) as error:
        pdesolve.solve(problem, **settings)
    assert words in str(error.value)


def test_errors_have_the_parents_that_people_expect():
    assert issubclass(UsageError, ValueError)
    assert issubclass(ProblemError, ValueError)
    assert issubclass(pdesolve.SolveError, RuntimeError)
    with pytest.raises(TypeError):
        pdesolve.Problem(pde=1)
    with pytest.raises(AttributeError):
        _ = pdesolve.Disk((0, 0), 1).left


@pytest.mark.usefixtures("fake")
def test_a_second_process_is_refused_while_the_first_writes(run):
    from pdesolve.runs.lock import DirectoryLock

    Path("mine").mkdir()
    lock = DirectoryLock(Path("mine"))
    lock.acquire()
    for options in ([], ["--force"]):
        result = run("solve", "my_poisson.py", "--out", "mine", *options)
        assert result.code == 2
        assert "is writing to mine" in result.sentence
    lock.release()
    assert run("solve", "my_poisson.py", "--out", "mine").code == 3
    assert not list(Path("mine").glob(".*"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"cells": 10**8}, "patches"), ({"degree": 10**5}, "at most 60"), ({"max_degree": 61}, "at most 60")],
    ids=str,
)
def test_numbers_that_no_memory_holds_are_refused(settings, words):
    square = pdesolve.Rectangle((0, 0), (1, 1))
    problem = pdesolve.Problem(
        square, lambda u: pdesolve.laplace(u) - 1, [pdesolve.Dirichlet(0, on=square.boundary)]
    )
    with pytest.raises(UsageError, match=words):
        pdesolve.solve(problem, **settings)
    for points in (10**8, 1):
        with pytest.raises(UsageError, match="expected 2 to 10,000,000"):
            pdesolve.export(None, "u.vtu", points=points)
