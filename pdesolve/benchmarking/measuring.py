"""Errors along the way: θ is copied while a method trains, and what it was worth is measured afterwards."""

from __future__ import annotations

import functools
import hashlib
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pdesolve.references.cache import cache_directory
from pdesolve.runs.monitor import Monitor, State, made
from pdesolve.solution.solution import Solution
from pdesolve.statement.problem import Problem

# Seconds before the second copy, and between copies relative to the time passed
FIRST = 0.05
# Copies at times that grow geometrically: as many per decade of time, whatever the length of the run.
GROWTH = 1.25
# Of a Sobol sequence: a power of two, at which it is balanced.
POINTS = 4096
# Points along each side of a picture of the error
PICTURE = 48


@dataclass
class RecordingMonitor(Monitor):
    """A monitor that keeps copies of θ at times that grow geometrically; a copy takes microseconds."""

    copies: list[dict[str, Any]] = field(default_factory=list)
    _due: float = 0.0

    def checkpoint(self, state: State, force: bool = False) -> None:
        """Keep a copy of the best θ so far when it is due; nothing is written to a file."""
        now = self.seconds
        if self.values_at is None or not (force or now >= self._due):
            return
        # Geometric, but never so close at the start that copying were work.
        self._due = max(now + FIRST, GROWTH * now)
        whole: dict[str, Any] = made(state)
        before = whole.get("before", 0)
        stage: dict[str, Any] = whole.get("stage_state", whole)
        self.copies.append(
            {
                "seconds": now,
                "iteration": before + stage["iteration"],
                "evaluations": self.evaluations,
                "loss": stage.get("best_loss", stage.get("loss")),
                "theta": stage.get("best_theta", stage["theta"]).detach().clone(),
            }
        )


def remember_references(problem: Problem, source: str) -> None:
    """Keep values of the problem's reference in the user's cache directory: all runs measure at the same points.

    Args:
        problem: whose reference is replaced by one that looks there first.
        source: names the text of the problem, which the values belong to.
    """
    folder = cache_directory() / "references"
    problem.reference = {
        unknown: _remembered(function, folder, f"{source} {unknown} {problem.constants}")
        for unknown, function in (problem.reference or {}).items()
        if callable(function)
    }


def _remembered(function: Callable[..., Any], folder: Path, name: str) -> Callable[..., Any]:
    @functools.wraps(function)  # arguments are matched by name
    def values(*positional: Any, **named: Any) -> Any:
        arguments = [*positional, *named.values()]
        if not all(isinstance(a, Tensor) and not a.requires_grad for a in arguments):
            return function(*positional, **named)
        digest = hashlib.sha256(f"{name} {list(named)} {arguments[0].dtype}".encode())
        for argument in arguments:
            digest.update(argument.contiguous().numpy().tobytes())
        path = folder / f"{digest.hexdigest()}.pt"
        if path.is_file():
            return torch.load(path, weights_only=True)
        found = function(*positional, **named)
        if isinstance(found, Tensor):
            folder.mkdir(parents=True, exist_ok=True)
            # Under a name of its own and renamed: other runs look for it at the same time.
            own = path.with_suffix(f".{os.getpid()}")
            torch.save(found, own)
            own.replace(path)
        return found

    return values


def error_history(problem: Problem, monitor: RecordingMonitor) -> list[dict[str, Any]]:
    """Seconds, iteration, evaluations, loss and error of every copy.

    The error is relative L2 on 4,096 points of a Sobol sequence that no method trains on; None where the
    solution is not known.
    """
    # A seed that no method uses for its own points.
    x = problem.domain.sample(POINTS, sampler="sobol", seed=987_654)
    known = problem.exact or problem.reference
    if known:
        exact = problem.values(known, x)
    else:
        exact = None
    rows = []
    for copy in monitor.copies:
        row = {key: _short(value) for key, value in copy.items() if key != "theta"}
        row["error"] = None
        if exact is not None and monitor.values_at is not None:
            row["error"] = _short(_relative(monitor.values_at(copy["theta"], x), exact))
        rows.append(row)
    return rows


def _relative(values: Tensor, exact: Tensor) -> float:
    """The largest over the unknowns; a reference may be known in part only."""
    values = values.to(exact).cpu()
    seen = torch.isfinite(exact)
    difference = torch.where(seen, values - exact, 0.0).norm(dim=0)
    size = torch.where(seen, exact, 0.0).norm(dim=0)
    return float(torch.where(size > 0, difference / size, difference).max())


def _short(value: Any) -> Any:
    """Four digits are enough for a curve."""
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.4g}")
    return value


def error_picture(solution: Solution) -> Mapping[str, Any] | None:
    """log10 |u - u*| of the first unknown on a grid, as rows of numbers; None but in two coordinates."""
    problem = solution.problem
    if problem.domain.dimension != 2 or not (problem.exact or problem.reference):
        return None
    lower, upper = problem.domain.bounds
    axes = [torch.linspace(float(a), float(b), PICTURE) for a, b in zip(lower, upper, strict=True)]
    grid = torch.cartesian_prod(*axes).double()
    inside = problem.domain.contains(grid)
    error = torch.full((len(grid),), math.nan, dtype=torch.float64)
    exact = solution.exact_values(grid[inside])
    assert exact is not None
    # Zero has no logarithm; a tenth of the rounding of one stands for it.
    difference = (solution.evaluate(grid[inside]).to(exact) - exact)[:, 0].abs()
    error[inside] = difference.clamp_min(1e-17).log10()
    rows = error.reshape(PICTURE, PICTURE).T.tolist()
    return {
        "names": list(problem.coordinates),
        "lower": lower.tolist(),
        "upper": upper.tolist(),
        "log10_error": [[round(v, 2) if math.isfinite(v) else None for v in row] for row in rows],
    }
