"""Damage is where it is said to be, and as it is said to be."""

import pytest
import torch

from convae.evaluation.damage import anomalies, plant_defects, shifted
from tests.evaluation.pictures import digit_like, random_images


@pytest.mark.parametrize("kind, value", [("blot", 1.0), ("gap", 0.0)])
def test_a_planted_defect_is_a_square_where_it_is_said_to_be_and_changes_no_more(kind, value):
    images = digit_like().repeat(50, 1, 1, 1)
    damaged, corners = plant_defects(images, kind, size=4, seed=1)
    for before, after, (row, column) in zip(images[:, 0], damaged[:, 0], corners, strict=True):
        assert (after[row:row + 4, column:column + 4] == value).all()
        assert 0 <= row <= 24 and 0 <= column <= 24
        rest = torch.ones(28, 28, dtype=torch.bool)
        rest[row:row + 4, column:column + 4] = False
        assert (before == after)[rest].all() and not (before == after).all()
        if kind == "blot":
            assert not before[row:row + 4, column:column + 4].any()
            assert 4 <= row <= 19 and 6 <= column <= 20  # in the digit's frame, or just beside it
    assert len({tuple(c) for c in corners}) > 10
    assert (plant_defects(images, kind, seed=1)[1] == corners).all()
    assert (plant_defects(images, kind, seed=2)[1] != corners).any()


@pytest.fixture
def digits():
    return random_images(5)


def test_each_kind_of_anomaly_has_a_picture_for_each_digit_and_changes_no_digit(digits):
    before = digits.clone()
    found = anomalies(digits)
    assert len(found) == 4
    assert {picture.shape for picture in found.values()} == {digits.shape}
    assert all(0 <= picture.min() and picture.max() <= 1 for picture in found.values())
    assert torch.equal(digits, before)


def test_mirrored_digits_have_their_first_row_last(digits):
    mirrored = anomalies(digits)["mirrored top to bottom"]
    for row in range(28):
        assert torch.equal(mirrored[:, :, row], digits[:, :, 27 - row])


def test_inverted_digits_and_the_digits_add_up_to_white(digits):
    inverted = anomalies(digits)["inverted grey levels"]
    torch.testing.assert_close(inverted + digits, torch.ones_like(digits))


def test_shuffled_digits_have_their_own_pixels_in_one_order_that_the_seed_draws(digits):
    def shuffled(images, seed):
        return anomalies(images, seed)["pixels in random order"].flatten(1)

    order = shuffled(torch.arange(784.0).view(1, 1, 28, 28), seed=3)[0].long()
    assert order.sort().values.tolist() == list(range(784))
    assert (order == torch.arange(784)).sum() < 10
    assert torch.equal(shuffled(digits, seed=3), digits.flatten(1)[:, order])
    assert not torch.equal(shuffled(digits, seed=4), digits.flatten(1)[:, order])


def test_digits_on_top_of_each_other_have_the_ink_of_each_and_of_the_one_before():
    dots = torch.eye(4).view(4, 1, 2, 2)
    both = anomalies(dots)["two digits on top of each other"].flatten(1)
    assert both.tolist() == [[1, 0, 0, 1], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]


@pytest.mark.parametrize(("rows", "columns"), [
    (0, 0), (1, 0), (-1, 0), (0, 2), (0, -2), (3, -4), (-27, 27), (28, 0)])
def test_every_pixel_of_a_shifted_image_moves_as_far_as_asked_and_nothing_comes_in(rows, columns):
    images = torch.rand(2, 1, 28, 28) + 1
    expected = torch.zeros_like(images)
    for row in range(28):
        for column in range(28):
            if 0 <= row + rows < 28 and 0 <= column + columns < 28:
                expected[:, :, row + rows, column + columns] = images[:, :, row, column]
    before = images.clone()
    assert torch.equal(shifted(images, rows, columns), expected)
    assert torch.equal(images, before)


def test_a_shift_and_the_shift_back_lose_only_what_left_the_image():
    digits = torch.zeros(8, 1, 28, 28)
    digits[:, :, 6:22, 6:22] = random_images(8)[:, :, 6:22, 6:22]
    assert torch.equal(shifted(shifted(digits, 6, -6), -6, 6), digits)
    assert not torch.equal(shifted(shifted(digits, 7, 0), -7, 0), digits)
