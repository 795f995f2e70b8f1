"""What each shape refuses, and what is special about it."""

import math

import pytest
import torch
from shapes import ARROW, SQUARE, rotated_square

from pdesolve.errors import ProblemError
from pdesolve.geometry import Ball, Box, Disk, Interval, Point, Polygon, Rectangle, TimeInterval

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
