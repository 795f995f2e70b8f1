"""Fields against sympy and nested autodiff; the notation and its sentences."""

import math
import random

import numpy as np
import pytest
import sympy
import torch

from pdesolve import curl, div, grad, laplace, normal_derivative, vector
from pdesolve.errors import ProblemError
from pdesolve.statement.calculus import Field, Frame, multi_indices

X, Y = sympy.symbols("x y")
SMOOTH = sympy.exp(X / 2) * sympy.sin(2 * Y + X) + X**3 * Y  # stands for u
OTHER = sympy.cos(X * Y) + X  # stands for v
POINTS = torch.rand(7, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.1
EPSILON = torch.finfo(torch.float64).eps


def numbers(expression, points=POINTS):
    """A sympy expression at points, (n,)."""
    values = sympy.lambdify((X, Y), expression, "numpy")(*points.numpy().T)
    return torch.as_tensor(np.broadcast_to(np.asarray(values, dtype=float), len(points)).copy())


def frame_of(depth, unknowns=None, names=("x", "y"), points=POINTS, normals=None):
    """A frame whose jets are the derivatives of given sympy expressions in `names`."""
    known = unknowns or {"u": SMOOTH, "v": OTHER}
    symbols = sympy.symbols(names)

    def jet(name, index):
        derivative = known[name]
        for symbol, order in zip(symbols, index, strict=True):
            derivative = sympy.diff(derivative, symbol, order)
        values = sympy.lambdify(symbols, derivative, "numpy")(*points.numpy().T)
        return torch.as_tensor(np.broadcast_to(np.asarray(values, dtype=float), len(points)).copy())

    return Frame(names, points, jet, depth, normals)


def evaluate(function, depth=4, **given):
    """function(u, v, x, y) or of any names, as a tensor."""
    frame = frame_of(depth, **given)
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    with frame:
        known = frame.arguments()
        result = function(*(known[n] if n in known else frame.unknown(n) for n in names))
    return result.tensor.detach() if isinstance(result, Field) else result


def close(found, expected, factor=1e4):
    scale = max(1.0, float(expected.abs().max()))
    return float((found - expected).abs().max()) <= factor * EPSILON * scale


# ---------------------------------------------------------------- random expressions


class Both:
    """One expression twice: as a function of fields, and in sympy."""

    def __init__(self, field, formula, order):
        self.field, self.formula, self.order = field, formula, order


def leaf(rng):
    name, formula = rng.choice([("u", SMOOTH), ("v", OTHER)])
    subscripts = "".join(rng.choice("xy") for _ in range(rng.randint(0, 2)))

    def field(known):
        return getattr(known[name], subscripts) if subscripts else known[name]

    return Both(field, d(formula, subscripts), 0)


def coefficient(rng):
    symbol = rng.choice("xy")
    return Both(lambda known: 1 + known[symbol] ** 2, 1 + sympy.Symbol(symbol) ** 2, 0)


def random_tree(rng, size):
    """A random expression; at most four derivatives of expressions are nested."""
    if size <= 1:
        return rng.choice([leaf, leaf, coefficient])(rng)
    kind = rng.choice(["add", "sub", "mul", "div", "sin", "exp", "sqrt", "power", "scale", *["diff"] * 5])
    a = random_tree(rng, size - 1)
    if kind in ("add", "sub", "mul", "div"):
        b = random_tree(rng, rng.randint(1, size - 1))
        order = max(a.order, b.order)
        return {
            "add": lambda: Both(lambda k: a.field(k) + b.field(k), a.formula + b.formula, order),
            "sub": lambda: Both(lambda k: a.field(k) - b.field(k), a.formula - b.formula, order),
            "mul": lambda: Both(lambda k: a.field(k) * b.field(k), a.formula * b.formula, order),
            "div": lambda: Both(
                lambda k: a.field(k) / (2 + b.field(k) ** 2), a.formula / (2 + b.formula**2), order
            ),
        }[kind]()
    if kind == "diff" and a.order < 4:
        axis = rng.choice("xy")

        def derivative(known):
            inner = a.field(known)
            if isinstance(inner, torch.Tensor):  # a coefficient: grad knows what to do with it
                return getattr(grad(inner), axis)
            return inner.derivative(axis)

        return Both(derivative, sympy.diff(a.formula, sympy.Symbol(axis)), a.order + 1)
    return {
        "sin": lambda: Both(lambda k: torch.sin(a.field(k)), sympy.sin(a.formula), a.order),
        "exp": lambda: Both(lambda k: torch.exp(-(a.field(k) ** 2)), sympy.exp(-(a.formula**2)), a.order),
        "sqrt": lambda: Both(lambda k: (1 + a.field(k) ** 2).sqrt(), sympy.sqrt(1 + a.formula**2), a.order),
        "power": lambda: Both(lambda k: a.field(k) ** 3, a.formula**3, a.order),
    }.get(kind, lambda: Both(lambda k: 3 - a.field(k) / 2, 3 - a.formula / 2, a.order))()


@pytest.mark.parametrize("seed", range(20))
def test_random_expressions_agree_with_sympy(seed):
    tree = random_tree(random.Random(seed), 7)
    frame = frame_of(tree.order)
    with frame:
        known = {**frame.arguments(), "u": frame.unknown("u"), "v": frame.unknown("v")}
        found = tree.field(known)
    found = (found.tensor if isinstance(found, Field) else found).detach()
    assert frame.deepest <= tree.order
    assert close(found, numbers(tree.formula), 1e7)


def d(expression, names):
    for name in names:
        expression = sympy.diff(expression, sympy.Symbol(name))
    return expression


COMPOSITE = {
    "divergence form": (
        lambda u, x, y: div((1 + x * y) * grad(u)),
        d((1 + X * Y) * d(SMOOTH, "x"), "x") + d((1 + X * Y) * d(SMOOTH, "y"), "y"),
    ),
    "nonlinear flux": (lambda u: ((1 + u**2) * u.x).x, d((1 + SMOOTH**2) * d(SMOOTH, "x"), "x")),
    "fourth order": (
        lambda u, x: (torch.exp(x) * (x * u.x).x).xx,
        d(sympy.exp(X) * d(X * d(SMOOTH, "x"), "x"), "xx"),
    ),
    "third of a product": (lambda u, v: (u * v).xyx, d(SMOOTH * OTHER, "xyx")),
    "fourth of a sine": (lambda u: torch.sin(u).xyxy, d(sympy.sin(SMOOTH), "xxyy")),
    "biharmonic": (
        lambda u: laplace(laplace(u)),
        d(SMOOTH, "xxxx") + 2 * d(SMOOTH, "xxyy") + d(SMOOTH, "yyyy"),
    ),
    "biharmonic of a square": (
        lambda u: laplace(laplace(u**2)),
        d(SMOOTH**2, "xxxx") + 2 * d(SMOOTH**2, "xxyy") + d(SMOOTH**2, "yyyy"),
    ),
    "plain tensors": (
        lambda u, x, y: grad(x**2 * y) @ grad(u) + div(vector(x * y, y**2)),
        2 * X * Y * d(SMOOTH, "x") + X**2 * d(SMOOTH, "y") + 3 * Y,
    ),
    "curl of a vector": (lambda u, v: curl(vector(u, v)), d(OTHER, "x") - d(SMOOTH, "y")),
    "curl of a scalar": (lambda u: curl(u)[1], -d(SMOOTH, "x")),
    "length of the gradient": (
        lambda u: grad(u).norm(),
        sympy.sqrt(d(SMOOTH, "x") ** 2 + d(SMOOTH, "y") ** 2),
    ),
    "vector laplacian": (lambda u, v: laplace(vector(u, v)).y, d(OTHER, "xx") + d(OTHER, "yy")),
    "tensor times vector": (lambda u, x: (x * grad(u)).y, X * d(SMOOTH, "y")),
    "vector times field": (lambda u, v: (grad(u) * v + v * grad(u) / 2).x, 1.5 * OTHER * d(SMOOTH, "x")),
    "vector sums": (lambda u, v: div(grad(u) - 2.0 * grad(v) + 3.0 * grad(u)), None),
    "a number on the left": (lambda u: 2.0 - 3.0 * u.x, 2 - 3 * d(SMOOTH, "x")),
    "a combination that cancels": (lambda u, v: (u + v - u).x, d(OTHER, "x")),
    "division by a number": (lambda u: (u.x / 4).y, d(SMOOTH, "xy") / 4),
}
COMPOSITE["vector sums"] = (
    COMPOSITE["vector sums"][0],
    4 * (d(SMOOTH, "xx") + d(SMOOTH, "yy")) - 2 * (d(OTHER, "xx") + d(OTHER, "yy")),
)


@pytest.mark.parametrize("name", COMPOSITE)
def test_composite_derivatives_agree_with_sympy(name):
    function, formula = COMPOSITE[name]
    assert close(evaluate(function), numbers(formula), 1e6)


def test_fields_agree_with_nested_autodiff():
    def function(x, y):
        return torch.tanh(x * y) * torch.exp(-x)

    x, y = (c.clone().requires_grad_() for c in POINTS.unbind(1))

    def nested(value, axes):
        for axis in axes:
            (value,) = torch.autograd.grad(value.sum(), axis, create_graph=True)
        return value

    u = function(x, y)
    expected = nested((1 + u**2) * nested(u, [x, y]), [x, x])
    jets = {a: nested(u, [x] * a[0] + [y] * a[1]).detach() for a in multi_indices(2, 4) if sum(a)}
    jets[0, 0] = u.detach()
    frame = Frame(("x", "y"), POINTS, lambda _, index: jets[index], depth=2)
    with frame:
        w = frame.unknown("u")
        found = ((1 + w**2) * w.xy).xx.tensor
    assert close(found.detach(), expected.detach(), 1e4)


def test_branches_of_where_keep_their_own_derivatives():
    found = evaluate(lambda u, v, x: torch.where(x > 0.6, u * v, u).x)
    right, left = numbers(d(SMOOTH * OTHER, "x")), numbers(d(SMOOTH, "x"))
    assert close(found, torch.where(POINTS[:, 0] > 0.6, right, left))
    assert (POINTS[:, 0] > 0.6).any()
    assert (POINTS[:, 0] <= 0.6).any()


Z = sympy.Symbol("z")
SPACE = {"u": sympy.sin(X * Y) * Z, "v": X * Z**2 + Y, "w": sympy.exp(X) * Y * Z}
SOLID = torch.rand(5, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize(
    "identity",
    [lambda u: curl(u * grad(u))[1], lambda u, v, w: div(curl(vector(u * v, v, u * w)))],
    ids=["curl of a gradient", "divergence of a curl"],
)
def test_vector_identities_in_space(identity):
    found = evaluate(identity, unknowns=SPACE, names=("x", "y", "z"), points=SOLID)
    assert close(found, torch.zeros(5, dtype=torch.float64))


def test_curl_in_space_agrees_with_its_definition():
    found = evaluate(
        lambda u, v, w: torch.stack([c.tensor.detach() for c in curl(vector(u, v, w))]),
        unknowns=SPACE,
        names=("x", "y", "z"),
        points=SOLID,
    )
    u, v, w = SPACE.values()
    formulas = (w.diff(Y) - v.diff(Z), u.diff(Z) - w.diff(X), v.diff(X) - u.diff(Y))
    for component, formula in zip(found, formulas, strict=True):
        assert close(component, torch.as_tensor(sympy.lambdify((X, Y, Z), formula)(*SOLID.numpy().T)))


def test_gradient_and_laplacian_leave_time_alone():
    t = sympy.Symbol("t")
    heat = {"u": sympy.sin(X) * t**2}
    found = evaluate(lambda u: laplace(u) + 0 * u.t, unknowns=heat, names=("x", "t"))
    x, time = POINTS.unbind(1)
    assert close(found, -torch.sin(x) * time**2)
    speed = evaluate(lambda u: u.t, unknowns=heat, names=("x", "t"))
    assert close(speed, 2 * torch.sin(x) * time)
    assert len(evaluate(lambda u: grad(u), unknowns=heat, names=("x", "t"))) == 1


def test_normal_derivative_projects_the_gradient():
    normals = torch.tensor([[0.6, 0.8]], dtype=torch.float64).expand(7, 2)
    found = evaluate(lambda u: normal_derivative(u), normals=normals)
    assert close(found, 0.6 * numbers(d(SMOOTH, "x")) + 0.8 * numbers(d(SMOOTH, "y")))
    same = evaluate(lambda u, n: n @ grad(u) + 0 * n.x * u, normals=normals)
    assert close(found, same)


def test_coordinates_with_numbers_have_subscripts_with_numbers():
    names = tuple(f"x{i}" for i in range(1, 6))
    points = torch.rand(6, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    symbols = sympy.symbols(names)
    u = {"u": symbols[0] ** 2 * symbols[1] + symbols[4] ** 3}
    x1, x2, x5 = points[:, 0], points[:, 1], points[:, 4]
    given = {"unknowns": u, "names": names, "points": points}
    assert close(evaluate(lambda u: u.x1x2, **given), 2 * x1)
    assert close(evaluate(lambda u: u.x1x1, **given), 2 * x2)
    assert close(evaluate(lambda u: u.x5x5 + laplace(u), **given), 12 * x5 + 2 * x2)
    assert close(
        evaluate(lambda u, x: (x.sum(1) * u.x2).x1, depth=1, **given), x1**2 + 2 * x1 * points.sum(1)
    )


# ---------------------------------------------------------------- what is asked of the jet


def requests(function, depth=0):
    frame = frame_of(depth)
    with frame:
        function(frame.unknown("u")).tensor  # noqa: B018
    return {index for _, index in frame.requested}, frame.deepest


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda u: u.xx, {(2, 0)}),
        (lambda u: laplace(laplace(u)), {(4, 0), (2, 2), (0, 4)}),
        (lambda u: div(3 * grad(u)) / 2, {(2, 0), (0, 2)}),
        (lambda u: (u.x - 2 * u.y).xy, {(2, 1), (1, 2)}),
        (lambda u: 0.0 * u.xx + u, {(2, 0), (0, 0)}),
        (lambda u: u.x - u.x + u, {(1, 0), (0, 0)}),
    ],
)
def test_combinations_with_numbers_ask_only_for_what_they_hold(function, expected):
    assert requests(function) == (expected, 0)


