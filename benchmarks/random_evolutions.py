"""Random evolutions by kinds: starts that do not match, what is switched on at rest, three space coordinates.

Every kind is a function of a random generator that returns a problem with its exact solution; `EVOLUTIONS` lists them.
"""

import math
from collections.abc import Callable
from random import Random

import numpy as np
import torch
from scipy.special import j0, j1, jn_zeros
from torch import Tensor, cos, exp, sin

from benchmarks.random_kinds import _named, _wave
from benchmarks.starts import cooled
from pdesolve import (
    Box,
    Dirichlet,
    Disk,
    Initial,
    Interval,
    Neumann,
    Problem,
    Rectangle,
    TimeInterval,
    laplace,
)
from pdesolve.benchmarking.manufactured import manufactured

TERMS = 400  # of series; beyond the first thousandth of the time, the next ones are below rounding
AT_ONCE = 4096  # points of a series in one batch


def _cooled(s: Tensor, t: Tensor) -> Tensor:
    """A rod (0, 1) at one, put on ice, at s and t (diffusivity one)."""
    return torch.as_tensor(cooled(s.numpy(), t.numpy()))


def _cooled_disc(r: Tensor, t: Tensor) -> Tensor:
    """The same for the unit disc."""
    zeros = jn_zeros(0, TERMS)
    parts = []
    for a, b in zip(r.split(AT_ONCE), t.split(AT_ONCE), strict=True):
        terms = 2 / (zeros * j1(zeros)) * j0(np.outer(a.numpy(), zeros))
        parts.append((terms * np.exp(-np.outer(b.numpy(), zeros**2))).sum(1))
    return torch.as_tensor(np.concatenate(parts))


def mismatched(draw: Random) -> Problem:
    """A rod, a rectangle or a disc at one temperature, put into a bath of another."""
    k, size = 10 ** draw.uniform(-2, 1), 10 ** draw.uniform(-1, 1)
    inside, outside = draw.uniform(-5, 5), draw.uniform(-5, 5)
    lasting = draw.uniform(0.03, 0.3) * size**2 / k
    shape = draw.choice(["rod", "rod", "rectangle", "disc"])
    lower = [draw.uniform(-1, 1) * size for _ in range(2)]
    ratio = draw.uniform(0.6, 1.6)
    if shape == "rod":
        space = Interval(lower[0], lower[0] + size)
    elif shape == "rectangle":
        space = Rectangle(lower, (lower[0] + size, lower[1] + ratio * size))
    else:
        space = Disk(lower, size)

    def excess(*x: Tensor) -> Tensor:
        t = k * x[-1] / size**2
        if shape == "disc":
            return _cooled_disc(((x[0] - lower[0]) ** 2 + (x[1] - lower[1]) ** 2).sqrt() / size, t)
        value = _cooled((x[0] - lower[0]) / size, t)
        if shape == "rectangle":
            value = value * _cooled((x[1] - lower[1]) / (ratio * size), t / ratio**2)
        return value

    domain = space * TimeInterval(0, lasting)
    exact = _named(lambda *x: outside + (inside - outside) * excess(*x), domain.coordinates)
    conditions = [Initial(inside), Dirichlet(outside, on=space.boundary)]
    equation = lambda u: u.t - k * laplace(u)  # noqa: E731
    return Problem(domain, equation, conditions, exact={"u": exact}, name=f"mismatched on {domain}")


def bathed(draw: Random) -> Problem:
    """A brick at one temperature, one to three pairs of its faces put into a bath of another, the rest insulated."""
    k, size = 10 ** draw.uniform(-2, 1), 10 ** draw.uniform(-1, 1)
    inside, outside = draw.uniform(-5, 5), draw.uniform(-5, 5)
    lasting = draw.uniform(0.03, 0.3) * size**2 / k
    lower = [draw.uniform(-1, 1) * size for _ in range(3)]
    edges = [size, draw.uniform(0.6, 1.6) * size, draw.uniform(0.6, 1.6) * size]
    space = Box(lower, [a + e for a, e in zip(lower, edges, strict=True)])
    pairs = [(space.left, space.right), (space.front, space.back), (space.bottom, space.top)]
    cold = draw.sample(range(3), draw.choice([1, 1, 2, 3]))

    def exact(*x: Tensor) -> Tensor:
        value = torch.ones_like(x[0])
        for i in cold:
            value = value * _cooled((x[i] - lower[i]) / edges[i], k * x[-1] / edges[i] ** 2)
        return outside + (inside - outside) * value

    conditions = [Initial(inside)]
    for i, pair in enumerate(pairs):
        kind = Dirichlet if i in cold else Neumann
        value = outside if i in cold else 0
        conditions += [kind(value, on=face) for face in pair]
    domain = space * TimeInterval(0, lasting)
    equation = lambda u: u.t - k * laplace(u)  # noqa: E731
    stated = {"u": _named(exact, domain.coordinates)}
    name = f"bathed along {len(cold)} axes on {domain}"
    return Problem(domain, equation, conditions, exact=stated, name=name)


