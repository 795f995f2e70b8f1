"""The comparison of architectures: sizes are equal, data are what they say, a run is made once, verdicts are fair."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import architecture_data as data
import architecture_networks as networks
import architecture_pages as pages
import architectures

CONTENT = architectures.suite()
SHAPES = {"perceptron": (16, 16), "convolution": (40, 1), "recurrent": (32, 2), "attention": (16, 16)}


@pytest.mark.parametrize("architecture", networks.ARCHITECTURES)
def test_all_variants_have_the_same_size_and_take_each_sample_by_itself(architecture):
    shape = SHAPES[architecture]
    x = torch.randn(3, *shape)
    variants = networks.VARIANTS + networks.RELATIVES * (architecture == "perceptron")
    for variant in variants:
        model, _ = networks.network(architecture, variant, shape, 10, CONTENT["parameters"])
        assert networks.count(model) == pytest.approx(CONTENT["parameters"], rel=0.05), variant
        torch.testing.assert_close(model(x)[1:2], model(x[1:2]), msg=variant)


def test_every_gaussian_takes_part_in_every_gradient():
    model, _ = networks.network("attention", "block", (16, 2), 4, 3000)
    model(torch.randn(5, 16, 2)).square().mean().backward()
    assert all(float(p.grad.abs().sum()) > 0 for p in model.parameters())


def test_the_fourier_operator_does_not_mix_fields_and_sees_low_frequencies_only_beside_points():
    model = networks.FourierOperator()
    x = torch.randn(3, 16, 16)
    torch.testing.assert_close(model(x)[:1], model(x[:1]))
    assert model(x).shape == (3, 64)


def test_the_delayed_equation_is_integrated_to_fourth_order():
    coarse, middle, fine = (data._delayed(60, each=each)[-20:] for each in (4, 8, 16))
    order = math.log2(np.abs(coarse - middle).max() / np.abs(middle - fine).max())
    assert 3.3 < order < 4.7


def test_an_autoregression_continues_what_is_linear_and_naive_stands_still():
    t = torch.arange(900.0)
    series = torch.stack([torch.sin(0.21 * t), torch.cos(0.13 * t)], 1)
    task = data._forecast(series, 4, 600, lambda past: past)
    exact = task.errors(task.baselines["autoregression"])
    assert exact["error_1"] < 1e-3
    assert exact["error_16"] < 2e-2
    still = task.errors(task.baselines["naive"])
    # sin and cos with phases 0.21 and 0.13 a step: √(Σ (2 sin φ/2)²/2)
    expected = math.sqrt(2 - math.cos(0.21) - math.cos(0.13))
    assert still["error_1"] == pytest.approx(expected, rel=0.03)


def test_cubics_in_principal_components_find_a_cubic_map():
    generator = torch.Generator().manual_seed(0)
    inner = torch.randn(300, 4, generator=generator) * torch.tensor([4.0, 3.0, 2.0, 1.0])
    inner -= inner.mean(0)
    x = inner @ torch.linalg.qr(torch.randn(20, 4, generator=generator)).Q.T
    y = torch.stack([inner[:, 0] ** 3, inner[:, 1] * inner[:, 2] + inner[:, 3]], 1)
    fitted = data._cubic(x, y)(x)
    torch.testing.assert_close(fitted, y, rtol=1e-2, atol=1e-2)


def test_a_run_that_is_recorded_is_not_made_again(tmp_path, monkeypatch):
    x = torch.randn(40, 4, 1)
    task = data.Task(
        x,
        x.flatten(1)[:, :2],
        lambda answer, _=1: {"error": float((answer(x) - x.flatten(1)[:, :2]).norm())},
        {},
    )
    monkeypatch.setitem(data.TASKS, "toy", lambda _: task)
    content = {**CONTENT, "tasks": ["toy"], "architectures": ["perceptron"], "seeds": [0], "parameters": 300}
    content |= {"steps": 20, "batch": 10}
    target = tmp_path / "records.jsonl"
    for shard in (0, 1):
        architectures.measure(content, target, (shard, 2), quick=True)
    before = target.read_bytes()
    records = [json.loads(line) for line in before.splitlines()]
    assert len(records) == len(networks.VARIANTS + networks.RELATIVES)
    assert all(record["outcome"] == "finished" and len(record["history"]) == 4 for record in records)
    architectures.measure(content, target, (0, 1), quick=True)
    assert target.read_bytes() == before


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0.10, 0.11, 0.12), "wins"),
        ((0.30, 0.31, 0.32), "loses"),
        ((0.18, 0.20, 0.23), "ties"),
        ((0.10, 0.11, math.inf), "loses"),
        ((0.10,), "ties"),
    ],
)
def test_a_difference_counts_where_it_is_clear_and_a_failure_loses(values, expected):
    standard = pages.Cell((0.19, 0.20, 0.22), (1.0, 1.0, 1.0))
    assert pages.verdict(pages.Cell(values, (1.0,) * len(values)), standard) == expected


def test_what_is_missing_is_said_to_be_missing():
    record = {
        "task": "darcy",
        "architecture": "perceptron",
        "variant": "standard",
        "error": math.nan,
        "seconds": 1.0,
    }
    found = pages.cells([record], "darcy", "error")
    assert found["perceptron", "standard"].text == "∞"
    header, lines = pages.table(found, CONTENT)
    assert lines[0] == ("perceptron", "∞", *["not run"] * (len(header) - 2))


def test_the_page_is_that_of_the_records():
    page = (Path(__file__).parents[2] / "docs" / "architectures.md").read_text("utf-8")
    assert pages.text(architectures.read(architectures.RECORDS), CONTENT, pages.markdown) in page
