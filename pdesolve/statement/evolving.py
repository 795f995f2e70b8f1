"""Whether a problem is an evolution that can be advanced step by step from initial values."""

from __future__ import annotations

from collections.abc import Sequence

from pdesolve.geometry import Domain
from pdesolve.geometry.place import Piece, Place
from pdesolve.geometry.spacetime import Lateral, TimeEnd
from pdesolve.statement.conditions import Initial
from pdesolve.statement.problem import Problem


def cannot_march(problem: Problem) -> str | None:
    """Why a problem is no evolution from initial values that can be advanced step by step; None if it is one."""
    if "t" not in problem.coordinates:
        return "it has no time interval"
    initial = [c for c in problem.conditions if isinstance(c, Initial)]
    if not initial:
        return "it has no initial values"
    if problem.data or problem.parameters:
        return "something is to be identified"
    places = [c.on for c in problem.conditions if getattr(c, "on", None) is not None]
    return _unsteady(places, problem.domain)


def _unsteady(places: Sequence[Place], cylinder: Domain) -> str | None:
    """Why conditions at these places are not the same ones in every step; None if they are."""
    if any(_at_an_end(place, cylinder) for place in places):
        return "something is prescribed at the first or the last time"
    if any(_changes(place, cylinder) for place in places):
        return "a condition holds on a part of the boundary that changes in time"
    return None


def _at_an_end(place: Place, cylinder: Domain) -> bool:
    """Whether some of a place is at the first or the last time."""
    return any(isinstance(piece.surface, TimeEnd) for piece in place.pieces_on(cylinder))


def _changes(place: Place, cylinder: Domain) -> bool:
    """Whether the part of the boundary depends on time."""
    filters = [f for piece in lateral_pieces(place, cylinder) for f in _filters(piece)]
    return any("t" in getattr(f, "names", ()) for f in filters)


def _filters(piece: Piece) -> Sequence[object]:
    return [*piece.filters, *(f for other in piece.hidden_by for f in other.filters)]


def lateral_pieces(place: Place, cylinder: Domain) -> list[Piece]:
    """Those pieces of a place that last."""
    return [piece for piece in place.pieces_on(cylinder) if isinstance(piece.surface, Lateral)]
