"""Measures how the package is built: sizes, density, comments, complexity, import circles and type errors.

    python benchmarks/house.py [FOLDER] [--rooms] [--list] [--no-types]

FOLDER is the package, `pdesolve` beside this folder unless another is given. It prints one table for the whole
package, with --rooms one column for every room too, and with --list the places behind the counts as file:line.

How it counts:

* *lines* are all lines of the files; *code lines* hold a token that is neither a comment nor part of a docstring;
* a *function's* lines are its code lines from `def` on, without the docstring; tokens are counted per code line;
* a *comment line* holds nothing but a comment, per 100 code lines; notes behind code and directives do not count;
* a *parallel assignment* sets several names from as many values written out (`a, b = c, d`; unpacking one value,
  `a, b = f()`, is none), a *conditional expression* is `a if test else b`; both per 1,000 lines;
* *cyclomatic complexity* (McCabe 1976), by a visitor of our own: one, plus one for every `if`, `for`, `while`,
  `except`, `case`, conditional expression and comprehension, and for every operand of `and` and `or` beyond the first.
  Functions written inside count towards the outer one, too. (Ruff's C901 counts statements only and finds fewer.)
* an *import circle* is a strongly connected component, larger than one, of the imports between modules, those within
  functions and those for types only included. Stubs (`.pyi`) do not count;
* *type errors* are those of mypy, run with the settings of the repository around FOLDER.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

PACKAGE = Path(__file__).resolve().parents[1] / "pdesolve"
COMPLEX = 10  # McCabe (1976) recommends to split a routine beyond ten
LARGE_CLASS = 250  # code lines
DIRECTIVE = re.compile(r"#\s*(type:|noqa|ruff:|pragma|fmt:|!)")
LAYOUT = {
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
    tokenize.ENCODING,
}
BRANCHES = (ast.If, ast.For, ast.While, ast.ExceptHandler, ast.match_case, ast.IfExp, ast.comprehension)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Place:
    """Something counted, where it stands, and its size where it has one."""

    file: Path
    line: int
    name: str
    size: int = 0


@dataclass
class Counts:
    """What was counted in one file, one room or the package."""

    modules: int = 0
    loose: list[Place] = field(default_factory=list)
    lines: int = 0
    code: int = 0
    tokens: int = 0
    comments: int = 0
    functions: list[Place] = field(default_factory=list)
    parallel: list[Place] = field(default_factory=list)
    conditional: list[Place] = field(default_factory=list)
    complicated: list[Place] = field(default_factory=list)
    classes: list[Place] = field(default_factory=list)
    circles: list[list[str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __add__(self, other: Counts) -> Counts:
        return Counts(**{name: value + getattr(other, name) for name, value in vars(self).items()})

    def row(self) -> dict[str, str]:
        """The table's entries by their titles."""
        lines = [place.size for place in self.functions] or [0]
        thousand = max(self.lines, 1) / 1000
        return {
            "modules": str(self.modules),
            "loose in the top folder": str(len(self.loose)),
            "lines": str(self.lines),
            "code lines": str(self.code),
            "function lines, median": f"{np.median(lines):.0f}",
            "function lines, p90": f"{np.percentile(lines, 90):.0f}",
            "function lines, longest": str(max(lines)),
            "tokens per line": f"{self.tokens / max(self.code, 1):.1f}",
            "a, b = c, d per 1,000 lines": f"{len(self.parallel) / thousand:.1f}",
            "conditional expressions per 1,000": f"{len(self.conditional) / thousand:.1f}",
            "comment lines per 100 code lines": f"{100 * self.comments / max(self.code, 1):.1f}",
            f"functions more complex than {COMPLEX}": str(len(self.complicated)),
            f"classes over {LARGE_CLASS} lines": str(len(self.classes)),
            "import circles (files in them)": f"{len(self.circles)} ({sum(map(len, self.circles))})",
            "type errors": str(len(self.errors)),
        }

    def places(self) -> Iterator[str]:
        """One line for everything that should not be there, the file first."""
        for title, places in (
            ("loose", self.loose),
            ("parallel assignment", self.parallel),
            ("conditional expression", self.conditional),
            ("complexity", self.complicated),
            ("class", self.classes),
        ):
            for place in sorted(places, key=lambda place: (-place.size, place.file, place.line)):
                size = f" {place.size}" if place.size else ""
                yield f"{place.file}:{place.line}: {title}{size}: {place.name}"
        for circle in self.circles:
            yield "circle: " + ", ".join(circle)
        yield from self.errors


def docstring_lines(tree: ast.Module) -> set[int]:
    """Line numbers that docstrings fill."""
    lines: set[int] = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list) or not body or not isinstance(body[0], ast.Expr):
            continue
        first = body[0]
        if isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            lines.update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return lines


def complexity(function: ast.AST) -> int:
    """McCabe's number of a function: the independent paths through it."""
    nodes = list(ast.walk(function))
    operators = sum(len(node.values) - 1 for node in nodes if isinstance(node, ast.BoolOp))
    return 1 + sum(isinstance(node, BRANCHES) for node in nodes) + operators


def is_parallel(node: ast.AST) -> bool:
    """Whether several names are set from as many values written out."""
    return (
        isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Tuple)
        and any(isinstance(target, ast.Tuple) for target in node.targets)
    )


