"""What many workers would do with the elimination tree: measured task times, the tree of 10⁷ unknowns, a schedule.

    python benchmarks/many_workers.py            # writes docs/scaling.md, in some minutes on one core
    python benchmarks/many_workers.py --quick    # smaller systems, prints only
    python benchmarks/many_workers.py --factor 64 --constant    # one matrix, also with PYTHONPATH at another commit

Measured, in seconds of the processor with one thread: the patches of a subtree with their leaves, and dense fronts by
their size. The trees are those that the solver makes, on uniform grids with a coefficient that varies. Tasks are given
to workers as they become free, the largest first; messages pass at BANDWIDTH, one at a time, into the node of the last
fronts.
"""

import argparse
import heapq
import sys
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
# After PYTHONPATH, so that another commit can be measured
sys.path.append(str(ROOT))
PAGE = ROOT / "docs" / "scaling.md"
BANDWIDTH = 1e9  # bytes a second: ten gigabit Ethernet, an assumption
WORKERS = (1, 2, 10, 100, 1000)
FRONTS = (256, 512, 1024, 2048)
DEGREE = {2: 8, 3: 6}


def discretised(d: int, cells: int, vary: float = 0.5) -> tuple[Any, Any, list[Any], Any]:
    """The assembly of a diffusion problem on cells^d patches, its patches, its rows and their column scales.

    The coefficient is 1 + `vary` sin.
    """
    from pdesolve import Box, Dirichlet, Problem, Rectangle, div, grad
    from pdesolve.adaptive.discretisation import Discretisation
    from pdesolve.least_squares.sparse.normal_equations import NormalEquations
    from pdesolve.patches.discretise import discretise
    from pdesolve.runs.monitor import Monitor

    domain = Rectangle((0, 0), (1, 1)) if d == 2 else Box((0, 0, 0), (1, 1, 1))
    plane = lambda u, x, y: -div((1 + vary * torch.sin(7 * x * y)) * grad(u)) - 1.0  # noqa: E731
    space = lambda u, x, y, z: -div((1 + vary * torch.sin(7 * x * y * z)) * grad(u)) - 1.0  # noqa: E731
    problem = Problem(domain, plane if d == 2 else space, [Dirichlet(0, on=domain.boundary)])
    settings = {"cells": cells, "degree": DEGREE[d], "max_unknowns": 10**8}
    found = Discretisation(problem, 1e-6, Monitor(), "cpu", settings)
    patches, q = found.start()
    assembly = discretise(found.statement, patches, q, "cpu")
    rows, _, _ = assembly.linearise(assembly.space.zero())
    equations = NormalEquations.__new__(NormalEquations)
    equations.layout = assembly.layout
    equations.rows = rows
    return assembly, patches, rows, equations._column_scale()


# -------------------------------------------------------------------- what is measured


@dataclass
class Measured:
    """Task times of one kind of patch.

    Attributes:
        unknowns, columns, face, rows: of the system, of a patch, of a face, bytes of the rows of a patch.
        patch: seconds of a patch with its part of a leaf.
        alone, path: seconds of a factorisation with one thread, and of its critical path on two.
    """

    unknowns: int
    columns: int
    face: int
    rows: float
    patch: float
    alone: float
    path: float


