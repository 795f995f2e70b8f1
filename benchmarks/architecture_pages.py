"""Tables and the picture of the comparison of architectures, from its records."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

from pdesolve.benchmarking.tables import Table, markdown, number, plain

BEGIN = "<!-- architectures: python benchmarks/architectures.py -->"
END = "<!-- end of architectures -->"
PICTURE = "architectures.png"
# What is shown of each task, with the sentence that says what the figure is.
FIGURES = {
    "mnist1d": (("error", "MNIST-1D: share of test signals taken for another digit"),),
    "mackey_glass": (
        ("error_1", "Mackey–Glass, one step ahead: error over standard deviation"),
        ("error_16", "Mackey–Glass, sixteen steps ahead, by iterating the same networks"),
    ),
    "kuramoto_sivashinsky": (
        ("error_1", "Kuramoto–Sivashinsky, one step ahead: error over standard deviation"),
        ("error_16", "Kuramoto–Sivashinsky, sixteen steps ahead, by iterating the same networks"),
    ),
    "darcy": (("error", "Darcy: conductivity ↦ solution, mean relative L2 error"),),
}
# A part wins or loses where the means lie further apart than twice the deviation of their difference.
CLEARLY = 2.0
PLACES = ("layer", "head", "block", "activation")


@dataclass(frozen=True)
class Cell:
    """All seeds of one network on one task."""

    values: tuple[float, ...]
    seconds: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Of the errors; infinite where a run failed."""
        return sum(self.values) / len(self.values)

    @property
    def deviation(self) -> float:
        """Of the errors; NaN of one, or where a run failed."""
        if len(self.values) < 2 or not math.isfinite(self.mean):
            return math.nan
        return math.sqrt(sum((v - self.mean) ** 2 for v in self.values) / (len(self.values) - 1))

    @property
    def text(self) -> str:
        """0.32 ± 0.01."""
        if math.isnan(self.deviation):
            return number(self.mean)
        return f"{number(self.mean)} ± {number(self.deviation)}"


Found = dict[tuple[str, str], Cell]


