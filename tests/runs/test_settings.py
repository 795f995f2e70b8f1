"""Settings that make no sense are refused in a sentence; sentences are worded for who reads them."""

from dataclasses import FrozenInstanceError, dataclass

import pytest

from pdesolve.cli.wording import as_option
from pdesolve.errors import UsageError
from pdesolve.methods import METHODS, GmnmSettings, Method, register
from pdesolve.runs.settings import Settings, setting
from pdesolve.runs.wording import named, worded_by


@pytest.mark.parametrize(
    ("method", "given", "sentence"),
    [
        ("gmnm", {"oder": 8}, "no setting 'oder'; its settings are .*; did you mean 'degree'?"),
        ("gmnm", {"degre": 8}, "did you mean 'degree'?"),
        ("gmnm", {"order": 8, "degree": 8}, "degree was given twice"),
        ("gmnm", {"maxunknowns": 8}, "did you mean 'max_unknowns'?"),
        ("gmnm", {"slab": 2}, "did you mean 'slabs'?"),
        ("pinn", {"epochs": 100}, "did you mean 'iterations'?"),
        ("pinn", {"optimizer": "lm"}, "did you mean 'optimiser'?"),
        ("network", {"lr": 1e-3}, "did you mean 'learning_rate'?"),
        ("gmnm", {"degree": 2.5}, "degree=2.5; expected a positive whole number"),
        ("gmnm", {"order": "8"}, "degree='8'; expected a positive whole number"),
        ("gmnm", {"cells": True}, "cells=True; expected a positive whole number"),
        ("gmnm", {"continuation": 3}, "continuation=3; expected a word"),
        ("network", {"learning_rate": float("nan")}, "learning_rate=nan; expected a positive number"),
        ("gmnm-trained", {"start": "circle"}, "start='circle'; expected grid or random"),
        ("pinn", {"lifting": "exact"}, "lifting='exact'; expected distance, or leave it out"),
    ],
)
def test_what_no_method_understands_is_refused(method, given, sentence):
    with pytest.raises(UsageError, match=sentence):
        METHODS[method].configured(given)


def test_a_name_that_is_like_none_gets_no_suggestion():
    with pytest.raises(UsageError, match=r"its settings are cells, .*, continuation$"):
        METHODS["gmnm"].configured({"viscosity": 1})


@pytest.mark.parametrize(
    ("given", "evolves", "from_data", "sentence"),
    [
        ({"slabs": 4}, False, False, "slabs are for evolutions"),
        ({"slabs": 4}, True, True, "on all times at once"),
        ({"continuation": "nu"}, True, False, "continuation is for steady problems"),
        ({"continuation": "nu"}, False, True, "does not go together with data="),
        ({"degree": 8, "max_degree": 6}, False, False, "max_degree=6 is below the first degree, 8"),
    ],
)
def test_what_a_problem_would_ignore_is_refused(given, evolves, from_data, sentence):
    with pytest.raises(UsageError, match=sentence):
        GmnmSettings.of("gmnm", given).require_applicable(evolves, from_data)


def test_a_former_name_is_understood():
    found = METHODS["gmnm"].configured({"order": 6, "max_order": 8})
    assert found.given == {"degree": 6, "max_degree": 8}


def test_what_applies_passes():
    GmnmSettings.of("gmnm", {"slabs": 4, "degree": 6}).require_applicable(True, False)


def test_settings_are_frozen_and_know_what_was_given():
    found = METHODS["gmnm"].configured({"cells": 3, "continuation": "nu"})
    assert found.given == {"cells": 3, "continuation": "nu"}
    assert found.of_discretisation == {"cells": 3}
    with pytest.raises(FrozenInstanceError):
        found.cells = 4


def test_a_method_from_outside_is_known_by_its_name(monkeypatch):
    monkeypatch.setattr("pdesolve.methods.METHODS", dict(METHODS))
    from pdesolve import methods

    mine = register(Method("mine", "a test", "nowhere:run", f"{__name__}:Mine"))
    assert methods.METHODS["mine"] is mine
    assert mine.settings == {"height": "of the tower"}


@dataclass(frozen=True)
class Mine(Settings):
    height: int | None = setting("of the tower")


def test_python_names_arguments_and_the_command_line_options():
    assert [named("tol"), named("max_degree"), named("method", "pinn")] == [
        "tol",
        "max_degree",
        "method='pinn'",
    ]
    with worded_by(as_option):
        assert [named("time_limit"), named("max_degree")] == ["--time-limit", "--set max_degree"]
        assert named("method", "pinn") == "--method pinn"
    assert named("time_limit") == "time_limit"
