"""Random problems by kinds that are known to be hard to trust, steady and in time, each with an exact solution.

Every kind is a function of a random generator that returns a problem; `KINDS` lists them.
"""

import math
from collections.abc import Callable
from random import Random
from typing import Any

import torch
from torch import Tensor, cos, exp, pi, sin, tanh

from pdesolve import (
    Box,
    Dirichlet,
    Disk,
    Initial,
    Interface,
    Interval,
    Neumann,
    Piecewise,
    Problem,
    Rectangle,
    Sector,
    TimeInterval,
    div,
    grad,
    laplace,
)
from pdesolve.benchmarking.manufactured import manufactured, with_arguments
from pdesolve.geometry.domain import Domain

Function = Callable[..., Tensor]  # coordinates in order ↦ (n,)


def _stated(name: str, domain: Domain, operator: Callable[..., Any], exact: dict[str, Function]) -> Problem:
    """L(u) = L(u*) with values of u* on the boundary."""
    names = domain.coordinates
    conditions = [
        Dirichlet(_named(function, names), on=domain.boundary, unknown=unknown)
        for unknown, function in exact.items()
    ]
    by_name = {unknown: _named(function, names) for unknown, function in exact.items()}
    equation = manufactured(operator, exact, names)
    return Problem(domain, equation, conditions, exact=by_name, name=f"{name} on {domain}")


def _named(function: Function, names: tuple[str, ...]) -> Callable[..., Tensor]:
    return with_arguments(lambda **x: function(*(x[name] for name in names)), names)


def _cell(draw: Random, most: int = 3, size: float = 1.0) -> Domain:
    """An interval, a rectangle or a box of about this size."""
    d = draw.randint(1, most)
    lower = [size * draw.uniform(-1, 1) for _ in range(d)]
    upper = [a + size * draw.uniform(0.7, 1.5) for a in lower]
    return Interval(lower[0], upper[0]) if d == 1 else (Rectangle if d == 2 else Box)(lower, upper)


def _wave(draw: Random, domain: Domain, size: float = 1.0, turns: float = 1.0) -> Function:
    """A product of sines, of this size, that turns so often over the domain."""
    lower, upper = domain.bounds.tolist()
    rates = [
        turns * draw.uniform(0.6, 1.4) * 2 * math.pi / (b - a) for a, b in zip(lower, upper, strict=True)
    ]
    phases = [draw.uniform(0, 6) for _ in rates]

    def function(*x: Tensor) -> Tensor:
        value = torch.full_like(x[0], size)
        for column, rate, phase, a in zip(x, rates, phases, lower, strict=True):
            value = value * sin(rate * (column - a) + phase)
        return value

    return function


def smooth(draw: Random) -> Problem:
    """Reaction and diffusion with a wave for a solution."""
    domain, c = _cell(draw), draw.uniform(0.2, 3)
    return _stated("smooth", domain, lambda u: -laplace(u) + c * u, {"u": _wave(draw, domain)})


def singular(draw: Random) -> Problem:
    """A harmonic function r^λ sin λθ at the corner of a sector."""
    angle = draw.choice([1.25, 1.5, 1.75]) * math.pi
    power = draw.choice([1, 2]) * math.pi / angle

    def exact(x: Tensor, y: Tensor) -> Tensor:
        theta = torch.atan2(y, x)
        theta = torch.where(theta < 0, theta + 2 * pi, theta)
        return (x * x + y * y) ** (power / 2) * sin(power * theta)

    sector = Sector((0, 0), 1, 0, angle)
    return Problem(
        sector,
        lambda u: -laplace(u),
        [Dirichlet(exact, on=sector.boundary)],
        exact=exact,
        name=f"singular on {sector}",
    )


