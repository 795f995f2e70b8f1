"""The optimisers by name."""

from __future__ import annotations

import functools
from collections.abc import Callable

from pdesolve.errors import UsageError
from pdesolve.runs.own_code import is_own, load_own
from pdesolve.training import adam, lbfgs, self_scaled_broyden
from pdesolve.training.minimiser import Result, settings_from
from pdesolve.training.self_scaled_broyden import BroydenSettings
from pdesolve.training.torch_optimiser import Factory, using


def _broyden(update: str) -> Callable[..., Result]:
    @functools.wraps(self_scaled_broyden.minimise)
    def minimise(loss_and_gradient, theta0, monitor=None, settings=None) -> Result:
        if settings is None or isinstance(settings, dict):
            settings = settings_from(BroydenSettings, {"update": update, **(settings or {})})
        return self_scaled_broyden.minimise(loss_and_gradient, theta0, monitor, settings)

    return minimise


MINIMISERS: dict[str, Callable[..., Result]] = {
    "adam": adam.minimise,
    "lbfgs": lbfgs.minimise,
    "bfgs": _broyden("bfgs"),
    "ssbfgs": _broyden("ssbfgs"),
    "ssbroyden": _broyden("ssbroyden"),
}


def own_optimiser(name: str | Factory) -> str | Factory:
    """The function that "my_module.py:my_optimiser" names; any other name, or a function, as it is.

    Raises:
        UsageError: there is none in that file.
    """
    if is_own(name):
        return load_own(str(name), "optimiser", "function or class", callable)
    return name


def minimiser(name: str | Factory) -> Callable[..., Result]:
    """The optimiser of that name, or one that a function makes.

    It is a function (loss_and_gradient, theta0, monitor, settings) → Result.

    Raises:
        UsageError: if there is none; the message lists the known ones.
    """
    if callable(name):
        return using(name)
    if name not in MINIMISERS:
        message = f"unknown optimiser {name!r}: known are {', '.join(sorted(MINIMISERS))}"
        raise UsageError(message)
    return MINIMISERS[name]
