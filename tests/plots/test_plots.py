"""What figures show is what they were given: every point, every picture and every mark in its
place."""

import base64
import io
import json

import matplotlib.pyplot as plt
import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from PIL import Image

from convae.evaluation.intervals import ratio_of_shares, share
from convae.evaluation.latent import plane
from convae.evaluation.recognition import Prediction, confusion
from convae.plots.errors import error_histograms, interactive_error_histograms, tail_ratios
from convae.plots.images import CELL, Grid, Mark, grids, interactive_grids, montage
from convae.plots.latent import (
    decoded_planes,
    in_dots,
    interactive_latent_spaces,
    latent_spaces,
    on_the_same_axes,
)
from convae.plots.recognition import confusion_matrix, interactive_confusion_matrix, misrecognition_by_place
from convae.plots.style import ADDED, DIGIT_COLOURS, LEGIBLE, MISREAD, REMOVED, TEST, TRAIN
from convae.reproduce.output import to_png

N = 400
LABELS = np.arange(N) % 10


def generator(seed=0):
    return np.random.default_rng(seed)


def clouds(d, seed=0, width=1.0):
    """Latent vectors of N digits, those of a digit near one another."""
    centres = generator(seed).uniform(-5, 5, (10, d))
    return (width * (centres[LABELS] + 0.3 * generator(seed + 1).standard_normal((N, d)))).astype(np.float32)


def pictures(n, seed=0):
    return torch.rand(n, 1, 28, 28, generator=torch.Generator().manual_seed(seed))


def constant(*levels):
    """Images of one grey level each, by which they are known again."""
    return torch.tensor(levels).view(-1, 1, 1, 1).expand(-1, 1, 28, 28)


def words(figure):
    """All texts of a figure but the axes' own."""
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def titles(figure):
    return [axes.get_title("left") for axes in figure.axes]


def legend_colours(figure):
    (legend,) = figure.legends
    texts, patches = legend.get_texts(), legend.get_patches()
    return {text.get_text(): to_hex(patch.get_facecolor()) for text, patch in zip(texts, patches, strict=True)}


def points(axes):
    """The points of a panel's only scatter and their colours."""
    (scatter,) = axes.collections
    places = scatter._offsets3d if axes.name == "3d" else scatter.get_offsets().T
    colours = PathCollection.get_facecolor(scatter)  # in 3-D, not the one that sorts them by depth
    return np.stack([np.asarray(p) for p in places], 1), [to_hex(c) for c in colours]


# Colours

DEUTERANOPIA = np.array([  # Machado, Oliveira and Fernandes (2009), doi:10.1109/TVCG.2009.113, severity 1, linear RGB
    [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]])


