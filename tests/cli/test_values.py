import pytest

from pdesolve.cli.values import duration, parse_setting, short


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("-2", -2), ("1e-4", 1e-4), ("0.5", 0.5), ("true", True), ("False", False), ("tanh", "tanh")],
)
def test_settings_are_numbers_truth_values_or_text(text, value):
    found = parse_setting(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e-8, "1e-8"), (3.21e-10, "3.2e-10"), (0.5, "0.5"), (0.0, "0"), (123.4, "123"), (1e6, "1e6")],
)
def test_numbers_are_short(value, text):
    assert short(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.414, "0.41 s"), (12.34, "12.3 s"), (125, "2 min 5 s"), (3725, "1 h 2 min")]
)
def test_durations_are_read_as_spoken(seconds, text):
    assert duration(seconds) == text