def switched(draw: Random) -> Problem:
    """A rod at rest, at whose right end a value or a flux is switched on at the start."""
    k, size, strength = 10 ** draw.uniform(-2, 1), 10 ** draw.uniform(-1, 1), 10 ** draw.uniform(-2, 2)
    flux = draw.random() < 0.5
    lasting = draw.uniform(0.03, 0.3) * size**2 / k
    space = Interval(0, size)
    domain = space * TimeInterval(0, lasting)
    # Images at the distances (2j + 1)L ∓ x, those of values with alternating signs at the two ends.
    conditions = [Initial(0.0), Neumann(0, on=space.left)]
    if flux:
        conditions.append(Neumann(strength, on=space.right))
    else:
        conditions.append(Dirichlet(strength, on=space.right))

    def exact(x: Tensor, t: Tensor) -> Tensor:
        width = 2 * (k * t).clamp_min(1e-300).sqrt()
        total = torch.zeros_like(x)
        for j in range(14):
            for distance in ((2 * j + 1) * size - x, (2 * j + 1) * size + x):
                z = distance / width
                if flux:
                    total += width * (exp(-(z**2)) / math.pi**0.5 - z * torch.erfc(z))
                else:
                    total += (-1) ** j * torch.erfc(z)
        return strength * total

    equation = lambda u: u.t - k * u.xx  # noqa: E731
    stated = {"u": _named(exact, domain.coordinates)}
    what = "flux" if flux else "value"
    return Problem(domain, equation, conditions, exact=stated, name=f"{what} switched on {domain}")


def rising(draw: Random) -> Problem:
    """From rest, like sin ωt or t², in one to three coordinates, by sources and values on the boundary."""
    d = draw.randint(1, 3)
    lower = [draw.uniform(-1, 1) for _ in range(d)]
    upper = [a + draw.uniform(0.7, 1.5) for a in lower]
    if d == 1:
        space = Interval(lower[0], upper[0])
    elif d == 2:
        space = Rectangle(lower, upper)
    else:
        space = Box(lower, upper)
    domain = space * TimeInterval(0, draw.uniform(0.5, 2))
    shape = _wave(draw, space, turns=0.6)
    rate = draw.uniform(1, 6)
    smooth = draw.random() < 0.5

    def exact(*x: Tensor) -> Tensor:
        if smooth:
            return x[-1] ** 2 * shape(*x[:-1])
        return sin(rate * x[-1]) * shape(*x[:-1])

    k, c = draw.uniform(0.05, 1), draw.uniform(0, 2)
    cubic = draw.random() < 0.4 and d < 3
    operators: dict[bool, Callable] = {
        False: lambda u: u.t - k * laplace(u) + c * u,
        True: lambda u: u.t - k * laplace(u) + c * u**3,
    }
    names = domain.coordinates
    value = _named(exact, names)
    equation = manufactured(operators[cubic], {"u": exact}, names)
    conditions = [Initial(0.0), Dirichlet(value, on=space.boundary)]
    return Problem(domain, equation, conditions, exact={"u": value}, name=f"rising on {domain}")


def swinging(draw: Random) -> Problem:
    """A string or a membrane that is held, and swings in two of its modes, from rest or not."""
    d = draw.randint(1, 2)
    sides = [draw.uniform(0.7, 1.5) for _ in range(d)]
    if d == 1:
        space = Interval(0, sides[0])
    else:
        space = Rectangle((0, 0), sides)
    speed = draw.uniform(0.3, 2)
    modes = [[draw.randint(1, 3) for _ in sides] for _ in range(2)]
    phases = [draw.choice([0.0, math.pi / 2, draw.uniform(0, 6)]) for _ in modes]
    domain = space * TimeInterval(0, draw.uniform(0.5, 3))

    def part(x: tuple[Tensor, ...], k: int, along: Callable[[Tensor], Tensor], order: int) -> Tensor:
        rates = [m * math.pi / a for m, a in zip(modes[k], sides, strict=True)]
        w = speed * math.hypot(*rates)
        value = w**order * along(w * x[-1] + phases[k])
        for column, rate in zip(x, rates, strict=False):
            value = value * sin(rate * column)
        return value

    def exact(*x: Tensor) -> Tensor:
        return part(x, 0, cos, 0) + part(x, 1, cos, 0) / 2

    def velocity(*x: Tensor) -> Tensor:
        return -part(x, 0, sin, 1) - part(x, 1, sin, 1) / 2

    names = domain.coordinates
    starts = [Initial(_named(exact, names)), Initial(_named(velocity, names), order=1)]
    conditions = [*starts, Dirichlet(0, on=space.boundary)]
    equation = lambda u: u.tt - speed**2 * laplace(u)  # noqa: E731
    stated = {"u": _named(exact, names)}
    return Problem(domain, equation, conditions, exact=stated, name=f"swinging on {domain}")


EVOLUTIONS: dict[str, Callable[[Random], Problem]] = {
    kind.__name__: kind for kind in (mismatched, switched, rising, swinging, bathed)
}
