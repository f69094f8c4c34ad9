"""Planes, windows and beams stand where a sheet says."""

import numpy as np
import pytest

from convae.plots.canvas import Box, Canvas, Sheet, strongest


@pytest.mark.parametrize(("plane", "place"), [(0, (10, 20)), (2, (26, 20)), (3, (10, 28))])
def test_planes_stand_in_rows_with_one_cell_between_two(plane, place):
    sheet = Sheet(10, 20, cell=2, count=7, size=3)
    assert sheet.columns == 3 and sheet.plane(plane)[:2] == place
    assert sheet.box == Box(10, 20, 10 + 2 * 11, 20 + 2 * 11)


def test_a_window_begins_outside_its_plane_where_it_sees_padding():
    sheet = Sheet(100, 200, cell=10, count=1, size=7)
    assert sheet.window(0, -1, 2, 4) == Box(120, 190, 160, 230)
    box = sheet.window(0, 0, 0, 7)
    assert box == sheet.plane(0) == sheet.box and (box.x, box.y) == (135, 235)


def test_cells_have_the_values_of_their_plane_at_its_place():
    canvas, values = Canvas(300, 200), np.arange(12.0).reshape(3, 2, 2)
    sheet = canvas.planes(values, 10, 20, 5, limit=4)
    assert len(canvas.axes.images) == 3
    for number, image in enumerate(canvas.axes.images):
        np.testing.assert_array_equal(image.get_array(), values[number])
        left, right, bottom, top = image.get_extent()
        assert Box(left, top, right, bottom) == sheet.plane(number)
        assert image.get_clim() == (-4, 4)


def test_the_canvas_counts_pixels_of_the_saved_picture_from_the_upper_left():
    canvas = Canvas(300, 200)
    assert (canvas.figure.get_size_inches() * 150).tolist() == pytest.approx([300, 200])
    assert canvas.axes.get_xlim() == (0, 300) and canvas.axes.get_ylim() == (200, 0)


def test_a_beam_joins_facing_sides():
    canvas = Canvas(300, 200)
    canvas.beam(Box(0, 0, 10, 20), Box(50, 5, 60, 15))
    for patch in canvas.axes.patches:
        assert set(map(tuple, patch.get_xy())) == {(10, 20), (10, 0), (50, 5), (50, 15)}


def test_one_outlier_does_not_pale_the_rest():
    values = np.append(np.linspace(-1, 1, 999), 100)
    assert strongest(values) == pytest.approx(1, abs=0.01)
    assert strongest(np.zeros(4)) > 0  # colours need a range
