"""Grids show every image and mark in its place."""

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex, to_rgb
from matplotlib.patches import Circle, Rectangle

from convae.plots.images import CELL, Grid, Mark, grids, montage
from convae.plots.style import ADDED, MISREAD, REMOVED
from convae.reproduce.notebook import to_png
from tests.plots.data import constant, panel, pictures


@pytest.mark.parametrize(("n", "break_before"), [
    (1, None), (7, None), (10, None), (23, None), (30, 20), (25, 10)])
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
    to_png(grids([panel, panel], letters=""))


@pytest.mark.parametrize(("k", "corner"), [
    (0, (0, 0)), (13, (90, 30)), (20, (0, 70)), (29, (270, 70))])
def test_marks_stand_on_their_digit(k, corner):
    marks = [Mark(k, "circle", ADDED, (5, 9), 4), Mark(k, "square", MISREAD)]
    (axes,) = grids([panel(marks=marks)]).axes
    circle, square = axes.patches
    assert isinstance(circle, Circle) and isinstance(square, Rectangle)
    assert circle.center == (corner[0] + 5, corner[1] + 9) and circle.radius == 4
    assert (to_hex(circle.get_edgecolor()), to_hex(square.get_edgecolor())) == (ADDED, MISREAD)
    assert not circle.get_fill() and not square.get_fill()
    middle = np.add(square.get_xy(), square.get_width() / 2)
    assert middle.tolist() == [corner[0] + 13.5, corner[1] + 13.5]
    assert 27 <= square.get_width() == square.get_height() <= CELL  # clear of its neighbours


def test_pixels_and_marks_have_the_same_coordinates():
    """A pixel (column, row) is the circle's centre: imshow counts from pixels' middles."""
    image = torch.zeros(12, 1, 28, 28)
    image[11, 0, 9, 5] = 1
    (axes,) = grids([Grid("", image, [Mark(11, "circle", ADDED, (5, 9), 4)])]).axes
    shown = np.asarray(axes.images[0].get_array())
    column, row = axes.patches[0].center
    assert shown[row, column] == 1 and shown.sum() == 1
    height, width = shown.shape
    assert tuple(axes.images[0].get_extent()) == (-0.5, width - 0.5, height - 0.5, -0.5)


def test_a_signed_grid_shows_added_ink_blue_removed_red_and_no_change_white():
    (axes,) = grids([Grid("", constant(-1.0, 0.0, 1.0), signed=True)]).axes
    image = axes.images[0]
    colours = image.cmap(image.norm(image.get_array()))
    for x, colour in ((14, REMOVED), (44, "white"), (74, ADDED), (29, "white")):
        np.testing.assert_allclose(colours[14, x, :3], to_rgb(colour), atol=0.01)


def test_an_unsigned_grid_shows_ink_black_on_white():
    (axes,) = grids([Grid("", constant(0.0, 1.0))]).axes
    image = axes.images[0]
    colours = image.cmap(image.norm(image.get_array()))
    assert [to_hex(colours[14, x]) for x in (14, 44)] == ["#ffffff", "#000000"]


def test_rows_have_their_names_and_places_a_line_around_them():
    places = torch.zeros(20, 1, 28, 28, dtype=torch.bool)
    places[13, 0, 5:9, 7:12] = True
    panel = Grid("", pictures(20), outlines=places)
    (axes,) = grids([panel], row_names=["first", "second"]).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["first", "second"]
    assert axes.get_yticks().tolist() == [13.5, 13.5 + CELL]
    (contour,) = axes.collections
    (path,) = contour.get_paths()
    extents = path.get_extents().extents  # the line runs half a pixel outside
    assert extents.tolist() == [90 + 6.5, 30 + 4.5, 90 + 11.5, 30 + 8.5]


def test_the_key_has_a_circle_or_a_square_of_its_colour_for_each_mark():
    meanings = {("circle", ADDED): "more", ("square", MISREAD): "another"}
    (key,) = grids([panel()], meanings).legends
    found = [(line.get_marker(), line.get_color()) for line in key.legend_handles]
    assert found == [("o", ADDED), ("s", MISREAD)]
    assert [text.get_text() for text in key.get_texts()] == ["more", "another"]
