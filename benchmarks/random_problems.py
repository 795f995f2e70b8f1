"""Random manufactured problems: does a certified tolerance hold?

    python benchmarks/random_problems.py                       # 200 problems of seed 0, two processes
    python benchmarks/random_problems.py --count 50 --seed 3   # others
    python benchmarks/random_problems.py --only 17             # one of them, with what it states and how it ends
    python benchmarks/random_problems.py --kind all --count 400 --time-limit 20  # by kinds, in turn: the other record
    python benchmarks/random_problems.py --kind all --count 400 --rows kinds.jsonl  # taken up where it was left
    python benchmarks/random_problems.py --kind jumps          # of one kind; bodies, spikes, flows, …
    python benchmarks/random_problems.py --kind evolutions     # in time: mismatched, switched on, rising, swinging

Domain, equation, conditions, exact solution and tolerance are drawn at random; problem N of a seed is always the same.
Each is solved by the default method with a limit of time, in seconds of the processor. The exit code is 1 if a run
claims a tolerance that it misses by more than three times, ends in a traceback, or certifies something that is not
finite.
"""

import argparse
import json
import math
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import torch
from torch import Tensor, cos, exp, sin

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.random_evolutions import EVOLUTIONS  # noqa: E402
from benchmarks.random_kinds import KINDS  # noqa: E402
from pdesolve import (  # noqa: E402
    Annulus,
    Ball,
    Box,
    Dirichlet,
    Disk,
    Ellipse,
    Initial,
    Integral,
    Interval,
    Neumann,
    Periodic,
    Polygon,
    Problem,
    Rectangle,
    Robin,
    RoundedPolygon,
    Sector,
    StarShaped,
    TimeInterval,
    div,
    grad,
    laplace,
    solve,
)
from pdesolve.benchmarking.manufactured import manufactured, normal_slope, with_arguments  # noqa: E402
from pdesolve.errors import PdesolveError  # noqa: E402
from pdesolve.geometry.domain import Domain  # noqa: E402
from pdesolve.runs.monitor import Monitor  # noqa: E402

RECORD = ROOT / "benchmarks" / "records" / "random_problems.json"
RECORD_OF_KINDS = ROOT / "benchmarks" / "records" / "random_kinds.json"
# Of effectivities, estimate over error: nine in ten lie between.
EFFECTIVE = (0.3, 3.0)
# Below it an error is rounding, of which no estimate knows the size.
AT_ROUNDING = 1e-12
# Seconds beyond the limit of time from which on it is overrun.
OVERRUN = 2.0
MISSED = 3.0  # error over tolerance from which on a certificate is wrong
ROUGH = (-6.0, -1.0)  # logarithms of the tolerances of kinds: at loose ones most verdicts were wrong
TOLERANCES = (1e-3, 1e-9)  # drawn between these, uniformly in the logarithm
Function = Callable[..., Tensor]  # coordinates in order ↦ (n,)


class Equation(NamedTuple):
    """An operator by its name, and what it takes to be solvable."""

    name: str
    operator: Callable[..., Any]
    unknowns: tuple[str, ...] = ("u",)
    order_in_time: int = 0
    conditions: str = "any"  # "any", "coercive" (Neumann everywhere will do), "dirichlet" or "inflow"


# ---------------------------------------------------------------- domains


def _interval(draw: Random) -> Domain:
    a = draw.uniform(-2, 2)
    return Interval(a, a + draw.uniform(0.3, 3))


def _rectangle(draw: Random) -> Domain:
    x = draw.uniform(-1, 1)
    y = draw.uniform(-1, 1)
    return Rectangle((x, y), (x + draw.uniform(0.5, 2), y + draw.uniform(0.5, 2)))


def _around(draw: Random, corners: int) -> list[tuple[float, float]]:
    """Vertices of a polygon around a centre, at angles that are not too close."""
    x = draw.uniform(-1, 1)
    y = draw.uniform(-1, 1)
    turn = draw.uniform(0, 2 * math.pi)
    vertices = []
    for k in range(corners):
        r = draw.uniform(0.6, 1.2)
        angle = turn + 2 * math.pi * (k + draw.uniform(-0.25, 0.25)) / corners
        vertices.append((x + r * math.cos(angle), y + r * math.sin(angle)))
    return vertices


