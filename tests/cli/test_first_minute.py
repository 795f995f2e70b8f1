"""What a newcomer meets first: help, templates, examples, completion."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from snapshot import assert_as_kept

from pdesolve import check, load_problem
from pdesolve.cli.main import cli
from pdesolve.cli.templates import FOLDER, ORDER

COMMANDS = list(cli.commands)


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "command", [[], *([name] for name in COMMANDS)], ids=lambda c: " ".join(c) or "pdesolve"
)
def test_help_looks_as_it_should(command):
    text = CliRunner().invoke(cli, [*command, "--help"], prog_name="pdesolve", terminal_width=80).output
    assert "\b" not in text
    assert "\\b" not in text
    assert max(map(len, text.splitlines())) <= 100
    assert_as_kept("help-" + (" ".join(command) or "pdesolve"), text)


def test_the_templates_are_all_listed():
    assert {path.stem for path in FOLDER.glob("*.py")} == set(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_a_template_is_written_and_passes_its_check(name, run, empty):
    assert run("new", name).answer == f"wrote {name}.py; solve it with: pdesolve solve {name}.py"
    report = check(load_problem(empty / f"{name}.py"))
    assert report.ok, str(report)
    assert not [line for line in report.lines() if line.startswith("warning")]


@pytest.mark.slow
@pytest.mark.usefixtures("empty")
@pytest.mark.parametrize("name", ORDER)
def test_a_template_is_solved(name, run):
    run("new", name)
    assert run("solve", f"{name}.py", "--tol", "1e-3", "--no-picture").code == 0


def test_a_file_that_is_there_is_kept(run, empty):
    Path("heat.py").write_text("mine")
    result = run("new", "heat")
    assert (result.code, Path("heat.py").read_text()) == (2, "mine")
    assert "exists and is kept" in result.sentence
    assert run("new", "heat", "other.py").code == 0
    assert (empty / "other.py").exists()


@pytest.mark.usefixtures("empty")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["haet"], "did you mean 'heat'?"),
        (["heat", "heat.txt"], "such as heat.py"),
        (["heat", "no/heat.py"], "cannot write"),
    ],
)
def test_new_says_what_is_wrong(arguments, words, run):
    result = run("new", *arguments)
    assert result.code == 2
    assert words in result.sentence


@pytest.mark.usefixtures("empty")
def test_outside_of_a_checkout_the_packaged_examples_are_listed(run):
    for arguments in (["ls"], ["new"]):
        out = run(*arguments).out
        assert len(out.splitlines()) == len(ORDER)
        assert all(name in out for name in ORDER)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_commands_methods_and_settings(shell):
    script = CliRunner().invoke(cli, ["completion", shell]).output
    assert "_PDESOLVE_COMPLETE" in script
    asked = {
        "solve --method gm": "gmnm-trained",
        "sol": "solve",
        "new h": "heat",
        "solve --set max": "max_degree=",
    }
    for line, wanted in asked.items():
        words = f"pdesolve {line}"
        environment = {"_PDESOLVE_COMPLETE": f"{shell}_complete", "COMP_WORDS": words}
        environment |= {"COMP_CWORD": words.split()[-1] if shell == "fish" else str(len(words.split()) - 1)}
        done = subprocess.run(
            [sys.executable, "-m", "pdesolve"],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
        )
        assert wanted in done.stdout, done.stderr


def test_an_unknown_shell_is_refused(run):
    assert "expected bash, zsh, fish" in run("completion", "tcsh").sentence


def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "pdesolve", "--version"], capture_output=True, text=True)
    assert done.stdout.startswith("pdesolve ")
