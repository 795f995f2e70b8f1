"""Vector unknowns are notation: the same numbers as with components, and sentences where they do not fit."""

import numpy as np
import pytest
import torch
from torch import cos, pi, sin

from pdesolve import (
    Condition,
    Dirichlet,
    Disk,
    Field,
    Initial,
    Interval,
    Matrix,
    Neumann,
    Observation,
    Problem,
    ProblemError,
    Rectangle,
    TimeInterval,
    Vector,
    check,
    curl,
    div,
    dot,
    export,
    grad,
    identity,
    inner,
    laplace,
    matrix,
    normal_derivative,
    plot,
    solve,
    sym,
    tangential,
    trace,
    vector,
)
from pdesolve.statement.frame import Frame

SQUARE = Rectangle((0, 0), (1, 1))


def exact_u(x, y):
    return sin(pi * x) * y, cos(y) * x


def load(u: Vector, x, y):
    return laplace(u) + vector(pi**2 * sin(pi * x) * y, cos(y) * x)


def load_by_components(u_x, u_y, x, y):
    return laplace(u_x) + pi**2 * sin(pi * x) * y, laplace(u_y) + cos(y) * x


def annotated_by_text(u: "Vector"):
    return laplace(u)


def frame_of(u_x, u_y):
    """A frame at random points in which the components are known functions."""
    points = torch.rand(7, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    frame = Frame(("x", "y"), points, depth=2)
    x, y = frame.coordinates.values()
    return frame, Vector((Field(u_x(x, y), frame), Field(u_y(x, y), frame)), ("x", "y")), x, y


def close(a, b):
    return torch.allclose(a.tensor if isinstance(a, Field) else a, b)


def test_gradients_divergences_and_products_are_those_of_the_components():
    frame, u, x, y = frame_of(lambda x, y: x**2 * y, lambda x, y: x + y**3)
    with frame:
        g = grad(u)
        assert isinstance(g, Matrix)
        assert close(g.x.y, x**2)
        assert close(g.y.x, torch.ones_like(x))
        assert close(div(u), 2 * x * y + 3 * y**2)
        assert close(trace(g), 2 * x * y + 3 * y**2)
        assert close(sym(g).x.y, 0.5 * (x**2 + 1))
        assert close(div(g).x, 2 * y)
        assert close(curl(u), 1 - x**2)
        assert close((g @ u).x, 2 * x * y * (x**2 * y) + x**2 * (x + y**3))  # (u · ∇) u
        assert close(dot(u, u), (x**2 * y) ** 2 + (x + y**3) ** 2)
        assert close((u @ g).x, dot(g.T, u).x.tensor)
        assert close((g @ identity() - g).norm(), torch.zeros_like(x))
        assert close(inner(g, identity()), trace(g).tensor)
        assert close((2 * g - g / 1.0).y.y, 3 * y**2)
        assert close((g @ matrix((0.0, 1.0), (1.0, 0.0))).x.x, x**2)


def test_what_does_not_fit_is_a_sentence():
    frame, u, _, _ = frame_of(lambda x, y: x * y, lambda x, y: x + y)
    with frame:
        g = grad(u)
        for wrong, sentence in (
            (lambda: grad(g), "it takes a field or a vector"),
            (lambda: sym(u), "it takes a matrix"),
            (lambda: g + u, "multiplied with @"),
            (lambda: g @ vector(1.0, 2.0, 3.0), "vector of length 3"),
            (lambda: dot(u, 3), "takes vectors"),
            (lambda: matrix((1.0, 2.0)), "square"),
            (lambda: tangential(g, u), "takes a vector"),
        ):
            with pytest.raises(ProblemError, match=sentence):
                wrong()


@pytest.fixture(scope="module")
def solved():
    return solve(
        Problem(SQUARE, load, [Dirichlet(exact_u, on=SQUARE.boundary, unknown="u")], exact={"u": exact_u}),
        tol=1e-5,
    )


def test_the_same_numbers_as_with_components(solved):
    one = {"u_x": lambda x, y: exact_u(x, y)[0], "u_y": lambda x, y: exact_u(x, y)[1]}
    conditions = [Dirichlet(f, on=SQUARE.boundary, unknown=name) for name, f in one.items()]
    components = solve(Problem(SQUARE, load_by_components, conditions, exact=one), tol=1e-5)
    assert solved.unknowns == ("u_x", "u_y")
    assert solved.relative_l2_error() < 1e-5
    assert solved(0.3, 0.4) == components(0.3, 0.4)
    assert solved.output("u")(0.3, 0.4) == tuple(solved(0.3, 0.4).values())
    assert len(solved.integral("u")) == 2


def test_one_array_for_a_vector_in_paraview_and_its_components_in_tables(solved, tmp_path):
    meshio = pytest.importorskip("meshio")
    export(solved, tmp_path / "u.vtu", points=200)
    data = meshio.read(tmp_path / "u.vtu").point_data
    assert data["u"].shape[1] == 3
    assert data["u_error"].shape == data["u"].shape
    assert "u_x" not in data
    assert not data["u"][:, 2].any()
    export(solved, tmp_path / "u.csv", points=200)
    header = (tmp_path / "u.csv").read_text().splitlines()[0].split(",")
    assert header[:4] == ["x", "y", "u_x", "u_y"]
    assert len(set(header)) == len(header)
    assert plot(solved, tmp_path / "u.png", points=200).exists()


def test_along_the_normal_and_the_tangent():
    disk = Disk((0, 0), 1)

    def potential(u: Vector):
        return laplace(u)

    # u = (x, -y) has u · n = x² - y² and u · t = -2 x y on the unit circle.
    problem = Problem(
        disk,
        potential,
        [
            Dirichlet(lambda x, y: x**2 - y**2, on=disk.boundary, along="normal"),
            Dirichlet(lambda x, y: -2 * x * y, on=disk.boundary, along="tangent"),
        ],
    )
    solution = solve(problem, tol=1e-5)
    assert solution(0.3, -0.5)["u_x"] == pytest.approx(0.3, abs=1e-5)
    assert solution(0.3, -0.5)["u_y"] == pytest.approx(0.5, abs=1e-5)


def test_conditions_speak_of_all_components():
    problem = Problem(
        SQUARE,
        load,
        [
            Dirichlet(exact_u, on=SQUARE.left | SQUARE.right, unknown="u"),
            Neumann((lambda x: -sin(pi * x), 0), on=SQUARE.bottom, unknown="u"),
            Condition(
                lambda u, x: normal_derivative(u) - vector(sin(pi * x), -sin(torch.ones_like(x)) * x),
                on=SQUARE.top,
            ),
        ],
        exact={"u": exact_u},
    )
    assert check(problem).ok
    assert solve(problem, tol=1e-4).relative_l2_error() < 1e-4


def test_evolutions_and_guesses_of_vectors():
    line = Interval(0, 1)

    def decays(u: Vector):
        return vector(u.x.t - 0.1 * u.x.xx)

    problem = Problem(
        line * TimeInterval(0, 0.5),
        decays,
        [Initial(lambda x: (sin(pi * x),), unknown="u"), Dirichlet(0, on=line.boundary, unknown="u")],
        guess={"u": (0.0,)},
    )
    assert problem.unknowns == ("u_x",)
    found = solve(problem, tol=1e-5)(0.5, 0.5)
    assert found == pytest.approx(np.exp(-0.05 * np.pi**2), rel=1e-4)


def test_data_of_a_vector_are_those_of_its_components():
    points = torch.tensor([[0.5, 0.5]])
    problem = Problem(
        SQUARE,
        load,
        [Dirichlet(0, on=SQUARE.boundary)],
        data=[Observation(points, [[1.0, 2.0]], unknown="u")],
    )
    assert [(o.unknown, float(o.values)) for o in problem.data] == [("u_x", 1.0), ("u_y", 2.0)]
    with pytest.raises(ProblemError, match="a column for each of u_x, u_y"):
        Problem(SQUARE, load, data=[Observation(points, [1.0], unknown="u")])


def collides(u: Vector, u_x):
    return laplace(u), u_x


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: Problem(SQUARE, load, [Dirichlet(1.0, on=SQUARE.left, unknown="u")]),
            "expected 0, or a tuple",
        ),
        (
            lambda: Problem(SQUARE, load, [Dirichlet((1, 2, 3), on=SQUARE.left, unknown="u")]),
            "has 3 components",
        ),
        (
            lambda: Problem(SQUARE, load, [Dirichlet(0, on=SQUARE.left, unknown="v")]),
            "unknowns of the equation are",
        ),
        (
            lambda: Problem(SQUARE, load, [Dirichlet(0, on=SQUARE.left, unknown="u", along="up")]),
            "along='normal'",
        ),
        (
            lambda: Problem(
                SQUARE, load_by_components, [Dirichlet(0, on=SQUARE.left, unknown="u_x", along="normal")]
            ),
            "no vector",
        ),
        (
            lambda: Problem(SQUARE, load_by_components, [Dirichlet((0, 1), on=SQUARE.left, unknown="u_x")]),
            "no vector",
        ),
        (lambda: Problem(SQUARE, load, exact={"u": (lambda x: x,)}), "has 1 components"),
        (lambda: Problem(SQUARE, collides), "two are called the same"),
        (
            lambda: solve(Problem(SQUARE, load, [Dirichlet(lambda x: x, on=SQUARE.boundary, unknown="u")])),
            "expected a vector",
        ),
    ],
)
def test_a_vector_that_does_not_fit(make, sentence):
    with pytest.raises(ProblemError, match=sentence):
        make()


def test_annotations_may_be_text():
    assert Problem(SQUARE, annotated_by_text, [Dirichlet(0, on=SQUARE.boundary)]).unknowns == ("u_x", "u_y")


@pytest.mark.parametrize("text", ["Vector[Complex]", "Vector(complex=True)", "list[Vector]"])
def test_an_annotation_of_another_kind_is_not_taken_for_a_scalar(text):
    def waves(E):
        return laplace(E) + E

    waves.__annotations__["E"] = text
    with pytest.raises(ProblemError, match=r"Ex: Complex, Ey: Complex"):
        Problem(SQUARE, waves, [Dirichlet(0, on=SQUARE.boundary, unknown="E")])