def _convex(draw: Random, corners: int) -> list[tuple[float, float]]:
    """Vertices on an ellipse."""
    a = draw.uniform(0.7, 1.2)
    b = draw.uniform(0.5, 1)
    turn = draw.uniform(0, 2 * math.pi)
    angles = [turn + 2 * math.pi * (k + draw.uniform(-0.2, 0.2)) / corners for k in range(corners)]
    return [(a * math.cos(t), b * math.sin(t)) for t in angles]


def _star(draw: Random) -> Domain:
    lobes = draw.randint(2, 5)
    depth = draw.uniform(0.05, 0.2)
    return StarShaped(lambda theta: 1 + depth * cos(lobes * theta))


def _ring(draw: Random) -> Domain:
    return Annulus((draw.uniform(-1, 1), 0), draw.uniform(0.2, 0.6), draw.uniform(0.8, 1.2))


def _holed(draw: Random) -> Domain:
    return Rectangle((-1, -1), (1, 1)) - Disk(
        (draw.uniform(-0.3, 0.3), draw.uniform(-0.3, 0.3)), draw.uniform(0.2, 0.5)
    )


def _bitten(draw: Random) -> Domain:
    return Disk((0, 0), 1) - Disk((draw.uniform(0.9, 1.3), 0), draw.uniform(0.4, 0.7))


def _joined(draw: Random) -> Domain:
    return Rectangle((-1, -0.5), (0.5, 0.5)) | Disk((draw.uniform(0.4, 0.6), draw.uniform(-0.2, 0.2)), 0.7)


def _common(draw: Random) -> Domain:
    return Disk((0, 0), 1) & Disk((draw.uniform(0.5, 1), draw.uniform(-0.3, 0.3)), 1)


PLANE: tuple[Callable[[Random], Domain], ...] = (
    _rectangle,
    _rectangle,
    lambda draw: Disk((draw.uniform(-1, 1), draw.uniform(-1, 1)), draw.uniform(0.3, 2)),
    lambda draw: Polygon(_around(draw, draw.randint(3, 6))),
    lambda draw: Polygon(_convex(draw, draw.randint(3, 6))),
    lambda draw: Ellipse((0, 0), (1, draw.uniform(0.35, 0.9)), draw.uniform(0, 3)),
    _ring,
    _star,
    lambda draw: RoundedPolygon(_convex(draw, draw.randint(3, 5)), draw.uniform(0.05, 0.15)),
    lambda draw: Sector((0, 0), 1, draw.uniform(-1, 0), draw.uniform(0.5, 4)),
    _holed,
    _bitten,
    _joined,
    _common,
    lambda draw: _rectangle(draw).rotated(draw.uniform(0, 1)),
)
SOLID: tuple[Callable[[Random], Domain], ...] = (
    lambda draw: Box((0, 0, 0), [draw.uniform(0.5, 1.5) for _ in range(3)]),
    lambda draw: Ball((draw.uniform(-1, 1), 0, 0), draw.uniform(0.5, 1.5)),
)


def random_domain(draw: Random, evolves: bool, small: bool = False) -> Domain:
    """A domain; if the equation evolves, an interval or rectangle times an interval of time.

    A small one has at most two coordinates.
    """
    if evolves:
        if draw.random() < 0.8 or small:
            space = _interval(draw)
        else:
            space = _rectangle(draw)
        start = draw.choice([0.0, 0.0, 1.5])
        return space * TimeInterval(start, start + draw.uniform(0.2, 1.5))
    kind = draw.random()
    if kind < 0.2:
        return _interval(draw)
    return draw.choice(PLANE if kind < 0.93 or small else SOLID)(draw)


# ---------------------------------------------------------------- exact solutions


