"""`pdesolve new`: a problem file to begin with."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem

from pdesolve.cli.templates import ORDER, source, titles
from pdesolve.errors import UsageError, did_you_mean


def _complete(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [
        CompletionItem(name, help=title) for name, title in titles().items() if name.startswith(incomplete)
    ]


@click.command(short_help="Write a problem file to begin with.")
@click.argument("name", required=False, metavar="[NAME]", shell_complete=_complete)
@click.argument("file", required=False, metavar="[FILE.py]", type=click.Path())
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def new(name: str | None, file: str | None, debug: bool) -> None:  # noqa: ARG001
    """Write the template NAME to FILE.py (default: NAME.py); without NAME, list the templates.

    A file that is there already is not overwritten.
    """
    if name is None:
        for known, title in titles().items():
            click.echo(f"{known:<12}{title}")
        return
    if name not in ORDER:
        message = (
            f"there is no template '{name}'; the templates are {', '.join(ORDER)}{did_you_mean(name, ORDER)}"
        )
        raise UsageError(message)
    path = Path(file or f"{name}.py")
    if path.suffix != ".py":
        message = f"received {path}; expected the name of a Python file, such as {path.stem}.py"
        raise UsageError(message)
    _write(path, source(name))
    click.echo(f"wrote {path}; solve it with: pdesolve solve {path}")


def _write(path: Path, text: str) -> None:
    try:
        # "x" fails where the file is there, also if it came between a look and the writing.
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        message = f"{path} exists and is kept: choose another name, `pdesolve new {path.stem} OTHER.py`"
        raise UsageError(message) from None
    except OSError as error:
        message = f"cannot write {path}: {error.strerror}"
        raise UsageError(message) from error
