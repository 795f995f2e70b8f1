"""The file of a problem that a notebook or a script stated, for a sweep that keeps its runs."""

from __future__ import annotations

import shutil
from pathlib import Path

from pdesolve.errors import PdesolveError, UsageError
from pdesolve.runs.wording import named
from pdesolve.statement.loading import load_problem, write_statement
from pdesolve.statement.problem import Problem
from pdesolve.statement.written import HEADER, UnknownSourceError, difference

FILE = "problem.py"


def stated_in(problem: Problem, directory: Path, taken: bool) -> Problem:
    """The problem as a file in the directory of a sweep states it, which is written where it is not there yet.

    Args:
        problem: without a file.
        directory: of the sweep.
        taken: whether there are points in it, which belong to the problem that is stated there.

    Returns:
        The problem of that file, under the name of the given one.

    Raises:
        UsageError: its source is not known, or the directory has the file of another problem.
    """
    path = directory / FILE
    if not _states(path, problem):
        if path.exists() and (
            taken or not path.read_text("utf-8", "replace").startswith(HEADER.split("{")[0])
        ):
            message = f"{path} states another problem than this one: choose another {named('out')}"
            raise UsageError(message)
        _write(problem, path)
    stated = load_problem(path)
    stated.name = problem.name
    return stated


def _states(path: Path, problem: Problem) -> bool:
    """Whether a file is there that states this problem."""
    try:
        return difference(problem, load_problem(path)) is None
    except PdesolveError:
        return False


def _write(problem: Problem, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        read = write_statement(problem, path, lambda again: again)
        # The constants of a variant without a name stand in no statement.
        if not _states(path, problem):
            path.unlink()
            message = "its constants are not those that were stated: assign the variant to a name"
            raise UnknownSourceError(message)
    except UnknownSourceError as error:
        rest = "or give the path of a problem file"
        message = f"each run in {path.parent} keeps a copy of its problem, and {error}; {rest}"
        raise UsageError(message) from error
    for place, file in {**{file.name: file for file in problem.domain.files}, **read}.items():
        target = path.parent / place
        if file.resolve() != target.resolve():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
