"""Compare factorisations on the normal equations that the solver makes.

    python benchmarks/factorisations.py [--threads 1] [--rounds 5]

Every problem is solved once; the largest least-squares matrix D Aᵀ A D that it factors is kept, as rows A in blocks
with their column scaling D. Then each factorisation gets it in a process of its own, in turns, and factors it and
solves for one right-hand side: median seconds, the most memory beyond the matrix, the residual. Everything ends in
benchmarks/records/factorisations.json and a Markdown table beside.

* condensed Cholesky: ours; it starts from the rows, so forming their Gram matrices is part of its time;
* SuperLU: scipy's, symmetric mode, minimum degree on Aᵀ + A;
* MKL PARDISO: by pypardiso, symmetric positive definite, nested dissection by METIS;
* CHOLMOD: by sksparse-minimal, supernodal; its wheel brings the reference BLAS, so MKL's is loaded before it.

The last three need the matrix as a sparse one: the time to form and scatter it is a column of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
RECORD = ROOT / "benchmarks" / "records" / "factorisations.json"
TABLE = RECORD.with_suffix(".md")
PROBLEMS = (
    ("poisson_four_holes", 1e-6),
    ("poisson_multiscale_2d", 1e-8),
    ("poisson_3d", 1e-6),
    ("helmholtz_2d_10", 1e-8),
)
TIME_LIMIT = 600.0  # wall-clock seconds of one process, which factors twice
SHIFT = 1e-14  # of the diagonal, as in the solver
OURS = "condensed Cholesky"
Solve = Callable[[np.ndarray], np.ndarray]


# -------------------------------------------------------------------- the matrices


def capture(name: str, tol: float, path: Path) -> int:
    """Solve a problem and keep the largest matrix it factors: layout, centres, rows, scaling; its columns."""
    import torch

    from pdesolve import load_problem, solve
    from pdesolve.least_squares.sparse import normal_equations

    largest: dict[str, Any] = {"columns": 0}

    class Recording(normal_equations.CondensedCholesky):
        def __init__(self, layout: Any, centres: Any, rows: Any, scale: Any):
            if layout.total >= largest["columns"]:
                largest.update(
                    columns=layout.total, sizes=layout.sizes, centres=centres, rows=rows, scale=scale
                )
            super().__init__(layout, centres, rows, scale)

    normal_equations.CondensedCholesky, original = Recording, normal_equations.CondensedCholesky  # type: ignore[misc]
    try:
        solve(load_problem(ROOT / "problems" / f"{name}.py"), tol=tol, time_limit=120)
    finally:
        normal_equations.CondensedCholesky = original  # type: ignore[misc]
    torch.save(largest, path)
    return int(largest["columns"])


def lower_triangle(kept: dict[str, Any]) -> Any:
    """The lower triangle of D Aᵀ A D as a CSC matrix (p, p)."""
    import torch
    from scipy.sparse import coo_matrix, csc_matrix

    shape = (kept["columns"],) * 2
    total = csc_matrix(shape)
    for block in kept["rows"]:
        scaled = [m * kept["scale"][c][:, None] for m, c in zip(block.matrices, block.columns, strict=True)]
        for i, left in enumerate(scaled):
            for j, right in enumerate(scaled):
                value = torch.bmm(left.mT, right)
                row = block.columns[i][:, :, None].expand_as(value)
                column = block.columns[j][:, None, :].expand_as(value)
                lower = row >= column
                entries = (part[lower].numpy() for part in (value, row, column))
                data, *index = entries
                total = total + coo_matrix((data, tuple(index)), shape).tocsc()
    total.sort_indices()
    return total


# -------------------------------------------------------------------- the factorisations


def by_blocks(kept: dict[str, Any]) -> Callable[[], Solve]:
    """Ours."""
    import torch

    from pdesolve.least_squares.sparse.condensed_cholesky import CondensedCholesky
    from pdesolve.least_squares.sparse.row_blocks import Columns

    layout = Columns(kept["sizes"])

    def factor() -> Solve:
        found = CondensedCholesky(layout, kept["centres"], kept["rows"], kept["scale"])
        return lambda b: found.solve(torch.from_numpy(b)).numpy()

    return factor


def by_superlu(lower: Any) -> Callable[[], Solve]:
    """Scipy's default, in symmetric mode."""
    from scipy.sparse.linalg import splu

    full = symmetric(lower)
    options = {"SymmetricMode": True, "ColPerm": "MMD_AT_PLUS_A"}
    return lambda: splu(full, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options).solve


