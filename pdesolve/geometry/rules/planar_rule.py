"""Interior quadrature of plane domains by strips between the arcs of their boundary."""

import torch
from torch import Tensor

from pdesolve.geometry.surface import DomainLike, PieceLike
from pdesolve.quadrature import BISECTIONS, Rule, bisect, clustered_gauss, distinct, gauss_legendre

# Samples of a piece between which its tangent is vertical at most once.
TURNING_GRID = 129


def planar_rule(domain: DomainLike, order: int) -> Rule:
    """Return a rule on a plane domain whose boundary pieces are known: the height-function rule, exactly.

    In the frame (u, v) of `domain.rotation` every piece is split into arcs monotone in u. Between two
    neighbouring ends of arcs, the arcs are graphs v_1(u) < v_2(u) < …, and the domain lies between some of
    them. Each such panel carries a Gauss rule in u, clustered at both ends where arcs have vertical tangents,
    times Gauss rules in v. No root is searched for by sampling, so none is missed.
    """
    frame = domain.rotation
    size = float((domain.bounds[1] - domain.bounds[0]).norm())
    arcs = [(piece, ends) for piece in domain.pieces for ends in monotone_arcs(piece, frame)]
    along = torch.stack([(piece.map(ends[:, None]) @ frame)[:, 0] for piece, ends in arcs])  # (arcs, 2)
    # Arcs that meet in a corner end there up to rounding, which must not make a panel.
    ends = distinct(along.reshape(-1), 1e-11 * size)
    left = ends[:-1]
    right = ends[1:]
    u, w = clustered_gauss(order, left, right)
    u_all = torch.cat([u, ((left + right) / 2)[:, None]], dim=1)  # the middle orders the arcs
    middle = u_all[:, -1]
    spans = (along.amin(dim=1)[:, None] < middle) & (middle < along.amax(dim=1)[:, None])  # (arcs, panels)
    v = torch.full((len(arcs), *u_all.shape), torch.inf, dtype=torch.float64)
    for (piece, t), mask, v_arc in zip(arcs, spans, v, strict=True):
        if mask.any():
            v_arc[mask] = graph(piece, t, frame, u_all[mask].reshape(-1)).reshape(-1, order + 1)
    # Ordered by their heights in the middle of the panel: arcs do not cross between the ends of arcs.
    v = v.gather(0, v[:, :, -1:].argsort(dim=0).expand_as(v))
    return _between(domain, frame, u, w, v, middle, order)


def _between(domain, frame, u, w, v, middle, order) -> Rule:
    """Gauss in v on those intervals between neighbouring arcs whose middle lies inside."""
    low = v[:-1]
    high = v[1:]
    real = torch.isfinite(high[:, :, -1])
    centre = torch.where(real, (low[:, :, -1] + high[:, :, -1]) / 2, 0.0)
    at = torch.stack([middle.expand_as(centre), centre], dim=-1)
    # With tolerance, as the middle may lie on a seam of a union, where the level is zero.
    keep = real & domain.contains(at.reshape(-1, 2) @ frame.T, domain.rounding).reshape(real.shape)
    k, panel = keep.nonzero(as_tuple=True)
    low = low[k, panel, :-1]
    height = (high[k, panel, :-1] - low)[..., None]
    s, ws = gauss_legendre(order, 0.0, 1.0)
    points = torch.stack([u[panel][..., None].expand(-1, -1, order), low[..., None] + height * s], dim=-1)
    weights = w[panel][..., None] * height * ws
    return Rule(points.reshape(-1, 2) @ frame.T, weights.reshape(-1))


def monotone_arcs(piece: PieceLike, frame: Tensor) -> list[Tensor]:
    """Split the active intervals of a piece where its tangent is vertical; drop vertical arcs."""

    def leans(t: Tensor) -> Tensor:
        return (piece.surface.normal_at(piece.map(t[:, None])) @ frame)[:, 1] > 0

    t = torch.linspace(0, 1, TURNING_GRID, dtype=torch.float64)
    value = leans(t)
    # Where the normal turns from up to down, the tangent is vertical.
    i = (value[1:] != value[:-1]).nonzero()[:, 0]
    turns = bisect(leans, t[i], t[i + 1])
    arcs = []
    for a, b in piece.intervals.tolist():
        inner = turns[(turns > a) & (turns < b)]
        ends = distinct(torch.cat([torch.tensor([a, b], dtype=torch.float64), inner]), 1e-12)
        arcs += list(torch.stack([ends[:-1], ends[1:]], dim=1))
    return arcs


def graph(piece: PieceLike, ends: Tensor, frame: Tensor, u: Tensor) -> Tensor:
    """Return v on a monotone arc at abscissae u (n,), by bisection in the parameter."""
    rising = (piece.map(ends[:, None]) @ frame)[:, 0].diff() > 0
    a = ends[0].expand_as(u)
    b = ends[1].expand_as(u)
    for _ in range(BISECTIONS):
        middle = (a + b) / 2
        before = ((piece.map(middle[:, None]) @ frame)[:, 0] < u) == rising
        a = torch.where(before, middle, a)
        b = torch.where(before, b, middle)
    return (piece.map(((a + b) / 2)[:, None]) @ frame)[:, 1]