def nearest_two(colours, seen_through=None):
    """The smallest distance between two colours in CIELAB (CIE 1976); 2 to 3 are just told apart
    side by side."""
    rgb = np.array([to_rgb(c) for c in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    if seen_through is not None:
        linear = (linear @ seen_through.T).clip(0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(linear @ to_xyz.T / [0.9505, 1, 1.089]).T  # without the straight part near black
    lab = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=2)
    return apart[np.triu_indices(len(lab), 1)].min()


@pytest.mark.parametrize("seen_through", [None, DEUTERANOPIA], ids=["all colours", "deuteranopia"])
@pytest.mark.parametrize("colours", [DIGIT_COLOURS, (TRAIN, TEST), (ADDED, REMOVED), (LEGIBLE, MISREAD)])
def test_colours_are_told_apart(colours, seen_through):
    assert nearest_two(colours, seen_through) > 15


def test_the_distance_of_colours_catches_red_and_green_that_look_alike():
    red_and_green = ("#a5660f", "#7f7a00")
    assert nearest_two(red_and_green) > 20 > 8 > nearest_two(red_and_green, DEUTERANOPIA)
    assert nearest_two([*DIGIT_COLOURS[:-1], "#3f93da"]) < 15


def test_digits_whose_clusters_often_touch_have_colours_that_differ_more_than_the_nearest_two():
    for group in ((3, 5, 8), (4, 7, 9)):
        assert nearest_two([DIGIT_COLOURS[d] for d in group], DEUTERANOPIA) > nearest_two(DIGIT_COLOURS, DEUTERANOPIA)


# Digits drawn in dots


def from_dots(text):
    """The 20 × 20 dots of a text of Braille characters, read by the Unicode names of their dots."""
    dots = np.zeros((20, 20), bool)
    for row, line in enumerate(text.split("<br>")):
        for column, character in enumerate(line):
            for dot in range(8):  # 1 to 3 down the left, 4 to 6 down the right, 7 and 8 below
                if ord(character) - 0x2800 >> dot & 1:
                    y, x = [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (3, 0), (3, 1)][dot]
                    dots[4 * row + y, 2 * column + x] = True
    return dots


@pytest.mark.parametrize("seed", range(3))
def test_dots_are_the_central_pixels_above_the_threshold(seed):
    (image,) = pictures(1, seed)
    text = in_dots(image)
    np.testing.assert_array_equal(from_dots(text), image[0, 4:24, 4:24].numpy() > 0.4)
    assert text.count("<br>") == 4 and all("\u2800" <= c <= "\u28ff" for c in text.replace("<br>", ""))


def test_a_single_dot_and_a_blank_image_keep_their_five_lines():
    image = torch.zeros(1, 28, 28)
    assert in_dots(image).split("<br>") == ["\u2800"] * 5
    image[0, 4 + 17, 4 + 3] = 1
    assert in_dots(image).split("<br>") == ["\u2800"] * 4 + ["\u2800⠐"]  # row 17: dot 5 in the fifth line
    assert from_dots(in_dots(image)).nonzero() == (np.array([17]), np.array([3]))


# Latent spaces on paper


def drawn(dims=(2, 3), **kwargs):
    spaces = {d: clouds(d) for d in dims}
    return spaces, latent_spaces(spaces, LABELS, "AE", **kwargs)


@pytest.mark.parametrize("dims", [(2, 3), (2,)])
def test_latent_spaces_show_each_point_once_in_its_digits_colour(dims):
    spaces, figure = drawn(dims)
    assert len(figure.axes) == len(dims)
    for axes, z in zip(figure.axes, spaces.values(), strict=True):
        places, colours = points(axes)
        found, expected = (sorted(zip(map(tuple, p.tolist()), c, strict=True))
                           for p, c in ((places, colours), (z, np.array(DIGIT_COLOURS)[LABELS])))
        assert found == expected and len(found) == N


def test_no_digit_is_drawn_on_top_of_all_others():
    order = [DIGIT_COLOURS.index(colour) for colour in points(drawn()[1].axes[0])[1]]
    assert len(set(order[-40:])) > 5 and len(set(order[:40])) > 5


def test_latent_spaces_have_axes_of_equal_scale_that_hold_all_points():
    spaces, figure = drawn()
    to_png(figure)
    for axes, z in zip(figure.axes, spaces.values(), strict=True):
        limits = np.array([getattr(axes, f"get_{name}lim")() for name in "xyz"[:z.shape[1]]])
        assert (limits[:, 0] < z.min(0)).all() and (limits[:, 1] > z.max(0)).all()
        width = np.diff(limits)[:, 0]
        if axes.name == "3d":
            scale = axes._box_aspect / width
        else:
            box = axes.get_window_extent()
            scale = np.array([box.width, box.height]) / width
        np.testing.assert_allclose(scale, scale[0], rtol=1e-6)


@pytest.mark.parametrize("panel", [0, 1])
def test_each_digits_name_stands_near_its_median(panel):
    spaces, figure = drawn()
    figure.canvas.draw()
    axes = figure.axes[panel]
    assert sorted(t.get_text() for t in axes.texts) == list("0123456789")
    if panel == 0:
        for text in axes.texts:
            np.testing.assert_allclose(text.xy, np.median(spaces[2][LABELS == int(text.get_text())], 0), rtol=1e-5)


def test_names_do_not_overlap_even_if_all_clusters_lie_in_one_place():
    z = generator().standard_normal((N, 2))
    figure = latent_spaces({2: z}, LABELS, "VAE")
    figure.canvas.draw()
    boxes = [t.get_window_extent() for t in figure.axes[0].texts]
    middles = np.array([[(b.x0 + b.x1) / 2, (b.y0 + b.y1) / 2] for b in boxes]) * 72 / figure.dpi
    apart = np.linalg.norm(middles[:, None] - middles[None], axis=2)[np.triu_indices(10, 1)]
    assert len(boxes) == 10 and apart.min() > 10


def test_panels_are_titled_with_letter_model_and_count():
    assert titles(drawn()[1]) == ["a)  AE, 2-D latent space: 400 unseen digits", "b)  AE, 3-D latent space"]
    assert legend_colours(drawn()[1]) == {str(d): c for d, c in enumerate(DIGIT_COLOURS)}


def test_another_model_is_shown_beside_on_the_same_axes():
    other = clouds(2, seed=5, width=4)
    spaces, figure = drawn(beside=(other, "VAE"))
    (inset,) = figure.axes[0].child_axes
    behind, before = (np.asarray(c.get_offsets()) for c in inset.collections)
    np.testing.assert_array_equal(behind, other)
    np.testing.assert_array_equal(before, spaces[2])
    for (low, high), column in zip((inset.get_xlim(), inset.get_ylim()), other.T, strict=True):
        assert low < column.min() and column.max() < high
    assert [t.get_text() for t in inset.texts] == ["AE black, VAE grey"]


def test_clouds_of_one_dimension_share_the_axes_of_the_widest():
    spaces = {"narrow": clouds(2), "wide": clouds(2, width=5), "deep": clouds(3)}
    figure = on_the_same_axes(spaces, LABELS)
    narrow, wide, deep = figure.axes
    assert narrow.get_xlim() == wide.get_xlim() and narrow.get_ylim() == wide.get_ylim()
    assert wide.get_xlim()[1] > spaces["wide"][:, 0].max()
    assert deep.name == "3d" and deep.get_xlim() != wide.get_xlim()
    assert titles(figure) == ["narrow", "wide", "deep"]
    assert [len(points(axes)[0]) for axes in figure.axes] == [N, N, N]


# Latent spaces to turn


@pytest.fixture(scope="module")
def interactive():
    return interactive_latent_spaces({d: clouds(d) for d in (2, 3)}, LABELS, pictures(N), "VAE")


def test_interactive_latent_spaces_have_a_trace_for_each_digit_and_space_with_all_its_points(interactive):
    assert [(type(t), t.name) for t in interactive.data] == [
        (kind, str(digit)) for kind in (go.Scatter, go.Scatter3d) for digit in range(10)]
    for trace in interactive.data:
        axes = "xyz"[:3 if isinstance(trace, go.Scatter3d) else 2]
        mine = clouds(len(axes))[LABELS == int(trace.name)]
        np.testing.assert_allclose(np.stack([trace[axis] for axis in axes], 1), mine, atol=5.1e-4)
        assert trace.marker.color == DIGIT_COLOURS[int(trace.name)]


def test_hovering_shows_the_digits_own_picture_and_its_name(interactive):
    images = pictures(N)
    for trace in interactive.data:
        own = np.flatnonzero(LABELS == int(trace.name))
        assert list(trace.text) == [in_dots(images[i]) for i in own]
        assert "%{text}" in trace.hovertemplate and f"<extra>{trace.name}</extra>" in trace.hovertemplate


def test_the_legend_has_each_digit_once_and_switches_both_spaces(interactive):
    assert [t.name for t in interactive.data if t.showlegend] == list("0123456789")
    for digit in "0123456789":
        assert len([t for t in interactive.data if t.legendgroup == digit and t.name == digit]) == 2


def test_interactive_axes_have_equal_scale(interactive):
    assert interactive.layout.scene.aspectmode == "data"
    assert interactive.layout.yaxis.scaleanchor == "x"


def test_one_interactive_space_alone_has_the_legend():
    figure = interactive_latent_spaces({2: clouds(2)[:7]}, LABELS[:7], pictures(7), "AE")
    assert len(figure.data) == 10 and all(t.showlegend for t in figure.data)
    assert [len(t.x) for t in figure.data] == [1] * 7 + [0] * 3  # digits that are not there


# The decoded plane


def test_the_decoded_plane_stands_upright():
    """The cell with the highest z₂ and the lowest z₁ is the picture at the upper left."""
    z = clouds(2)
    grid = plane(z, 5)
    levels = torch.arange(25) / 25
    clear = np.zeros((5, 5), bool)
    clear[0, 4] = True  # lowest z₂, highest z₁
    figure = decoded_planes({"AE": (grid, constant(*levels.tolist()), grid, clear)})
    above, below = figure.axes
    shown = np.asarray(above.images[0].get_array())[14::28, 14::28]
    np.testing.assert_allclose(shown, levels.reshape(5, 5).flip(0))
    assert above.images[0].origin == "upper" and below.images[0].origin == "lower"
    for panel in (above, below):
        np.testing.assert_allclose(panel.images[0].get_extent(), [grid.low[0], grid.high[0], grid.low[1], grid.high[1]])
    np.testing.assert_array_equal(below.images[0].get_array(), clear + 2 * (grid.counts > 0))
    assert titles(figure)[1] == f"AE: data in {grid.occupied:.0%} of the cells, clear 4%"


@pytest.mark.parametrize(("data", "clear", "name"), [
    (False, False, "neither"), (False, True, "clear, no data"), (True, False, "data, not clear"),
    (True, True, "data and clear"),
])
def test_a_cell_has_the_colour_that_the_legend_gives_its_kind(data, clear, name):
    grid = plane(clouds(2), 5)._replace(counts=np.full((5, 5), int(data)))
    figure = decoded_planes({"AE": (grid, constant(*[0.0] * 25), grid, np.full((5, 5), clear))})
    image = figure.axes[1].images[0]
    colour = to_hex(image.cmap(image.norm(image.get_array()))[0, 0])
    assert len(set(legend_colours(figure).values())) == 4 and colour == legend_colours(figure)[name]


# Grids of digits


@pytest.mark.parametrize(("n", "break_before"), [(1, None), (7, None), (10, None), (23, None), (30, 20), (25, 10)])
def test_image_k_stands_in_row_k_over_ten_and_nothing_else_is_drawn(n, break_before):
    images = pictures(n)
    canvas = montage(Grid("", images, break_before=break_before))
    rows = -(-n // 10)
    assert canvas.shape == (rows * CELL - 2 + (10 if break_before else 0), min(n, 10) * CELL - 2)
    for k, image in enumerate(images):
        y, x = k // 10 * CELL + (10 if break_before and k >= break_before else 0), k % 10 * CELL
        np.testing.assert_array_equal(canvas[y:y + 28, x:x + 28], image[0])
        canvas[y:y + 28, x:x + 28] = 0
    assert (canvas == 0).all()


def test_a_grid_without_images_is_drawn_empty():
    panel = Grid("nothing was misrecognised", torch.zeros(0, 1, 28, 28))
    assert (montage(panel) == 0).all()
    assert titles(grids([panel])) == ["a)  nothing was misrecognised"]
    assert len(interactive_grids([panel], []).data) == 2
    to_png(grids([panel, panel], letters=""))


def panel(n=30, marks=(), **kwargs):
    return Grid("digits", pictures(n), list(marks), break_before=20, **kwargs)


@pytest.mark.parametrize(("k", "corner"), [(0, (0, 0)), (13, (90, 30)), (20, (0, 70)), (29, (270, 70))])
def test_marks_stand_on_their_digit(k, corner):
    marks = [Mark(k, "circle", ADDED, (5, 9), 4), Mark(k, "square", MISREAD)]
    (axes,) = grids([panel(marks=marks)]).axes
    circle, square = axes.patches
    assert isinstance(circle, Circle) and isinstance(square, Rectangle)
    assert circle.center == (corner[0] + 5, corner[1] + 9) and circle.radius == 4
    assert (to_hex(circle.get_edgecolor()), to_hex(square.get_edgecolor())) == (ADDED, MISREAD)
    assert not circle.get_fill() and not square.get_fill()
    assert np.add(square.get_xy(), square.get_width() / 2).tolist() == [corner[0] + 13.5, corner[1] + 13.5]
    assert 27 <= square.get_width() == square.get_height() <= CELL  # around the digit, clear of its neighbours


def test_pixels_and_marks_have_the_same_coordinates():
    """Pixel (column, row) of a digit is the circle's centre (column, row): imshow counts from
    pixels' middles."""
    image = torch.zeros(12, 1, 28, 28)
    image[11, 0, 9, 5] = 1
    (axes,) = grids([Grid("", image, [Mark(11, "circle", ADDED, (5, 9), 4)])]).axes
    shown = np.asarray(axes.images[0].get_array())
    column, row = axes.patches[0].center
    assert shown[row, column] == 1 and shown.sum() == 1
    assert tuple(axes.images[0].get_extent()) == (-0.5, shown.shape[1] - 0.5, shown.shape[0] - 0.5, -0.5)


def test_a_signed_grid_shows_added_ink_blue_removed_red_and_no_change_white():
    (axes,) = grids([Grid("", constant(-1.0, 0.0, 1.0), signed=True)]).axes
    image = axes.images[0]
    colours = image.cmap(image.norm(image.get_array()))
    for x, colour in ((14, REMOVED), (44, "white"), (74, ADDED), (29, "white")):
        np.testing.assert_allclose(colours[14, x, :3], to_rgb(colour), atol=0.01)


def test_an_unsigned_grid_shows_ink_black_on_white():
    (axes,) = grids([Grid("", constant(0.0, 1.0))]).axes
    image = axes.images[0]
    assert [to_hex(image.cmap(image.norm(image.get_array()))[14, x]) for x in (14, 44)] == ["#ffffff", "#000000"]


def test_grids_have_letters_titles_and_a_legend_of_marks():
    figure = grids([panel(), panel(12), panel()], {("circle", ADDED): "ink added", ("square", MISREAD): "misread"})
    assert titles(figure) == ["a)  digits", "b)  digits", "c)  digits"]
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["ink added", "misread"]
    assert [(h.get_marker(), h.get_color()) for h in legend.get_lines()] == [("o", ADDED), ("s", MISREAD)]
    assert titles(grids([panel()], letters="")) == ["digits"]


def test_interactive_grids_hold_picture_hover_text_and_marks_of_each_panel():
    marks = [Mark(21, "circle", ADDED, (5, 9), 4), Mark(3, "square", MISREAD)]
    panels, hover = [panel(), panel(marks=marks)], [f"digit {k}" for k in range(30)]
    figure = interactive_grids(panels, hover)
    assert [type(t) for t in figure.data] == [go.Image, go.Scatter] * 2
    for one, (picture, spots) in zip(panels, (figure.data[:2], figure.data[2:]), strict=True):
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture.source.split(",")[1]))).convert("L"))
        np.testing.assert_allclose(pixels, 255 * (1 - montage(one)), atol=12)  # in 64 grey levels
        assert list(spots.text) == hover and picture.hoverinfo == "skip"
        assert (spots.x[21], spots.y[21]) == (30 + 13.5, 70 + 13.5)
    circle, square = figure.layout.shapes
    assert (circle.type, circle.xref, circle.x0, circle.x1, circle.y0, circle.y1, circle.line.color) == (
        "circle", "x2", 30 + 1, 30 + 9, 70 + 5, 70 + 13, ADDED)
    assert (square.type, square.yref, square.x0, square.x1, square.y0, square.y1) == (
        "rect", "y2", 90 - 1.5, 90 + 28.5, -1.5, 28.5)


