"""Eigenvalues of a solution, as arrays and as rows of a table; no torch is needed to show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdesolve.errors import UsageError

DIGITS = 16  # of a double, at most shown


def eigenvalues_of(spectrum: Mapping[str, Any]) -> NDArray[Any]:
    """(k,) real where all are, else complex."""
    pairs = np.array(spectrum["values"], dtype=float).reshape(-1, 2)
    if not pairs[:, 1].any():
        return pairs[:, 0]
    return pairs[:, 0] + 1j * pairs[:, 1]


def errors_of(spectrum: Mapping[str, Any]) -> NDArray[np.float64] | None:
    """(k,) estimated absolute errors; None where there is no estimate."""
    if spectrum["errors"] is None:
        return None
    return np.array(spectrum["errors"], dtype=float)


def bounds_of(spectrum: Mapping[str, Any]) -> NDArray[np.float64] | None:
    """(k, 2) proved lower and upper bounds; None where none are proved."""
    if spectrum.get("bounds") is None:
        return None
    return np.array(spectrum["bounds"], dtype=float)


def require_spectrum(spectrum: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    """The spectrum of an eigenvalue problem.

    Raises:
        UsageError: the problem is none.
    """
    if not spectrum:
        message = (
            f"{what}: the problem has no eigenvalues; state them by Problem(…, eigenvalues=Eigenvalues(name))"
        )
        raise UsageError(message)
    return spectrum


def mode_number(spectrum: Mapping[str, Any], k: int) -> int:
    """The place of mode k, counted from 1.

    Raises:
        UsageError: there is no such mode.
    """
    count = len(spectrum["values"])
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= count:
        message = f"mode({k!r}); expected a number from 1 to {count}"
        raise UsageError(message)
    return k - 1


def spectrum_summary(spectrum: Mapping[str, Any]) -> dict[str, Any]:
    """Eigenvalues as numbers, [re, im] where some are complex, with their errors and bounds, for `--json`."""
    values = [value for value, _ in spectrum["values"]]
    if any(part for _, part in spectrum["values"]):
        values = [list(pair) for pair in spectrum["values"]]
    found = {"eigenvalues": values, "eigenvalue_errors": spectrum["errors"]}
    if spectrum.get("bounds") is not None:
        found["eigenvalue_bounds"] = spectrum["bounds"]
    return found


def in_words(spectrum: Mapping[str, Any], name: str) -> list[tuple[str, str]]:
    """Rows of a table: name and value of each eigenvalue with its estimated error and bounds."""
    values = eigenvalues_of(spectrum)
    errors = errors_of(spectrum)
    bounds = bounds_of(spectrum)
    rows = []
    for k, value in enumerate(values):
        error = None if errors is None else float(errors[k])
        text = _rounded(complex(value), error)
        if bounds is not None:
            text += f"   (bounds {bounds[k, 0]:.{DIGITS}g} to {bounds[k, 1]:.{DIGITS}g})"
        rows.append((f"{name}_{k + 1}", text))
    return rows


def _rounded(value: complex, error: float | None) -> str:
    """A number to two digits more than its error allows, and the error."""
    if error is None or not np.isfinite(error) or not error > 0:
        # Nothing says how many digits are right, so half of them are shown.
        return _number(value, DIGITS // 2)
    size = max(abs(value.real), abs(value.imag), error)
    digits = int(np.clip(np.ceil(np.log10(size / error)) + 2, 1, DIGITS))
    return f"{_number(value, digits)} ± {error:.1e}"


def _number(value: complex, digits: int) -> str:
    if value.imag == 0:
        return f"{value.real:.{digits}g}"
    sign = "+" if value.imag > 0 else "-"
    return f"{value.real:.{digits}g} {sign} {abs(value.imag):.{digits}g}i"
