"""Eigenvalues of complex fields, each counted once.

Real and imaginary part are two real unknowns, and J (a, b) = (-b, a) is multiplication by i. Where equation and
conditions are linear over the complex numbers, (A - λ W) u = 0, the real problem commutes with J: a real λ has the
modes u and i u, and with a complex λ of A the real problem has its conjugate as well. Of w = p + i q, a complex
eigenvector of the real problem with p and q real, u = p + J q is one of A with the same λ, or zero where λ is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.linalg import qr
from torch import Tensor

from pdesolve.eigen.modes import Modes, groups_of
from pdesolve.eigen.stacked import values as values_at_points
from pdesolve.patches.compiled import Statement
from pdesolve.patches.space import Space
from pdesolve.statement.problem import Problem
from pdesolve.statement.residual import ResidualOperator, sample_points

Pairs = tuple[tuple[int, int], ...]
POINTS = 16  # at which linearity over the complex numbers is examined
SAME = 1e-10  # relative: rounding of sums of terms
# Of the largest: two modes u and i u, and p + J q that is zero, are dependent to the error of modes; those of different
# directions of an eigenspace were orthonormal as real functions, and have at least a half.
INDEPENDENT = 0.05


def complex_pairs(statement: Statement) -> Pairs:
    """Numbers of the real and imaginary parts, where the problem is linear over the complex numbers; else none."""
    problem = statement.problem
    place = {name: i for i, name in enumerate(problem.unknowns)}
    pairs = tuple((place[a], place[b]) for a, b in problem.names.complex.values())
    if not pairs or 2 * len(pairs) != len(problem.unknowns):
        return ()
    operators = [term.operator for term in statement.terms]
    whole = all(_commutes(problem, operator, pairs) for operator in operators)
    return pairs if whole and not problem.integrals else ()


def _commutes(problem: Problem, operator: ResidualOperator, pairs: Pairs) -> bool:
    """Whether a term of J u is J of the term, J acting on its components two by two, or it prescribes one part."""
    if operator.term.unknown is not None:
        return True  # of a complex unknown, such a condition is stated of both parts alike
    if operator.components % 2:
        return False
    points, normals = sample_points(problem, operator.term, POINTS)
    generator = torch.Generator().manual_seed(3)
    jets = torch.randn(len(points), len(operator.slots), generator=generator, dtype=torch.float64)
    other = dict(pairs) | {imag: real for real, imag in pairs}
    if any((other[u], alpha) not in operator.slots for u, alpha in operator.slots):
        return False
    multiplied = jets_times_i(jets, operator.slots, pairs)
    given = {k: torch.tensor(0.7, dtype=torch.float64) for k in problem.parameters}
    r = operator.values(points, jets, normals, given)
    found = operator.values(points, multiplied, normals, given)
    wanted = torch.stack([-r[:, 1::2], r[:, 0::2]], dim=2).flatten(1)
    return bool((found - wanted).abs().max() <= SAME * r.abs().max())


def times_i(space: Space, coefficients: Tensor, pairs: Pairs) -> Tensor:
    """J of the columns (p, k)."""
    found = torch.zeros_like(coefficients)
    for points in space.interior:
        columns = space.columns(points.cells)
        own = coefficients[columns].view(len(points.cells), space.unknowns, -1, coefficients.shape[1])
        turned = torch.empty_like(own)
        for real, imag in pairs:
            turned[:, real] = -own[:, imag]
            turned[:, imag] = own[:, real]
        found[columns] = turned.flatten(1, 2)
    return found


@dataclass(frozen=True, eq=False)
class Estimates:
    """Modes and what is known of their errors, NaN where nothing is.

    Attributes:
        modes: k of them.
        eigenvalues: (k,) absolute errors.
        of_modes: (k, u) relative L2 errors.
        groups: numbers of the modes that belong together, whose eigenvalues are alike.
    """

    modes: Modes
    eigenvalues: np.ndarray
    of_modes: np.ndarray
    groups: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def unknown(cls, modes: Modes) -> Estimates:
        """Of modes that were not compared with others."""
        k = len(modes.values)
        return cls(modes, np.full(k, np.nan), np.full((k, modes.pencil.space.unknowns), np.nan))

    def first(self, count: int) -> Estimates:
        """The first modes."""
        modes = replace(
            self.modes, values=self.modes.values[:count], coefficients=self.modes.coefficients[:, :count]
        )
        groups = (tuple(k for k in group if k < count) for group in self.groups)
        return Estimates(modes, self.eigenvalues[:count], self.of_modes[:count], tuple(filter(None, groups)))


def counted_once(found: Estimates, width: np.ndarray, pairs: Pairs) -> Estimates:
    """Eigenvalues and modes of the complex problem from those of the real one, in their order.

    Args:
        found: of the real problem; of a complex pair the modes are real and imaginary part of one eigenvector.
        width: (k,) distances at which eigenvalues are alike.
        pairs: numbers of the real and imaginary parts.
    """
    modes = found.modes
    candidates = _candidates(modes, pairs)
    v = values_at_points(modes.pencil.space, candidates).cpu().numpy()  # (n, u, k)
    real, imag = (list(part) for part in zip(*pairs, strict=True))
    z = (v[:, real] + 1j * v[:, imag]).reshape(-1, len(modes.values))
    size = np.linalg.norm(z, axis=0).max(initial=0.0)
    chosen: list[int] = []
    worst, worst_of_modes = found.eigenvalues.copy(), found.of_modes.copy()
    for group in groups_of(modes.values, width):
        mine = list(group)
        # Which modes of a group are chosen is chance, so each has the largest of their errors.
        worst[mine], worst_of_modes[mine] = worst[mine].max(), worst_of_modes[mine].max(0)
        r, order = qr(z[:, mine], mode="r", pivoting=True)
        chosen += [mine[order[i]] for i in np.flatnonzero(np.abs(np.diag(r)) > INDEPENDENT * size)]
    chosen.sort()
    once = replace(modes, values=modes.values[chosen], coefficients=candidates[:, chosen])
    return Estimates(once, worst[chosen], worst_of_modes[chosen], groups_of(once.values, width[chosen]))


def _candidates(modes: Modes, pairs: Pairs) -> Tensor:
    """Columns (p, k): real modes themselves, and p ± J q of the complex pairs."""
    found = modes.coefficients.clone()
    turned = times_i(modes.pencil.space, modes.coefficients, pairs)
    for k in np.flatnonzero(modes.values.imag > 0):
        if k + 1 < len(modes.values):
            found[:, k] = modes.coefficients[:, k] + turned[:, k + 1]
            found[:, k + 1] = modes.coefficients[:, k] - turned[:, k + 1]
    return found


def jets_times_i(jets: Tensor, slots: Sequence[tuple[int, tuple[int, ...]]], pairs: Pairs) -> Tensor:
    """J of jets (n, s): those of i u."""
    place = {slot: i for i, slot in enumerate(slots)}
    found = torch.zeros_like(jets)
    for real, imag in pairs:
        for (u, alpha), i in place.items():
            if u == real:
                found[:, i] = -jets[:, place[imag, alpha]]
            elif u == imag:
                found[:, i] = jets[:, place[real, alpha]]
    return found
