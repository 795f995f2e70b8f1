import math

import pytest
import torch
from shapes import SQUARE, WIDE, four_holes

from pdesolve.errors import ProblemError
from pdesolve.geometry import Ball, Box, Disk, Interval, Point, Polygon, Rectangle, TimeInterval

HOLE = Disk((0.5, 0.5), 0.2)
PLATE = SQUARE - HOLE


def length(place, domain, order=20):
    return float(place.rule(domain, order).weights.sum())


def test_a_subtracted_disk_keeps_its_place_with_the_normal_turned():
    (piece,) = HOLE.boundary.pieces_on(PLATE)
    s = torch.linspace(0, 1, 9, dtype=torch.float64)[:, None]
    x = piece.map(s)
    inward = (torch.tensor([0.5, 0.5], dtype=torch.float64) - x) / 0.2
    assert torch.allclose(piece.normal(s), inward, atol=1e-14)
    assert piece.owner == (HOLE, "circle")
    assert piece.active(x).all()


@pytest.mark.parametrize(
    ("face", "axis", "value"), [("left", 0, 0), ("right", 0, 1), ("bottom", 1, 0), ("top", 1, 1)]
)
def test_a_face_keeps_its_place_in_a_difference(face, axis, value):
    place = getattr(SQUARE, face)
    (piece,) = place.pieces_on(PLATE)
    assert piece.name == face
    assert piece.plane == (axis, value)
    rule = place.rule(PLATE, 5)
    assert (rule.points[:, axis] == value).all()
    assert (rule.normals[:, axis] == 2 * value - 1).all()


def test_box_faces_are_left_right_bottom_top_back_front_along_x_y_z():
    box = Box((0, 0, 0), (1, 2, 3))
    names = ["left", "right", "bottom", "top", "back", "front"]
    planes = [getattr(box, name).pieces_on(box)[0].plane for name in names]
    assert planes == [(0, 0), (0, 1), (1, 0), (1, 2), (2, 0), (2, 3)]


def test_places_of_every_part_select_their_pieces_in_nested_sets():
    disks = [Disk((x, y), 0.21) for x in (-0.5, 0.5) for y in (-0.4, 0.5)]
    domain = four_holes()
    for disk in disks:
        assert [p.owner for p in disk.boundary.pieces_on(domain)] == [(disk, "circle")]
    assert length(WIDE.boundary, domain) == pytest.approx(8)
    assert length(domain.boundary, domain) == pytest.approx(8 + 8 * math.pi * 0.21)


def test_the_boundary_of_an_intermediate_set_selects_what_is_left_of_it():
    inner = SQUARE - HOLE
    domain = inner - Disk((1, 1), 0.1)
    assert length(inner.boundary, domain) == pytest.approx(4 - 0.2 + 0.4 * math.pi)
    # Inside the intersection only a quarter of the circle was boundary; the union has three quarters more.
    corner, disk = Rectangle((0, 0), (1, 1)), Disk((0, 0), 0.5)
    quarter = corner & disk
    assert length(quarter.boundary, disk) == pytest.approx(0.25 * math.pi)


def test_equal_shapes_have_equal_places():
    assert length(Disk((0.5, 0.5), 0.2).boundary, PLATE) == pytest.approx(0.4 * math.pi)


def test_a_trimmed_edge_ends_exactly_at_the_cut():
    domain = SQUARE - Disk((1, 1), 0.5)
    (top,) = SQUARE.top.pieces_on(domain)
    assert torch.allclose(top.intervals, torch.tensor([[0.0, 0.5]], dtype=torch.float64), atol=1e-14)
    x = top.map(torch.tensor([[0.0], [0.3], [0.7]], dtype=torch.float64))
    assert top.active(x).tolist() == [True, True, False]


def test_edges_shared_by_two_rectangles_are_no_boundary():
    a, b = Rectangle((0, 0), (1, 1)), Rectangle((1, 0.25), (2, 0.75))
    domain = a | b
    assert length(a.right, domain) == pytest.approx(0.5)
    assert not b.left.meets(domain)
    assert b.left.pieces_on(domain) == ()
    assert length(b.left, domain) == 0


