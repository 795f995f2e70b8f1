"""State how good the computed references of the problem files are, computing those that are not cached yet.

    python benchmarks/references.py [NAME ...]
    python benchmarks/references.py --independent NAME ...

One line each: points along an axis, stored times, steps, by how much refining the points, the step and the stored
times change the solution (relative L2 over space and time; of the method of lines all at once), and seconds, near
zero when cached.
"""

import gc
import sys
import time
from pathlib import Path

import numpy as np
import torch

from pdesolve.references.fourier import march_periodic
from pdesolve.references.lines import LinesReference
from pdesolve.references.spectral import SpectralReference
from pdesolve.statement.loading import load_problem

Reference = SpectralReference | LinesReference
KINDS = (SpectralReference, LinesReference)
FOLDER = Path(__file__).resolve().parents[1] / "problems"
TIMES = 61  # prime: none of them but the ends is a stored time
PLACES = 256
COLUMNS = "problem points times steps in_space in_time between_times wanted seconds".split()


def references(name: str) -> list[Reference]:
    """Those that a problem file makes."""
    known = {id(o) for o in gc.get_objects() if type(o) in KINDS}
    problem = load_problem(FOLDER / f"{name}.py")
    made = [o for o in gc.get_objects() if type(o) in KINDS and id(o) not in known]
    if problem.reference:
        return made
    return []


def line(name: str, reference: Reference) -> str:
    """What was computed and how far it can be trusted."""
    begin = time.perf_counter()
    if isinstance(reference, LinesReference):
        times, _, points = reference.computed["values"].shape
        steps = ""
        errors = [reference.accuracy()]
    else:
        c = reference.computed
        times, _, points = c.values.shape
        steps = (times - 1) * c.steps
        errors = [c.in_space, c.in_time, c.between_times]
    found = [f"{v:.1e}" for v in errors] + [""] * (3 - len(errors))
    seconds = f"{time.perf_counter() - begin:.1f}"
    row = [name, points, times - 1, steps, *found, f"{reference.wanted:.1e}", seconds]
    return "  ".join(f"{value:>13}" for value in row)


def independent(name: str, reference: SpectralReference) -> str:
    """How far a reference is from a march of another resolution."""
    system, c = reference.system, reference.computed
    n = 2 * c.values.shape[-1]
    steps = max(1, round((len(c.values) - 1) * c.steps / (2 * TIMES)))
    values = march_periodic(system, n, TIMES, steps, c.grading)
    a, b = system.interval
    x = a + (b - a) * np.random.default_rng(1).random(PLACES)
    waves = np.exp(2j * np.pi * np.outer((x - a) / (b - a), np.fft.fftfreq(n, 1 / n)))
    found = np.fft.fft(values) / n @ waves.T  # (times + 1, c, x)
    t = reference.begin + system.duration * (np.arange(TIMES + 1) / TIMES) ** c.grading
    points = [torch.from_numpy(v.flatten().copy()) for v in np.meshgrid(x, t)]
    stated = reference.components(*points).numpy().reshape(TIMES + 1, PLACES, -1).transpose(0, 2, 1)
    if not np.iscomplexobj(stated):
        found = found.real
    difference = np.linalg.norm(found - stated) / np.linalg.norm(found)
    return f"{name}: {difference:.1e} from {n} points, {TIMES * steps} steps; wanted {reference.wanted:.1e}"


def main() -> None:
    """Print the table."""
    if sys.argv[1:2] == ["--independent"]:
        for name in sys.argv[2:]:
            for reference in references(name):
                if isinstance(reference, SpectralReference):
                    print(independent(name, reference), flush=True)
        return
    names = [f"{kind.__name__}(" for kind in KINDS]
    files = sorted(p for p in FOLDER.glob("*.py") if any(name in p.read_text("utf-8") for name in names))
    print("  ".join(f"{name:>13}" for name in COLUMNS))
    for name in sys.argv[1:] or [p.stem for p in files]:
        for reference in references(name):
            print(line(name, reference), flush=True)


if __name__ == "__main__":
    main()