def random_function(draw: Random, domain: Domain, periodic: int | None = None) -> Function:
    """A sum of one to three waves, exponentials, Gaussians and rational bumps, of the size of the domain.

    `periodic` is an axis along which it is periodic.
    """
    lower, upper = domain.bounds.tolist()
    d = len(lower)
    size = [b - a for a, b in zip(*domain.bounds.tolist(), strict=True)]

    def one() -> Function:
        kind = draw.choice(["wave", "wave", "exponential", "gaussian", "rational"])
        amplitude = draw.uniform(0.3, 2)
        sign = draw.choice([-1, 1])
        rates = [draw.uniform(-1, 1) * 2 * math.pi / s for s in size]
        centre = [draw.uniform(a, b) for a, b in zip(lower, upper, strict=True)]
        width = [s * draw.uniform(0.15, 0.6) for s in size]
        phase = draw.uniform(0, 6)
        if periodic is not None:
            turns = 2 * math.pi * draw.randint(1, 2) / size[periodic]
        else:
            turns = 0.0

        def distance(i: int, x: Tensor) -> Tensor:
            if (
                i == periodic
            ):  # 2 sin(π z / L) / (2π / L) is z to first order and has the period in its square
                return size[i] / math.pi * sin(math.pi / size[i] * (x - centre[i])) / width[i]
            return (x - centre[i]) / width[i]

        def function(*x: Tensor) -> Tensor:
            if kind in ("gaussian", "rational"):
                r2 = sum(distance(i, x[i]) ** 2 for i in range(d))
                if kind == "gaussian":
                    value = exp(-r2)
                else:
                    value = 1 / (1 + r2)
            else:
                rest = [rates[i] * (x[i] - centre[i]) for i in range(d) if i != periodic]
                if rest:
                    inner = sum(rest)
                else:
                    inner = torch.zeros_like(x[0])
                if kind == "wave":
                    value = sin(inner + phase)
                else:
                    value = exp(0.4 * inner)
                if periodic is not None:
                    value = value * sin(turns * x[periodic] + phase)
            return sign * amplitude * value

        return function

    parts = [one() for _ in range(draw.randint(1, 3))]
    constant = draw.choice([0.0, draw.uniform(-1, 1)])
    return lambda *x: constant + sum(part(*x) for part in parts)


# ---------------------------------------------------------------- equations


def _coefficient(draw: Random, domain: Domain) -> Callable[..., Any]:
    """A coefficient of x between 0.2 and 3.2."""
    scale = draw.uniform(0.5, 2)
    spread = draw.uniform(0.1, 0.6)
    rate = 2 * math.pi / float((domain.bounds[1] - domain.bounds[0])[0])
    phase = draw.uniform(0, 6)
    return lambda x: scale * (1 + spread * sin(rate * x + phase))


def steady_equation(draw: Random, domain: Domain, periodic: bool) -> Equation:
    """One of eleven kinds of steady equations, uniquely solvable with the conditions that it names."""
    k = _coefficient(draw, domain)
    c = draw.uniform(0.2, 3)
    size = (domain.bounds[1] - domain.bounds[0]).tolist()
    b = [draw.uniform(-3, 3) for _ in size]
    least = math.pi**2 * sum(
        s**-2 for s in size
    )  # of -Δ with u = 0 on the boundary: that of the bounding box
    wave = draw.uniform(0.1, 0.6) * least

    def flow(u: Any) -> Any:
        return sum(v * g for v, g in zip(b, grad(u), strict=True))

    kinds = [
        Equation("reaction", lambda u: -laplace(u) + c * u, conditions="coercive"),
        Equation("cubic", lambda u: -laplace(u) + u + c * u**3, conditions="coercive"),
        Equation("sine", lambda u: -laplace(u) + 2 * u + sin(u), conditions="coercive"),
        Equation("exponential", lambda u: -laplace(u) + u + exp(u), conditions="coercive"),
        Equation(
            "system",
            lambda u, v: (-laplace(u) + 2 * u + c * v, -laplace(v) + 2 * v - c * u),
            ("u", "v"),
            conditions="coercive",
        ),
        Equation(
            "nonlinear system",
            lambda u, v: (-laplace(u) + u + 0.8 * sin(v), -laplace(v) + v + 0.8 * sin(u)),
            ("u", "v"),
            conditions="coercive",
        ),
    ]
    if not periodic:
        kinds += [
            Equation("poisson", lambda u: -laplace(u)),
            Equation("diffusion", lambda u, x: -div(k(x) * grad(u)) + 0.5 * u, conditions="coercive"),
            Equation("quasilinear", lambda u: -div((1 + 0.3 * u**2) * grad(u)), conditions="dirichlet"),
            Equation("advection-diffusion", lambda u: -laplace(u) + flow(u) + c * u, conditions="dirichlet"),
            Equation("helmholtz", lambda u: -laplace(u) - wave * u, conditions="dirichlet"),
        ]
    return draw.choice(kinds)


