"""What sweeps, branches and surrogates cannot begin with gets a sentence before the first solve."""

import math

import numpy as np
import pytest
from torch import pi, sin

from pdesolve import (
    Dirichlet,
    Eigenvalues,
    Initial,
    Interval,
    Problem,
    ProblemError,
    TimeInterval,
    UsageError,
    build_surrogate,
    follow_branch,
    sweep,
)

LINE = Interval(0, 1)
FIXED = Dirichlet(0, on=LINE.boundary)
PULLED = Problem(LINE, lambda u, k: -u.xx - k, [FIXED], constants={"k": 1.0})
COOLING = Problem(
    LINE * TimeInterval(0, 1),
    lambda u, k: u.t - k * u.xx,
    [Initial(lambda x: sin(pi * x)), FIXED],
    constants={"k": 1.0},
)
TONES = Problem(
    LINE, lambda u, lam, k: -k * u.xx - lam * u, [FIXED], constants={"k": 1.0}, eigenvalues=Eigenvalues("lam")
)
SOUGHT = Problem(LINE, lambda u, k, a: -u.xx - k * a, [FIXED], constants={"k": 1.0}, parameters={"a": 1.0})
CUBIC = Problem(LINE, lambda u, k: -u.xx + k * u**3 - 1, [FIXED], constants={"k": 1.0})


@pytest.mark.parametrize(
    ("begin", "sentence"),
    [
        (lambda: sweep(PULLED, kk=[1.0]), "did you mean 'k'"),
        (lambda: sweep(PULLED), "needs a constant to vary"),
        (lambda: sweep(PULLED, k=[]), "has no values"),
        (lambda: sweep(PULLED, k="a"), "expected numbers"),
        (lambda: sweep(PULLED, k=[True]), "holds what is no number"),
        (lambda: sweep(PULLED, k=["1"]), "holds what is no number"),
        (lambda: sweep(PULLED, k=np.ones((2, 2))), "holds what is no number"),
        (lambda: sweep(PULLED, k=[1.0, 1.0]), "twice"),
        (lambda: sweep(PULLED, k=[math.inf]), "expected finite numbers"),
        (lambda: sweep(PULLED, k=range(10**9)), "more than 10,000 values"),
        (lambda: sweep(PULLED, [1.0]), "params="),
        (lambda: sweep(PULLED, {"k": [1.0]}, k=[2.0]), "give its values once"),
        (lambda: sweep(PULLED, k=[1.0], settings=["degree"]), "settings="),
        (lambda: sweep(PULLED, k=[1.0], resume=True), "give that, too"),
        (lambda: sweep(PULLED, k=[1.0], resume=True, force=True, out="new"), "give one"),
        (lambda: sweep(PULLED, k=[1.0], out=__file__), "expected a directory"),
        (lambda: sweep(PULLED, k=[1.0], out=3), "expected a directory"),
        (lambda: sweep(3, k=[1.0]), "expected a Problem"),
        (lambda: sweep(TONES, lam=[1.0]), "constants of this problem are: k"),
        (lambda: follow_branch(PULLED, "kk", 1, 2), "did you mean 'k'"),
        (lambda: follow_branch(PULLED, 3, 1, 2), "no constant"),
        (lambda: follow_branch(PULLED, "k", "a", 2), "two finite values"),
        (lambda: follow_branch(PULLED, "k", 1, 1), "two finite values"),
        (lambda: follow_branch(PULLED, "k", 1, 2, points=2.5), "expected a whole number"),
        (lambda: follow_branch(PULLED, "k", 1, 2, tol="fine"), "tol='fine'"),
        (lambda: follow_branch(PULLED, "k", 1, 2, time_limit=-1), "time_limit=-1"),
        (lambda: follow_branch(COOLING, "k", 1, 2), "evolves in time"),
        (lambda: follow_branch(TONES, "k", 1, 2), "asks for eigenvalues"),
        (lambda: follow_branch(None, "k", 1, 2), "expected a Problem"),
        (lambda: build_surrogate(PULLED, {"kk": (1, 2)}), "did you mean 'k'"),
        (lambda: build_surrogate(PULLED, {"radius": (1, 2)}), "all but the shape of the domain"),
        (lambda: build_surrogate(PULLED, {}), "needs a constant"),
        (lambda: build_surrogate(PULLED, None), "over=None"),
        (lambda: build_surrogate(PULLED, ["k"]), r"over=\['k'\]"),
        (lambda: build_surrogate(PULLED, {3: (1, 2)}), "no constant"),
        (lambda: build_surrogate(PULLED, {"k": "12"}), "two finite ends"),
        (lambda: build_surrogate(PULLED, {"k": 3}), "two finite ends"),
        (lambda: build_surrogate(PULLED, {"k": (None, 2)}), "two finite ends"),
        (lambda: build_surrogate(PULLED, {"k": (True, False)}), "two finite ends"),
        (lambda: build_surrogate(PULLED, {"k": (1, 2)}, tol=0), "tol=0"),
        (lambda: build_surrogate(PULLED, {"k": (1, 2)}, time_limit=math.nan), "time_limit=nan"),
        (lambda: build_surrogate(COOLING, {"k": (1, 2)}), "evolves in time"),
        (lambda: build_surrogate(TONES, {"k": (1, 2)}), "asks for eigenvalues"),
        (lambda: build_surrogate(SOUGHT, {"k": (1, 2)}), "identify what is unknown first"),
        (lambda: build_surrogate(CUBIC, {"k": (1, 2)}), "linear or quadratic"),
        (lambda: build_surrogate(3, {"k": (1, 2)}), "expected a Problem"),
    ],
)
def test_what_cannot_be_begun_is_a_sentence(begin, sentence):
    with pytest.raises((UsageError, ProblemError), match=sentence):
        begin()
