"""Surrogates at 1,000 random parameters: none may be missed by more than three times its estimate.

    python benchmarks/surrogates.py [PROBLEM …] [--count 1000]

Each answer is compared with a solution at that parameter on the same patches of the next order (degrees higher by two),
which a reduced basis of such solutions gives; what that is off by where whole solves are made counts as error.
Offline times are CPU seconds with one thread; online is the median of one solve with its estimate.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from pdesolve import build_surrogate
from pdesolve.patches.family import Family
from pdesolve.runs.monitor import Monitor
from pdesolve.surrogates.basis import Basis
from pdesolve.surrogates.offline import Offline, Snapshot

LEARNED = 12  # solves of the reference for each constant, beside those in the corners
CHECKED = 20  # whole solves that the reference is compared with
FINER = 1e-3  # of the tolerance: accuracy of the reference's own residuals
PROBLEMS = Path(__file__).parents[1] / "problems"
CASES = {
    "thermal_block": ({f"k{i}": (0.1, 1.0) for i in (1, 2, 3, 4)}, 1e-3),
    "helmholtz_k": ({"k": (1.0, 10.0)}, 1e-4),
    "burgers_steady_1d": ({"nu": (0.02, 1.0)}, 1e-4),
    "cavity_reynolds": ({"reynolds": (50.0, 150.0)}, 1e-2),
    "four_holes_walls": ({f"g{i}": (0.0, 2.0) for i in (1, 2, 3, 4)}, 1e-4),
}


class Reference:
    """Solutions of the next order by a reduced basis of their own, from parameters that the surrogate never saw.

    1,000 solves of the thermal block take half an hour. The basis holds solves at `learned` parameters, and what it
    answers is compared with whole solves at `checked` others: the worst of these distances, `off`, is added to all
    errors that are measured by it.
    """

    def __init__(self, made, learned, checked):
        self.made = made
        family = Family.of(made.base.problem, made.base.approximator)
        self.space = family.space
        self.offline = Offline(family.raised, made.box, made.tol)
        dependence = made.model.dependence
        middle = self.whole(made.box.centre)
        self.offline.refer(made.box.centre, middle)
        units = self.offline.space.norms(middle)
        basis = Basis(self.offline, dependence, self.offline.degree(), units, FINER * made.tol)
        for point in [made.box.centre, *made.box.corners(), *made.box.sample(learned, seed=31)]:
            basis.add(Snapshot(point, self.whole(point), 0.0, np.zeros(0)))
        self.model = basis.model()
        self.functions = torch.stack(basis.functions)
        points = [point for point in made.box.sample(checked, seed=55)]
        self.off = max(self._distance(self.at(point), self.whole(point)) for point in points)

    def whole(self, point):
        """Coefficients of the next order by a whole solve."""
        start = None
        if not self.offline.linear:
            near = torch.from_numpy(self.made.model.at(point).a) @ self.made.functions
            start = self.offline.space.prolong(self.space, near)
        return self.offline.solve_here(point, start, Monitor()).coefficients

    def at(self, point):
        """Coefficients of the next order by the basis."""
        return torch.from_numpy(self.model.at(point).a) @ self.functions

    def error(self, point):
        """Error of the surrogate, and its estimate."""
        found = self.made.model.at(point)
        finer = self.offline.space.prolong(self.space, torch.from_numpy(found.a) @ self.made.functions)
        return self._distance(finer, self.at(point)) + self.off, found.error

    def _distance(self, c, better):
        space = self.offline.space
        return float((space.norms(better - c) / space.norms(better)).max())


def measure(name, count):
    """One row of the table: a surrogate made, and compared at many parameters."""
    over, tol = CASES[name]
    began = time.process_time()
    made = build_surrogate(PROBLEMS / f"{name}.py", over, tol=tol)
    offline = time.process_time() - began
    began = time.process_time()
    reference = Reference(made, LEARNED * made.box.dimension, CHECKED)
    compared = time.process_time() - began
    points = made.box.sample(count, seed=77)
    online = []
    for point in points:
        start = time.perf_counter()
        made.model.at(point)
        online.append(time.perf_counter() - start)
    true, estimate = np.array([reference.error(point) for point in points]).T
    answered = estimate <= tol
    ratio = true / estimate
    return {
        "problem": name,
        "tol": tol,
        "offline_cpu_seconds": round(offline, 1),
        "online_ms": round(1e3 * float(np.median(online)), 3),
        "functions": made.size,
        "unknowns": made.functions.shape[1],
        "parameters": count,
        "reference_off_by": reference.off,
        "reference_cpu_seconds": round(compared, 1),
        "answered": int(answered.sum()),
        "worst_error": float(true[answered].max()),
        "above_tolerance": int((true[answered] > tol).sum()),
        "missed_by_3": int((ratio > 3).sum()),
        "error_over_estimate": [float(f(ratio)) for f in (np.min, np.median, np.max)],
        "status": made.status,
    }


def true_error(made, point, kept={}):  # noqa: B006
    """Error against a whole solve of the next order, and the estimate."""
    if kept.get("made") is not made:
        family = Family.of(made.base.problem, made.base.approximator)
        kept.update(made=made, family=family, offline=Offline(family.raised, made.box, made.tol))
    offline, space = kept["offline"], kept["family"].space
    found = made.model.at(point)
    finer = offline.space.prolong(space, torch.from_numpy(found.a) @ made.functions)
    better = offline.solve_here(point, None if offline.linear else finer, Monitor()).coefficients
    error = offline.space.norms(better - finer) / offline.space.norms(better)
    return float(error.max()), found.error


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("problems", nargs="*", default=list(CASES))
    parser.add_argument("--count", type=int, default=1000)
    given = parser.parse_args()
    torch.set_num_threads(1)
    for problem in given.problems:
        print(json.dumps(measure(problem, given.count)), flush=True)
