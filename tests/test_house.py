"""The counts of `benchmarks/house.py` on small packages whose numbers are counted by hand, and on this one."""

import importlib.util
import sys
from pathlib import Path

import pytest

COMMAND = Path(__file__).resolve().parents[1] / "benchmarks" / "house.py"


@pytest.fixture(scope="module")
def house():
    spec = importlib.util.spec_from_file_location("house", COMMAND)
    module = importlib.util.module_from_spec(spec)
    sys.modules["house"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def written(folder, **files):
    package = folder / "toy"
    package.mkdir()
    for name, text in files.items():
        (package / f"{name}.py").write_text(text, "utf-8")
    return package


def test_lines_comments_and_assignments_are_counted_without_docstrings(house, tmp_path):
    text = (
        '"""Of a module."""\n\n# A reason.\na, b = 1, 2  # noqa: X\na, b = divmod(7, 2)\nc = a if b else 0\n'
    )
    counts = house.measure_rooms(written(tmp_path, one=text), types=False)["(hall)"]
    assert (counts.lines, counts.code, counts.comments) == (6, 3, 1)
    assert [place.line for place in counts.parallel] == [4]
    assert [place.line for place in counts.conditional] == [6]


def test_complexity_counts_every_path_also_of_inner_functions(house, tmp_path):
    branches = "".join(f"    if x == {k} or x == -{k}:\n        return {k}\n" for k in range(1, 6))
    text = f"def five(x):\n{branches}    return [y for y in x]\n\ndef one(x):\n    return five(x)\n"
    counts = house.measure_rooms(written(tmp_path, one=text), types=False)["(hall)"]
    assert [(place.name, place.size) for place in counts.complicated] == [("five", 1 + 2 * 5 + 1)]


def test_circles_are_found_through_lazy_and_type_only_imports(house, tmp_path):
    package = written(
        tmp_path,
        a="def f():\n    from toy.b import g\n    return g\n",
        b="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import toy.c\ng = 1\n",
        c="from toy import a\n",
        d="import toy.a\n",
    )
    counts = house.measure_rooms(package, types=False)["(hall)"]
    assert counts.circles == [["toy.a", "toy.b", "toy.c"]]


def test_a_package_without_imports_has_no_circle(house, tmp_path):
    assert house.measure_rooms(written(tmp_path, a="x = 1\n"), types=False)["(hall)"].circles == []


def test_every_entry_of_the_table_has_a_column_for_each_room(house, tmp_path):
    package = written(tmp_path, a="x = 1\n")
    lines = list(house.table(house.measure_rooms(package, types=False)))
    assert len({len(line) for line in lines}) == 1
    assert lines[0].split() == ["(hall)"]


# ---------------------------------------------------------------- the package itself

# A limit may only be tightened.
LOOSE = 6
CLASSES_OVER_250_LINES = 0
COMPLICATED = 8
PARALLEL_PER_THOUSAND = 3
CONDITIONAL_PER_THOUSAND = 6
COMMENTS_PER_HUNDRED = 3


@pytest.fixture(scope="module")
def whole(house):
    return sum(house.measure_rooms(house.PACKAGE, types=False).values(), house.Counts())


def shown(places):
    return ", ".join(f"{place.file}:{place.line} {place.name}" for place in places)


def test_few_modules_lie_loose(whole):
    assert len(whole.loose) <= LOOSE, shown(whole.loose)


def test_classes_are_short(whole):
    assert len(whole.classes) <= CLASSES_OVER_250_LINES, shown(whole.classes)


def test_few_functions_are_more_complex_than_ten(whole):
    assert len(whole.complicated) <= COMPLICATED, shown(whole.complicated)


def test_imports_run_in_no_circle(whole):
    assert whole.circles == []


def test_assignments_stand_alone_and_branches_are_written_out(whole):
    thousand = whole.lines / 1000
    assert len(whole.parallel) <= PARALLEL_PER_THOUSAND * thousand
    assert len(whole.conditional) <= CONDITIONAL_PER_THOUSAND * thousand


def test_comments_give_reasons(whole):
    assert 100 * whole.comments >= COMMENTS_PER_HUNDRED * whole.code
