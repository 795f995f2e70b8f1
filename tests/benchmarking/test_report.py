"""Reports hold what the records say, and the page needs no other file."""

import json
import re
import struct
from pathlib import Path

import pytest
from test_statistics import record

from pdesolve.benchmarking import tables
from pdesolve.benchmarking.records import FORMAT
from pdesolve.benchmarking.report import write_report
from pdesolve.cli.bench import REGRESSION
from pdesolve.cli.main import main


def full(method, error, outcome="finished", seed=0):
    picture = {
        "names": ["x", "y"],
        "lower": [0, 0],
        "upper": [1, 1],
        "log10_error": [[-3.0, None], [-4.0, -5.0]],
    }
    more = {
        "format": FORMAT,
        "command": f"pdesolve bench --methods {method}",
        "budget": 3.0,
        "machine": "here",
    }
    more |= {"versions": {"torch": "2"}, "status": "a <sentence>", "picture": picture, "position": seed}
    return record(error, outcome, method, "franke", seed, **more)


RECORDS = [full("a", 1e-3), full("a", 3e-3, seed=1), full("b", 1e-5), full("b", None, "crashed", seed=1)]


PUBLISHED = {"error": 1.2e-7, "method": "some method", "cost": "300 s", "source": "a paper"}


def keep(records, folder):
    (folder / "records").mkdir(parents=True)
    for i, one in enumerate(records):
        (folder / "records" / f"{i}.json").write_text(json.dumps(one))
    return folder


@pytest.mark.slow
def test_a_report_has_tables_pictures_failures_and_commands(tmp_path):
    markdown, page = write_report(RECORDS, tmp_path, "Trial", {"franke": PUBLISHED})
    text = markdown.read_text("utf-8")
    assert "| a | 2e-3 |" in text
    assert "| b | ∞ |" in text
    assert "1 of 2 (crashed 1)" in text
    assert "franke, b, seed 1: crashed: a <sentence>" in text
    assert "| 1.2e-7 | some method (300 s; a paper) |" in text
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", text)
    assert pictures == ["franke-convergence.png", "franke-error.png"]
    for name in pictures:
        head = (tmp_path / name).read_bytes()[:24]
        assert head.startswith(b"\x89PNG")
        assert min(struct.unpack(">II", head[16:24])) > 150
    html = page.read_text("utf-8")
    assert html.count("data:image/png;base64,") == 2
    assert not re.search(r'(src|href)="(?!data:)', html)
    assert "a &lt;sentence&gt;" in html


def test_the_overview_marks_the_smallest_finite_median():
    header, (line,) = tables.overview(RECORDS)
    assert header == ("problem", "a", "b")
    assert line == ("franke", "**2e-3**", "∞")


def test_methods_of_another_size_are_named():
    from pdesolve.benchmarking.statistics import rows

    records = [record(method=m, parameters=p) for m, p in (("a", 100), ("b", 103), ("c", 120))]
    assert tables.sizes_apart(rows(records)) == "Not of the size of the others (103 ± 5%): c 120."
    assert tables.sizes_apart(rows(records[:2])) == ""


def test_compare_ends_with_4_on_a_regression_and_0_without(tmp_path, capsys):
    good, bad = keep(RECORDS, tmp_path / "good"), keep([full("a", 0.5), *RECORDS[2:]], tmp_path / "bad")
    assert main(["compare", str(good), str(good)]) == 0
    assert main(["compare", str(good), str(bad)]) == REGRESSION
    assert "250 times larger" in capsys.readouterr().out
    assert main(["compare", str(good), str(tmp_path)]) == 2
    assert "holds no records" in capsys.readouterr().err


def test_the_report_command_prints_tables_without_torch_or_files(tmp_path, capsys):
    folder = keep(RECORDS, tmp_path / "set")
    assert main(["report", str(folder), "--table"]) == 0
    assert "2e-3" in capsys.readouterr().out
    assert [p.name for p in Path(folder).iterdir()] == ["records"]


def test_the_tables_are_printed_for_latex(tmp_path, capsys):
    assert main(["report", str(keep(RECORDS, tmp_path)), "--latex"]) == 0
    text = capsys.readouterr().out
    assert text.count(r"\begin{tabular}{l") == text.count(r"\end{tabular}") == 2
    assert r"a & $2 \cdot 10^{-3}$" in text
    assert r"$\infty$" in text
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("poisson_2d", r"poisson\_2d"),
        ("**1.5e-7**", r"\textbf{$1.5 \cdot 10^{-7}$}"),
        ("50% of a & b", r"50\% of a \& b"),
        ("3e-4 to 2e-3", r"$3 \cdot 10^{-4}$ to $2 \cdot 10^{-3}$"),
        ("mlp1e2x", "mlp1e2x"),
    ],
)
def test_a_cell_says_the_same_in_latex(cell, written):
    assert tables.latex((("h",), [(cell,)])).splitlines()[4] == written + r" \\"
