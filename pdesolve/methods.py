"""The named methods: what each does, in a line, and the settings it understands. Importable without torch."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Method:
    """A way to solve a problem.

    Attributes:
        name: as given to `--method`.
        summary: one line for `pdesolve ls methods`.
        settings: setting → what it means; given as `--set key=value`.
        runner: "module:function" with the signature (problem, run: Run) -> Outcome.
        certifies: whether it estimates its own error and stops by it.
    """

    name: str
    summary: str
    settings: dict[str, str]
    runner: str
    certifies: bool = False

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Import the runner and call it."""
        module, function = self.runner.split(":")
        return getattr(import_module(module), function)(*args, **kwargs)


_TRAINED = "pdesolve.solver:run_trained"
_BUDGET = {
    "iterations": "most iterations of the last optimiser",
    "points": "interior collocation points",
    "parameters": "about how many trainable parameters",
    "lifting": "distance: prescribed values are met exactly, u = g + D N with a smooth distance D",
}
_NETWORK_BUDGET = {**_BUDGET, "optimiser": "the last optimiser: adam, lbfgs, bfgs, ssbfgs or ssbroyden"}

METHODS = {
    method.name: method
    for method in (
        Method(
            "gmnm",
            "partitioned Gaussian mixture, least squares, adapted until its own error estimate meets --tol",
            {
                "cells": "root cells along the longest side",
                "order": "first order of the patches",
                "max_order": "highest order of the patches",
                "max_unknowns": "largest number of unknowns",
                "slabs": "time slabs to begin with",
                "continuation": "constant, or constant:first value, through which a nonlinear solution is reached",
            },
            "pdesolve.solver:run_gmnm",
            certifies=True,
        ),
        Method(
            "gmnm-trained",
            "Gaussian mixture with trained centres and widths",
            {**_BUDGET, "start": "where the centres begin: grid (in up to three dimensions) or random"},
            _TRAINED,
        ),
        Method("pinn", "perceptron (tanh), Adam then self-scaled Broyden", _NETWORK_BUDGET, _TRAINED),
        Method("kan", "Kolmogorov-Arnold network (B-splines), trained alike", _NETWORK_BUDGET, _TRAINED),
        Method(
            "network",
            "any approximator under any optimiser, to compare them",
            {
                "approximator": "gmnm-isotropic, -diagonal, -full, -ridge, -mlp, mlp-tanh, -sine, -fourier, "
                "kan-spline, -chebyshev, -gaussian, gabor, gm-layer, or my_module.py:MyNet",
                **_BUDGET,
                "optimiser": "adam, lbfgs, bfgs, ssbfgs, ssbroyden, lm, or vp for gmnm-… on linear problems",
                "adam_iterations": "iterations of Adam before the others but lm and vp",
                "learning_rate": "of Adam",
                "depth": "hidden layers of mlp-… and kan-…",
                "grid": "intervals of kan-spline, Gaussians of kan-gaussian",
                "degree": "of the polynomials of kan-spline and kan-chebyshev",
                "frequency": "first frequencies of mlp-sine and mlp-fourier",
                "width_factor": "first widths of gmnm-…, in spacings of as many on a grid",
            },
            _TRAINED,
        ),
    )
}