def jumps(draw: Random) -> Problem:
    """A conductivity that jumps: stated by an Interface, by a where only, or by another Interface."""
    a, ratio = draw.uniform(0.2, 0.8), 10 ** draw.uniform(-2, 2)
    line, left = Interval(0, 1), Interval(0, a)
    k = Piecewise({left: 1.0}, otherwise=ratio)
    flux = 1 / (a + (1 - a) / ratio)
    stated = draw.choice(["interface", "none", "another"])
    interfaces = {
        "interface": [Interface(k, on=left.right)],
        "none": [],
        "another": [Interface(Piecewise({left: 1.0}, otherwise=3 * ratio), on=left.right)],
    }[stated]
    return Problem(
        line,
        lambda u, x: (torch.where(x < a, 1.0, ratio) * u.x).x,
        [Dirichlet(0, on=line.left), Dirichlet(1, on=line.right), *interfaces],
        exact=lambda x: torch.where(x < a, flux * x, 1 - flux * (1 - x) / ratio),
        name=f"jump by {ratio:.2g} at {a:.2g}, {stated}",
    )


def layers(draw: Random) -> Problem:
    """An inner layer of a width between 1e-3 and 0.1 in the solution."""
    domain, width = _cell(draw, 2), 10 ** draw.uniform(-3, -1)
    lower, upper = domain.bounds.tolist()
    centre = lower[0] + draw.uniform(0.2, 0.8) * (upper[0] - lower[0])
    return _stated(
        "layer", domain, lambda u: -laplace(u) + u, {"u": lambda *x: tanh((x[0] - centre) / width)}
    )


def hidden(draw: Random) -> Problem:
    """A narrow peak beside a wave."""
    domain, width = _cell(draw, 2), 10 ** draw.uniform(-3, -1.5)
    lower, upper = domain.bounds.tolist()
    centre = [draw.uniform(0.2, 0.8) * (b - a) + a for a, b in zip(lower, upper, strict=True)]
    wave, height = _wave(draw, domain), draw.uniform(0.5, 3)

    def exact(*x: Tensor) -> Tensor:
        r2 = sum(((column - c) / width) ** 2 for column, c in zip(x, centre, strict=True))
        return wave(*x) + height * exp(-r2)

    return _stated("hidden peak", domain, lambda u: -laplace(u), {"u": exact})


def pieces(draw: Random) -> Problem:
    """A reaction that is linear in pieces."""
    domain, at = _cell(draw, 2), draw.uniform(-0.5, 0.5)
    # Slopes below the first eigenvalue of -Δ: with steeper ones of both signs there are several solutions.
    c = draw.uniform(0.1, 0.8) * math.pi**2 * float((domain.bounds[1] - domain.bounds[0]).pow(-2).sum())
    bend = draw.choice(
        [
            lambda u: c * abs(u - at),
            lambda u: c * torch.relu(u - at),
            lambda u: c * u.clamp(-abs(at), abs(at)),
            lambda u: torch.where(u > at, u, u**3),
            lambda u: c * torch.maximum(u, 0.3 * u),
        ]
    )
    return _stated("in pieces", domain, lambda u: -laplace(u) + bend(u), {"u": _wave(draw, domain)})


def sizes(draw: Random) -> Problem:
    """Two unknowns whose sizes differ by up to 13 orders."""
    domain, ratio = _cell(draw, 2), 10 ** draw.uniform(-13, 3)
    exact = {"u": _wave(draw, domain), "v": _wave(draw, domain, ratio, draw.choice([1.0, 3.0]))}
    return _stated("sizes", domain, lambda u, v: (-laplace(u) + u, -laplace(v) + 2 * v + ratio * u), exact)


def resonance(draw: Random) -> Problem:
    """Helmholtz's equation beside an eigenvalue, by 1e-8 to 1e-1 of it."""
    off, k = 10 ** draw.uniform(-8, -1), draw.randint(1, 4)
    line = Interval(0, 1)
    value = (k * math.pi) ** 2 * (1 + draw.choice([-1, 1]) * off)
    return _stated(f"off resonance by {off:.1e}", line, lambda u: -u.xx - value * u, {"u": _wave(draw, line)})


