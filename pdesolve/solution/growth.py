"""Whether what is integrated, or maximised, grows without bound towards a point.

At a corner, at a change of the kind of condition or at a jump of its values, derivatives grow like r^-b. Two solutions
then differ by what their smallest patches happen to reach, which tells nothing of an integral that does not exist
(b ≥ d on a part of dimension d) or of a maximum that is infinite (b > 0). The exponent is seen in rings around the
patch where they differ most, each twice as wide as the one inside it. At the corners whose singular functions a
solution has, two solutions do not differ; these are looked at in `at_corners`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pdesolve.errors import SolveError
from pdesolve.solution.patch_numbers import patch_numbers
from pdesolve.solution.regions import Region
from pdesolve.solution.values import Values

# Rings next to the innermost patch that must agree: three would take a peak for a power, and more reach what else is
# in the domain.
RINGS = 4
# A power has the same exponent in all rings; the slope of a Gaussian peak changes by more from each to the next.
SPREAD = 0.35
# Below it, a solution knows its smallest patches well enough: a peak that is resolved is not looked at.
KNOWN = 0.02
# Exponents are met within it (0.93 for 1 at a tolerance of 1e-2), and an integral of r^-0.9 would need ten times more
# halvings than there are.
BLUR = 0.1
# Part of the dimension that the smaller value must have, too: r^-1/2 with its next term r^1/2 has 0.4 and 0.7.
MOSTLY = 0.75
# Of a value, by which two solutions may differ where its power is known: a ring lies beside the patch that is not. What
# a solution that is regular at a corner has there of a power is rounding, and differs by as much as it is.
AGREED = 0.1
# A ring of fewer points has no mean worth the name.
IN_A_RING = 3


def require_integrable(
    name: str, points: Tensor, weights: Tensor, patch: Tensor, f: Tensor, dimension: int
) -> None:
    """See that an integrand does not grow too fast towards where two solutions differ most.

    Args:
        name: of the integral, for the message.
        points: (n, d), those of a rule.
        weights: of the rule (n,).
        patch: numbers (n,) of the patches that the points lie in, from 0 on.
        f: values (2, n, m) of the two solutions.
        dimension: of what is integrated over.

    Raises:
        SolveError: |f| has no integral.
    """
    for one in range(f.shape[2]):
        sizes = f[0, :, one].abs()
        changes = f[1, :, one] - f[0, :, one]
        parts = torch.stack([changes * weights, sizes * weights])
        of_patch = parts.new_zeros(2, int(patch.max()) + 1).index_add_(1, patch, parts).abs()
        worst = int(of_patch[0].argmax())
        if of_patch[0, worst] <= KNOWN * of_patch[1, worst]:
            continue
        there = (patch == worst).nonzero()[:, 0]
        place = points[there[sizes[there].argmax()]]
        power = growth(points, sizes, changes.abs(), weights, patch, place)
        if power is not None and power[1] >= dimension - BLUR and power[0] >= MOSTLY * dimension:
            raise SolveError(no_integral(name, power[1], place))


def require_bounded(values: Values, region: Region, change: Tensor, place: tuple[float, ...]) -> None:
    """See that an expression does not grow without bound towards a point.

    Args:
        values: of the expression.
        region: in which it is looked at.
        change: relative changes (m,) of the components there, from one solution to the other.
        place: the point.

    Raises:
        SolveError: it does.
    """
    if not bool((change > KNOWN).any()):
        return
    points, normals, weights = next(region.rules())
    f, finer = values.at(points, normals).nan_to_num(0.0)
    patch = patch_numbers(values.solution.approximator, points)
    at = torch.tensor(place, dtype=torch.float64)
    for one in (change > KNOWN).nonzero()[:, 0].tolist():
        changes = (finer[:, one] - f[:, one]).abs()
        power = growth(points, f[:, one].abs(), changes, weights, patch, at)
        if power is not None and power[0] > BLUR:
            raise SolveError(no_value(region.name, power[1], at))


def no_integral(name: str, power: float, place: Tensor) -> str:
    """The sentence of an integrand that grows like r^-power towards a place (d,)."""
    return (
        f"{name}: the integrand grows like r^-{power:.2g} towards ({_written(place)}), so that it has no integral; "
        "take a part of the boundary or a sub-domain that ends before"
    )


def no_value(name: str, power: float, place: Tensor) -> str:
    """The sentence of an expression that grows like r^-power towards a place (d,) where its value is asked for."""
    return (
        f"{name}: it grows like r^-{power:.2g} towards ({_written(place)}), so that it has no value there and no "
        "largest one; ask for it at a distance, or on a sub-domain that ends before"
    )


def _written(place: Tensor) -> str:
    return ", ".join(f"{c:.3g}" for c in place.tolist())


def growth(
    points: Tensor, sizes: Tensor, changes: Tensor, weights: Tensor, patch: Tensor, place: Tensor
) -> tuple[float, float] | None:
    """Two values of b where |f| ~ r^-b towards a place, the smaller first; None where no power is seen.

    With means m_k of |f| in rings, one is log₂ (m_0 / m_1), and the other, log₂ ((m_0 - m_1) / (m_1 - m_2)), the one
    that a constant added to f does not change.

    Args:
        points: (n, d), those of a rule.
        sizes: |f| there (n,).
        changes: by how much the two solutions differ in it (n,).
        weights: of the rule (n,).
        patch: numbers (n,) of the patches that the points lie in.
        place: (d,), where |f| is largest.
    """
    distance = (points - place).norm(dim=1)
    nearest = patch == patch[distance.argmin()]
    inner = float(distance[nearest].max())
    # Where the rings reach the other end, something else may be seen in them.
    if inner * 2**RINGS > float(distance.max()):
        return None
    mean = _means(distance, sizes, weights.abs(), inner)
    if bool((_means(distance, changes, weights.abs(), inner) > AGREED * mean).any()):
        return None
    falls = -mean.diff()
    if not bool((mean > 0).all() and (falls > 0).all()):
        return None
    slopes = [-sequence.log2().diff() for sequence in (mean, falls)]
    if all(float(b.max() - b.min()) > SPREAD for b in slopes):
        return None
    low, high = sorted(float(b[0]) for b in slopes)
    return low, high


def _means(distance: Tensor, sizes: Tensor, weights: Tensor, inner: float) -> Tensor:
    """Means of |f| in rings (k,) from an inner radius on; 0 where too few points are in one."""
    ring = (distance / inner).log2().floor().long()
    inside = (distance > inner) & (ring < RINGS)
    count = torch.bincount(ring[inside], minlength=RINGS)
    measure = torch.bincount(ring[inside], weights[inside], RINGS)
    total = torch.bincount(ring[inside], (sizes * weights)[inside], RINGS)
    return torch.where(count >= IN_A_RING, total / measure.clamp_min(1e-300), 0.0)