def cells(records: Iterable[Mapping[str, Any]], task: str, figure: str) -> Found:
    """(architecture, variant) → all seeds; a run that is not finite is infinitely wrong."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for record in records:
        if record["task"] == task and figure in record:
            groups.setdefault((record["architecture"], record["variant"]), []).append(record)
    return {
        key: Cell(tuple(map(lambda r: _error(r, figure), group)), tuple(r.get("seconds", 0.0) for r in group))
        for key, group in groups.items()
    }


def _error(record: Mapping[str, Any], figure: str) -> float:
    value = record[figure]
    # JSON has no number that is not finite.
    if value is None or math.isnan(value):
        return math.inf
    return float(value)


def verdict(one: Cell, standard: Cell) -> str:
    """Whether a part wins, loses or ties against the standard one."""
    gap = standard.mean - one.mean
    noise = math.sqrt(one.deviation**2 / len(one.values) + standard.deviation**2 / len(standard.values))
    if math.isinf(one.mean):
        return "loses"
    if not abs(gap) > CLEARLY * noise:
        return "ties"
    if gap > 0:
        return "wins"
    return "loses"


MARKS = {"wins": " ↑", "loses": " ↓", "ties": ""}
BESIDE = ("baseline", "fourier-operator")
RELATIVE_NAMES = {
    "gm-layer": "GM layer as block of the perceptron",
    "gm-layer-paper": "the same with its paper's start and descent",
    "ugmm": "uGMM neurons as its layer",
    "ridge-layer": "GMNM of rank 1 as its layer",
}


def table(found: Found, content: Mapping[str, Any]) -> Table:
    """Architectures down, what the mixture replaces across; ↑ and ↓ where it is clearly better or worse."""
    lines = []
    for architecture in content["architectures"]:
        standard = found.get((architecture, "standard"))
        row = [architecture]
        for variant in ("standard", *PLACES):
            cell = found.get((architecture, variant))
            if cell is None:
                row.append("not run")
            elif standard is None or variant == "standard":
                row.append(cell.text)
            else:
                row.append(cell.text + MARKS[verdict(cell, standard)])
        lines.append(tuple(row))
    return ("", "standard", *(f"GMNM as {place}" for place in PLACES)), lines


def others(found: Found) -> str:
    """Baselines and relatives, in a sentence."""
    shown = [
        f"{RELATIVE_NAMES.get(variant, _name(kind, variant))} {cell.text}"
        for (kind, variant), cell in found.items()
        if kind in BESIDE or variant in RELATIVE_NAMES
    ]
    return "Beside them: " + "; ".join(shown) + "."


def _name(kind: str, variant: str) -> str:
    if kind == "baseline":
        return variant
    return kind.replace("-", " ")


@dataclass(frozen=True)
class Pair:
    """A mixture in one place of one architecture, beside the standard part, on one figure."""

    place: str
    one: Cell
    standard: Cell

    @property
    def seconds(self) -> float:
        """How many times as long it takes."""
        return (
            sum(self.one.seconds)
            * len(self.standard.seconds)
            / (len(self.one.seconds) * sum(self.standard.seconds))
        )


def pairs(records: Sequence[Mapping[str, Any]], content: Mapping[str, Any]) -> Iterator[Pair]:
    """All that have run."""
    for task, figures in FIGURES.items():
        for figure, _ in figures:
            found = cells(records, task, figure)
            for architecture in content["architectures"]:
                standard = found.get((architecture, "standard"))
                for place in PLACES:
                    one = found.get((architecture, place))
                    if one is not None and standard is not None:
                        yield Pair(place, one, standard)


def claims(found: Sequence[Pair]) -> Table:
    """For each place of the mixture: wins, ties and losses, the ratio of errors, and the ratio of seconds."""
    lines = []
    for place in PLACES:
        here = [pair for pair in found if pair.place == place]
        if not here:
            continue
        verdicts = [verdict(pair.one, pair.standard) for pair in here]
        counts = [str(verdicts.count(kind)) for kind in MARKS]
        ratios = [pair.one.mean / pair.standard.mean for pair in here]
        times = [pair.seconds for pair in here]
        shown = f"{median(ratios):.2f} ({min(ratios):.2f} – {max(ratios):.2f})"
        lines.append((place, *counts, shown, f"{median(times):.1f} ({min(times):.1f} – {max(times):.1f})"))
    header = ("GMNM as", "wins", "losses", "ties", "error beside the standard part", "time beside it")
    return header, lines


def picture(records: Sequence[Mapping[str, Any]], content: Mapping[str, Any]) -> bytes:
    """A panel for each figure: architectures across, a mark with its deviation for each place of the mixture."""
    from matplotlib.figure import Figure

    panels = [(task, figure, text) for task, figures in FIGURES.items() for figure, text in figures]
    drawn = Figure(figsize=(11, 6.2), layout="constrained")
    for axes, (task, figure, text) in zip(drawn.subplots(2, 3).flat, panels, strict=True):
        found = cells(records, task, figure)
        _draw(axes, found, content["architectures"])
        axes.set_title(
            text.replace(": ", ":\n").replace(", by iterating the same networks", ""), fontsize=8.5
        )
    drawn.axes[0].legend(fontsize=7, framealpha=0.5)
    buffer = BytesIO()
    drawn.savefig(buffer, format="png", dpi=80, metadata={"Software": None})
    return buffer.getvalue()


def _draw(axes: Any, found: Found, names: Sequence[str]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_yscale("log")
    shown = []
    for shift, (variant, mark) in enumerate(zip(("standard", *PLACES), "sov^D", strict=True)):
        places = [i for i, name in enumerate(names) if (name, variant) in found]
        here = [found[names[i], variant] for i in places]
        shown += [cell.mean for cell in here]
        look = {"color": f"C{shift}", "label": f"GMNM as {variant}"}
        if variant == "standard":
            look = {"color": "black", "label": variant}
        axes.errorbar(
            [i + 0.13 * (shift - 2) for i in places],
            [cell.mean for cell in here],
            yerr=[cell.deviation for cell in here],
            fmt=mark,
            markersize=5,
            capsize=2,
            **look,
        )
    # Where a baseline is far above all networks its line would press them together.
    lines = [(key, cell.mean) for key, cell in found.items() if key[0] in BESIDE]
    for (kind, variant), mean in lines:
        if mean < 1.5 * max(shown, default=math.inf):
            axes.axhline(mean, color="0.5", linewidth=0.8, linestyle=":")
            where = {"xycoords": ("axes fraction", "data"), "ha": "right", "va": "bottom"}
            axes.annotate(_name(kind, variant), (0.99, mean), fontsize=7, color="0.35", **where)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(range(len(names)), names, fontsize=8)
    axes.tick_params(axis="y", labelsize=8)
    axes.grid(axis="y", alpha=0.25)


def text(
    records: Sequence[Mapping[str, Any]], content: Mapping[str, Any], show: Callable[[Table], str]
) -> str:
    """Verdict first, then a table for each figure, then what was run."""
    found = list(pairs(records, content))
    parts = [show(claims(found))]
    for task, figures in FIGURES.items():
        for figure, title in figures:
            here = cells(records, task, figure)
            if here:
                parts += [f"**{title}.**", show(table(here, content)), others(here)]
    return "\n\n".join([*parts, circumstances(records, content)])


def circumstances(records: Sequence[Mapping[str, Any]], content: Mapping[str, Any]) -> str:
    """How many runs there are, of what size, and how long they took."""
    trained = [record for record in records if record["architecture"] != "baseline"]
    sizes = [record["parameters"] for record in trained if record["architecture"] != "fourier-operator"]
    kinds = Counter((record["task"], record["architecture"], record["variant"]) for record in trained)
    asked = len(content["seeds"])
    full = sum(count >= asked for count in kinds.values())
    seeds = f"{asked} seeds for {full} of {len(kinds)} networks, {min(kinds.values())} at least"
    minutes = sum(record["seconds"] for record in trained) / 60
    failed = sum(record["outcome"] != "finished" for record in trained)
    machines = ", ".join(sorted({record["machine"] for record in trained}))
    return (
        f"{len(trained)} runs, {failed} of them not finite; {seeds}; "
        f"{content['steps']:,} steps of {content['batch']} samples, {min(sizes):,} to {max(sizes):,} parameters (the "
        f"Fourier operator 8,689), {minutes:.0f} minutes of a core in all, on {machines}. Mean ± deviation over seeds; "
        f"↑ and ↓ where a mean is better or worse than the standard part's by more than {CLEARLY:g} deviations of the "
        "difference."
    )


def write(records: Sequence[Mapping[str, Any]], content: Mapping[str, Any], folder: Path | None) -> str:
    """The page's part and the picture into a folder; what the terminal shows is returned."""
    if folder is not None:
        page = folder / "architectures.md"
        head, _, rest = page.read_text("utf-8").partition(BEGIN)
        tail = rest.partition(END)[2]
        page.write_text(f"{head}{BEGIN}\n{text(records, content, markdown)}\n{END}{tail}", "utf-8")
        (folder / PICTURE).write_bytes(picture(records, content))
    return text(records, content, plain)
