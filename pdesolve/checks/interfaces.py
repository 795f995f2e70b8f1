"""Interfaces against the equation: where one makes a flux continuous, the other must not let it jump."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pdesolve.checks.fluxes import Flux, Fluxes
from pdesolve.checks.report import Findings, at
from pdesolve.checks.terms import Sample
from pdesolve.errors import PdesolveError
from pdesolve.statement.subdomains import interface_pieces, subdomains_of

# Distance of both sides from the interface, relative to the domain: far above rounding of its surface.
APART = 1e-7
# Relative difference of fluxes on both sides that is no contradiction: over that distance a coefficient changes less.
SAME = 1e-4


def check_interfaces_meet_equation(sample: Sample, findings: Findings) -> None:
    """Report an `Interface` whose coefficient is not that of the equation."""
    problem = sample.operator.problem
    if sample.term.kind != "equation" or sample.operator.depth == 0 or not problem.interfaces:
        return
    try:
        wrong = mismatch(Fluxes.of(sample))
    except PdesolveError:
        return  # an interface that is none is reported elsewhere
    if wrong is not None:
        findings.error(
            f"Interface and equation contradict each other {at(problem.coordinates, wrong.point)}: where u and k ∂u/∂n "
            f"continue as Interface says, the flux under the derivatives in {sample.term.name} is {wrong.before:.4g} "
            f"on one side and {wrong.after:.4g} on the other; give Interface the coefficient of the equation (it holds "
            "none that depends on the unknown), or write k*laplace(u), under whose derivatives there is no flux"
        )


class Mismatch(NamedTuple):
    """A flux through an interface (…) before and after it at a point (d,), where the Interface holds."""

    point: Tensor
    before: float
    after: float


def mismatch(fluxes: Fluxes) -> Mismatch | None:
    """Where the flux under a divergence jumps though u and k ∂u/∂n are continuous; None if nowhere.

    Jets of both sides that meet the Interface are put into the fluxes n·F of the equation: they must agree, or the
    divergence of F has a delta at the interface, which no collocation point sees.
    """
    problem = fluxes.operator.problem
    pieces = interface_pieces(problem, subdomains_of(problem))
    for piece in pieces:
        x, normals, _ = piece.rule(4)
        if len(x) and (found := _mismatch_on(fluxes, x, normals)) is not None:
            return found
    return None


def _mismatch_on(fluxes: Fluxes, x: Tensor, normals: Tensor) -> Mismatch | None:
    d = fluxes.operator.problem.domain.space_dimension
    step = APART * float(fluxes.extents[:d].max()) * normals
    flows = []
    for y in (x - step, x + step):
        taken = fluxes.at(y, _jets_beside(fluxes, y, normals))
        flows.append(_through(taken, normals, d))
    for f, g in zip(*flows, strict=True):
        bad = (f - g).abs() > SAME * torch.maximum(f.abs(), g.abs())
        if bool(bad.any()):
            i = int(bad.nonzero()[0])
            return Mismatch(x[i], float(f[i]), float(g[i]))
    return None


def _jets_beside(fluxes: Fluxes, y: Tensor, normals: Tensor) -> Tensor:
    """Jets (n, s) on one side: the same values and tangential slopes on both, and normal slopes 1/k."""
    problem = fluxes.operator.problem
    jets = fluxes.jets(len(y), seed=30)
    unit = fluxes.jets(1, seed=31).abs()
    ks = {problem.unknown_of(c): c.k.on_branch(c.k.branch(y), *y.unbind(1)) for c in problem.interfaces}
    found = jets.clone()
    for unknown, name in enumerate(problem.unknowns):
        first = _columns_of_gradient(fluxes, unknown)
        if not first:
            continue
        columns = list(first.values())
        n = normals[:, list(first)]
        # One flux k ∂u/∂n on both sides: the slope is larger where k is smaller.
        slope = unit[0, columns].max() / ks.get(name, torch.ones(len(y)))
        gradient = jets[:, columns]
        found[:, columns] = gradient + (slope - (gradient * n).sum(1))[:, None] * n
    return found


def _columns_of_gradient(fluxes: Fluxes, unknown: int) -> dict[int, int]:
    """For each axis in space the column of ∂u/∂x_i among the slots."""
    axes = range(fluxes.operator.problem.domain.space_dimension)
    return {
        alpha.index(1): column
        for column, (u, alpha) in enumerate(fluxes.slots)
        if u == unknown and sum(alpha) == 1 and alpha.index(1) in axes
    }


def _through(taken: Sequence[Flux], normals: Tensor, d: int) -> list[Tensor]:
    """Normal components n·F (n,) of the vectors whose components are differentiated in turn; none but whole ones."""
    by_axis = [[flux.values for flux in taken if flux.axis == i] for i in range(d)]
    if len({len(components) for components in by_axis}) != 1:
        return []
    return [
        sum(normals[:, i] * part for i, part in enumerate(vector)) for vector in zip(*by_axis, strict=True)
    ]
