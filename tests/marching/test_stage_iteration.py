"""All stage systems are solved by one real factor as by factors of their own."""

import pytest
import torch
from evolutions import even, space_on
from torch import pi, sin

from pdesolve import Box, Dirichlet, Initial, Problem, Rectangle, TimeInterval, laplace
from pdesolve.geometry.domain import Domain
from pdesolve.marching import stage_iteration
from pdesolve.marching.radau import radau
from pdesolve.marching.semi_discrete import SemiDiscrete
from pdesolve.marching.stage_iteration import REDUCED, USUAL, IteratedStages, steps_worth
from pdesolve.marching.stage_solver import StageFactors, StageSolver
from pdesolve.marching.step import Frozen, Stepper

unit = Box((0, 0, 0), (1, 1, 1)), Rectangle((0, 0), (1, 1))


def body(space: Domain, kind: str) -> Problem:
    equations = {
        "diffusion": lambda u: u.t - laplace(u),
        "transport": lambda u: u.t + 3 * u.x - 0.01 * laplace(u),
        "wave": lambda u: u.tt - laplace(u),
    }
    conditions = [Initial(lambda x: sin(pi * x)), Dirichlet(0, on=space.boundary)]
    if kind == "wave":
        conditions.append(Initial(0, order=1))
    return Problem(space * TimeInterval(0, 1), equations[kind], conditions)


def stages_of(kind, space, length, stages=5):
    """Direct and iterated solvers of the stage systems, and random right-hand sides."""
    problem = body(space, kind)
    on = space_on(problem, even(problem, 2), 5)
    system = SemiDiscrete(on)
    mu = torch.from_numpy(radau(stages).eigenvalues) / length
    mu0 = float(mu.abs().log().mean().exp())
    zero = [torch.zeros(1, len(on), 1, on.functions, dtype=torch.float64)] * (on.evolution.depth + 1)
    linearised = system.linearise(zero, 0.0, mu0)
    solver = StageSolver(system)
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(len(mu), len(on), on.width, dtype=torch.complex128, generator=generator)
    x[mu.imag == 0] = x[mu.imag == 0].real.to(x.dtype)  # as those of a real stage are
    return solver.factor(linearised, mu), IteratedStages.of(solver, linearised, mu, mu0), x


@pytest.mark.parametrize("space", unit, ids=["cube", "square"])
@pytest.mark.parametrize("length", [1e-3, 0.1])
@pytest.mark.parametrize("kind", ["diffusion", "transport", "wave"])
def test_one_real_factor_solves_all_stages(kind, length, space):
    direct, iterated, b = stages_of(kind, space, length)
    expected, found = direct.solve(b), iterated.solve(b)
    assert iterated.exact is None
    volume = iterated.solver.system.space.volume[:, None]
    off = ((found - expected).abs() ** 2 * volume).sum((1, 2)).sqrt()
    size = (expected.abs() ** 2 * volume).sum((1, 2)).sqrt()
    # The residual is that of B(μ₀)⁻¹ B_k, whose inverse is (μ₀ + r)/(μ_k + r) of each mode.
    assert bool((off < 10 * REDUCED * size).all())


def test_a_right_hand_side_of_zeros_has_the_solution_zero():
    _, iterated, b = stages_of("diffusion", unit[1], 0.1)
    b[0] = 0.0
    found = iterated.solve(b)
    assert bool(found.isfinite().all())
    assert not bool(found[0].any())


def test_where_the_iteration_fails_stages_are_factored(monkeypatch):
    monkeypatch.setattr(stage_iteration, "MOST_STEPS", 1)
    direct, iterated, b = stages_of("wave", unit[1], 0.1)
    assert torch.allclose(iterated.solve(b), direct.solve(b))
    assert iterated.exact is not None


def test_once_steps_have_cost_as_much_as_factors_these_are_made():
    """So no more than twice the least is paid, however many slabs share the factors."""
    direct, iterated, b = stages_of("diffusion", unit[1], 0.1)
    iterated.worth = 2
    iterated.solve(b)
    assert iterated.exact is None
    assert torch.allclose(iterated.solve(b), direct.solve(b))
    assert iterated.exact is not None


def test_many_patches_are_worth_more_steps_than_few():
    """A step costs its calls at least, which are dearer than the factors of four small patches."""
    problem = body(unit[1], "diffusion")
    mu = torch.from_numpy(radau(5).eigenvalues)
    few, many, higher = (
        steps_worth(StageSolver(SemiDiscrete(space_on(problem, even(problem, count), q))), mu, 1)
        for count, q in ((2, 5), (8, 5), (8, 10))
    )
    assert few < USUAL
    assert few < many < higher
    assert higher > USUAL


@pytest.mark.parametrize(("count", "q", "kind"), [(2, 5, StageFactors), (8, 10, IteratedStages)])
def test_a_slab_takes_the_factors_that_cost_less(count, q, kind):
    problem = body(unit[1], "diffusion")
    stepper = Stepper(SemiDiscrete(space_on(problem, even(problem, count), q)), radau(5))
    state = torch.zeros(1, len(stepper.system.space), 1, stepper.system.space.functions, dtype=torch.float64)
    frozen = Frozen([state, state], 0.0, 0.1)
    stepper.freeze(frozen)
    assert isinstance(stepper._factors, kind)
    stepper.freeze(frozen, exact=True)
    assert isinstance(stepper._factors, StageFactors)