def test_nesting_counts_derivatives_of_expressions():
    assert requests(lambda u: (u * u.x).x)[1] == 1
    assert requests(lambda u: ((u**2).x * u).xy)[1] == 3


# ---------------------------------------------------------------- sentences


@pytest.mark.parametrize(
    ("names", "ask", "sentence"),
    [
        (("x", "t"), lambda u: u.zz, "no derivative 'zz': the coordinates are x, t"),
        (
            ("x", "y"),
            lambda u: u.t,
            "no derivative 't': the coordinates are x, y; a domain with time is domain * TimeInterval(0, 1)",
        ),
        (("x", "y"), lambda u: u.xz, "no derivative 'xz': the coordinates are x, y"),
        (("x", "y"), lambda u: u.derivative("x", "s"), "no derivative 's': the coordinates are x, y"),
        (("x", "y"), lambda u: (u * u).zz, "no derivative 'zz': the coordinates are x, y"),
        (("x", "y"), lambda u: u.laplacian, "no derivative 'laplacian': the coordinates are x, y"),
        (("x1", "x2"), lambda u: u.x3, "no derivative 'x3': the coordinates are x1, x2"),
        (("x", "y"), lambda u: grad(u).z, "a vector has the components x, y, no 'z'"),
    ],
)
def test_a_mistyped_derivative_names_the_coordinates(names, ask, sentence):
    frame = Frame(names, POINTS, lambda *_: POINTS[:, 0])
    with frame, pytest.raises(ProblemError) as caught:
        ask(frame.unknown("u"))
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("ask", "fragment"),
    [
        (lambda u: 1 if u > 0 else 2, "use torch.where"),
        (lambda u: math.sin(u), "torch.sin"),
        (lambda u: grad(grad(grad(u))), "received a matrix; it takes a field or a vector"),
        (lambda u: div(u), "takes a vector"),
        (lambda u: div(vector(u)), "1 components; the space coordinates are x, y"),
        (lambda u: curl(vector(u, u, u)), "3 components"),
        (lambda u: laplace(f"{u.frame.size}"), "received a str"),
        (lambda u: vector(u, u) @ vector(u), "length 2 cannot be dotted with one of length 1"),
        (lambda u: vector(u, u) + vector(u), "different lengths"),
        (lambda u: normal_derivative(u), "no normal 'n' here"),
    ],
)
def test_misuse_of_the_notation_is_a_sentence(ask, fragment):
    frame = frame_of(0)
    with frame, pytest.raises(ProblemError, match=fragment):
        ask(frame.unknown("u"))


