"""Quadrature and sampling on the trimmed pieces of a boundary."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from pdesolve.geometry.surface import PieceLike
from pdesolve.quadrature import Rule, around, bisect, cut_rule, distinct, gauss_legendre, sobol, tensor_rule

GRID = 65  # first samples of a level along a curve
REFINEMENTS = 24  # halvings of the intervals that may hold a root
FEWEST_REFINEMENTS = 6  # … even where a whole stretch is near zero, which leaves more intervals than
MANY = 512
FILTER_GRID = 1025  # samples of a predicate along a curve
FEW = 9  # breaks of a surface at which its parameter square is divided
UNEVEN = (0.0, 0.2137, 0.4619, 0.7263, 1.0)  # nearly quarters, off the symmetric places
STEPS = 512  # of nearly constant speed along a curve
CANDIDATES = 4096  # Sobol points that decide whether a trimmed surface has any boundary
WITNESSES = (0.2113, 0.5571, 0.8137)  # where an interval is tested for being boundary
ROUNDING = 1e-12  # levels below this, relative to the domain, are zero


def is_plain(piece: PieceLike) -> bool:
    """Tell whether the whole surface is boundary: not trimmed, hidden or filtered."""
    return not (piece.trimmed or piece.hidden_by or piece.filters)


def is_empty(piece: PieceLike) -> bool:
    """Tell whether no part of the piece is boundary (by sampling, from two parameters on)."""
    if is_plain(piece):
        return False
    if piece.dimension == 2:
        return len(piece.intervals) == 0
    told = piece.surface.is_empty(piece)
    if told is not None:
        return told
    candidates = CANDIDATES if piece.dimension > 1 else 1
    return not bool(piece.active(piece.map(sobol(candidates, piece.dimension - 1))).any())


def active_intervals(piece: PieceLike) -> Tensor:
    """Split a curve at every trim point and return the parameter intervals (e, 2) that are boundary."""
    surface = piece.surface
    ends = torch.tensor(surface.breaks, dtype=torch.float64)
    if not is_plain(piece):
        cuts = piece.domain.cuts(surface)
        found = [level_changes(piece, level) for level in cuts]
        found += [flag_changes(piece, other.claims) for other in piece.hidden_by]
        found += [flag_changes(piece, accept) for accept in piece.filters]
        ends = distinct(torch.cat([ends, *found]), 10 * ROUNDING)
    intervals = torch.stack([ends[:-1], ends[1:]], dim=1)
    if is_plain(piece):
        return intervals
    # Two of three points decide: one alone may be where another surface touches the curve.
    at = torch.stack([intervals @ ends.new_tensor([1 - s, s]) for s in WITNESSES])
    votes = piece.active(piece.map(at.reshape(-1, 1))).reshape(at.shape).sum(dim=0)
    return intervals[votes >= 2]


def level_changes(piece: PieceLike, level: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the parameters where a level along a curve changes between negative, zero and positive.

    Levels have Lipschitz constant 1, so an interval whose end values exceed its length in sum holds no
    root: only the others are halved, and a small hole between two samples is not missed.
    """

    def along(t: Tensor) -> Tensor:
        return level(piece.map(t[:, None]))

    a, b = _near_roots(
        along, 1.01 * float(piece.area(torch.linspace(0, 1, GRID, dtype=torch.float64)[:, None]).max())
    )
    zero = _zero(piece)

    def state(t: Tensor) -> Tensor:
        value = along(t)
        return torch.where(value.abs() <= zero, 0.0, value.sign())

    at_a = state(a)
    at_b = state(b)
    through = at_a * at_b < 0
    grazing = (at_a != at_b) & ~through
    left = at_a[grazing]
    return torch.cat(
        [
            bisect(lambda t: along(t) > 0, a[through], b[through]),
            bisect(lambda t: state(t) == left, a[grazing], b[grazing]),
        ]
    )


def _zero(piece: PieceLike) -> float:
    """Size of levels that are rounding errors where another surface lies in the same plane or sphere.

    There they are zero all along, not only at a point; without such a surface no level is taken for zero.
    """
    size = float((piece.domain.bounds[1] - piece.domain.bounds[0]).norm())
    return ROUNDING * size if any(s.coincides(piece.surface) for s in _others(piece)) else 0.0


def _others(piece: PieceLike):
    return (s for s in piece.domain.surfaces if s.owner != piece.owner)


def _near_roots(along: Callable[[Tensor], Tensor], speed: float) -> tuple[Tensor, Tensor]:
    """Return short intervals a, b (e,) of the parameter that hold all roots of a level along a curve."""
    t = torch.linspace(0, 1, GRID, dtype=torch.float64)
    value = along(t)
    ends = torch.stack([t[:-1], t[1:]])  # (2, e)
    at = torch.stack([value[:-1], value[1:]])
    for step in range(REFINEMENTS):
        # A level of Lipschitz constant `speed` along the curve that has a root in between is no larger.
        near = at.abs().sum(dim=0) <= speed * (ends[1] - ends[0])
        ends = ends[:, near]
        at = at[:, near]
        count = ends.shape[1]
        if count == 0 or (step >= FEWEST_REFINEMENTS and count > MANY):
            break
        middle = ends.sum(dim=0) / 2
        between = along(middle)
        ends = torch.cat([torch.stack([ends[0], middle]), torch.stack([middle, ends[1]])], dim=1)
        at = torch.cat([torch.stack([at[0], between]), torch.stack([between, at[1]])], dim=1)
    return ends[0], ends[1]