def nonunique(draw: Random) -> Problem:
    """Many solutions, of which one is kept: at a resonance, or with fluxes only; or all but."""
    line, leak = Interval(0, 1), draw.choice([0.0, 0.0, 1e-12, 1e-6])
    k = draw.randint(1, 3)
    if draw.random() < 0.5:
        exact = lambda x: 1 + cos(k * pi * x)  # noqa: E731
        equation = manufactured(lambda u: -u.xx + leak * u, {"u": exact}, ("x",))
        return Problem(
            line, equation, [Neumann(0, on=line.boundary)], exact=exact, name=f"fluxes, leak {leak}"
        )
    exact = lambda x: sin((k + 1) * pi * x) + sin(k * pi * x)  # noqa: E731
    value = (k * math.pi) ** 2 * (1 + leak)
    equation = manufactured(lambda u: -u.xx - value * u, {"u": exact}, ("x",))
    return Problem(
        line, equation, [Dirichlet(0, on=line.boundary)], exact=exact, name=f"resonance, off {leak}"
    )


def degenerate(draw: Random) -> Problem:
    """A coefficient that vanishes at an end, or spans many decades."""
    line, power, steep = Interval(0, 1), draw.choice([0.5, 1.0, 2.0]), draw.uniform(0, 15)
    k = draw.choice([lambda x: 1e-3 + x**power, lambda x: exp(steep * x), lambda x: 1e-6 + (x - 0.5) ** 2])
    return _stated("degenerate", line, lambda u, x: -(k(x) * u.x).x + u, {"u": _wave(draw, line)})


def thin(draw: Random) -> Problem:
    """A domain that is long and thin, or tiny, or huge."""
    size = 10 ** draw.uniform(-6, 6)
    domain = Rectangle((0, 0), (size, size * 10 ** draw.uniform(-3, 0)))
    exact = _wave(draw, domain, turns=0.5)
    return _stated("thin", domain, lambda u: -laplace(u) + u / size**2, {"u": exact})


def units(draw: Random) -> Problem:
    """SI units: lengths, diffusivities and amounts far from one, coefficients that vary."""
    length, D, amount = 10 ** draw.uniform(-9, 7), 10 ** draw.uniform(-18, 3), 10 ** draw.uniform(-12, 25)
    domain = _cell(draw, 2, length)
    k = lambda x: D * (1 + 0.5 * sin(3 * x / length))  # noqa: E731
    c = lambda x: D / length**2 * (2 + cos(2 * x / length))  # noqa: E731
    exact = _wave(draw, domain, amount)
    return _stated("units", domain, lambda u, x: -div(k(x) * grad(u)) + c(x) * u, {"u": exact})


def bodies(draw: Random) -> Problem:
    """A disc of another coefficient, by up to a million, in a field along x or with a source inside."""
    square, radius, k = Rectangle((-1, -1), (1, 1)), draw.uniform(0.2, 0.6), 10 ** draw.uniform(-6, 6)
    a, b = draw.uniform(-0.2, 0.2), draw.uniform(-0.2, 0.2)
    disc = Disk((a, b), radius)
    coefficient = Piecewise({disc: k}, otherwise=1.0)
    source = draw.choice([0.0, 1.0])
    dipole = (1 - k) / (1 + k) * radius**2

    def squared(x: Tensor, y: Tensor) -> Tensor:
        return (x - a) ** 2 + (y - b) ** 2

    def exact(x: Tensor, y: Tensor) -> Tensor:
        r2 = squared(x, y)
        outside = r2.clamp_min(radius**2)
        if not source:
            return (x - a) * (1 + dipole / outside)
        within = (radius**2 - r2).clamp_min(0.0) / (4 * k)
        return within - radius**2 / 4 * torch.log(outside)

    def equation(u: Any, x: Any, y: Any) -> Any:
        return -div(coefficient(x, y) * grad(u)) - source * torch.where(squared(x, y) < radius**2, 1.0, 0.0)

    return Problem(
        square,
        equation,
        [Dirichlet(exact, on=square.boundary), Interface(coefficient, on=disc.boundary)],
        exact=exact,
        name=f"disc of {k:.1e}, source {source}",
    )