def test_outside_an_equation_the_operators_say_where_they_work():
    with pytest.raises(ProblemError, match="inside equations"):
        grad(torch.zeros(3))


# ---------------------------------------------------------------- plain Python and numpy


@pytest.mark.parametrize("two", [2, 2.0, np.float64(2), np.int64(2), np.array(2.0), torch.tensor(2.0)])
def test_numbers_of_every_kind_stand_on_either_side(two):
    expected = 2 * numbers(SMOOTH)
    assert close(evaluate(lambda u: two * u), expected)
    assert close(evaluate(lambda u: u * two), expected)
    assert close(evaluate(lambda u: (two + u) - two + u), expected)
    assert close(evaluate(lambda u: two / (1 / u)), expected)
    assert close(evaluate(lambda u: (two * grad(u)).x), 2 * numbers(d(SMOOTH, "x")))


def test_comparisons_and_methods_act_per_point():
    assert close(
        evaluate(lambda u: u.where(u > 1, 0 * u)),
        numbers(SMOOTH).clamp_min(0).where(numbers(SMOOTH) > 1, torch.tensor(0.0, dtype=torch.float64)),
    )
    assert close(evaluate(lambda u: abs(-u).sqrt()), numbers(SMOOTH).abs().sqrt())
    assert close(
        evaluate(lambda u: torch.maximum(u, 2 - u)), torch.maximum(numbers(SMOOTH), 2 - numbers(SMOOTH))
    )


def test_a_kink_keeps_the_value_it_depends_on():
    """|u|_x = sign(u) u_x: u itself enters although no sensitivity shows it."""
    frame = frame_of(1)
    with frame:
        abs(frame.unknown("u")).x  # noqa: B018
    assert ("u", (0, 0)) in frame.requested


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tensors_made_inside_an_equation_have_the_dtype_of_the_points(dtype):
    before = torch.get_default_dtype()
    frame = Frame(("x", "y"), POINTS.to(dtype), lambda *_: POINTS[:, 0].to(dtype))
    with frame:
        assert (frame.unknown("u") * torch.tensor([0.1])).dtype == dtype
        assert torch.linspace(0, 1, 3).dtype == dtype
    assert torch.get_default_dtype() == before


def test_the_default_dtype_comes_back_after_an_error():
    before = torch.get_default_dtype()
    with pytest.raises(ZeroDivisionError), Frame(("x", "y"), POINTS):
        raise ZeroDivisionError
    assert torch.get_default_dtype() == before


def test_frames_nest():
    outer, inner = frame_of(0), frame_of(1)
    with outer:
        with inner:
            assert grad(POINTS[:, 0]).x.frame is inner
        assert grad(POINTS[:, 0]).x.frame is outer