def measure(d: int, cells: int) -> Measured:
    """Factor once to warm up, and then with clocks in every thread."""
    from pdesolve.least_squares.sparse import multifrontal, side_by_side
    from pdesolve.least_squares.sparse.condensed_cholesky import CondensedCholesky

    assembly, patches, rows, scale = discretised(d, cells)
    busy: list[float] = []
    leaves: list[float] = []
    alone = side_by_side._alone
    loop = multifrontal._Workspace.factors

    def clocked(function: Any, item: Any) -> Any:
        begin = time.thread_time()
        found = alone(function, item)
        busy.append(time.thread_time() - begin)
        return found

    def upper(self: Any, shift: float) -> Any:
        begin = time.thread_time()
        found = loop(self, shift)
        leaves.append(time.thread_time() - begin)
        return found

    side_by_side._alone = clocked
    multifrontal._Workspace.factors = upper  # type: ignore[method-assign]
    before = torch.get_num_threads()
    try:
        # The first one warms up.
        for threads in (1, 1, 2):
            busy.clear()
            leaves.clear()
            torch.set_num_threads(threads)
            begin = time.process_time()
            factor = CondensedCholesky(assembly.layout, patches.centre, rows, scale)
            total = time.process_time() - begin
            if threads == 1:
                alone_seconds = total
    finally:
        torch.set_num_threads(before)
        side_by_side._alone = alone
        multifrontal._Workspace.factors = loop  # type: ignore[method-assign]
    trees = len(factor.places)
    # Subtrees come first, the panels of the last fronts after them; each lot is shared by two.
    path = total - sum(busy) + makespan(busy[:trees], 2) + makespan(busy[trees:], 2)
    patch = (sum(busy[:trees]) - sum(leaves[:trees])) / len(patches)
    size = sum(m[0].numel() * 8.0 * len(m) for block in rows for m in block.matrices) / len(patches)
    columns = int(assembly.layout.sizes[0])
    return Measured(
        assembly.layout.total, columns, int(factor.faces.sizes.max()), size, patch, alone_seconds, path
    )


def one_matrix(cells: int, vary: float) -> None:
    """Print median seconds of factorisation and solve of one matrix of the plane."""
    from pdesolve.least_squares.sparse.condensed_cholesky import CondensedCholesky

    assembly, patches, rows, scale = discretised(2, cells, vary)
    b = torch.ones(assembly.layout.total)
    seconds = []
    for _ in range(5):
        begin = time.process_time()
        factor = CondensedCholesky(assembly.layout, patches.centre, rows, scale)
        middle = time.process_time()
        factor.solve(b)
        seconds.append((middle - begin, time.process_time() - middle))
        del factor
    made, solved = np.median(np.array(seconds), axis=0)
    print(f"{assembly.layout.total:,} unknowns: factor {made:.3f} s, solve {1e3 * solved:.1f} ms")


def front_rates() -> dict[int, float]:
    """Multiplications a second of a front of n unknowns, half of them its own."""
    from pdesolve.least_squares.sparse.multifrontal import _beside, _cholesky, _lower_update

    found = {}
    for n in FRONTS:
        k = n // 2
        half = torch.randn(n, n, dtype=torch.float64)
        matrix = half @ half.T / n + torch.eye(n, dtype=torch.float64)
        seconds = []
        for _ in range(5):
            begin = time.process_time()
            lower = _cholesky(matrix[:k, :k].clone())
            assert lower is not None
            side = _beside(lower, matrix[k:, :k])
            _lower_update(matrix[k:, k:], side)
            seconds.append(time.process_time() - begin)
        found[n] = multiplications(k, n - k) / float(np.median(seconds))
    return found


def multiplications(own: Any, border: Any) -> Any:
    """Of a front; the update counts as if both triangles were formed, as for the rates."""
    return own**3 / 3 + own**2 * border + own * border**2


# -------------------------------------------------------------------- the tree


def tree(d: int, unknowns: float, kind: Measured) -> tuple[Any, Any, list[Any]]:
    """Layout, numbering and fronts of a uniform grid with about so many unknowns."""
    from pdesolve.least_squares.sparse.dissection import Faces, nested_dissection
    from pdesolve.least_squares.sparse.numbering import Numbering
    from pdesolve.least_squares.sparse.row_blocks import Columns

    n = round((unknowns / kind.columns) ** (1 / d))
    number = np.arange(n**d).reshape((n,) * d)
    pairs = []
    for axis in range(d):
        low = number.take(range(n - 1), axis).ravel()
        pairs.append(np.stack([low, number.take(range(1, n), axis).ravel()], axis=1))
    joined = np.concatenate(pairs)
    faces = Faces(joined, np.full(len(joined), kind.face), np.zeros(len(joined), dtype=np.int64))
    centres = np.stack(np.meshgrid(*[np.arange(n)] * d, indexing="ij"), axis=-1).reshape(-1, d).astype(float)
    fronts = nested_dissection(centres, faces)
    layout = Columns(torch.full((n**d,), kind.columns))
    return layout, Numbering.of(faces, fronts, n**d), fronts


