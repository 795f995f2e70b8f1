"""The rules of the controller, each from pure numbers."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from pdesolve.marching.control import (
    COMPARED,
    Accept,
    Numbers,
    Retry,
    Stop,
    Tuning,
    error_of,
    judge,
    next_factor,
)
from pdesolve.marching.radau import lagrange, legendre_transform, radau
from pdesolve.quadrature import gauss_legendre

TARGET = Tuning(tolerance=1e-6, interval=1.0)
GOOD = Numbers(length=0.1, stages=5, tries=1, first=False, converged=True, time_error=0.5e-6)


def test_a_resolved_slab_is_taken_and_its_length_kept():
    assert judge(GOOD, TARGET) == Accept(0.1)


def test_a_slab_is_lengthened_by_less_where_that_spares_many():
    """Factors are made anew for it; after many slabs by a fifth longer, ten are spared."""
    exact = replace(GOOD, time_error=0.5e-6 / 1.2**6)
    assert judge(exact, TARGET) == Accept(0.1)
    assert judge(replace(exact, length=0.01, left=0.2), TARGET) == Accept(0.01)
    assert judge(replace(exact, length=0.01, left=0.9), TARGET) == Accept(pytest.approx(0.012))
    assert judge(replace(exact, time_error=0.49e-6, length=0.001, left=0.9), TARGET) == Accept(0.001)


def test_a_much_too_exact_slab_is_followed_by_one_of_twice_the_length_at_most():
    assert judge(replace(GOOD, time_error=1e-20), TARGET) == Accept(0.2)


def test_a_diverged_slab_is_shortened():
    assert judge(replace(GOOD, converged=False), TARGET) == Retry(pytest.approx(0.04))


def test_an_inaccurate_slab_is_shortened_by_its_order():
    error = 64e-6
    verdict = judge(replace(GOOD, time_error=error), TARGET)
    assert verdict == Retry(pytest.approx(0.1 * (0.5e-6 / error) ** (1 / 6)))


def test_a_slab_that_space_does_not_resolve_is_solved_again_on_finer_patches():
    assert judge(replace(GOOD, unresolved=3), TARGET) == Retry(0.1, refine=True)


def test_a_slab_that_passes_over_a_pulse_is_shortened():
    assert judge(replace(GOOD, unseen=1e-3), TARGET) == Retry(pytest.approx(0.05))


def test_what_halves_with_the_slab_is_no_pulse():
    assert isinstance(judge(replace(GOOD, unseen=1e-5, unseen_before=2e-5), TARGET), Accept)


def test_what_is_far_above_the_tolerance_is_no_noise():
    assert isinstance(judge(replace(GOOD, unseen=1e-3, unseen_before=2e-3), TARGET), Retry)
    assert isinstance(judge(replace(GOOD, unseen=1e-3, unseen_before=1e-3), TARGET), Retry)


def test_a_start_is_rough_where_the_error_hardly_falls_with_the_length():
    numbers = replace(GOOD, first=True, tries=2, time_error=0.05, before=(0.3, 0.06))
    assert judge(numbers, TARGET).rough
    falling = replace(numbers, before=(0.3, 50.0))
    assert judge(falling, TARGET).rough is False
    later = replace(numbers, first=False)
    assert judge(later, TARGET).rough is False


def test_patches_are_not_cut_for_a_length_that_is_only_tried():
    """Of a start that does not match, first the length is found, and then the patches for it."""
    first = replace(GOOD, first=True, time_error=1e-5, unresolved=4)
    tried = judge(first, TARGET)
    assert not tried.refine
    assert tried.length <= GOOD.length / COMPARED
    known = judge(replace(first, tries=2, before=(0.3, 1.1e-5)), TARGET)
    assert known.rough
    assert not known.refine
    # Of √(Δ/T) e with e ~ Δ^p, p from both tries, half of the tolerance is left.
    power = math.log(1.1) / math.log(3)
    error = error_of(replace(first, rough=True, length=known.length)) * (known.length / 0.1) ** power
    assert error * known.length**0.5 == pytest.approx(0.5e-6)
    layer = replace(first, rough=True, length=known.length, tries=3, time_error=3e-5)
    assert judge(layer, TARGET) == Retry(known.length, refine=True, rough=True)


@pytest.mark.parametrize("stages", [5, 9])
def test_the_error_of_a_first_rough_slab_is_that_of_a_layer(stages):
    """u = erf(x/√4t) on a half line, a layer √t wide: the error in the mean over a slab is predicted within a half.

    The stages are exact here; what is missing of u is what the polynomial makes of its singular start.
    """
    x = torch.linspace(0, 8, 2001, dtype=torch.float64)
    nodes = radau(stages).nodes

    def layer(t):
        return torch.erf(x / (2 * torch.from_numpy(t).sqrt()[:, None].clamp_min(1e-12)))

    sizes = np.linalg.norm(legendre_transform(stages) @ layer(nodes).numpy(), axis=1)
    y, w = (a.numpy() for a in gauss_legendre(60, 0.0, 1.0))
    t, w = y**4, 4 * w * y**3  # towards the start
    off = lagrange(nodes, t) @ layer(nodes).numpy() - layer(t).numpy()
    true = np.sqrt(w @ (off**2).sum(1))
    known = replace(GOOD, first=True, rough=True, stages=stages, time_error=sizes[-1] ** 2 / sizes[-2])
    assert 0.67 < error_of(known) / true < 1.5


def test_a_rough_start_is_weighted_by_its_part_of_the_interval():
    """√(Δ/T) e ≤ tol: with an error that does not fall, the slab ends at Δ/T = (tol/e)²."""
    numbers = replace(GOOD, first=True, rough=True, time_error=0.1, length=1e-12)
    assert isinstance(judge(numbers, TARGET), Accept)
    long = replace(numbers, length=1e-4, before=(1e-3, 0.1))
    shorter = judge(long, TARGET).length
    assert (shorter**0.5) * 0.1 == pytest.approx(0.5e-6, rel=1e-6) or shorter == pytest.approx(1e-3 * 1e-4)


def test_what_helps_neither_in_time_nor_in_space_stops():
    assert isinstance(judge(replace(GOOD, tries=1000, time_error=1.0), TARGET), Stop)
    assert isinstance(judge(replace(GOOD, unresolved=1, splittable=False), TARGET), Stop)


@pytest.mark.parametrize("error", [0.0, 1e-300, 1e-12, 1e-3, 1e6])
def test_lengths_change_by_bounded_factors(error):
    assert 0.3 <= next_factor(replace(GOOD, time_error=error), TARGET) <= 2


def test_a_length_grows_again_where_only_patches_were_too_large():
    easy = replace(GOOD, tries=3, time_error=1e-12)
    assert judge(easy, TARGET).length > GOOD.length
    assert judge(replace(easy, shortened=True), TARGET) == Accept(GOOD.length)


def test_a_slab_is_no_longer_than_what_grows_fastest_can_be_followed():
    """Five stages follow e^5 in a slab."""
    assert judge(replace(GOOD, longest=0.05), TARGET) == Retry(pytest.approx(0.05))
    assert judge(replace(GOOD, longest=5 / 45, time_error=1e-20), TARGET) == Accept(pytest.approx(5 / 45))


def test_at_a_start_that_does_not_match_patches_follow_the_layer_where_equations_are_not_linear():
    """In patches far wider than the layer the equations of the stages may have no solution, however short the slab."""
    first = replace(GOOD, first=True, time_error=0.5, unresolved=3, before=(1.0, 0.5))
    linear = judge(first, TARGET)
    assert not linear.refine
    assert linear.length < first.length / 16
    other = judge(replace(first, linear=False), TARGET)
    assert other.refine
    assert other.length >= first.length / 16
