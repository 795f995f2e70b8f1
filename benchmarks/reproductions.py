"""One figure of each baseline's own paper, measured again: does each network here do what its paper says?

Run: python benchmarks/reproductions.py makes the records of benchmarks/reproductions.toml (some minutes on one core)
and prints the table, deviations first; --table prints it from the committed records.
"""

import argparse
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pdesolve.benchmarking import tables
from pdesolve.benchmarking.case import Case, MethodSpec
from pdesolve.benchmarking.records import Record, error_of, read_records, write_records
from pdesolve.benchmarking.runner import run_all
from pdesolve.benchmarking.statistics import quantile
from pdesolve.benchmarking.suite import seconds, seeds
from pdesolve.statement.loading import load_problem

FOLDER = Path(__file__).resolve().parent
RECORDS = FOLDER / "records" / "reproductions.jsonl"
SEEDS = "0-4"
FACTOR = 3.0
HEADER = ("network", "problem", "paper", "here", "here / paper", "paper's cost", "here", "source")
Network = Mapping[str, Any]


def networks() -> list[Network]:
    """What is to be reproduced."""
    return tomllib.loads((FOLDER / "reproductions.toml").read_text("utf-8"))["network"]


def cases(found: Sequence[Network]) -> list[Case]:
    """A run for each seed of every network with a figure."""
    return [
        Case(
            str((FOLDER / network["problem"]).resolve().relative_to(FOLDER.parent)),
            MethodSpec(network["name"], "network", network["settings"]),
            seed,
            seconds(network["budget"]),
            clock="cpu",
            tol=1e-12,
            grace=600.0,
        )
        for network in found
        if "figure" in network
        for seed in seeds(network.get("seeds", SEEDS))
    ]


def measure(found: Sequence[Network], only: str = "") -> list[Record]:
    """Make the records anew; only those of networks whose name has these letters, where some are given."""
    chosen = [network for network in found if only in network["name"]]
    names = {network["name"] for network in chosen}
    if only:
        kept = [r for r in read_records(RECORDS) if r["method"] not in names]
    else:
        kept = []
    with tempfile.TemporaryDirectory() as folder:
        records = run_all(
            cases(chosen),
            Path(folder),
            lambda r: print(f"  {r['method']}: {error_of(r):.1e}", file=sys.stderr),
        )
    write_records(RECORDS, [*kept, *records])
    return [*kept, *records]


def published_error(network: Network) -> float:
    """The paper's figure as a relative L2 error: a root mean square is divided by that of the solution."""
    if network["measure"] == "relative L2":
        return network["figure"]
    problem = load_problem(FOLDER / network["problem"])
    assert problem.exact is not None
    values = problem.values(problem.exact, problem.domain.sample(100_000))
    if network["measure"] == "mse":
        error = network["figure"] ** 0.5
    else:
        error = network["figure"]
    return error / float(values.square().mean().sqrt())


def table(found: Sequence[Network], records: Sequence[Record]) -> tables.Table:
    """Deviations first: the larger our error beside the paper's, the higher."""
    lines = []
    for network in found:
        own = [record for record in records if record["method"] == network["name"]]
        if "figure" not in network:
            lines.append((0.0, (network["name"], "", "", "", "not reproduced", "", "", network["missing"])))
            continue
        paper = published_error(network)
        here = quantile([error_of(record) for record in own], 0.5)
        factor = f"{tables.number(here / paper)}"
        if not here <= FACTOR * paper:
            factor = f"**{factor}**"
        spent = f"{tables.number(quantile([r['seconds'] for r in own], 0.5))} s of a core"
        line = (
            network["name"],
            Path(network["problem"]).stem,
            tables.number(paper),
            tables.number(here),
            factor,
        )
        lines.append((here / paper, (*line, network["cost"], spent, network["source"])))
    return HEADER, [line for _, line in sorted(lines, key=lambda pair: -pair[0])]


def main() -> None:
    """Measure where asked, then print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", action="store_true", help="from the committed records")
    parser.add_argument(
        "--only", default="", metavar="NAME", help="measure the networks with NAME in their name"
    )
    found = networks()
    options = parser.parse_args()
    if options.table:
        records = read_records(RECORDS)
    else:
        records = measure(found, options.only)
    print(tables.markdown(table(found, records)))


if __name__ == "__main__":
    main()
