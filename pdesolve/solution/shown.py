"""A solution as people look at it: a short table in a terminal, the same with its picture in a notebook."""

from __future__ import annotations

from typing import Any

from pdesolve.runs.html import pairs, pictures
from pdesolve.solution.spectrum import in_words


def rows(solution: Any) -> list[tuple[str, str]]:
    """Names and values of the figures that are known, at most nine beside eigenvalues."""
    figures = {
        "relative L2 error": solution.relative_l2_error(),
        "largest error": solution.max_error(),
        "estimated error": solution.estimated_error,
        "residual (rms)": solution.residual_rms,
    }
    shown = [(name, f"{value:.1e}") for name, value in figures.items() if value is not None]
    shown[:0] = _of_goal(solution)
    parameters = ", ".join(f"{name} = {value:.6g}" for name, value in solution.parameters.items())
    if solution.spectrum:
        shown[:0] = in_words(solution.spectrum, solution.problem.eigenvalues.name)
    return [
        *shown,
        *([("identified", parameters)] if parameters else []),
        ("unknowns", f"{', '.join(solution.unknowns)} in {solution.degrees_of_freedom:,} degrees of freedom"),
        ("method", f"{solution.method}, tolerance {solution.tol:g}, {solution.seconds:.3g} s"),
        ("status", solution.status),
    ]


def _of_goal(solution: Any) -> list[tuple[str, str]]:
    """What is estimated in the norm that was asked for; nothing where that is the relative L2 norm."""
    goal = solution.goal_summary().get("goal")
    if not goal:
        return []
    shown = [
        f"{name} {one['estimated_error']:.1e}"
        for name, one in goal["unknowns"].items()
        if one["estimated_error"] is not None
    ]
    return [(f"in the {goal['norm']} norm", ", ".join(shown) or "unknown")]


def text(solution: Any) -> str:
    """The table in plain text."""
    head = f"Solution of {solution.problem.name}: {'solved' if solution.converged else 'not verified'}"
    return "\n".join([head, *(f"  {name:<20}{value}" for name, value in rows(solution))])


def html(solution: Any) -> str:
    """The table in HTML, with the picture where something draws."""
    return pairs(f"Solution of {solution.problem.name}", rows(solution)) + pictures(solution)