def spikes(draw: Random) -> Problem:
    """Values or fluxes on a wall with a spike of width 1e-5 to 0.1: a harmonic function with a pole beyond the wall."""
    square, d, at = Rectangle((0, 0), (1, 1)), 10 ** draw.uniform(-5, -1), draw.uniform(0.1, 0.9)
    slope = draw.uniform(-2, 2)

    def exact(x: Tensor, y: Tensor) -> Tensor:
        return (y + d) / ((x - at) ** 2 + (y + d) ** 2) + slope * x * y

    def flux(x: Tensor, y: Tensor) -> Tensor:
        r2 = (x - at) ** 2 + (y + d) ** 2
        return ((y + d) ** 2 - (x - at) ** 2) / r2**2 - slope * x

    others = square.left | square.right | square.top
    wall = draw.choice([Dirichlet(exact, on=square.bottom), Neumann(flux, on=square.bottom)])
    return Problem(
        square,
        lambda u: -laplace(u),
        [wall, Dirichlet(exact, on=others)],
        exact=exact,
        name=f"spike of {d:.1e}, {type(wall).__name__}",
    )


def flows(draw: Random) -> Problem:
    """A flow that leaves through a layer of a width between 1e-10 and 0.1, or one that turns within the line."""
    line, width, speed = (
        Interval(0, 1),
        10 ** draw.uniform(-10, -1),
        draw.choice([-1, 1]) * draw.uniform(0.3, 3),
    )
    if draw.random() < 0.3:
        at = draw.uniform(0.2, 0.8)
        exact = lambda x: torch.erf((x - at) / math.sqrt(width))  # noqa: E731
        return Problem(
            line,
            lambda u, x: -width * u.xx - 2 * (x - at) * u.x,
            [Dirichlet(exact, on=line.boundary)],
            exact=exact,
            name=f"flow that turns, {width:.1e}",
        )
    thin = width / abs(speed)

    def along(x: Tensor) -> Tensor:
        s = x if speed > 0 else 1 - x
        return (s - (exp((s - 1) / thin) - math.exp(-1 / thin)) / (1 - math.exp(-1 / thin))) / abs(speed)

    return Problem(
        line,
        lambda u: -width * u.xx + speed * u.x - 1,
        [Dirichlet(0, on=line.boundary)],
        exact=along,
        name=f"flow out, {thin:.1e}",
    )


# ---------------------------------------------------------------- in time


def _evolving(
    name: str,
    space: Domain,
    until: float,
    operator: Callable[..., Any],
    exact: dict[str, Function],
    more: tuple[Any, ...] = (),
) -> Problem:
    """L(u) = L(u*) from the values of u* at t = 0, with those of u* on the walls."""
    domain = space * TimeInterval(0, until)
    names = domain.coordinates
    by_name = {unknown: _named(function, names) for unknown, function in exact.items()}
    conditions: list[Any] = [Dirichlet(f, on=space.boundary, unknown=u) for u, f in by_name.items()]
    conditions += [Initial(f, unknown=u) for u, f in by_name.items()]
    equation = manufactured(operator, exact, names)
    return Problem(domain, equation, [*conditions, *more], exact=by_name, name=f"{name} on {domain}")


def _growing(draw: Random, space: Domain, until: float, size: float = 1.0) -> Function:
    """A wave in space that swells, fades or swings in time."""
    wave, rate = _wave(draw, space, size), draw.uniform(-2, 2) / until
    swing = draw.uniform(0, 8) / until

    def function(*x: Tensor) -> Tensor:
        return wave(*x[:-1]) * exp(rate * x[-1]) * (1.2 + cos(swing * x[-1]))

    return function


