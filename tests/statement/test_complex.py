"""Complex unknowns are notation: the same numbers as with two real ones, and sentences where they do not fit."""

import cmath
import math

import numpy as np
import pytest
import torch
from torch import exp

from pdesolve import (
    Complex,
    Condition,
    Dirichlet,
    Field,
    Initial,
    Integral,
    Interval,
    Neumann,
    Observation,
    Periodic,
    Problem,
    ProblemError,
    Rectangle,
    Robin,
    Solution,
    TimeInterval,
    check,
    div,
    dot,
    export,
    grad,
    laplace,
    normal_derivative,
    plot,
    solve,
)
from pdesolve.statement.frame import Frame

SQUARE = Rectangle((0, 0), (1, 1))
A, B = math.cos(0.5), math.sin(0.5)


def wave(x, y, k):
    return exp(1j * k * (A * x + B * y))


def helmholtz(u: Complex, k):
    return laplace(u) + k**2 * u


def absorbing(u, x, y, n, k):
    return normal_derivative(u) - 1j * k * u - 1j * k * (A * n.x + B * n.y - 1) * wave(x, y, k)


def statement(**changes):
    stated = {
        "conditions": [Condition(absorbing, on=SQUARE.boundary)],
        "constants": {"k": 5.0},
        "exact": wave,
    }
    return Problem(SQUARE, helmholtz, **{**stated, **changes})


def by_parts():
    def equation(u_re, u_im, k):
        return laplace(u_re) + k**2 * u_re, laplace(u_im) + k**2 * u_im

    def condition(u_re, u_im, x, y, n, k):
        incoming = 1j * k * (A * n.x + B * n.y - 1) * wave(x, y, k)
        return (
            normal_derivative(u_re) + k * u_im - incoming.real,
            normal_derivative(u_im) - k * u_re - incoming.imag,
        )

    exact = {"u_re": lambda x, y, k: wave(x, y, k).real, "u_im": lambda x, y, k: wave(x, y, k).imag}
    return Problem(
        SQUARE, equation, [Condition(condition, on=SQUARE.boundary)], exact=exact, constants={"k": 5.0}
    )


@pytest.fixture(scope="module")
def solved():
    return solve(
        statement(outputs={"power": lambda u: (u.conj() * grad(u)).imag, "square": lambda u: u**2}), tol=1e-9
    )


