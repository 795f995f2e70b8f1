"""Linearised at few points in one pass, and at many component by component, an equation has the same derivatives."""

import torch

from pdesolve import Initial, Problem, TimeInterval
from pdesolve.statement.residual import AT_ONCE, compile_term, sample_points


def test_sensitivities_do_not_depend_on_the_number_of_points():
    lorenz = Problem(
        TimeInterval(0, 1),
        lambda u, v, w: (u.t - 10 * (v - u), v.t - u * (28 - w) + v, w.t - u * v + 8 / 3 * w),
        [Initial(1, unknown=name) for name in "uvw"],
    )
    term = lorenz.terms[0]
    operator = compile_term(lorenz, term, *sample_points(lorenz, term, 16))
    many = 2 * AT_ONCE
    times = torch.linspace(0, 1, many, dtype=torch.float64)[:, None]
    jets = torch.rand(
        many, len(operator.slots), dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    whole, slopes = operator.linearise(times, jets)
    few, own = operator.linearise(times[:7], jets[:7])
    assert torch.equal(few, whole[:7])
    assert torch.equal(own, slopes[:7])
