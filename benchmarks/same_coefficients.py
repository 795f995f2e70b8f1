"""Whether two checkouts of this repository find the same coefficients, bit by bit.

    python benchmarks/same_coefficients.py OTHER [--tol 1e-3] [--seconds 60] [--only poisson_2d,burgers_1d]

OTHER is another checkout, such as one made by `git worktree add ../before COMMIT`. Every problem of `problems/` is
solved in a process of its own in either checkout, on one thread, and the digests of all numbers of the two solutions,
their estimates and their verdicts are compared. A problem that neither checkout finishes in time is listed as not
compared. The exit code is 1 where anything differs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOLVE = """
import hashlib, json, sys
import numpy as np, torch
torch.set_num_threads(1)
from pdesolve import load_problem, solve

def numbers(thing, seen):
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, torch.Tensor):
        yield thing.detach().cpu().contiguous().numpy().tobytes()
    elif isinstance(thing, np.ndarray) and thing.dtype != object:
        yield np.ascontiguousarray(thing).tobytes()
    elif isinstance(thing, (list, tuple)):
        for part in thing:
            yield from numbers(part, seen)
    elif type(thing).__module__.startswith("pdesolve.") and hasattr(thing, "coefficients"):
        yield from numbers(thing.coefficients, seen)
    elif type(thing).__module__.startswith("pdesolve.") and hasattr(thing, "__dict__"):
        for key in sorted(vars(thing)):
            if not key.startswith("_"):
                yield from numbers(vars(thing)[key], seen)

try:
    found = solve(load_problem(sys.argv[1]), tol=float(sys.argv[2]))
except Exception as error:
    print(json.dumps({"error": str(error)}))
    sys.exit()
digest = hashlib.sha256()
for part in numbers(found.approximator, set()):
    digest.update(part)
estimates = [float(value).hex() for value in found.estimates or ()]
print(json.dumps({"digest": digest.hexdigest(), "estimates": estimates, "status": found.status}))
"""


def solved(checkout: Path, problem: str, tol: float, seconds: float) -> dict[str, object]:
    """Digest of a solution found by one checkout; {"late": True} where it took longer than `seconds`."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SOLVE, str(checkout / "problems" / problem), str(tol)]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=seconds,
            cwd=checkout,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"late": True}
    lines = done.stdout.splitlines()
    return json.loads(lines[-1]) if lines else {"crashed": done.stderr[-300:]}


def main() -> int:
    """Compare, print a line for each problem, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("other", type=Path)
    parser.add_argument("--tol", type=float, default=1e-3)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    chosen = [name for name in options.only.split(",") if name]
    names = [
        path.relative_to(ROOT / "problems").as_posix()
        for path in sorted((ROOT / "problems").rglob("*.py"))
        if not chosen or path.stem in chosen
    ]
    differ = late = 0

    def both(name: str) -> list[dict[str, object]]:
        checkouts = (ROOT, options.other.resolve())
        return [solved(checkout, name, options.tol, options.seconds) for checkout in checkouts]

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, (here, there) in zip(names, pool.map(both, names), strict=True):
            if here.get("late") or there.get("late"):
                late += 1
                word = "not compared: not done in time"
            elif here == there:
                word = f"equal: {here.get('status') or here.get('error')}"
            else:
                differ += 1
                word = f"DIFFERENT: {here} and {there}"
            print(f"{name:45} {word}", flush=True)
    print(f"{len(names)} problems: {differ} differ, {late} not compared")
    return int(differ > 0)


if __name__ == "__main__":
    sys.exit(main())
