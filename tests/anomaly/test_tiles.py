"""Tiles cover an image and come back to their places."""

import numpy as np
import pytest

from convae.anomaly.tiles import SIDE, Stitcher, corners, cut, padded


@pytest.mark.parametrize("shape", [(28, 28), (29, 57), (100, 43), (301, 28)])
def test_stitched_tiles_are_the_image(shape):
    image = np.random.default_rng(0).random(shape, np.float32)
    stitcher = Stitcher(*shape)
    places = corners(*shape)
    stitcher.add(cut(image, places), places)
    assert stitcher.mean() == pytest.approx(image, abs=1e-5)


def test_pixels_that_no_tile_covers_are_nan():
    stitcher = Stitcher(40, 40)
    stitcher.add(np.ones((1, SIDE, SIDE), np.float32), np.array([[0, 0]]))
    assert np.isnan(stitcher.mean()[39, 39])
    assert stitcher.mean()[5, 5] == pytest.approx(1)


@pytest.mark.parametrize("shape", [(1, 1), (28, 5), (27, 300)])
def test_small_images_are_padded_with_their_edge(shape):
    image = np.random.default_rng(0).random(shape, np.float32)
    large = padded(image)
    assert min(large.shape) >= SIDE
    assert (large[:shape[0], :shape[1]] == image).all()
    assert (large[-1, -1] == image[-1, -1]).all()
    with pytest.raises(ValueError, match="smaller than a tile"):
        corners(*shape)