def evolution_equation(draw: Random, domain: Domain) -> Equation:
    """One of seven kinds of evolutions."""
    k = draw.uniform(0.05, 1)
    c = draw.uniform(0.1, 2)
    speed = draw.choice([-1, 1]) * draw.uniform(0.3, 2)
    kinds = [
        Equation("heat", lambda u: u.t - k * laplace(u), order_in_time=1, conditions="coercive"),
        Equation(
            "reacting", lambda u: u.t - k * laplace(u) + c * u**3, order_in_time=1, conditions="coercive"
        ),
        Equation("wave", lambda u: u.tt - speed**2 * laplace(u), order_in_time=2, conditions="neumann"),
        Equation(
            "klein-gordon", lambda u: u.tt - laplace(u) + sin(u), order_in_time=2, conditions="dirichlet"
        ),
        Equation(
            "reacting system",
            lambda u, v: (u.t - k * laplace(u) + u * v, v.t - laplace(v) - u + v),
            ("u", "v"),
            order_in_time=1,
            conditions="dirichlet",
        ),
    ]
    if domain.space_dimension == 1:
        kinds += [
            Equation(
                "advection",
                lambda u: u.t + speed * u.x,
                order_in_time=1,
                conditions="inflow right" if speed < 0 else "inflow left",
            ),
            Equation("burgers", lambda u: u.t + u * u.x - k * u.xx, order_in_time=1, conditions="dirichlet"),
        ]
    return draw.choice(kinds)


# ---------------------------------------------------------------- problems


def random_problem(draw: Random, small: bool = False) -> tuple[Problem, float]:
    """A problem with its exact solution, and a tolerance; a small one has at most two coordinates."""
    evolves = draw.random() < 0.3
    domain = random_domain(draw, evolves, small)
    if evolves:
        space = domain.space
    else:
        space = domain
    if isinstance(space, (Interval, Rectangle)) and draw.random() < 0.2:
        axis = draw.randrange(space.dimension)
    else:
        axis = None
    if evolves:
        equation = evolution_equation(draw, domain)
    else:
        equation = steady_equation(draw, domain, axis is not None)
    exact = {name: random_function(draw, domain, axis) for name in equation.unknowns}
    by_name = {name: _of_coordinates(function, domain.coordinates) for name, function in exact.items()}
    conditions: list[Any]
    if axis is None:
        conditions = []
    else:
        conditions = [Periodic(domain.coordinates[axis])]
    for name in equation.unknowns:
        conditions += _on_boundary(draw, domain, equation, name, exact[name], axis)
        for order in range(equation.order_in_time):
            if order == 0:
                value = by_name[name]
            else:
                value = _in_time(exact[name], domain.coordinates)
            conditions.append(Initial(value, unknown=name, order=order))
    problem = Problem(
        domain,
        manufactured(equation.operator, exact, domain.coordinates),
        conditions,
        exact=by_name,
        name=f"{equation.name} on {domain}"
        + (f", periodic in {domain.coordinates[axis]}" if axis is not None else ""),
    )
    low, high = (math.log10(t) for t in sorted(TOLERANCES))
    return problem, 10 ** draw.uniform(low, high)


def _of_coordinates(function: Function, coordinates: Sequence[str]) -> Callable[..., Tensor]:
    return with_arguments(lambda **x: function(*(x[name] for name in coordinates)), coordinates)


def _in_time(function: Function, coordinates: Sequence[str]) -> Callable[..., Tensor]:
    """∂u/∂t by name."""
    along = torch.eye(len(coordinates), dtype=torch.float64)[-1]
    slope = normal_slope(function, lambda x: along.expand(len(x), -1), len(coordinates))
    return _of_coordinates(slope, coordinates)


