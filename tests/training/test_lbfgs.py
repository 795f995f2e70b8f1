import torch
from objectives import f64, quadratic

from pdesolve.training.lbfgs import inverse_hessian_product


def test_two_loop_recursion_is_the_dense_bfgs_matrix():
    generator = torch.Generator().manual_seed(0)
    _, A = quadratic(p=6)
    s = torch.randn(4, 6, dtype=f64, generator=generator)
    y, g = s @ A, torch.randn(6, dtype=f64, generator=generator)
    identity = torch.eye(6, dtype=f64)
    H = (s[-1] @ y[-1]) / (y[-1] @ y[-1]) * identity
    for si, yi in zip(s, y, strict=True):
        left = identity - torch.outer(si, yi) / (si @ yi)
        H = left @ H @ left.T + torch.outer(si, si) / (si @ yi)
    torch.testing.assert_close(inverse_hessian_product(s, y, g), H @ g, rtol=1e-10, atol=1e-12)


def test_newest_pair_satisfies_the_secant_equation():
    _, A = quadratic(p=6)
    s = torch.randn(3, 6, dtype=f64, generator=torch.Generator().manual_seed(1))
    y = s @ A
    torch.testing.assert_close(inverse_hessian_product(s, y, y[-1]), s[-1])


def test_without_memory_the_product_is_the_gradient():
    g = torch.arange(3.0, dtype=f64)
    assert torch.equal(inverse_hessian_product(g.new_zeros(0, 3), g.new_zeros(0, 3), g), g)
