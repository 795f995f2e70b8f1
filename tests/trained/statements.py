"""Small problems that between them have every kind of row, and networks to put into them."""

import torch
from torch import cos, pi, sin

from pdesolve import (
    Condition,
    Dirichlet,
    Initial,
    Integral,
    Interval,
    Neumann,
    Observation,
    Periodic,
    Problem,
    Rectangle,
    Robin,
    TimeInterval,
    laplace,
)
from pdesolve.approximators import MLP
from pdesolve.trained.sampling import Sampling, compile_statement, start_parameters
from pdesolve.trained.system import System

CPU = torch.device("cpu")
f64 = torch.float64


def poisson(length=1.0, size=1.0, pieces=False):
    """-Δu = f on a square of the given side, u of the given size."""
    square = Rectangle((0, 0), (length, length))
    parts = [square.left, square.right, square.bottom, square.top] if pieces else [square.boundary]

    def exact(x, y):
        return size * sin(pi * x / length) * sin(pi * y / length)

    def equation(u, x, y):
        return -laplace(u) - 2 * (pi / length) ** 2 * exact(x, y)

    return Problem(square, equation, [Dirichlet(0, on=part) for part in parts], exact=exact)


def mixed():
    """Nonlinear, Robin and Neumann and a condition of its own."""
    square = Rectangle((0, 0), (1, 2))

    def equation(u, x):
        return -laplace(u) + u**3 + u * u.x - x

    return Problem(
        square,
        equation,
        [
            Robin(2, lambda y: y, on=square.left),
            Neumann(1, on=square.right),
            Condition(lambda u, x, n: u.x * n.y + u * u - x, on=square.top),
            Dirichlet(lambda x: x, on=square.bottom),
        ],
    )


def system_in_time():
    """Two unknowns, periodic in x, with initial values."""
    line = Interval(0, 2 * pi)

    def equation(u, v):
        return u.t - v.x, v.t - u.x + u * v

    return Problem(
        line * TimeInterval(0, 0.5),
        equation,
        [Periodic("x"), Initial(lambda x: sin(x), unknown="u"), Initial(lambda x: cos(x), unknown="v")],
    )


def inverse():
    """-κ u'' = f with κ = 2.5 to be found from five values of u = sin πx."""
    line = Interval(0, 1)
    x = torch.linspace(0.1, 0.9, 5, dtype=f64)
    return Problem(
        line,
        lambda u, x, kappa: -kappa * u.xx - 2.5 * pi**2 * sin(pi * x),
        [Dirichlet(0, on=line.boundary)],
        parameters={"kappa": 1.0},
        data=[Observation(x, sin(pi * x))],
    )


def mean_value():
    """Neumann problem made unique by an integral: u = cos πx + 3."""
    line = Interval(0, 1)
    return Problem(
        line,
        lambda u, x: -u.xx - pi**2 * cos(pi * x),
        [Neumann(0, on=line.boundary), Integral(3.0)],
        exact=lambda x: cos(pi * x) + 3,
    )


EVERY = {
    "poisson": poisson,
    "mixed": mixed,
    "system_in_time": system_in_time,
    "inverse": inverse,
    "mean_value": mean_value,
}


def network(problem, width=5, seed=1):
    """A small network with inputs normalised to the domain."""
    lower, upper = (corner.tolist() for corner in problem.domain.bounds)
    hidden = (width, width)
    return MLP(len(lower), len(problem.unknowns), hidden=hidden, lower=lower, upper=upper, seed=seed)


def system(problem, approximator=None, points=40, seed=0):
    """The rows of a problem around an approximator."""
    statement = compile_statement(problem, f64, CPU)
    groups = statement.sample(Sampling(interior=points), seed)
    parameters = start_parameters(problem, f64, CPU)
    return System(approximator or network(problem), groups, statement.sizes, parameters)
