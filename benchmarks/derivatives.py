"""Derivatives side by side: what a Laplacian's residual and its parameter gradient cost, by three ways.

One evaluation is the loss ½ Σ (Δu_θ - f)² over all points and its gradient in θ, in chunks of points for
every way alike. The ways take turns within each repeat, so that a noisy machine disturbs them equally; ratios
are of medians. Run: python benchmarks/derivatives.py [--points 10000] [--repeats 7] [--chunk 500]
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from pdesolve.approximators import MLP, GaussianMixture, TrainableApproximator
from pdesolve.approximators.multi_index import laplacian_indices

Way = Callable[[TrainableApproximator, Tensor, Tensor], tuple[Tensor, Tensor]]


def nested_autograd(approximator: TrainableApproximator, x: Tensor, f: Tensor) -> tuple[Tensor, Tensor]:
    """The usual way of physics-informed networks: one reverse pass per derivative, one more for θ."""
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(approximator(x).sum(), x, create_graph=True)
    laplacian = sum(
        torch.autograd.grad(gradient[:, i].sum(), x, create_graph=True)[0][:, i] for i in range(x.shape[1])
    )
    loss = 0.5 * (laplacian - f).square().sum()
    parameters = list(approximator.parameters())
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    return loss.detach(), torch.cat([g.reshape(-1) for g in gradients])


def jets(approximator: TrainableApproximator, x: Tensor, f: Tensor) -> tuple[Tensor, Tensor]:
    """Jets of the separate second derivatives and their pullback."""
    indices = laplacian_indices(x.shape[1])
    jet, pullback = approximator.jet_and_pullback(x, indices)
    residual = jet[:, 0].sum(-1) - f
    weights = residual[:, None, None].expand(-1, 1, len(indices))
    return 0.5 * residual.square().sum(), pullback(weights)


def laplacian(approximator: TrainableApproximator, x: Tensor, f: Tensor) -> tuple[Tensor, Tensor]:
    """The Laplacian as one derivative (collapsed Taylor mode for the MLP) and its pullback."""
    value, pullback = approximator.laplacian_and_pullback(x)
    residual = value[:, 0] - f
    return 0.5 * residual.square().sum(), pullback(residual[:, None])


@dataclass(frozen=True)
class Case:
    """An approximator and the ratio over nested autograd that it must reach."""

    name: str
    approximator: TrainableApproximator
    target: float


WAYS: dict[str, Way] = {"nested autograd": nested_autograd, "jets": jets, "laplacian": laplacian}


def cases(components: int) -> list[Case]:
    """The MLP of 4 hidden layers of 64 and mixtures of every kind."""
    result = [
        Case("MLP 4×64, 2-D", MLP(2), 1.2),
        Case("MLP 4×64, 5-D", MLP(5), 2.0),
    ]
    for dimension, kinds in ((2, ("isotropic", "diagonal", "full", "ridge")), (5, ("diagonal", "ridge"))):
        for kind in kinds:
            mixture = GaussianMixture(dimension, components=components, kind=kind)
            result.append(Case(f"GMNM {kind}, {components} components, {dimension}-D", mixture, 4.0))
    return result


def evaluate(way: Way, approximator: TrainableApproximator, x: Tensor, chunk: int) -> tuple[Tensor, Tensor]:
    """Loss and gradient summed over chunks."""
    f = torch.sin(x.sum(-1))
    parts = [
        way(approximator, points, f_part)
        for points, f_part in zip(x.split(chunk), f.split(chunk), strict=True)
    ]
    return sum(loss for loss, _ in parts), sum(gradient for _, gradient in parts)


def measure(case: Case, points: int, repeats: int, chunk: int) -> dict[str, float]:
    """Median seconds of every way, interleaved; their gradients must agree.

    Raises:
        AssertionError: If two ways give different gradients.
    """
    generator = torch.Generator().manual_seed(0)
    x = 2 * torch.rand(points, case.approximator.inputs, generator=generator, dtype=torch.float64) - 1
    results = {
        name: evaluate(way, case.approximator, x, chunk) for name, way in WAYS.items()
    }  # warms up, too
    loss, gradient = results["nested autograd"]
    for other_loss, other in results.values():
        torch.testing.assert_close(other_loss, loss)
        torch.testing.assert_close(other, gradient, rtol=1e-8, atol=1e-8 * float(gradient.abs().max()))
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(repeats):
        for name, way in WAYS.items():
            start = perf_counter()
            evaluate(way, case.approximator, x, chunk)
            seconds[name].append(perf_counter() - start)
    return {name: median(values) for name, values in seconds.items()}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--chunk", type=int, default=500)
    parser.add_argument("--components", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    title = (
        f"Laplacian residual and parameter gradient, {arguments.points} points, chunks of {arguments.chunk}, "
        f"float64, {arguments.threads} thread(s), torch {torch.__version__}, medians of {arguments.repeats}"
    )
    table = Table(title=title)
    for column in ("case", *(f"{name} [ms]" for name in WAYS), "jets ×", "laplacian ×", "target ×", "met"):
        table.add_column(column, justify="left" if column == "case" else "right")
    for case in cases(arguments.components):
        seconds = measure(case, arguments.points, arguments.repeats, arguments.chunk)
        ratios = [seconds["nested autograd"] / seconds[name] for name in ("jets", "laplacian")]
        table.add_row(
            case.name,
            *(f"{1e3 * seconds[name]:.1f}" for name in WAYS),
            *(f"{ratio:.2f}" for ratio in ratios),
            f"{case.target:.1f}",
            "yes" if max(ratios) >= case.target else "no",
        )
    Console(width=None if Console().is_terminal else 160).print(table)


if __name__ == "__main__":
    main()
