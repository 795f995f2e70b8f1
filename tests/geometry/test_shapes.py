"""What each shape refuses, and what is special about it."""

import math

import pytest
import torch
from shapes import ARROW, SQUARE, rotated_square

from pdesolve.errors import ProblemError
from pdesolve.geometry import (
    Annulus,
    Ball,
    Box,
    Disk,
    Ellipse,
    Extrusion,
    Interval,
    Point,
    Polygon,
    Rectangle,
    Revolution,
    RoundedPolygon,
    Sector,
    SmoothCurve,
    StarShaped,
    TimeInterval,
    circular_cylinder,
    torus,
)

REFUSED = {
    "interval reversed": (lambda: Interval(1, 0), "bounds 1 and 0 for x"),
    "interval empty": (lambda: Interval(1, 1), "upper one larger"),
    "interval of words": (lambda: Interval("a", 1), "expected numbers"),
    "interval infinite": (lambda: Interval(0, math.inf), "expected finite numbers"),
    "rectangle reversed": (lambda: Rectangle((0, 1), (1, 0)), "bounds 1 and 0 for y"),
    "rectangle in space": (lambda: Rectangle((0, 0, 0), (1, 1, 1)), "expected 2; use Interval"),
    "box of two dimensions": (lambda: Box((0, 0), (1, 1, 1)), "2 and an upper corner with 3"),
    "disk without radius": (lambda: Disk((0, 0), 0), "radius 0, expected one number above zero"),
    "disk negative": (lambda: Disk((0, 0), -1), "above zero"),
    "disk in space": (lambda: Disk((0, 0, 0), 1), "3 coordinates, expected 2"),
    "ball in the plane": (lambda: Ball((0, 0), 1), r"Disk\(centre, radius\)"),
    "polygon of two": (lambda: Polygon([(0, 0), (1, 1)]), "2 different vertices, expected at least 3"),
    "polygon crossing": (
        lambda: Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]),
        "edges 0 and 2 that cross or touch",
    ),
    "polygon touching": (lambda: Polygon([(0, 0), (2, 0), (2, 2), (1, 0), (0, 2)]), "cross or touch"),
    "polygon folding": (lambda: Polygon([(0, 0), (2, 0), (1, 0), (1, 1)]), "fold back|cross or touch"),
    "polygon flat": (lambda: Polygon([(0, 0), (1, 1), (2, 2)]), "on one line"),
    "polygon repeated": (lambda: Polygon([(0, 0), (1, 0), (1, 0), (0, 1)]), "vertex 1 equal to the next"),
    "polygon in space": (lambda: Polygon([(0, 0, 0), (1, 0, 0), (0, 1, 0)]), "exactly 2 coordinates"),
    "polygon nan": (lambda: Polygon([(0, 0), (1, math.nan), (0, 1)]), "finite"),
    "time reversed": (lambda: TimeInterval(1, 0), "earlier time first"),
    "point of words": (lambda: Point("origin"), "expected numbers"),
    "difference empty": (lambda: Disk((0, 0), 1) - Rectangle((-2, -2), (2, 2)), "leaves nothing inside"),
    "difference of equals": (lambda: SQUARE - SQUARE, "leaves nothing inside"),
    "intersection disjoint": (lambda: SQUARE & Disk((5, 5), 1), "leaves nothing inside"),
    "intersection in the corner": (lambda: SQUARE & Disk((1.5, 1.5), 0.7), "leaves nothing inside"),
    "dimensions differ": (lambda: SQUARE - Interval(0, 1), "2 and 1 dimensions"),
    "sets of cylinders": (
        lambda: SQUARE * TimeInterval(0, 1) - Box((0, 0, 0), (1, 1, 1)),
        "combine the domains in space first",
    ),
    "twice in time": (lambda: SQUARE * TimeInterval(0, 1) * TimeInterval(0, 1), "has a time axis already"),
    "time first": (lambda: TimeInterval(0, 1) * SQUARE, "space first, then time"),
    "number times time": (lambda: 3 * TimeInterval(0, 1), "expected a domain in space"),
    "space times space": (lambda: Interval(0, 1) * Interval(0, 1), r"TimeInterval\(t0, t1\)"),
    "ellipse flat": (lambda: Ellipse((0, 0), (1, 0)), "semi-axis 0.0, expected one number above zero"),
    "ellipse in space": (lambda: Ellipse((0, 0, 0), (1, 1)), "a centre with 3 numbers"),
    "ring inside out": (lambda: Annulus((0, 0), 1, 0.5), "the inner one first"),
    "sector of a full turn": (lambda: Sector((0, 0), 1, 0, 7), "less than a full turn"),
    "sector backwards": (lambda: Sector((0, 0), 1, 2, 1), "smaller first"),
    "sector without a part": (lambda: Sector((0, 0), 1, 0, 1, 1), "inner radius 1, expected one from 0"),
    "star of a number": (lambda: StarShaped(1.0), "expected a function"),
    "star that is negative": (lambda: StarShaped(torch.cos), "above zero"),
    "star that does not close": (lambda: StarShaped(lambda theta: 1 + theta), "period 2π"),
    "star of math": (lambda: StarShaped(lambda theta: 1 + math.cos(theta)), "torch's functions"),
    "star of a column": (lambda: StarShaped(lambda theta: 1 + 0 * theta[:, None]), r"shape \(721, 1\)"),
    "curve of three": (lambda: SmoothCurve([(0, 0), (1, 0), (0, 1)]), "at least 4"),
    "curve repeated": (lambda: SmoothCurve([(0, 0), (0, 0), (1, 0), (1, 1), (0, 1)]), "point 0 equal"),
    "curve crossing": (lambda: SmoothCurve([(0, 0), (1, 1), (1, 0), (0, 1)]), "crosses itself near"),
    "rounding too large": (lambda: RoundedPolygon([(0, 0), (1, 0), (1, 1), (0, 1)], 0.6), "more than 0.5"),
    "hole outside": (lambda: Polygon(ARROW, [[(5, 5), (6, 5), (6, 6)]]), "hole 0, which is not inside"),
    "hole across": (lambda: Polygon(ARROW, [[(0, 0.1), (0.5, 0.2), (5, 6)]]), "hole 0, which is not inside"),
    "holes that meet": (
        lambda: Polygon(
            [(0, 0), (9, 0), (9, 9), (0, 9)], [[(1, 1), (3, 1), (3, 3)], [(2, 1), (5, 1), (5, 2)]]
        ),
        "holes 0 and 1 that meet",
    ),
    "part of no name": (lambda: Sector((0, 0), 1, 0, 1).part("side"), "parts are 'arc', 'stop', 'start'"),
    "extruded line": (lambda: Extrusion(Interval(0, 1), 0, 1), "expected a plane domain"),
    "extruded backwards": (lambda: Extrusion(SQUARE, 1, 0), "lower one first"),
    "turned left of the axis": (lambda: Revolution(Disk((-2, 0), 1)), "r > 0 somewhere"),
    "turned on two edges": (
        lambda: Revolution(Polygon([(0, 0), (2, 0), (2, 3), (0, 3), (0, 2), (1, 2), (1, 1), (0, 1)])),
        "more than one edge",
    ),
    "torus too thick": (lambda: torus((0, 0, 0), 1, 2), "expected the tube's to be the smaller one"),
    "cylinder without height": (lambda: circular_cylinder((0, 0, 0), 1, 0), "height 0, expected one number"),
    "cylinder in the plane": (lambda: circular_cylinder((0, 0), 1, 1), "2 coordinates, expected 3"),
    "wall over a stranger": (
        lambda: Extrusion(SQUARE, 0, 1).over(Disk((0, 0), 1).boundary),
        "no part of the boundary",
    ),
    "scaled by nothing": (lambda: SQUARE.scaled(0), "above zero"),
    "moved in space": (lambda: SQUARE.translated((1, 2, 3)), "received 3 numbers"),
    "line turned": (lambda: Interval(0, 1).rotated(1), "expected 2 or 3 to rotate"),
    "turned about nothing": (
        lambda: Box((0, 0, 0), (1, 1, 1)).rotated(1, axis=(0, 0, 0)),
        "received the axis",
    ),
    "time turned": (lambda: (SQUARE * TimeInterval(0, 1)).rotated(1), "move the domain in space first"),
    "minus a number": (lambda: SQUARE - 1, "expected another domain"),
}


