"""Theorems that hold on every domain."""

import math
import pickle

import pytest
import torch
from shapes import ALL, CYLINDERS, EXACT, LINE_SETS, PLANE_SETS, SIMPLE, SOLID_SETS, SOLIDS, divergence_gap

from pdesolve.geometry import Ball, Box

CUT = tuple(SOLID_SETS.values())


def each(domains):
    return pytest.mark.parametrize("domain", domains.values(), ids=domains.keys())


@each(EXACT)
def test_divergence_theorem_holds_on(domain):
    gap, size = divergence_gap(domain, 24)
    assert abs(gap) < 1e-9 * size


@pytest.mark.slow
@each(SOLID_SETS)
def test_divergence_theorem_holds_on_the_cut_solid(domain):
    gap, size = divergence_gap(domain, 10)
    assert abs(gap) < 1e-5 * size


@each(ALL)
def test_level_is_negative_behind_and_positive_before_the_boundary(domain):
    scale = 1e-6 * float((domain.bounds[1] - domain.bounds[0]).min())
    for piece in domain.pieces:
        x, normal, w = piece.rule(6)
        assert torch.allclose(normal.norm(dim=1), torch.ones(len(x), dtype=x.dtype), atol=1e-12)
        assert (domain.level(x).abs() < 1e-3 * scale).all()
        assert (domain.level(x + scale * normal) > 0).all()
        inside = (domain.level(x - scale * normal) < 0) & piece.active(x)
        rims = 1e-6 * float(w.sum()) if domain in CUT else 0.0
        assert float(w[~inside].sum()) <= rims


@each(SIMPLE | PLANE_SETS | LINE_SETS | CYLINDERS | SOLIDS)
def test_rule_points_are_inside_and_weights_add_up_to_the_measure(domain):
    x, w = domain.rule(16)
    slack = 1e-12 * float((domain.bounds[1] - domain.bounds[0]).norm())
    assert (w > 0).all()
    assert domain.contains(x, slack).all()
    assert float(w.sum()) == pytest.approx(domain.measure, rel=1e-6)


@each(ALL)
def test_level_has_lipschitz_constant_one(domain):
    torch.manual_seed(0)
    lower, upper = domain.bounds
    x, y = (
        lower + (upper - lower) * (1.4 * torch.rand(500, domain.dimension, dtype=torch.float64) - 0.2)
        for _ in "xy"
    )
    change = (domain.level(x) - domain.level(y)).abs()
    assert (change <= (x - y).norm(dim=1) * (1 + 1e-9) + 1e-12 * upper.abs().max()).all()


@each({name: domain for name, domain in ALL.items() if domain.dimension > 1})
def test_map_area_and_normal_agree_with_finite_differences(domain):
    d = domain.dimension
    p = 0.1 + 0.8 * torch.quasirandom.SobolEngine(d - 1, scramble=True, seed=0).draw(20, dtype=torch.float64)
    for piece in domain.pieces:
        h = 1e-5
        steps = h * torch.eye(d - 1, dtype=torch.float64)
        tangents = torch.stack([(piece.map(p + s) - piece.map(p - s)) / (2 * h) for s in steps], dim=1)
        gram = torch.linalg.det(tangents @ tangents.mT).sqrt()
        assert torch.allclose(gram, piece.area(p), rtol=1e-4)
        across = (tangents @ piece.normal(p)[:, :, None]).squeeze(-1)
        assert (across.abs() < 1e-4 * tangents.norm(dim=2)).all()


@each(ALL)
def test_a_domain_survives_pickling_with_equal_places(domain):
    twin = pickle.loads(pickle.dumps(domain))
    assert twin == domain
    assert hash(twin) == hash(domain)
    assert [p.owner for p in twin.boundary.pieces_on(domain)] == [
        p.owner for p in domain.boundary.pieces_on(domain)
    ]


@each(SIMPLE | PLANE_SETS)
def test_rotation_is_orthogonal(domain):
    r = domain.rotation
    assert torch.allclose(r @ r.T, torch.eye(len(r), dtype=r.dtype), atol=1e-14)


