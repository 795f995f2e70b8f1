"""Coefficients that vanish at an end, which patches approach to 1e-8 of the domain: right there, or refused."""

import pytest
from torch import log, sqrt, where
from verdicts import LINE, require_right_or_refused

from pdesolve import Dirichlet, Problem, solve
from pdesolve.adaptive.discretisation import Discretisation
from pdesolve.patches.points.boundary import boundary_points
from pdesolve.runs.monitor import Monitor

ENDS = [Dirichlet(0, on=LINE.left), Dirichlet(1, on=LINE.right)]


def flux_of(k, exact):
    """(k u')' = 0 between 0 and 1."""
    return Problem(LINE, lambda u, x: -(k(x) * u.x).x, ENDS, exact=exact)


VANISHING = {
    "root": flux_of(sqrt, sqrt),
    "logarithm": flux_of(
        lambda x: 1 / (1 - log(x)), lambda x: where(x > 0, x - x * log(x.clamp_min(1e-300)) / 2, 0.0)
    ),
    "Euler's": Problem(LINE, lambda u, x: x**2 * u.xx + x * u.x - 0.01 * u, ENDS, exact=lambda x: x**0.1),
}


@pytest.mark.parametrize("name", ["root", "logarithm"])
def test_what_happens_within_a_millionth_of_an_end_is_right_or_refused(name):
    """The logarithm was 68 % wrong, the root 58 %: the last patch had no value; then the root by 12 tolerances."""
    require_right_or_refused(VANISHING[name], 1e-6)


def test_a_value_belongs_to_the_last_patch_however_narrow():
    space = Discretisation(VANISHING["logarithm"], 1e-2, Monitor(), "cpu", {})
    patches, q = space.start()
    (left,) = boundary_points(patches, LINE.left, q, 1000)
    assert patches.half.min() < 1e-8
    assert patches.centre[left.cells[0], 0] == patches.centre.min()


def test_patches_that_cannot_be_smaller_end_the_solve_in_a_sentence():
    """Refinement that changes nothing went on until the time was over."""
    solution = solve(VANISHING["Euler's"], tol=1e-6, time_limit=120.0)
    assert not solution.converged
    assert "as small as they can be" in solution.status