@pytest.mark.parametrize(("build", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_what_makes_no_sense_is_refused_in_a_sentence(build, sentence):
    with pytest.raises(ProblemError, match=sentence) as caught:
        build()
    assert str(caught.value).endswith((".", "?"))


def test_a_sliver_that_no_sample_hits_is_still_a_domain():
    sliver = SQUARE - Disk((0.5, 0.5), math.hypot(0.5, 0.5) - 1e-5)
    assert 0 < sliver.measure < 1e-6


def test_a_closing_vertex_may_be_repeated():
    assert Polygon([*ARROW, ARROW[0]]) == Polygon(ARROW)


def test_polygon_level_is_the_signed_distance():
    polygon = rotated_square(0.5, 2.0)
    c, s = math.cos(0.5), math.sin(0.5)
    frame = torch.tensor([[c, -s], [s, c]], dtype=torch.float64)
    local = torch.tensor([[1.0, 0.25], [1.0, 1.0], [3.0, 1.0], [-3.0, -4.0], [1.0, 2.5]], dtype=torch.float64)
    expected = torch.tensor([-0.25, -1.0, 1.0, 5.0, 0.5], dtype=torch.float64)
    assert torch.allclose(polygon.level(local @ frame.T), expected, atol=1e-14)


def test_polygon_level_is_the_same_in_chunks():
    polygon = Polygon(ARROW)
    x = 3 * torch.rand(40000, 2, dtype=torch.float64) - 0.5
    assert torch.equal(polygon.level(x), torch.cat([polygon.level(part) for part in x.split(777)]))


@pytest.mark.parametrize("angle", [0.0, 0.3, math.radians(17), 1.2])
def test_rotation_lies_along_the_edges_of_a_rotated_square(angle):
    square = rotated_square(angle)
    v = torch.tensor(square.vertices, dtype=torch.float64) @ square.rotation
    edges = v.roll(-1, dims=0) - v
    assert torch.allclose(edges.abs().amin(dim=1), torch.zeros(4, dtype=v.dtype), atol=1e-14)
    holed = square - Disk((0.1, 0.9), 0.05)
    assert torch.allclose(holed.rotation, square.rotation)


def test_level_keeps_the_dtype_of_single_precision():
    x = torch.rand(10, 2, dtype=torch.float32)
    for domain in (SQUARE, Disk((0, 0), 1), Polygon(ARROW), SQUARE - Disk((0.5, 0.5), 0.1)):
        assert domain.level(x).dtype == torch.float32


def test_shapes_print_as_they_are_written():
    assert str(Rectangle((0, 0), (1, 0.5))) == "Rectangle((0, 0), (1, 0.5))"
    assert str(Interval(-1, 1) * TimeInterval(0, 2)) == "(Interval(-1, 1) * TimeInterval(0, 2))"
    assert repr(SQUARE - Disk((0, 0), 0.5) | Disk((2, 2), 1)) == (
        "(Rectangle((0, 0), (1, 1)) - Disk((0, 0), 0.5)) | Disk((2, 2), 1)"
    )


def test_motions_of_a_domain_are_those_of_its_points():
    domain = SQUARE - Disk((0.4, 0.5), 0.2)
    moved = domain.scaled(2, about=(1, 0)).rotated(0.3, about=(0, 1)).translated((1, 2))
    x = 2 * torch.rand(500, 2, dtype=torch.float64) - 0.5
    c, s = math.cos(0.3), math.sin(0.3)
    y = torch.tensor([1.0, 0]) + 2 * (x - torch.tensor([1.0, 0]))
    y = torch.tensor([0, 1.0]) + (y - torch.tensor([0, 1.0])) @ torch.tensor([[c, s], [-s, c]], dtype=x.dtype)
    assert torch.allclose(moved.level(y + torch.tensor([1.0, 2])), 2 * domain.level(x), atol=1e-12)


@pytest.mark.parametrize("axis", ["x", "y", "z", (1, 1, 1)])
def test_a_turn_in_space_keeps_its_axis_and_a_full_turn_keeps_everything(axis):
    box = Box((0, 0, 0), (1, 2, 3))
    x = 3 * torch.rand(200, 3, dtype=torch.float64)
    direction = torch.tensor(dict(x=(1, 0, 0), y=(0, 1, 0), z=(0, 0, 1)).get(axis, axis), dtype=x.dtype)
    ball = Ball(tuple(direction.tolist()), 0.5)
    assert torch.allclose(ball.rotated(0.7, axis=axis).level(x), ball.level(x))
    assert torch.allclose(box.rotated(2 * math.pi, axis=axis).level(x), box.level(x), atol=1e-12)
    thrice = box.rotated(0.5, axis=axis).rotated(0.5, axis=axis).rotated(-1.0, axis=axis)
    assert torch.allclose(thrice.level(x), box.level(x), atol=1e-12)


def test_parts_are_selected_by_name_also_after_a_motion_and_in_a_set():
    sector = Sector((0, 0), 1, 0, math.pi / 2)
    assert float(sector.arc.rule(sector, 8).weights.sum()) == pytest.approx(math.pi / 2)
    moved = Rectangle((0, 0), (2, 1)).rotated(1.0)
    assert float(moved.part("left").rule(moved, 4).weights.sum()) == pytest.approx(1.0)
    less = moved - Disk(tuple(moved.part("left").rule(moved, 1).points[0].tolist()), 0.2)
    assert float(moved.part("left").rule(less, 4).weights.sum()) == pytest.approx(0.6)
    ring = Annulus((0, 0), 1, 2)
    assert float(ring.inner.rule(ring, 8).normals[0] @ ring.inner.rule(ring, 8).points[0]) == pytest.approx(
        -1
    )


def test_a_spline_through_points_of_a_circle_tends_to_it():
    def area(n):
        turn = [2 * math.pi * i / n for i in range(n)]
        return SmoothCurve([(math.cos(t), math.sin(t)) for t in turn]).measure

    errors = [abs(area(n) - math.pi) for n in (16, 32, 64)]
    assert errors[0] / errors[1] > 12  # order four
    assert errors[1] / errors[2] > 12


def test_walls_over_parts_of_a_base_are_selected():
    disk = Disk((0.5, 0.5), 0.2)
    plate = Extrusion(SQUARE - disk, 0, 0.5)
    for place, area in ((SQUARE.left, 0.5), (disk.boundary, 0.2 * math.pi), (SQUARE.left | SQUARE.top, 1.0)):
        wall = plate.over(place)
        assert float(wall.rule(plate, 12).weights.sum()) == pytest.approx(area)
    assert float(plate.front.rule(plate, 12).weights.sum()) == pytest.approx(1 - 0.04 * math.pi)


def test_the_axis_of_revolution_is_inside_and_no_boundary():
    rod = Revolution(Rectangle((0, 0), (1, 2)))
    x = torch.tensor([[0.0, 0, 1], [0, 0.5, 1], [0, 0, 3]], dtype=torch.float64)
    assert torch.allclose(rod.level(x), torch.tensor([-1.0, -0.5, 1.0], dtype=x.dtype))
    assert [p.name for p in rod.pieces] == ["right", "bottom", "top"]


def test_a_ball_is_the_same_however_it_is_made():
    ball, turned = Ball((0, 0, 0), 0.8), Revolution(Disk((0, 0), 0.8))
    x = 2 * torch.rand(500, 3, dtype=torch.float64) - 1
    assert torch.allclose(ball.level(x), turned.level(x), atol=1e-14)
    assert turned.surfaces[0].coincides(ball.surfaces[0])
