"""Two resolutions of one eigenvalue problem compared: errors of eigenvalues and modes, and what one of them missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from pdesolve.adaptive.tuning import TUNING
from pdesolve.eigen.modes import Modes, groups_of
from pdesolve.eigen.stacked import carried, values

ALIKE = 1e-9  # of |λ - σ|: eigenvalues that are nearer to each other are one group, whatever is asked for
# Of an unknown's size in all modes: a component that is weaker in one of them is measured against this.
FAINT = 1e-3
LEAST = 4e-15  # of |λ| + |λ - σ|: what rounding leaves of an eigenvalue


@dataclass(frozen=True)
class Comparison:
    """What a finer solution says of a coarser one.

    Attributes:
        eigenvalues: (k,) estimated absolute errors.
        modes: (k, u) estimated relative L2 errors, of the part outside of the eigenspace.
        missed: eigenvalues that only the finer solution has, nearer than the last of the coarser one.
        groups: numbers of the modes that belong together, whose eigenvalues are alike.
    """

    eigenvalues: np.ndarray
    modes: np.ndarray
    missed: np.ndarray
    groups: tuple[tuple[int, ...], ...]


def compare(coarse: Modes, fine: Modes, near: float, tol: float) -> Comparison:
    """Compare the modes of two resolutions.

    Args:
        coarse: those that errors are estimated of.
        fine: of the next degree, some more of them.
        near: the number that all are nearest to.
        tol: relative distance of eigenvalues that are alike.
    """
    partner = _partners(coarse, fine)
    moved = np.abs(fine.values[partner] - coarse.values)
    share = 1 - np.sqrt(shared(coarse, fine))
    with np.errstate(divide="ignore"):
        lost = np.where(share > 1 - TUNING.most_shared**0.5, 1 / share, np.inf)
    scale = np.abs(coarse.values) + np.abs(coarse.values - coarse.pencil.shift)
    width = np.maximum(tol, ALIKE) * np.abs(coarse.values - coarse.pencil.shift)
    others = np.setdiff1d(np.arange(len(fine.values)), partner)
    within = np.abs(coarse.values - near).max() - width.max()
    missed = fine.values[others[np.abs(fine.values[others] - near) < within]]
    return Comparison(
        np.maximum(moved * lost, LEAST * scale),
        outside(coarse, fine, np.maximum(width, moved)) * lost[:, None],
        missed,
        groups_of(coarse.values, width),
    )


def _partners(coarse: Modes, fine: Modes) -> np.ndarray:
    """For every coarse eigenvalue (k,) the number of the fine one that it is; all together are nearest."""
    apart = np.abs(coarse.values[:, None] - fine.values)
    # Nearest ones alone could give two coarse eigenvalues of a group the same partner.
    _, found = linear_sum_assignment(apart)
    return found


def shared(coarse: Modes, fine: Modes) -> np.ndarray:
    """σ (k,) = (‖r_v‖/‖r_u‖)² of the residuals, the part of the error that both share; 0 at rounding."""
    before, size = _residuals(coarse)
    after, _ = _residuals(fine)
    after = after[_partners(coarse, fine)]
    found = np.minimum((after / np.maximum(before, 1e-300)) ** 2, 1.0)
    return np.where(np.maximum(before, after) <= TUNING.met * size, 0.0, found)


def _residuals(modes: Modes) -> tuple[np.ndarray, np.ndarray]:
    """‖A c - f‖ and ‖f‖, (k,) each."""
    return _norms(modes.residuals), modes.right.norm(dim=0).cpu().numpy()


def _norms(rows: Sequence[Tensor]) -> np.ndarray:
    """Norms (k,) of all blocks (b, m, k) together."""
    return torch.stack([part.square().sum((0, 1)) for part in rows]).sum(0).sqrt().cpu().numpy()


def upper(found: np.ndarray) -> np.ndarray:
    """Of every complex pair the one with Im λ > 0."""
    return np.where(found.imag < 0, found.conj(), found)


def outside(coarse: Modes, fine: Modes, width: np.ndarray) -> np.ndarray:
    """Relative L2 norms (k, u) of what of a mode lies outside the span of the fine ones whose λ is that near."""
    space = fine.pencil.space
    u = values(space, carried(space, coarse.pencil.space, coarse.coefficients))
    v = values(space, fine.coefficients)
    size = v.square().sum(0).mean(1).sqrt().clamp_min(1e-300)
    u = u / size[:, None]
    v = v / size[:, None]
    # The two modes of a complex pair are the real and the imaginary part of one, up to a phase.
    apart = np.abs(upper(coarse.values)[:, None] - upper(fine.values))
    found = np.empty((len(coarse.values), space.unknowns))
    for k in range(len(found)):
        near = np.flatnonzero(apart[k] <= width[k] * (1 + 1e-12))
        found[k] = _relative(u[..., k], v[..., near])
    return found


def _relative(u: Tensor, v: Tensor) -> np.ndarray:
    """‖u - P u‖/‖u‖ (u,) for u (n, u) and the projection P on the columns of v (n, u, k)."""
    q, _ = torch.linalg.qr(v.flatten(0, 1))
    fit = (q @ (q.T @ u.flatten())).view_as(u)
    error = (u - fit).square().sum(0).sqrt()
    norm = u.square().sum(0).sqrt()
    return (error / norm.clamp_min(FAINT * float(norm.max()))).cpu().numpy()
