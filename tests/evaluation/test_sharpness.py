"""Sharpness and variety of images drawn to have known ones."""

import numpy as np
import pytest
import torch
from scipy.special import ndtr

from convae.evaluation.sharpness import (
    blurred_as_much,
    edge_steepness,
    fine_detail,
    grey_ink,
    raggedness,
    variety,
)
from tests.evaluation.pictures import blank, levels, planted, random_images, strokes

ROWS, COLUMNS = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
RECTANGLE = (slice(6, 20), slice(8, 18))  # its outline is 2 · (14 + 10) = 48 long


def test_black_and_white_has_no_grey_and_middle_grey_has_two():
    assert grey_ink(strokes(3)).tolist() == [0, 0, 0]
    assert grey_ink(blank(2) + 0.5).tolist() == [2, 2]
    mixed = planted((slice(0, 2), slice(0, 4))) + planted((5, slice(0, 4)), value=0.5)
    assert grey_ink(mixed[None]).item() == pytest.approx(4 / (8 + 2))  # four pixels of 4 · ¼


def wave(period):
    return (0.5 + 0.5 * torch.cos(2 * torch.pi * torch.arange(28.0) / period)).expand(1, 1, 28, 28)


@pytest.mark.parametrize(("period", "fine"), [
    (28, 0), (14, 0), (7, 0), (28 / 5, 1), (4, 1), (2, 1)])
def test_waves_shorter_than_seven_pixels_are_fine_detail(period, fine):
    assert fine_detail(wave(period)).item() == pytest.approx(fine, abs=1e-6)
    assert fine_detail(wave(period).mT).item() == pytest.approx(fine, abs=1e-6)


def test_a_slanted_wave_is_as_fine_as_it_is_long_across():
    """Periods of 28 / 4 along one axis and 28 along the other: 28 / √17 = 6.8 pixels across."""
    for k, fine in ((4, 1), (3, 0)):
        phase = 2 * torch.pi * (k * ROWS + COLUMNS) / 28
        slanted = 0.5 + 0.5 * torch.cos(phase)[None, None]
        assert fine_detail(slanted).item() == pytest.approx(fine, abs=1e-6)


def test_fine_detail_is_a_share_of_the_power_and_ignores_brightness_and_contrast():
    assert fine_detail((wave(14) + wave(4)) / 2).item() == pytest.approx(0.5, abs=1e-5)
    assert fine_detail((wave(14) + 2 * wave(4)) / 3).item() == pytest.approx(0.8, abs=1e-5)
    images = random_images()
    np.testing.assert_allclose(fine_detail(0.3 * images + 0.5), fine_detail(images), rtol=1e-4)


def ever_more_blurred():
    """Sharp strokes, and the same with 70 and 30 % of their fine detail left."""
    sharp = strokes()
    detail = float(fine_detail(sharp).mean())
    return sharp, blurred_as_much(sharp, 0.7 * detail)[0], blurred_as_much(sharp, 0.3 * detail)[0]


def test_blur_lowers_fine_detail_and_raises_grey():
    images, slight, strong = ever_more_blurred()
    assert (fine_detail(strong) < fine_detail(slight)).all()
    assert (fine_detail(slight) < fine_detail(images)).all()
    assert (grey_ink(strong) > grey_ink(slight)).all()
    assert (grey_ink(slight) > grey_ink(images)).all()


def edge(width):
    """A vertical edge at full contrast that rises evenly over `width` pixels."""
    return ((torch.arange(28.0) - 8) / width).clamp(0, 1).expand(1, 1, 28, 28)


@pytest.mark.parametrize("width", [1, 2, 4, 8])
def test_the_steepness_of_an_edge_is_one_over_its_width(width):
    for image in (edge(width), edge(width).mT, 1 - edge(width), edge(width).flip(3)):
        assert edge_steepness(image).item() == pytest.approx(1 / width)


@pytest.mark.parametrize("width", [1, 2, 3])
def test_the_steepness_of_an_edge_blurred_by_a_gaussian_is_known(width):
    """∫ g² of a normal density g of standard deviation s is 1 / (2 s √π)."""
    rise = torch.from_numpy(ndtr((np.arange(28) - 13.5) / width)).expand(1, 1, 28, 28)
    assert edge_steepness(rise).item() == pytest.approx(1 / (2 * width * np.sqrt(np.pi)), rel=0.05)


@pytest.mark.parametrize("width", [3, 4, 8])
def test_a_slanted_edge_is_about_as_steep_as_an_upright_one(width):
    slanted = ((ROWS + COLUMNS - 27) / np.sqrt(2) / width + 0.5).clamp(0, 1)[None, None]
    assert edge_steepness(slanted).item() == pytest.approx(1 / width, rel=0.06)


