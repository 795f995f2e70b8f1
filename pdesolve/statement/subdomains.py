"""Sub-domains: what the interfaces of a problem divide its domain into, and the pieces between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

from pdesolve.errors import ProblemError
from pdesolve.geometry.domain import Domain
from pdesolve.geometry.place import Piece
from pdesolve.statement.problem import Problem


def shapes_of(problem: Problem) -> tuple[Domain, ...]:
    """The domains on which coefficients of the interfaces differ, in the order in which later ones win."""
    return tuple(dict.fromkeys(shape for interface in problem.interfaces for shape in interface.k.values))


def subdomains_of(problem: Problem) -> tuple[Domain, ...]:
    """The rest of the domain, then what lies in each shape; empty without interfaces.

    Raises:
        ProblemError: an interface does not divide the domain.
    """
    shapes = shapes_of(problem)
    if not shapes:
        return ()
    domain = problem.domain
    space = getattr(domain, "space", domain)
    for interface in problem.interfaces:
        _check(interface, shapes)
    parts = [reduce(lambda rest, shape: rest - shape, shapes, space)]
    parts += [
        reduce(lambda rest, later: rest - later, shapes[i + 1 :], space & shape)
        for i, shape in enumerate(shapes)
    ]
    if space is domain:
        return tuple(parts)
    return tuple(part * domain.time for part in parts)


def _check(interface, shapes: tuple[Domain, ...]) -> None:
    source = getattr(interface.on, "source", None)
    # Across any other surface k is continuous, and the condition would say nothing.
    if source is not None and not any(source in (shape, *shape.leaves) for shape in shapes):
        message = (
            f"Interface on {interface.on.name}: its k does not jump there; expected the boundary of one of the domains "
            f"in Piecewise({{{', '.join(map(repr, shapes))}: …}})"
        )
        raise ProblemError(message)


def interface_pieces(problem: Problem, subdomains: Sequence[Domain]) -> tuple[Piece, ...]:
    """Pieces of the boundaries of all shapes inside the domain, with normals out of the shapes."""
    domain = problem.domain
    pieces = []
    for shape, part in zip(shapes_of(problem), subdomains[1:], strict=True):
        for piece in shape.boundary.pieces_on(part):
            # Clear of the domain's own boundary, where the interface ends and its two sides are none.
            inside = lambda x: domain.level(x) < -1e3 * domain.rounding  # noqa: E731
            pieces.append(replace(piece, filters=(*piece.filters, inside)))
    return tuple(pieces)
