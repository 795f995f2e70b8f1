"""Fluxes that jump where no `Interface` says so, or all but jump: their derivative is seen at no point.

Of (k u_x)_x with a k that jumps, points see k u_xx on either side and not the delta of the jump: the solution is that
of another equation. A jump of k in k u_xx, or of a source, is none of this: there the equation holds on either side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from pdesolve.checks.fluxes import Fluxes
from pdesolve.checks.report import Findings, at
from pdesolve.checks.terms import Sample, slot_name
from pdesolve.errors import PdesolveError
from pdesolve.geometry.domain import Domain
from pdesolve.geometry.rules.subdivision import part_of
from pdesolve.statement.breaks import breaks_along, lines_along
from pdesolve.statement.subdomains import subdomains_of

# Of a flux that is another at both ends of a period, or on both sides of a value: it is no rounding.
JUMP = 0.02
# With the place, above which a jump is wrong at any tolerance that is asked for.
LARGE = 1e-4
# Of the tolerance: a jump of a conductivity by one part moves the solution by up to a third of one.
MATTERS = 0.1
# Without a tolerance, the smallest that is looked for: what tolerances of 1e-8 see.
SMALL = 1e-9
# Below it, it is rounding of what is computed.
LEAST = 1e-11
# Over this distance, relative to the domain, values jump.
SMALLEST = 1e-12
# Of the domain, by dimension: a layer as thin as this is met by no collocation point, whatever changes within it. What
# is wider is seen at the points between: 2^16 on a line, and in the plane those of 180 rows.
THIN = {1: 2e-5, 2: 2e-4, 3: 1e-3}
# Lines along each axis, and points on each: 4,000 to 12,000 evaluations of an equation, some milliseconds.
LINES = {1: (1, 4096), 2: (32, 384), 3: (64, 128)}
# Of values on either side of one, at which fluxes are examined as functions of the unknown.
DECADES = 6
# Of the jets at which fluxes are examined as functions of the place: a coefficient may switch with their sign or size.
SIZES = (1.0, -1e-3)


def check_jumps(sample: Sample, findings: Findings, tol: float | None = None) -> None:
    """Report an expression under a derivative that jumps with the place, at a periodic end, or with the unknown.

    A jump in place is an error where it matters to the tolerance; where none is given, small ones are warned of.
    """
    operator = sample.operator
    if sample.term.kind != "equation" or operator.depth == 0:
        return
    fluxes = Fluxes.of(sample)
    names = operator.problem.coordinates
    least = SMALL
    if tol is not None:
        least = min(LARGE, max(MATTERS * tol, LEAST))
    if (found := break_in_space(fluxes, least) or break_at_seam(fluxes)) is not None:
        sentence = _sentence(found, sample.term.name, names)
        if tol is None and found.size < LARGE:
            findings.warn(f"{sentence}; at tolerances below {found.size / MATTERS:.0e} it is refused")
        else:
            findings.error(sentence)
    elif (branch := break_in_jet(fluxes)) is not None:
        unknown = slot_name(operator.problem, fluxes.slots[branch.slot])
        findings.error(
            f"an expression under ∂/∂{names[branch.axis]} in {sample.term.name} jumps where {unknown} passes "
            f"{branch.value:.4g}: its derivative there is no function, and no point sees it; let the coefficient "
            "change continuously, e.g. by torch.tanh over a width of its own"
        )


def _sentence(found: Break, name: str, names: tuple[str, ...]) -> str:
    under = f"an expression under ∂/∂{names[found.axis]} in {name}"
    digits = max(4, 2 - math.floor(math.log10(found.size)))
    change = f"from {found.before:.{digits}g} to {found.after:.{digits}g}"
    place = at(names, found.point)
    if found.width:
        return (
            f"{under} changes {change} within {found.width:.1e} of the domain {place}: a layer that no collocation "
            "point meets; widen it, or state a jump by Interface(Piecewise({part: value}, otherwise=…), "
            "on=part.boundary)"
        )
    return (
        f"{under} jumps {place} {change}: its derivative there is no function, and no point sees it; state the jump "
        "of the coefficient by Interface(Piecewise({part: value}, otherwise=…), on=part.boundary)"
    )


# ---------------------------------------------------------------- bisection


@dataclass(frozen=True)
class Pairs:
    """Neighbouring places a, b (n, ·), each for one of several functions, with its values f, g (n,) there.

    Attributes:
        which: (n,) number of the function.
        scale: (n,) its size over the pair that was begun with.
    """

    a: Tensor
    b: Tensor
    f: Tensor
    g: Tensor
    which: Tensor
    scale: Tensor

    @classmethod
    def of(cls, values: Callable[[Tensor], Tensor], a: Tensor, b: Tensor, most: int) -> Pairs:
        """Those of the given pairs over which each of the functions, values (n, c), changes most."""
        f = values(a)
        g = values(b)
        scale = torch.maximum(f.abs(), g.abs()).clamp_min(1e-300)
        gap = ((f - g).abs() / scale).nan_to_num(0.0, 0.0, 0.0)
        chosen = gap.argsort(dim=0, descending=True)[:most]  # (most, c)
        which = torch.arange(f.shape[1]).expand_as(chosen).flatten()
        rows = chosen.flatten()
        return cls(a[rows], b[rows], f[rows, which], g[rows, which], which, scale[rows, which])

    @property
    def gap(self) -> Tensor:
        """Relative change (n,) over each pair; zero where it is not finite."""
        return ((self.f - self.g).abs() / self.scale).nan_to_num(0.0, 0.0, 0.0)

    def some(self, chosen: Tensor) -> Pairs:
        """The pairs of a mask."""
        parts = (self.a, self.b, self.f, self.g, self.which, self.scale)
        return Pairs(*(part[chosen] for part in parts))

    def halved(self, values: Callable[[Tensor], Tensor], middle: Tensor) -> Pairs:
        """The half of each pair over which the function changes more."""
        h = values(middle)[torch.arange(len(middle)), self.which]
        left = (self.f - h).abs() >= (h - self.g).abs()
        a = torch.where(left[:, None], self.a, middle)
        b = torch.where(left[:, None], middle, self.b)
        return replace(self, a=a, b=b, f=torch.where(left, self.f, h), g=torch.where(left, h, self.g))


# ---------------------------------------------------------------- with the place


class Break(NamedTuple):
    """Where a flux along an axis jumps, or all but jumps, as a function of the place.

    Attributes:
        axis: along which it is differentiated.
        point: (d,) where.
        before, after: its values on either side.
        width: of the change, relative to the domain; zero for a jump.
        size: of the change, relative to the flux nearby.
    """

    axis: int
    point: Tensor
    before: float
    after: float
    width: float
    size: float


def break_in_space(fluxes: Fluxes, least: float) -> Break | None:
    """A flux that jumps, or has a layer that no point sees, within one part of the domain; None if there is none.

    Args:
        fluxes: the fluxes.
        least: relative change that matters.
    """
    problem = fluxes.operator.problem
    if problem.domain.dimension not in LINES:
        return None
    probe = problem.domain.sample(2, sampler="sobol", seed=0)
    parts = _parts(problem)
    for axis in sorted({flux.axis for flux in fluxes.at(probe, fluxes.jets(len(probe), seed=23))}):
        for size in SIZES:
            if (found := _break_along(fluxes, axis, size, parts, least)) is not None:
                return found
    return None


def _parts(problem) -> tuple[Domain, ...]:
    try:
        return subdomains_of(problem)
    except PdesolveError:
        return ()  # an interface that is none is reported elsewhere


def _break_along(
    fluxes: Fluxes, axis: int, size: float, parts: Sequence[Domain], least: float
) -> Break | None:
    domain = fluxes.operator.problem.domain

    def values(x: Tensor) -> Tensor:
        jets = fluxes.jets(len(x), seed=25, size=size, same=True)
        return torch.stack([flux.values for flux in fluxes.at(x, jets) if flux.axis == axis], dim=1)

    def label(x: Tensor) -> Tensor:
        return torch.where(domain.level(x) < 0, torch.from_numpy(part_of(parts, x)), -1)

    lines, count = LINES[domain.dimension]
    points = lines_along(domain.bounds[0], domain.bounds[1], axis, lines, count)
    found = breaks_along(values, points, axis, label, least, THIN[domain.dimension])
    for windows in (found.jumps, found.layers):
        large = windows.some(windows.jump > least)
        if len(large.width):
            i = int(large.jump.argmax())
            width = float(large.width[i] / fluxes.extents[axis])
            thin = 0.0
            if windows is found.layers:
                thin = width
            before = float(large.before[i])
            return Break(axis, large.start[i], before, float(large.after[i]), thin, float(large.jump[i]))
    return None


def break_at_seam(fluxes: Fluxes) -> Break | None:
    """A flux that is another at both ends of a periodic axis; None if there is none."""
    problem = fluxes.operator.problem
    for seam in problem.seams:
        start, stop = seam.ends(problem.domain.sample(32, sampler="sobol", seed=26))
        jets = fluxes.jets(len(start), seed=27)
        for f, g in zip(fluxes.at(start, jets), fluxes.at(stop, jets), strict=True):
            larger = torch.maximum(f.values.abs(), g.values.abs())
            bad = (f.values - g.values).abs() > JUMP * larger
            if f.axis == seam.axis and bool(bad.any()):
                i = int(bad.nonzero()[0])
                size = float((f.values - g.values).abs()[i] / larger[i])
                return Break(f.axis, stop[i], float(g.values[i]), float(f.values[i]), 0.0, size)
    return None


# ---------------------------------------------------------------- with the unknown


class Branch(NamedTuple):
    """A value of a slot at which a flux along an axis jumps."""

    axis: int
    slot: int
    value: float


def break_in_jet(fluxes: Fluxes) -> Branch | None:
    """A value of an unknown, or of a first derivative, at which a flux jumps; None if there is none."""
    for slot, (_, alpha) in enumerate(fluxes.slots):
        if sum(alpha) <= 1 and (found := _break_with(fluxes, slot)) is not None:
            return found
    return None


def _break_with(fluxes: Fluxes, slot: int) -> Branch | None:
    """The value of one slot at which a flux jumps, the others being fixed; values are carried beside the places."""
    points = fluxes.operator.problem.domain.sample(4, sampler="sobol", seed=28)
    jets = fluxes.jets(len(points), seed=29)
    if not fluxes.at(points, jets):
        return None  # nothing but unknowns is differentiated
    unit = jets[:, slot].abs().max()
    # Four values in a decade; between them is bisected.
    powers = torch.linspace(-DECADES, DECADES, 8 * DECADES + 1, dtype=torch.float64)
    grid = unit * torch.cat([-(10**powers).flip(0), 10**powers])
    axes: list[int] = []

    def values(v: Tensor) -> Tensor:  # columns: number of the point, value of the slot
        number = v[:, 0].long()
        changed = jets[number].clone()
        changed[:, slot] = v[:, 1]
        taken = fluxes.at(points[number], changed)
        axes[:] = [flux.axis for flux in taken]
        return torch.stack([flux.values for flux in taken], dim=1)

    number = torch.arange(len(points), dtype=torch.float64)
    a = torch.cartesian_prod(number, grid[:-1])
    b = torch.cartesian_prod(number, grid[1:])
    pairs = Pairs.of(values, a, b, len(a))
    pairs = pairs.some(pairs.gap > JUMP)
    while len(pairs.a):
        low = pairs.a[:, 1]
        high = pairs.b[:, 1]
        ended = high - low <= SMALLEST * torch.maximum(low.abs(), high.abs())
        ended |= high - low <= SMALLEST * 10.0**-DECADES * unit  # around zero
        if bool(ended.any()):
            last = pairs.some(ended)
            return Branch(axes[int(last.which[0])], slot, float(last.b[0, 1]))
        pairs = pairs.halved(values, torch.stack([pairs.a[:, 0], _between(low, high)], dim=1))
        pairs = pairs.some(pairs.gap > JUMP)
    return None


def _between(low: Tensor, high: Tensor) -> Tensor:
    """The middle (n,) of each pair: of the exponents where both ends have one sign, as a pair may span decades."""
    geometric = torch.sign(low) * (low.abs() * high.abs()).sqrt()
    return torch.where(low * high > 0, geometric, 0.5 * (low + high))