@pytest.mark.parametrize(
    ("name", "measure"),
    [
        ("disk", math.pi * 0.49),
        ("ball", 4 / 3 * math.pi * 0.512),
        ("box", 3.0),
        ("rotated square", 1.0),
        ("hole", 1 - math.pi * 0.04),
        ("tiny hole", 1 - math.pi * 1e-6),
        ("annulus", math.pi * 0.84),
        ("bitten corner", 1 - math.pi / 16),
        ("bulge", 1 + math.pi * 0.045),
        ("quarter disk", math.pi * 0.81 / 4),
        ("l-shape by difference", 3.0),
        ("l-shape by union", 3.0),
        ("overlapping on one line", 1.35),
        ("four holes", 4 - 4 * math.pi * 0.21**2),
        ("joined intervals", 3.0),
        ("ellipse", 0.3 * math.pi),
        ("ring", 0.84 * math.pi),
        ("sector", 0.9),
        ("flower", 1.02 * math.pi),
        ("polygon with holes", 16 - 1.415 - 0.25),
        ("cylinder", 1.5 * 0.49 * math.pi),
        ("torus", 2 * math.pi**2 * 0.16),
        ("torus, moved", 2 * math.pi**2 * 0.16 / 8),
        ("cone", math.pi / 3),
        ("hemisphere", 2 / 3 * math.pi),
        ("rod", math.pi),
        ("hole in time", (1 - math.pi * 0.04) / 2),
    ],
)
def test_measure_is_that_of_the_formula(name, measure):
    assert ALL[name].measure == pytest.approx(measure, abs=1e-10)


@pytest.mark.parametrize(
    ("name", "length"),
    [
        ("disk", 2 * math.pi * 0.7),
        ("ball", 4 * math.pi * 0.64),
        ("box", 2 * (2 + 1.5 + 3)),
        ("turned box", 2 * (2 + 1.5 + 3)),
        ("sector", 2 + 1.8),
        ("ring", 2.8 * math.pi),
        ("cylinder", 2 * math.pi * 0.7 * (1.5 + 0.7)),
        ("torus", 4 * math.pi**2 * 0.4),
        ("cone", math.pi * (1 + math.sqrt(2))),
        ("hemisphere", 3 * math.pi),
        ("pipe", 2 * math.pi * (1.5 + 0.75)),
        ("rod", 4 * math.pi),
        ("bitten corner", 3 + math.pi / 4),
        ("bulge", 3.4 + 0.3 * math.pi),
        ("domino", 6.0),
        ("overlapping on one line", 5.0),
        ("l-shape by union", 8.0),
        ("four holes", 8 + 4 * 2 * math.pi * 0.21),
        ("tiny bite", 4 + 1e-4 * (math.pi - 2)),
        ("rotated domino", 6.0),
    ],
)
def test_boundary_has_the_length_of_the_formula(name, length):
    domain = ALL[name]
    assert float(domain.boundary.rule(domain, 24).weights.sum()) == pytest.approx(length, abs=1e-8)


@pytest.mark.slow
def test_two_balls_have_the_volume_of_the_formula():
    distance, r, s = 0.9, 1.0, 0.7
    lens = (
        math.pi * (r + s - distance) ** 2 * (distance**2 + 2 * distance * s - 3 * s**2)
        + math.pi * (r + s - distance) ** 2 * (2 * distance * r + 6 * r * s - 3 * r**2)
    ) / (12 * distance)
    volume = 4 / 3 * math.pi * (r**3 + s**3) - lens
    assert float(SOLID_SETS["two balls"].rule(14).weights.sum()) == pytest.approx(volume, abs=1e-7)


@pytest.mark.parametrize("domain", [Box((0,) * 5, (1,) * 5), Ball((0,) * 5, 1.0)], ids=["box", "ball"])
def test_high_dimensional_rules_integrate_to_sampling_accuracy(domain):
    x, w = domain.rule(16)
    assert (domain.level(x) < 0).all()
    assert float(w.sum()) == pytest.approx(domain.measure, rel=1e-12)
    area = domain.boundary.rule(domain, 16).weights.sum()
    # Both contain a cone over each bit of boundary: measure = radius · area / d.
    radius = 0.5 if isinstance(domain, Box) else 1.0
    assert float(area) == pytest.approx(domain.measure * 5 / radius, rel=2e-2)
    assert domain.coordinates == ("x1", "x2", "x3", "x4", "x5")


@each(SIMPLE | PLANE_SETS | CYLINDERS | SOLIDS | SOLID_SETS)
def test_the_distance_from_a_surface_vanishes_on_it_and_grows_off_it(domain):
    for piece in domain.pieces:
        x, normal, _ = piece.rule(4)
        size = float((domain.bounds[1] - domain.bounds[0]).min())
        assert (piece.surface.distance(x) < 1e-9 * size).all()
        assert (piece.surface.distance(x + 1e-4 * size * normal) > 0.99e-4 * size).all()
