"""Load a problem file: run it in double precision, find `problem` in it, say in a sentence what is wrong."""

from __future__ import annotations

import builtins
import contextlib
import copyreg
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

import pdesolve
from pdesolve.errors import PdesolveError, ProblemError, UsageError, did_you_mean
from pdesolve.runs.run_directory import problem_sha256
from pdesolve.runs.wording import named
from pdesolve.statement.problem import Problem
from pdesolve.statement.reading import files_beside, files_opened
from pdesolve.statement.written import UnknownSourceError, difference, statement_of


def load_problem(path: str | Path, params: Mapping[str, float] | None = None) -> Problem:
    """Load the problem that a file defines under the name `problem`.

    While the file runs, torch's default dtype is float64 and what it prints goes to standard error.

    Args:
        path: a Python file.
        params: constants of the problem to override, name → number.

    Returns:
        The problem, with `name` the stem of the file, `source_path` its path, and `files` what it reads.

    Raises:
        UsageError: there is no such file, it is no Python file, or what was given is no path.
        ProblemError: the file fails, or defines no problem; the sentence names file, line and cause.
    """
    if not isinstance(path, (str, os.PathLike)):
        message = (
            f"received a value of type {type(path).__name__}; expected a Problem, or the path of its file"
        )
        raise UsageError(message)
    return _loaded(_existing(Path(path)), params)


def _loaded(path: Path, params: Mapping[str, float] | None, folder: Path | None = None) -> Problem:
    with files_opened() as opened:
        problem = _find_problem(_run(path), path)
    if params:
        problem = problem.with_constants(_numbers(params))
    problem.name = path.stem
    problem.source_path = path.resolve()
    problem.files = files_beside(path, opened, folder)
    return problem


def write_statement(problem: Problem, path: Path, alike: Callable[[Problem], Problem]) -> dict[str, Path]:
    """Write a file that states a problem which a notebook or a script made.

    Args:
        problem: without a file.
        path: of the file.
        alike: what becomes of the problem that the file states before it is solved.

    Returns:
        What the file reads, by the paths from it.

    Raises:
        UnknownSourceError: Python does not know the source, or what it says is not the problem.
    """
    text, folder = statement_of(problem)
    part = path.with_name(f"{path.stem}_part.py")
    try:
        part.write_text(text, "utf-8")
        again = _loaded(part, problem.constants, folder)
        differs = difference(problem, alike(again))
        if differs is not None:
            message = f"what was run states another problem now ({differs} differs)"
            raise UnknownSourceError(message)
        part.replace(path)
    except PdesolveError as error:
        message = f"its statements do not run by themselves ({error})"
        raise UnknownSourceError(message) from error
    finally:
        part.unlink(missing_ok=True)
    return again.files


def _reduced(problem: Problem) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """How a problem is pickled: by its file and what was changed since, as functions of a file are known there only."""
    if problem.source_path is None:
        return problem.__reduce_ex__(2)  # type: ignore[return-value]
    path = Path(problem.source_path)
    return _restored, (path, problem_sha256(path.read_bytes()), problem.changes, problem.name)


def _restored(path: Path, sha256: str, changes: Mapping[str, Any], name: str) -> Problem:
    """The problem again, in another process.

    Raises:
        ProblemError: its file is not the one that it was.
    """
    if not path.is_file() or problem_sha256(path.read_bytes()) != sha256:
        message = (
            f"{path} has changed, or is gone, since the problem was pickled; solve it again from the new file"
        )
        raise ProblemError(message)
    problem = load_problem(path).changed(changes)
    problem.name = name
    return problem


# Not a method of the problem, which knows nothing of files.
copyreg.pickle(Problem, _reduced)  # type: ignore[arg-type]


def _existing(path: Path) -> Path:
    if path.is_dir():
        message = f"{path} is a folder; expected a problem file such as {path / 'poisson_2d.py'}"
        raise UsageError(message)
    if not path.exists():
        folder = path.parent
        names = [p.name for p in folder.glob("*.py")]
        near = get_close_matches(path.name, names) or get_close_matches(f"{path.name}.py", names)
        hint = "expected the path of a problem file"
        if near:
            hint = f"did you mean {folder / near[0]}?"
        message = f"there is no file {path}: {hint}"
        raise UsageError(message)
    if path.suffix != ".py":
        message = f"{path} is no Python file; expected a problem file with the ending .py"
        raise UsageError(message)
    return path


def _numbers(params: Mapping[str, float]) -> dict[str, float]:
    numbers = {}
    for name, value in params.items():
        try:
            numbers[name] = float(value)
        except (TypeError, ValueError):
            message = f"{named('param')} {name}={value}: expected a number"
            raise UsageError(message) from None
    return numbers


