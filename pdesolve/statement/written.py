"""A problem that was stated in a notebook or a script, as a file of its own: only the statements that it needs.

Python knows what the cells of a notebook and the lines of a script say. Of these, the statement that makes the problem
is kept, and whatever binds or changes a name that a kept statement uses (Weiser 1981, program slicing). What comes out
is run and compared with the problem at sample points, so that nothing is kept that says something else.
"""

from __future__ import annotations

import ast
import linecache
import re
import symtable
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pdesolve.errors import PdesolveError
from pdesolve.statement.outputs import output_expressions
from pdesolve.statement.problem import Problem
from pdesolve.statement.residual import compile_term, sample_points
from pdesolve.statement.term import Term

HEADER = "# The problem {}, as a notebook or a script stated it; written by pdesolve beside a solution.\n"
# What must not run again when a solution is loaded.
ACTIONS = frozenset(
    "build_surrogate convergence export follow_branch input plot save show solve sweep".split()
)
# Points of each term at which two problems are compared.
POINTS = 64
# Relative difference of the same arithmetic in another order, such as on other threads.
ROUNDING = 1e-12


class UnknownSourceError(Exception):
    """Why the statement of a problem is not known, as the end of a sentence."""


def statement_of(problem: Problem) -> tuple[str, Path]:
    """The text of a problem file that states a problem, and the folder that its names of files are relative to.

    Raises:
        UnknownSourceError: no cell, script or module is known that makes it under a name.
    """
    for names in _namespaces(problem):
        name = _name_in(names, problem)
        if name is not None:
            source, folder = _source_of(names)
            lines = [HEADER.format(" ".join(str(problem.name).split())), *sliced(source, name)]
            if name != "problem":
                lines.append(f"problem = {name}")
            return "\n".join(lines) + "\n", folder
    message = "it has no name of its own at the top of a notebook, script or module: assign it to one"
    raise UnknownSourceError(message)


def _namespaces(problem: Problem) -> Iterator[Mapping[str, Any]]:
    """The names where its equation was defined, and those of the program."""
    function = getattr(problem.equation, "func", problem.equation)
    yield getattr(function, "__globals__", {})
    yield vars(sys.modules["__main__"])


def _name_in(names: Mapping[str, Any], problem: Problem) -> str | None:
    """A name of the problem, or else of one with the same equation, which it may be a variant of."""
    # Names that begin with an underscore are what a notebook calls its latest outputs.
    named = {name: value for name, value in names.items() if isinstance(value, Problem) and name[0] != "_"}
    alike = [name for name, value in named.items() if value.equation is problem.equation]
    return next((name for name in alike if named[name] is problem), alike[-1] if alike else None)


def _source_of(names: Mapping[str, Any]) -> tuple[list[str], Path]:
    """What was run, piece by piece, and the folder of it."""
    cells = names.get("In")
    if "get_ipython" in names and isinstance(cells, list):
        return list(cells), Path.cwd()
    file = names.get("__file__")
    if file is not None:
        try:
            return [Path(file).read_text("utf-8")], Path(file).resolve().parent
        except (OSError, UnicodeDecodeError) as error:
            message = f"{file} cannot be read ({error})"
            raise UnknownSourceError(message) from None
    # What is typed at the prompt is remembered from Python 3.13 on.
    typed = {key: lines for key in linecache.cache if (lines := _typed(key))}
    if not typed:
        message = "Python does not keep what is typed at this prompt: state it in a file or a notebook"
        raise UnknownSourceError(message)
    return [typed[key] for key in sorted(typed, key=lambda key: int(re.sub(r"\D", "", key)))], Path.cwd()


def _typed(key: str) -> str:
    if re.fullmatch(r"<python-input-\d+>", key) is None:
        return ""
    return "".join(linecache.getlines(key))


# ---------------------------------------------------------------- slicing


@dataclass(frozen=True, eq=False)
class Statement:
    """One statement at the top of a program."""

    node: ast.stmt
    text: str

    @cached_property
    def _table(self) -> symtable.SymbolTable:
        return symtable.symtable(self.text, "statement", "exec")

    @cached_property
    def binds(self) -> frozenset[str]:
        """Names that it gives a value."""
        symbols = self._table.get_symbols()
        return frozenset(s.get_name() for s in symbols if s.is_assigned() or s.is_imported())

    @cached_property
    def uses(self) -> frozenset[str]:
        """Names that it looks up at the top of the program, in functions within it, too."""
        return frozenset(_looked_up(self._table, top=True))

    @cached_property
    def changes(self) -> frozenset[str]:
        """Names whose values it changes: `a.append(1)`, `a[0] = 1`, `a.b = 1`."""
        parts: list[ast.expr] = []
        if isinstance(self.node, ast.Expr) and isinstance(self.node.value, ast.Call):
            parts = [self.node.value.func]
        elif isinstance(self.node, ast.Assign):
            parts = list(self.node.targets)
        elif isinstance(self.node, ast.AugAssign | ast.AnnAssign):
            parts = [self.node.target]
        return frozenset(root for part in parts if (root := _root(part)) is not None)

    @property
    def anyway(self) -> bool:
        """Whether it is kept in any case, as it may bind any name or concerns the whole file."""
        node = self.node
        return isinstance(node, ast.ImportFrom) and (node.module == "__future__" or node.names[0].name == "*")

    @property
    def action(self) -> str | None:
        """What it does that is no statement of a problem, such as `solve`."""
        return next((name for name in _called(self.node) if name in ACTIONS), None)


