"""State how good the computed references of the problem files are, computing those that are not cached yet.

    python benchmarks/references.py [NAME ...]

One line each: points, stored times, steps, by how much doubling the points, halving the step and leaving out every
other stored time change the solution (relative L2 over space and time), and seconds, near zero when cached.
"""

import gc
import sys
import time
from pathlib import Path

from pdesolve.loading import load_problem
from pdesolve.spectral_reference import SpectralReference

FOLDER = Path(__file__).resolve().parents[1] / "problems"
COLUMNS = "problem points times steps in_space in_time between_times wanted seconds".split()


def references(name: str) -> list[SpectralReference]:
    """Those that a problem file makes."""
    known = {id(o) for o in gc.get_objects() if type(o) is SpectralReference}
    problem = load_problem(FOLDER / f"{name}.py")
    made = [o for o in gc.get_objects() if type(o) is SpectralReference and id(o) not in known]
    return made if problem.reference else []


def line(name: str, reference: SpectralReference) -> str:
    """What was computed and how far it can be trusted."""
    begin = time.perf_counter()
    c = reference.computed
    times, _, points = c.values.shape
    errors = [f"{v:.1e}" for v in (c.in_space, c.in_time, c.between_times, reference.wanted)]
    row = [name, points, times - 1, (times - 1) * c.steps, *errors, f"{time.perf_counter() - begin:.1f}"]
    return "  ".join(f"{value:>13}" for value in row)


def main() -> None:
    """Print the table."""
    files = sorted(p for p in FOLDER.glob("*.py") if "SpectralReference(" in p.read_text("utf-8"))
    print("  ".join(f"{name:>13}" for name in COLUMNS))
    for name in sys.argv[1:] or [p.stem for p in files]:
        for reference in references(name):
            print(line(name, reference), flush=True)


if __name__ == "__main__":
    main()
