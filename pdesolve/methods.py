"""The named methods: what each does, in a line, and the settings it understands. Importable without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from pdesolve.errors import UsageError
from pdesolve.runs.settings import WORD, Settings, setting
from pdesolve.runs.wording import named


@dataclass(frozen=True)
class Method:
    """A way to solve a problem.

    Attributes:
        name: as given to `solve(method=…)`.
        summary: one line for `pdesolve ls methods`.
        runner: "module:function" with the signature (problem, run: Run) -> Answer.
        settings_class: "module:class" of its `Settings`.
        known: the fields of that class that apply to it; empty: all.
        estimates: whether it estimates its own error and stops by it.
    """

    name: str
    summary: str
    runner: str
    settings_class: str
    known: tuple[str, ...] = ()
    estimates: bool = False

    @property
    def settings(self) -> dict[str, str]:
        """Setting → what it means."""
        return _imported(self.settings_class).meanings(self.known)

    def configured(self, given: Mapping[str, Any]) -> Any:
        """The settings given by name.

        Raises:
            UsageError: there is no such setting, or a value is out of its range.
        """
        return _imported(self.settings_class).of(self.name, given, self.known)

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Import the runner and call it."""
        return _imported(self.runner)(*args, **kwargs)


METHODS: dict[str, Method] = {}


def register(method: Method) -> Method:
    """Make a method known by its name, in place of one of the same name."""
    METHODS[method.name] = method
    return method


@dataclass(frozen=True)
class GmnmSettings(Settings):
    """Settings of method gmnm."""

    cells: int | None = setting("root cells along the longest side", also=("grid", "elements", "mesh"))
    degree: int | None = setting(
        "degree on the first patches, whose polynomials are below it", also=("p",), formerly="order"
    )
    max_degree: int | None = setting(
        "highest degree on the patches", also=("highest_degree",), formerly="max_order"
    )
    max_unknowns: int | None = setting("largest number of unknowns", also=("unknowns", "max_dofs"))
    slabs: int | None = setting("time slabs to begin with", also=("steps", "time_steps"))
    continuation: str | None = setting(
        "constant, or constant:first value, through which a nonlinear solution is reached", WORD
    )

    @property
    def of_discretisation(self) -> dict[str, int]:
        """What is set of patches and slabs."""
        return {key: value for key, value in self.given.items() if key != "continuation"}

    def require_applicable(self, evolves: bool, from_data: bool) -> None:
        """See that nothing is set that the problem would ignore.

        Args:
            evolves: whether the problem is followed in time, slab by slab.
            from_data: whether something is identified from data.

        Raises:
            UsageError: naming the setting and why it does not apply.
        """
        sentence = (
            self._against_slabs(evolves, from_data)
            or self._against_continuation(evolves, from_data)
            or self._against_degrees()
            or self._against_highest(evolves)
        )
        if sentence:
            raise UsageError(sentence)

    def _against_slabs(self, evolves: bool, from_data: bool) -> str | None:
        given = f"{named('slabs')}={self.slabs}"
        if self.slabs is None:
            return None
        if from_data:
            return f"{given}: what is identified from data is solved on all times at once; leave it out"
        if evolves:
            return None
        return (
            f"{given}: slabs are for evolutions, which are solved slab by slab in time; this problem is not one: "
            "leave it out"
        )

    def _against_continuation(self, evolves: bool, from_data: bool) -> str | None:
        if self.continuation is None:
            return None
        if from_data:
            return (
                "continuation does not go together with data= yet; leave it out, and start near with guess= and "
                "parameters="
            )
        if evolves:
            return "continuation is for steady problems; an evolution is followed in time: leave it out"
        return None

    def _against_highest(self, evolves: bool) -> str | None:
        if not evolves or self.max_degree is None:
            return None
        given = f"{named('max_degree')}={self.max_degree}"
        return f"{given}: an evolution keeps one degree, which {named('degree')} sets; leave it out"

    def _against_degrees(self) -> str | None:
        if self.degree is None or self.max_degree is None or self.degree <= self.max_degree:
            return None
        given = f"{named('max_degree')}={self.max_degree}"
        return f"{given} is below the first degree, {self.degree}; expected at least that much"


def _imported(place: str) -> Any:
    module, name = place.split(":")
    return getattr(import_module(module), name)


_TRAINED = "pdesolve.solver:run_trained"
_BUDGET = "pdesolve.trained.settings:Budget"
_COMMON = ("iterations", "points", "parameters", "lifting")

register(
    Method(
        "gmnm",
        "partitioned Gaussian mixture, least squares, adapted until its own estimate meets the tolerance",
        "pdesolve.solver:run_gmnm",
        "pdesolve.methods:GmnmSettings",
        estimates=True,
    )
)
register(
    Method(
        "gmnm-trained",
        "Gaussian mixture with trained centres and widths",
        _TRAINED,
        _BUDGET,
        (*_COMMON, "start"),
    )
)
register(
    Method(
        "pinn",
        "perceptron (tanh), Adam then self-scaled Broyden",
        _TRAINED,
        _BUDGET,
        (*_COMMON, "optimiser", "resample_every", "weights"),
    )
)
register(
    Method(
        "kan",
        "Kolmogorov-Arnold network (B-splines), trained alike",
        _TRAINED,
        _BUDGET,
        (*_COMMON, "optimiser", "resample_every", "weights"),
    )
)
register(
    Method(
        "network",
        "any approximator under any optimiser, to compare them",
        _TRAINED,
        "pdesolve.trained.settings:AnyBudget",
        (
            "approximator",
            *_COMMON,
            "optimiser",
            "resample_every",
            "weights",
            "adam_iterations",
            "learning_rate",
            "depth",
            "grid",
            "degree",
            "frequency",
            "width_factor",
        ),
    )
)