def sliced(source: list[str], name: str) -> list[str]:
    """The statements that a name depends on, in the order in which they ran.

    Args:
        source: pieces of a program; a piece that is no Python is left out, as it never ran.
        name: bound by one of them.

    Raises:
        UnknownSourceError: none binds it, or one that is needed solves or writes something.
    """
    statements = [statement for piece in source for statement in _statements(piece)]
    chosen = _needed(statements, name)
    if not any(name in one.binds for one in chosen):
        message = f"nothing that was run gives `{name}` its value at the top of the program"
        raise UnknownSourceError(message)
    for one in chosen:
        if one.action is not None:
            line = one.text.splitlines()[0]
            message = f"it depends on `{line}`, which calls {one.action}: state the problem apart from that"
            raise UnknownSourceError(message)
    # Whatever is switched on for the future stands first in a file.
    return [one.text for one in sorted(chosen, key=lambda one: not one.text.startswith("from __future__"))]


def _needed(statements: Sequence[Statement], name: str) -> list[Statement]:
    """Those that bind or change a name, or one that these use, and so on."""
    chosen = [one for one in statements if one.anyway]
    names = {name}.union(*(one.uses for one in chosen))
    while True:
        left = [one for one in statements if one not in chosen]
        found = [one for one in left if (one.binds | one.changes) & names]
        if not found:
            return [one for one in statements if one in chosen]
        chosen = chosen + found
        names = names.union(*(one.uses for one in found))


def _statements(piece: str) -> Iterator[Statement]:
    try:
        nodes = ast.parse(piece).body
    except (SyntaxError, ValueError):
        return
    lines = piece.splitlines()
    for node in nodes:
        text = ast.get_source_segment(piece, node) or ""
        decorators = getattr(node, "decorator_list", [])
        if decorators:
            text = "\n".join(lines[decorators[0].lineno - 1 : node.end_lineno])
        yield Statement(node, text)


def _looked_up(table: symtable.SymbolTable, top: bool = False) -> Iterator[str]:
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (top or symbol.is_global()):
            yield symbol.get_name()
    for child in table.get_children():
        yield from _looked_up(child)


def _root(part: ast.expr) -> str | None:
    """The name before dots and brackets, where there are any."""
    node = part
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) and node is not part else None


def _called(node: ast.AST) -> Iterator[str]:
    """Names of what is called when a statement runs, not when a function of it does."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", None))
        if name is not None:
            yield name
    for child in ast.iter_child_nodes(node):
        yield from _called(child)


# ---------------------------------------------------------------- comparing


def difference(one: Problem, other: Problem) -> str | None:
    """Which part of two problems differs, by its values at sample points; None where they say the same."""
    try:
        return _difference(one, other)
    except PdesolveError as error:
        return str(error)


def _difference(one: Problem, other: Problem) -> str | None:
    # Alike in number first: what follows goes through them side by side.
    for parts in (_compared_plainly, _compared_by_values):
        for name, same in parts(one, other):
            if not same:
                return name
    return None


def _compared_plainly(one: Problem, other: Problem) -> Iterator[tuple[str, bool]]:
    """Names of parts, and whether they are equal, or equal in number."""
    for part in ("coordinates", "unknowns", "constants", "parameters"):
        yield part, getattr(one, part) == getattr(other, part)
    yield "domain", torch.equal(one.domain.bounds, other.domain.bounds)
    for part in ("terms", "integrals", "scalars", "interfaces", "data", "quantities", "seams"):
        yield part, len(getattr(one, part)) == len(getattr(other, part))
    for part in ("outputs", "exact", "reference"):
        yield part, list(getattr(one, part) or ()) == list(getattr(other, part) or ())


def _compared_by_values(one: Problem, other: Problem) -> Iterator[tuple[str, bool]]:
    """Names of parts, and whether they have the same values."""
    for mine, its in zip(one.terms, other.terms, strict=True):
        yield mine.name, _same_term(one, mine, other, its)
    for seen, again in zip(one.data, other.data, strict=True):
        yield "data", all(map(_alike, seen.arrays, again.arrays))
    points = one.domain.sample(POINTS)
    expressions = [output_expressions(problem) for problem in (one, other)]
    for name in one.outputs:
        yield f"output {name}", _same_values([found[name].operator for found in expressions], points, None)
    if one.exact and other.exact:
        yield "exact", _alike(one.values(one.exact, points), other.values(other.exact, points))


def _same_term(one: Problem, mine: Term, other: Problem, its: Term) -> bool:
    """Whether two terms have the same values at the same points, for the same derivatives of the unknowns."""
    points, normals = sample_points(one, mine, POINTS)
    again, turned = sample_points(other, its, POINTS)
    if not _alike(points, again) or not _alike(normals, turned):
        return False
    operators = [compile_term(one, mine, points, normals), compile_term(other, its, points, normals)]
    return _same_values(operators, points, normals)


def _same_values(operators: Sequence[Any], points: Tensor, normals: Tensor | None) -> bool:
    first, second = operators
    if first.slots != second.slots:
        return False
    generator = torch.Generator().manual_seed(0)
    jets = torch.rand(len(points), len(first.slots), generator=generator, dtype=torch.float64) + 0.5
    numbers = {name: points.new_tensor(value) for name, value in first.problem.parameters.items()}
    return _alike(*(operator.values(points, jets, normals, numbers) for operator in operators))


def _alike(a: Tensor | None, b: Tensor | None) -> bool:
    if a is None or b is None:
        return a is b
    return a.shape == b.shape and torch.allclose(
        torch.as_tensor(a), torch.as_tensor(b), rtol=ROUNDING, atol=0, equal_nan=True
    )