def _run(path: Path) -> ModuleType:
    """Execute the file as a module."""
    try:
        code = compile(path.read_bytes(), str(path), "exec")
    except SyntaxError as error:
        line = (error.text or "").strip()
        shown = f" in `{line}`" * bool(line)
        place = path.name
        if error.lineno is not None:
            place += f", line {error.lineno}"
        message = f"{place}: {error.msg}{shown}"
        raise ProblemError(message) from error
    except (OSError, ValueError) as error:
        message = f"{path.name} cannot be read as Python: {error}"
        raise ProblemError(message) from error
    name = f"pdesolve_problem_{path.stem}"
    module = ModuleType(name)
    module.__file__ = str(path)
    with _surroundings(path, module):
        try:
            exec(code, module.__dict__)
        # Ctrl-C while the file runs means the program and is no fault of the file.
        except KeyboardInterrupt:
            raise
        # SystemExit too: a file that stops Python must not stop the program without a word.
        except BaseException as error:
            raise ProblemError(_sentence(error, path)) from error
    return module


@contextlib.contextmanager
def _surroundings(path: Path, module: ModuleType) -> Iterator[None]:
    """Double precision, prints to standard error, and modules beside the file can be imported."""
    dtype = torch.get_default_dtype()
    folder = str(path.resolve().parent)
    torch.set_default_dtype(torch.float64)
    # At the end of the path, so that a module beside the file never hides one of Python.
    known_folder = folder in sys.path
    if not known_folder:
        sys.path.append(folder)
    # Dataclasses and pickle look modules up by their names.
    sys.modules[module.__name__] = module
    try:
        # Standard output belongs to the answer, which may be JSON.
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        torch.set_default_dtype(dtype)
        if not known_folder and folder in sys.path:
            sys.path.remove(folder)


def _sentence(error: BaseException, path: Path) -> str:
    """File, line and cause of an error raised while the file ran."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    place = path.name
    if lines:
        place += f", line {lines[-1]}"
    if isinstance(error, PdesolveError):
        return f"{place}: {error}"
    if isinstance(error, SystemExit):
        return f"{place}: the file stopped Python (SystemExit); a problem file only defines `problem`"
    cause = f"{type(error).__name__}: {error}".replace(".__init__()", "(…)")
    return f"{place}: {cause}{_suggestion(error)}"


def _suggestion(error: BaseException) -> str:
    """What may have been meant by a name that does not exist."""
    wrong, known = _unknown_name(error)
    near = did_you_mean(wrong, [name for name in known if not name.startswith("_")])
    if near:
        return near
    if expected := _expected_arguments(error):
        return f"; it is {expected}"
    if wrong and isinstance(error, TypeError):
        return f"; it takes {', '.join(name for name in known if name != 'self')}{_meaning(error)}"
    if re.search(r"'\w+' object is not callable", str(error)):
        return "; it is no function: leave out the parentheses after it"
    if isinstance(error, ModuleNotFoundError):
        return "; is it installed, or misspelled?"
    return ""


def _unknown_name(error: BaseException) -> tuple[str, Iterable[str]]:
    """The name that was not found, and those that there are."""
    if isinstance(error, AttributeError) and error.name and error.obj is not None:
        return error.name, dir(error.obj)
    if isinstance(error, NameError) and error.name:
        # The innermost frame is the one in which the name was looked up.
        frame = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][-1]
        return error.name, [*frame.f_locals, *frame.f_globals, *vars(builtins)]
    if isinstance(error, ImportError):
        return _unknown_import(error)
    if isinstance(error, TypeError):
        return _unknown_argument(error)
    return "", ()


def _unknown_import(error: ImportError) -> tuple[str, Iterable[str]]:
    # Python 3.11 tells the module, and the name in its message only.
    found = re.search(r"cannot import name '(\w+)'", str(error))
    if found is None:
        return "", ()
    return found[1], dir(sys.modules.get(error.name or ""))


def _unknown_argument(error: TypeError) -> tuple[str, Iterable[str]]:
    # No attribute of the error tells either name.
    found = re.search(r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'", str(error))
    if found is None or found[1] not in pdesolve.__all__:
        return "", ()
    return found[2], inspect.signature(getattr(pdesolve, found[1])).parameters


def _meaning(error: TypeError) -> str:
    """What something of this package states, where it was given an argument that it does not have."""
    found = re.search(r"(\w+)\.__init__\(\)", str(error))
    if found is None:
        return ""
    return f": {inspect.getdoc(getattr(pdesolve, found[1])).splitlines()[0].rstrip('.')}"  # type: ignore[union-attr]


def _expected_arguments(error: BaseException) -> str:
    """How something of this package is called, where it received too many arguments, or too few."""
    found = re.search(r"(\w+)\.__init__\(\) (takes|missing) .*positional argument", str(error))
    if found is None or found[1] not in pdesolve.__all__:
        return ""
    parameters = inspect.signature(getattr(pdesolve, found[1])).parameters.values()
    shown = [p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in parameters]
    return f"{found[1]}({', '.join(shown)})"


def _find_problem(module: ModuleType, path: Path) -> Problem:
    if not hasattr(module, "problem"):
        others = [name for name, value in vars(module).items() if isinstance(value, Problem)]
        found = f"; it defines {' and '.join(others)}: rename it to problem" * bool(others)
        message = f"{path.name} defines no `problem`{found}; expected a line `problem = Problem(…)`"
        raise ProblemError(message)
    problem = module.problem
    if not isinstance(problem, Problem):
        message = f"`problem` in {path.name} is a {type(problem).__name__}; expected a Problem(…)"
        raise ProblemError(message)
    return problem
