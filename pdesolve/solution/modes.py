"""What a solution says of eigenvalues and modes, if its problem has any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from pdesolve.eigen.bounds import eigenvalue_bounds
from pdesolve.eigen.complex_modes import Pairs, jets_times_i
from pdesolve.errors import UsageError
from pdesolve.patches.mixture import PartitionedMixture
from pdesolve.solution.spectrum import (
    bounds_of,
    eigenvalues_of,
    errors_of,
    mode_number,
    require_spectrum,
)
from pdesolve.statement.residual import ResidualOperator


class OfModes:
    """The part of a `Solution` that speaks of modes.

    Attributes:
        spectrum: eigenvalues with their errors, bounds and groups; empty where none are sought.
    """

    problem: Any
    approximator: Any
    estimates: tuple[float, ...] | None
    spectrum: dict[str, Any]

    @property
    def unknowns(self) -> tuple[str, ...]:
        """Names of the unknowns; of an eigenvalue problem those of all modes, `u_1`, `u_2` and so on."""
        if not self.spectrum:
            return self.problem.unknowns
        count = len(self.spectrum["values"])
        return tuple(f"{name}_{k + 1}" for k in range(count) for name in self.problem.unknowns)

    @property
    def vectors(self) -> dict[str, tuple[str, ...]]:
        """Vectors among the unknowns, and the names of their components."""
        return self._of_all_modes(self.problem.names.vectors)

    @property
    def complex_names(self) -> dict[str, tuple[str, ...]]:
        """Complex fields among the unknowns, and the names of their parts."""
        return self._of_all_modes(self.problem.names.complex)

    def _of_all_modes(self, known: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        if not self.spectrum:
            return dict(known)
        numbers = range(1, len(self.spectrum["values"]) + 1)
        return {
            f"{name}_{k}": tuple(f"{c}_{k}" for c in parts) for k in numbers for name, parts in known.items()
        }

    @property
    def eigenvalues(self) -> Any:
        """Array (k,) of an eigenvalue problem, real where all are; those nearest to the wanted number first."""
        return eigenvalues_of(require_spectrum(self.spectrum, "eigenvalues"))

    @property
    def eigenvalue_errors(self) -> Any:
        """Estimated absolute errors (k,) of the eigenvalues; None where the run ended without an estimate."""
        return errors_of(require_spectrum(self.spectrum, "eigenvalue_errors"))

    @property
    def eigenvalue_bounds(self) -> Any:
        """Lower and upper bounds (k, 2) of as many eigenvalues; None where none are proved. See `eigen.bounds`."""
        require_spectrum(self.spectrum, "eigenvalue_bounds")
        # They take as long as a level, and most solutions are never asked for them.
        if "bounds" not in self.spectrum:
            found = eigenvalue_bounds(self.problem, self.approximator, self.eigenvalues)
            self.spectrum["bounds"] = None if found is None else found.tolist()
        return bounds_of(self.spectrum)

    def mode(self, k: int) -> Any:
        """Mode k = 1, 2, … as the solution of the problem in which its eigenvalue is a constant.

        So `mode(1)(x, y)`, `mode(1).derivative("x")` and `mode(1).integral()` are there. Of a complex pair, the first
        mode is the real and the second the imaginary part of one.
        """
        spectrum = require_spectrum(self.spectrum, "mode")
        place = mode_number(spectrum, k)
        each = len(self.problem.unknowns)
        first = place * each
        found: Any = replace(
            self,  # type: ignore[type-var]
            problem=self.problem.at_eigenvalue(spectrum["values"][place][0]),
            approximator=some_unknowns(self.approximator, first, each),
            estimates=None if self.estimates is None else self.estimates[first : first + each],
            spectrum={},
        )
        found.residual_rms = found.measure_residual()
        return found

    def require_one_function(self) -> None:
        """See that the solution is one function.

        Raises:
            UsageError: it is several modes.
        """
        if self.spectrum:
            message = "the solution has several modes; ask one of them, such as solution.mode(1)"
            raise UsageError(message)

    def _residual_at(self, points: Tensor, slots: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
        """Residuals (n, m) of the equation, of all modes (n, k m), for jets (n, 1 or k, s) at points (n, d)."""
        operator = self.equation  # type: ignore[attr-defined]
        if not self.spectrum:
            return operator.residual(points, slots[:, 0], None, parameters).detach()
        values = [complex(value) for value in self.eigenvalues.tolist()]
        place = {name: i for i, name in enumerate(self.problem.unknowns)}
        pairs = tuple((place[a], place[b]) for a, b in self.problem.names.complex.values())
        if pairs and len(place) == 2 * len(pairs):
            return _complex_residuals(operator, self.problem.eigenvalues.name, values, points, slots, pairs)
        return mode_residuals(operator, self.problem.eigenvalues.name, values, points, slots.unbind(1))


def mode_residuals(
    operator: ResidualOperator, name: str, values: Sequence[complex], points: Tensor, jets: Sequence[Tensor]
) -> Tensor:
    """Residuals (n, k m) of the equation, mode after mode, for jets (n, s) of each mode.

    Of a complex pair, whose modes are the real and the imaginary part of one, they are those of its parts: with λ = a +
    ib, F(u, a) - b F_λ(v) and F(v, a) + b F_λ(u).
    """
    found = []
    for k, value in enumerate(values):
        part = _residual(operator, name, value.real, points, jets[k])
        if value.imag:
            other = jets[k + 1 if value.imag > 0 else k - 1]
            one = _residual(operator, name, value.real + 1, points, other)
            part = part - value.imag * (one - _residual(operator, name, value.real, points, other))
        found.append(part)
    return torch.cat(found, dim=1)


def _complex_residuals(
    operator: ResidualOperator,
    name: str,
    values: Sequence[complex],
    points: Tensor,
    jets: Tensor,
    pairs: Pairs,
) -> Tensor:
    """As `mode_residuals`, of modes that are complex fields: with λ = a + ib, F(u, a) + b F_λ(i u)."""
    found = []
    for k, value in enumerate(values):
        part = _residual(operator, name, value.real, points, jets[:, k])
        if value.imag:
            other = jets_times_i(jets[:, k], operator.slots, pairs)
            one = _residual(operator, name, value.real + 1, points, other)
            part = part + value.imag * (one - _residual(operator, name, value.real, points, other))
        found.append(part)
    return torch.cat(found, dim=1)


def some_unknowns(mixture: PartitionedMixture, first: int, count: int) -> PartitionedMixture:
    """The function of some unknowns alone, from a first one on."""
    sizes = mixture.layout.sizes
    within = torch.arange(mixture.layout.total) - mixture.layout.offsets.repeat_interleave(sizes)
    unknown = within // (sizes // mixture.outputs).repeat_interleave(sizes)
    chosen = (unknown >= first) & (unknown < first + count)
    kept = mixture.coefficients[: len(chosen)][chosen.to(mixture.coefficients.device)]
    beside = mixture.coefficients[len(chosen) :].view(mixture.outputs, -1)[first : first + count]
    return replace(mixture, outputs=count, coefficients=torch.cat([kept, beside.flatten()]))


def _residual(operator: ResidualOperator, name: str, value: float, points: Tensor, jets: Tensor) -> Tensor:
    parameters = {name: torch.tensor(value, dtype=torch.float64)}
    return operator.residual(points, jets, None, parameters).detach()
