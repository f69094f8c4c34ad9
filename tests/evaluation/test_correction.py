"""Corrections found where images are known to differ."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from convae.evaluation.correction import (
    change_map_area,
    changed_ink,
    changed_share,
    corrected_regions,
    localises,
    reach,
)
from convae.evaluation.damage import plant_defects
from tests.evaluation.pictures import blank, digit_like, planted, random_images

SQUARE = (slice(10, 13), slice(4, 8))  # 3 × 4 pixels, centre (5.5, 11)


def test_a_removed_blot_is_found_with_its_pixels_mass_centre_and_radius():
    (region,) = corrected_regions(planted(SQUARE, value=0.75), blank(), threshold=0.5, pixels=5)
    assert (region.kind, region.pixels) == ("removed", 12)
    assert region.mass == pytest.approx(9)
    assert region.centre == pytest.approx((5.5, 11))  # column, row
    assert region.radius == pytest.approx(np.hypot(1.5, 1) + 0.5)


def test_a_filled_gap_is_found_as_added():
    (region,) = corrected_regions(blank(), planted(SQUARE), threshold=0.5, pixels=5)
    assert (region.kind, region.pixels, region.mass) == ("added", 12, 12)


def test_the_centre_leans_to_where_more_changed():
    change = planted((slice(10, 12), slice(4, 6)), value=0.6)
    change[0, 11, 4] = 1
    (region,) = corrected_regions(blank(), change, 0.5, 1)
    assert region.centre == pytest.approx((4 + 1.2 / 2.8, 10 + 1.6 / 2.8))
    assert region.mass == pytest.approx(2.8)


def test_an_unchanged_image_has_no_corrections():
    image = random_images(1)[0]
    assert corrected_regions(image, image, 0.01, 1) == []


@pytest.mark.parametrize(("threshold", "count"), [(0.5, 0), (0.49, 1), (0.51, 0)])
def test_a_pixel_must_change_by_more_than_the_threshold(threshold, count):
    assert len(corrected_regions(blank(), planted(SQUARE, value=0.5), threshold, 1)) == count


@pytest.mark.parametrize(("pixels", "count"), [(1, 1), (12, 1), (13, 0), (784, 0)])
def test_a_region_needs_its_least_number_of_pixels(pixels, count):
    assert len(corrected_regions(blank(), planted(SQUARE), 0.5, pixels)) == count


def test_pixels_that_touch_at_a_corner_are_connected_and_others_are_not():
    diagonal = torch.eye(28)[None]
    (region,) = corrected_regions(blank(), diagonal, 0.5, 5)
    assert region.pixels == 28
    apart = planted((3, 3), (3, 5), (5, 3))  # a pixel between each two
    assert [r.pixels for r in corrected_regions(blank(), apart, 0.5, 1)] == [1, 1, 1]


def test_added_and_removed_pixels_that_touch_are_two_regions():
    before, after = planted((10, slice(0, 5))), planted((11, slice(0, 6)))
    regions = corrected_regions(before, after, 0.5, 5)
    assert [(r.kind, r.pixels) for r in regions] == [("added", 6), ("removed", 5)]


def test_the_region_with_the_largest_mass_comes_first():
    faint = planted((slice(0, 4), slice(0, 4)), value=0.6)
    strong = planted((slice(20, 23), slice(20, 24)))
    regions = corrected_regions(blank(), faint + strong, 0.5, 5)
    assert [r.mass for r in regions] == pytest.approx([12, 9.6])


def test_shares_of_pixels_and_of_ink_changed():
    images = torch.stack([planted(SQUARE), planted(SQUARE), planted(SQUARE, value=0.5)])
    outputs = torch.stack([
        planted(SQUARE),            # as it was
        planted((0, slice(0, 6))),  # half of the ink elsewhere
        blank(),                    # gone
    ])
    np.testing.assert_allclose(changed_share(images, outputs, 0.5), np.array([0, 18, 0]) / 784)
    np.testing.assert_allclose(changed_ink(images, outputs), [0, 1.5, 1])


def blocks(*places, size=4, value=1.0):
    """An image with one pixel in each of these blocks."""
    return planted(*((row * size + 1, column * size + 2) for row, column in places), value=value)


def test_reach_is_the_changed_share_of_the_blocks_with_ink():
    character = blocks((1, 1), (1, 2), (2, 2), (5, 5))
    outputs = torch.stack([
        character,                                        # as it was
        blocks((1, 1), (1, 2), (2, 2)),                   # one of four erased
        character + blocks((6, 0)),                       # one added, so it is one of five
        blocks((3, 3), (3, 4), (4, 3), (4, 4)),           # another character
        character + blocks((0, 0), (0, 5), value=0.45),   # too faint for ink
        blank(),
    ])
    found = reach(character.expand_as(outputs), outputs, 0.5)
    np.testing.assert_allclose(found, [0, 1 / 4, 1 / 5, 1, 0, 1])


def test_reach_counts_changes_beyond_the_threshold_in_blocks_with_ink_only():
    before, after = blocks((1, 1), (2, 2)), blocks((1, 1), (2, 2), value=0.7)
    assert [reach(before[None], after[None], t).item() for t in (0.25, 0.35)] == [1, 0]
    faint = before + blocks((4, 4), value=0.4)
    assert reach(before[None], faint[None], 0.25).item() == 0  # changed, but without ink


@pytest.mark.parametrize(("block", "expected"), [(2, 1 / 3), (4, 1 / 3), (7, 1 / 2), (14, 1)])
def test_reach_is_counted_in_blocks_of_the_size_asked_for(block, expected):
    """Of three dots one goes, which shares a block of 7 with one other and one of 14 with both."""
    dots = planted((1, 1), (5, 5), (9, 9))
    without_one = planted((1, 1), (9, 9))
    assert reach(dots[None], without_one[None], 0.5, block).item() == pytest.approx(expected)


def test_reach_of_images_without_ink_is_0():
    assert reach(blank(2), blank(2), 0.5).tolist() == [0, 0]


def test_a_defect_is_found_if_the_largest_correction_is_centred_in_it():
    clean = digit_like()
    damaged, corners = plant_defects(clean, "blot")
    assert localises(corrected_regions(damaged[0], clean[0], 0.5, 5), corners[0])
    assert not localises(corrected_regions(damaged[0], clean[0], 0.5, 5), corners[0] + 6)
    assert not localises([], corners[0])


CORNERS = np.array([[3, 5], [10, 20], [24, 0]])


def in_squares(images, size=4):
    inside = torch.zeros_like(images)
    for image, (row, column) in zip(inside, CORNERS, strict=True):
        image[0, row:row + size, column:column + size] = 1
    return inside


def test_the_change_map_area_is_1_for_changes_in_the_defect_and_0_for_others():
    images = random_images(3)
    inside = in_squares(images)
    for sign in (1, -1):
        change = sign * 0.1
        assert (change_map_area(images, images + change * inside, CORNERS) == 1).all()
        assert (change_map_area(images, images + change * (1 - inside), CORNERS) == 0).all()
    faint = 0.1 + 0.001 * inside  # no threshold is involved
    np.testing.assert_allclose(change_map_area(blank(3), faint, CORNERS), 1)


@pytest.mark.parametrize("change", [0, 0.2, -0.2])
def test_the_change_map_area_is_a_half_for_an_equal_change_everywhere(change):
    np.testing.assert_allclose(change_map_area(blank(3), blank(3) + change, CORNERS), 0.5)


def test_the_change_map_area_is_three_quarters_if_half_of_the_defect_changed():
    half = in_squares(blank(3))
    half[:, :, ::2] = 0
    np.testing.assert_allclose(change_map_area(blank(3), half, CORNERS), 0.5 * 1 + 0.5 * 0.5)


@pytest.mark.parametrize("size", [2, 4])
def test_the_change_map_area_is_that_under_each_images_roc_curve(size):
    images, outputs = (random_images(3, seed).round(decimals=1) for seed in (0, 1))  # with ties
    squares, changes = in_squares(images, size).flatten(1), (outputs - images).abs().flatten(1)
    by_image = [roc_auc_score(*pair) for pair in zip(squares, changes, strict=True)]
    np.testing.assert_allclose(change_map_area(images, outputs, CORNERS, size), by_image)


def test_the_change_map_area_of_a_removed_blot_is_1():
    images = digit_like().repeat(20, 1, 1, 1)
    damaged, corners = plant_defects(images, "blot")
    np.testing.assert_allclose(change_map_area(damaged, images, corners), 1)


def test_the_change_map_area_of_a_filled_gap_counts_only_pixels_that_had_ink():
    """A gap's square reaches beyond the stroke, where there is nothing to restore."""
    images = digit_like().repeat(20, 1, 1, 1)
    damaged, corners = plant_defects(images, "gap")
    erased = (images != damaged).sum((1, 2, 3)).numpy() / 16
    np.testing.assert_allclose(change_map_area(damaged, images, corners), 0.5 + 0.5 * erased)
    assert erased.max() < 1
