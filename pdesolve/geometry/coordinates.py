"""Names of coordinates, and numbers as a user gives them and reads them."""

import torch
from torch import Tensor

from pdesolve.errors import ProblemError


def coordinate_names(dimension: int) -> tuple[str, ...]:
    """Return the names of space coordinates: x; x, y; x, y, z; and x1 … xd from four dimensions on."""
    return ("x", "y", "z")[:dimension] if dimension <= 3 else tuple(f"x{i + 1}" for i in range(dimension))


def named_coordinates(x: Tensor, coordinates: tuple[str, ...]) -> dict[str, Tensor]:
    """Return the columns of x (n, d) by name; from four space dimensions on `x` is the matrix of all."""
    columns = dict(zip(coordinates, x.unbind(dim=1), strict=True))
    space = [name for name in coordinates if name != "t"]
    if len(space) >= 4:
        columns["x"] = x[:, : len(space)]
    return columns


def numbers(values, what: str) -> tuple[float, ...]:
    """Return a sequence of finite numbers (or one number) as a tuple of floats.

    Raises:
        ProblemError: something in it is no number, or not finite.
    """
    try:
        tensor = torch.as_tensor(values, dtype=torch.float64).reshape(-1)
    except (TypeError, ValueError, RuntimeError):
        message = f"{what} received {values!r}, expected numbers such as (0, 0)."
        raise ProblemError(message) from None
    if not torch.isfinite(tensor).all():
        message = f"{what} received {values!r}, expected finite numbers."
        raise ProblemError(message)
    return tuple(tensor.tolist())


def short(values) -> str:
    """Write numbers as the user would: (0, 0.5)."""
    body = ", ".join(f"{v:g}" for v in values)
    return f"({body},)" if len(values) == 1 else f"({body})"