def test_an_interactive_signed_grid_has_the_colours_of_the_static_one():
    picture = interactive_grids([Grid("", constant(-1.0, 0.0, 1.0), signed=True)], ["", "", ""]).data[0]
    pixels = Image.open(io.BytesIO(base64.b64decode(picture.source.split(",")[1]))).convert("RGB")
    for x, colour in ((14, REMOVED), (44, "#ffffff"), (74, ADDED)):
        np.testing.assert_allclose(pixels.getpixel((x, 14)), 255 * np.array(to_rgb(colour)), atol=3)


def test_five_hundred_digits_fit():
    figure = grids([panel(500)])
    assert figure.axes[0].images[0].get_array().shape == (50 * CELL - 2 + 10, 298)


# Errors


def histograms(bins=8):
    errors = [generator().gamma(4, 3, 6_000), generator(1).gamma(4, 3, 1_000)]
    edges = np.linspace(0, max(e.max() for e in errors), bins + 1)
    zoomed = np.linspace(np.percentile(errors[0], 99), edges[-1], bins // 2 + 1)
    return [[np.histogram(e, which)[0] / len(e) for e in errors] for which in (edges, zoomed)], (edges, zoomed)


@pytest.mark.parametrize("bins", [5, 8, 1_000])
def test_the_histograms_heights_are_the_shares(bins):
    (shares, zoomed_shares), (edges, zoomed) = histograms(bins)
    figure = error_histograms(shares, edges, zoomed_shares, zoomed, (60_000, 10_000), 99)
    for axes, pair, which in zip(figure.axes, (shares, zoomed_shares), (edges, zoomed), strict=True):
        for step, k in zip(axes.patches, (0, 0, 1, 1), strict=True):  # an area and an outline for each set
            np.testing.assert_array_equal(step.get_data().values, pair[k])
            np.testing.assert_array_equal(step.get_data().edges, which)
            assert to_hex(step.get_facecolor() if step.get_fill() else step.get_edgecolor()) == (TRAIN, TEST)[k]
        assert axes.get_xlim() == (which[0], which[-1])
        names = [text.get_text() for text in axes.get_legend().get_texts()]
        assert names == ["60,000 training images", "10,000 unseen images"]
    assert sum(shares[0]) == pytest.approx(1)


def test_the_interactive_histograms_have_the_same_bars():
    (shares, zoomed_shares), (edges, zoomed) = histograms()
    figure = interactive_error_histograms(shares, edges, zoomed_shares, zoomed)
    assert [(t.name, t.showlegend, t.marker.color) for t in figure.data] == [
        ("training images", True, TRAIN), ("unseen images", True, TEST),
        ("training images", False, TRAIN), ("unseen images", False, TEST)]
    bars = zip(figure.data, [*shares, *zoomed_shares], [edges, edges, zoomed, zoomed], strict=True)
    for trace, expected, which in bars:
        np.testing.assert_allclose(trace.y, expected, atol=5.1e-7)
        np.testing.assert_allclose(trace.x, (which[1:] + which[:-1]) / 2, atol=5.1e-4)
        np.testing.assert_allclose(trace.width, np.diff(which), atol=5.1e-5)
        assert trace.legendgroup == trace.name and "%{y" in trace.hovertemplate
    assert figure.layout.barmode == "overlay"


NO_UNSEEN = ratio_of_shares(0, 10_000, 6, 60_000)
RATIOS = [ratio_of_shares(40, 10_000, 240, 60_000), ratio_of_shares(9, 10_000, 60, 60_000)]


def test_each_tail_ratio_stands_at_its_height_with_its_interval_and_number():
    (axes,) = tail_ratios([99, 99.9], RATIOS).axes
    (bars,) = axes.containers
    np.testing.assert_allclose(bars.lines[0].get_ydata(), [r.value for r in RATIOS])
    np.testing.assert_allclose([s[:, 1] for s in bars.lines[2][0].get_segments()], [r[1:] for r in RATIOS])
    assert [t.get_text() for t in axes.texts] == ["1.00", "0.90"]
    assert [t.xy for t in axes.texts] == [(place, r.value) for place, r in enumerate(RATIOS)]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["largest 1 %", "largest 0.1 %"]
    assert axes.get_yscale() == "log"


@pytest.mark.parametrize("ratios", [RATIOS[:1], [NO_UNSEEN], [NO_UNSEEN, RATIOS[0]]], ids=["one", "zero", "both"])
def test_one_threshold_alone_and_one_without_unseen_images_have_their_number_in_the_picture(ratios):
    figure = tail_ratios([99.9, 99.99][:len(ratios)], ratios)
    figure.canvas.draw()
    (axes,) = figure.axes
    box = axes.get_window_extent()
    for text, ratio in zip(axes.texts, ratios, strict=True):
        extent = text.get_window_extent()
        assert text.get_text() == f"{ratio.value:.2f}"
        assert box.x0 < extent.x0 and box.y0 - 15 < extent.y0 and extent.y1 < box.y1 + 15


# Recognition


COUNTS = confusion(Prediction(LABELS, np.ones(N)), Prediction(generator().integers(10, size=N), np.ones(N)))


def test_the_confusion_matrix_writes_each_count_in_its_row_and_column():
    axes = confusion_matrix(COUNTS).axes[0]
    written = {text.get_position(): int(text.get_text()) for text in axes.texts}
    assert written == {(column, row): count for (row, column), count in np.ndenumerate(COUNTS)}
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("the input reads", "the output reads")


def test_the_confusion_matrix_is_coloured_by_the_rows_misrecognised_share():
    shown = confusion_matrix(COUNTS).axes[0].images[0].get_array()
    assert np.ma.getmaskarray(shown).sum() == 10 and np.ma.getmaskarray(shown).diagonal().all()
    assert shown[3, 5] == pytest.approx(COUNTS[3, 5] / COUNTS[3].sum())
    np.testing.assert_allclose(shown.filled(0).sum(1), 1 - COUNTS.diagonal() / COUNTS.sum(1))


def test_the_interactive_confusion_matrix_has_the_same_counts_and_shares():
    (heat,) = interactive_confusion_matrix(COUNTS).data
    assert np.array_equal(heat.customdata, COUNTS)
    shares = np.array(heat.z, float)
    assert np.isnan(shares.diagonal()).all()
    assert shares[3, 5] == pytest.approx(COUNTS[3, 5] / COUNTS[3].sum(), abs=5.1e-5)
    assert all(part in heat.hovertemplate for part in ("%{x}", "%{y}", "%{customdata}"))
    assert (heat.x, heat.y) == (tuple("0123456789"),) * 2


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("inputs", "outputs"), [(range(10), range(10)), ([3] * 9, [3] * 9), ([3] * 9, [5] * 9)])
def test_a_confusion_matrix_without_mistakes_or_with_empty_rows_is_drawn(inputs, outputs):
    counts = confusion(*(Prediction(np.array(digits), np.ones(len(digits))) for digits in (inputs, outputs)))
    assert len(words(confusion_matrix(counts))) == 100
    assert to_png(confusion_matrix(counts)) and interactive_confusion_matrix(counts).data


