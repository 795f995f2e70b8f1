"""What the numbers of the adaptive loop decide: each is halved and doubled on small steady problems.

    python benchmarks/tuning.py [NAME ...] [--cases lshape,jump] [--seconds 30] [--write benchmarks/records/tuning.md]

NAME is a field of `pdesolve.adaptive.tuning.Tuning`; without one, all are varied (a quarter of an hour). The problems
are small and of every kind that the numbers are for: smooth ones, layers and peaks, corners, jumps, narrow sources,
cut cells, nonlinear ones, and such as must be refused. A line says of a number and a factor in how many problems the
answer differs in any bit, where the verdict does, the largest error over the tolerance of what was verified, and
unknowns and CPU seconds of all problems that were verified both times, over those with the number as it is.

Errors are those against exact solutions; where there is none, against a solution to a hundredth of the tolerance.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, exp, pi, sin

from pdesolve import Dirichlet, Integral, Interval, Neumann, Problem, Rectangle, laplace
from pdesolve.adaptive.solve import solve_adaptively
from pdesolve.adaptive.tuning import TUNING, Tuning
from pdesolve.runs.monitor import Monitor
from pdesolve.statement.loading import load_problem

PROBLEMS = Path(__file__).resolve().parents[1] / "problems"
line = Interval(0, 1)
square = Rectangle((0, 0), (1, 1))
POINTS = 4000
FACTORS = (0.5, 2.0)


def from_file(name: str) -> Callable[[], Problem]:
    """A problem of `problems/`, read when it is asked for."""
    return lambda: load_problem(PROBLEMS / f"{name}.py")


def jump() -> Problem:
    """Boundary values that jump at two corners."""
    cold = Dirichlet(0, on=square.left | square.right | square.bottom)
    return Problem(square, lambda T: -laplace(T), [Dirichlet(1, on=square.top), cold])


def half_insulated() -> Problem:
    """A condition that changes its kind at a smooth point of the boundary: T ~ r^½."""
    hot, insulated = square.bottom.where(lambda x: x < 0.5), square.bottom.where(lambda x: x > 0.5)
    cold = insulated | square.left | square.right
    conditions = [Dirichlet(1, on=hot), Neumann(0, on=cold), Dirichlet(0, on=square.top)]
    return Problem(square, lambda T: -laplace(T), conditions)


def narrow_source() -> Problem:
    """A source between the points of the first level."""
    return Problem(
        line,
        lambda u, x: -u.xx - pi**2 * sin(pi * x) - 2 * exp(-(((x - 0.5) / 0.002) ** 2) / 2),
        [Dirichlet(0, on=line.boundary)],
    )


def linear_in_pieces() -> Problem:
    """A reaction with a kink in the unknown."""

    def reaction(u: Tensor) -> Tensor:
        return 5 * torch.relu(u - 0.3)

    return Problem(
        line,
        lambda u, x: -u.xx + reaction(u) - pi**2 * sin(pi * x) - reaction(sin(pi * x)),
        [Dirichlet(0, on=line.boundary)],
        exact=lambda x: sin(pi * x),
    )


def two_sizes() -> Problem:
    """Unknowns of 1e4 and of 1e-9."""
    return Problem(
        line,
        lambda phi, u, x: (
            -phi.xx - 1e4 * pi**2 * sin(pi * x),
            -u.xx - 1e-9 * (30 * pi) ** 2 * sin(30 * pi * x),
        ),
        [Dirichlet(0, on=line.boundary, unknown=name) for name in ("phi", "u")],
        exact={"phi": lambda x: 1e4 * sin(pi * x), "u": lambda x: 1e-9 * sin(30 * pi * x)},
    )


def across_a_channel() -> Problem:
    """An unknown that is zero but for rounding."""
    return Problem(
        square,
        lambda u, v: (-laplace(u) - 1, -laplace(v)),
        [
            Dirichlet(0, on=square.bottom | square.top, unknown="u"),
            Neumann(0, on=square.left | square.right, unknown="u"),
            Dirichlet(0, on=square.boundary, unknown="v"),
        ],
        exact={"u": lambda x, y: y * (1 - y) / 2 + 0 * x, "v": lambda x, y: 0 * x * y},
    )


def contradictory() -> Problem:
    """Sources that no flux balances: no solution."""
    return Problem(square, lambda u: -laplace(u) - 1, [Neumann(0, on=square.boundary), Integral(0)])


def many_solutions() -> Problem:
    """Balanced sources, and nothing that fixes the constant."""
    return Problem(
        square, lambda u, x, y: -laplace(u) - torch.cos(pi * x) + 0 * y, [Neumann(0, on=square.boundary)]
    )


def beyond_a_fold() -> Problem:
    """Bratu's equation beyond λ = 3.51: no solution."""
    return Problem(line, lambda u: u.xx + 5 * exp(u), [Dirichlet(0, on=line.boundary)])


def under_constants() -> Problem:
    """A small wave on a large constant, to more digits than there are."""

    def exact(x: Tensor) -> Tensor:
        return sin(7 * x) * 1e3 + 1e3

    return Problem(
        line, lambda u, x: u.xx + 49e3 * sin(7 * x), [Dirichlet(exact, on=line.boundary)], exact=exact
    )


