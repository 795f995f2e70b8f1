"""Tuned settings of every family of approximators: the best of eight draws, the same number and time for all.

Run: python benchmarks/tune.py fitting poisson (some minutes each) writes benchmarks/tuned.toml, whose rows the suites
take up as `…-tuned`. The first draw is the paper's shape under Levenberg-Marquardt, the others are random. They have
the size of the suite (± 8 %, which every family can meet) and its time, on two of its problems and a seed that is in
no comparison; the smallest geometric mean of the two errors wins, and a failed run loses.
"""

import argparse
import math
import random
import sys
import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from pdesolve.benchmarking.case import MethodSpec
from pdesolve.benchmarking.records import error_of
from pdesolve.benchmarking.runner import run_all
from pdesolve.benchmarking.suite import Suite, make_suite, read_suite
from pdesolve.statement.loading import load_problem
from pdesolve.trained.networks import SHAPES, build_network, builder

FOLDER = Path(__file__).resolve().parent
TUNED = FOLDER / "tuned.toml"
DRAWS = 8
SEED = 100
APART = 0.08
PROBLEMS = {"fitting": ("franke", "oscillatory"), "poisson": ("poisson_2d", "poisson_5d")}
FAMILIES = {"fitting": ("gmnm", "mlp", "kan", "gabor"), "poisson": ("gmnm", "mlp", "kan")}
Settings = dict[str, Any]


def _log_uniform(low: float, high: float) -> Callable[[random.Random], float]:
    return lambda draw: float(f"{math.exp(draw.uniform(math.log(low), math.log(high))):.2g}")


def _one_of(*choices: Any) -> Callable[[random.Random], Any]:
    return lambda draw: draw.choice(choices)


PAPERS = {"gmnm": "gmnm-full", "mlp": "mlp-tanh", "kan": "kan-spline", "gabor": "gabor"}
OPTIMISER = _one_of("lbfgs", "ssbroyden", "lm")
RATE = _log_uniform(1e-3, 3e-2)
SPACES: Mapping[str, Mapping[str, Callable[[random.Random], Any]]] = {
    "gmnm": {
        "approximator": _one_of("gmnm-isotropic", "gmnm-diagonal", "gmnm-full", "gmnm-ridge"),
        "optimiser": _one_of("lbfgs", "ssbroyden", "lm", "vp"),
        "learning_rate": RATE,
        "width_factor": _log_uniform(0.7, 5),
    },
    "mlp": {
        "approximator": _one_of("mlp-tanh", "mlp-sine", "mlp-fourier"),
        "optimiser": OPTIMISER,
        "learning_rate": RATE,
        "depth": _one_of(1, 2, 3, 4),
        "frequency": _log_uniform(0.3, 8),
    },
    "kan": {
        "approximator": _one_of("kan-spline", "kan-chebyshev", "kan-gaussian"),
        "optimiser": OPTIMISER,
        "learning_rate": RATE,
        "depth": _one_of(1, 2, 3),
        "grid": _one_of(3, 5, 8, 12),
        "degree": _one_of(3, 4, 5, 7),
    },
    "gabor": {"approximator": _one_of("gabor"), "optimiser": OPTIMISER, "learning_rate": RATE},
}


def draws(family: str, problems: list[str], parameters: int) -> list[Settings]:
    """The paper's shape, then settings drawn at random, all of the right size on all problems."""
    draw = random.Random(f"{family} {SEED}")
    found = [{"approximator": PAPERS[family], "optimiser": "lm"}]
    while len(found) < DRAWS:
        settings = {key: choose(draw) for key, choose in SPACES[family].items()}
        shape = {key: settings[key] for key in SHAPES.get(settings["approximator"], ()) if key in settings}
        kept = ("approximator", "optimiser") + (
            ("learning_rate",) if settings["optimiser"] not in ("lm", "vp") else ()
        )
        settings = {key: settings[key] for key in kept} | shape
        if all(_fits(settings["approximator"], shape, problem, parameters) for problem in problems):
            found.append(settings)
    return found


def _fits(name: str, shape: Settings, file: str, parameters: int) -> bool:
    problem = load_problem(file)
    sizes = problem.domain.dimension, len(problem.unknowns), problem.domain.bounds
    network = build_network(builder(name, **shape), parameters, *sizes, 0, torch.float64)
    return abs(sum(p.numel() for p in network.parameters()) / parameters - 1) <= APART


def tune(name: str, families: Sequence[str]) -> dict[str, Settings]:
    """The best settings of each family on one suite: label → method and settings."""
    suite = make_suite(read_suite(FOLDER / f"{name}.toml"))
    problems = [file for file in suite.problems if Path(file).stem in PROBLEMS[name]]
    best = {}
    for family in families:
        specs = [
            MethodSpec(f"{family}-{i}", "network", settings)
            for i, settings in enumerate(draws(family, problems, suite.settings["parameters"]))
        ]
        scores = _scores(replace(suite, problems=tuple(problems), methods=tuple(specs), seeds=(SEED,)))
        winner = min(specs, key=lambda spec: scores[spec.label])
        best[f"{family}-tuned"] = {"score": scores[winner.label], "settings": dict(winner.settings)}
    return best


def _scores(suite: Suite) -> dict[str, float]:
    """Label → mean logarithm of the errors, infinite where one run failed."""
    with tempfile.TemporaryDirectory() as folder:
        records = run_all(suite.cases(), Path(folder), lambda record: print(_line(record), file=sys.stderr))
    scores: dict[str, float] = {}
    for record in records:
        error = error_of(record)
        if math.isfinite(error):
            logarithm = math.log10(max(error, 1e-16))
        else:
            logarithm = math.inf
        scores[record["method"]] = scores.get(record["method"], 0.0) + logarithm / len(suite.problems)
    return scores


def _line(record: Mapping[str, Any]) -> str:
    words = ", ".join(f"{key} {value}" for key, value in record["settings"].items())
    return f"  {record['problem']}, {words}: {error_of(record):.1e}"


def write(tables: Mapping[str, Mapping[str, Settings]]) -> None:
    """Write the file that the suites read."""
    lines = [
        f"# The best of {DRAWS} draws of each family: python benchmarks/tune.py {' '.join(tables)}",
        f"# Seed {SEED}; each with the size and time of its suite, on two of its problems:",
        *[f"# {name}: {' and '.join(problems)}" for name, problems in PROBLEMS.items()],
    ]
    for name, rows in tables.items():
        for label, row in rows.items():
            lines += ["", f"[{name}.{label}]", 'method = "network"']
            settings = ", ".join(f"{key} = {_toml(value)}" for key, value in row["settings"].items())
            lines += [f"settings = {{ {settings} }}"]
    TUNED.write_text("\n".join(lines) + "\n", "utf-8")


def _toml(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    return str(value)


def main() -> None:
    """Tune on the suites named; what is known of the others stays."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("suites", nargs="+", choices=list(PROBLEMS))
    if TUNED.is_file():
        known = tomllib.loads(TUNED.read_text("utf-8"))
    else:
        known = {}
    parser.add_argument("--families", nargs="+", choices=list(SPACES), help="only these; the others stay")
    options = parser.parse_args()
    write(known)  # the suites name it
    for name in options.suites:
        known[name] = {**known.get(name, {}), **tune(name, options.families or FAMILIES[name])}
        write(known)


if __name__ == "__main__":
    main()
