"""Functions to minimise, as θ → (loss, gradient), and the battery's list of optimisers."""

import torch

f64 = torch.float64
QUASI_NEWTON = {name: {"iterations": 500} for name in ("lbfgs", "bfgs", "ssbfgs", "ssbroyden")}
ALL = {**QUASI_NEWTON, "adam": {"iterations": 500, "learning_rate": 0.02}}
ROSENBROCK_START = torch.tensor([-1.2, 1.0, -1.2, 1.0, 0.5], dtype=f64)


def with_gradient(loss):
    """θ → (loss, gradient) from θ → loss."""

    def evaluate(θ):
        θ = θ.detach().requires_grad_()
        value = loss(θ)
        return value.detach(), torch.autograd.grad(value, θ)[0]

    return evaluate


@with_gradient
def rosenbrock(θ):
    return (100 * (θ[1:] - θ[:-1] ** 2) ** 2 + (1 - θ[:-1]) ** 2).sum()


def quadratic(p=12, condition=1e4):
    """½ (θ - 1)ᵀ A (θ - 1) with eigenvalues from 1 to `condition`, not aligned with the axes."""
    generator = torch.Generator().manual_seed(0)
    Q = torch.linalg.qr(torch.randn(p, p, dtype=f64, generator=generator)).Q
    A = Q @ torch.diag(torch.logspace(0, torch.log10(torch.tensor(condition)).item(), p, dtype=f64)) @ Q.T
    A = 0.5 * (A + A.T)
    return lambda θ: (0.5 * (θ - 1) @ A @ (θ - 1), A @ (θ - 1)), A