CASES: dict[str, tuple[Callable[[], Problem], float]] = {
    "smooth": (from_file("poisson_2d"), 1e-8),
    "flow": (from_file("kovasznay"), 1e-5),
    "waves": (from_file("helmholtz_2d"), 1e-4),
    "space": (from_file("poisson_3d"), 1e-5),
    "nonlinear": (from_file("nonlinear_poisson_2d"), 1e-5),
    "layer": (from_file("advection_diffusion_1d"), 1e-8),
    "peak": (from_file("peak_2d"), 1e-4),
    "cut": (from_file("annulus_robin"), 1e-6),
    "disk": (from_file("poisson_disk"), 1e-6),
    "lshape": (from_file("poisson_lshape"), 1e-4),
    "jump": (jump, 1e-3),
    "half": (half_insulated, 1e-3),
    "narrow": (narrow_source, 1e-2),
    "pieces": (linear_in_pieces, 1e-3),
    "sizes": (two_sizes, 1e-6),
    "channel": (across_a_channel, 1e-6),
    "contradiction": (contradictory, 1e-3),
    "free": (many_solutions, 1e-4),
    "fold": (beyond_a_fold, 1e-4),
    "constants": (under_constants, 1e-15),
}


@dataclass(frozen=True)
class Outcome:
    """What became of a problem."""

    met: bool
    status: str
    error: float
    unknowns: int
    seconds: float
    digest: str

    @property
    def verdict(self) -> str:
        """The beginning of the status, without numbers."""
        return " ".join(word for word in self.status.split(":")[0].split()[:2])


@cache
def yardstick(name: str) -> tuple[Problem, Tensor, Tensor]:
    """The problem, points (n, d), and values (n, u) that are right."""
    make, tol = CASES[name]
    problem = make()
    points = problem.domain.sample(POINTS, sampler="sobol", seed=5)
    if problem.exact:
        return problem, points, problem.values(problem.exact, points, "exact")
    best = solve_adaptively(problem, 1e-2 * tol, Monitor(time_limit=60))
    return problem, points, best.expansion(points)


def outcome(name: str, tuning: Tuning, seconds: float) -> Outcome:
    """Solve one problem."""
    problem, points, expected = yardstick(name)
    begun = time.process_time()
    monitor = Monitor(time_limit=seconds, clock=time.process_time)
    found = solve_adaptively(problem, CASES[name][1], monitor, tuning=tuning)
    spent = time.process_time() - begun
    off = (found.expansion(points) - expected).nan_to_num(0.0).norm(dim=0)
    size = expected.norm(dim=0)
    # What is zero to rounding is measured against the largest unknown.
    error = float((off / torch.where(size > 1e-12 * size.max(), size, size.max().clamp_min(1e-300))).max())
    c = found.expansion.coefficients
    digest = hashlib.sha256(c.numpy().tobytes() + repr(found.estimates).encode()).hexdigest()
    return Outcome(found.converged, found.status, error, len(c), spent, digest)


def scaled(value: Any, factor: float) -> Any:
    """A number times a factor; what counts something stays whole."""
    if isinstance(value, tuple):
        return tuple(scaled(part, factor) for part in value)
    if isinstance(value, int):
        return max(1, round(value * factor))
    return value * factor


def compared(names: Sequence[str], tuning: Tuning, base: dict[str, Outcome], seconds: float) -> str:
    """Columns of a line: what a change of the numbers changes."""
    found = {name: outcome(name, tuning, seconds) for name in names}
    changed = [name for name in names if found[name].digest != base[name].digest]
    if not changed:
        return "nothing | | | | |"
    verdicts = [
        f"{name}: {base[name].verdict} → {found[name].verdict}"
        for name in changed
        if (found[name].met, found[name].verdict) != (base[name].met, base[name].verdict)
    ]
    met = [name for name in names if found[name].met and base[name].met]
    certified = [name for name in names if found[name].met]
    worst = max(certified, key=lambda name: found[name].error / _tol(name))
    unknowns = sum(found[name].unknowns for name in met) / sum(base[name].unknowns for name in met)
    spent = sum(found[name].seconds for name in met) / sum(base[name].seconds for name in met)
    error = found[worst].error / _tol(worst)
    return f"{len(changed)} | {'; '.join(verdicts) or '–'} | {error:.2g} ({worst}) | {unknowns:.2f} | {spent:.2f} |"


def _tol(name: str) -> float:
    return max(CASES[name][1], 1e-13)


def lines(numbers: Sequence[str], names: Sequence[str], seconds: float) -> Iterator[str]:
    """The report, line by line."""
    base = {name: outcome(name, TUNING, seconds) for name in names}
    yield "| problem | tolerance | verdict | error | unknowns | CPU s |"
    yield "| --- | ---: | --- | ---: | ---: | ---: |"
    for name, o in base.items():
        yield f"| {name} | {CASES[name][1]:g} | {o.status[:60]} | {o.error:.1e} | {o.unknowns} | {o.seconds:.2f} |"
    yield ""
    yield "| number | value | factor | differ | verdicts | worst error / tol | unknowns | CPU |"
    yield "| --- | --- | ---: | ---: | --- | ---: | ---: | ---: |"
    for number in numbers:
        value = getattr(TUNING, number)
        for factor in FACTORS:
            tuning = replace(TUNING, **{number: scaled(value, factor)})
            text = compared(names, tuning, base, seconds)
            yield f"| {number} | {value} | {factor:g} | {text}"


def main() -> int:
    """Print the report, and write it where asked to."""
    known = [one.name for one in fields(Tuning)]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("numbers", nargs="*", metavar="NAME")
    parser.add_argument("--cases", default="")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    chosen = [name for name in options.cases.split(",") if name] or list(CASES)
    if unknown := {*options.numbers, *chosen} - {*known, *CASES}:
        parser.error(
            f"not known: {', '.join(sorted(unknown))}; numbers: {', '.join(known)}; cases: {', '.join(CASES)}"
        )
    torch.set_num_threads(1)
    report = []
    for text in lines(options.numbers or known, chosen, options.seconds):
        report.append(text)
        print(text, flush=True)
    if options.write:
        options.write.write_text("\n".join(report) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
