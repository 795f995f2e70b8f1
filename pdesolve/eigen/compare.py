"""Two resolutions of one eigenvalue problem compared: errors of eigenvalues and modes, and what one of them missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

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
# Times the error of an eigenvalue of the rows: a quotient farther from it belongs to another problem, such as one
# whose boundary has a part without a condition.
BELIEVED = 3.0
SMALL = 0.1  # of the residual of another mode: one that leaves so little need not fall with the degree
LEAST = 4e-15  # of |λ| + |λ - σ|: what rounding leaves of an eigenvalue


@dataclass(frozen=True)
class Comparison:
    """What a finer solution says of a coarser one.

    Attributes:
        values: (k,) the better eigenvalues: quotients of Rayleigh where there are such, else those of the rows.
        eigenvalues: (k,) estimated absolute errors of these.
        modes: (k, u) estimated relative L2 errors, of the part outside of the eigenspace.
        groups: numbers of the modes that belong together, whose eigenvalues are alike.
        missed: eigenvalues that a whole search on the finer patches found beside these; none before it.
    """

    values: np.ndarray
    eigenvalues: np.ndarray
    modes: np.ndarray
    groups: tuple[tuple[int, ...], ...]
    missed: np.ndarray = field(default_factory=lambda: np.zeros(0))


def compare(coarse: Modes, fine: Modes, tol: float) -> Comparison:
    """Compare the modes of two resolutions.

    Args:
        coarse: those that errors are estimated of.
        fine: of the next degree, some more of them.
        tol: relative distance of eigenvalues that are alike.
    """
    partner = _partners(coarse, fine)
    moved = np.abs(fine.values[partner] - coarse.values)
    share = 1 - np.sqrt(shared(coarse, fine))
    with np.errstate(divide="ignore"):
        lost = np.where(share > 1 - TUNING.most_shared**0.5, 1 / share, np.inf)
    width = _width(coarse, tol)
    of_modes = outside(coarse, fine, np.maximum(width, moved)) * lost[:, None]
    of_modes = _as_of_others(coarse, fine, of_modes)
    least = LEAST * (np.abs(coarse.values) + np.abs(coarse.values - coarse.pencil.shift))
    values = coarse.values
    # A mode that is judged by others is off in its eigenvalue by no more than in itself.
    judged = np.where(np.isfinite(lost), moved * lost, of_modes.max(1) * np.abs(coarse.values))
    errors = np.maximum(judged, least)
    # Quotients are integrals over all patches and faces, which modes that fail anyhow are not worth.
    if of_modes.max() <= tol and coarse.has_quotients:
        better = _errors_of_quotients(coarse, fine)
        step = np.abs(coarse.quotients - coarse.values)
        believed = (step <= BELIEVED * errors) & (better < np.inf)
        values = np.where(believed, coarse.quotients, values)
        # Where two of the rows agree by chance, and a quotient does not, that is no reason to believe the two.
        errors = np.where(believed, better, np.maximum(errors, step))
    return Comparison(values, errors, of_modes, groups_of(coarse.values, width))


def missed(coarse: Modes, fine: Modes, near: float, tol: float) -> np.ndarray:
    """Eigenvalues that only a finer solution has, nearer to a number than the last of the coarser one."""
    others = np.setdiff1d(np.arange(len(fine.values)), _partners(coarse, fine))
    within = np.abs(coarse.values - near).max() - _width(coarse, tol).max()
    return fine.values[others[np.abs(fine.values[others] - near) < within]]


def distances(fine: Modes, other: Modes, coarse: Modes) -> np.ndarray:
    """How far (k,) the nearest of another computation on the same patches is from what a coarser one has.

    The other one may have fewer of a multiple eigenvalue.
    """
    known = fine.values[_partners(coarse, fine)]
    return np.abs(known[:, None] - other.values).min(axis=1)


def _width(modes: Modes, tol: float) -> np.ndarray:
    """Distances (k,) at which eigenvalues are alike."""
    return np.maximum(tol, ALIKE) * np.abs(modes.values - modes.pencil.shift)


def _partners(coarse: Modes, fine: Modes) -> np.ndarray:
    """For every coarse eigenvalue (k,) the number of the fine one that it is; all together are nearest."""
    apart = np.abs(coarse.values[:, None] - fine.values)
    # Nearest ones alone could give two coarse eigenvalues of a group the same partner.
    _, found = linear_sum_assignment(apart)
    return found


def shared(coarse: Modes, fine: Modes) -> np.ndarray:
    """σ (k,) = (‖r_v‖/‖r_u‖)² of the residuals, the part of the error that both share; 0 at rounding."""
    before, size = residuals_of(coarse)
    after, _ = residuals_of(fine)
    after = after[_partners(coarse, fine)]
    found = np.minimum((after / np.maximum(before, 1e-300)) ** 2, 1.0)
    return np.where(np.maximum(before, after) <= TUNING.met * size, 0.0, found)


def _as_of_others(coarse: Modes, fine: Modes, errors: np.ndarray) -> np.ndarray:
    """Errors (k, u) with those of modes without a verdict as of the one with a verdict whose residual is largest.

    A mode that is smooth beside others that are singular is resolved to rounding before these are to the tolerance,
    and what rounding leaves of its residual does not fall with the degree. All modes share patches and rows, so what
    its residual means is what it means of the others, in proportion.
    """
    left = np.maximum(residuals_of(coarse)[0], residuals_of(fine)[0][_partners(coarse, fine)])
    known = np.isfinite(errors).all(1)
    if not known.any():
        return errors
    best = int(np.argmax(np.where(known, left, 0.0)))
    faint = ~known & (left <= SMALL * left[best])
    found = errors.copy()
    found[faint] = (left[faint] / left[best])[:, None] * errors[best]
    return found


def _errors_of_quotients(coarse: Modes, fine: Modes) -> np.ndarray:
    """Estimated absolute errors (k,) of coarse quotients; infinite where there is none.

    A quotient is off by the square of the mode in the energy norm, as is Σ_K ‖r_K‖² over patches in rows without the
    factor that makes little of small patches. The difference of two divided by the part of it that is gone is an
    estimate where most is gone. At corners higher degrees leave more than half of it, and of what quotients are off
    nine tenths (seen on drums with re-entrant corners); there the step from the eigenvalue of the rows to the
    quotient is taken, which was twice to eight times the error.
    """
    partner = _partners(coarse, fine)
    left = np.minimum(fine.energies[partner] / np.maximum(coarse.energies, 1e-300), 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = np.abs(fine.quotients[partner] - coarse.quotients) / (1 - left)
    step = np.where(left > TUNING.doubtful, np.abs(coarse.quotients - coarse.values), 0.0)
    found = np.maximum(np.maximum(moved, step), _least(coarse.values))
    return np.where(left < TUNING.most_shared, found, np.inf)


def _least(values: np.ndarray) -> np.ndarray:
    """What rounding leaves of quotients (k,): of one that is zero, as of a hundredth of the largest."""
    size = np.abs(values)
    return LEAST * np.maximum(size, 0.01 * size.max())


def residuals_of(modes: Modes) -> tuple[np.ndarray, np.ndarray]:
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
