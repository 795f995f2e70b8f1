"""What a saved solution consists of: `solution.pt`, and copies of the problem file and of what it reads."""

from __future__ import annotations

import contextlib
import io
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import pdesolve.approximators as known_approximators
from pdesolve.errors import ProblemError, UsageError
from pdesolve.marching.expansion import KINDS
from pdesolve.runs.answer import SecondSolution
from pdesolve.runs.checksum import checksum
from pdesolve.solution.measures import is_trained
from pdesolve.statement.borders import with_borders
from pdesolve.statement.loading import load_problem, write_statement
from pdesolve.statement.problem import Problem
from pdesolve.statement.subdomains import subdomains_of
from pdesolve.statement.written import UnknownSourceError
from pdesolve.trained.exact_values import ExactValues

FORMAT = "pdesolve solution 1"
FILE = "solution.pt"
PROBLEM = "problem.py"


def write_solution(
    directory: Path, problem: Problem, approximator: Any, provenance: Mapping[str, Any]
) -> Path:
    """Write a solution and copies of all files of its problem; return the path of `solution.pt`.

    Raises:
        OSError: a file cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    # Without the problem file and its data, `solution.pt` could not be read again.
    stated = _copy_files(problem, directory, approximator)
    state = {
        **provenance,
        "format": FORMAT,
        "problem": problem.name,
        "stated": stated,
        "constants": dict(problem.constants),
        "approximator": approximator_state(approximator),
        "verification": _verification_state(provenance.get("verification")),
    }
    state["checksum"] = checksum(state)
    content = io.BytesIO()  # torch hides the reason why a file cannot be written
    torch.save(state, content)
    path = directory / FILE
    # By way of another name: a write that is cut short must not destroy the solution that is there.
    temporary = path.with_suffix(".tmp")
    try:
        temporary.write_bytes(content.getvalue())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        error.filename = str(path)
        raise
    return path


def _copy_files(problem: Problem, directory: Path, approximator: Any) -> bool:
    """Copy the problem file and all that it reads; whether there is such a file."""
    copies = {file.name: file for file in problem.domain.files}  # meshes, which are found by their name alone
    copies |= problem.files
    stated = problem.source_path is not None
    if not stated:
        read = _state_problem(problem, directory, approximator)
        stated = read is not None
        copies |= read or {}
    # A problem file of the name of a result would be lost, were data copied over it.
    copies = {place: file for place, file in copies.items() if place not in (FILE, PROBLEM)}
    if problem.source_path is not None:
        copies[PROBLEM] = Path(problem.source_path)
    for place, file in copies.items():
        target = directory / place
        if file.resolve() != target.resolve():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    return stated


def _state_problem(problem: Problem, directory: Path, approximator: Any) -> dict[str, Path] | None:
    """Write the problem file of a problem that a notebook or a script made; None, and a warning, where none is known.

    Returns:
        What the file reads, by the paths from it.
    """
    path = directory / PROBLEM
    try:
        # A file of the user's own must not be lost.
        if path.exists() and not (directory / FILE).exists():
            message = f"{path} is there already, and was not saved with a solution"
            raise UnknownSourceError(message)
        saved = approximator_state(approximator)
        return write_statement(problem, path, lambda again: _divided_as(saved, again))
    except UnknownSourceError as error:
        warnings.warn(
            f"no copy of the problem is kept in {directory}: {error}. The solution is saved; pass the problem to "
            f"load it, Solution.load('{directory}', problem)",
            stacklevel=5,
        )
        return None


def read_solution(directory: Path, problem: Problem | None) -> tuple[Problem, Any, dict[str, Any]]:
    """Read what `write_solution` wrote: problem, approximator and provenance.

    Args:
        directory: that of the run.
        problem: the problem, where no problem file was saved beside the solution.

    Raises:
        UsageError: there is no solution, or the file is damaged or foreign.
        ProblemError: the problem file does not run any more.
    """
    state = _read_state(directory)
    name = state.pop("problem")
    constants = state.pop("constants")
    stated = state.pop("stated", True)  # solutions saved by earlier versions do not say it
    if problem is None:
        if not stated:
            raise UsageError(_no_copy(directory))
        problem = _load_copy(directory, constants)
        problem.name = name
    problem = _divided_as(state["approximator"], problem)
    beside = state.pop("verification", None)  # solutions saved by earlier versions have none
    if beside is not None:
        expansion = approximator_from(beside["approximator"], problem)
        widened = beside.get("widened", ())
        if isinstance(widened, float):  # earlier versions saved one for all unknowns
            widened = (widened,) * len(problem.unknowns)
        state["verification"] = SecondSolution(
            expansion, beside["shared"], beside.get("condition"), tuple(widened)
        )
    return problem, approximator_from(state.pop("approximator"), problem), state


def _divided_as(saved: dict[str, Any], problem: Problem) -> Problem:
    """The problem as it was solved: with borders that nobody stated where the patches have them."""
    if saved["kind"] != "PartitionedMixture":
        return problem
    part = saved["state"].get("part")
    if part is None or int(part.max()) < max(1, len(subdomains_of(problem))):
        return problem
    return with_borders(problem)


def _read_state(directory: Path) -> dict[str, Any]:
    path = directory / FILE
    if not path.is_file():
        message = f"{directory} holds no {FILE}; expected the directory of a finished run"
        raise UsageError(message)
    try:
        # Weights only: a file from elsewhere must not run code.
        state = torch.load(path, weights_only=True, map_location="cpu")
        known = state["format"] == FORMAT
    except Exception as error:
        kind = type(error).__name__
        message = f"{path} is damaged or no solution of pdesolve ({kind}); run solve again"
        raise UsageError(message) from None
    if not known:
        message = f"{path} was written by another version of pdesolve; run solve again"
        raise UsageError(message)
    expected = state.pop("checksum", None)  # solutions saved by earlier versions have none
    if expected not in (None, checksum(state)):
        message = f"{path} is damaged: its numbers are not those that were saved; run solve again"
        raise UsageError(message)
    del state["format"]
    return state


def _load_copy(directory: Path, constants: Mapping[str, float]) -> Problem:
    """Load the copy of the problem file, which may read data relative to its own folder or to the current one."""
    copy = (directory / PROBLEM).resolve()
    if not copy.is_file():
        raise UsageError(_no_copy(directory))
    try:
        # The folder of the copy first: there, the data are those that were solved with.
        with contextlib.chdir(directory):
            return load_problem(copy, constants or None)
    except ProblemError:
        return load_problem(copy, constants or None)


def _no_copy(directory: Path) -> str:
    return (
        f"{directory} holds no {PROBLEM} of the solution, as the problem was defined outside of a file whose source is "
        f"known: pass it, Solution.load('{directory}', problem)"
    )


def _verification_state(beside: SecondSolution | None) -> dict[str, Any] | None:
    if beside is None:
        return None
    state = approximator_state(beside.expansion)
    return {
        "approximator": state,
        "shared": beside.shared,
        "condition": beside.condition,
        "widened": beside.widened,
    }


def approximator_state(approximator: Any) -> dict[str, Any]:
    """An approximator as tensors, numbers and text."""
    kind = type(approximator).__name__
    if not is_trained(approximator):
        return {"kind": kind, "state": approximator.state()}
    return {"kind": kind, "config": approximator.config(), "state": dict(approximator.state_dict())}


def approximator_from(saved: dict[str, Any], problem: Problem) -> Any:
    """The approximator that `approximator_state` described."""
    if saved["kind"] in KINDS:
        return KINDS[saved["kind"]].from_state(saved["state"], subdomains_of(problem))
    if saved["kind"] == "Lifting":
        inner = saved["config"]
        network = getattr(known_approximators, inner["kind"])(**inner["config"])
        module = ExactValues.of(problem).around(network)
    else:
        module = getattr(known_approximators, saved["kind"])(**saved["config"])
    module.to(next(iter(saved["state"].values())).dtype)
    module.load_state_dict(saved["state"])
    return module
