"""The README's comparison of approximators: its table and picture, from the records in benchmarks/records/quick.

Run: python benchmarks/comparison.py puts table and picture of the committed records into the README;
python benchmarks/comparison.py --run makes the records anew before (pdesolve bench benchmarks/quick.toml, under three
minutes on two cores).
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pdesolve.benchmarking import figures, tables
from pdesolve.benchmarking.records import Record, read_records
from pdesolve.benchmarking.report import explanation
from pdesolve.benchmarking.statistics import by_problem

ROOT = Path(__file__).resolve().parents[1]
RECORDS = ROOT / "benchmarks" / "records" / "quick"
README, PICTURE = ROOT / "README.md", ROOT / "docs" / "comparison.png"
BEGIN, END = "<!-- comparison: python benchmarks/comparison.py -->", "<!-- end of comparison -->"
DRAWN = "poisson_2d"


def measure(jobs: int) -> None:
    """Run the quick suite and put its records in the place of the old ones."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pdesolve.cli.main", "bench", "benchmarks/quick.toml"]
        subprocess.run([*command, "--jobs", str(jobs), "--out", folder], cwd=ROOT, check=True)
        keep(Path(folder))


def keep(directory: Path) -> None:
    """Copy the records of a result set into the repository."""
    shutil.rmtree(RECORDS, ignore_errors=True)
    RECORDS.mkdir(parents=True)
    for path in (directory / "records").glob("*.json"):
        shutil.copy(path, RECORDS)


def report(records: Sequence[Record]) -> str:
    """Table, verdict and circumstances."""
    header, lines = tables.overview(records)
    files = {record["problem"]: record["problem_file"] for record in records}
    linked = [(f"[{line[0]}]({files[line[0]]})", *line[1:]) for line in lines]
    parts = [tables.markdown((header, linked)), verdict(records), " ".join(explanation(records))]
    return "\n\n".join(part for part in parts if part)


def verdict(records: Sequence[Record]) -> str:
    """The best mixture against the best perceptron and the best KAN, whichever way it falls."""
    sentences = []
    for problem, rows in by_problem(records).items():
        best = {}
        for family in ("gmnm", "mlp", "kan"):
            errors = [row.error for row in rows if row.method.startswith(family) and row.known]
            best[family] = min(errors, default=float("nan"))
        ratios = [f"{tables.number(best[f] / best['gmnm'])} ({f.upper()})" for f in ("mlp", "kan")]
        sentences.append(f"{problem} {' and '.join(ratios)}")
    return (
        "The best error of the others, divided by that of the best mixture (above one: the mixture is better): "
        f"{'; '.join(sentences)}."
    )


def update_readme(text: str) -> None:
    """Replace what stands between the two marks in the README."""
    head, begin, rest = README.read_text("utf-8").partition(BEGIN)
    _, end, tail = rest.partition(END)
    README.write_text(f"{head}{begin}\n{text}\n{end}{tail}", "utf-8")


def main() -> None:
    """Measure where asked, then write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", action="store_true", help="make the records anew")
    parser.add_argument(
        "--from", dest="source", metavar="DIR", help="take the records of a bench that has run"
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    options = parser.parse_args()
    if options.run:
        measure(options.jobs)
    elif options.source:
        keep(Path(options.source))
    records = read_records(RECORDS)
    picture = figures.convergence(by_problem(records)[DRAWN])
    if picture is not None:
        PICTURE.write_bytes(picture)
    update_readme(report(records))


if __name__ == "__main__":
    main()
