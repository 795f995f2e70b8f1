"""A regression μ ↦ coefficients of a surrogate's basis by a Gaussian mixture: no solve at all, a torch module.

It is trained on answers of the surrogate, and `Reduced.judge` tells the error of each of its own by the same residual.
Centres are spread evenly over the box, the width is the one that is best on samples held out, and the weights are
linear least squares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pdesolve.approximators import GaussianMixture
from pdesolve.errors import UsageError
from pdesolve.surrogates.box import Array, Box
from pdesolve.surrogates.surrogate import Surrogate

WIDTHS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)  # of half the box, tried
SHARE = 0.5  # components for each sample: as many weights as half the samples determine
HELD_OUT = 0.2  # of the samples, which choose the width
CUT = 1e-13  # of the largest singular value: wide Gaussians are nearly dependent


class Regression(torch.nn.Module):
    """Coefficients (n, N) at parameters (n, d), in the order of `box.names`; `torch.export` takes it.

    Args:
        box: of the constants.
        mixture: on [-1, 1]^d.
    """

    lower: Tensor
    upper: Tensor
    logarithmic: Tensor

    def __init__(self, box: Box, mixture: GaussianMixture):
        super().__init__()
        self.register_buffer("lower", torch.tensor(box.lower, dtype=torch.float64))
        self.register_buffer("upper", torch.tensor(box.upper, dtype=torch.float64))
        self.register_buffer("logarithmic", torch.tensor(box.logarithmic))
        self.mixture = mixture

    def forward(self, mu: Tensor) -> Tensor:
        """The mixture at μ mapped to [-1, 1]^d, by its logarithm where a range spans decades."""
        return self.mixture(self.mapped(mu))

    def mapped(self, mu: Tensor) -> Tensor:
        """Places t (n, d) of parameters."""
        low = torch.where(self.logarithmic, self.lower.clamp_min(1e-300).log(), self.lower)
        high = torch.where(self.logarithmic, self.upper.clamp_min(1e-300).log(), self.upper)
        x = torch.where(self.logarithmic, mu.clamp_min(1e-300).log(), mu)
        return (2 * x - low - high) / (high - low)


@dataclass(frozen=True)
class Judged:
    """How good a regression is at parameters that it was not made from: relative errors of u.

    Attributes:
        median: of the errors.
        worst: the largest one.
    """

    median: float
    worst: float


def fit_regression(surrogate: Surrogate, samples: int = 200, seed: int = 0) -> Regression:
    """Fit a mixture to answers of a surrogate at `samples` parameters.

    Raises:
        UsageError: there are too few samples, or the surrogate has no answer at one of them.
    """
    if samples < 10:
        message = f"samples={samples}; expected 10 or more"
        raise UsageError(message)
    points, answers = sampled(surrogate, samples, seed)
    known = int(samples * (1 - HELD_OUT))
    found = [
        (_error(_fitted(surrogate.box, points[:known], answers[:known], w), points, answers, known), w)
        for w in WIDTHS
    ]
    return _fitted(surrogate.box, points, answers, min(found)[1])


def sampled(surrogate: Surrogate, samples: int, seed: int) -> tuple[Tensor, Tensor]:
    """Parameters (n, d) and the coefficients (n, N) of the answers there."""
    points = surrogate.box.sample(samples, seed=1000 + seed)
    answers = []
    for point in points:
        found = surrogate.model.at(point)
        told = ", ".join(f"{name}={value:.6g}" for name, value in surrogate.box.constants(point).items())
        surrogate.model.require(found, surrogate.tol, told)
        answers.append(found.a)
    return torch.from_numpy(points), torch.from_numpy(np.array(answers))


def judge(surrogate: Surrogate, predicted: Array, points: Array) -> Judged:
    """Errors of predicted coefficients (n, N) at parameters (n, d), relative to the answers of the surrogate."""
    answers = np.array([surrogate.model.at(point).a for point in points])
    # The basis is orthonormal: distances of coefficients are those of functions.
    error = np.linalg.norm(predicted - answers, axis=1) / np.linalg.norm(answers, axis=1)
    return Judged(float(np.median(error)), float(error.max()))


def _fitted(box: Box, points: Tensor, answers: Tensor, width: float) -> Regression:
    count = max(2, int(SHARE * len(points)))
    mixture = GaussianMixture(box.dimension, answers.shape[1], count, kind="isotropic", skip=True)
    engine = torch.quasirandom.SobolEngine(box.dimension, scramble=True, seed=3)
    # A little beyond the box, since a function near its boundary needs Gaussians from both sides.
    centres = 1.2 * (2 * engine.draw(count, dtype=torch.float64) - 1)
    mixture.place(centres, torch.full((box.dimension,), width, dtype=torch.float64))
    found = Regression(box, mixture)
    zero = ((0,) * box.dimension,)
    table = mixture.basis_jet(found.mapped(points), zero)[..., 0].detach()
    weights = torch.linalg.lstsq(table, answers, rcond=CUT, driver="gelsd").solution
    mixture.set_linear_coefficients(weights)
    return found


def _error(regression: Regression, points: Tensor, answers: Tensor, known: int) -> float:
    with torch.no_grad():
        missed = regression(points[known:]) - answers[known:]
    return float(missed.norm(dim=1).max())
