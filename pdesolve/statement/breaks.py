"""Where functions of the place jump or bend along lines, and where they change within next to nothing.

Fourth differences of a smooth function fall like the fourth power of the distance of the points, across a jump they
stay, across a bend they fall like the distance. So the places where they are largest are zoomed into, by four at a
time, until the difference has fallen below what matters, or no distance is left. A jump of 1e-8 beside a slope of one
is found so, which no bisection after the larger change finds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

STENCIL = 5
WEIGHTS = (1.0, -4.0, 6.0, -4.0, 1.0)
# Of the fourth difference over a jump that is passed in the middle: partial sums of the weights.
OVER_JUMP = 3.0
# Points across a window of four intervals, which becomes a window of a quarter of its width.
ZOOMED = 17
# Windows of each function that are zoomed into: those with the largest differences. Smooth ones fall out at once.
SUSPECTS = 256
# Of the extent: what still differs over this distance jumps.
SMALLEST = 1e-12
# Of the distance of two numbers next to each other: a window has sixteen intervals, and places are rounded, too.
ROUNDINGS = 64 * np.finfo(float).eps
# Of the largest value that is seen of a function: a fourth difference has weights of 16 together, and values that have
# gone through a difference of numbers four times as large, as those of 1 - tanh² where it vanishes, are steps of this.
ROUNDED = 64 * np.finfo(float).eps
# Of the difference three zooms before: what stays is a jump, over which it is the same on every scale.
STAYS = 0.8
MEMORY = 3
# Of all fourth differences in a window, over the largest: 8/3 at a jump, and a dozen where values are noise.
SHARP = 4.0
# Per zoom, by which the difference over a bend falls (a jump of the second derivative: 1/16); smooth ones fall by 256.
BENDS = 1 / 40

Function = Callable[[Tensor], Tensor]  # places (n, d) ↦ values (n, c)
Label = Callable[[Tensor], Tensor]  # places (n, d) ↦ the part (n,) of the domain, negative outside


@dataclass(frozen=True)
class Windows:
    """Intervals along an axis over which functions change otherwise than smoothly.

    Attributes:
        start: (n, d) ends of the intervals.
        width: (n,) their lengths.
        which: (n,) number of the function.
        scale: (n,) its size nearby when the search began.
        before, after: (n,) its values at both ends.
        sizes: (n, r) relative fourth differences of the last zooms, the latest last.
        spread: (n,) all fourth differences in the window before, over the largest of them.
    """

    start: Tensor
    width: Tensor
    which: Tensor
    scale: Tensor
    before: Tensor
    after: Tensor
    sizes: Tensor
    spread: Tensor

    def some(self, chosen: Tensor) -> Windows:
        """Those of a mask."""
        return Windows(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    @property
    def jump(self) -> Tensor:
        """Relative change (n,)."""
        return self.sizes[:, -1] / OVER_JUMP

    @property
    def stays(self) -> Tensor:
        """Whether the difference (n,) has stayed over the last zooms, and stands alone: a jump, or a layer."""
        return (self.sizes[:, -1] > STAYS * self.sizes[:, 0]) & (self.spread < SHARP)

    @property
    def bends(self) -> Tensor:
        """Whether the difference (n,) has fallen more slowly than that of a smooth function, and stands alone."""
        zooms = self.sizes.shape[1] - 1
        return (self.sizes[:, -1] > BENDS**zooms * self.sizes[:, 0]) & (self.spread < SHARP)


class _Watched:
    """Functions of the place, and the largest value (c,) that each has shown."""

    def __init__(self, values: Function) -> None:
        self.values = values
        self.largest = torch.zeros(1)

    def __call__(self, x: Tensor) -> Tensor:
        f = self.values(x)
        self.largest = torch.maximum(self.largest.to(f), f.abs().nan_to_num(0.0, 0.0, 0.0).amax(0))
        return f

    def above_rounding(self, windows: Windows) -> Windows:
        """Those whose change is no step of rounding of what is far larger elsewhere."""
        change = windows.sizes[:, 0] * windows.scale
        return windows.some(change > ROUNDED * self.largest[windows.which])


@dataclass(frozen=True)
class Found:
    """What zooming ended with.

    Attributes:
        jumps: windows that are as short as numbers allow.
        layers: windows of at most the width asked for in which all of a change happened.
        bends: places of jumps and bends alike, as short windows.
    """

    jumps: Windows
    layers: Windows
    bends: Windows


def breaks_along(
    values: Function, points: Tensor, axis: int, label: Label, least: float, thin: float = 0.0
) -> Found:
    """Jumps, bends and thin layers of functions of the place along an axis.

    Args:
        values: the functions.
        points: (l, m, d) places along l lines, m of them at equal distances along the axis on each.
        axis: along which the lines go.
        label: which part of the domain a place lies in: nothing is looked for across two.
        least: relative fourth difference that matters.
        thin: width of a layer that counts, in units of the length of a line.
    """
    length = float((points[:, -1, axis] - points[:, 0, axis]).abs().max())
    values = _Watched(values)
    windows = _suspects(values, points, axis, label, least)
    smallest = max(SMALLEST * length, ROUNDINGS * float(points[..., axis].abs().max()))
    jumps, layers, bends = [], [], []
    while len(windows.width):
        zoomed = _zoomed(values, windows, axis)
        full = zoomed.sizes.shape[1] > MEMORY
        ended = zoomed.sizes[:, -1] <= least
        if full:
            layers.append(zoomed.some((zoomed.width <= thin * length) & zoomed.stays & ~ended))
            bends.append(windows.some(ended & windows.bends))
        short = (zoomed.width <= smallest) & ~ended
        if full:
            jumps.append(zoomed.some(short & zoomed.stays))
            bends.append(zoomed.some(short & zoomed.bends))
        windows = zoomed.some(~ended & ~short)
    nothing = windows.some(torch.zeros(0, dtype=torch.long))
    return Found(*(values.above_rounding(_joined(part, nothing)) for part in (jumps, layers, bends)))


def _joined(parts: list[Windows], nothing: Windows) -> Windows:
    parts = [part for part in parts if len(part.width)]
    if not parts:
        return nothing
    names = [name for name in Windows.__dataclass_fields__ if name != "sizes"]
    joined = {name: torch.cat([getattr(part, name) for part in parts]) for name in names}
    return Windows(**joined, sizes=torch.cat([part.sizes[:, [0, -1]] for part in parts]))


def _suspects(values: Function, points: Tensor, axis: int, label: Label, least: float) -> Windows:
    """Windows of five points with large fourth differences, for every function the largest ones."""
    lines, count, d = points.shape
    flat = points.reshape(-1, d)
    f = values(flat).view(lines, count, -1).transpose(1, 2)  # (l, c, m)
    part = label(flat).view(lines, count).unfold(1, STENCIL, 1)  # (l, m - 4, 5)
    together = ((part == part[..., :1]) & (part >= 0)).all(-1)
    stencils = f.unfold(2, STENCIL, 1)
    first, *rest = (w * f[..., k : count - STENCIL + 1 + k] for k, w in enumerate(WEIGHTS))
    difference = sum(rest, first).abs()
    scale = torch.nn.functional.max_pool1d(f.abs(), STENCIL, 1).clamp_min(torch.finfo(f.dtype).tiny)
    size = torch.where(together[:, None], difference / scale, 0.0).nan_to_num(0.0, 0.0, 0.0)
    # One window for each place: the largest among those that overlap.
    peak = torch.nn.functional.max_pool1d(size, 2 * STENCIL - 1, 1, STENCIL - 1)
    size = torch.where(size == peak, size, 0.0).transpose(0, 1).flatten(1)  # (c, l (m - 4))
    best = size.topk(min(SUSPECTS, size.shape[1]), 1)
    which, place = torch.nonzero(best.values > least, as_tuple=True)
    at = best.indices[which, place]
    line = torch.div(at, count - STENCIL + 1, rounding_mode="floor")
    first = at % (count - STENCIL + 1)
    start = points[line, first]
    width = points[line, first + STENCIL - 1][:, axis] - start[:, axis]
    own = stencils[line, which, first]
    sizes = best.values[which, place][:, None]
    chosen = scale[line, which, first]
    return Windows(start, width, which, chosen, own[:, 0], own[:, -1], sizes, torch.zeros(len(at)))


def _zoomed(values: Function, windows: Windows, axis: int) -> Windows:
    """The quarter of each window in which the fourth difference is largest."""
    n = len(windows.width)
    share = torch.linspace(0, 1, ZOOMED, dtype=windows.width.dtype)
    x = windows.start[:, None].repeat(1, ZOOMED, 1)
    x[:, :, axis] += share * windows.width[:, None]
    rows = torch.arange(n)
    f = values(x.flatten(0, 1)).view(n, ZOOMED, -1)[rows, :, windows.which]  # (n, 17)
    stencils = f.unfold(1, STENCIL, 1)
    size = (stencils @ torch.tensor(WEIGHTS, dtype=f.dtype)).abs() / windows.scale[:, None]
    every = size.nan_to_num(0.0, 0.0, 0.0)
    size, first = every.max(1)
    own = stencils[rows, first]
    spread = every.sum(1) / size.clamp_min(torch.finfo(f.dtype).tiny)
    sizes = torch.cat([windows.sizes, size[:, None]], 1)[:, -MEMORY - 1 :]
    return Windows(
        x[rows, first],
        windows.width / 4,
        windows.which,
        windows.scale,
        own[:, 0],
        own[:, -1],
        sizes,
        spread,
    )


def lines_along(lower: Tensor, upper: Tensor, axis: int, lines: int, count: int) -> Tensor:
    """Places (l, m, d) on random lines along an axis of a box, at equal distances that begin anywhere."""
    generator = torch.Generator().manual_seed(24 + axis)
    place = torch.rand(lines, 1, len(lower), generator=generator, dtype=torch.float64).repeat(1, count, 1)
    begin = torch.rand(lines, 1, generator=generator, dtype=torch.float64)
    place[:, :, axis] = (torch.arange(count) + begin) / count
    return lower + place * (upper - lower)
