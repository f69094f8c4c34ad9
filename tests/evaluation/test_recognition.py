"""Recognition by classifiers with known answers."""

import numpy as np
import pytest
import torch

from convae.evaluation.recognition import (
    NearestImage,
    Prediction,
    classify,
    confusion,
    legibility_gain,
    misrecognised,
)
from tests.evaluation.pictures import Brightness, levels, random_images


def test_a_prediction_is_the_most_probable_digit_and_its_probability():
    found = classify(Brightness(), levels(0, 3, 9, 5))
    assert found.digit.tolist() == [0, 3, 9, 5]
    assert (found.probability > 0.999).all()
    between = classify(Brightness(), torch.full((1, 1, 28, 28), 0.35))
    assert between.digit[0] in (3, 4) and between.probability[0] == pytest.approx(0.5, abs=0.01)


def pixels(*rows):
    """Images of 2 × 2 pixels."""
    return torch.tensor(rows, dtype=torch.float).view(-1, 1, 2, 2)


def test_the_nearest_image_recognises_training_images_and_those_near_them():
    images, labels = random_images(60), torch.arange(60) % 10
    classifier = NearestImage(images, labels)
    assert classifier.digits(images).tolist() == labels.tolist()
    near = images[7:30] + 0.05 * random_images(23, seed=1)
    assert classifier.digits(near).tolist() == labels[7:30].tolist()
    assert classifier.digits(images[:1]).shape == (1,)


def test_the_nearest_image_is_nearest_in_the_principal_components_that_count():
    """The training images differ most in the first pixel, then in the second, and in no other."""
    train = pixels([0, 0, 0, 0], [1, 0, 0, 0], [0, 0.5, 0, 0], [1, 0.5, 0, 0])
    labels = torch.tensor([3, 5, 7, 9])
    test = pixels([0.1, 0.1, 9, 0], [0.9, 0.1, 0, 0], [0.1, 0.4, 0, 0], [0.9, 0.4, 0, 9])
    by_both = NearestImage(train, labels, components=2)
    assert by_both.digits(test).tolist() == [3, 5, 7, 9]
    by_first = NearestImage(train, labels, components=1)
    dark, bright = by_first.digits(test).reshape(2, 2).T
    assert set(dark) <= {3, 7} and set(bright) <= {5, 9}
    assert by_first.digits(pixels([0.2, 0.5, 0, 0])) == by_first.digits(pixels([0.2, 0, 0, 0]))


def test_misrecognised_is_a_changed_prediction_and_needs_no_label():
    before, after = classify(Brightness(), levels(1, 2, 3)), classify(Brightness(), levels(1, 7, 3))
    assert misrecognised(before, after).tolist() == [False, True, False]
    assert not misrecognised(before, before).any()


def prediction(digits, probabilities=None):
    return Prediction(np.array(digits), np.array(probabilities or [1.0] * len(digits)))


def test_the_gain_in_legibility_is_that_of_the_right_digit_and_undefined_without_it():
    before = prediction([1, 1, 1, 2, 2], [0.6, 0.9, 0.9, 0.9, 0.9])
    after = prediction([1, 1, 2, 1, 2], [0.9, 0.7, 0.9, 0.9, 1])
    gain = legibility_gain(before, after, torch.tensor([1, 1, 1, 1, 1]))
    np.testing.assert_allclose(gain, [0.3, -0.2, np.nan, np.nan, np.nan])
    assert not (gain[2:] >= 0).any()


def test_the_confusion_matrix_counts_inputs_in_rows_and_outputs_in_columns():
    counts = confusion(prediction([4, 4, 4, 9, 0]), prediction([9, 9, 4, 4, 0]))
    assert counts.shape == (10, 10) and counts.sum() == 5
    assert (counts[4, 9], counts[4, 4], counts[9, 4], counts[0, 0]) == (2, 1, 1, 1)