def makespan(tasks: Any, workers: int) -> float:
    """Seconds until all are done, each given to the worker that is free first, the longest first."""
    free = [0.0] * workers
    for seconds in sorted(tasks, reverse=True):
        heapq.heapreplace(free, free[0] + seconds)
    return max(free)


def simulate(d: int, unknowns: float, kind: Measured, rates: dict[int, float]) -> dict[str, Any]:
    """Tasks, bytes, memory and seconds of one factorisation for several numbers of workers."""
    from pdesolve.least_squares.sparse.dask_hands import DaskWorkers
    from pdesolve.least_squares.sparse.subtrees import places

    layout, numbering, fronts = tree(d, unknowns, kind)
    sizes = numbering.faces.sizes
    own = np.array([sizes[f.own].sum() for f in fronts], dtype=float)
    border = np.array([sizes[f.border].sum() for f in fronts], dtype=float)
    n = own + border
    rate = np.interp(n, list(rates), list(rates.values()))
    seconds = multiplications(own, border) / rate
    leaf = np.array([not f.children for f in fronts])
    # Leaves are within the time of a patch.
    seconds[leaf] = [kind.patch * len(f.patches) for f in fronts if not f.children]
    trees, last = places(
        layout, numbering, fronts, DaskWorkers(None).subtrees(layout.total), torch.device("cpu")
    )
    tasks = np.array([seconds[one.fronts].sum() for one in trees])
    schur = np.array([8 * border[one.root] ** 2 for one in trees])
    # The longest way from a leaf to the root, if every front were a task of its own.
    longest = np.zeros(len(fronts))
    for i, front in enumerate(fronts):
        longest[i] = seconds[i] + max((longest[c] for c in front.children), default=0.0)
    patches = layout.total / kind.columns
    rows = kind.rows * patches
    factor = 8 * (own * (own + border)).sum() + 8 * patches * kind.columns * (
        kind.columns + 2 * d * kind.face
    )
    moved = {
        "rows": rows,
        "schur": float(schur.sum()),
        "solve": 8.0 * (2 * layout.total + 2 * border[[t.root for t in trees]].sum()),
    }
    end = float(seconds[last].sum())
    return {
        "unknowns": layout.total,
        "subtrees": len(trees),
        "task": (float(np.median(tasks)), float(tasks.max())),
        "last": end,
        "root": float(n[last].max()) if last else float(n.max()),
        "critical": float(longest[-1]),
        "factor": factor,
        "moved": moved,
        "seconds": {
            w: makespan(tasks, w) + (rows + moved["schur"]) / BANDWIDTH * (w > 1) + end for w in WORKERS
        },
        "without_rows": {w: makespan(tasks, w) + moved["schur"] / BANDWIDTH * (w > 1) + end for w in WORKERS},
    }


# -------------------------------------------------------------------- the page


def duration(seconds: float) -> str:
    """As 12 s, 3.4 min, 5 h."""
    if seconds < 120:
        return f"{seconds:.2g} s"
    if seconds < 7200:
        return f"{seconds / 60:.3g} min"
    return f"{seconds / 3600:.3g} h"


