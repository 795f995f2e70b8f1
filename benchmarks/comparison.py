"""The comparison of approximators in docs/comparing.md and docs/comparison.md, from the records in benchmarks/records.

python benchmarks/comparison.py                 tables and pictures of the committed records
python benchmarks/comparison.py --run           makes the records of all suites anew before: about an hour of a core
python benchmarks/comparison.py --quick         runs quick.toml (under three minutes on two cores) and prints its table
python benchmarks/comparison.py --from fitting=DIR …   keeps the records of a `pdesolve bench` that has run
python benchmarks/comparison.py --sitting poisson_60s   goes on with a suite; stop it and call it again as you like
"""

import argparse
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import reproductions

from pdesolve.benchmarking import budgets, figures, review, tables
from pdesolve.benchmarking.records import Record, read_records, write_record, write_records
from pdesolve.benchmarking.report import explanation
from pdesolve.benchmarking.runner import run_all
from pdesolve.benchmarking.statistics import Row, by_problem, quantile, rows
from pdesolve.benchmarking.suite import make_suite, read_suite

ROOT = Path(__file__).resolve().parents[1]
SUITES = ("fitting", "poisson", "time")
# At budgets of minutes: not part of --run, but made in several sittings; what is missing is said to be missing.
LONG = ("poisson_60s", "poisson_60s_1000")
SUMMARY = ROOT / "docs" / "comparing.md"
PAGE = ROOT / "docs" / "comparison.md"
DRAWN = {"franke": "comparison_fitting.png", "poisson_2d": "comparison.png"}
BEGIN = "<!-- {}: python benchmarks/comparison.py -->"
END = "<!-- end of {} -->"
FAMILIES = {
    "mixture": "gmnm-",
    "perceptron": "mlp-",
    "KAN": "kan-",
    "others": ("gabor", "gm-layer", "random-"),
}
HOME_GAME = "peaks"  # three Gaussians
FACTORS = {
    "approximator": ("gmnm-full", "gmnm-stacked", "mlp-tanh", "kan-spline"),
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


def sit(name: str, jobs: int) -> None:
    """Go on with a suite whose records are kept: runs that have one are not made again, and a new one is kept at once.

    Records of another version of a problem or method are made anew. Ctrl-C ends the sitting.
    """
    path = kept(name)
    there = []
    if path.is_file():
        there = read_records(path)
    suite = make_suite(read_suite(ROOT / "benchmarks" / f"{name}.toml"))
    records = {(r["problem"], r["method"], r["seed"]): r for r in there}
    with tempfile.TemporaryDirectory() as folder:
        cases = suite.cases()
        for case in cases:
            found = records.get((case.problem_name, case.method.label, case.seed))
            if found is not None:
                write_record(Path(folder) / "records", found, case.name)

        def show(record: Record) -> None:
            print(*(record[key] for key in ("problem", "method", "seed", "outcome", "relative_l2_error")))
            write_records(path, read_records(Path(folder)))

        run_all(cases, Path(folder), show, jobs, skip_existing=True)


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


def family_at(group: Sequence[Row], family: str, seconds: float) -> float:
    """The smallest median error that a family had reached by then; infinite where it had none."""
    rows_ = [row for row in group if row.method.startswith(FAMILIES[family]) and row.known]
    return min((budgets.at_budget(row, seconds)[1] for row in rows_), default=math.inf)


def by_budget(records: Sequence[Record]) -> tables.Table:
    """Of every problem and budget the best mixture, and how many times as large the others' errors are."""
    columns = budgets.budgets_of(records)
    header = ["problem"]
    for seconds in columns:
        header += [f"mixture, {seconds:g} s", "perceptron / mixture", "KAN / mixture"]
    lines = []
    for problem, group in by_problem(records).items():
        cells = []
        for seconds in columns:
            mixture = family_at(group, "mixture", seconds)
            others = [family_at(group, family, seconds) for family in ("perceptron", "KAN")]
            cells += [tables.number(mixture), *(tables.number(_over(other, mixture)) for other in others)]
        lines.append((problem, *cells))
    return tuple(header), lines


def _over(one: float, other: float) -> float:
    if math.isinf(other):
        return math.nan
    return one / other


def missing(name: str, records: Sequence[Record]) -> str:
    """What a suite asks for and has no record, in a sentence."""
    content = read_suite(ROOT / "benchmarks" / f"{name}.toml")
    asked = make_suite(content).cases()
    if not records:
        return f"none of its {len(asked)} runs ({asked[0].budget:g} s each) has been made yet."
    lines = review.not_run(records, content)
    if not lines:
        return ""
    return f"Not run yet, of {len(asked)} runs ({asked[0].budget:g} s each): {'; '.join(lines)}."


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
    for name in filter(suites.__contains__, SUITES):
        records = suites[name]
        remarks = [
            f"{problem}: {tables.sizes_apart(group)}" for problem, group in by_problem(records).items()
        ]
        failed = [f"* {line}" for line in tables.failures(records)]
        parts = [" ".join(explanation(records)), _turned(tables.overview(records))]
        parts += ["\n".join(f"* {r}" for r in remarks if not r.endswith(": ")), "\n".join(failed)]
        yield name, "\n\n".join(filter(None, parts))
    yield "budgets", "\n\n".join(budget_parts(suites))
    if "fitting" in suites:
        yield "factors", tables.markdown(factors(suites["fitting"]))


def budget_parts(suites: Mapping[str, Sequence[Record]]) -> Iterator[str]:
    """The tables by budget, and what of the long suites has not been run."""
    for name in (*SUITES, *LONG):
        records = suites.get(name, [])
        if records:
            yield f"**{name}**"
            yield tables.markdown(by_budget(records))
        if name in LONG:
            gap = missing(name, records)
            if gap:
                yield f"**{name}**: {gap}"


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
    for name in filter(suites.__contains__, SUITES):
        for problem, group in by_problem(suites[name]).items():
            picture = figures.convergence(group) if problem in DRAWN else None
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
    parser.add_argument("--sitting", metavar="SUITE", choices=SUITES + LONG, help="go on with it")
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
    if options.sitting:
        sit(options.sitting, options.jobs)
    for source in options.sources:
        name, _, folder = source.partition("=")
        write_records(kept(name), read_records(Path(folder)))
    write({name: read_records(kept(name)) for name in (*SUITES, *LONG) if kept(name).is_file()})


if __name__ == "__main__":
    main()
