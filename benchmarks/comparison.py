"""The comparison of approximators in docs/comparing.md and docs/comparison.md, from the records in benchmarks/records.

python benchmarks/comparison.py                 tables and pictures of the committed records
python benchmarks/comparison.py --run           makes the records of all suites anew before: about an hour of a core
python benchmarks/comparison.py --quick         runs quick.toml (under three minutes on two cores) and prints its table
python benchmarks/comparison.py --from fitting=DIR …   keeps the records of a `pdesolve bench` that has run
"""

import argparse
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import reproductions

from pdesolve.benchmarking import figures, tables
from pdesolve.benchmarking.records import Record, read_records, write_records
from pdesolve.benchmarking.report import explanation
from pdesolve.benchmarking.statistics import Row, by_problem, quantile, rows

ROOT = Path(__file__).resolve().parents[1]
SUITES = ("fitting", "poisson", "time")
SUMMARY = ROOT / "docs" / "comparing.md"
PAGE = ROOT / "docs" / "comparison.md"
DRAWN = {"franke": "comparison_fitting.png", "poisson_2d": "comparison.png"}
BEGIN = "<!-- {}: python benchmarks/comparison.py -->"
END = "<!-- end of {} -->"
FAMILIES = {"mixture": "gmnm-", "perceptron": "mlp-", "KAN": "kan-", "others": ("gabor", "gm-layer")}
HOME_GAME = "peaks"  # three Gaussians
FACTORS = {
    "approximator": ("gmnm-full", "mlp-tanh", "kan-spline"),
    "optimiser": ("lbfgs", "ssbroyden", "lm", "vp"),
}


def kept(name: str) -> Path:
    """Where the records of a suite lie."""
    return ROOT / "benchmarks" / "records" / f"{name}.jsonl"


