"""Ranges and lists of values, and the sentence for each that is none."""

import math

import pytest

from pdesolve.errors import UsageError
from pdesolve.sweeps.values import checked_values, label, parse_values, points_of


def test_a_range_has_the_ends_that_were_written():
    values = parse_values("k", "0.1:0.7:4:log")
    assert (values[0], values[-1]) == (0.1, 0.7)
    assert parse_values("k", "0:1:11")[3] == 0.3


def test_ratios_of_a_logarithmic_range_are_equal():
    values = parse_values("k", "-1:-1000:4:log")
    assert values == pytest.approx((-1, -10, -100, -1000), rel=1e-14)


def test_a_list_keeps_its_order():
    assert parse_values("k", "3, 1,2") == (3.0, 1.0, 2.0)


def test_points_are_all_combinations_with_the_last_constant_fastest():
    points = points_of({"k": (1.0, 2.0), "q": (0.0, 5.0)})
    assert [label(point) for point in points] == ["k=1,q=0", "k=1,q=5", "k=2,q=0", "k=2,q=5"]


def test_labels_tell_neighbouring_numbers_apart():
    assert label({"k": 0.1}) != label({"k": math.nextafter(0.1, 1)})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1:2", "expected k=0.1:10:9"),
        ("1:2:3:lin", "expected k=0.1:10:9"),
        ("1:2:x", "'x' is no number of values"),
        ("1:2:1", "'1' is no number of values"),
        ("1:2:-3", "'-3' is no number of values"),
        ("1:1:4", "is an empty range"),
        ("0:1:4:log", "cannot reach or pass zero"),
        ("-1:1:4:log", "cannot reach or pass zero"),
        ("a,b", "'a' is no finite number"),
        ("1,,2", "'' is no finite number"),
        ("1,1", "has the value 1 twice"),
        ("1,inf", "'inf' is no finite number"),
        ("nan:1:3", "'nan' is no finite number"),
    ],
)
def test_what_is_no_range_gets_a_sentence(text, sentence):
    with pytest.raises(UsageError, match=sentence):
        parse_values("k", text)


@pytest.mark.parametrize("values", ["12", None, [], [1, "a"], [[1, 2]]])
def test_what_are_no_numbers_gets_a_sentence(values):
    with pytest.raises(UsageError, match="k"):
        checked_values("k", values)


def test_too_many_points_and_none_are_refused():
    with pytest.raises(UsageError, match="1,000,000 points"):
        points_of({"a": tuple(map(float, range(1000))), "b": tuple(map(float, range(1000)))})
    with pytest.raises(UsageError, match="needs a constant to vary"):
        points_of({})
