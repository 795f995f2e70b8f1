"""What is said of an identification: values, intervals, and how uncertain every unknown is due to the noise.

With the Gauss–Newton Hessian H, intervals are θ ± t √(H⁻¹)_ii; for fields H contains the penalty, which makes them
those of Wahba (J. R. Stat. Soc. B 45 (1983) 133).
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from pdesolve.inverse.newton import Identified
from pdesolve.runs.answer import Findings

LEVEL = 0.95
MISFIT = 4.0  # standard deviations of χ² beyond which given sigmas are called into question


def findings(discrete: Identified) -> Findings:
    """Values with their intervals, and the uncertainty of every unknown."""
    names = discrete.rows.parameters.names
    count = len(names)
    # Student's t, since σ may be estimated from the same data; with given sigmas it is the normal law.
    width = float(stats.t.ppf(0.5 + LEVEL / 2, discrete.freedom))
    deviation = discrete.spread[:count].norm(dim=1).tolist()
    values = dict(zip(names, discrete.theta[:count].tolist(), strict=True))
    intervals = {
        name: (value - width * s, value + width * s)
        for (name, value), s in zip(values.items(), deviation, strict=True)
    }
    uncertainty = {**_of_states(discrete), **_of_fields(discrete)}
    return Findings(values, intervals, uncertainty, tuple(discrete.choice.sigma.tolist()))


def misfit(discrete: Identified) -> str:
    """Whether the data are missed by more, or by less, than their standard deviations allow."""
    chi, expected = discrete.chi
    given = all(o.sigma is not None for o in discrete.rows.statement.problem.data)
    if not given or abs(chi - expected) <= MISFIT * np.sqrt(2 * max(expected, 1.0)):
        return ""
    ratio = np.sqrt(chi / max(expected, 1e-300))
    cause = "sigma is too large"
    if ratio > 1:
        cause = "the model or sigma is wrong"
    return f"the data are missed by {ratio:.3g} times their sigma: {cause}, and so are the intervals"


def _of_states(discrete: Identified) -> dict[str, float]:
    """√∫ var(u) / ‖u‖ of every unknown of the patches: traces of D Σ Dᵀ, D its coefficients' derivatives by θ.

    The basis is orthonormal on each patch but for its envelope, which is nearly flat there.
    """
    problem = discrete.rows.statement.problem
    states = discrete.rows.statement.states
    squares, _ = _squares(discrete)
    ratio = (squares[0] / squares[1].clamp_min(1e-300)).sqrt()
    return {problem.unknowns[u]: float(ratio[i]) for i, u in enumerate(states)}


def _squares(discrete: Identified) -> tuple[Tensor, Tensor]:
    """∫ var(u) and ∫ u² (2, u) of the unknowns of the patches, and the volume of all patches in reference units."""
    space = discrete.rows.space
    spread = (discrete.response.cpu() @ discrete.spread).square().sum(1)
    volume = space.half.cpu().prod(1)
    both = torch.stack([spread, discrete.coefficients.cpu().square()])
    squares = torch.zeros(2, space.unknowns, dtype=torch.float64)
    for points in space.interior:
        cells = torch.from_numpy(points.cells)
        columns = space.layout.of(cells).view(len(cells), space.unknowns, -1)
        squares += torch.einsum("b,xbu->xu", volume[cells], both[:, columns].sum(3))
    return squares, volume.sum()


def _of_fields(discrete: Identified) -> dict[str, float]:
    """As `_of_states`, of every field.

    The trace of an unknown, a field that stands in conditions only, may vanish; it is measured against the largest
    unknown.
    """
    statement = discrete.rows.statement
    parameters = discrete.rows.parameters
    if not parameters.fields:
        return {}
    count = len(parameters.names)
    phi = parameters.coefficients(discrete.theta)
    k = phi.shape[1]
    squares, volume = _squares(discrete)
    largest = (squares[1] / volume).max().sqrt()
    inside = {u for u, _ in statement.terms[0].operator.slots}
    found = {}
    for i, one in enumerate(parameters.fields):
        D = parameters.free[i * k : (i + 1) * k] @ discrete.spread[count:]
        size = phi[i].norm() if one in inside else torch.maximum(phi[i].norm(), largest)
        found[statement.problem.unknowns[one]] = float(D.norm() / size.clamp_min(1e-300))
    return found
