"""Are limits of time and memory kept on heavy problems?

    python benchmarks/kept_limits.py                       # thirty-odd problems, limits of 1 and 5 s
    python benchmarks/kept_limits.py --seconds 20 --only cavity_2d,torus
    python benchmarks/kept_limits.py --memory 1            # a limit of 1 GB instead, and 60 s at most

Each problem of the folder `problems` is asked for more digits than its limit allows. Printed are the seconds of the
processor beyond the limit, from the loaded problem to the solution; the exit code is 1 if a limit is overrun by more
than two seconds. With a limit of memory (of data) each is solved in a process of its own by the command, and its exit
code, the largest memory that it held, and its last line are printed; a process that is killed fails.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pdesolve import load_problem, solve  # noqa: E402
from pdesolve.errors import PdesolveError  # noqa: E402
from pdesolve.runs.monitor import Monitor  # noqa: E402

OVERRUN = 2.0  # seconds beyond a limit from which on it is not kept
LONGEST = 60.0  # seconds, where memory is limited
TIGHT = 1e-11
HEAVY: dict[str, float] = {  # file → tolerance
    "cavity_2d": 1e-8,
    "layer_2d": TIGHT,
    "poisson_four_holes": TIGHT,
    "poisson_multiscale_2d": 1e-13,
    "helmholtz_2d_10": 1e-12,
    "kirsch": TIGHT,
    "thermal_block": TIGHT,
    "cantilever": TIGHT,
    "peak_2d": 1e-13,
    "bratu_2d": 1e-13,
    "cube_less_ball": 1e-9,
    "gallery/torus": 1e-9,
    "gallery/drilled_ball": 1e-9,
    "gallery/plate_with_hole_3d": 1e-9,
    "gallery/cone": 1e-9,
    "gallery/turned_box": 1e-9,
    "gallery/faceted_ball_mesh": 1e-7,
    "gallery/lug_mesh": 1e-8,
    "gallery/airfoil": TIGHT,
    "heat_2d": 1e-12,
    "flow_mixing_2d": TIGHT,
    "taylor_green_2d": 1e-10,
    "cylinder_flow": 1e-4,
    "gray_scott_1d": 1e-10,
    "kuramoto_sivashinsky_1d": TIGHT,
    "klein_gordon_2d": 1e-12,
    "schroedinger_1d": 1e-12,
    "nonlinear_diffusion_2d": 1e-10,
    "reaction_diffusion_2d": 1e-10,
    "drum_2d": 1e-9,
    "stokes_modes": 1e-9,
    "pinv_2d": 1e-9,
    "hinv_2d": 1e-9,
}


def beyond(name: str, tol: float, seconds: float) -> tuple[float, str]:
    """Seconds of the processor beyond the limit, and how the run ended."""
    torch.set_num_threads(1)
    problem = load_problem(ROOT / "problems" / f"{name}.py")
    begin = time.process_time()
    try:
        status = solve(problem, tol=tol, monitor=Monitor(seconds, clock=time.process_time)).status
    except PdesolveError as error:
        status = f"{type(error).__name__}: {error}"
    return time.process_time() - begin - seconds, status


def with_memory(name: str, tol: float, gigabytes: float) -> tuple[int, str]:
    """Exit code of the command with a limit of memory, and its last line."""
    file = ROOT / "problems" / f"{name}.py"
    # The command is run by a process that limits itself first, as those of a bench do.
    script = (
        "import sys; from pdesolve.benchmarking.worker import limit_memory; from pdesolve.__main__ import main; "
        f"limit_memory({int(1024 * gigabytes)}); sys.exit(main(sys.argv[1:]))"
    )
    with tempfile.TemporaryDirectory() as folder:
        options = ["--tol", f"{tol}", "--time-limit", f"{LONGEST}"]
        command = [sys.executable, "-c", script, "solve", f"{file}", "--out", f"{folder}/run", *options]
        found = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    lines = (found.stdout.strip() or found.stderr.strip()).splitlines()
    return found.returncode, lines[-1] if lines else ""


def main() -> int:
    """Run, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", default="1,5", help="limits of time")
    parser.add_argument("--only", help="some problems, separated by commas")
    parser.add_argument("--memory", type=float, help="a limit in GB instead")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else list(HEAVY)
    failed = False
    for name in names:
        tol = HEAVY[name]
        if options.memory is not None:
            before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
            code, line = with_memory(name, tol, options.memory)
            largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
            held = f"{largest / 2**20:.2f} GB" if largest > before else f"below {before / 2**20:.2f} GB"
            failed |= code not in (0, 2, 3)
            print(f"{name}: exit code {code}, {held}: {line}", flush=True)
            continue
        for seconds in (float(s) for s in options.seconds.split(",")):
            # In a process of its own: tables that an earlier run has made would not be made again.
            with get_context("spawn").Pool(1) as pool:
                late, status = pool.apply(beyond, (name, tol, seconds))
            failed |= late > OVERRUN
            print(f"{name}, {seconds:g} s: {late:+.2f} s: {status[:110]}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
