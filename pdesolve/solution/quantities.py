"""Integrals, means and values of expressions, each with the error that the verifying solution tells.

    Q(u) ± max(|Σ_e d_e|, √σ √(Σ_e d_e²)) / (1 - √σ) + |quadrature|,   d_e = ∫_e f(v) - f(u)

with the result u, the solution v that verifies it, the part σ of the error that both share (`SecondSolution`), and the
patches e. The sum over patches alone would be Q(v) - Q(u), which may vanish by chance; the root of the sum of squares
is what it is expected to be if the patches do not know of each other. Of that, what v has left is allowed for: √σ
(`Values.left`).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pdesolve.quadrature import sobol
from pdesolve.solution.at_corners import require_bounded_at_corners, require_integrable_at_corners
from pdesolve.solution.estimated import Estimated
from pdesolve.solution.growth import require_bounded, require_integrable
from pdesolve.solution.patch_numbers import patch_numbers
from pdesolve.solution.regions import Region
from pdesolve.solution.values import ROUNDING, Values
from pdesolve.statement.outputs import Expression

AROUND = 32  # points about a probe, of which a quarter must lie in its patch
MOST_HALVED = 16  # times that they are drawn nearer until they do
ENOUGH = 0.3  # of the difference of the solutions: rules that differ by less need no finer one


def integral(values: Values, region: Region) -> tuple[Estimated, ...]:
    """∫ f over a region, for each component of f.

    Raises:
        SolveError: f is not finite at a point, or grows so fast towards one that it has no integral.
    """
    require_integrable_at_corners(values, region)
    before = None
    for points, normals, weights in region.rules():
        f = values.finite(points, normals)
        value = torch.einsum("nm,n->m", f[0], weights)
        size = torch.einsum("nm,n->m", f[0].abs(), weights.abs())
        quadrature = _change(before, value)
        between = None
        if len(f) > 1:
            patch = patch_numbers(values.solution.approximator, points).unique(return_inverse=True)[1]
            between = _between(patch, (f[1] - f[0]) * weights[:, None], values.left)
        before = value
        # Without a second solution nothing says how fine is fine enough, so the first rule is the last.
        if between is None or (quadrature is not None and _is_enough(between, quadrature, size)):
            break
    if between is not None:
        require_integrable(region.name, points, weights, patch, f, region.dimension)
    return _estimated(values, value, between, size, quadrature)


def mean(values: Values, region: Region) -> tuple[Estimated, ...]:
    """∫ f / ∫ 1 over a region, for each component of f."""
    # The finest rule measures the region best, and needs no values of f.
    *_, (_, _, weights) = region.rules()
    measure = float(weights.sum())
    return tuple(_divided(q, measure) for q in integral(values, region))


def _divided(q: Estimated, measure: float) -> Estimated:
    if q.estimated_error is None:
        return Estimated(float(q) / measure)
    return Estimated(float(q) / measure, q.estimated_error / measure)


def at_points(values: Values, points: Tensor) -> tuple[Tensor, Tensor | None]:
    """Values (n, m) at points (n, d), and their estimated errors, where something is known of them."""
    f = values.at(points)
    if len(f) < 2:
        return f[0], None
    between = (f[1] - f[0]).abs()
    between = torch.maximum(between, values.left * _typical(values, points, between))
    return f[0], values.times * between + ROUNDING * f[0].abs()


def _typical(values: Values, points: Tensor, between: Tensor) -> Tensor:
    """Mean of differences (n, m) over those of the points (n, d) that lie in one patch."""
    patch = patch_numbers(values.solution.approximator, points).unique(return_inverse=True)[1]
    known = between.nan_to_num(0.0, 0.0, 0.0)
    total = known.new_zeros(len(patch.bincount()), known.shape[1]).index_add_(0, patch, known)
    return (total / patch.bincount()[:, None])[patch]


def probe(values: Values, region: Region, point: Tensor) -> tuple[Estimated, ...]:
    """The value at a point (d,) of a region, for each component.

    Raises:
        SolveError: f is not finite there, or grows without bound towards it.
    """
    require_bounded_at_corners(values, region, 0.0, point)
    found = values.finite(point[None])
    place = tuple(point.tolist())
    value = found[0, 0]
    between = None
    if len(found) > 1:
        between = (found[1, 0] - value).abs()
        require_bounded(values, region, between / value.abs(), place)
        around, other = values.at(_around(values, region, point))
        typical = (other - around).abs().nan_to_num(0.0, 0.0, 0.0).mean(0)
        between = torch.maximum(between, values.left * typical)
    return tuple(
        Estimated(float(one), one.estimated_error, place)
        for one in _estimated(values, value, between, value.abs())
    )


def _around(values: Values, region: Region, point: Tensor) -> Tensor:
    """Points (k, d) about a point (d,) of a region, most of them in its patch.

    Two solutions may meet at the point by chance, and are as far from the exact one there as around it.
    """
    lower, upper = region.domain.bounds
    space = point[: len(lower)]
    steps = (2 * sobol(AROUND, len(lower)) - 1) * (upper - lower)
    own = patch_numbers(values.solution.approximator, point[None])
    for halved in range(1, MOST_HALVED):
        near = space + steps / 2**halved
        near = region.timed(near[region.contains(near)])
        same = patch_numbers(values.solution.approximator, near) == own
        if int(same.sum()) >= AROUND / 4:
            return near[same]
    return point[None]


def _change(before: Tensor | None, value: Tensor) -> Tensor | None:
    """How far apart two rules are; None where there is one only."""
    if before is None:
        return None
    return (value - before).abs()


def _between(patch: Tensor, parts: Tensor, left: float) -> Tensor:
    """How much two integrals differ, or would if it were not for chance, from weighted differences (n, m): (m,).

    The differences are those in the patches of numbers (n,) from 0 on; `left` is the part of them that the finer
    solution is off by.
    """
    of_patch = parts.new_zeros(int(patch.max()) + 1, parts.shape[1]).index_add_(0, patch, parts)
    return torch.maximum(of_patch.sum(0).abs(), left * of_patch.square().sum(0).sqrt())


def _is_enough(between: Tensor, quadrature: Tensor, size: Tensor) -> bool:
    """Whether the error of the rule is below that of the solution, or rounding."""
    return bool((quadrature <= torch.maximum(ENOUGH * between, ROUNDING * size)).all())


def _estimated(
    values: Values, value: Tensor, between: Tensor | None, size: Tensor, quadrature: Tensor | None = None
) -> tuple[Estimated, ...]:
    """Numbers from values (m,), differences of the solutions (m,), sizes (m,) and the change of the rule (m,)."""
    if between is None:
        return tuple(Estimated(float(one)) for one in value)
    error = values.times * between + ROUNDING * size
    if quadrature is not None:
        error = error + quadrature
    return tuple(Estimated(float(q), float(e)) for q, e in zip(value, error, strict=True))


class Parts(tuple[Any, ...]):
    """Real and imaginary part of a complex number, each with its estimate."""

    __slots__ = ()

    def __complex__(self) -> complex:
        return complex(float(self[0]), float(self[1]))


def single(found: tuple[Any, ...], expression: Expression) -> Any:
    """The one there is, or all components of a vector; of a complex number both parts."""
    if expression.is_complex:
        return Parts(found)
    if expression.is_vector:
        return found
    return found[0]
