"""Patches are cut where a layer is, and merged where nothing is lost."""

import numpy as np
import torch
from evolutions import heat, square

from pdesolve import Dirichlet, Disk, Initial, Problem, TimeInterval, laplace
from pdesolve.marching.evolution import Evolution
from pdesolve.marching.first_mesh import cheapest, elimination_flops, resolving
from pdesolve.marching.refinement import coarsened, cuts, directions, split, tails, worst
from pdesolve.marching.space import moved, values_at


def space_of(initial, q=10, domain=square):
    problem = Problem(
        domain * TimeInterval(0, 1),
        lambda u: u.t - laplace(u),
        [Initial(initial), Dirichlet(0, on=domain.boundary)],
    )
    return resolving(Evolution.of(problem), q, 1.0)


def functions(space):
    return torch.stack([space.project(0)])


def quartered(space):
    return split(space, torch.ones(len(space), dtype=torch.bool), np.ones((len(space), 2), dtype=bool))[0]


def layer(x, width):
    return 1 - torch.exp(-x / width)


def test_a_layer_at_an_end_is_cut_off_and_what_bends_everywhere_is_halved():
    space = space_of(lambda x, y: layer(x, 0.01) + torch.sin(3 * y))
    where = cuts(space, functions(space))
    at_the_wall = np.isclose(space.centre[:, 0].numpy() - space.half[:, 0].numpy(), 0)
    assert (where[at_the_wall, 0] == 1).all()
    assert (where[:, 1] == 4).all()


def test_cutting_and_merging_changes_no_polynomial():
    space = space_of(lambda x, y: 1 + x**3 * y**2 - y**4)
    c = functions(space)
    everywhere = torch.ones(len(space), dtype=torch.bool)
    finer, pairs = split(space, everywhere, np.ones((len(space), 2), dtype=bool), np.full((len(space), 2), 3))
    fine = moved(space, finer, pairs, c)
    torch.testing.assert_close(finer.norms(fine), space.norms(c), rtol=1e-13, atol=0)
    coarse, pairs = coarsened(finer, fine, finer.norms(fine)[0], 1e-9)
    assert len(coarse) < len(finer)
    again = moved(finer, coarse, pairs, fine)
    torch.testing.assert_close(coarse.norms(again), space.norms(c), rtol=1e-13, atol=0)
    torch.testing.assert_close(again, torch.stack([coarse.project(0)]), rtol=0, atol=1e-12)


def test_a_polynomial_is_carried_over_where_patches_that_the_boundary_cuts_are_merged():
    """Beyond the domain the polynomials of two cut patches have nothing in common."""

    def start(x, y):
        return 1 + x - 2 * y + x * y**2

    disc = Disk((0, 0), 1)
    space = quartered(quartered(space_of(start, 6, disc)))
    c = functions(space)
    merged, pairs = coarsened(space, c, space.norms(c)[0], 1e-6)
    assert merged.patches.cut.sum() < space.patches.cut.sum()
    assert len(merged) < len(space) / 2
    x = disc.sample(500, sampler="sobol", seed=5)
    found = values_at(merged, moved(space, merged, pairs, c), x[None])[0, 0, :, 0]
    torch.testing.assert_close(found, start(*x.T), rtol=0, atol=1e-12)


def test_a_kink_between_patches_that_the_boundary_cuts_is_kept():
    space = space_of(lambda x, y: (x - 0.25).abs() + (y - 0.25).abs(), q=4, domain=Disk((0, 0), 1))
    fine = quartered(space)
    c = functions(fine)
    merged, pairs = coarsened(fine, c, fine.norms(c)[0], 1e-3)
    assert merged.patches.cut.sum() < fine.patches.cut.sum()
    x = Disk((0, 0), 1).sample(2000, sampler="sobol", seed=5)
    off = values_at(merged, moved(fine, merged, pairs, c), x[None]) - values_at(fine, c, x[None])
    assert float(off.square().mean().sqrt()) < 1e-3


def test_patches_that_are_needed_are_not_merged():
    space = space_of(lambda x: layer(x, 0.002))
    marked = torch.ones(1, dtype=torch.bool)
    while bool(marked.any()):
        c = functions(space)
        scale = space.norms(c)[0]
        marked = worst(tails(space, c, scale), 1e-6)
        finer = split(space, marked, directions(space, c, scale), cuts(space, c))
        if finer is not None:
            space = finer[0]
    for _ in range(3):
        merged = coarsened(space, c, scale, 1e-6)
        if merged is not None:
            c = moved(space, merged[0], merged[1], c)
            space = merged[0]
    x = torch.linspace(0, 0.02, 200, dtype=torch.float64)
    found = space.mixture(c[0]).jet(torch.stack([x, 0.3 + 0 * x], dim=1), ((0, 0),))[:, 0, 0]
    torch.testing.assert_close(found, layer(x, 0.002), rtol=0, atol=1e-4)


def test_the_worst_patches_are_cut_until_half_of_the_budget_is_left():
    tail = torch.tensor([3.0, 0.1, 0.4, 2.0, 0.3], dtype=torch.float64)
    assert worst(tail, 4.0).tolist() == [False] * 5
    assert worst(tail, 1.2).tolist() == [True, False, False, True, False]


def test_smooth_values_in_a_square_take_fewer_patches_of_a_higher_degree():
    evolution = Evolution.of(space_of(lambda x, y: torch.sin(6 * x) * torch.cos(5 * y)).evolution.problem)
    low = resolving(evolution, 8, 1e-6)
    best = cheapest(evolution, 8, 1e-6)
    assert best.q > low.q
    assert elimination_flops(best) < elimination_flops(low)


def test_the_degree_asked_for_is_kept_where_the_root_grid_resolves_with_it():
    evolution = Evolution.of(heat())
    assert cheapest(evolution, 16, 1e-7).q == 16
    assert len(cheapest(evolution, 16, 1e-7, cells=3)) == 3


def test_what_a_cut_patch_misses_is_measured_within_the_domain():
    """A layer along a curved wall continues beyond it as a large function, which is no reason to cut the patch."""
    disc = Disk((0, 0), 1)
    space = space_of(lambda x, y: x**2 * y - 3 * y + 1, domain=disc)
    assert space.patches.cut.all()
    c = functions(space)
    parts = space.inside(c)
    assert float(parts[..., space.shells > 3].abs().max()) < 1e-12
    # ∫ (x²y - 3y + 1)² over the disc.
    exact = np.pi * (1 / 64 - 6 / 24 + 9 / 4 + 1)
    np.testing.assert_allclose(space.norms(c)[0, 0] ** 2, exact, rtol=1e-2)
    assert float((space.inside(c) - c).abs().amax()) > 0.1  # over the whole box they are others