def _on_boundary(
    draw: Random, domain: Domain, equation: Equation, unknown: str, exact: Function, periodic: int | None
) -> list[Any]:
    """A condition on every part of the boundary, as the equation allows."""
    names = domain.coordinates
    space = getattr(domain, "space", domain)
    pieces = [p for p in space.pieces if periodic is None or p.plane is None or p.plane[0] != periodic]
    value = _of_coordinates(exact, names)
    if equation.conditions.startswith("inflow"):
        side = equation.conditions.split()[1]
        if periodic is not None:
            return []
        return [Dirichlet(value, on=getattr(space, side), unknown=unknown)]
    allowed = {"dirichlet": "D", "neumann": "DN"}.get(equation.conditions, "DNR")
    kinds = [draw.choice(allowed) for _ in pieces]
    fixed = "D" in kinds or "R" in kinds or not pieces
    if equation.conditions == "any" and not fixed and draw.random() < 0.5:
        kinds[0] = "D"
        fixed = True
    found: list[Any] = []
    for piece, kind in zip(pieces, kinds, strict=True):
        on = piece.owner[0].part(piece.name)
        d = space.dimension

        def normal_at(x: Tensor, piece: Any = piece, d: int = d) -> Tensor:
            return piece.normal_at(x[:, :d])

        slope = normal_slope(exact, normal_at, d)
        a = draw.uniform(0.3, 3)
        if kind == "D":
            found.append(Dirichlet(value, on=on, unknown=unknown))
        elif kind == "N":
            found.append(Neumann(_of_coordinates(slope, names), on=on, unknown=unknown))
        else:
            both = partial(_robin, slope, exact, a)
            found.append(Robin(a, _of_coordinates(both, names), on=on, unknown=unknown))
    if equation.conditions == "any" and not fixed:
        x, w = domain.rule(40)
        found.append(Integral(float(w @ exact(*x.unbind(1))), unknown=unknown))
    return found


def _robin(slope: Function, exact: Function, a: float, *x: Tensor) -> Tensor:
    return slope(*x) + a * exact(*x)


# ---------------------------------------------------------------- running


MIXED = "mixed"  # the kind of `random_problem`: smooth ones of many equations and domains, steady and in time


def kind_of(kind: str, number: int) -> str:
    """The kind of problem `number`: of "all" and "evolutions", one after the other."""
    several = {"all": [MIXED, *KINDS], "evolutions": list(EVOLUTIONS)}
    if kind not in several:
        return kind
    return several[kind][number % len(several[kind])]


def numbered(seed: int, number: int, kind: str = MIXED) -> tuple[Problem, float]:
    """Problem `number` of a seed and a kind."""
    # One name is in both lists.
    makers = KINDS | EVOLUTIONS if kind == "evolutions" else EVOLUTIONS | KINDS
    kind = kind_of(kind, number)
    if kind == MIXED:
        return random_problem(Random(f"{seed}-{number}"))
    draw = Random(f"{kind}-{seed}-{number}")
    return makers[kind](draw), 10 ** draw.uniform(*ROUGH)


def measure(number: int, seed: int, limit: float, kind: str = MIXED) -> dict[str, Any]:
    """Solve one problem; what there is to say of it."""
    torch.set_num_threads(1)
    row: dict[str, Any] = {
        "number": number,
        "kind": kind_of(kind, number),
        "problem": "",
        "outcome": "traceback",
    }
    start = time.process_time()
    try:
        problem, tol = numbered(seed, number, kind)
        row |= {"problem": problem.name, "tolerance": tol}
        # Seconds of the processor: what else the machine does is no matter.
        monitor = Monitor(limit, clock=time.process_time)
        solution = solve(problem, tol=tol, monitor=monitor)
        row |= outcome(solution)
    except PdesolveError as error:
        row |= {"outcome": "refused", "status": f"{type(error).__name__}: {error}"}
    except Exception:
        row["status"] = traceback.format_exc()
    passed = time.process_time() - start
    return row | {"seconds": round(passed, 2), "overrun": passed > limit + OVERRUN}


def outcome(solution: Any) -> dict[str, Any]:
    """Error, estimate, and what the certificate is worth."""
    error = solution.relative_l2_error()
    estimate = solution.estimated_error
    finite = error is not None and math.isfinite(error)
    if solution.converged:
        kind = "certified"
    else:
        kind = "not certified"
    if solution.converged and not finite:
        kind = "silent NaN"
    elif solution.converged and error > MISSED * solution.tol:
        kind = "wrong"
    return {
        "outcome": kind,
        "error": error if finite else None,
        "estimate": estimate,
        "degrees_of_freedom": solution.degrees_of_freedom,
        "status": solution.status,
    }