def page(kinds: dict[int, list[Measured]], rates: dict[int, float], found: dict[int, dict[str, Any]]) -> str:
    """The whole page in Markdown."""
    lines = [
        "# Many workers",
        "",
        "What a factorisation of 10⁷ unknowns would take on many workers, from measured task times and the elimination "
        "trees that the solver makes. Written by `python benchmarks/many_workers.py` on "
        f"{date.today().isoformat()}; seconds of the processor with one thread, on a machine that others used.",
        "",
        "## Measured",
        "",
        "| | unknowns | one thread | critical path on two threads | ratio | a patch with its leaf |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for d, several in kinds.items():
        for m in several:
            lines.append(
                f"| {d}-D, degree {DEGREE[d]} | {m.unknowns:,} | {m.alone:.2f} s | {m.path:.2f} s | "
                f"{m.alone / m.path:.2f} | {1e3 * m.patch:.2f} ms |"
            )
    lines += [
        "",
        "The critical path is what two threads with a core each would take: the time outside of pieces, and the longer "
        "of two shares of the pieces, each by the clock of its own thread.",
        "",
        "| unknowns of a front, half of them its own | " + " | ".join(map(str, rates)) + " |",
        "| --- |" + " ---: |" * len(rates),
        "| 10⁹ multiplications a second | " + " | ".join(f"{r / 1e9:.1f}" for r in rates.values()) + " |",
        "",
        "## Computed for 10⁷ unknowns",
        "",
        "| | 2-D | 3-D |",
        "| --- | ---: | ---: |",
    ]

    def row(name: str, told: Any) -> None:
        lines.append(f"| {name} | " + " | ".join(told(found[d]) for d in found) + " |")

    row("unknowns", lambda f: f"{f['unknowns']:,}")
    row("subtrees, each a task", lambda f: f"{f['subtrees']:,}")
    row("a task, median and longest", lambda f: f"{duration(f['task'][0])}, {duration(f['task'][1])}")
    row("rows sent", lambda f: f"{f['moved']['rows'] / 1e9:.3g} GB")
    row("Schur complements returned", lambda f: f"{f['moved']['schur'] / 1e9:.3g} GB")
    row("one solve, there and back", lambda f: f"{f['moved']['solve'] / 1e9:.2g} GB")
    row("factor", lambda f: f"{f['factor'] / 1e9:.3g} GB")
    row("unknowns of the largest front", lambda f: f"{f['root']:,.0f}")
    row("last fronts, on one core", lambda f: duration(f["last"]))
    row("critical path, every front a task", lambda f: duration(f["critical"]))
    for w in WORKERS:
        row(f"{w} workers", lambda f, w=w: f"{duration(f['seconds'][w])}; {duration(f['without_rows'][w])}")
    lines += [
        "",
        f"Times of workers: as it is, with the rows made in one place and sent at {BANDWIDTH / 1e9:g} GB/s (an "
        "assumption); after the semicolon, if workers made the rows of their own patches. One worker sends nothing.",
        "",
        "What follows from it: the subtrees scale, and the last fronts do not. They are worked on in one place, and "
        "from some workers on they are nearly all of the time: beyond that a cluster gives memory, not speed. To go "
        "further, each of the last fronts would have to be a task, which leads to the critical path above, and the "
        "largest of them several. In three dimensions the largest front alone is beyond the memory of a machine: there "
        "an iteration on the condensed faces takes the place of all fronts, so far on one machine (see The method).",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, compute, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="smaller systems, and print only")
    parser.add_argument("--factor", type=int, metavar="CELLS", help="time one matrix of CELLS² patches")
    parser.add_argument("--constant", action="store_true", help="with a constant coefficient")
    options = parser.parse_args()
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    if options.factor:
        one_matrix(options.factor, 0.5 * (not options.constant))
        return
    sizes = {2: (28, 64, 92), 3: (8,)}
    unknowns = 1e7
    if options.quick:
        sizes = {2: (28,), 3: (8,)}
        unknowns = 2e5
    kinds = {d: [measure(d, cells) for cells in several] for d, several in sizes.items()}
    rates = front_rates()
    found = {d: simulate(d, unknowns, several[-1], rates) for d, several in kinds.items()}
    text = page(kinds, rates, found)
    print(text)
    if not options.quick:
        PAGE.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
