"""Solids from outside, arrows, streamlines, deformed shapes, films; and what is written in a picture can be read."""

from itertools import combinations

import numpy as np
import pytest
from analytic import AnalyticSolution
from matplotlib import animation
from matplotlib.backends.backend_agg import FigureCanvasAgg

from pdesolve.errors import UsageError
from pdesolve.geometry import Ball, Box, Disk, Interval, Rectangle, TimeInterval
from pdesolve.output.mesh import output_mesh
from pdesolve.output.plotting import plot
from pdesolve.output.views import enlargement, outline, skin

SQUARE = Rectangle((0, 0), (1, 1))
BEAM = Rectangle((0, 0), (5, 1))
BRICK = Box((0, 0, 0), (1, 2, 3))
FLOW = AnalyticSolution(SQUARE - Disk((0.5, 0.5), 0.2), {"u": "y", "v": "-x", "p": "x*y"}, exact=False)
BENT = AnalyticSolution(BEAM, {"u": "0*x", "v": "-x*x/1000"}, exact=False)
SOLID = AnalyticSolution(BRICK, {"u": "x/100", "v": "0*x", "w": "z/100"}, exact=False)
MOVING = AnalyticSolution(Interval(0, 1) * TimeInterval(0, 1), {"u": "x*t"}, exact=False)
VIEWS = {
    "solid": (SOLID, {"view": True}),
    "arrows": (FLOW, {"arrows": "u,v"}),
    "streamlines": (FLOW, {"streamlines": ("u", "v")}),
    "deformed beam": (BENT, {"deformed": "u,v"}),
    "deformed solid": (SOLID, {"deformed": "u,v,w"}),
    "fields": (AnalyticSolution(SQUARE, {"u": "sin(3*x)*y"}, error="x*y/1000"), {}),
    "long": (AnalyticSolution(BEAM, {"u": "x*y"}, error="x/1000"), {}),
}


@pytest.fixture(scope="module")
def drawn():
    figures = {}

    def draw(name):
        if name not in figures:
            solution, view = VIEWS[name]
            figures[name] = plot(solution, points=400, **view)
            FigureCanvasAgg(figures[name]).draw()
        return figures[name]

    return draw


def shown_texts(axis):
    return [text for text in axis.get_ticklabels() if text.get_visible() and text.get_text()]


@pytest.mark.parametrize("name", VIEWS)
def test_no_numbers_of_an_axis_overlap(drawn, name):
    for axes in drawn(name).axes:
        for axis in [getattr(axes, f"{letter}axis", None) for letter in "xyz"]:
            boxes = [text.get_window_extent() for text in (shown_texts(axis) if axis else [])]
            assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


@pytest.mark.parametrize("name", VIEWS)
def test_titles_and_the_headline_are_within_the_picture(drawn, name):
    figure = drawn(name)
    written = [figure._suptitle, *(axes.title for axes in figure.axes)]
    for text in [one for one in written if one is not None and one.get_text()]:
        box = text.get_window_extent()
        assert 0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert 0 <= box.y0 < box.y1 <= figure.bbox.y1


@pytest.mark.parametrize("name", ["arrows", "streamlines", "deformed beam", "fields", "long"])
def test_a_plane_is_drawn_to_scale(drawn, name):
    axes = drawn(name).axes[0]
    box = axes.get_window_extent()
    across = np.diff(axes.get_xlim())[0] / box.width
    assert np.diff(axes.get_ylim())[0] / box.height == pytest.approx(across, rel=1e-6)


def test_a_solid_is_drawn_to_scale(drawn):
    sides = drawn("solid").axes[0]._box_aspect
    assert np.allclose(sides / sides[0], [1, 2, 3])


def test_the_skin_of_a_solid_is_its_whole_surface():
    mesh = output_mesh(BRICK, 2000)
    quads = mesh.points[skin(mesh)]
    area = np.linalg.norm(np.cross(quads[:, 2] - quads[:, 0], quads[:, 3] - quads[:, 1]), axis=1).sum() / 2
    assert area == pytest.approx(2 * (2 + 3 + 6))
    mesh = output_mesh(Ball((0, 0, 0), 1), 3000)
    faces = skin(mesh)
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()


def test_the_outline_of_a_plane_is_its_boundary():
    mesh = output_mesh(BEAM, 300)
    edges = mesh.points[outline(mesh)]
    assert np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1).sum() == pytest.approx(12)


@pytest.mark.parametrize("size", [1e-9, 0.037, 3.0, 1e7])
def test_a_displacement_is_enlarged_to_a_tenth_of_the_shape_or_a_little_less(size):
    times = enlargement(np.array([0.0, size]), np.array([[0.0, 0.0], [5.0, 1.0]]))
    assert 0.4 * 0.5 - 1e-12 <= times * size <= 0.5 + 1e-12
    assert enlargement(np.zeros(3), np.eye(3)) == 1.0


def test_arrows_point_where_the_vector_does():
    axes = plot(FLOW, arrows="u,v", points=200).axes[0]
    (arrows,) = [one for one in axes.collections if type(one).__name__ == "Quiver"]
    x, y = arrows.XY.T
    known = np.broadcast_to(~np.asarray(arrows.Umask, dtype=bool), x.shape)
    assert np.allclose(np.ma.getdata(arrows.U)[known], y[known])
    assert np.allclose(np.ma.getdata(arrows.V)[known], -x[known])
    assert (np.hypot(x - 0.5, y - 0.5)[known] > 0.2).all()


@pytest.mark.parametrize(
    ("solution", "view", "sentence"),
    [
        (FLOW, {"view": True}, "a view from outside is that of a solid"),
        (FLOW, {"arrows": "u,w"}, "there is no vector or unknown 'w'"),
        (FLOW, {"arrows": "u"}, "expected 2 components, one for each of x, y, such as u,v"),
        (SOLID, {"streamlines": "u,v,w"}, "are drawn in the plane"),
        (FLOW, {"arrows": "u,v", "streamlines": "u,v"}, "expected one of them"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_a_sentence(solution, view, sentence):
    with pytest.raises(UsageError, match=sentence):
        plot(solution, points=100, **view)


def test_a_film_without_ffmpeg_is_refused_before_anything_is_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(animation.FFMpegWriter, "isAvailable", classmethod(lambda _: False))
    with pytest.raises(UsageError, match=r"needs the program ffmpeg, .* or write a \.gif"):
        plot(MOVING, tmp_path / "u.mp4", points=50)
    assert list(tmp_path.iterdir()) == []


def test_a_film_is_written_by_ffmpeg_where_it_is_found(tmp_path, monkeypatch):
    class Recorder(animation.PillowWriter):
        """Stands for ffmpeg: the frames go into a file of another kind."""

        isAvailable = classmethod(lambda _: True)

        def finish(self):
            self.outfile.write_bytes(b"film" + bytes([len(self._frames)]))

        def setup(self, fig, outfile, dpi=None):
            from pathlib import Path

            super().setup(fig, outfile, dpi)
            self.outfile = Path(outfile)

    monkeypatch.setattr(animation, "FFMpegWriter", Recorder)
    MOVING.times = (0.0, 0.5, 1.0)
    path = plot(MOVING, tmp_path / "u.mp4", points=50)
    assert path.read_bytes() == b"film" + bytes([3])
