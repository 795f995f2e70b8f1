"""The rules of the adaptive loop: numbers go in, a verdict comes out."""

from types import SimpleNamespace

import numpy as np
import pytest

from pdesolve.adaptive import rules
from pdesolve.adaptive.estimation import beyond
from pdesolve.adaptive.states import Verification
from pdesolve.adaptive.tuning import Tuning
from pdesolve.adaptive.verdicts import (
    Accept,
    By,
    DemandContinuity,
    Interrupt,
    NoSolution,
    Refine,
    Sharpen,
    Stop,
    TakeFiner,
    TakeHalved,
)

SOLVED = {
    "tol": 1e-6,
    "tuning": Tuning(),
    "limit": None,
    "converged": True,
    "predicted": 1e-7,
    "residual": 1e-3,
    "residual_goal": np.inf,
    "at_rounding": False,
    "lacks_continuity": False,
    "missed": np.zeros(4, dtype=bool),
    "finest": False,
    "why_finest": "small",
    "from_data": False,
    "expected": np.inf,
}
VERIFIED = {
    "tol": 1e-6,
    "tuning": Tuning(),
    "limit": None,
    "converged": True,
    "finer_converged": True,
    "residual": 1e-3,
    "finer_residual": 1e-4,
    "finer_at_rounding": False,
    "worst": 1e-7,
    "has_verdict": True,
    "shared": 0.01,
    "doubtful": False,
    "sharp": False,
    "from_data": False,
    "free": None,
    "free_or_coarse": False,
    "exhausted": False,
    "degrees_helped": 0.5,
}
HALVED = {
    "tuning": Tuning(),
    "linear": True,
    "residual": 1e-3,
    "halved_residual": 5e-4,
    "left": 1e-3,
    "left_before": 2e-3,
    "rough": 0.0,
    "why_stalled": "stalled",
}
OPEN = "not determined"

# rule, what differs from a good state, verdict
CASES = [
    (rules.limit_before_verification, {"limit": "no time"}, Interrupt("no time")),
    (rules.limit_before_verification, {}, None),
    (rules.truncated, {"predicted": 2e-6}, Refine(By.DECAY)),
    (rules.truncated, {"predicted": 1e-6}, None),
    (rules.truncated, {"predicted": np.inf}, None),
    (rules.truncated, {"predicted": 2e-6, "finest": True}, None),
    (rules.residual_too_large, {"residual_goal": 5e-4}, Refine(By.RESIDUAL)),
    (rules.residual_too_large, {"residual_goal": 5e-4, "at_rounding": True}, None),
    (rules.residual_too_large, {"residual_goal": 5e-4, "finest": True}, None),
    (rules.residual_too_large, {}, None),
    (rules.continuity_overlooked, {"lacks_continuity": True}, DemandContinuity()),
    (rules.continuity_overlooked, {"lacks_continuity": True, "converged": False}, None),
    (rules.equation_overlooked, {"missed": np.eye(4, dtype=bool)[0]}, Refine(By.UNSEEN)),
    (rules.equation_overlooked, {"missed": np.eye(4, dtype=bool)[0], "finest": True}, Interrupt("small")),
    (rules.equation_overlooked, {}, None),
    (rules.doubtful_before, {"expected": 1e-6}, Sharpen()),
    (rules.doubtful_before, {"expected": 2e-6}, None),
    (rules.doubtful_before, {"expected": 1e-6, "converged": False}, None),
    (rules.doubtful_before, {"expected": 1e-6, "from_data": True}, None),
    (rules.doubtful_before, {}, None),
    (rules.doubtful, {"doubtful": True}, Sharpen()),
    (rules.doubtful, {"doubtful": True, "sharp": True}, None),
    (rules.doubtful, {"doubtful": True, "from_data": True}, None),
    (rules.doubtful, {"doubtful": True, "worst": 1e-3}, None),
    (rules.doubtful, {}, None),
    (rules.free_or_coarse, {"free_or_coarse": True}, TakeFiner()),
    (rules.free_or_coarse, {"free_or_coarse": True, "limit": "time"}, None),
    (rules.undetermined_without_estimate, {"has_verdict": False, "free": OPEN}, Stop(OPEN)),
    (rules.undetermined_without_estimate, {"free": OPEN}, None),
    (rules.undetermined_at_rounding, {"finer_at_rounding": True, "free": OPEN}, Stop(OPEN)),
    (rules.undetermined_at_rounding, {"free": OPEN}, None),
    (rules.within_tolerance, {}, Accept(None)),
    (rules.within_tolerance, {"free": OPEN}, Accept(OPEN)),
    (rules.within_tolerance, {"worst": 2e-6}, None),
    (rules.within_tolerance, {"worst": np.nan}, None),
    (rules.within_tolerance, {"converged": False}, None),
    (rules.limit_after_verification, {"limit": "no time"}, Stop("stopped early: no time")),
    (rules.nothing_converges, {"converged": False, "finer_converged": False}, None),
    (
        rules.nothing_converges,
        {"converged": False, "finer_converged": False, "finer_residual": 1e-3},
        NoSolution(1e-3),
    ),
    (rules.surprised, {"finer_residual": 3e-3}, TakeFiner()),
    (rules.surprised, {"finer_residual": 3e-3, "finer_at_rounding": True}, None),
    (rules.gauss_newton_is_on_its_way, {"converged": False}, TakeFiner()),
    (rules.gauss_newton_is_on_its_way, {}, None),
    (rules.degrees_help, {}, TakeFiner()),
    (rules.degrees_help, {"exhausted": True}, None),
    (rules.degrees_help, {"finer_residual": 9e-4}, None),
    (rules.contradicted, {"left": 0.5, "left_before": 0.5}, Stop("stalled")),
    (rules.contradicted, {"left": 0.5, "left_before": 0.5, "linear": False}, NoSolution(5e-4)),
    (rules.contradicted, {"left": 0.5, "left_before": 0.9}, None),
    (rules.contradicted, {"left": 0.5, "left_before": 0.5, "rough": 0.3}, None),
    (rules.contradicted, {}, None),
    (rules.halving_helps, {}, TakeHalved()),
    (rules.halving_helps, {"halved_residual": 1e-3}, None),
]


def good(rule):
    if rule in rules.BEFORE_VERIFICATION:
        return SOLVED
    return VERIFIED if rule in rules.AFTER_VERIFICATION else HALVED


@pytest.mark.parametrize(("rule", "differs", "verdict"), CASES)
def test_a_rule(rule, differs, verdict):
    assert rule(SimpleNamespace(**{**good(rule), **differs})) == verdict


def test_every_rule_is_tested_where_it_speaks():
    spoken = {rule for rule, _, verdict in CASES if verdict is not None}
    assert spoken == {*rules.BEFORE_VERIFICATION, *rules.AFTER_VERIFICATION, *rules.AFTER_HALVING}


@pytest.mark.parametrize("sigma", [0.01, 0.3, 0.6])
def test_what_a_sharper_look_is_likely_to_say(sigma):
    """The difference d over 1 - σ, where the pair itself says d over 1 - √σ."""
    found = np.array([1e-3, 2e-3])
    tried = Verification(None, None, beyond(found, sigma))
    tried.__dict__["shared"] = sigma
    assert tried.likely == pytest.approx(beyond(found, sigma, sharp=True).max())