def fields():
    """A frame, and a complex field in it whose values and derivatives are known."""
    points = torch.rand(7, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    frame = Frame(("x", "y"), points, depth=2)
    x, y = frame.coordinates.values()
    return frame, Complex(Field(x**2 * y, frame), Field(x + y**3, frame)), x, y


def tensor(u):
    """The complex numbers (n,) of a field."""
    if isinstance(u, Complex):
        return torch.complex(tensor(u.real), tensor(u.imag))
    return u.tensor if isinstance(u, Field) else u


def test_arithmetic_is_that_of_complex_numbers():
    frame, u, x, _ = fields()
    c = torch.complex(x, 1 - x).detach()
    v = tensor(u).detach()
    with frame:
        for found, expected in (
            (u + 2j, v + 2j),
            (2j - u, 2j - v),
            (u * (1 + 2j), v * (1 + 2j)),
            (1j * u, 1j * v),
            (c * u, c * v),
            (u * c, v * c),
            (c - u, c - v),
            (u / c, v / c),
            (c / u, c / v),
            (u / (2 - 1j), v / (2 - 1j)),
            (u / 2, v / 2),
            (1 / u, 1 / v),
            (u * u.conj(), v * v.conj()),
            (u**3, v**3),
            (u**0.5, v**0.5),
            (u.real * u, v.real * v),
            (u * u.real - u, v * v.real - v),
            (u.real * 1j, v.real * 1j),
            (u.real - 2j, v.real - 2j),
            (c * u.real, c * v.real),
            (np.complex128(2j) * u, 2j * v),
            (abs(u), v.abs()),
            (abs(u) ** 2, v.abs() ** 2),
            (abs(u) ** 4, v.abs() ** 4),
            (exp(u), v.exp()),
            (u.sin(), v.sin()),
            (torch.angle(u), v.angle()),
            (torch.where(x > 0.5, u, 2 * u), torch.where(x > 0.5, v, 2 * v)),
            (-u, -v),
        ):
            assert torch.allclose(tensor(found), expected, rtol=1e-13, atol=1e-14)


def test_derivatives_are_those_of_the_parts_and_products_obey_leibniz():
    frame, u, x, y = fields()
    wave_of_x = torch.exp(3j * x)
    with frame:
        assert torch.allclose(tensor(u.x), torch.complex(2 * x * y, torch.ones_like(x)))
        assert torch.allclose(tensor(laplace(u)), torch.complex(2 * y, 6 * y))
        assert torch.allclose(tensor((wave_of_x * u).x), wave_of_x * (3j * tensor(u) + tensor(u.x)))
        assert torch.allclose(tensor(exp(u).x), tensor(exp(u) * u.x))
        assert torch.allclose(tensor((abs(u) ** 2).x), tensor(2 * (u.conj() * u.x).real))
        assert torch.allclose(tensor(div(u * grad(u))), tensor(dot(grad(u), grad(u)) + u * laplace(u)))
        assert torch.allclose(tensor(grad(u).norm()), tensor(abs(u.x) ** 2 + abs(u.y) ** 2).sqrt())


def test_the_square_of_the_modulus_has_derivatives_where_it_vanishes():
    frame = Frame(("x", "y"), torch.zeros(1, 2, dtype=torch.float64), depth=1)
    x, y = frame.coordinates.values()
    with frame:
        u = Complex(Field(x, frame), Field(y, frame))
        assert tensor((abs(u) ** 2 * u).x).abs().item() == 0.0


def test_a_plane_wave_is_exact_and_the_same_bits_as_its_two_real_parts(solved):
    parts = solve(by_parts(), tol=1e-9)
    assert solved.unknowns == ("u_re", "u_im")
    assert solved.converged
    assert solved.relative_l2_error() < 1e-10
    assert 1 / 3 < solved.estimated_error / solved.relative_l2_error() < 3
    real, imag = parts(0.3, 0.4).values()
    assert solved(0.3, 0.4) == complex(real, imag)
    assert abs(solved(0.3, 0.4) - cmath.exp(5j * (0.3 * A + 0.4 * B))) < 1e-10


def test_values_derivatives_and_quantities_are_complex(solved, tmp_path):
    x, y = np.array([0.1, 0.9]), np.array([0.2, 0.3])
    u = np.exp(5j * (A * x + B * y))
    assert np.allclose(solved(x, y), u, rtol=1e-10)
    assert solved(torch.tensor(x), torch.tensor(y)).is_complex()
    assert np.allclose(solved.derivative("x")(x, y), 5j * A * u, rtol=1e-8)
    assert np.allclose(solved.output("square")(x, y), u**2, rtol=1e-10)
    assert np.allclose(solved.output("power")(0.1, 0.2), (5 * A, 5 * B), rtol=1e-8)
    mean = (cmath.exp(5j * A) - 1) / (5j * A) * (cmath.exp(5j * B) - 1) / (5j * B)
    assert abs(complex(solved.integral("u")) - mean) < 1e-12
    assert abs(solved.integral(lambda u: abs(u) ** 2) - 1) < 1e-12
    assert {"u_re", "u_im", "square_re", "square_im"} <= set(solved.line((0, 0), (1, 1), 3))
    solved.save(tmp_path / "run")
    assert Solution.load(tmp_path / "run", solved.problem)(0.3, 0.4) == solved(0.3, 0.4)


def test_files_and_pictures_hold_parts_modulus_and_phase(solved, tmp_path):
    meshio = pytest.importorskip("meshio")
    export(solved, tmp_path / "u.vtu", points=200)
    data = meshio.read(tmp_path / "u.vtu").point_data
    whole = data["u_re"] + 1j * data["u_im"]
    assert np.allclose(data["u_abs"] * np.exp(1j * data["u_phase"]), whole)
    assert np.allclose(data["u_abs"], 1)
    assert plot(solved, tmp_path / "u.png", points=200).exists()


def test_conditions_on_one_part_each_or_on_both(solved):
    def from_right(x, y, k):
        return 1j * k * (A - 1) * wave(x, y, k)

    whole = statement(
        conditions=[
            Dirichlet(wave, on=SQUARE.left | SQUARE.bottom),
            Robin(lambda k: -1j * k, from_right, on=SQUARE.right),
            Neumann(lambda x, y, k: 1j * k * B * wave(x, y, k), on=SQUARE.top),
        ]
    )
    assert check(whole).ok
    assert [term.kind for term in whole.terms] == [
        "equation",
        *["dirichlet"] * 2,
        "condition",
        *["neumann"] * 2,
    ]
    found = solve(whole, tol=1e-7)
    assert found.relative_l2_error() < 1e-7
    assert abs(found(0.3, 0.4) - solved(0.3, 0.4)) < 1e-6


def test_an_evolution_marches_in_complex_numbers():
    def schroedinger(u: Complex):
        return 1j * u.t + u.xx

    domain = Interval(0, 2 * math.pi) * TimeInterval(0, 0.5)
    found = solve(
        Problem(
            domain,
            schroedinger,
            [Initial(lambda x: exp(2j * x)), Periodic("x")],
            exact=lambda x, t: exp(2j * x - 4j * t),
        ),
        tol=1e-6,
    )
    assert found.converged
    assert found.relative_l2_error() < 1e-6
    assert abs(found.at(0.5)(1.0) - cmath.exp(0j)) < 1e-5
    assert abs(found.integral(lambda u: abs(u) ** 2, time=0.5) - 2 * math.pi) < 1e-5


def test_a_nonlinear_equation_begins_where_it_vanishes():
    def cubic(u: Complex, x):
        return u.xx + abs(u) ** 2 * u + (1 - 1) * exp(1j * x)

    line = Interval(0, 1)
    exact = {"u": lambda x: exp(1j * x)}
    found = solve(
        Problem(line, cubic, [Dirichlet(lambda x: exp(1j * x), on=line.boundary)], exact=exact), tol=1e-8
    )
    assert found.relative_l2_error() < 1e-8


def test_what_does_not_fit_is_a_sentence():
    def real(u):
        return laplace(u)

    everywhere = SQUARE.boundary
    for build, sentence in (
        (lambda: Problem(SQUARE, real, [Dirichlet(1j, on=everywhere)]), "u: Complex"),
        (lambda: Problem(SQUARE, real, [Robin(1j, 0, on=everywhere)]), "u: Complex"),
        (lambda: Problem(SQUARE, real, [], exact=1j), "real unknown"),
        (lambda: statement(conditions=[Dirichlet((1, 2), on=everywhere)]), "expected a complex number"),
        (lambda: statement(conditions=[Dirichlet(0, on=everywhere, along="normal")]), "is no vector"),
    ):
        with pytest.raises(ProblemError, match=sentence):
            build()
    for problem, sentence in (
        (Problem(SQUARE, lambda u: 1j * laplace(u), [Dirichlet(0, on=everywhere)]), "its unknowns are real"),
        (Problem(SQUARE, real, [Dirichlet(lambda x: 1j * x, on=everywhere)]), "u: Complex"),
        (statement(outputs={"slope": lambda u: grad(u)}), "v.real"),
    ):
        assert any(sentence in error for error in check(problem).errors), sentence


def test_what_cannot_be_asked_of_a_complex_field_is_a_sentence():
    frame, u, _, _ = fields()
    with frame:
        for wrong, sentence in (
            (lambda: bool(u), "truth value"),
            (lambda: u > 0, "not ordered"),
            (lambda: complex(u), "one value per point"),
            (lambda: u.zz, "no derivative 'zz'"),
            (lambda: 0j * u, "leave that term out"),
        ):
            with pytest.raises((ProblemError, AttributeError), match=sentence):
                wrong()


def test_observations_and_integrals_of_a_complex_field_are_those_of_its_parts():
    problem = statement(
        conditions=[Integral(1 + 2j)],
        data=[Observation([[0.5, 0.5]], [1 + 2j], unknown="u", sigma=0.1)],
        exact=None,
    )
    assert [(one.unknown, one.value) for one in problem.integrals] == [("u_re", 1.0), ("u_im", 2.0)]
    assert [(one.unknown, float(one.arrays[1])) for one in problem.data] == [("u_re", 1.0), ("u_im", 2.0)]