def test_steepness_is_that_of_each_image_and_falls_with_contrast_and_with_blur():
    images = torch.cat([edge(2), edge(4), 0.5 * edge(2)])
    np.testing.assert_allclose(edge_steepness(images), [0.5, 0.25, 0.25], rtol=1e-6)
    sharp, slight, strong = ever_more_blurred()
    assert (edge_steepness(strong) < edge_steepness(slight)).all()
    assert (edge_steepness(slight) < edge_steepness(sharp)).all()



def disc(radius, width=None):
    """A disc, or a ring as wide as said around the radius."""
    distance = torch.hypot(ROWS - 13.5, COLUMNS - 13.5)
    if width is None:
        inside = distance < radius
    else:
        inside = (distance - radius).abs() < width / 2
    return inside.float()[None, None]


@pytest.mark.parametrize("width", [3, 4, 10])
def test_a_smooth_rectangle_is_not_ragged(width):
    assert raggedness(planted((slice(6, 20), slice(8, 8 + width)))[None]).item() == 0


@pytest.mark.parametrize("radius", [4, 6, 8, 10])
def test_a_disc_and_a_closed_stroke_of_two_pixels_or_more_are_not_ragged(radius):
    for image in (disc(radius), disc(radius, 2), disc(radius, 3)):
        assert raggedness(image).item() == 0


@pytest.mark.parametrize(("ragged", "smoothed", "length"), [
    (planted(RECTANGLE, (2, 3)), 4, 52),                                 # a speck
    (planted(RECTANGLE, (2, 3), (2, 8), (25, 20)), 12, 60),              # three
    (planted(RECTANGLE, (12, 18)), 2, 50),                               # a spike
    (planted(RECTANGLE) - planted((12, 17)), 2, 50),                     # a notch
    (planted(RECTANGLE) - planted((12, 12)), 4, 52),                     # a hole
    (planted((slice(6, 20), 12)), 30, 30),                               # a hair
], ids=["speck", "specks", "spike", "notch", "hole", "hair"])
def test_the_ragged_share_of_an_outline_is_what_the_median_smooths_away(ragged, smoothed, length):
    for image in (ragged, ragged.mT, ragged.flip(2)):
        assert raggedness(image[None]).item() == pytest.approx(smoothed / length)


def test_raggedness_is_of_ink_darker_than_a_half_and_nan_without_any():
    speck = planted(RECTANGLE, value=0.6) + planted((2, 3), value=0.4)
    found = raggedness(torch.stack([speck, 0.5 * speck, blank()]))
    assert found[0] == 0 and found[1:].isnan().all()


@pytest.mark.parametrize("left", [0.9, 0.5, 0.2])
def test_images_are_blurred_until_they_have_the_detail_asked_for(left):
    images = strokes()
    target = left * float(fine_detail(images).mean())
    blurred, width = blurred_as_much(images, target)
    assert blurred.shape == images.shape and blurred.dtype == images.dtype
    assert float(fine_detail(blurred).mean()) == pytest.approx(target, abs=0.005)
    assert 0.05 < width < 5
    ink, ink_before = blurred.sum((1, 2, 3)), images.sum((1, 2, 3))
    torch.testing.assert_close(ink, ink_before, rtol=1e-3, atol=0)  # none is lost


@pytest.mark.parametrize("detail", [0.999, -0.1, float("nan")])
def test_a_detail_that_no_blur_gives_is_refused(detail):
    with pytest.raises(ValueError, match="no blur .* fine detail"):
        blurred_as_much(strokes(), detail)


def test_equal_images_have_no_variety():
    labels = torch.arange(10).repeat(3)
    images = random_images(10).repeat(3, 1, 1, 1)
    np.testing.assert_allclose(variety(images, labels), 0, atol=1e-10)


def test_variety_is_half_the_mean_squared_distance_of_pairs():
    labels, images = torch.arange(10).repeat(7), random_images(70)
    expected = []
    for digit in range(10):
        own = images[labels == digit].flatten(1).double()
        expected.append(torch.cdist(own, own).square().mean() / 2)
    np.testing.assert_allclose(variety(images, labels), expected, rtol=1e-6)


def test_variety_is_within_digits_not_between_them():
    """Images that differ between digits only have none; with the labels mixed they have."""
    labels = torch.arange(10).repeat_interleave(4)
    images = levels(*labels.tolist())
    np.testing.assert_allclose(variety(images, labels), 0, atol=1e-10)
    assert (variety(images, torch.arange(10).repeat(4)) > 10).all()
