"""Weights of data and of roughness, chosen by the data.

Where the standard deviation σ_g of a group of data is not given it is estimated, σ_g² = RSS_g/(n_g - tr S_g) with the
hat matrix S; the weight α of the roughness of a field minimises the generalised cross-validation score
n RSS/(n - 1.4 tr S)² (Craven & Wahba, Numer. Math. 31 (1979) 377; the factor 1.4: Kim & Gu, J. R. Stat. Soc. B 66
(2004) 337).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pdesolve.inverse.observations import Observations
from pdesolve.inverse.unknown_parameters import UnknownParameters
from pdesolve.runs.deadline import check_deadline

PRUDENCE = 1.4  # of degrees of freedom in generalised cross-validation
WEIGHTS = 10.0 ** np.arange(-10, 4.1, 0.25)  # of roughness, relative to the data
ROUNDS = 3  # of choosing σ and α in turn


@dataclass(frozen=True)
class Choice:
    """Standard deviations of the groups of data, (g,), and weights of roughness, (f,)."""

    sigma: Tensor
    alpha: Tensor


def choose(
    data: Observations,
    e: Tensor,
    J: Tensor,
    parameters: UnknownParameters,
    theta: Tensor,
    before: Choice | None,
) -> Choice:
    """Weights of data and of roughness for the linearised problem, by the data alone."""
    groups = len(data.sigma)
    size = torch.zeros(groups, dtype=e.dtype).index_add_(0, data.group, e**2)
    count = torch.bincount(data.group, minlength=groups)
    # All misfit counts as noise at first: that estimate is too large, never zero, and the rounds lower it.
    sigma = before.sigma if before else (size / count).sqrt().clamp_min(1e-300)
    sigma = torch.where(data.sigma.isnan(), sigma, data.sigma)
    alpha = before.alpha if before else theta.new_ones(len(parameters.fields))
    for _ in range(ROUNDS):
        weight = 1 / sigma[data.group]
        Q, R = torch.linalg.qr(J * weight[:, None])
        z = Q.T @ (e * weight)
        # What no θ changes stays in the sum of squares: it is computed once for all trial weights.
        rest = float((e * weight).square().sum() - z.square().sum())
        if len(alpha):
            alpha = _cross_validated(R, z, max(rest, 0.0), len(e), parameters, theta, alpha)
        rows, values = parameters.penalty(theta, alpha)
        H = R.T @ R + rows.T @ rows
        L = _root(H)
        move = -torch.cholesky_solve((R.T @ z + rows.T @ values)[:, None], L)[:, 0]
        left = e + J @ move
        hat = (Q @ (R @ torch.cholesky_solve(R.T, L)) * Q).sum(1)  # diagonal of S
        used = torch.zeros(groups, dtype=e.dtype).index_add_(0, data.group, hat)
        rss = torch.zeros(groups, dtype=e.dtype).index_add_(0, data.group, left**2)
        # Data without noise leave rounding only; a σ of zero would weigh them infinitely.
        floor = 1e-14 * float(data.values.abs().max().clamp_min(1e-300))
        estimated = (rss / (count - used).clamp_min(1.0)).sqrt().clamp_min(floor)
        sigma = torch.where(data.sigma.isnan(), estimated, data.sigma)
    return Choice(sigma, alpha)


def _cross_validated(
    R: Tensor, z: Tensor, rest: float, n: int, parameters: UnknownParameters, theta: Tensor, alpha: Tensor
) -> Tensor:
    """Weights α (f,) of roughness with the least score n RSS/(n - 1.4 tr S)², one field after the other."""
    normal = R.T @ R
    rhs = R.T @ z
    parts = [parameters.only_field(i).penalty(theta, theta.new_ones(1)) for i in range(len(alpha))]
    # Relative to the data's own Hessian a weight has no units, and one list of trials serves all problems.
    unit = [float(normal.trace() / rows.square().sum().clamp_min(1e-300)) for rows, _ in parts]

    def score(trial: Tensor) -> float:
        check_deadline()
        H = normal.clone()
        g = rhs.clone()
        for a, (rows, values) in zip(trial, parts, strict=True):
            H += a * (rows.T @ rows)
            g += a * (rows.T @ values)
        L = _root(H)
        move = -torch.cholesky_solve(g[:, None], L)[:, 0]
        used = float(torch.linalg.solve_triangular(L, R.T, upper=False).square().sum())
        left = n - PRUDENCE * used
        if left <= 0:
            return float("inf")
        return n * (rest + float((z + R @ move).square().sum())) / left**2

    # One weight is found in one pass; several depend on each other, and are gone through in turn.
    for _ in range(1 if len(alpha) == 1 else 3):
        for i in range(len(alpha)):
            trials = [
                torch.cat([alpha[:i], alpha.new_tensor([w * unit[i]]), alpha[i + 1 :]]) for w in WEIGHTS
            ]
            alpha = min(trials, key=score)
    return alpha


def _root(H: Tensor) -> Tensor:
    """Lower Cholesky factor of a semidefinite matrix, with as little on its diagonal as it takes."""
    eye = H.diagonal().mean() * torch.eye(len(H), dtype=H.dtype)
    for shift in (1e-15, 1e-13, 1e-11):
        L, info = torch.linalg.cholesky_ex(H + shift * eye)
        if not int(info):
            return L
    return torch.linalg.cholesky(H + 1e-9 * eye)
