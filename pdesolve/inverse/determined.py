"""Whether the data determine what is to be identified."""

from __future__ import annotations

import torch
from torch import Tensor

from pdesolve.errors import UsageError
from pdesolve.inverse.rows import ParametricRows
from pdesolve.inverse.unknown_parameters import UnknownParameters

OPEN = 1e-12  # relative singular value of the Hessian's root below which fields are not determined
UNDETERMINED = 1e-9  # relative singular value of the sensitivities of scalars


def require_determined(J: Tensor, response: Tensor, rows: ParametricRows, theta: Tensor) -> None:
    """Every scalar must move the predictions in a way of its own, and every field move them.

    Args:
        J: (n, θ) derivatives of the predictions.
        response: (p, θ) derivatives of the solution.
        rows: of the problem.
        theta: (θ,) where they are taken.

    Raises:
        UsageError: it does not.
    """
    parameters = rows.parameters
    _require_fields_seen(J, response, rows)
    count = len(parameters.names)
    if not count:
        return
    # Fields may have more coefficients than there are data, since roughness decides the rest; scalars may not.
    names = ", ".join(parameters.names)
    if (n := len(J)) < count:
        message = (
            f"{n} observations for {count} parameters ({names}); add data, or make some of them constants"
        )
        raise UsageError(message)
    _require_scalars_seen(J[:, :count], response[:, :count], parameters, theta)


def _require_fields_seen(J: Tensor, response: Tensor, rows: ParametricRows) -> None:
    parameters = rows.parameters
    count = len(parameters.names)
    each = len(parameters.offset) // max(len(parameters.fields), 1)
    for i, unknown in enumerate(parameters.fields):
        moved = J[:, count:] @ parameters.free[i * each : (i + 1) * each].T
        if parameters.roughness[i][0].any() and float(moved.norm()) <= UNDETERMINED * float(response.norm()):
            message = (
                f"no observation depends on the field {rows.statement.problem.unknowns[unknown]}; observe an "
                "unknown that it acts on"
            )
            raise UsageError(message)


def _require_scalars_seen(J: Tensor, response: Tensor, parameters: UnknownParameters, theta: Tensor) -> None:
    norms = J.norm(dim=0)
    # What the data see is measured beside how the solution itself moves, which makes the test one without units.
    missing = norms <= UNDETERMINED * response.norm(dim=0)
    if bool(missing.any()):
        one = int(missing.int().argmax())
        message = (
            f"no observation depends on the parameter {parameters.names[one]} at {float(theta[one]):.3g} (it starts at "
            f"{float(parameters.start[one]):g}): observe where it matters, start elsewhere, or make it a constant"
        )
        raise UsageError(message)
    # Scaled columns compare directions only: units of parameters must not decide.
    _, s, V = torch.linalg.svd(J / norms, full_matrices=False)
    if float(s[-1]) < UNDETERMINED * float(s[0]):
        involved = [name for name, v in zip(parameters.names, V[-1].tolist(), strict=True) if abs(v) > 0.1]
        message = (
            f"the data determine only a combination of the parameters {', '.join(involved)}, not each of them; make "
            "one a constant, or observe something else"
        )
        raise UsageError(message)


def require_regular(root: Tensor, rows: ParametricRows) -> None:
    """Together, data and roughness must determine fields.

    Raises:
        UsageError: they leave something open, which is smooth: a factor for instance.
    """
    if not rows.parameters.fields:
        return
    # The root keeps small singular values; in the Hessian, as squares, they would drown in rounding.
    s = torch.linalg.svdvals(root)
    if float(s[-1]) <= OPEN * float(s[0]):
        problem = rows.statement.problem
        names = [problem.unknowns[u] for u in rows.statement.fields]
        message = (
            f"the data leave something of the fields {', '.join(names)} open, a constant or a factor for instance; "
            "prescribe a value on the boundary, or observe the field itself somewhere"
        )
        raise UsageError(message)
