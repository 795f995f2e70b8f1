"""The thermal block 2 × 2 by pyMOR and by `pdesolve surrogate`, side by side in one process on one thread.

    python -m benchmarks.against_pymor [--tol 1e-3] [--count 200]

-∇·(k ∇u) = 1 in the unit square, u = 0 on its boundary, four conductivities from 0.1 to 1 in log-uniform random points.
pyMOR (extra `bench`) reduces linear finite elements on triangles of diameter 1/100 by its weak greedy algorithm with
the coercivity estimator min(k), over 4⁴ training parameters. Its estimate is of the H¹₀ norm and against its own finite
elements; ours is of the relative L² norm and against the solution of the equation. For that reason the table says of
either how far it is from its own high-fidelity solution, and of pyMOR how far that one is from ours at `--tol` / 100.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch
from pymor import basic as pymor
from pymor.core.logger import set_log_levels

from benchmarks.surrogates import true_error
from pdesolve import build_surrogate, load_problem, solve

FILE = Path(__file__).parents[1] / "problems" / "thermal_block.py"
OVER = {f"k{i}": (0.1, 1.0) for i in (1, 2, 3, 4)}
# pyMOR numbers the blocks from below, left to right within a row, as thermal_block.py does.
NAMES = list(OVER)
AT_FULL_ORDER = 4  # parameters at which pyMOR's finite elements are compared with a solution of the equation


@dataclass(frozen=True)
class Row:
    """One line of the table; ratios are error over estimate, each in the norm of the estimate."""

    tool: str
    offline: float
    unknowns: int
    functions: int
    online: float
    worst: float
    ratios: np.ndarray
    truth: float

    def __str__(self) -> str:
        low, middle, high = np.quantile(self.ratios, [0, 0.5, 1])
        return (
            f"{self.tool:9} offline {self.offline:6.1f} s CPU, {self.functions:3} functions of {self.unknowns}, "
            f"online {1e3 * self.online:.2f} ms, worst relative L2 error {self.worst:.1e}, error/estimate "
            f"{low:.2g} {middle:.2g} {high:.2g}, high fidelity off by {self.truth:.1e}"
        )


def ours(tol: float, points: np.ndarray) -> Row:
    """Our surrogate, measured at `points` (count, 4)."""
    began = time.process_time()
    made = build_surrogate(FILE, OVER, tol=tol)
    offline = time.process_time() - began
    online = timed(made.model.at, points)
    found = np.array([true_error(made, point) for point in points])
    return Row(
        "pdesolve",
        offline,
        made.functions.shape[1],
        made.size,
        online,
        float(found[:, 0].max()),
        found[:, 0] / found[:, 1],
        tol / 5,  # to which the solutions behind it are verified
    )


def theirs(tol: float, points: np.ndarray) -> Row:
    """PyMOR's reduced basis, measured at the same points."""
    began = time.process_time()
    problem = pymor.thermal_block_problem(num_blocks=(2, 2), parameter_range=(0.1, 1.0))
    full, parts = pymor.discretize_stationary_cg(problem, diameter=1 / 100)
    product = full.h1_0_semi_product
    middle = full.solve(full.parameters.parse([0.3, 0.3, 0.3, 0.3]))
    reductor = pymor.CoerciveRBReductor(
        full,
        product=product,
        coercivity_estimator=pymor.ExpressionParameterFunctional("min(diffusion)", full.parameters),
    )
    goal = tol * float(middle.norm(product)[0])
    training = problem.parameter_space.sample_uniformly(4)
    reduced = pymor.rb_greedy(full, reductor, training, atol=goal)["rom"]
    offline = time.process_time() - began
    parameters = [full.parameters.parse(list(point)) for point in points]

    def answer(mu: pymor.Mu) -> None:
        reduced.solve(mu)
        reduced.estimate_error(mu)

    online = timed(answer, parameters)
    worst = 0.0
    ratios = []
    for mu in parameters:
        truth = full.solve(mu)
        wrong = truth - reductor.reconstruct(reduced.solve(mu))
        worst = max(worst, float((wrong.norm(full.l2_product) / truth.norm(full.l2_product))[0]))
        ratios.append(float(wrong.norm(product)[0] / np.ravel(reduced.estimate_error(mu))[0]))
    away = max(distance(full, parts["grid"], point, tol / 100) for point in points[:AT_FULL_ORDER])
    return Row("pyMOR", offline, full.order, reduced.order, online, worst, np.array(ratios), away)


def distance(full: pymor.StationaryModel, grid: object, point: np.ndarray, tol: float) -> float:
    """Relative L² distance, over its nodes, of pyMOR's finite elements from our verified solution at a parameter."""
    x, y = grid.centers(2).T
    found = full.solve(full.parameters.parse(list(point))).to_numpy().ravel()
    at = load_problem(FILE).with_constants(dict(zip(NAMES, point, strict=True)))
    right = solve(at, tol=tol)
    values = right(x, y)
    return float(np.linalg.norm(found - values) / np.linalg.norm(values))


def timed(call, points) -> float:
    """Median seconds of a call, once it has been made ten times."""
    seconds = []
    for point in points:
        began = time.perf_counter()
        call(point)
        seconds.append(time.perf_counter() - began)
    return median(seconds[min(10, len(seconds) - 1) :])


def main() -> None:
    """Print the two rows."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tol", type=float, default=1e-3)
    parser.add_argument("--count", type=int, default=200)
    given = parser.parse_args()
    torch.set_num_threads(1)
    set_log_levels({"pymor": "WARN"})
    points = 10 ** np.random.default_rng(5).uniform(-1, 0, (given.count, 4))
    print(theirs(given.tol, points), flush=True)
    print(ours(given.tol, points), flush=True)


if __name__ == "__main__":
    main()
