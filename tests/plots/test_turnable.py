"""3-D spaces to turn show the points, the axes and the view of the figures."""

import json

import numpy as np
import pytest
import torch

from convae.plots.latent import AZIMUTH, ELEVATION, latent_spaces
from convae.plots.style import DIGIT_COLOURS
from convae.plots.turnable import in_dots, turnable_latent_spaces
from tests.plots.data import LABELS, N, clouds, pictures

EACH = 7
SPACES = {"AE": clouds(3), "VAE": clouds(3, seed=5, width=2)}
INPUTS, OUTPUTS = pictures(N), {"AE": pictures(N, 1), "VAE": pictures(N, 2)}


def draw():
    return turnable_latent_spaces(SPACES, LABELS, INPUTS, OUTPUTS, EACH)


@pytest.fixture(scope="module")
def figure():
    return draw()


def first(digit):
    return np.flatnonzero(LABELS == digit)[:EACH]


def test_each_space_has_the_first_points_of_each_digit_in_its_colour(figure):
    for trace, number in zip(figure.data, range(20), strict=True):
        model, digit = list(SPACES)[number // 10], number % 10
        shown = np.stack([trace.x, trace.y, trace.z], 1)
        np.testing.assert_allclose(shown, SPACES[model][first(digit)], atol=5.1e-4)
        assert trace.name == str(digit) and trace.marker.color == DIGIT_COLOURS[digit]


def test_hovering_over_a_point_shows_its_image_and_what_its_model_makes_of_it(figure):
    for trace, number in zip(figure.data, range(20), strict=True):
        outputs, own = list(OUTPUTS.values())[number // 10], first(number % 10)
        assert list(trace.text) == [in_dots(INPUTS[i], outputs[i]) for i in own]
        assert trace.hovertemplate == f"%{{text}}<extra>{trace.name}</extra>"


def test_the_legend_has_each_digit_once_and_switches_it_in_both_spaces(figure):
    assert [trace.name for trace in figure.data if trace.showlegend] == list("0123456789")
    assert [trace.legendgroup for trace in figure.data] == 2 * list("0123456789")


def test_the_axes_are_those_of_the_drawn_space(figure):
    scenes = (figure.layout.scene, figure.layout.scene2)
    for (model, z), scene in zip(SPACES.items(), scenes, strict=True):
        (axes,) = latent_spaces({3: z}, LABELS, model).axes
        limits = [axes.get_xlim(), axes.get_ylim(), axes.get_zlim()]
        ranges = [scene.xaxis.range, scene.yaxis.range, scene.zaxis.range]
        np.testing.assert_allclose(ranges, limits, atol=1e-3)
        sides = [scene.aspectratio.x, scene.aspectratio.y, scene.aspectratio.z]
        low, high = np.transpose(limits)
        assert np.ptp(sides / (high - low)) < 1e-6  # of equal scale, in float32


def test_the_spaces_are_seen_from_where_the_drawn_ones_are(figure):
    x, y, z = (figure.layout.scene.camera.eye[axis] for axis in "xyz")
    # EYE has three decimals
    assert np.rad2deg(np.arctan2(y, x)) == pytest.approx(AZIMUTH, abs=0.1)
    assert np.rad2deg(np.arctan2(z, np.hypot(x, y))) == pytest.approx(ELEVATION, abs=0.1)


def test_it_is_the_same_each_time_and_holds_numbers_as_json(figure):
    text = figure.to_json()
    assert text == draw().to_json()
    assert '"bdata"' not in text  # numbers, which compare with a tolerance, not bytes
    json.loads(text, parse_constant=pytest.fail)


def from_dots(text):
    """The dots of a text of Braille characters, read by the Unicode names of their dots."""
    lines = text.split("<br>")
    dots = np.zeros((4 * len(lines), 2 * len(lines[0])), bool)
    for (row, column), character in np.ndenumerate(np.array([list(line) for line in lines])):
        for dot in range(8):  # 1 to 3 down the left, 4 to 6 down the right, 7 and 8 below
            if ord(character) - 0x2800 >> dot & 1:
                y, x = [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (3, 0), (3, 1)][dot]
                dots[4 * row + y, 2 * column + x] = True
    return dots


@pytest.mark.parametrize("seed", range(3))
def test_dots_are_the_central_pixels_above_the_threshold_side_by_side(seed):
    left, right = pictures(2, seed)
    expected = torch.cat([left, right], 2)[0, 4:24].numpy() > 0.4
    inside = [*range(4, 24), *range(32, 52)]
    np.testing.assert_array_equal(from_dots(in_dots(left, right)), expected[:, inside])


def test_a_blank_image_is_five_lines_of_blank_characters():
    assert in_dots(torch.zeros(1, 28, 28)) == "<br>".join(["\u2800" * 10] * 5)
