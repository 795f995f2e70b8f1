"""`pdesolve ls`: problems, methods and formats, without importing torch."""

from __future__ import annotations

import ast
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from pdesolve.cli.templates import titles
from pdesolve.errors import UsageError, did_you_mean

KINDS = ("problems", "methods", "formats")


@click.command(short_help="List problems, methods or file formats.")
@click.argument("kind", required=False, metavar="[problems|methods|formats]")
@click.argument("directory", required=False, metavar="[DIR]", type=click.Path())
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def ls(kind: str | None, directory: str | None, debug: bool) -> None:  # noqa: ARG001
    """List the problem files in DIR (default: problems), the methods, or the file formats.

    Where there is no folder of problems, the examples that come with the package are listed.
    """
    if directory is None and _is_folder(kind):  # `pdesolve ls my_problems`
        directory = kind
        kind = "problems"
    _refuse(kind, directory)
    if kind == "methods":
        _print(_methods())
    elif kind == "formats":
        _print(_formats())
    elif directory is None and not Path("problems").is_dir():
        click.echo("There is no folder ./problems; these examples come with the package:\n", err=True)
        _print([(f"pdesolve new {name}", title) for name, title in titles().items()])
    else:
        _print(_problems(Path(directory or "problems")))


def _is_folder(kind: str | None) -> bool:
    # A word comes before a folder of that name: `ls methods` says the same everywhere.
    return kind is not None and kind not in KINDS and Path(kind).is_dir()


def _refuse(kind: str | None, directory: str | None) -> None:
    if kind is not None and kind not in KINDS:
        message = f"received 'ls {kind}', expected ls {', ls '.join(KINDS)}, or a folder of problem files"
        message += did_you_mean(kind, KINDS)
        raise UsageError(message)
    if directory is not None and kind in ("methods", "formats"):
        message = f"ls {kind} takes no folder, received '{directory}'"
        raise UsageError(message)


def _methods() -> list[tuple[str, str]]:
    from pdesolve.methods import METHODS

    rows = []
    for method in METHODS.values():
        rows.append((method.name, method.summary))
        rows += [(f"  {key}=…", f"  {meaning}") for key, meaning in method.settings.items()]
    return rows


def _formats() -> list[tuple[str, str]]:
    from pdesolve.output.registry import FORMATS

    return [(name, summary) for name, summary in FORMATS.items()]


def _problems(folder: Path) -> list[tuple[str, str]]:
    """Path and title of every problem file in a folder."""
    if not folder.is_dir():
        message = f"there is no folder '{folder}': expected a folder of problem files"
        raise UsageError(message)
    rows = [(str(path), title) for path in sorted(folder.glob("*.py")) if (title := _title(path)) is not None]
    if not rows:
        message = f"no file in '{folder}' defines `problem`: expected lines `problem = Problem(…)`"
        raise UsageError(message)
    return rows


def _title(path: Path) -> str | None:
    """First line of the docstring; None where the file defines no `problem`."""
    # Parsed and not run: to list files must not import torch, nor do what they do.
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except SyntaxError as error:
        if not error.lineno:
            return f"(cannot be read: {error.msg})"
        return f"(cannot be read: line {error.lineno}: {error.msg})"
    except (ValueError, OSError) as error:
        return f"(cannot be read: {error})"
    if not any(_assigns_problem(statement) for statement in tree.body):
        return None
    return (ast.get_docstring(tree) or "").strip().partition("\n")[0]


def _assigns_problem(statement: ast.stmt) -> bool:
    targets = getattr(statement, "targets", [getattr(statement, "target", None)])
    names = [
        name.id for target in targets if target for name in ast.walk(target) if isinstance(name, ast.Name)
    ]
    return isinstance(statement, (ast.Assign, ast.AnnAssign)) and "problem" in names


def _print(rows: Iterable[tuple[str, str]]) -> None:
    """Two columns; on a terminal each row fits one line."""
    rows = list(rows)
    width = max(len(name) for name, _ in rows) + 2
    room = sys.maxsize
    if sys.stdout.isatty():
        # Some words at least, however narrow the terminal.
        room = max(shutil.get_terminal_size().columns - width, 20)
    for name, text in rows:
        if len(text) > room:
            text = text[: room - 1] + "…"
        click.echo(f"{name:<{width}}{text}".rstrip())
