"""What lower-order and nonlinear terms add to the function of a jump.

Where prescribed values jump, the solution begins with U = r^{τ_i} Φ_i(θ) of known size, and the terms beside the
principal part make of it r^{1 - T - s_c} f_c(θ): of u·∇u with velocities of r^0, r^-1. So the next function is that of
exponent one with K(1)Ψ = -f; where K(1) is singular, with a logarithm.

Source: Gupta, Manohar & Noble, Computers & Fluids 9 (1981) 379; Botella & Peyret, Computers & Fluids 27 (1998) 421.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from pdesolve.patches.compiled import GridTerm
from pdesolve.patches.corners.ends import parameters_of
from pdesolve.patches.corners.polar_functions import PolarFunctions
from pdesolve.patches.corners.systems import Pencil, Profile

# Distances, over the size of the domain, at which what is left of an equation is taken. At three of them, a quadratic
# in r is extrapolated to the corner, from where products of derivatives of 1e6 still have six digits and more.
NEAR = (4e-3, 2e-3, 1e-3)
WEIGHTS = (1 / 3, -2.0, 8 / 3)  # of a quadratic through r, r/2, r/4 at zero
FAINT = 1e-6  # of the principal terms, at the size of the domain: what rounding leaves of equations without other terms


def after_jump(
    equation: GridTerm,
    pencil: Pencil,
    jump: Profile,
    place: Tensor,
    rotation: Tensor,
    units: np.ndarray,
    size: float,
) -> Profile | None:
    """The function of exponent one that follows that of a jump; None where nothing follows, or it is not finite.

    Args:
        equation: the equations.
        pencil: of the corner.
        jump: the function of the jump, of its own size.
        place: (2,) the corner in grid coordinates.
        rotation: from grid coordinates.
        units: (u,) of the unknowns.
        size: of the domain.
    """
    plain = jump.plain * units[:, None]
    own = Profile(0j, plain, np.zeros_like(plain))
    functions = PolarFunctions.of(place, pencil.middle, 1.0, np.inf, pencil.tau, [own])
    wanted = np.zeros(len(pencil.scale))
    terms = 0.0
    for row, shift, theta in pencil.collocation():
        left = np.zeros(len(theta))
        for near, weight in zip(NEAR, WEIGHTS, strict=True):
            r = near * size
            angle = torch.from_numpy(theta + pencil.middle)
            y = place + r * torch.stack([torch.cos(angle), torch.sin(angle)], dim=1)
            residual, largest = _residuals(equation, functions, y, rotation)
            power = r ** (pencil.most + shift - 1)
            left += weight * power * residual[:, row]
            terms = max(terms, power * near * float(largest.max()))
        wanted[pencil.rows_of(row)] = -left
    if not np.isfinite(wanted).all() or np.abs(wanted).max() <= FAINT * terms:
        return None
    found = pencil.forced(1, wanted)
    if found is None:
        return None
    # Distances are in units of the size from here on.
    return replace(found, plain=found.plain * size, log=found.log * size)


def _residuals(
    equation: GridTerm, functions: PolarFunctions, y: Tensor, rotation: Tensor
) -> tuple[np.ndarray, Tensor]:
    """Residuals (n, c) at points y (n, 2), and the sizes (n,) of their largest terms."""
    jets = functions.table(y, equation.slots)[..., 0].T
    full = jets
    if equation.transform is not None:
        full = jets @ equation.transform.T
    x = y @ rotation.T
    r, dF = equation.operator.linearise(x, full, None, parameters_of(equation.operator))
    if equation.transform is not None:
        dF = dF @ equation.transform
    return r.numpy(), (dF * jets[:, None]).abs().amax((1, 2))