def evolving(draw: Random) -> Problem:
    """Reaction, flow and diffusion with a wave for a solution."""
    space, until, k = _cell(draw), draw.uniform(0.2, 2), draw.uniform(0.05, 1)
    return _evolving(
        "evolving", space, until, lambda u: u.t - k * laplace(u) + u, {"u": _growing(draw, space, until)}
    )


def waving(draw: Random) -> Problem:
    """A wave equation."""
    space, until, c = _cell(draw, 2), draw.uniform(0.2, 2), draw.uniform(0.3, 2)
    exact = _growing(draw, space, until)
    names = (*space.coordinates, "t")

    def rate(*x: Tensor) -> Tensor:
        t = x[-1].detach().requires_grad_(True)
        with torch.enable_grad():
            return torch.autograd.grad(exact(*x[:-1], t).sum(), t)[0]

    start = Initial(_named(rate, names), order=1)
    return _evolving("waving", space, until, lambda u: u.tt - c**2 * laplace(u), {"u": exact}, (start,))


def pulse(draw: Random) -> Problem:
    """Something that happens within a thousandth to a tenth of the time, beside a wave."""
    space, until, width = _cell(draw, 2), draw.uniform(0.5, 2), 10 ** draw.uniform(-3, -1)
    moment, height = draw.uniform(0.1, 0.9) * until, draw.uniform(0.5, 3)
    slow, shape = _growing(draw, space, until), _wave(draw, space, turns=0.5)

    def exact(*x: Tensor) -> Tensor:
        return slow(*x) + height * shape(*x[:-1]) * exp(-(((x[-1] - moment) / width) ** 2))

    return _evolving(f"pulse of {width:.1e}", space, until, lambda u: u.t - laplace(u), {"u": exact})


def switched(draw: Random) -> Problem:
    """A source that is switched on, or off again, within the time."""
    line, k, until = Interval(0, 1), draw.uniform(0.05, 1), draw.uniform(0.5, 2)
    on, mode = draw.uniform(0.1, 0.8) * until, draw.randint(1, 3)
    off = on + draw.choice([1e-3, 0.1, 10.0]) * draw.uniform(0.3, 1)
    decay = k * (mode * math.pi) ** 2

    def answer(t: Tensor, moment: float) -> Tensor:
        return torch.where(t < moment, 0.0, 1 - exp(-decay * (t - moment).clamp_min(0.0)))

    def exact(x: Tensor, t: Tensor) -> Tensor:
        driven = (answer(t, on) - answer(t, off)) / decay
        return sin(mode * pi * x) * (exp(-decay * t) + driven)

    def source(x: Tensor, t: Tensor) -> Tensor:
        return sin(mode * pi * x) * torch.where((t >= on) & (t < off), 1.0, 0.0)

    return Problem(
        line * TimeInterval(0, until),
        lambda u, x, t: u.t - k * u.xx - source(x, t),
        [Dirichlet(0, on=line.boundary), Initial(lambda x: sin(mode * pi * x))],
        exact=exact,
        name=f"switched on at {on:.3g} and off at {off:.3g} of {until:.3g}",
    )


def travelling(draw: Random) -> Problem:
    """A front or a peak that travels."""
    space, until, width = _cell(draw, 2), draw.uniform(0.3, 1), 10 ** draw.uniform(-2.3, -0.7)
    lower, upper = space.bounds.tolist()
    start = lower[0] + 0.3 * (upper[0] - lower[0])
    speed = draw.uniform(-0.2, 0.4) / until
    shape = draw.choice([tanh, lambda z: exp(-(z**2))])
    k = draw.choice([1.0, 0.1, width])
    return _evolving(
        f"travelling, width {width:.1e}",
        space,
        until,
        lambda u: u.t - k * laplace(u) + u * u.x,
        {"u": lambda *x: shape((x[0] - start - speed * x[-1]) / width)},
    )


