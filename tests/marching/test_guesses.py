"""Where the passes of a slab begin, when they end, and what tries of one slab tell of each other."""

from dataclasses import replace

import pytest
import torch
from evolutions import advanced, even, rod, second, space_on
from torch import exp, pi, sin

from pdesolve import Dirichlet, Initial, Problem
from pdesolve.marching.control import Numbers, Retry, Tuning, judge
from pdesolve.marching.state import Track, Tries
from pdesolve.marching.step import BELIEVED, left
from pdesolve.marching.verify import stages_near


def burning():
    """A nonlinear equation with the solution u = e^{-t} sin πx."""

    return Problem(
        rod * second,
        lambda u, x, t: u.t - u.xx - (pi**2 - 1) * u + u**3 - (exp(-t) * sin(pi * x)) ** 3,
        [Initial(lambda x: sin(pi * x)), Dirichlet(0, on=rod.boundary)],
        exact=lambda x, t: exp(-t) * sin(pi * x),
    )


def test_what_is_left_of_a_geometric_sequence_is_its_sum():
    changes = [0.3**n for n in range(1, 6)]
    rest = sum(0.3**n for n in range(6, 200))
    assert left(changes, 1) == pytest.approx(rest)
    assert left(changes, 3) == pytest.approx(rest)
    assert left([1.0, 1.0], 1) == float("inf")


def test_one_fast_pass_is_not_believed_to_be_followed_by_others():
    """1 and 1e-9 may be a large part that is gone at once, and a small one that contracts slowly."""
    assert left([1.0, 1e-9], 1) == pytest.approx(1e-9 * BELIEVED / (1 - BELIEVED))


def test_the_finer_march_begins_at_what_the_coarser_one_found():
    """The guess differs from the stages by what the coarse march misses, far less than stages at rest."""
    problem = burning()
    (u,), (v,) = (advanced(problem, even(problem, 2), 8 + more, 3 + more // 2, 1) for more in (0, 2))
    guess = stages_near(u, v.start[0], v.method)
    off = v.space.norms(guess - v.stages).max()
    missed = (v.space.norms(v.at(torch.tensor([1.0])))[0] - u.space.norms(u.at(torch.tensor([1.0])))[0]).abs()
    assert off < 1e-2 * v.space.norms(v.stages - v.start[0]).max()
    assert off > 0.1 * missed.max()
    bump = torch.zeros_like(v.start[0])
    bump[..., 0] = 0.3
    assert torch.allclose(stages_near(u, v.start[0] + bump, v.method), guess + bump)


@pytest.mark.parametrize("off", [30.0, 1e120], ids=["diverges", "overflows"])
def test_where_a_guess_leads_nowhere_a_slab_begins_at_its_start(off):
    problem = burning()
    track = Track.beginning(space_on(problem, even(problem, 2), 8), 4, lambda: False)
    scale = track.space.norms(track.start[:1])[0]
    first, _ = track.advance(0.0, 0.2, scale, 1e-9)
    track.take(first)
    expected, _ = track.advance(0.2, 0.4, scale, 1e-9)
    far = off * torch.randn(
        expected.stages.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    found, iteration = track.advance(0.2, 0.4, scale, 1e-9, far)
    assert iteration.converged
    assert track.space.norms(found.stages - expected.stages).max() < 1e-8


@pytest.mark.parametrize("shorter", [1.0, 0.5])
def test_a_slab_tried_again_begins_at_what_was_found_before(shorter):
    """The first pass corrects a tenth at most of what one from nothing does, and ends at the same solution."""
    problem = burning()
    (tried,) = advanced(problem, even(problem, 2), 8, 4, 1)
    track = Track.beginning(tried.space, 4, lambda: False)
    track.tried = tried
    scale = torch.ones(1, dtype=torch.float64)
    assert track.nearby(2 * tried.length) is None
    again, near = track.advance(0.0, shorter, scale, 1e-10, track.nearby(shorter))
    fresh, iteration = track.advance(0.0, shorter, scale, 1e-10)
    assert near.changes[0] < 0.1 * iteration.changes[0]
    assert torch.allclose(again.stages, fresh.stages, atol=1e-9)


def test_errors_are_compared_with_those_of_a_far_longer_slab():
    """At a start that does not match, an error a little above the tolerance shortens slabs by a fifth, try by try."""
    target = Tuning(tolerance=1e-9, interval=1.0)
    tries, length, verdict = Tries(), 0.2, None
    for count in range(1, 9):
        numbers = Numbers(
            length,
            7,
            count,
            True,
            converged=True,
            time_error=4e-9 * (length / 0.2) ** 0.7,
            before=tries.before,
        )
        verdict = judge(numbers, target)
        if verdict.rough:
            break
        assert isinstance(verdict, Retry)
        tries, length = tries.after(numbers, verdict), verdict.length
    assert verdict.rough
    smooth = replace(numbers, time_error=4e-9 * (length / 0.2) ** 8)
    assert not getattr(judge(smooth, target), "rough", False)
