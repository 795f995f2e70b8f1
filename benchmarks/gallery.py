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
POINTS = {2: 4000, 3: 12_000}  # of the mesh that is drawn
# Per inch; each dot is the mean of FINENESS² finer ones.
DOTS, FINENESS, COLOURS = 110, 2, 128
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
    """One picture of all domains, each coloured by its solution; solids are shaded."""
    import matplotlib.pyplot as plt
    from PIL import Image

    from pdesolve import load_problem
    from pdesolve.output.mesh import output_mesh

    files = list(files)
    columns = 6
    rows = -(-len(files) // columns)
    figure = plt.figure(figsize=(2 * columns, 2.1 * rows), layout="constrained")
    for k, path in enumerate(files, start=1):
        problem = load_problem(path)
        mesh = output_mesh(problem.domain, POINTS[problem.domain.dimension])
        values = problem.values(problem.exact, _tensor(mesh.points))[:, 0].numpy()
        axes = figure.add_subplot(
            rows, columns, k, **({"projection": "3d"} if mesh.points.shape[1] == 3 else {})
        )
        _draw(axes, mesh, values)
        axes.set_axis_off()
        axes.set_title(path.stem.replace("_", " "), fontsize=8)
    target.parent.mkdir(exist_ok=True)
    figure.savefig(target, dpi=FINENESS * DOTS)
    plt.close(figure)
    with Image.open(
        target
    ) as picture:  # edges are smooth as they are means of finer ones; few colours: a small file
        size = tuple(side // FINENESS for side in picture.size)
        small = picture.convert("RGB").resize(size, Image.Resampling.BOX)
    small.quantize(COLOURS, dither=Image.Dither.NONE).save(target, optimize=True)


def _draw(axes: Any, mesh: Any, values: Any) -> None:
    """A domain in the colours of values (n,) at the points of its mesh."""
    import numpy as np

    from pdesolve.output.views import draw_skin

    if mesh.points.shape[1] == 2:
        cells = mesh.cells
        if mesh.cell_type == "quad":
            cells = np.concatenate([cells[:, [0, 1, 2]], cells[:, [0, 2, 3]]])
        axes.tripcolor(*mesh.points.T, cells, values, shading="gouraud", cmap="viridis")
        axes.set_aspect("equal")
        return
    draw_skin(axes, mesh, mesh.points, values)
    axes.set_box_aspect(np.ptp(mesh.points, axis=0), zoom=1.15)
    axes.view_init(elev=35, azim=-50)


def _tensor(points):
    import torch

    return torch.as_tensor(points)


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