def pieces_in_time(draw: Random) -> Problem:
    """A reaction that is linear in pieces, in time."""
    space, until, at = _cell(draw, 2), draw.uniform(0.2, 1), draw.uniform(-0.5, 0.5)
    bend = draw.choice(
        [
            lambda u: 3 * abs(u - at),
            lambda u: 3 * torch.relu(u - at),
            lambda u: 5 * u.clamp(-abs(at), abs(at)),
            lambda u: torch.where(u > at, u - at, 4 * (u - at)),
        ]
    )
    return _evolving(
        "in pieces",
        space,
        until,
        lambda u: u.t - laplace(u) + bend(u),
        {"u": _growing(draw, space, until)},
    )


def sizes_in_time(draw: Random) -> Problem:
    """Two unknowns whose sizes differ by up to 13 orders, in time."""
    space, until, ratio = _cell(draw, 2), draw.uniform(0.2, 1), 10 ** draw.uniform(-13, 3)
    exact = {"u": _growing(draw, space, until), "v": _growing(draw, space, until, ratio)}
    return _evolving(
        "sizes",
        space,
        until,
        lambda u, v: (u.t - laplace(u) + u, v.t - 0.3 * laplace(v) + 2 * v + ratio * u),
        exact,
    )


def jumps_in_time(draw: Random) -> Problem:
    """A conductivity that jumps, with its Interface or without, in time."""
    a, ratio, until = draw.uniform(0.2, 0.8), 10 ** draw.uniform(-2, 2), draw.uniform(0.3, 2)
    line, left = Interval(0, 1), Interval(0, a)
    k = Piecewise({left: 1.0}, otherwise=ratio)
    step = lambda x: torch.where(x < a, 1.0, ratio)  # noqa: E731

    def shape(x: Tensor) -> Tensor:
        before, at = sin(3 * x) / 3, math.sin(3 * a) / 3
        return torch.where(x < a, before, at + (before - at) / ratio)

    stated = draw.choice(["interface", "interface", "none"])
    interfaces = [Interface(k, on=left.right)] if stated == "interface" else []

    def exact(x: Tensor, t: Tensor) -> Tensor:
        return exp(-t) * shape(x)

    def equation(u: Any, x: Any, t: Any) -> Any:
        return u.t - (step(x) * u.x).x + exp(-t) * (shape(x) - 3 * sin(3 * x))

    return Problem(
        line * TimeInterval(0, until),
        equation,
        [Dirichlet(exact, on=line.boundary), Initial(shape), *interfaces],
        exact=exact,
        name=f"jump by {ratio:.2g} at {a:.2g}, {stated}, in time",
    )


def units_in_time(draw: Random) -> Problem:
    """SI units, in time."""
    length, D, amount = 10 ** draw.uniform(-9, 5), 10 ** draw.uniform(-18, 3), 10 ** draw.uniform(-12, 25)
    space = _cell(draw, 2, length)
    until = draw.uniform(0.01, 1) * length**2 / D
    k = lambda x: D * (1 + 0.5 * sin(3 * x / length))  # noqa: E731
    exact = _growing(draw, space, until, amount)
    return _evolving("units", space, until, lambda u, x: u.t - div(k(x) * grad(u)), {"u": exact})


KINDS: dict[str, Callable[[Random], Problem]] = {
    kind.__name__: kind
    for kind in (
        smooth,
        singular,
        jumps,
        layers,
        hidden,
        pieces,
        sizes,
        resonance,
        nonunique,
        degenerate,
        thin,
        units,
        evolving,
        waving,
        pulse,
        switched,
        travelling,
        pieces_in_time,
        sizes_in_time,
        jumps_in_time,
        units_in_time,
        bodies,
        spikes,
        flows,
    )
}
