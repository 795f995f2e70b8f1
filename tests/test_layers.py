"""Imports point downhill: a module imports only from its own layer or lower ones."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "pdesolve"
LAYERS = [
    "errors monitor memory",
    "fields calculus geometry quadrature partition fourier reference_cache spectral_reference lines_reference",
    "conditions seams term problem subdomains",
    "residual approximators least_squares training patches boundary_points",
    "integral_rows sought assembly discrete methods_trained",
    "norms solution",
    "estimation grading adaptivity identification continuation marching methods solver",
    "checks check output plotting loading run_directory versions benchmarking",
    "cli",
]
LAYER_OF = {module: i for i, line in enumerate(LAYERS) for module in line.split()}
# A pillar knows only the bottom: no equation in it.
PILLARS = {"approximators": 1, "least_squares": 0, "training": 0, "geometry": 1, "quadrature": 1}
KNOWN = {
    ("solution", "loading"),  # only when called: the problem file of a saved solution is read again
    ("approximators", "least_squares"),  # the layout of coefficients in blocks
}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def module_of(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(path):
    """First parts of what a file imports from this package."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pdesolve."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.ImportFrom) and node.module == "pdesolve":
            yield from (alias.name for alias in node.names if alias.name in LAYER_OF)
        elif isinstance(node, ast.Import):
            yield from (a.name.split(".")[1] for a in node.names if a.name.startswith("pdesolve."))
        assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path} imports relatively"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_its_own_layer_or_lower_ones(path):
    mine = module_of(path)
    assert mine in LAYER_OF, f"{mine} has no layer; add it to the table"
    for other in set(imported(path)) - {mine}:
        assert LAYER_OF[other] <= PILLARS.get(mine, LAYER_OF[mine]) or (mine, other) in KNOWN, (
            f"{mine} → {other}"
        )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_reaches_out_of_the_package(path):
    tree = ast.parse(path.read_text("utf-8"))
    names = {n.module.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}
    assert not names & {"problems", "benchmarks", "tests"}


def test_fields_know_their_frame_by_type_only():
    """`fields` and `calculus` are one layer; at run time only calculus imports the other."""
    tree = ast.parse((PACKAGE / "fields.py").read_text("utf-8"))
    at_run_time = [
        n for n in tree.body if isinstance(n, ast.ImportFrom) and (n.module or "").startswith("pdesolve")
    ]
    assert [n.module for n in at_run_time] == ["pdesolve.errors"]
