"""Colours are told apart, by colour-blind readers as well."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from convae.plots.style import ADDED, DIGIT_COLOURS, LEGIBLE, MISREAD, REMOVED, TEST, TRAIN

# Machado, Oliveira and Fernandes (2009), doi:10.1109/TVCG.2009.113: severity 1, for linear RGB
DEUTERANOPIA = np.array([
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.011820, 0.042940, 0.968881],
])


def nearest_two(colours, seen_through=None):
    """The smallest distance between two colours in CIELAB (CIE 1976).

    Two colours side by side are just told apart at 2 to 3.
    """
    rgb = np.array([to_rgb(c) for c in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    if seen_through is not None:
        linear = (linear @ seen_through.T).clip(0, 1)
    to_xyz = np.array([
        [0.4124, 0.3576, 0.1805],
        [0.2126, 0.7152, 0.0722],
        [0.0193, 0.1192, 0.9505],
    ])
    # without the straight part near black
    x, y, z = np.cbrt(linear @ to_xyz.T / [0.9505, 1, 1.089]).T
    lab = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=2)
    return apart[np.triu_indices(len(lab), 1)].min()


@pytest.mark.parametrize("seen_through", [None, DEUTERANOPIA], ids=["all colours", "deuteranopia"])
@pytest.mark.parametrize("colours", [
    DIGIT_COLOURS, (TRAIN, TEST), (ADDED, REMOVED), (LEGIBLE, MISREAD)])
def test_colours_are_told_apart(colours, seen_through):
    assert nearest_two(colours, seen_through) > 15


def test_the_distance_of_colours_catches_red_and_green_that_look_alike():
    red_and_green = ("#a5660f", "#7f7a00")
    assert nearest_two(red_and_green) > 20 > 8 > nearest_two(red_and_green, DEUTERANOPIA)
    assert nearest_two([*DIGIT_COLOURS[:-1], "#3f93da"]) < 15


def test_digits_whose_clusters_touch_have_colours_further_apart_than_the_nearest_two():
    for group in ((3, 5, 8), (4, 7, 9)):
        colours = [DIGIT_COLOURS[digit] for digit in group]
        assert nearest_two(colours, DEUTERANOPIA) > nearest_two(DIGIT_COLOURS, DEUTERANOPIA)
