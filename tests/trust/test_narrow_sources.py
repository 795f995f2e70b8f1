"""Sources that are narrow beside the patches, at loose tolerances: right, or refused."""

import math

import pytest
import torch
from torch import erf, exp, log, pi, sin
from verdicts import LINE, SQUARE, require_right_or_refused

from pdesolve import Dirichlet, Problem, laplace


def on_a_line(width, size, centre=0.5317):
    """sin πx / 10 and `size` times the answer to a bell curve of area one."""

    def second(y):
        z = (y - centre) / width
        return width / 2 * (z * erf(z) + exp(-(z**2)) / math.sqrt(pi))

    def exact(x):
        shape = (1 - x) * second(torch.zeros_like(x)) + x * second(torch.ones_like(x)) - second(x)
        return 0.1 * sin(pi * x) + size * shape

    def source(x):
        return size / (width * math.sqrt(pi)) * exp(-(((x - centre) / width) ** 2))

    equation = lambda u, x: -u.xx - 0.1 * pi**2 * sin(pi * x) - source(x)  # noqa: E731
    return Problem(LINE, equation, [Dirichlet(0, on=LINE.boundary)], exact=exact)


def in_the_plane(width):
    """log(r² + w²)/2, whose Laplacian is 2 w²/(r² + w²)²."""

    def squared(x, y):
        return (x - 0.5317) ** 2 + (y - 0.4123) ** 2 + width**2

    def exact(x, y):
        return log(squared(x, y)) / 2

    def equation(u, x, y):
        return laplace(u) - 2 * width**2 / squared(x, y) ** 2

    return Problem(SQUARE, equation, [Dirichlet(exact, on=SQUARE.boundary)], exact=exact)


@pytest.mark.parametrize("tol", [1e-1, 1e-2, 1e-3])
@pytest.mark.parametrize(("width", "size"), [(1e-3, 0.05), (1e-4, 0.05), (1e-4, 1.0), (1e-5, 1.0)])
def test_a_narrow_source_on_a_line(width, size, tol):
    require_right_or_refused(on_a_line(width, size), tol)


@pytest.mark.parametrize("tol", [1e-1, 1e-2])
@pytest.mark.parametrize("width", [1e-2, 1e-3])
def test_a_narrow_source_in_the_plane(width, tol):
    require_right_or_refused(in_the_plane(width), tol)
