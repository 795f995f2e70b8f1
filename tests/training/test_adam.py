import torch
from objectives import f64, rosenbrock

from pdesolve.training.registry import minimiser


def test_iterates_are_those_of_torch():
    start = torch.tensor([-1.2, 1.0, 0.3], dtype=f64)
    θ = start.clone().requires_grad_()
    reference = torch.optim.Adam([θ], lr=0.01)
    for _ in range(30):
        θ.grad = rosenbrock(θ)[1]
        reference.step()
    settings = {"iterations": 30, "learning_rate": 0.01, "decay": 1.0}
    found = minimiser("adam")(rosenbrock, start, settings=settings)  # the loss falls at every step
    torch.testing.assert_close(found.theta, θ.detach(), rtol=1e-12, atol=1e-12)


def test_first_step_has_the_length_of_the_learning_rate_along_every_axis():
    start = torch.tensor([-1.2, 1.0, 0.3], dtype=f64)
    found = minimiser("adam")(rosenbrock, start, settings={"iterations": 1, "learning_rate": 1e-3})
    torch.testing.assert_close(
        (found.theta - start).abs(), torch.full((3,), 1e-3, dtype=f64), rtol=1e-6, atol=0
    )


def test_learning_rate_decays_by_its_factor():
    def slope(θ):
        return θ.sum(), torch.ones_like(θ)

    settings = {"learning_rate": 1.0, "decay": 0.5, "decay_every": 1, "epsilon": 0.0}
    found = minimiser("adam")(slope, torch.zeros(1, dtype=f64), settings={**settings, "iterations": 3})
    torch.testing.assert_close(found.theta, torch.tensor([-1.75], dtype=f64))