def test_misrecognition_by_place_has_a_bar_an_interval_and_a_count_for_each_group():
    edges, sizes = np.array([0, 0.1, 0.5, 1]), np.array([1_000, 0, 50])
    shares = [share(10, 1_000), share(0, 0), share(40, 50)]
    figure = misrecognition_by_place(edges, shares, sizes)
    (axes,) = figure.axes
    bars = next(c for c in axes.containers if hasattr(c, "patches"))
    np.testing.assert_array_equal([bar.get_height() for bar in bars.patches], [0.01, np.nan, 0.8])
    assert [t.get_text() for t in axes.texts] == ["1,000", "0", "50"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["0% – 10%", "10% – 50%", "50% – 100%"]
    assert to_png(figure)


# All figures


def overview():
    (shares, zoomed_shares), (edges, zoomed) = histograms()
    grid, circled = plane(clouds(2), 5), [Mark(3, "circle", ADDED)]
    return {
        "latent_spaces": lambda: latent_spaces({2: clouds(2), 3: clouds(3)}, LABELS, "AE", (clouds(2, width=2), "VAE")),
        "on_the_same_axes": lambda: on_the_same_axes({"a": clouds(2), "b": clouds(3)}, LABELS),
        "decoded_planes": lambda: decoded_planes({"AE": (grid, pictures(25), grid, grid.counts > 1)}),
        "grids": lambda: grids([panel(marks=circled), panel(signed=True)], {("circle", ADDED): "added"}),
        "error_histograms": lambda: error_histograms(shares, edges, zoomed_shares, zoomed, (6_000, 1_000), 99),
        "tail_ratios": lambda: tail_ratios([99, 99.9], RATIOS),
        "confusion_matrix": lambda: confusion_matrix(COUNTS),
        "misrecognition_by_place": lambda: misrecognition_by_place([0, 0.5, 1], [share(1, 9), share(5, 9)], [9, 9]),
    }


@pytest.mark.parametrize("name", overview())
def test_a_figure_is_the_same_byte_for_byte_each_time(name):
    first, second = (overview()[name]() for _ in range(2))
    assert isinstance(first, Figure)
    assert to_png(first, 60) == to_png(second, 60)


def interactive_overview():
    (shares, zoomed_shares), (edges, zoomed) = histograms()
    spaces = {d: clouds(d)[:50] for d in (2, 3)}
    return {
        "latent": lambda: interactive_latent_spaces(spaces, LABELS[:50], pictures(50), "AE"),
        "grids": lambda: interactive_grids([panel(marks=[Mark(3, "circle", ADDED)])], [str(k) for k in range(30)]),
        "errors": lambda: interactive_error_histograms(shares, edges, zoomed_shares, zoomed),
        "confusion": lambda: interactive_confusion_matrix(COUNTS),
    }


@pytest.mark.parametrize("name", interactive_overview())
def test_an_interactive_figure_is_the_same_each_time_and_holds_numbers_as_json(name):
    first, second = (interactive_overview()[name]().to_json() for _ in range(2))
    assert first == second
    assert '"bdata"' not in first  # numbers, which compare with a tolerance, not bytes
    json.loads(first, parse_constant=pytest.fail)


def test_no_figure_is_left_open_in_pyplot():
    for draw in overview().values():
        draw()
    assert plt.get_fignums() == []
