"""The gallery: a manufactured problem on every domain of problems/gallery, with a picture of each.

    python benchmarks/gallery.py                       # all of them; prints the table, keeps the record
    python benchmarks/gallery.py airfoil torus         # only these; prints the table

Plane domains are solved to 1e-6, solids to 1e-4, all by the default method. Pictures go to runs/gallery, and a sheet
of all to docs/gallery.png. The exit code is 1 if any error is above its tolerance or any run is not certified.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
FOLDER = ROOT / "problems" / "gallery"
RECORD = ROOT / "benchmarks" / "records" / "gallery.json"
SHEET = ROOT / "docs" / "gallery.png"
TOLERANCES = {2: 1e-6, 3: 1e-4}
HEADER = ("problem", "dimension", "tolerance", "relative L2 error", "estimate", "unknowns", "seconds", "met")
Row = Mapping[str, Any]


def measure(path: Path, pictures: Path, limit: float) -> dict[str, Any]:
    """Solve one problem file and draw it; what there is to say of it."""
    from pdesolve import load_problem, plot, solve

    problem = load_problem(path)
    dimension = problem.domain.space_dimension
    tolerance = TOLERANCES[dimension]
    start = time.perf_counter()
    solution = solve(problem, tol=tolerance, time_limit=limit)
    seconds = time.perf_counter() - start
    pictures.mkdir(parents=True, exist_ok=True)
    plot(solution, pictures / f"{path.stem}.png")
    error = solution.relative_l2_error()
    return {
        "problem": path.stem,
        "title": (path.read_text("utf-8").split('"""')[1]).splitlines()[0],
        "dimension": dimension,
        "tolerance": tolerance,
        "relative_l2_error": error,
        "estimated_error": solution.estimated_error,
        "degrees_of_freedom": solution.degrees_of_freedom,
        "seconds": round(seconds, 2),
        "met": bool(solution.converged and error is not None and error <= tolerance),
        "status": solution.status,
    }


def table(rows: Iterable[Row]) -> str:
    """The rows in Markdown."""
    cells = [HEADER, ("---", *["---:"] * (len(HEADER) - 1)), *map(_cells, rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def _cells(row: Row) -> tuple[str, ...]:
    numbers = (row["relative_l2_error"], row["estimated_error"])
    error, estimate = ("" if value is None else f"{value:.1e}" for value in numbers)
    return (
        row["problem"],
        str(row["dimension"]),
        f"{row['tolerance']:.0e}",
        error,
        estimate,
        f"{row['degrees_of_freedom']:,}",
        f"{row['seconds']:.1f}",
        "yes" if row["met"] else f"no: {row['status']}",
    )


def draw_sheet(files: Iterable[Path], target: Path) -> None:
    """One picture of all domains, each coloured by its solution."""
    import matplotlib.pyplot as plt
    import numpy as np
    from PIL import Image

    from pdesolve import load_problem
    from pdesolve.output.mesh import output_mesh

    files = list(files)
    columns = 6
    figure = plt.figure(figsize=(2 * columns, 2.1 * -(-len(files) // columns)), layout="constrained")
    for k, path in enumerate(files, start=1):
        problem = load_problem(path)
        mesh = output_mesh(problem.domain, 4000)
        values = problem.values(problem.exact, _tensor(mesh.points))[:, 0].numpy()
        cells, points = _triangles(mesh)
        solid = points.shape[1] == 3
        axes = figure.add_subplot(
            -(-len(files) // columns), columns, k, **({"projection": "3d"} if solid else {})
        )
        colour = values[cells].mean(axis=1)
        if solid:
            drawn = axes.plot_trisurf(
                *points.T, triangles=cells, linewidth=0, cmap="viridis", antialiased=False
            )
            drawn.set_array(np.asarray(colour))
            drawn.autoscale()
            axes.set_box_aspect(np.ptp(points, axis=0), zoom=1.15)
            axes.view_init(elev=35, azim=-50)
        else:
            axes.tripcolor(*points.T, cells, values, shading="gouraud", cmap="viridis")
            axes.set_aspect("equal")
        axes.set_axis_off()
        axes.set_title(path.stem.replace("_", " "), fontsize=8)
    target.parent.mkdir(exist_ok=True)
    figure.savefig(target, dpi=80)
    plt.close(figure)
    with Image.open(target) as picture:  # few colours: a small file
        small = picture.convert("RGB").quantize(64)
    small.save(target, optimize=True)


def _tensor(points):
    import torch

    return torch.as_tensor(points)


def _triangles(mesh):
    """Triangles of a plane mesh, or of the surface of a solid one."""
    import numpy as np

    cells = mesh.cells
    if mesh.cell_type == "quad":
        cells = np.concatenate([cells[:, [0, 1, 2]], cells[:, [0, 2, 3]]])
    if mesh.cell_type == "tetra":
        every = cells[:, [[1, 2, 3], [0, 3, 2], [0, 1, 3], [0, 2, 1]]].reshape(-1, 3)
        _, first, count = np.unique(np.sort(every, axis=1), axis=0, return_index=True, return_counts=True)
        cells = every[first[count == 1]]
    return cells, mesh.points


def main() -> int:
    """Solve, print, draw, keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="problems of the gallery instead of all")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "gallery", help="folder of the pictures")
    parser.add_argument("--sheet", action="store_true", help="only draw the sheet, without solving")
    parser.add_argument("--time-limit", type=float, default=300.0, help="seconds for each problem")
    options = parser.parse_args()
    known = {path.stem: path for path in sorted(FOLDER.glob("*.py"))}
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"no problem {', '.join(unknown)} in {FOLDER}; there are {', '.join(known)}")
    files = [known[name] for name in options.names] or list(known.values())
    if options.sheet:
        draw_sheet(files, SHEET)
        return 0
    rows = []
    for path in files:
        rows.append(measure(path, options.out, options.time_limit))
        print(
            f"{path.stem}: {rows[-1]['relative_l2_error']:.1e}, {rows[-1]['seconds']} s",
            file=sys.stderr,
            flush=True,
        )
    rows.sort(key=lambda row: (row["dimension"], row["problem"]))
    print(table(rows))
    met = sum(row["met"] for row in rows)
    print(f"\n{met} of {len(rows)} domains within their tolerance; pictures in {options.out}")
    if not options.names:
        draw_sheet(files, SHEET)
        RECORD.parent.mkdir(exist_ok=True)
        RECORD.write_text(json.dumps({"date": date.today().isoformat(), "rows": rows}, indent=1) + "\n")
    if met == len(rows):
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
