"""Layers that coefficients foretell have their patches before the first solve; thinner ones are said to be so."""

import math

import pytest
import torch

from pdesolve import Dirichlet, Interval, Problem, solve
from pdesolve.adaptive.discretisation import Discretisation
from pdesolve.runs.monitor import Monitor

LINE = Interval(0, 1)


def flow(width, direction=1.0):
    """-ε u'' ± u' = 1 with u = 0 at both ends: u = s - (e^{(s-1)/ε} - e^{-1/ε})/(1 - e^{-1/ε}), s along the flow."""

    def exact(x):
        s = x if direction > 0 else 1 - x
        return s - (torch.exp((s - 1) / width) - math.exp(-1 / width)) / (1 - math.exp(-1 / width))

    ends = [Dirichlet(0, on=LINE.boundary)]
    return Problem(LINE, lambda u: -width * u.xx + direction * u.x - 1, ends, exact=exact)


@pytest.mark.parametrize(("width", "direction"), [(1e-3, 1.0), (1e-5, -1.0), (1e-8, 1.0)])
def test_a_layer_where_the_flow_goes_out_is_resolved_at_once(width, direction):
    """With ε = 1e-8 all patches were halved, to 273,000 unknowns and 40 per cent of error."""
    solution = solve(flow(width, direction), tol=1e-4)
    assert solution.converged, solution.status
    assert solution.relative_l2_error() <= 1e-4
    assert solution.degrees_of_freedom < 500


def test_a_layer_that_is_thinner_than_patches_can_be_is_said_to_be_so():
    solution = solve(flow(1e-12), tol=1e-4)
    assert not solution.converged
    assert "as small as they can be" in solution.status


WITHOUT = {
    "powers": (lambda u, x: x**2 * u.xx + x * u.x - 0.01 * u, LINE.boundary),
    "no flow": (lambda u: -1e-6 * u.xx + u, LINE.boundary),
    "flow in": (lambda u: -1e-6 * u.xx - u.x + u, LINE.right),
    "no diffusion": (lambda u: u.x + u - 1, LINE.left),
}


@pytest.mark.parametrize("name", WITHOUT)
def test_without_a_flow_outwards_no_patch_is_halved(name):
    equation, place = WITHOUT[name]
    problem = Problem(LINE, equation, [Dirichlet(1, on=place)])
    patches, _ = Discretisation(problem, 1e-4, Monitor(), "cpu", {}).start()
    assert len(patches) == 3
