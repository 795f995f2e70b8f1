"""Numbers with the error that is estimated of them."""

from __future__ import annotations

from typing import Any


class Estimated(float):
    """A number, and what is known of its error.

    Attributes:
        estimated_error: absolute; None where nothing is known of it.
        place: coordinates of an extremum, or of a probe.

    >>> drag = Estimated(2.5, 1e-7)
    >>> drag, drag + 1, drag.estimated_error
    (2.5 ± 1e-07, 3.5, 1e-07)
    """

    estimated_error: float | None
    place: tuple[float, ...] | None

    def __new__(
        cls, value: float, estimated_error: float | None = None, place: tuple[float, ...] | None = None
    ) -> Estimated:
        """A number with its estimate."""
        self = super().__new__(cls, value)
        self.estimated_error = estimated_error
        self.place = place
        return self

    def __repr__(self) -> str:
        text = float.__repr__(self)
        if self.estimated_error is not None:
            text += f" ± {self.estimated_error:.2g}"
        if self.place is not None:
            text += f" at ({', '.join(f'{c:.6g}' for c in self.place)})"
        return text

    def __reduce__(self) -> tuple[Any, ...]:
        return Estimated, (float(self), self.estimated_error, self.place)

    def record(self) -> dict[str, Any]:
        """What `--json` says of it."""
        found: dict[str, Any] = {"value": float(self), "estimated_error": self.estimated_error}
        if self.place is not None:
            found["place"] = list(self.place)
        return found