def flag_changes(piece: PieceLike, flag: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the parameters where a predicate of the points changes along a curve."""

    def along(t: Tensor) -> Tensor:
        return flag(piece.map(t[:, None]))

    t = torch.linspace(0, 1, FILTER_GRID, dtype=torch.float64)
    value = along(t)
    i = (value[1:] != value[:-1]).nonzero()[:, 0]
    return bisect(along, t[i], t[i + 1])


def piece_rule(piece: PieceLike, order: int) -> Rule:
    """Return points (n, d) and weights (n,) of ∫ f dS over the active part of a piece."""
    if piece.dimension == 1:
        return _point_rule(piece)
    own = _own_rule(piece, order) if piece.dimension >= 3 else None
    if own is not None:
        return own
    parameters, weights = _parameter_rule(piece, order)
    return Rule(piece.map(parameters), weights * piece.area(parameters))


def _own_rule(piece: PieceLike, order: int) -> Rule | None:
    """Return the rule that the surface itself knows, if it serves for this piece."""
    rule = piece.surface.rule(piece, order)
    if rule is not None or piece.dimension > 3:
        return rule
    alone = len(piece.domain.leaves) == 1 and not (piece.hidden_by or piece.filters)
    # Cutting a rule short of some of its points costs its order. A map that jumps leaves no other way.
    whole = piece.surface.whole_rule(order) if alone or not piece.surface.continuous else None
    if whole is None or alone:
        return whole
    keep = piece.active(whole.points)
    return Rule(whole.points[keep], whole.weights[keep])


def _parameter_rule(piece: PieceLike, order: int) -> tuple[Tensor, Tensor]:
    """Return parameters (n, d-1) and weights (n,) of an integral over those that are boundary."""
    plain = is_plain(piece)
    if piece.dimension == 2 and not (plain and piece.surface.periodic[0]):
        return _curve_rule(piece.intervals, order)
    if piece.dimension > 3:
        return _scattered_rule(piece, order)
    if plain:
        return tensor_rule(*(_axis(closed, order) for closed in piece.surface.periodic))
    return _trimmed_rule(piece, order)


def _scattered_rule(piece: PieceLike, order: int) -> tuple[Tensor, Tensor]:
    """Equal weights on those Sobol points of the parameter cube that are boundary."""
    parameters = sobol(sobol_size(order), piece.dimension - 1)
    parameters = parameters[piece.active(piece.map(parameters))]
    return parameters, torch.full((len(parameters),), 1 / sobol_size(order), dtype=torch.float64)


def sobol_size(order: int) -> int:
    """Return how many Sobol points stand for `order` points on each axis: order³, to a power of two."""
    return 2 ** min(17, max(6, (order**3 - 1).bit_length()))


def _point_rule(piece: PieceLike) -> Rule:
    x = piece.map(torch.zeros(1, 0, dtype=torch.float64))
    x = x[piece.active(x)]
    return Rule(x, torch.ones(len(x), dtype=torch.float64))


def _axis(closed: bool, order: int) -> tuple[Tensor, Tensor]:
    """Gauss on an interval, equally spaced points on a closed curve: spectrally accurate, both."""
    if not closed:
        return gauss_legendre(order, 0.0, 1.0)
    return around(4 * order)


def _curve_rule(intervals: Tensor, order: int) -> tuple[Tensor, Tensor]:
    s, w = gauss_legendre(order, 0.0, 1.0)
    length = (intervals[:, 1] - intervals[:, 0])[:, None]
    return (intervals[:, :1] + length * s).reshape(-1, 1), (length * w).reshape(-1)


def _trimmed_rule(piece: PieceLike, order: int) -> tuple[Tensor, Tensor]:
    """Apply the height-function rule to the active part of the parameter square."""
    cuts = piece.domain.cuts(piece.surface)
    zero = _zero(piece)
    flags = (*(other.claims for other in piece.hidden_by), *piece.filters)

    def levels(parameters: Tensor) -> Tensor:
        x = piece.map(parameters)
        values = [level(x) for level in cuts] + [flag(x).to(x.dtype) - 0.5 for flag in flags]
        found = torch.stack(values, dim=1)
        return torch.where(found.abs() <= zero, 0.0, found) if zero else found

    parts = [
        cut_rule(levels, lambda p: piece.active(piece.map(p)), square, order) for square in _squares(piece)
    ]
    points, weights = (torch.cat(column) for column in zip(*parts, strict=True))
    return points, weights


def _squares(piece: PieceLike) -> list[Tensor]:
    """Return corners (2, 2) of parts of the parameter square: a closed parameter in four, the first at its breaks.

    The rule on a sphere needs no parts: symmetric shapes would be cut at their very rims.
    """
    if piece.surface.carrier()[0] in ("sphere", "plane"):
        return [torch.tensor([[0.0, 0.0], [1.0, 1.0]], dtype=torch.float64)]
    ends = [
        _panel_ends(closed, piece.surface.breaks if i == 0 else (0.0, 1.0))
        for i, closed in enumerate(piece.surface.periodic)
    ]
    low = torch.cartesian_prod(*(e[:-1] for e in ends))
    high = torch.cartesian_prod(*(e[1:] for e in ends))
    return list(torch.stack([low, high], dim=1))


def _panel_ends(closed: bool, breaks: tuple[float, ...]) -> Tensor:
    """Where one parameter is divided: a closed one off its symmetric places, at few breaks, else nowhere."""
    if closed:
        return torch.tensor(UNEVEN, dtype=torch.float64)
    # A spline through many points would make a panel for each pair of them.
    few = breaks if len(breaks) <= FEW else (0.0, 1.0)
    return torch.tensor(few, dtype=torch.float64)


def spread(pieces: Sequence[PieceLike], n: int, seed: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Return points, outward normals and equal weights for each piece, about n points in all."""
    if not pieces:
        return []
    if pieces[0].dimension == 1:
        parts = [_point_rule(piece) for piece in pieces]
    elif pieces[0].dimension == 2:
        parts = _spread_on_curves(pieces, n, seed)
    else:
        parts = _spread_on_surfaces(pieces, n, seed)
    return [(x, piece.normal_at(x), w) for piece, (x, w) in zip(pieces, parts, strict=True)]


def _spread_on_curves(pieces, n, seed) -> list[Rule]:
    """Place points at equal distances along all active intervals, one after another, from a random start."""
    generator = torch.Generator().manual_seed(seed)
    shift = torch.rand((), generator=generator, dtype=torch.float64)
    parts = [_steps(piece) for piece in pieces]
    intervals, length = (torch.cat(column) for column in zip(*parts, strict=True))
    owner = torch.cat([torch.full((len(steps),), i) for i, (steps, _) in enumerate(parts)])
    speed = length / (intervals[:, 1] - intervals[:, 0])
    end = length.cumsum(0)
    s = (torch.arange(n, dtype=torch.float64) + shift) / n * end[-1]
    e = torch.searchsorted(end, s).clamp(max=len(end) - 1)
    t = intervals[e, 0] + (s - end[e] + length[e]) / speed[e]
    points = [piece.map(t[owner[e] == i][:, None]) for i, piece in enumerate(pieces)]
    return [Rule(x, torch.full((len(x),), float(end[-1]) / n, dtype=torch.float64)) for x in points]


def _steps(piece: PieceLike) -> tuple[Tensor, Tensor]:
    """Split the intervals (e, 2) of a curve so that its speed hardly changes in one; also their lengths (e,)."""
    count = 1 if piece.surface.plane else max(1, STEPS // len(piece.intervals))
    share = torch.linspace(0, 1, count + 1, dtype=torch.float64)
    ends = piece.intervals[:, :1] + piece.intervals.diff(dim=1) * share
    steps = torch.stack([ends[:, :-1].reshape(-1), ends[:, 1:].reshape(-1)], dim=1)
    s, w = gauss_legendre(4, 0.0, 1.0)
    width = steps.diff(dim=1)
    speed = piece.area((steps[:, :1] + width * s).reshape(-1, 1)).reshape(-1, 4)
    return steps, width[:, 0] * (speed @ w)


def _spread_on_surfaces(pieces, n, seed) -> list[Rule]:
    """Sobol points in the parameters, thinned to uniform density; as many on each piece as it has area."""
    drawn = [_uniform_on_surface(piece, 4 * n + CANDIDATES, seed + i) for i, piece in enumerate(pieces)]
    total = sum(measure for _, measure in drawn)
    parts = []
    for i, (x, measure) in enumerate(drawn):
        count = max(1, round(n * measure / total)) if len(x) else 0
        if count > len(x):  # little of the surface is boundary: as many candidates as it takes
            more = math.ceil(1.2 * (4 * n + CANDIDATES) * count / max(len(x), 1))
            x, _ = _uniform_on_surface(pieces[i], more, seed + i)
        count = min(count, len(x))
        parts.append(Rule(x[:count], torch.full((count,), measure / max(count, 1), dtype=torch.float64)))
    return parts


def _uniform_on_surface(piece, candidates: int, seed: int) -> tuple[Tensor, float]:
    draw = sobol(candidates, piece.dimension, seed)
    parameters = draw[:, :-1]
    lot = draw[:, -1]
    x = piece.map(parameters)
    area = piece.area(parameters)
    active = piece.active(x)
    measure = float((area * active).mean())
    return x[active & (lot * area.max() <= area)], measure
