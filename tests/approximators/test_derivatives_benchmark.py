import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).parents[2] / "benchmarks" / "derivatives.py"
SPEC = importlib.util.spec_from_file_location("benchmark_derivatives", PATH)
BENCHMARK = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(BENCHMARK)


@pytest.mark.parametrize("case", BENCHMARK.cases(components=7), ids=lambda case: case.name)
def test_every_way_of_the_benchmark_gives_the_same_loss_and_gradient(case):
    seconds = BENCHMARK.measure(case, points=30, repeats=1, chunk=16)  # compares them before it measures
    assert seconds.keys() == BENCHMARK.WAYS.keys()