def measure(path: Path, package: Path) -> Counts:
    """Everything that can be counted in one file by itself."""
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    documented = docstring_lines(tree)
    shown = path.relative_to(package.parent)
    counts = Counts(modules=1, lines=len(text.splitlines()))
    if path.parent == package:
        counts.loose.append(Place(shown, 1, path.stem))
    code: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in LAYOUT or token.start[0] in documented:
            continue
        if token.type != tokenize.COMMENT:
            counts.tokens += 1
            code.update(range(token.start[0], token.end[0] + 1))
        elif token.line.strip().startswith("#") and not DIRECTIVE.match(token.string):
            counts.comments += 1
    counts.code = len(code)

    def size(node: ast.stmt, first: int) -> int:
        return sum(first <= line <= (node.end_lineno or first) for line in code)

    for node in ast.walk(tree):
        if isinstance(node, FUNCTIONS):
            counts.functions.append(Place(shown, node.lineno, node.name, size(node, node.lineno)))
            if (paths := complexity(node)) > COMPLEX:
                counts.complicated.append(Place(shown, node.lineno, node.name, paths))
        elif isinstance(node, ast.ClassDef) and (lines := size(node, node.lineno)) > LARGE_CLASS:
            counts.classes.append(Place(shown, node.lineno, node.name, lines))
        elif isinstance(node, ast.IfExp):
            counts.conditional.append(Place(shown, node.lineno, ast.unparse(node)[:80]))
        elif is_parallel(node):
            counts.parallel.append(Place(shown, node.lineno, ast.unparse(node)[:80]))
    return counts


def module_name(path: Path, package: Path) -> str:
    """Dotted name of a file of the package."""
    return ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path, modules: set[str]) -> Iterator[str]:
    """Modules of the package that a file imports anywhere, for types only too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield from {inner if inner in modules else node.module or ""} & modules
        elif isinstance(node, ast.Import):
            yield from {alias.name for alias in node.names} & modules


def circles(files: dict[str, Path]) -> list[list[str]]:
    """Groups of modules that all reach each other by imports."""
    names = sorted(files)
    number = {name: k for k, name in enumerate(names)}
    edges = [(number[name], number[other]) for name in names for other in imports(files[name], set(files))]
    rows, columns = np.array(edges, dtype=int).reshape(-1, 2).T
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(names), len(names)))
    count, label = connected_components(graph.tocsr(), directed=True, connection="strong")
    groups = [[name for name, own in zip(names, label, strict=True) if own == k] for k in range(count)]
    return [group for group in groups if len(group) > 1]


def type_errors(package: Path) -> list[str]:
    """The errors that mypy reports, with the settings beside the package."""
    command = [sys.executable, "-m", "mypy", "--no-error-summary"]
    done = subprocess.run(command, cwd=package.parent, capture_output=True, text=True, check=False)
    found = [line for line in done.stdout.splitlines() if ": error:" in line]
    # A Python without mypy ends with 1, as mypy does where it has found something.
    if done.returncode and not found:
        sys.exit(f"mypy did not run: {done.stderr.strip()}")
    return found


def room_of(path: Path, package: Path) -> str:
    """Name of the folder of the package that holds a file; the files of the top folder are in the hall."""
    parts = path.relative_to(package).parts
    return parts[0] if len(parts) > 1 else "(hall)"


def measure_rooms(package: Path, types: bool) -> dict[str, Counts]:
    """The counts of every room. A circle counts in the room of its first module."""
    rooms: dict[str, Counts] = {}
    files = {module_name(path, package): path for path in sorted(package.rglob("*.py"))}
    for path in files.values():
        room = room_of(path, package)
        rooms[room] = rooms.get(room, Counts()) + measure(path, package)
    for group in circles(files):
        rooms[room_of(files[group[0]], package)].circles.append(group)
    if types:
        for line in type_errors(package):
            rooms[room_of(package.parent / line.split(":")[0], package)].errors.append(line)
    return rooms


def table(columns: dict[str, Counts]) -> Iterator[str]:
    """Lines of a table with a row for every number and a column for every room."""
    rows = {name: counts.row() for name, counts in columns.items()}
    titles = next(iter(rows.values()))
    widths = {name: max(len(name), *map(len, row.values())) for name, row in rows.items()}
    yield " " * 36 + "  ".join(name.rjust(widths[name]) for name in rows)
    for title in titles:
        yield title.ljust(36) + "  ".join(row[title].rjust(widths[name]) for name, row in rows.items())


def main() -> None:
    """Print what was counted."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("package", type=Path, nargs="?", default=PACKAGE)
    parser.add_argument("--rooms", action="store_true", help="a column for every room too")
    parser.add_argument("--list", action="store_true", help="the places behind the counts")
    parser.add_argument("--no-types", action="store_true", help="do not run mypy (half a minute)")
    options = parser.parse_args()
    rooms = measure_rooms(options.package.resolve(), types=not options.no_types)
    whole = sum(rooms.values(), Counts())
    shown = {"all": whole, **rooms} if options.rooms else {"all": whole}
    print("\n".join(table(shown)))
    if options.list:
        print("\n".join(whole.places()))


if __name__ == "__main__":
    main()