def by_pardiso(lower: Any) -> Callable[[], Solve]:
    """MKL PARDISO, Cholesky."""
    from pypardiso import PyPardisoSolver

    upper = lower.T.tocsr()
    upper.sort_indices()
    solver = PyPardisoSolver(mtype=2)

    def factor() -> Solve:
        solver.free_memory(everything=True)
        solver.factorize(upper)
        return lambda b: solver.solve(upper, b)

    return factor


def by_cholmod(lower: Any) -> Callable[[], Solve]:
    """CHOLMOD, supernodal where that pays."""
    from sksparse_minimal import SparseCholesky

    full = symmetric(lower)
    return lambda: SparseCholesky(full).solve_A


def symmetric(lower: Any) -> Any:
    """Both triangles, CSC."""
    from scipy.sparse import csc_matrix, tril

    full = csc_matrix(lower + tril(lower, -1).T)
    full.sort_indices()
    return full


FACTORISATIONS: dict[str, Callable[[Any], Callable[[], Solve]]] = {
    OURS: by_blocks,
    "SuperLU": by_superlu,
    "MKL PARDISO": by_pardiso,
    "CHOLMOD": by_cholmod,
}


def form(path: Path) -> float:
    """Form the sparse matrix, keep it beside the rows; seconds."""
    import torch
    from scipy.sparse import save_npz

    from benchmarks.work_precision import clock

    kept = torch.load(path, weights_only=False)
    begin = clock()
    lower = lower_triangle(kept)
    seconds = clock() - begin
    save_npz(path.with_suffix(".npz"), lower, compressed=False)
    return seconds


def worker(path: Path, method: str) -> dict[str, float]:
    """Factor and solve twice, keep the second time; peak memory beyond what the matrix takes."""
    import torch
    from scipy.sparse import identity, load_npz

    from benchmarks.work_precision import clock

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    lower = load_npz(path.with_suffix(".npz"))
    full = symmetric(lower)
    b = full @ np.random.default_rng(0).normal(size=len(full.indptr) - 1)
    shifted = lower + SHIFT * identity(len(b), format="csc")
    factor = FACTORISATIONS[method](torch.load(path, weights_only=False) if method == OURS else shifted)
    before = restart_peak_memory()
    result = {}
    for _ in range(2):
        begin = clock()
        solve = factor()
        factored = clock()
        x = solve(b.copy())
        result = {"factor": factored - begin, "solve": clock() - factored}
        memory = peak_memory() - before
        del solve
    residual = float(np.linalg.norm(full @ x - b) / np.linalg.norm(b))
    return {**result, "memory_mb": memory, "residual": residual}


def restart_peak_memory() -> float:
    """Forget the peak so far; what is in use, in MB."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_memory()


def peak_memory() -> float:
    """Largest resident memory in MB since the last restart."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def measure(path: Path, method: str, threads: int) -> dict[str, float] | str:
    """One run of `worker` in a process of its own, or why there is no result."""
    threading = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    if method == "CHOLMOD":
        preload = {"LD_PRELOAD": mkl()}
    else:
        preload = {}
    command = [sys.executable, __file__, "--worker", str(path), method]
    environment = {**os.environ, **threading, **preload}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=TIME_LIMIT
        )
    except subprocess.TimeoutExpired:
        return f"took more than {TIME_LIMIT:g} s of the clock for two factorisations"
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"ended with code {done.returncode}"])[-1]
    return json.loads(done.stdout.splitlines()[-1])