def report(rows: Iterable[Mapping[str, Any]]) -> str:
    """The table: how many of each outcome, the worst certificate, and quantiles of estimate over error."""
    rows = list(rows)
    lines = ["| outcome | runs |", "| --- | ---: |"]
    for kind in ("certified", "not certified", "refused", "wrong", "silent NaN", "traceback"):
        lines.append(f"| {kind} | {sum(row['outcome'] == kind for row in rows)} |")
    if len({row.get("kind") for row in rows}) > 1:
        lines += ["", *_by_kind(rows)]
    certified = [row for row in rows if row["outcome"] in ("certified", "wrong") and row["error"]]
    if certified:
        worst = max(certified, key=lambda row: row["error"] / row["tolerance"])
        lines += [
            "",
            f"worst error / tolerance of a certified run: {worst['error'] / worst['tolerance']:.2g}"
            f" (number {worst['number']}: {worst['problem']})",
        ]
        ratios = torch.tensor([row["estimate"] / row["error"] for row in certified], dtype=torch.float64)
        levels = (0.0, 0.05, 0.5, 0.95, 1.0)
        shown = (f"{q:.0%}: {float(ratios.quantile(q)):.2g}" for q in levels)
        lines.append(f"estimate / error of certified runs: {', '.join(shown)}")
        share = _share_effective(certified)
        lines.append(f"estimate / error within {EFFECTIVE}, where the error is no rounding: {share:.1%}")
    overrun = [str(row["number"]) for row in rows if row.get("overrun")]
    lines.append(f"limits of time overrun by more than {OVERRUN:g} s: {', '.join(overrun) or 'none'}")
    return "\n".join(lines)


def _share_effective(certified: Sequence[Mapping[str, Any]]) -> float:
    """The part of certified runs whose estimate is within `EFFECTIVE` of the error."""
    known = [row["estimate"] / row["error"] for row in certified if row["error"] > AT_ROUNDING]
    low, high = EFFECTIVE
    return sum(low <= ratio <= high for ratio in known) / max(1, len(known))


def _by_kind(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A table of outcomes, one line for each kind."""
    outcomes = ("certified", "not certified", "refused", "wrong", "traceback")
    lines = [f"| kind | {' | '.join(outcomes)} |", "| --- |" + " ---: |" * len(outcomes)]
    for kind in dict.fromkeys(row["kind"] for row in rows):
        mine = [row["outcome"] for row in rows if row["kind"] == kind]
        lines.append(f"| {kind} | {' | '.join(str(mine.count(outcome)) for outcome in outcomes)} |")
    return lines


def _read(file: Path | None) -> dict[int, dict[str, Any]]:
    """Finished runs by number; the last one counts where a number was run twice."""
    if file is None or not file.exists():
        return {}
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    return {row["number"]: row for row in rows}


def main() -> int:
    """Solve, print, keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=200, help="how many problems")
    parser.add_argument("--kind", default=MIXED, choices=[MIXED, "all", "evolutions", *KINDS, *EVOLUTIONS])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="one problem by its number")
    parser.add_argument("--time-limit", type=float, default=10.0, help="seconds for each problem")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--first", type=int, default=0, help="number of the first problem")
    parser.add_argument(
        "--rows", type=Path, help="file of finished runs, one a line: those in it are not run again"
    )
    options = parser.parse_args()
    if options.only is not None:
        row = measure(options.only, options.seed, options.time_limit, options.kind)
        print(json.dumps(row, indent=1))
        return int(row["outcome"] in ("wrong", "silent NaN", "traceback"))
    run = partial(measure, seed=options.seed, limit=options.time_limit, kind=options.kind)
    numbers = range(options.first, options.first + options.count)
    done = _read(options.rows)
    with ProcessPoolExecutor(options.processes, get_context("spawn")) as pool:
        for row in pool.map(run, [number for number in numbers if number not in done]):
            done[row["number"]] = row
            if options.rows is not None:
                with options.rows.open("a") as file:
                    file.write(json.dumps(row) + "\n")
            if row["outcome"] != "certified":
                print(
                    f"{row['number']}: {row['outcome']}: {row['problem']}: {row.get('status')}",
                    file=sys.stderr,
                )
    rows = [done[number] for number in numbers]
    print(report(rows))
    if (options.count, options.seed, options.kind) == (200, 0, MIXED):
        RECORD.write_text(json.dumps({"date": date.today().isoformat(), "rows": rows}, indent=1) + "\n")
    if (options.count, options.kind) == (400, "all"):
        found = {"date": date.today().isoformat(), "seed": options.seed, "rows": rows}
        RECORD_OF_KINDS.write_text(json.dumps(found, indent=1) + "\n")
    return int(any(row["outcome"] in ("wrong", "silent NaN", "traceback") for row in rows))


if __name__ == "__main__":
    sys.exit(main())