def test_overlapping_edges_count_once_and_belong_to_both_rectangles():
    a, b = Rectangle((0, 0), (1, 1)), Rectangle((0.5, 0), (1.5, 0.7))
    domain = a | b
    assert length(a.bottom | b.bottom, domain) == pytest.approx(1.5)
    assert length(b.bottom, domain) == pytest.approx(1.0)
    assert length(domain.boundary, domain) == pytest.approx(5.0)


@pytest.mark.parametrize("shift", [0.0, 1e-13, -1e-13])
def test_a_seam_as_narrow_as_rounding_is_no_boundary(shift):
    domain = SQUARE | Rectangle((1 + shift, 0), (2, 1))
    assert length(domain.boundary, domain) == pytest.approx(6, abs=1e-8)


def test_where_breaks_a_curve_exactly_at_the_predicate():
    disk = Disk((0, 0), 1)
    upper_right = disk.boundary.where(lambda x, y: (y > 0) & (x > 0.3))
    assert length(upper_right, disk) == pytest.approx(math.acos(0.3), abs=1e-12)
    (piece,) = upper_right.pieces_on(disk)
    x = torch.tensor([[0.6, 0.8], [-0.6, 0.8], [0.6, -0.8]], dtype=torch.float64)
    assert piece.active(x).tolist() == [True, False, False]


def test_where_drops_pieces_without_any_point():
    names = [p.name for p in SQUARE.boundary.where(lambda x: x < 0.5).pieces_on(SQUARE)]
    assert names == ["left", "bottom", "top"]


def test_a_place_and_its_rest_make_up_the_whole():
    part = PLATE.boundary.where(lambda x, y: x + y < 0.9)
    rest = PLATE.boundary.where(lambda x, y: x + y >= 0.9)
    whole = length(PLATE.boundary, PLATE)
    assert length(part, PLATE) + length(rest, PLATE) == pytest.approx(whole, abs=1e-9)
    assert length(part | rest, PLATE) == pytest.approx(whole, abs=1e-9)
    assert length(part | PLATE.boundary, PLATE) == pytest.approx(whole, abs=1e-9)


def test_where_with_an_unknown_coordinate_is_refused():
    with pytest.raises(ProblemError, match="asks for 'z', but the coordinates are x, y"):
        SQUARE.boundary.where(lambda z: z > 0).pieces_on(SQUARE)


def test_where_that_returns_numbers_is_refused():
    with pytest.raises(ProblemError, match="one truth value for each"):
        SQUARE.boundary.where(lambda x: x).pieces_on(SQUARE)


def test_where_in_five_dimensions_knows_x_as_a_matrix():
    box = Box((0,) * 5, (1,) * 5)
    place = box.boundary.where(lambda x, x1: (x.amin(dim=1) == x1) & (x1 < 1e-9))
    assert [p.name for p in place.pieces_on(box)] == ["x1 = 0"]


@pytest.mark.parametrize("cylinder", [False, True])
def test_filtered_sphere_and_wall_have_the_area_of_the_formula(cylinder):
    if cylinder:
        domain, order = Disk((0, 0), 1) * TimeInterval(0, 3), 12
        place, area = domain.space.boundary.where(lambda x: x > 0), 3 * math.pi
    else:
        domain, order = Ball((0, 0, 0), 1), 12
        place, area = domain.boundary.where(lambda z: z > 0.2), 2 * math.pi * 0.8
    assert length(place, domain, order) == pytest.approx(area, abs=1e-8)


def test_places_of_space_are_lateral_in_a_cylinder():
    domain = PLATE * TimeInterval(0, 2)
    rule = HOLE.boundary.rule(domain, 12)
    assert float(rule.weights.sum()) == pytest.approx(0.4 * math.pi * 2)
    assert (rule.normals[:, 2] == 0).all()
    assert {p.name for p in domain.boundary.pieces_on(domain)} == {"left", "right", "bottom", "top", "circle"}
    assert domain.coordinates == ("x", "y", "t")
    assert domain.space_coordinates == ("x", "y")


def test_places_of_space_hold_on_every_slab_of_time():
    space = Interval(-1, 1)
    for slab in (TimeInterval(0, 0.1), TimeInterval(0.9, 1)):
        assert length(space.left, space * slab) == pytest.approx(0.1)


