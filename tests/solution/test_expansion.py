"""An expansion of any kind is a solution: whoever makes one needs no other file of the package."""

from dataclasses import dataclass

import pytest
import torch

from pdesolve import Dirichlet, Interval, Problem
from pdesolve.solution.patch_numbers import patch_numbers
from pdesolve.solution.solution import Solution


@dataclass
class Broken:
    """u(x) = c₀ |x - ½|, of which the rule meets the kink."""

    coefficients: torch.Tensor
    end: float | None = None
    patches: None = None

    def jet(self, x, indices):
        values = {0: (x - 0.5).abs(), 1: torch.sign(x - 0.5)}
        return torch.stack([self.coefficients[0] * values[k] for (k,) in indices], dim=2)

    def piece_of(self, x):
        return (x[:, 0] > 0.5).long()

    def quadrature(self, problem):
        del problem
        x = torch.tensor([[0.25 - 12**-0.5 / 2], [0.25 + 12**-0.5 / 2]], dtype=torch.float64)
        return torch.cat([x, x + 0.5]), torch.full((4,), 0.25, dtype=torch.float64)

    def is_cut(self, problem):
        del problem
        return False


def solution():
    line = Interval(0, 1)
    problem = Problem(
        line, lambda u: u.x, [Dirichlet(0.5, on=line.boundary)], exact=lambda x: 1 + (x - 0.5).abs()
    )
    return Solution(problem, Broken(torch.ones(1, dtype=torch.float64)), "toy", 1e-3, "made by hand", False)


def test_its_own_rule_measures_its_error():
    """∫ (u - u*)² = 1 and ∫ u*² = ∫ (1 + |x - ½|)² = 19/12, exact on two points of each half."""
    assert solution().relative_l2_error() == pytest.approx((12 / 19) ** 0.5, abs=1e-14)


def test_it_is_evaluated_counted_and_complete():
    made = solution()
    assert made(0.75) == 0.25
    assert made.degrees_of_freedom == 1
    assert made.complete


def test_its_pieces_are_numbered():
    x = torch.tensor([[0.1], [0.9], [0.2]], dtype=torch.float64)
    assert patch_numbers(solution().approximator, x).tolist() == [0, 1, 0]
