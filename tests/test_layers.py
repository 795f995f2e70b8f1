"""The rooms of the package: imports point downhill, in the order of the table, and never in a circle."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import pdesolve

PACKAGE = Path(__file__).resolve().parent.parent / "pdesolve"
# From the ground up. A room imports from those before it; rooms of one line do not know each other.
ROOMS = [
    "errors",
    "runs nn",
    "quadrature",
    "geometry approximators least_squares training references",
    "statement",
    "patches checks mechanics",
    "adaptive",
    "marching inverse trained eigen",
    "methods solution",
    "solver",
    "output benchmarking",
    "sweeps surrogates",
    "cli",
    "__main__",
]
FLOOR_OF = {room: floor for floor, line in enumerate(ROOMS) for room in line.split()}
KNOWN = {
    ("statement", "pdesolve"),  # the names that a problem file may import, to suggest the nearest
    ("runs", "pdesolve"),  # the version
    ("cli", "pdesolve"),
}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def name_of(path):
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in [*FILES, PACKAGE / "__init__.py"]}


def imported(path):
    """Modules of this package that a file imports, also within functions and for types only."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path} imports relatively"
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "pdesolve":
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module
        elif isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] == "pdesolve")


def room_of(module):
    return module.split(".")[1] if "." in module else "pdesolve"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_from_those_below(path):
    mine = room_of(name_of(path))
    assert mine in FLOOR_OF, f"{mine} has no floor; add it to the table"
    for other in {room_of(module) for module in imported(path)} - {mine}:
        assert (mine, other) in KNOWN or FLOOR_OF[other] < FLOOR_OF[mine], f"{mine} → {other}"


def test_no_modules_import_each_other_in_a_circle():
    graph = {module: set(imported(path)) - {module} for module, path in MODULES.items()}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_few_files_lie_in_the_hall():
    assert {path.stem for path in PACKAGE.glob("*.py")} == {
        "__init__",
        "__main__",
        "errors",
        "quadrature",
        "methods",
        "solver",
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_reaches_out_of_the_package(path):
    tree = ast.parse(path.read_text("utf-8"))
    names = {n.module.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}
    assert not names & {"problems", "benchmarks", "tests"}


def test_the_stub_names_what_the_package_offers():
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text("utf-8"))
    named = {a.name for node in stub.body if isinstance(node, ast.ImportFrom) for a in node.names}
    assert named == set(pdesolve.__all__)
    assert all(getattr(pdesolve, name) is not None for name in named)


def test_no_two_files_of_tests_have_the_same_name():
    """The runner imports them by their names: of two, one is not collected."""
    names = [path.name for path in Path(__file__).parent.rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