def measure(name: str, jobs: int) -> list[Record]:
    """Run a suite."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pdesolve.cli.main", "bench", f"benchmarks/{name}.toml"]
        subprocess.run([*command, "--jobs", str(jobs), "--out", folder], cwd=ROOT, check=True)
        return read_records(Path(folder))


def best_of(group: Sequence[Row], family: str) -> Row | None:
    """The row of a family with the smallest median error."""
    found = [row for row in group if row.method.startswith(FAMILIES[family]) and row.known]
    return min(found, key=lambda row: row.error, default=None)


def summary(records: Sequence[Record]) -> tables.Table:
    """Of every problem the best row of each family, and what its error is beside that of the best mixture."""
    header = ("problem", *FAMILIES, "perceptron / mixture", "KAN / mixture")
    files = {record["problem"]: record["problem_file"] for record in records}
    lines = []
    for problem, group in by_problem(records).items():
        best = {family: best_of(group, family) for family in FAMILIES}
        cells = [f"{tables.number(row.error)} {row.method}" if row else "" for row in best.values()]
        ratios = [tables.number(_ratio(best[family], best["mixture"])) for family in ("perceptron", "KAN")]
        lines.append((f"[{problem}](../{files[problem]})", *cells, *ratios))
    return header, lines


def _ratio(one: Row | None, other: Row | None) -> float:
    if one is None or other is None or math.isinf(other.error):
        return math.nan
    return one.error / other.error


def verdict(records: Sequence[Record]) -> str:
    """How often the best mixture wins against the best of each other family, and by how much, however it falls."""
    groups = by_problem(records).values()
    parts = []
    for family in ("perceptron", "KAN"):
        ratios = [_ratio(best_of(group, family), best_of(group, "mixture")) for group in groups]
        known = [ratio for ratio in ratios if math.isfinite(ratio)]
        parts.append(
            f"the best {family} on {sum(ratio > 1 for ratio in known)} of {len(known)} (median ratio "
            f"{tables.number(quantile(known, 0.5))})"
        )
    return f"The best mixture has a smaller median error than {' and than '.join(parts)}."


def _mean(values: Sequence[float]) -> float:
    """The geometric mean; NaN of nothing."""
    if values:
        return math.exp(sum(map(math.log, values)) / len(values))
    return math.nan


def factors(records: Sequence[Record]) -> tables.Table:
    """Approximators down, optimisers across: geometric means of the median errors, less the home game of a mixture."""
    found = {(row.problem, row.method): row.error for row in rows(records)}
    problems = {record["problem"] for record in records} - {HOME_GAME}
    lines = []
    for approximator in FACTORS["approximator"]:
        cells = []
        for optimiser in FACTORS["optimiser"]:
            errors = [found.get((problem, f"{approximator}+{optimiser}"), math.nan) for problem in problems]
            cells.append("" if any(map(math.isnan, errors)) else tables.number(_mean(errors)))
        lines.append((approximator, *cells))
    return ("", *FACTORS["optimiser"]), lines


def summary_part(suites: Mapping[str, Sequence[Record]]) -> str:
    """What stands in docs/comparing.md: summary, verdict and circumstances of every suite."""
    parts = []
    for name, records in suites.items():
        first = explanation(records)
        parts += [f"**{name}** {first[0]}", tables.markdown(summary(records)), verdict(records)]
    return "\n\n".join([*parts, *explanation([r for found in suites.values() for r in found])[1:]])


def page_parts(suites: Mapping[str, Sequence[Record]]) -> Iterator[tuple[str, str]]:
    """Name and content of every part of docs/comparison.md that is made here: deviations head it."""
    found = reproductions.networks()
    if reproductions.RECORDS.is_file():
        table = reproductions.table(found, read_records(reproductions.RECORDS))
        yield "reproductions", tables.markdown(table)
    for name, records in suites.items():
        remarks = [
            f"{problem}: {tables.sizes_apart(group)}" for problem, group in by_problem(records).items()
        ]
        failed = [f"* {line}" for line in tables.failures(records)]
        parts = [" ".join(explanation(records)), _turned(tables.overview(records))]
        parts += ["\n".join(f"* {r}" for r in remarks if not r.endswith(": ")), "\n".join(failed)]
        yield name, "\n\n".join(filter(None, parts))
    if "fitting" in suites:
        yield "factors", tables.markdown(factors(suites["fitting"]))


def _turned(table: tables.Table) -> str:
    """Problems across and methods down: there are more methods than problems."""
    header, lines = table
    columns = list(zip(header, *lines, strict=True))
    return tables.markdown((columns[0], columns[1:]))


def replace_part(path: Path, name: str, text: str) -> None:
    """Replace what stands between the two marks of a part."""
    content = path.read_text("utf-8")
    begin = BEGIN.format(name)
    end = END.format(name)
    head, found, rest = content.partition(begin)
    _, closing, tail = rest.partition(end)
    if not (found and closing):
        message = f"{path} has no part between {begin} and {end}"
        raise ValueError(message)
    path.write_text(f"{head}{begin}\n{text}\n{end}{tail}", "utf-8")


def write(suites: Mapping[str, Sequence[Record]]) -> None:
    """Tables and pictures into the pages of docs."""
    replace_part(SUMMARY, "comparison", summary_part(suites))
    for name, text in page_parts(suites):
        replace_part(PAGE, name, text)
    for records in suites.values():
        for problem, group in by_problem(records).items():
            if problem in DRAWN:
                picture = figures.convergence(group)
            else:
                picture = None
            if picture is not None:
                (ROOT / "docs" / DRAWN[problem]).write_bytes(picture)


def main() -> None:
    """Measure or copy where asked, then write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", action="store_true", help="make the records anew")
    parser.add_argument("--quick", action="store_true", help="the short form, to the terminal")
    parser.add_argument(
        "--from", dest="sources", metavar="SUITE=DIR", nargs="+", default=[], help="keep these"
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    options = parser.parse_args()
    if options.quick:
        records = measure("quick", options.jobs)
        print(
            f"{tables.plain(tables.overview(records))}\n\n{tables.plain(summary(records))}\n\n{verdict(records)}"
        )
        return
    if options.run:
        reproductions.measure(reproductions.networks())
    for name in SUITES if options.run else ():
        write_records(kept(name), measure(name, options.jobs))
    for source in options.sources:
        name, _, folder = source.partition("=")
        write_records(kept(name), read_records(Path(folder)))
    write({name: read_records(kept(name)) for name in SUITES if kept(name).is_file()})


if __name__ == "__main__":
    main()
