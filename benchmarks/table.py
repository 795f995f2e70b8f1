"""Measured results for the README: solve problems to tolerances and print a Markdown table.

Every row comes from one command, `pdesolve solve problems/<name>.py --tol <tol> --json`; its JSON objects are
kept in benchmarks/records/table.json with machine and date. Run: python benchmarks/table.py measures all, keeps
the record and puts the table into the README. With names (and --tol) it measures those and prints only.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from pdesolve.runs.versions import machine

ROOT = Path(__file__).resolve().parents[1]
RECORD = ROOT / "benchmarks" / "records" / "table.json"
README = ROOT / "README.md"
BEGIN = "<!-- table: python benchmarks/table.py -->"
END = "<!-- end of table -->"
SUITE = (
    ("poisson_1d", 1e-6),
    ("poisson_2d", 1e-6),
    ("poisson_2d", 1e-10),
    ("helmholtz_2d", 1e-6),
    ("poisson_disk", 1e-6),
    ("annulus_robin", 1e-6),
    ("nonlinear_poisson_2d", 1e-6),
    ("poisson_four_holes", 1e-6),
    ("poisson_lshape", 1e-6),
    ("layer_2d", 1e-6),
    ("kovasznay", 1e-6),
    ("poisson_3d", 1e-6),
)
HEADER = ("problem", "tolerance", "error", "estimate", "unknowns", "seconds", "exit code")
Row = Mapping[str, Any]


def measure(name: str, tol: float, limit: float) -> dict[str, Any]:
    """What `pdesolve solve --json` says of one problem, with the command and its exit code."""
    file = f"problems/{name}.py"
    command = ["pdesolve", "solve", file, "--tol", f"{tol:g}", "--time-limit", f"{limit:g}", "--json"]
    with tempfile.TemporaryDirectory() as folder:
        line = [sys.executable, "-m", "pdesolve.cli.main", *command[1:], "--quiet", "--out", f"{folder}/run"]
        done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    record = {**json.loads(done.stdout), "command": " ".join(command), "exit_code": done.returncode}
    return {key: value for key, value in record.items() if key != "output"}


def table(rows: Iterable[Row]) -> str:
    """The rows in Markdown."""
    cells = [HEADER, ("---", *["---:"] * (len(HEADER) - 1)), *map(_cells, rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def _cells(row: Row) -> tuple[str, ...]:
    error, estimate = (_scientific(row[key]) for key in ("relative_l2_error", "estimated_error"))
    dof = row["degrees_of_freedom"]
    seconds = row["seconds"]
    if dof is None:
        size = ""
    else:
        size = f"{dof:,}"
    if seconds is None:
        time = ""
    else:
        if seconds < 10:
            time = f"{seconds:.2g}"
        else:
            time = f"{seconds:.0f}"
    name = f"[{row['problem']}](problems/{row['problem']}.py)"
    return name, _scientific(row["tol"], 0), error, estimate, size, time, str(row["exit_code"])


def _scientific(value: float | None, digits: int = 1) -> str:
    if value is None:
        return ""
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def report(record: Mapping[str, Any]) -> str:
    """The table of a record, and where and when it was measured."""
    torch = record["rows"][0]["versions"]["torch"]
    day = record["date"]
    place = f"{record['machine']} shared with other work, torch {torch}, float64, {day}"
    return f"{table(record['rows'])}\n\nMeasured on {place} (record: benchmarks/records/table.json)."


def update_readme(record: Mapping[str, Any]) -> None:
    """Replace what stands between the two marks in the README."""
    head, begin, rest = README.read_text("utf-8").partition(BEGIN)
    _, end, tail = rest.partition(END)
    README.write_text(f"{head}{begin}\n{report(record)}\n{end}{tail}", "utf-8")


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="problems to measure instead of the suite")
    parser.add_argument("--tol", type=float, default=1e-6, help="tolerance for NAMES")
    parser.add_argument("--time-limit", type=float, default=600.0, help="seconds for each problem")
    options = parser.parse_args()
    rows = []
    for name, tol in [(name, options.tol) for name in options.names] or SUITE:
        rows.append(measure(name, tol, options.time_limit))
        print(rows[-1]["command"], "→", rows[-1]["error"] or rows[-1]["status"], file=sys.stderr, flush=True)
    print(table(rows))
    if not options.names:
        record = {"machine": machine(), "date": date.today().isoformat(), "rows": rows}
        RECORD.parent.mkdir(exist_ok=True)
        RECORD.write_text(json.dumps(record, indent=1) + "\n")
        update_readme(record)


if __name__ == "__main__":
    main()
