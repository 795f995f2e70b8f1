"""Completion of commands, options and names in the shell."""

from __future__ import annotations

import os

import click
from click.shell_completion import CompletionItem, get_completion_class

from pdesolve.errors import UsageError
from pdesolve.methods import METHODS
from pdesolve.runs.goal import NORMS

# By this variable the shell asks; click derives its name from that of the program.
VARIABLE = "_PDESOLVE_COMPLETE"
SHELLS = ("bash", "zsh", "fish")
_HELP = """Print the completion script of a shell; put the line for yours into its start-up file.

\b
bash   eval "$(pdesolve completion bash)"     in ~/.bashrc
zsh    eval "$(pdesolve completion zsh)"      in ~/.zshrc
fish   pdesolve completion fish | source      in ~/.config/fish/config.fish
"""


@click.command(short_help="Print a script that completes commands in the shell.", help=_HELP)
@click.argument("shell", metavar="bash|zsh|fish")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def completion(shell: str, debug: bool) -> None:  # noqa: ARG001
    """Print the completion script of a shell."""
    if shell not in SHELLS:
        message = f"received '{shell}'; expected {', '.join(SHELLS)}"
        raise UsageError(message)
    kind = get_completion_class(shell)
    if kind is None:  # pragma: no cover
        message = f"this version of click completes nothing for {shell}"
        raise UsageError(message)
    script = kind(click.Command("pdesolve"), {}, "pdesolve", VARIABLE)
    click.echo(script.source_template % script.source_vars())


def answer_completion(cli: click.Command) -> int | None:
    """Answer the shell where it asks what may come next; None where it does not ask."""
    instruction = os.environ.get(VARIABLE)
    if not instruction:
        return None
    from click.shell_completion import shell_complete

    return shell_complete(cli, {}, "pdesolve", VARIABLE, instruction)


def method_names(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Methods that begin with what was typed."""
    known = METHODS.values()
    return [CompletionItem(m.name, help=m.summary) for m in known if m.name.startswith(incomplete)]


def norm_names(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Norms that begin with what was typed."""
    return [CompletionItem(name, help=text) for name, text in NORMS.items() if name.startswith(incomplete)]


def setting_names(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Settings of the chosen method, `key=`."""
    method = METHODS.get(context.params.get("method") or "gmnm")
    if method is None:
        return []
    known = method.settings.items()
    return [CompletionItem(f"{key}=", help=text) for key, text in known if key.startswith(incomplete)]
