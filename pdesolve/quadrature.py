"""Quadrature rules: Gauss and Chebyshev, their tensor products, and rules on cut rectangles and boxes."""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pdesolve.errors import UsageError
from pdesolve.runs.deadline import check_deadline

# Roots are looked for between samples along a line, changes between the lines of a slice: what is thinner than a
# 64th of a line is found by a local minimum of its level, what is narrower than a 48th of a slice is not.
SAMPLES_PER_LINE = 64
LINES_PER_SLICE = 48
# Changes of signature that are found between two neighbouring lines of a slice; what changes more often goes unseen.
CHANGES_PER_LINE = 6
# A break may be off by δ: the area beyond it is of order δ^{3/2}, below rounding for 2^-32.
BREAK_BISECTIONS = 32
TERNARY_STEPS = (
    24  # a minimum is then known to (2/3)^24 = 6e-5 of two samples: its sign counts, not its place
)
# Halvings until an interval of length one is as short as its rounding error, 2^-52.
BISECTIONS = 52


class Rule(NamedTuple):
    """Quadrature rule ∫ f ≈ Σ_n weights[n] f(points[n]), points (n, d), weights (n,)."""

    points: Tensor
    weights: Tensor


@lru_cache(maxsize=256)
def _legendre(n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(n)


def _check_count(n: int, what: str) -> int:
    if int(n) != n or n < 1:
        message = f"{what} received n = {n!r}, expected a whole number of nodes, at least 1."
        raise UsageError(message)
    return int(n)


def gauss_legendre(n: int, a: float = -1.0, b: float = 1.0) -> tuple[Tensor, Tensor]:
    """Return nodes and weights (n,) of ∫_a^b f(x) dx ≈ Σ w_i f(x_i), exact for degree 2n - 1.

    Raises:
        UsageError: n is not a positive whole number.

    >>> node, weight = gauss_legendre(3, 0, 1)
    >>> round(float((weight * node**5).sum()), 12)  # 1/6
    0.166666666667
    """
    node, weight = (torch.from_numpy(v) for v in _legendre(_check_count(n, "gauss_legendre")))
    return a + (b - a) * (node + 1) / 2, weight * ((b - a) / 2)


def gauss_hermite(n: int) -> tuple[Tensor, Tensor]:
    """Return nodes and weights (n,) of ∫ exp(-x²) f(x) dx ≈ Σ w_i f(x_i) over the real line.

    Raises:
        UsageError: n is not a positive whole number.

    >>> node, weight = gauss_hermite(20)
    >>> round(float((weight * node**2).sum() / weight.sum()), 12)  # the variance 1/2
    0.5
    """
    from scipy.special import roots_hermite  # stable for hundreds of nodes, where numpy's is not

    node, weight = roots_hermite(_check_count(n, "gauss_hermite"))
    return torch.from_numpy(node), torch.from_numpy(weight)


def chebyshev(n: int, a: float = -1.0, b: float = 1.0) -> tuple[Tensor, Tensor]:
    """Return the Chebyshev points of the first kind on (a, b), ascending, and Fejér's weights (n,).

    x_i = cos((2i - 1)π / 2n);  w_i = (2/n) (1 - 2 Σ_{j=1}^{n/2} cos(2jθ_i) / (4j² - 1)).

    Raises:
        UsageError: n is not a positive whole number.

    Source:
        Waldvogel, Fast construction of the Fejér and Clenshaw–Curtis quadrature rules, BIT 46 (2006).
    """
    n = _check_count(n, "chebyshev")
    theta = (2 * torch.arange(n, 0, -1, dtype=torch.float64) - 1) * (torch.pi / (2 * n))
    j = torch.arange(1, n // 2 + 1, dtype=torch.float64)
    weight = (2 / n) * (1 - 2 * (torch.cos(2 * theta[:, None] * j) / (4 * j**2 - 1)).sum(dim=1))
    return a + (b - a) * (theta.cos() + 1) / 2, weight * ((b - a) / 2)


def chebyshev_extrema(n: int) -> Tensor:
    """The points -cos(π k/(n - 1)), k < n, on [-1, 1], ends included.

    >>> (chebyshev_extrema(3).round(decimals=15) + 0.0).tolist()  # no -0.0
    [-1.0, 0.0, 1.0]
    """
    return -torch.cos(torch.pi * torch.arange(n, dtype=torch.float64) / (n - 1))


def clustered_gauss(n: int, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return Gauss nodes and weights (e, n) on intervals a, b (e,) for integrands with square-root ends.

    x = a + (b - a) sin²(πs/2) with s in (0, 1): √(x - a) and √(b - x) become analytic in s.
    """
    s, w = gauss_legendre(n, 0.0, 1.0)
    length = (b - a)[:, None]
    node = a[:, None] + length * torch.sin(torch.pi * s / 2) ** 2
    return node, length * w * torch.pi / 2 * torch.sin(torch.pi * s)


def around(n: int) -> tuple[Tensor, Tensor]:
    """Return n equally spaced nodes and weights (n,) of the integral over one period, (0, 1).

    For analytic periodic integrands the error falls faster than any power of 1/n (Trefethen and Weideman 2014).
    """
    return (torch.arange(n, dtype=torch.float64) + 0.5) / n, torch.full((n,), 1 / n, dtype=torch.float64)


def tensor_rule(*axes: tuple[Tensor, Tensor]) -> Rule:
    """Return the product of one-dimensional rules (nodes (q_i,), weights (q_i,)): ∏ q_i points."""
    if not axes:
        return Rule(torch.zeros(1, 0, dtype=torch.float64), torch.ones(1, dtype=torch.float64))
    points = torch.cartesian_prod(*(node for node, _ in axes)).reshape(-1, len(axes))
    weights = torch.cartesian_prod(*(weight for _, weight in axes)).reshape(-1, len(axes)).prod(dim=1)
    return Rule(points, weights)


def sobol(n: int, d: int, seed: int = 0) -> Tensor:
    """Return n scrambled Sobol points (n, d) strictly inside the unit cube, the same for the same seed."""
    if d == 0:
        return torch.zeros(n, 0, dtype=torch.float64)
    points = torch.quasirandom.SobolEngine(d, scramble=True, seed=seed).draw(n, dtype=torch.float64)
    # Scrambled points may round to a face of the cube, where levels are zero and curved maps have their poles.
    return points.clamp(1e-12, 1 - 1e-12)


def bisect(predicate: Callable[[Tensor], Tensor], a: Tensor, b: Tensor, steps: int = BISECTIONS) -> Tensor:
    """Return where a boolean predicate changes between a and b (e,), given that it differs at the two ends.

    `predicate` receives one abscissa for each interval, (e,), and returns booleans (e,).
    """
    if len(a) == 0:
        return a
    at_a = predicate(a)
    for _ in range(steps):
        check_deadline()  # a predicate may itself bisect, in each of many cells
        middle = (a + b) / 2
        same = predicate(middle) == at_a
        a = torch.where(same, middle, a)
        b = torch.where(same, b, middle)
    return (a + b) / 2


def cut_rule(
    levels: Callable[[Tensor], Tensor],
    inside: Callable[[Tensor], Tensor],
    box: Tensor,
    order: int,
    outer_breaks: Tensor | None = None,
) -> Rule:
    """Return a rule on {x in box: inside(x)} in two or three dimensions: the height-function rule.

    The region is integrated line by line along the last axis, slice by slice along the one before it,
    and in three dimensions over the slices. A line is split at the roots of the levels, a slice where
    the sequence of roots changes; panels carry Gauss rules clustered at their ends, where the length
    of the chords has square roots.

    Args:
        levels: points (n, d) → (n, l); the region's surface lies in the zeros of these l functions.
        inside: points (n, d) → booleans (n,).
        box: lower and upper corner (2, d).
        order: nodes in each panel of each axis.
        outer_breaks: in three dimensions, values of the first coordinate at which the slices change.

    Source:
        after Saye, High-order quadrature methods for implicitly defined surfaces and volumes in
        hyperrectangles, SIAM J. Sci. Comput. 37 (2015), with roots found by sampling.
    """
    if box.shape[1] == 2:
        prefix = box.new_zeros(1, 0)
        weight = box.new_ones(1)
    else:
        ends = box[:, 0]
        if outer_breaks is not None:
            ends = torch.cat([ends, outer_breaks])
        # Breaks that differ by rounding would make panels without width.
        ends = distinct(ends.clamp(box[0, 0], box[1, 0]), 1e-12 * float(box[1, 0] - box[0, 0]))
        node, w = clustered_gauss(order, ends[:-1], ends[1:])
        prefix = node.reshape(-1, 1)
        weight = w.reshape(-1)
    lines, weight = _lines(levels, inside, box, order, prefix, weight)
    return _along_lines(levels, inside, box, order, lines, weight)


def distinct(values: Tensor, tolerance: float) -> Tensor:
    """Return the values in ascending order, of several within the tolerance only the first."""
    values = values.sort().values
    keep = torch.ones_like(values, dtype=torch.bool)
    keep[1:] = values.diff() > tolerance
    return values[keep]


def _lines(levels, inside, box, order, prefix, weight) -> tuple[Tensor, Tensor]:
    """Split every slice where its line signature changes; return the lines (q, d - 1) and weights (q,)."""
    low, high = box[:, -2].tolist()
    grid = torch.linspace(0, 1, LINES_PER_SLICE + 1, dtype=box.dtype)
    # Shifted off the ends and off symmetric places, where lines may graze the boundary.
    grid = low + (high - low) * (1e-7 + (1 - 2.3e-7) * grid)
    at = torch.cat(
        [prefix.repeat_interleave(len(grid), dim=0), grid.repeat(len(prefix))[:, None]],
        dim=1,
    )
    signature = _signature(levels, inside, box, at).reshape(len(prefix), len(grid))

    def signature_at(i: Tensor, v: Tensor) -> Tensor:
        return _signature(levels, inside, box, torch.cat([prefix[i], v[:, None]], dim=1))

    i, breaks = _changes(signature_at, signature, grid)
    starts: list[Tensor] = []
    stops: list[Tensor] = []
    slices: list[Tensor] = []
    for k in range(len(prefix)):
        ends = torch.cat([box.new_tensor([low]), breaks[i == k].sort().values, box.new_tensor([high])])
        starts.append(ends[:-1])
        stops.append(ends[1:])
        slices.append(torch.full((len(ends) - 1,), k))
    node, w = clustered_gauss(order, torch.cat(starts), torch.cat(stops))
    owner = torch.cat(slices).repeat_interleave(order)
    return torch.cat([prefix[owner], node.reshape(-1, 1)], dim=1), weight[owner] * w.reshape(-1)


def _changes(signature_at, signature: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
    """Return slice numbers and abscissae at which the signature (slices, grid) changes between grid lines."""
    i, j = (signature[:, 1:] != signature[:, :-1]).nonzero(as_tuple=True)
    a = grid[j]
    b = grid[j + 1]
    left = signature[i, j]
    right = signature[i, j + 1]
    # Past the break by more than its error after the bisections, 2^-32 of a grid cell, and by little else.
    step = 1e-9 * (grid[-1] - grid[0])
    slices: list[Tensor] = []
    breaks: list[Tensor] = []

    def unchanged(v: Tensor) -> Tensor:
        return signature_at(i, v) == left

    for _ in range(CHANGES_PER_LINE):
        if len(i) == 0:
            break
        at = bisect(unchanged, a, b, BREAK_BISECTIONS)
        slices.append(i)
        breaks.append(at)
        # Where the signature behind the change is not yet that of the next grid line, there is another.
        a = at + step
        left = signature_at(i, a)
        more = (left != right) & (a < b)
        i = i[more]
        a = a[more]
        b = b[more]
        left = left[more]
        right = right[more]
    return torch.cat([i[:0], *slices]), torch.cat([grid[:0], *breaks])


def _roots(levels, box, lines) -> tuple[Tensor, Tensor, Tensor]:
    """Return line numbers, abscissae and level numbers of all roots along the last axis, in order."""
    low, high = box[:, -1].tolist()
    s = low + (high - low) * torch.linspace(0, 1, SAMPLES_PER_LINE + 1, dtype=box.dtype)
    at = torch.cat([lines.repeat_interleave(len(s), dim=0), s.repeat(len(lines))[:, None]], dim=1)
    value = levels(at).reshape(len(lines), len(s), -1)
    i, j, leaf = ((value[:, 1:] > 0) != (value[:, :-1] > 0)).nonzero(as_tuple=True)

    def level(i: Tensor, leaf: Tensor, v: Tensor) -> Tensor:
        return levels(torch.cat([lines[i], v[:, None]], dim=1)).gather(1, leaf[:, None])[:, 0]

    i2, leaf2, a2, middle, b2 = _close_pairs(level, value, s)
    i = torch.cat([i, i2, i2])
    leaf = torch.cat([leaf, leaf2, leaf2])
    a = torch.cat([s[j], a2, middle])
    b = torch.cat([s[j + 1], middle, b2])
    root = bisect(lambda v: level(i, leaf, v) > 0, a, b)
    # Two stable sorts order by line first and by place on each line.
    by_place = torch.argsort(root, stable=True)
    by_line = by_place[torch.argsort(i[by_place], stable=True)]
    return i[by_line], root[by_line], leaf[by_line]


def _close_pairs(level, value: Tensor, s: Tensor) -> tuple[Tensor, ...]:
    """Find pairs of roots between samples: line, level, and abscissae before, between and after the pair.

    Where |level| has a local minimum no larger than its steps along the line, it is minimised by ternary
    search; a minimum on the other side of zero separates two roots.
    """
    size = value.abs()
    reach = 1.5 * (value[:, 1:] - value[:, :-1]).abs().amax(dim=1, keepdim=True)
    before = size[:, :-2] - size[:, 1:-1]
    behind = size[:, 2:] - size[:, 1:-1]
    # What is the same at all three samples, as zero where a surface lies in the plane of a face, has no minimum.
    dips = (before >= 0) & (behind >= 0) & (before + behind > 0) & (size[:, 1:-1] <= reach)
    positive = value > 0
    dips &= (positive[:, 1:-1] == positive[:, :-2]) & (positive[:, 1:-1] == positive[:, 2:])
    i, j, leaf = dips.nonzero(as_tuple=True)
    a = s[j]
    b = s[j + 2]
    if len(i) == 0:
        return i, leaf, a, a, b
    side = torch.where(positive[i, j + 1, leaf], 1.0, -1.0)
    low = a
    high = b
    for _ in range(TERNARY_STEPS):
        third = (high - low) / 3
        left = low + third
        right = high - third
        closer = side * level(i, leaf, left) < side * level(i, leaf, right)
        low = torch.where(closer, low, left)
        high = torch.where(closer, right, high)
    middle = (low + high) / 2
    crossed = (level(i, leaf, middle) > 0) != (side > 0)
    return i[crossed], leaf[crossed], a[crossed], middle[crossed], b[crossed]


def _intervals(levels, inside, box, lines) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Split lines at their roots: line numbers, ends, whether inside, and the level at the left end."""
    i, root, leaf = _roots(levels, box, lines)
    number = torch.arange(len(lines))
    line = torch.cat([number, i])
    start = torch.cat([box[0, -1].expand(len(lines)), root])
    label = torch.cat([torch.full((len(lines),), -1), leaf])
    by_place = torch.argsort(start, stable=True)
    order = by_place[torch.argsort(line[by_place], stable=True)]
    line = line[order]
    start = start[order]
    label = label[order]
    stop = torch.cat([start[1:], box[1, -1:]])
    last = torch.ones_like(line, dtype=torch.bool)
    last[:-1] = line[1:] != line[:-1]
    stop = torch.where(last, box[1, -1], stop)
    middle = torch.cat([lines[line], ((start + stop) / 2)[:, None]], dim=1)
    return line, start, stop, inside(middle), label


def _signature(levels, inside, box, lines) -> Tensor:
    """Number each line (q, d - 1) by the sequence of levels it crosses and of sides it is on."""
    line, _, _, is_inside, label = _intervals(levels, inside, box, lines)
    first = torch.searchsorted(line, torch.arange(len(lines)))
    position = torch.arange(len(line)) - first[line]
    letter = (label + 2) * 2 + is_inside
    # A hash: sums of polynomials in letter and place, with primes as factors, tell the short sequences of a line
    # apart at a fixed size, where the sequences themselves differ in length.
    code = letter * (position + 1) * 7919 + letter * letter * (position + 3) * 104729
    return torch.zeros(len(lines), dtype=torch.long).index_add_(0, line, code)


def _along_lines(levels, inside, box, order, lines, weight) -> Rule:
    line, start, stop, keep, _ = _intervals(levels, inside, box, lines)
    line = line[keep]
    length = (stop - start)[keep, None]
    s, w = gauss_legendre(order, 0.0, 1.0)
    node = start[keep, None] + length * s
    weights = weight[line][:, None] * length * w
    points = torch.cat([lines[line].repeat_interleave(order, dim=0), node.reshape(-1, 1)], dim=1)
    return Rule(points, weights.reshape(-1))