def test_initial_and_final_are_the_ends_of_a_cylinder():
    domain = PLATE * TimeInterval(1, 2)
    for place, t, sign in ((domain.initial, 1, -1), (domain.final, 2, 1)):
        rule = place.rule(domain, 12)
        assert float(rule.weights.sum()) == pytest.approx(PLATE.measure)
        assert (rule.points[:, 2] == t).all()
        assert (rule.normals[:, 2] == sign).all()
        (piece,) = place.pieces_on(domain)
        assert piece.plane == (2, t)
        x = torch.tensor([[0.5, 0.5, t], [0.1, 0.5, t]], dtype=torch.float64)
        assert piece.active(x).tolist() == [False, True]


def test_initial_where_and_its_rest_make_up_the_whole():
    domain = PLATE * TimeInterval(0, 1)
    half = domain.initial.where(lambda y: y < 0.05)
    assert length(half | domain.initial, domain) == pytest.approx(PLATE.measure)


def test_a_predicate_of_time_selects_times():
    domain = Interval(0, 1) * TimeInterval(0, 1)
    place = domain.space.left.where(lambda t: t < 0.3)
    assert length(place, domain) == pytest.approx(0.3, abs=1e-12)


def test_a_point_is_one_point_and_in_a_cylinder_a_line():
    rule = Point((0, 0)).rule(SQUARE, 5)
    assert rule.points.tolist() == [[0, 0]]
    assert rule.weights.tolist() == [1]
    line = Point((0.5, 0.1)).rule(SQUARE * TimeInterval(0, 2), 5)
    assert float(line.weights.sum()) == pytest.approx(2)
    assert (line.points[:, :2] == torch.tensor([0.5, 0.1], dtype=torch.float64)).all()


def test_a_point_outside_meets_nothing():
    assert not Point((0.5, 0.5)).meets(PLATE)
    assert Point((0.5, 0.7)).meets(PLATE)
    assert len(Point((3, 0)).rule(SQUARE, 3).weights) == 0


def test_a_point_with_too_many_coordinates_is_refused():
    with pytest.raises(ProblemError, match="has 3 coordinates, expected 2"):
        Point((0, 0, 0)).rule(SQUARE, 3)


def test_a_point_joins_a_boundary():
    place = SQUARE.left | Point((1, 1))
    assert length(place, SQUARE) == pytest.approx(2)
    assert length(place.where(lambda x: x > 0.5), SQUARE) == pytest.approx(1)


def test_a_place_of_another_shape_does_not_meet():
    assert not Disk((7, 7), 1).boundary.meets(SQUARE)
    assert len(Disk((7, 7), 1).boundary.rule(SQUARE, 4).weights) == 0


def test_polygon_edges_follow_the_vertices_in_both_orientations():
    vertices = [(0, 0), (2, 0), (2, 1), (0, 1)]
    for order in (vertices, vertices[::-1]):
        polygon = Polygon(order)
        for i, edge in enumerate(polygon.edges):
            (piece,) = edge.pieces_on(polygon)
            ends = piece.map(torch.tensor([[0.0], [1.0]], dtype=torch.float64)).tolist()
            assert ends == [list(map(float, order[i])), list(map(float, order[(i + 1) % 4]))]
            outward = piece.normal(torch.tensor([[0.5]], dtype=torch.float64))
            centre = torch.tensor([1.0, 0.5], dtype=torch.float64)
            assert float(((piece.map(torch.tensor([[0.5]])) - centre) * outward).sum()) > 0


@pytest.mark.parametrize("place", [SQUARE.left, PLATE.boundary, Point((0, 0)), SQUARE.left | SQUARE.right])
def test_places_have_readable_names(place):
    expected = {
        "Rectangle((0, 0), (1, 1)).left",
        "(Rectangle((0, 0), (1, 1)) - Disk((0.5, 0.5), 0.2)).boundary",
        "point (0, 0)",
        "Rectangle((0, 0), (1, 1)).left | Rectangle((0, 0), (1, 1)).right",
    }
    assert place.name in expected


def test_filtered_places_name_their_predicate():
    def inlet(x, y):
        return x < y

    assert SQUARE.left.where(inlet).name == "Rectangle((0, 0), (1, 1)).left where inlet(x, y)"
