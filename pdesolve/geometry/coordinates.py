"""Names of coordinates, and numbers as a user gives them and reads them."""

import torch
from torch import Tensor

from pdesolve.errors import ProblemError


def coordinate_names(dimension: int) -> tuple[str, ...]:
    """Return the names of space coordinates: x; x, y; x, y, z; and x1 … xd from four dimensions on."""
    if dimension <= 3:
        return ("x", "y", "z")[:dimension]
    return tuple(f"x{i + 1}" for i in range(dimension))


def named_coordinates(x: Tensor, coordinates: tuple[str, ...]) -> dict[str, Tensor]:
    """Return the columns of x (n, d) by name; from four space dimensions on `x` is the matrix of all."""
    columns = dict(zip(coordinates, x.unbind(dim=1), strict=True))
    space = [name for name in coordinates if name != "t"]
    if len(space) >= 4:
        columns["x"] = x[:, : len(space)]
    return columns


def finite_numbers(values, what: str) -> tuple[float, ...]:
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


def as_written(values) -> str:
    """Write numbers as the user would: (0, 0.5)."""
    comma = "," * (len(values) == 1)  # a tuple of one number, as Python writes it
    return f"({', '.join(f'{v:g}' for v in values)}{comma})"


def one_number(value, what: str, name: str = "angle", unit: str = " in radians") -> float:
    """Return one finite number as a float.

    Raises:
        ProblemError: it is none, or several.
    """
    found = finite_numbers(value, what)
    if len(found) != 1:
        message = f"{what} received the {name} {value!r}, expected one number{unit}."
        raise ProblemError(message)
    return found[0]


def positive(value, what: str, name: str) -> float:
    """Return one number above zero as a float.

    Raises:
        ProblemError: it is none.
    """
    found = finite_numbers(value, what)
    if len(found) != 1 or not found[0] > 0:
        message = f"{what} received the {name} {value!r}, expected one number above zero."
        raise ProblemError(message)
    return found[0]


def pair(values, what: str, name: str) -> tuple[float, float]:
    """Return two finite numbers as floats.

    Raises:
        ProblemError: there are more or fewer.
    """
    found = finite_numbers(values, what)
    if len(found) != 2:
        message = f"{what} received {name} with {len(found)} numbers, expected 2 such as (0, 0)."
        raise ProblemError(message)
    return found[0], found[1]
