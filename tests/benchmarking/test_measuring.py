"""What a bench measures with is what the problem file says, however often it is asked."""

import torch

from pdesolve import Dirichlet, Problem, Rectangle, laplace
from pdesolve.benchmarking.measuring import remember_references


def counting(calls):
    square = Rectangle((0, 0), (1, 1))

    def reference(x, y):
        calls.append(len(x))
        return x - 2 * y

    return Problem(square, lambda u: -laplace(u), [Dirichlet(0, on=square.boundary)], reference=reference)


def test_values_of_a_reference_are_computed_once_for_the_same_points(tmp_path, monkeypatch):
    monkeypatch.setenv("PDESOLVE_CACHE", str(tmp_path))
    calls = []
    first, second, other = counting(calls), counting(calls), counting(calls)
    x = first.domain.sample(30)
    for problem, source in ((first, "a"), (second, "a"), (other, "b")):
        remember_references(problem, source)
    assert torch.equal(first.values(first.reference, x)[:, 0], x[:, 0] - 2 * x[:, 1])
    assert torch.equal(second.values(second.reference, x), first.values(first.reference, x))
    assert calls == [30]
    second.values(second.reference, x[:7])
    other.values(other.reference, x)
    assert calls == [30, 7, 30], "other points, or another file, are computed"
