"""The README tells the truth: its code runs, its tables say what the package says, its links lead somewhere."""

import importlib
import importlib.util
import json
import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest
import torch

from pdesolve import Problem, check
from pdesolve.benchmarking.records import read_records
from pdesolve.benchmarking.statistics import rows as rows_of
from pdesolve.benchmarking.suite import make_suite, read_suite
from pdesolve.cli.bench import REGRESSION
from pdesolve.cli.faults import INTERRUPTED
from pdesolve.cli.main import main
from pdesolve.cli.session import NOT_VERIFIED
from pdesolve.errors import ProblemError, SolveError, UsageError
from pdesolve.methods import METHODS

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
TEXT = (ROOT / "README.md").read_text("utf-8")
PAGES = {path.stem: path.read_text("utf-8") for path in sorted(DOCS.glob("*.md"))}


def section(title: str) -> str:
    """The text below a heading."""
    return re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S)[1]


def blocks(text: str, language: str) -> list[str]:
    """Code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def rows(text: str, first: str) -> list[list[str]]:
    """Cells of the table whose first heading is `first`, without headings."""
    table = re.search(rf"^\| {re.escape(first)} \|.*?(?=\n\n|\Z)", text, re.M | re.S)[0]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[2:]]
    return [[re.sub(r"^`([^`]*)`$", r"\1", cell) for cell in row] for row in cells]


RULES = blocks(PAGES["notation"], "python")
RECIPES = blocks(PAGES["how-to"], "python")
OTHERS = ["eigenvalues", "layers", "surrogates", "sweeps"]
SHELL = [
    (name, [line for line in "\n".join(blocks(text, "sh")).splitlines() if line.strip()])
    for name, text in [("README", TEXT.partition("\n## ")[2]), *PAGES.items()]
    if blocks(text, "sh")
]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
FIRST_COMMANDS = blocks(TEXT.partition("\n## ")[0], "sh")


@pytest.fixture(scope="module")
def stated():
    """The problems that each block of rules states, the blocks run one after the other like one file."""
    found, dtype, original = [], torch.get_default_dtype(), Problem.__init__

    def recording(self, *args, **kwargs):
        original(self, *args, **kwargs)
        found[-1].append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Problem, "__init__", recording)
        torch.set_default_dtype(torch.float64)  # as while a problem file loads
        names = {}
        try:
            for block in RULES:
                found.append([])
                exec(compile(block, "README.md", "exec"), names)
        finally:
            torch.set_default_dtype(dtype)
    return found


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory with the problem files in it."""
    (tmp_path / "problems").symlink_to(ROOT / "problems")
    monkeypatch.chdir(tmp_path)
    return tmp_path


# -------------------------------------------------------------------- code


@pytest.mark.parametrize("number", range(len(RULES)))
def test_every_rule_of_the_notation_states_problems_that_pass_their_check(stated, number):
    assert len(stated) == len(RULES)
    for problem in stated[number]:
        report = check(problem)
        assert report.ok, f"{problem}: {report}"


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(RECIPES)))
@pytest.mark.usefixtures("folder")
def test_every_recipe_runs_and_what_it_states_is_right(number):
    names = {}
    exec(compile(RECIPES[number], "how-to.md", "exec"), names)
    if "problem" in names:
        assert check(names["problem"]).ok


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("page", OTHERS)
def test_every_block_of_the_other_pages_runs(page):
    names = {}
    for block in blocks(PAGES[page], "python"):
        exec(compile(block, f"{page}.md", "exec"), names)
    problems = [value for value in names.values() if isinstance(value, Problem)]
    assert all(check(problem).ok for problem in problems)


def test_every_page_with_python_is_run():
    apart = {"notation", "how-to", "index", "python", "comparing"}  # each with a test of its own
    assert apart | set(OTHERS) == {name for name, text in PAGES.items() if blocks(text, "python")}


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "text", [section("In Python and in a notebook"), PAGES["index"]], ids=["README", "index"]
)
def test_the_first_lines_of_python_solve_to_their_tolerance(text):
    names = {}
    for block in blocks(text, "python"):
        exec(compile(block, "README.md", "exec"), names)
    assert names["solution"].converged
    assert names["figure"].axes


def test_every_kind_of_condition_and_every_argument_of_problem_has_a_line(stated):
    problems = [problem for group in stated for problem in group]
    kinds = {type(condition).__name__ for problem in problems for condition in problem.conditions}
    assert kinds == {
        "Dirichlet",
        "Neumann",
        "Robin",
        "Initial",
        "Periodic",
        "Condition",
        "Integral",
        "Scalar",
    }
    for argument in ("exact", "reference", "guess", "constants", "parameters", "data"):
        assert any(getattr(problem, argument) for problem in problems), argument