def mkl() -> str:
    """The library whose BLAS CHOLMOD is given: MKL's, which pypardiso brings."""
    from pypardiso import PyPardisoSolver

    return str(PyPardisoSolver().libmkl._name)


# -------------------------------------------------------------------- the table


def table(record: dict[str, Any]) -> str:
    """In Markdown: seconds, ratio of factor and solve to ours, without and with the forming; memory; residual."""
    lines = [
        "| matrix | unknowns | factorisation | form | factor | solve | ratio | with form | memory | residual |",
        "| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, matrix in record["matrices"].items():
        ours = matrix["rows"][OURS]
        for method, row in matrix["rows"].items():
            if method == OURS:
                form = 0.0
            else:
                form = matrix["form"]
            both = row["factor"] + row["solve"]
            mine = ours["factor"] + ours["solve"]
            cells = [
                name,
                f"{matrix['unknowns']:,}",
                method,
                f"{form:.2g} s" if form else "",
                f"{row['factor']:.3g} s",
                f"{1e3 * row['solve']:.3g} ms",
                f"{both / mine:.2f}",
                f"{(form + both) / mine:.2f}",
                f"{row['memory_mb']:.0f} MB",
                f"{row['residual']:.0e}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
        for method, reason in matrix["failed"].items():
            lines.append(f"| {name} | {matrix['unknowns']:,} | {method} | {reason} | | | | | | |")
    return "\n".join(lines)


def markdown(record: dict[str, Any]) -> str:
    """The table with what it means."""
    versions = ", ".join(f"{k} {v}" for k, v in record["versions"].items())
    return (
        "# Factorisations of the same normal equations\n\n"
        f"{table(record)}\n\n"
        f"Medians of {record['rounds']} rounds in turns, {record['threads']} thread(s), one process for each run. "
        "Seconds are of the processor (of the clock with several threads). "
        f"Ratio: factor and solve over those of {OURS}, which forms its Gram matrices itself. Memory: the peak beyond "
        f"the matrix. Residual: of one solve, without refinement.\n\n"
        f"{record['date']}, commit {record['commit']}, {record['machine']}; {versions}. "
        f"Made by `{record['command']}`.\n"
    )


def main() -> None:
    """Capture, measure in turns, keep and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--worker", nargs=2, metavar=("MATRIX", "METHOD"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    if options.worker:
        print(json.dumps(worker(Path(options.worker[0]), options.worker[1])))
        return
    from benchmarks.work_precision import commit, machine, set_threads

    set_threads(options.threads)
    matrices: dict[str, Any] = {}
    record = {
        "command": f"python benchmarks/factorisations.py --threads {options.threads} --rounds {options.rounds}",
        "date": date.today().isoformat(),
        "commit": commit(),
        "machine": machine(),
        "threads": options.threads,
        "rounds": options.rounds,
        "versions": {p: version(p) for p in ("torch", "scipy", "mkl", "pypardiso", "sksparse-minimal")},
        "matrices": matrices,
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, tol in PROBLEMS:
            columns = capture(name, tol, path := Path(folder) / f"{name}.pt")
            seconds = form(path)
            found: dict[str, list[dict[str, float]]] = {method: [] for method in FACTORISATIONS}
            failed: dict[str, str] = {}
            for _ in range(options.rounds):
                for method, runs in found.items():
                    if method not in failed:
                        run = measure(path, method, options.threads)
                    else:
                        run = failed[method]
                    if isinstance(run, str):
                        failed[method] = run
                    else:
                        runs.append(run)
            rows = {
                m: {k: median(run[k] for run in runs) for k in runs[0]}
                for m, runs in found.items()
                if m not in failed
            }
            matrices[name] = {
                "tol": tol,
                "unknowns": columns,
                "form": seconds,
                "rows": rows,
                "failed": failed,
            }
            print(name, failed or "", file=sys.stderr, flush=True)
            RECORD.write_text(json.dumps(record, indent=1) + "\n")
            TABLE.write_text(markdown(record), "utf-8")
    print(table(record))


if __name__ == "__main__":
    main()
