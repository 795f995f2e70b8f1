"""What the user may set of a trained method. Importable without torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pdesolve.runs.settings import POSITIVE, WORD_OR_MAKER, Settings, ValueKind, one_of, setting

# A class or function; a torch.nn.Module can be called, too.
Maker = Callable[..., Any]
# Their kinds are those of the problem's conditions, which are not known here.
WEIGHTS = ValueKind(
    "adaptive, or numbers by kind, such as equation=1,dirichlet=100", lambda v: isinstance(v, (str, Mapping))
)
SHAPE = ("depth", "grid", "degree", "frequency", "width_factor")


@dataclass(frozen=True)
class Budget(Settings):
    """The same words for every trained method; `pdesolve.methods` says which of them apply to which."""

    iterations: int | None = setting(
        "most iterations of the last optimiser", also=("epochs", "steps", "max_iterations")
    )
    points: int | None = setting("interior collocation points", also=("n", "samples", "collocation"))
    parameters: int | None = setting(
        "about how many trainable parameters", also=("width", "hidden", "neurons", "size")
    )
    optimiser: str | Maker | None = setting(
        "the last optimiser: adam, lbfgs, bfgs, ssbfgs or ssbroyden", WORD_OR_MAKER, also=("optimizer",)
    )
    approximator: str | Maker | None = setting(
        "gmnm-isotropic, -diagonal, -full, -ridge, -mlp, -stacked, mlp-tanh, -sine, -fourier, kan-spline, -chebyshev, "
        "-gaussian, random-waves, gabor, gm-layer, or my_module.py:MyNet; in Python a torch.nn.Module, or a class or "
        "function that makes one",
        WORD_OR_MAKER,
        also=("network", "model"),
    )
    start: str | None = setting(
        "where the centres begin: grid (in up to three dimensions) or random",
        one_of("grid", "random", otherwise=": where the centres begin"),
    )
    lifting: str | None = setting(
        "distance: prescribed values are met exactly, u = g + D N with a smooth distance D",
        one_of("distance", otherwise=", or leave it out: values are then met in the mean square"),
    )
    adam_iterations: int | None = setting("iterations of Adam before the others but lm and vp")
    learning_rate: float | None = setting("of Adam", POSITIVE, also=("lr",))
    resample_every: int | None = setting(
        "iterations after which the points are drawn anew; 1: a mini-batch of as many for each",
        also=("batch",),
    )
    weights: str | Mapping[str, float] | None = setting(
        "of the parts of the loss: adaptive, or equation=1,dirichlet=100; in Python also a dict",
        WEIGHTS,
        also=("loss_weights", "lambda", "penalty"),
    )
    depth: int | None = setting("hidden layers of mlp-… and kan-…", also=("layers",))
    grid: int | None = setting("intervals of kan-spline, Gaussians of kan-gaussian")
    degree: int | None = setting("of the polynomials of kan-spline and kan-chebyshev", also=("order",))
    frequency: float | None = setting("first frequencies of mlp-sine and mlp-fourier", POSITIVE)
    width_factor: float | None = setting("first widths of gmnm-…, in spacings of as many on a grid", POSITIVE)

    @property
    def shape(self) -> dict[str, float]:
        """What is set of an approximator's shape."""
        return {key: value for key, value in self.given.items() if key in SHAPE}


@dataclass(frozen=True)
class AnyBudget(Budget):
    """That of method `network`, where two optimisers more can be chosen."""

    optimiser: str | Maker | None = setting(
        "adam, lbfgs, bfgs, ssbfgs, ssbroyden, lm, vp for gmnm-… on linear problems, or my_module.py:my_optimiser, a "
        "function that makes a torch.optim.Optimizer of a list of parameters; in Python the function itself",
        WORD_OR_MAKER,
        also=("optimizer",),
    )