def test_the_example_is_the_problem_file():
    (example,) = blocks(section("An example"), "python")
    source = (ROOT / "problems" / "poisson_2d.py").read_text("utf-8").split('"""', 2)[2]
    assert lines_of(example) == lines_of(source)
    names = {}
    exec(compile(example, "README.md", "exec"), names)
    assert check(names["problem"]).ok


def lines_of(code: str) -> list[str]:
    return [line for line in code.splitlines() if line.strip()]


@pytest.mark.slow
def test_the_python_interface_does_what_is_written(folder):
    names = {}
    for block in blocks(PAGES["python"], "python"):
        exec(compile(block, "python.md", "exec"), names)
    solution = names["solution"]
    assert solution.converged
    assert solution.relative_l2_error() <= 1e-6
    assert solution.flux(on=solution.problem.domain.left) == pytest.approx(-2, abs=1e-5)
    assert names["Solution"].load("runs/kept")(0.5, 0.5) == solution(0.5, 0.5)
    assert (folder / "u.png").stat().st_size > 10_000
    assert arrays("u.vtu") == {"u", "u_exact", "u_error", "grad_u", "residual"}
    for name in arrays("u.vtu"):
        assert f"`{name}`" in PAGES["paraview"]


def arrays(path: str) -> set[str]:
    from vtk import vtkXMLUnstructuredGridReader

    reader = vtkXMLUnstructuredGridReader()
    reader.SetFileName(path)
    reader.Update()
    data = reader.GetOutput().GetPointData()
    return {data.GetArrayName(i) for i in range(data.GetNumberOfArrays())}


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
def test_a_comparison_in_python_leaves_its_report():
    names = {}
    for block in blocks(PAGES["comparing"], "python"):
        exec(compile(block, "comparing.md", "exec"), names)
    assert {record["method"] for record in names["records"]} == {"mine", "mixture"}
    assert "| rod |" in Path("report/report.md").read_text("utf-8")


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("lines", [lines for _, lines in SHELL], ids=[name for name, _ in SHELL])
def test_every_command_ends_as_it_should(capsys, lines):
    Path("my_module.py").write_text(blocks(PAGES["comparing"], "python")[0])
    drawn = False
    for line in lines:
        # Processes of a sweep have tests of their own, and each imports torch.
        line = re.sub(r" --jobs \d+", "", re.sub(r"--budget \d+s", "--budget 1s", line))
        quick = re.sub(r"iterations=\d+", "iterations=3", re.sub(r"--time-limit \d+", "--time-limit 2", line))
        command, *arguments = shlex.split(quick, comments=True)
        if command in ("pip", "python"):
            # An extra that is declared, or a script that is there: they take minutes, and have tests of their own.
            named = re.search(r"pdesolve\[(\w+)\]|(benchmarks/\w+\.py)", line)
            assert named[1] in EXTRAS or (ROOT / named[2]).is_file(), line
            continue
        assert command == "pdesolve"
        if arguments[0] == "solve" and drawn:  # one picture of a page is enough
            arguments.append("--no-picture")
        drawn |= arguments[0] == "solve"
        code = main(arguments)
        captured = capsys.readouterr()
        assert code == (NOT_VERIFIED if "pinn" in arguments else 0), line + captured.err
    described = PAGES["command-line"] + PAGES["paraview"]
    for file in Path("runs").glob("*/*.*"):
        assert f"`{file.name}`" in described


def test_the_first_commands_are_targets_of_make():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    commands = re.findall(r"^make (\w+)", "\n".join(FIRST_COMMANDS), re.M)
    assert commands == ["demo", "test"]
    assert {*commands, *re.findall(r"`make ([\w-]+)`", TEXT + "".join(PAGES.values()))} <= targets


# -------------------------------------------------------------------- tables


def test_the_methods_are_those_that_there_are():
    table = rows(PAGES["methods"], "method")
    assert [row[0] for row in table] == list(METHODS)
    for name, summary, settings, estimates in table:
        method = METHODS[name]
        assert summary == method.summary
        assert re.findall(r"\w+", settings) == list(method.settings)
        assert estimates == ("yes" if method.estimates else "no")


