"""Sub-domains: what the interfaces of a problem divide its domain into, and the pieces between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

import torch

from pdesolve.errors import ProblemError
from pdesolve.geometry.domain import Domain
from pdesolve.geometry.place import Piece
from pdesolve.statement.problem import Problem

# Points of the domain: where all lie in shapes, these fill it.
FILLED = 1024


def shapes_of(problem: Problem) -> tuple[Domain, ...]:
    """The domains on which coefficients of the interfaces differ, in the order in which later ones win.

    Where they fill the whole domain, the first is left out: it is what the others leave.
    """
    shapes = _stated(problem)
    if len(shapes) > 1 and _rest(problem, shapes) is None:
        return shapes[1:]
    return shapes


def _stated(problem: Problem) -> tuple[Domain, ...]:
    return tuple(dict.fromkeys(shape for interface in problem.interfaces for shape in interface.k.values))


def _rest(problem: Problem, shapes: Sequence[Domain]) -> Domain | None:
    """What the shapes leave of the domain in space; None where they leave nothing."""
    space = getattr(problem.domain, "space", problem.domain)
    x = space.sample(FILLED, sampler="sobol", seed=0)
    covered = torch.stack([shape.level(x) <= 0 for shape in shapes]).any(0)
    return None if bool(covered.all()) else reduce(lambda rest, shape: rest - shape, shapes, space)


def subdomains_of(problem: Problem) -> tuple[Domain, ...]:
    """The rest of the domain, then what lies in each shape; empty without interfaces.

    Raises:
        ProblemError: an interface does not divide the domain.
    """
    shapes = shapes_of(problem)
    if not shapes:
        return ()
    domain = problem.domain
    space = domain.in_space
    for interface in problem.interfaces:
        _check(interface, _stated(problem))
    rest = _rest(problem, shapes)
    if rest is None:
        message = (
            f"Interface: {shapes[0]} is the whole domain; expected a part of it, on whose boundary k jumps"
        )
        raise ProblemError(message)
    parts = [rest]
    parts += [
        reduce(lambda rest, later: rest - later, shapes[i + 1 :], space & shape)
        for i, shape in enumerate(shapes)
    ]
    if space is domain:
        return tuple(parts)
    return tuple(part * domain.time for part in parts)


def subdomains_in_space(problem: Problem) -> tuple[Domain, ...]:
    """As `subdomains_of`, without the time."""
    return tuple(part.in_space for part in subdomains_of(problem))


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
    return _pieces(problem, problem.domain, subdomains)


def interface_pieces_in_space(problem: Problem, subdomains: Sequence[Domain]) -> tuple[Piece, ...]:
    """As `interface_pieces`, of the space domain and its sub-domains."""
    return _pieces(problem, problem.domain.in_space, subdomains)


def _pieces(problem: Problem, domain: Domain, subdomains: Sequence[Domain]) -> tuple[Piece, ...]:
    pieces = []
    for shape, part in zip(shapes_of(problem), subdomains[1:], strict=True):
        for piece in shape.boundary.pieces_on(part):
            # Clear of the domain's own boundary, where the interface ends and its two sides are none.
            inside = lambda x: domain.level(x) < -1e3 * domain.rounding  # noqa: E731
            pieces.append(replace(piece, filters=(*piece.filters, inside)))
    return tuple(pieces)
