"""A problem as it is stated: its boundary, coloured by the conditions that hold there."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from textwrap import fill
from typing import Any

import torch

from pdesolve.geometry.domain import Domain
from pdesolve.geometry.place import Boundary, Filter, Filtered, Joined
from pdesolve.statement.problem import Problem

# Points on the whole of a condition's place: dots this close join into lines at the size of the picture.
_DOTS_ON_CURVES = 1500
_DOTS_ON_SURFACES = 800
# Of a line of the legend: longer ones would be wider than the picture.
_LETTERS = 48


def statement_drawing(problem: Problem) -> Any:
    """A function that draws the problem on axes, with `projection` where these must have three dimensions."""
    draw = partial(draw_statement, problem=problem)
    if len(_shown_axes(problem)) == 3:
        draw.projection = "3d"  # type: ignore[attr-defined]
    return draw


def draw_statement(axes: Any, problem: Problem) -> None:
    """Draw where each condition of a problem holds, in a colour of its own.

    An interval is a line with its ends, an interval with time the rectangle of x and t; of a longer evolution the
    boundary in space is drawn. Conditions without a place (integrals, starts of such an evolution) are not drawn.
    """
    shown = _shown_axes(problem)
    names = [problem.coordinates[axis] for axis in shown]
    for number, (name, points) in enumerate(_places(problem, shown)):
        columns = [points[:, i].numpy() for i in range(len(shown))]
        if len(columns) == 1:
            columns.append(0 * columns[0])
        size = 40 if len(points) < 3 else 5
        axes.scatter(*columns, s=size, color=f"C{number % 10}", label=name, linewidths=0)
    _dress(axes, problem, names)


def _shown_axes(problem: Problem) -> list[int]:
    """The coordinates that are drawn: at most three, time only beside a single one of space."""
    domain = problem.domain
    if domain.dimension <= 2:
        return list(range(domain.dimension))
    return list(range(min(domain.space_dimension, 3)))


def _places(problem: Problem, shown: list[int]) -> list[tuple[str, torch.Tensor]]:
    """What holds at each place, and points (n, k) there; conditions of one place share a colour."""
    domain = problem.domain
    wanted = _DOTS_ON_CURVES if len(shown) < 3 else _DOTS_ON_SURFACES
    held: dict[Any, list[str]] = {}
    for term in problem.terms[1:]:
        if term.place is not None and (term.kind != "initial" or domain.dimension <= 2):
            held.setdefault(term.place, []).append(term.name.partition(" on ")[0])
    for interface in problem.interfaces:
        held.setdefault(interface.on, []).append("Interface")
    drawn = []
    for place, kinds in held.items():
        points = _points_of(place, domain, wanted)[:, shown].double()
        drawn.append((_label(", ".join(dict.fromkeys(kinds)), place, domain), points))
    return drawn


def _points_of(place: Any, domain: Domain, wanted: int) -> torch.Tensor:
    """Points (n, d) of a part of the boundary, of a surface inside, or the point itself."""
    if place.pieces_on(domain):
        return place.sample(domain, wanted).points
    if isinstance(place, Joined):
        return torch.cat([_points_of(part, domain, wanted) for part in place.places])
    if isinstance(place, Filtered):
        points = _points_of(place.place, domain, wanted)
        return points[Filter(place.predicate, domain.coordinates)(points)]
    if isinstance(place, Boundary):
        source = place.source
        if domain.time_ends and not source.time_ends:
            source = source * domain.time
        return replace(place, source=source).sample(source, wanted).points
    return place.rule(domain, 2).points


def _label(kinds: str, place: Any, domain: Domain) -> str:
    """Such as "Dirichlet of u, Dirichlet of v on left": without the name of the domain, which the picture shows."""
    where = place.name
    for whole in (domain, domain.in_space):
        where = where.replace(f"{whole}.", "")
    return fill(f"{kinds} on {where}", _LETTERS, max_lines=2, placeholder=" …")


def _dress(axes: Any, problem: Problem, names: list[str]) -> None:
    bounds = problem.domain.bounds
    axes.set_xlabel(f"${names[0]}$")
    if len(names) == 1:
        axes.plot(bounds[:, 0].tolist(), [0, 0], color="0.6", linewidth=1.0, zorder=0)
        axes.set_yticks([])
    else:
        axes.set_ylabel(f"${names[1]}$")
    if len(names) == 3:
        axes.set_zlabel(f"${names[2]}$")
        axes.set_box_aspect((bounds[1] - bounds[0])[:3].tolist())
    elif len(names) == 2 and problem.domain.space_dimension == 2:  # time and length have no common scale
        axes.set_aspect("equal")
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        for handle in axes.figure.legend(handles, labels, loc="outside lower center").legend_handles:
            handle.set_sizes([20])
    axes.set_title(problem.name)
