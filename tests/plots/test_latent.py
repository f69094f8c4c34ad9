"""Latent spaces show every point, and name in its place."""

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from convae.evaluation.latent import plane
from convae.plots.latent import decoded_planes, latent_spaces, on_the_same_axes
from convae.plots.style import DIGIT_COLOURS
from convae.reproduce.notebook import to_png
from tests.plots.data import LABELS, N, clouds, constant, generator


def points(axes):
    """The points of a 2-D panel's only scatter and their colours."""
    (scatter,) = axes.collections
    return np.asarray(scatter.get_offsets()), [to_hex(c) for c in scatter.get_facecolor()]


def legend_colours(figure):
    (legend,) = figure.legends
    texts, patches = legend.get_texts(), legend.get_patches()
    colours = [to_hex(patch.get_facecolor()) for patch in patches]
    return dict(zip((text.get_text() for text in texts), colours, strict=True))


def drawn(dims=(2, 3), **kwargs):
    spaces = {d: clouds(d) for d in dims}
    return spaces, latent_spaces(spaces, LABELS, "AE", **kwargs)


def test_a_latent_space_shows_each_point_once_in_its_digits_colour():
    spaces, figure = drawn()
    places, colours = points(figure.axes[0])
    shown = sorted(zip(places.tolist(), colours, strict=True))
    expected = np.array(DIGIT_COLOURS)[LABELS].tolist()
    assert shown == sorted(zip(spaces[2].tolist(), expected, strict=True))


def test_no_digit_is_drawn_on_top_of_all_others():
    order = [DIGIT_COLOURS.index(colour) for colour in points(drawn()[1].axes[0])[1]]
    assert len(set(order[-40:])) > 5 and len(set(order[:40])) > 5


def test_a_latent_space_has_axes_of_equal_scale_that_hold_all_points():
    spaces, figure = drawn()
    to_png(figure)
    axes, z = figure.axes[0], spaces[2]
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    assert (np.array([left, bottom]) < z.min(0)).all() and (np.array([right, top]) > z.max(0)).all()
    box = axes.get_window_extent()
    assert box.width / (right - left) == pytest.approx(box.height / (top - bottom))


@pytest.mark.parametrize("panel", [0, 1])
def test_each_digits_name_stands_near_its_median(panel):
    spaces, figure = drawn()
    figure.canvas.draw()
    axes = figure.axes[panel]
    assert sorted(t.get_text() for t in axes.texts) == list("0123456789")
    if panel == 0:
        for text in axes.texts:
            own = spaces[2][LABELS == int(text.get_text())]
            np.testing.assert_allclose(text.xy, np.median(own, axis=0), rtol=1e-5)


def test_names_do_not_overlap_even_if_all_clusters_lie_in_one_place():
    z = generator().standard_normal((N, 2))
    figure = latent_spaces({2: z}, LABELS, "VAE")
    figure.canvas.draw()
    boxes = [t.get_window_extent() for t in figure.axes[0].texts]
    middles = np.array([[(b.x0 + b.x1) / 2, (b.y0 + b.y1) / 2] for b in boxes]) * 72 / figure.dpi
    apart = np.linalg.norm(middles[:, None] - middles[None], axis=2)[np.triu_indices(10, 1)]
    assert len(boxes) == 10 and apart.min() > 10


def test_another_model_is_shown_beside_on_the_same_axes():
    other = clouds(2, seed=5, width=4)
    spaces, figure = drawn(beside=(other, "VAE"))
    (inset,) = figure.axes[0].child_axes
    behind, before = (np.asarray(c.get_offsets()) for c in inset.collections)
    np.testing.assert_array_equal(behind, other)
    np.testing.assert_array_equal(before, spaces[2])
    for (low, high), column in zip((inset.get_xlim(), inset.get_ylim()), other.T, strict=True):
        assert low < column.min() and column.max() < high


def test_clouds_of_one_dimension_share_the_axes_of_the_widest():
    spaces = {"narrow": clouds(2), "wide": clouds(2, width=5), "deep": clouds(3)}
    figure = on_the_same_axes(spaces, LABELS)
    narrow, wide, deep = figure.axes
    assert narrow.get_xlim() == wide.get_xlim() and narrow.get_ylim() == wide.get_ylim()
    assert wide.get_xlim()[1] > spaces["wide"][:, 0].max()
    assert deep.name == "3d" and deep.get_xlim() != wide.get_xlim()


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
        extent = np.reshape(panel.images[0].get_extent(), (2, 2))
        np.testing.assert_allclose(extent, np.transpose([grid.low, grid.high]))
    np.testing.assert_array_equal(below.images[0].get_array(), clear + 2 * (grid.counts > 0))


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
