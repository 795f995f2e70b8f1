"""Data of the comparison of architectures, all of it made here: nothing is downloaded.

Inputs are (n, positions, channels) and targets (n, outputs), in float32, normalised by the training part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations_with_replacement

import numpy as np
import torch
from torch import Tensor

from pdesolve import Dirichlet, Problem, Rectangle, build_surrogate, div, grad
from pdesolve.errors import UsageError
from pdesolve.references.fourier import PeriodicSystem, march_periodic
from pdesolve.surrogates.surrogate import Surrogate

HORIZON = 16
Answer = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Task:
    """What is learned, and what its error is.

    Attributes:
        x: inputs for training, (n, positions, channels).
        y: targets, (n, outputs), or classes (n,).
        errors: an answer (inputs ↦ outputs), steps ahead ↦ name → error on the test part.
        baselines: answers of methods that are not trained by gradients, made from the training part.
        periodic: whether the positions lie on a circle.
    """

    x: Tensor
    y: Tensor
    errors: Callable[..., dict[str, float]]
    baselines: dict[str, Answer]
    periodic: bool = False

    @property
    def classes(self) -> bool:
        """Whether targets are classes."""
        return not self.y.is_floating_point()

    @property
    def outputs(self) -> int:
        """Values, or classes."""
        if self.classes:
            return int(self.y.max()) + 1
        return self.y.shape[1]


def least_squares(x: Tensor, y: Tensor, ridge: float = 1e-6) -> Answer:
    """The affine map of inputs that fits targets best."""
    columns = _with_ones(x.flatten(1).double())
    normal = columns.T @ columns
    normal += ridge * torch.trace(normal) / len(normal) * torch.eye(len(normal), dtype=normal.dtype)
    weights = torch.linalg.solve(normal, columns.T @ y.double())
    return lambda z: (_with_ones(z.flatten(1).double()) @ weights).float()


def _with_ones(columns: Tensor) -> Tensor:
    return torch.cat([columns, torch.ones_like(columns[:, :1])], 1)


# -------------------------------------------------------------------- classification


def mnist1d(quick: bool = False) -> Task:
    """MNIST-1D with its own seed: 4,000 signals of 40 numbers for training, 1,000 for testing, ten classes.

    Source: Greydanus & Kobak 2024, "Scaling down deep learning with MNIST-1D", arXiv:2011.14439. Published: perceptron
    68 %, convolutional network 94 %, recurrent network (GRU) 91 %.
    """
    from mnist1d.data import get_dataset_args, make_dataset

    arguments = get_dataset_args()
    if quick:
        arguments.num_samples = 1000
    data = make_dataset(arguments)
    x = torch.from_numpy(data["x"]).float()[:, :, None]
    y = torch.from_numpy(data["y"])
    x_test = torch.from_numpy(data["x_test"]).float()[:, :, None]
    y_test = torch.from_numpy(data["y_test"])

    def errors(answer: Answer, horizon: int = 1) -> dict[str, float]:  # noqa: ARG001
        wrong = answer(x_test).argmax(1) != y_test
        return {"error": float(wrong.double().mean())}

    hot = torch.nn.functional.one_hot(y, 10).float()
    return Task(x, y, errors, {"least squares": least_squares(x, hot, ridge=1e-3)})


# -------------------------------------------------------------------- forecasting


def _forecast(
    series: Tensor, window: int, train: int, frames: Callable[[Tensor], Tensor], **more: bool
) -> Task:
    """From `window` states of a series (times, channels) to the next; sixteen steps by iterating."""
    mean = series[:train].mean()
    deviation = series[:train].std()
    series = (series - mean) / deviation
    steps = (series[1:] - series[:-1])[: train - 1].std()
    starts = torch.arange(len(series) - window - HORIZON + 1)
    past = torch.stack([series[starts + j] for j in range(window)], 1)
    future = torch.stack([series[starts + window + j] for j in range(HORIZON)], 1)
    known = train - window - HORIZON
    x = frames(past[:known])
    y = (future[:known, 0] - past[:known, -1]) / steps
    # Nothing of the training part is in a window of the test part.
    past_test = past[train::2]
    future_test = future[train::2]
    size = future_test.std()

    def errors(answer: Answer, horizon: int = HORIZON) -> dict[str, float]:
        state = past_test
        found = {}
        for step in range(1, horizon + 1):
            following = state[:, -1] + steps * answer(frames(state))
            state = torch.cat([state[:, 1:], following[:, None]], 1)
            if step in (1, HORIZON):
                gap = (following - future_test[:, step - 1]).square().mean().sqrt()
                found[f"error_{step}"] = float(gap / size)
        return {"error": found["error_1"], **found}

    def naive(z: Tensor) -> Tensor:
        return torch.zeros(len(z), y.shape[1])

    return Task(x, y, errors, {"naive": naive, "autoregression": least_squares(x, y)}, **more)


def mackey_glass(quick: bool = False) -> Task:
    """Of x' = 0.2 x(t-17)/(1 + x(t-17)¹⁰) - 0.1 x, at every unit of time: 32 values to the next one.

    By the method of Runge and Kutta with 20 steps a unit, the delayed value by Hermite's cubic; our solver has no
    delays. Source: Mackey & Glass, Science 197 (1977).
    """
    count = 1000 if quick else 4000
    series = _delayed(count + 500)[500:]
    return _forecast(torch.from_numpy(series).float()[:, None], 32, int(0.7 * count), lambda past: past)


def _delayed(units: int, delay: int = 17, each: int = 20) -> np.ndarray:
    h = 1 / each
    back = delay * each
    x = np.empty(units * each + back + 1)
    slope = np.zeros_like(x)
    x[: back + 1] = 1.2

    def rate(value: float, past: float) -> float:
        return 0.2 * past / (1 + past**10) - 0.1 * value

    for i in range(back, len(x) - 1):
        a = x[i - back]
        b = x[i - back + 1]
        after = slope[i - back + 1]
        # The history is constant up to its end, where the slope jumps.
        if i + 1 == 2 * back:
            after = 0.0
        middle = (a + b) / 2 + h * (slope[i - back] - after) / 8
        slope[i] = first = rate(x[i], a)
        second = rate(x[i] + h / 2 * first, middle)
        third = rate(x[i] + h / 2 * second, middle)
        last = rate(x[i] + h * third, b)
        x[i + 1] = x[i] + h / 6 * (first + 2 * second + 2 * third + last)
    return x[back::each][:units]


def kuramoto_sivashinsky(quick: bool = False) -> Task:
    """u_t + u u_x + u_xx + u_xxxx = 0 on a circle of length 22: two states of 32 values to the next, 0.5 later.

    By our Fourier reference. Sixteen steps are 8 units of time, about a third of a Lyapunov time.
    """
    count = 1000 if quick else 5000
    system = PeriodicSystem(
        (0.0, 22.0),
        0.5 * (count + 200),
        start=lambda x: torch.cos(2 * torch.pi * x / 22) * (1 + torch.sin(2 * torch.pi * x / 22)),
        linear=lambda d: -(d**2) - d**4,
        flux=lambda u: -(u**2) / 2,
    )
    states = march_periodic(system, 64, count + 200, steps=4)[200:, 0, ::2]
    series = torch.from_numpy(np.ascontiguousarray(states)).float()
    return _forecast(series, 2, int(0.8 * count), lambda past: past.transpose(1, 2), periodic=True)


# -------------------------------------------------------------------- coefficient ↦ solution

SQUARE = Rectangle((0, 0), (1, 1))
CONSTANTS = ("c1", "c2", "c3", "c4")


def conductivity(x: Tensor, y: Tensor, c1: float, c2: float, c3: float, c4: float) -> Tensor:
    """One and four cosines: at least 0.12."""
    first = torch.cos(torch.pi * x)
    second = torch.cos(torch.pi * y)
    return 1 + 0.22 * (c1 * first + c2 * second + c3 * first * second + c4 * torch.cos(2 * torch.pi * x))


def _darcy(u, x, y, c1, c2, c3, c4):
    return -div(conductivity(x, y, c1, c2, c3, c4) * grad(u)) - 1


@lru_cache
def _darcy_surrogate() -> Surrogate:
    """Answers of our own solver for all constants of the box, each with an error of 1e-3 at most, as estimated."""
    problem = Problem(
        SQUARE, _darcy, [Dirichlet(0, on=SQUARE.boundary)], constants=dict.fromkeys(CONSTANTS, 0.0)
    )
    return build_surrogate(problem, dict.fromkeys(CONSTANTS, (-1.0, 1.0)), tol=1e-3)


def darcy(quick: bool = False) -> Task:
    """-∇·(k ∇u) = 1, u = 0 on the boundary of a square: k on 16 × 16 points to u on 8 × 8."""
    count = 200 if quick else 1000
    middles = (torch.arange(16, dtype=torch.float64) + 0.5) / 16
    x, y = torch.meshgrid(middles, middles, indexing="ij")
    surrogate = _darcy_surrogate()
    drawn = np.random.default_rng(0)
    answered = []
    values = []
    while len(values) < count + 200:
        point = dict(zip(CONSTANTS, drawn.uniform(-1, 1, 4).tolist(), strict=True))
        try:
            values.append(torch.as_tensor(surrogate(x[::2, ::2], y[::2, ::2], **point)))
        except UsageError:
            # No answer where it cannot vouch for one: about one in a thousand.
            continue
        answered.append(point)
    fields = torch.stack([conductivity(x, y, **point) for point in answered]).float()
    solutions = torch.stack(values).float().flatten(1)
    centre = solutions[:count].mean(0)
    scale = (solutions[:count] - centre).std()
    y_train = (solutions[:count] - centre) / scale
    test = fields[count:]
    truth = solutions[count:]

    def errors(answer: Answer, horizon: int = 1) -> dict[str, float]:  # noqa: ARG001
        gap = (answer(test) * scale + centre - truth).norm(dim=1) / truth.norm(dim=1)
        return {"error": float(gap.mean())}

    inputs = fields[:count]
    baselines = {"least squares": least_squares(inputs, y_train), "cubic": _cubic(inputs, y_train)}
    return Task(inputs, y_train, errors, baselines)


def _cubic(x: Tensor, y: Tensor, components: int = 4) -> Answer:
    """Polynomials of degree three in the first principal components."""
    flat = x.flatten(1)
    mean = flat.mean(0)
    axes = torch.linalg.svd(flat - mean, full_matrices=False).Vh[:components]
    size = ((flat - mean) @ axes.T).std(0)

    def columns(z: Tensor) -> Tensor:
        main = (z.flatten(1) - mean) @ axes.T / size
        terms = [combinations_with_replacement(range(components), degree) for degree in (1, 2, 3)]
        return torch.stack([main[:, list(term)].prod(1) for group in terms for term in group], 1)

    fitted = least_squares(columns(x), y)
    return lambda z: fitted(columns(z))


TASKS = {
    "mnist1d": mnist1d,
    "mackey_glass": mackey_glass,
    "kuramoto_sivashinsky": kuramoto_sivashinsky,
    "darcy": darcy,
}
