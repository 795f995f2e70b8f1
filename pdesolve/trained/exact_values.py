"""Prescribed values met exactly by a trained method: u = g + D N, where D vanishes on all that prescribes values.

    D = Π_i φ_i / max,    g = Σ_i w_i g_i with w_i = φ_i⁻² / Σ_j φ_j⁻², or the one g_i that meets all the others

Each φ_i is a smooth function that vanishes on one part of the boundary and is positive inside: the distance f from the
plane or the sphere in which the part lies, or, for a straight edge whose line runs on through the domain, its trimmed
form, with t positive in the disk over the edge (Rvachev & Sheiko 1995; Sukumar & Srivastava 2022, eq. 6):

    φ = √(f² + ¼ (√(t² + f⁴) - t)²)

g_i continues the values of a part into the domain and sees them on its plane or sphere only: those at the nearest
point, and between the faces of a box by transfinite interpolation. Formulas of values often hold inside, too, where
they may be the solution itself. What is lifted are Dirichlet conditions on pieces of the boundary and initial values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from pdesolve.approximators import Lifting, TrainableApproximator, box_extension
from pdesolve.approximators.lifting import field_jet, product_rule
from pdesolve.approximators.multi_index import lower_closure
from pdesolve.errors import UsageError
from pdesolve.geometry.place import Piece
from pdesolve.geometry.spacetime import Lateral
from pdesolve.runs.wording import named
from pdesolve.statement.calculus import Frame
from pdesolve.statement.problem import Problem
from pdesolve.statement.residual import Slot
from pdesolve.statement.term import Term
from pdesolve.trained.rows import Group, Linearised

SAMPLES = 2048
# Of the domain: distance of points that lie in the plane or sphere of a part
ON_CARRIER = 1e-9
# Difference of values that are the same, relative to the largest
AGREE = 1e-10
# Points (n, d) ↦ (n,), differentiable
Shape = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Part:
    """Where φ vanishes, u = g.

    Attributes:
        shape: φ.
        extension: g_i.
        points: some where φ vanishes, (n, d).
        owner: the condition, for messages.
    """

    shape: Shape
    extension: Shape
    points: Tensor
    owner: str


@dataclass(frozen=True)
class ExactValues:
    """D and g of all unknowns of a problem.

    Attributes:
        parts: for each unknown; none where nothing prescribes it.
        extended: those of them that make up g, one or all.
        sizes: largest products of the φ_i in the domain.
        lifted: names of the terms whose rows are no longer needed.
    """

    parts: tuple[tuple[Part, ...], ...]
    extended: tuple[tuple[Part, ...], ...]
    sizes: tuple[float, ...]
    lifted: frozenset[str]

    @classmethod
    def of(cls, problem: Problem) -> ExactValues:
        """The lifting of a problem.

        Raises:
            UsageError: nothing prescribes a value, or on a part of the boundary for which no φ is known.
        """
        terms = [t for t in problem.terms if _lifts(t, problem)]
        if not terms:
            message = (
                f"{named('lifting', 'distance')} needs a Dirichlet condition on a part of the boundary, or initial "
                "values; this problem has neither: leave it out"
            )
            raise UsageError(message)
        interior = problem.domain.sample(SAMPLES, sampler="sobol", seed=1)
        parts = tuple(
            _parts(problem, [t for t in terms if t.unknown == u], interior) for u in problem.unknowns
        )
        return cls(
            parts,
            tuple(_simplest(some, interior) for some in parts),
            tuple(float(_product(some, interior).max()) for some in parts),
            frozenset(t.name for t in terms),
        )

    def around(self, approximator: TrainableApproximator) -> Lifting:
        """The lifted approximator."""
        return Lifting(approximator, self.distance, self.extension, stated_by_problem=True)

    def distance(self, x: Tensor) -> Tensor:
        """D of every unknown, (n, u)."""
        columns = [_product(parts, x) / size for parts, size in zip(self.parts, self.sizes, strict=True)]
        return torch.stack(columns, dim=1)

    def extension(self, x: Tensor) -> Tensor:
        """The extension g of every unknown, (n, u)."""
        columns = [_blend(parts, x) for parts in self.extended]
        return torch.stack(columns, dim=1)

    def of_group(self, group: Group) -> Group:
        """The same rows as a function of the jets of N."""
        slots = tuple(
            (u, beta)
            for u in sorted({u for u, _ in group.slots})
            for beta in lower_closure(tuple(alpha for v, alpha in group.slots if v == u))
        )
        shift, rule = self._tables(group.points, group.slots, slots)

        def function(jets: Tensor, parameters: Any) -> Linearised:
            F, dF, more = group.function(shift + torch.einsum("nst,nt->ns", rule, jets), parameters)
            return F, torch.einsum("nms,nst->nmt", dF, rule), more

        return replace(group, slots=slots, function=function)

    def _tables(self, x: Tensor, slots: Sequence[Slot], inner: Sequence[Slot]) -> tuple[Tensor, Tensor]:
        """D^α g (n, s) of the slots, and what they take from the inner ones, (n, s, t)."""
        indices = tuple(dict.fromkeys(alpha for _, alpha in slots))
        closure = lower_closure(indices)
        shift = field_jet(self.extension, x, indices)
        rule = product_rule(self.distance, x, indices)
        bad = ~(shift.isfinite().all(2).all(1) & rule.isfinite().flatten(1).all(1))
        if bool(bad.any()):
            where = ", ".join(f"{v:.4g}" for v in x[bad][0].tolist())
            message = (
                f"{named('lifting', 'distance')} continues the prescribed values to ({where}), where derivatives are "
                "not finite, as beside a point at which the values have a corner; leave the setting out"
            )
            raise UsageError(message)
        columns = [u for u, _ in slots], [indices.index(alpha) for _, alpha in slots]
        table = x.new_zeros(len(x), len(slots), len(inner))
        for t, (u, beta) in enumerate(inner):
            mine = [s for s, (v, _) in enumerate(slots) if v == u]
            rows = [indices.index(slots[s][1]) for s in mine]
            table[:, mine, t] = rule[:, u, rows, closure.index(beta)]
        return shift[:, columns[0], columns[1]], table


def _lifts(term: Term, problem: Problem) -> bool:
    """Whether a term prescribes values on a part of the boundary."""
    if term.kind == "initial":
        return "order" not in term.name
    return term.kind == "dirichlet" and bool(term.place.pieces_on(problem.domain))


# ---------------------------------------------------------------- extensions


def _simplest(parts: tuple[Part, ...], interior: Tensor) -> tuple[Part, ...]:
    """The one part whose extension meets all the others, or all parts."""
    prescribed = [part.extension(part.points) for part in parts]
    size = max([float(v.abs().max()) for v in prescribed], default=0.0)
    for one in parts:
        if not bool(one.extension(interior).isfinite().all()):
            message = (
                f"{named('lifting', 'distance')} continues the values of {one.owner} into the domain, where they are "
                "not finite; leave the setting out"
            )
            raise UsageError(message)
        gaps = [(one.extension(p.points) - v).abs().max() for p, v in zip(parts, prescribed, strict=True)]
        if max(map(float, gaps)) <= AGREE * size:
            return (one,)
    return parts


def _product(parts: tuple[Part, ...], x: Tensor) -> Tensor:
    """Π_i φ_i, (n,); 1 without parts."""
    if not parts:
        return torch.ones_like(x[:, 0])
    return torch.stack([part.shape(x) for part in parts]).prod(0)


def _blend(parts: tuple[Part, ...], x: Tensor) -> Tensor:
    if not parts:
        return torch.zeros_like(x[:, 0])
    if len(parts) == 1:
        return parts[0].extension(x)
    shapes = torch.stack([part.shape(x) for part in parts])  # (i, n)
    others = torch.stack([torch.cat([shapes[:i], shapes[i + 1 :]]).prod(0) ** 2 for i in range(len(parts))])
    total = others.sum(0)
    # Where parts meet all products vanish; their values agree there.
    weights = torch.where(total > 0, others / torch.where(total > 0, total, 1.0), 1.0 / len(parts))
    return (weights * torch.stack([part.extension(x) for part in parts])).sum(0)


def _value(problem: Problem, term: Term, x: Tensor) -> Tensor:
    frame = Frame(problem.coordinates, x)
    # The columns of x themselves, so that derivatives reach it.
    frame.coordinates = dict(zip(problem.coordinates, x.unbind(1), strict=True))
    with frame:
        return problem.value(term.value, frame, f"the value of {term.name}")


# ---------------------------------------------------------------- parts of the boundary


@dataclass(frozen=True)
class Carrier:
    """The plane or sphere in which a piece lies.

    Attributes:
        distance: a smooth function that vanishes on it.
        foot: the nearest point on it.
        share: for a sphere (|x - centre| / radius)⁴, with which values of several directions fade toward the centre.
    """

    distance: Shape
    foot: Callable[[Tensor], Tensor]
    share: Shape | None = None

    @classmethod
    def of(cls, piece: Piece) -> Carrier | None:
        """None for a piece of another kind."""
        kind, values = piece.surface.carrier()
        vector = torch.tensor(values[:-1], dtype=torch.float64)
        last = values[-1]
        if kind == "plane":
            height = lambda x: x @ vector.to(x) - last  # noqa: E731
            return cls(height, lambda x: x - height(x)[:, None] * vector.to(x))
        if kind not in ("sphere", "sphere in time"):
            return None
        space = torch.ones_like(vector)
        if kind == "sphere in time":
            space[-1] = 0.0

        def across(x: Tensor) -> Tensor:
            return (x - vector.to(x)) * space.to(x)

        def foot(x: Tensor) -> Tensor:
            y = across(x)
            return x - y + last * y / y.square().sum(1, keepdim=True).clamp_min(1e-300).sqrt()

        square = lambda x: across(x).square().sum(1)  # noqa: E731
        return cls(lambda x: (square(x) - last**2) / (2 * last), foot, lambda x: (square(x) / last**2) ** 2)


def _parts(problem: Problem, terms: Sequence[Term], interior: Tensor) -> tuple[Part, ...]:
    """Parts of one unknown; whole faces of the bounding box together are one."""
    domain = problem.domain
    found = []
    faces: dict[tuple[int, int], tuple[Shape, Shape, Tensor]] = {}
    size = float((domain.bounds[1] - domain.bounds[0]).norm())
    boundary = torch.cat([piece.rule(12)[0] for piece in domain.pieces])
    pieces = [(term, piece) for term in terms for piece in term.place.pieces_on(domain)]
    for term, piece in pieces:
        value = partial(_value, problem, term)
        carrier = Carrier.of(piece)
        shape = _alone_on(carrier, piece, interior, boundary, size)
        face = _face(piece, domain.bounds)
        if shape is not None and face is not None:
            faces[face] = (shape, value, piece.rule(8)[0])
        else:
            shape = shape or _trimmed(piece, interior)
            found.append(_part(piece, term, carrier, shape, value, interior))
    if faces:
        found.append(_box(faces, domain.bounds, ", ".join(term.name for term in terms)))
    return tuple(found)


def _part(
    piece: Piece, term: Term, carrier: Carrier | None, shape: Shape | None, value: Shape, interior: Tensor
) -> Part:
    """One piece with its distance, and its values continued from it.

    Raises:
        UsageError: no distance is known.
    """
    if carrier is None or shape is None:
        message = (
            f"{named('lifting', 'distance')} knows no smooth distance from {piece.name} ({term.name}): it knows "
            "straight edges, flat faces, and circles and spheres that do not run on through the domain; leave it out"
        )
        raise UsageError(message)
    points = piece.rule(8)[0]
    return Part(shape, _continued(value, carrier, points, interior), points, term.name)


def _alone_on(
    carrier: Carrier | None, piece: Piece, interior: Tensor, boundary: Tensor, size: float
) -> Shape | None:
    """The distance from a carrier that has the domain on one side, and nothing else of the boundary in it."""
    if carrier is None:
        return None
    shape = _positive(carrier.distance, interior)
    if shape is None:
        return None
    rest = boundary[shape(boundary).abs() < ON_CARRIER * size]
    if bool((piece.claims(rest) & piece.active(rest)).all()):
        return shape
    return None


def _box(faces: Mapping[tuple[int, int], tuple[Shape, Shape, Tensor]], bounds: Tensor, owner: str) -> Part:
    """Faces of the bounding box, (axis, end) ↦ distance, values and points, as one part."""
    shapes, values, points = zip(*faces.values(), strict=True)
    lower, upper = bounds.tolist()
    extension = box_extension(dict(zip(faces, values, strict=True)), lower, upper)
    return Part(lambda x: math.prod(f(x) for f in shapes), extension, torch.cat(points), owner)  # type: ignore[arg-type, return-value]


def _positive(shape: Shape, interior: Tensor) -> Shape | None:
    """± the function, positive inside; None where it changes its sign there."""
    values = shape(interior)
    if bool((values > 0).all()):
        return shape
    if bool((values < 0).all()):
        return lambda x: -shape(x)
    return None


def _face(piece: Piece, bounds: Tensor) -> tuple[int, int] | None:
    """(axis, end) of a piece in a face of the bounding box."""
    if piece.plane is None:
        return None
    axis, value = piece.plane
    ends = [math.isclose(value, float(corner[axis]), abs_tol=1e-12) for corner in bounds]
    if any(ends):
        return (axis, ends.index(True))
    return None


def _continued(value: Shape, carrier: Carrier, points: Tensor, interior: Tensor) -> Shape:
    """The values at the nearest points of the carrier; around the centre of a sphere their mean."""
    share = carrier.share
    mean = float(value(points).mean())
    if share is None or bool((carrier.distance(interior) > 0).all()):
        return lambda x: value(carrier.foot(x))
    return lambda x: mean + share(x) * (value(carrier.foot(x)) - mean)


def _trimmed(piece: Piece, interior: Tensor) -> Shape | None:
    """φ of a straight edge in the plane, at all times where there is time; None for another piece."""
    ends = _ends(piece)
    if ends is None:
        return None
    start, stop = ends
    length = float((stop - start).norm())
    k = len(start)
    middle = (start + stop) / 2
    if isinstance(piece.surface, Lateral):
        time = [piece.surface.time.t0]
    else:
        time = []
    inward = -piece.normal_at(torch.cat([middle, middle.new_tensor(time)])[None])[0, :k]

    def distances(x: Tensor) -> tuple[Tensor, Tensor]:
        y = x[:, :k] - middle.to(x)
        return y @ inward.to(x), ((length / 2) ** 2 - y.square().sum(1)) / length

    f, t = distances(interior)
    if bool(((t > 0) & (f <= 0)).any()):
        return None

    def shape(x: Tensor) -> Tensor:
        f, t = distances(x)
        # There in a form whose derivatives exist on the edge
        near = t > 0
        high = torch.where(near, t, 1.0)
        low = torch.where(near, -1.0, t)
        g = torch.where(near, 1.0, f)
        inside = f * torch.sqrt(1 + f**6 / (4 * (torch.sqrt(high**2 + f**4) + high) ** 2))
        outside = torch.sqrt(g**2 + (torch.sqrt(low**2 + g**4) - low) ** 2 / 4)
        return torch.where(near, inside, outside)

    return shape


def _ends(piece: Piece) -> tuple[Tensor, Tensor] | None:
    """Both ends (2,) of a straight piece in the plane; None for another piece, or one in several parts."""
    if isinstance(piece.surface, Lateral):
        piece = piece.surface.in_space(piece)
    if piece.dimension != 2 or piece.surface.carrier()[0] != "plane" or len(piece.intervals) != 1:
        return None
    start, stop = piece.map(piece.intervals.reshape(-1, 1))
    return start, stop