def test_the_exit_codes_are_those_of_the_program(capsys):
    table = {int(code): meaning for code, meaning in rows(PAGES["command-line"], "exit code")}
    assert ProblemError.exit_code == UsageError.exit_code == 2
    assert set(table) == {
        0,
        SolveError.exit_code,
        UsageError.exit_code,
        NOT_VERIFIED,
        REGRESSION,
        INTERRUPTED,
    }
    assert main(["--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for code, meaning in table.items():
        assert f"{code} {meaning}" in text
    assert main(["solve", "no_such_file.py"]) == UsageError.exit_code


def test_the_measured_results_are_those_of_the_record():
    path = ROOT / "benchmarks" / "table.py"
    spec = importlib.util.spec_from_file_location("benchmark_table", path)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    record = json.loads(benchmark.RECORD.read_text())
    text = section("Measured results")
    assert benchmark.report(record) in text
    assert [(row["problem"], row["tol"]) for row in record["rows"]] == list(benchmark.SUITE)


@pytest.fixture(scope="module")
def comparison():
    folder = str(ROOT / "benchmarks")
    sys.path.insert(0, folder)
    try:
        return importlib.import_module("comparison")
    finally:
        sys.path.remove(folder)


@pytest.fixture(scope="module")
def kept_suites(comparison):
    suites = [*comparison.SUITES, *comparison.LONG]
    return {name: read_records(comparison.kept(name)) for name in suites if comparison.kept(name).is_file()}


def test_the_comparison_is_that_of_the_records(comparison, kept_suites):
    assert comparison.summary_part(kept_suites) in PAGES["comparing"]
    page = comparison.PAGE.read_text("utf-8")
    parts = dict(comparison.page_parts(kept_suites))
    assert list(parts) == ["reproductions", *comparison.SUITES, "budgets", "factors"]
    assert [name for name, text in parts.items() if text not in page] == []


@pytest.mark.parametrize("name", ["fitting", "poisson", "time"])
def test_the_records_are_those_that_the_suite_asks_for(name, kept_suites):
    suite = make_suite(read_suite(ROOT / "benchmarks" / f"{name}.toml"))
    assert {(r["problem"], r["method"], r["seed"]) for r in kept_suites[name]} == {
        (case.problem_name, case.method.label, case.seed) for case in suite.cases()
    }
    assert {r["budget"] for r in kept_suites[name]} == {suite.limits["budget"]}
    for row in rows_of(kept_suites[name]):
        if (
            row.method != "gmnm"
        ):  # the adaptive solver has no size of its own; with ten inputs widths are coarse
            apart = 0.15 if row.problem == "poisson_10d" else 0.08
            assert row.median("parameters") == pytest.approx(suite.settings["parameters"], rel=apart)


def test_the_formats_of_export_are_named():
    from pdesolve.output.registry import FORMATS

    assert all(ending in PAGES["command-line"] for ending in FORMATS)


# -------------------------------------------------------------------- places


@pytest.mark.parametrize("name", ["README", *PAGES])
def test_every_link_leads_to_a_file(name):
    folder, text = (ROOT, TEXT) if name == "README" else (DOCS, PAGES[name])
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert [link for link in links if not (folder / link).exists()] == []


def test_the_reference_names_what_there_is():
    for name in re.findall(r"^::: (\S+)$", PAGES["api"], re.M):
        module, _, attribute = name.rpartition(".")
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            assert hasattr(importlib.import_module(module), attribute), name


def test_every_page_is_linked_in_the_readme_and_in_the_site():
    site = (ROOT / "mkdocs.yml").read_text("utf-8")
    for name in PAGES:
        assert f"docs/{name}.md" in TEXT or name == "api", name
        assert f"{name}.md" in site, name


def test_pictures_are_small_and_shown():
    for picture in DOCS.glob("*.png"):
        assert picture.stat().st_size < 150_000
        assert picture.name in TEXT + "".join(PAGES.values())


def test_the_readme_is_short_and_begins_with_what_a_reader_wants_to_know():
    lines = TEXT.splitlines()
    assert len(lines) <= 250
    first = "\n".join(lines[:60])
    for wanted in ("make demo", "make test", "](docs/", "## An example", "## What the error estimate means"):
        assert wanted in first


def test_everything_named_in_the_layout_is_there():
    layout = blocks(section("How to read the code"), "text")[1]
    for line in layout.splitlines():
        for name in re.split(r",\s+", re.split(r"\s{2,}", line)[0]):
            assert (ROOT / name).exists() or (ROOT / "pdesolve" / name).exists(), name


def test_everything_on_the_path_of_a_solve_is_there():
    path = blocks(section("How to read the code"), "text")[0]
    named = re.findall(r"[\w/]+\.py|^\s+[\w/]+/(?=\s)", path, re.M)
    assert len(named) > 10
    assert [name.strip() for name in named if not (ROOT / "pdesolve" / name.strip()).exists()] == []
