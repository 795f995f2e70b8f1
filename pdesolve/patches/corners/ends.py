"""Where parts of a boundary end, the corners that they make, and what terms say there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from pdesolve.geometry.piece import Piece
from pdesolve.patches.compiled import GridTerm
from pdesolve.patches.frame import Frame
from pdesolve.runs.deadline import check_deadline
from pdesolve.statement.residual import ResidualOperator

SAME_PLACE = 1e-8  # of the size of the domain, within which ends of boundaries meet
INSIDE = 1e-6  # of the size of the domain, by which coefficients are asked for beside the corner
ASIDE = 1e-6  # of a part of a boundary, beside its end
STEP = 0.9  # of the distance to the boundary, by which a ray may go on
MOST_STEPS = 500  # of a ray; one that takes more creeps along a boundary


@dataclass(frozen=True, eq=False)
class End:
    """Where a part of a boundary ends: place x (2,), the direction (2,) into the part, and its outward normal (2,).

    The length is that of a straight part, and 0 of others; a step is by how much one goes along the edge to take
    differences. `among` holds all ends of the term, this one being the one with its number.
    """

    term: GridTerm
    place: Tensor
    direction: Tensor
    normal: Tensor
    length: float
    step: float
    among: Ends
    number: int

    @property
    def along(self) -> tuple[Tensor, Tensor]:
        """Residuals (4,) at zero and sensitivities (4, s) of the term here, and one to three steps along the edge."""
        r, dF = self.among.along
        return r[self.number], dF[self.number]

    @property
    def prescribed(self) -> Tensor:
        """Values (4,) that a condition on the unknown alone prescribes there."""
        r, dF = self.along
        return -r / dF[:, 0]


class Ends(list[End]):
    """All ends of parts on which one term holds: it is evaluated at all of them together."""

    @cached_property
    def along(self) -> tuple[Tensor, Tensor]:
        """Residuals (e, 4) at zero and sensitivities (e, 4, s) at all ends, and one to three steps along the edges."""
        steps = torch.arange(4.0, dtype=torch.float64)[:, None]
        x = torch.cat([end.place + end.step * steps * end.direction for end in self])
        normals = torch.stack([end.normal for end in self]).repeat_interleave(4, 0)
        r, dF = linear_at(self[0].term, x, normals)
        return r.view(-1, 4), dF.view(len(self), 4, -1)


def ends_of(term: GridTerm, pieces: Sequence[Piece], step: float) -> Ends:
    """Both ends of every smooth part of pieces on which a condition holds."""
    found = Ends()
    for piece in pieces:
        check_deadline()
        if len(piece.intervals) == 1 and bool(piece.surface.periodic[0]):
            continue  # a closed curve has no ends
        for interval in piece.intervals:
            for end, other in ((interval[0], interval[1]), (interval[1], interval[0])):
                t = torch.stack([end, end + ASIDE * (other - end)])[:, None]
                x = piece.map(t)
                # At the end itself other pieces may decide which side is out; beside it the normal has turned.
                normal = piece.surface.normal_at(x[:1])[0]
                normal = normal * (normal @ piece.normal(t[1:])[0]).sign()
                direction = torch.stack([-normal[1], normal[0]])
                direction = direction * (direction @ (x[1] - x[0])).sign()
                along = piece.map(torch.stack([other, (end + other) / 2])[:, None]) - x[0]
                straight = bool((along @ normal).abs().max() <= SAME_PLACE * along[0].norm())
                length = float(along[0].norm()) * straight
                found.append(End(term, x[0], direction, normal, length, step, found, len(found)))
    return found


def groups(ends: list[End], size: float) -> Iterator[list[End]]:
    """Ends that lie in one place."""
    while ends:
        near = [end for end in ends if float((end.place - ends[0].place).norm()) <= SAME_PLACE * size]
        yield near
        ends = [end for end in ends if end not in near]


def angle_between(begin: Tensor, end: Tensor) -> float:
    """From one direction to another, counter-clockwise, in [0, 2π)."""
    cross = float(begin[0] * end[1] - begin[1] * end[0])
    return math.atan2(cross, float(begin @ end)) % (2 * math.pi)


def linear_at(term: GridTerm, x: Tensor, normals: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Residuals (n,) at zero, and sensitivities (n, s) along grid axes, of a term in one component at places (n, 2)."""
    zero = torch.zeros(len(x), len(term.operator.slots), dtype=torch.float64)
    r, dF = term.operator.linearise(x, zero, normals, parameters_of(term.operator))
    if term.transform is not None:
        dF = dF @ term.transform
    return r[:, 0], dF[:, 0]


def parameters_of(operator: ResidualOperator) -> dict[str, Tensor]:
    """The parameters of a problem, as tensors."""
    found = operator.problem.parameters
    return {name: torch.tensor(value, dtype=torch.float64) for name, value in found.items()}


def free_length(frame: Frame, x: Tensor, direction: Tensor, size: float) -> float:
    """How far a ray from a corner goes outside the domain before it meets the domain again; infinite if it does not.

    The level of a domain is no larger than the distance to it, so that a step of that length stays outside.
    """
    reach = INSIDE * size
    for _ in range(MOST_STEPS):
        point = x + reach * direction
        if bool(
            (point < frame.domain.bounds[0] - size).any() | (point > frame.domain.bounds[1] + size).any()
        ):
            return math.inf
        level = float(frame.domain.level(point[None]))
        if level <= SAME_PLACE * size:
            return reach
        reach += STEP * level
    return reach
