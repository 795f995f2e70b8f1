"""What the answer says of a tolerance in another norm than the relative L2 norm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pdesolve.cli.values import short


def title(record: Mapping[str, Any]) -> str:
    """What was asked for, such as "tolerance 1e-6 in the range norm"."""
    text = f"tolerance {short(record['tol'])}"
    goal = record.get("goal")
    if not goal:
        return text
    if goal["norm"] != "l2":
        text += f" in the {goal['norm']} norm"
    stated = [
        f"{name} to {short(one['tolerance'])}" for name, one in goal["unknowns"].items() if one["absolute"]
    ]
    return ", ".join([text, *stated])


def rows(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A row of the table for each unknown."""
    goal = record.get("goal") or {"unknowns": {}}
    return [(f"error of {name}", _sentence(one)) for name, one in goal["unknowns"].items()]


def figures(goal: Mapping[str, Any]) -> str:
    """For the last line: that unknown which is nearest to its tolerance, or furthest beyond it."""
    found = goal["unknowns"]
    name = max(found, key=lambda name: _share(found[name]))
    where = "" if goal["norm"] == "l2" else f" in the {goal['norm']} norm"
    return f"error of {name}{where} {_sentence(found[name])}"


def _share(one: Mapping[str, Any]) -> float:
    return float((one["estimated_error"] or 0.0) / one["tolerance"])


def _sentence(one: Mapping[str, Any]) -> str:
    """Such as "2.1e-4 (estimate 2.2e-4, tolerance 1e-3, absolute)"."""
    known = [
        f"{label}{short(one[key])}"
        for key, label in (("error", ""), ("estimated_error", "estimate "))
        if one[key] is not None
    ]
    limit = f"tolerance {short(one['tolerance'])}{', absolute' * one['absolute']}"
    if not known:
        return f"unknown ({limit})"
    return f"{known[0]} ({', '.join([*known[1:], limit])})"
