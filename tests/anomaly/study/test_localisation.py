"""The instruments of notebook 07's local defects, on cases with known answers."""

import numpy as np
import pytest
import torch

from convae.anomaly.study import localisation
from convae.anomaly.study.localisation import (
    OVERLAP_UP_TO,
    error_ratio,
    region_overlap,
    without_a_network,
)


def masks_of(*regions):
    masks = np.zeros((2, 20, 20), bool)
    for image, rows, columns in regions:
        masks[image, rows, columns] = True
    return masks


MASKS = masks_of(
    (0, slice(2, 4), slice(2, 4)),
    (0, slice(10, 18), slice(10, 18)),
    (1, slice(5, 6), slice(5, 9)))


def test_overlap_of_a_perfect_map_a_blind_one_and_a_wrong_one():
    assert region_overlap(MASKS.astype(float), MASKS) == pytest.approx(1)
    blind = region_overlap(np.ones(MASKS.shape), MASKS)
    assert blind == pytest.approx(OVERLAP_UP_TO / 2)  # the diagonal
    assert region_overlap(-MASKS.astype(float), MASKS) == 0


def test_every_region_counts_alike_whatever_its_size():
    found = masks_of((0, slice(10, 18), slice(10, 18)))  # the largest of three
    expected = 1 / 3 + 2 / 3 * OVERLAP_UP_TO / 2
    assert region_overlap(found + 0.0, MASKS) == pytest.approx(expected, abs=0.01)


def test_the_overlap_is_a_half_if_half_of_each_region_is_found():
    masks = masks_of((0, slice(0, 4), slice(0, 4)), (1, slice(0, 8), slice(0, 2)))
    maps = masks.astype(float)
    maps[0, :2, :4] = maps[1, :4, :2] = 0
    maps[~masks] = 0.5  # the other halves are found last
    assert region_overlap(maps, masks) == pytest.approx(0.5)


def test_repair_is_the_share_of_the_squared_error_that_is_left():
    clean, damaged = torch.zeros(3, 1, 28, 28), torch.ones(3, 1, 28, 28)
    assert error_ratio(clean, damaged, clean) == 0
    assert error_ratio(damaged, damaged, clean) == 1
    assert error_ratio(damaged / 2, damaged, clean) == pytest.approx(0.25)


def test_a_median_repairs_single_pixels_and_no_gap(monkeypatch):
    monkeypatch.setattr(localisation, "EACH_DIGIT", 5)
    found = without_a_network((2,))["repair"]
    assert found["median"]["salt 1"] > 1  # it blurs the strokes: more harm than two pixels do
    assert found["median"]["salt 5"] < found["median"]["salt 1"]
    assert found["pca_2d"]["salt 5"] > found["median"]["salt 5"]


def test_what_a_defect_does_and_what_shows_it_without_a_model(monkeypatch):
    clean = torch.zeros(4, 1, 28, 28)
    damaged, mask = clean.clone(), np.zeros((4, 28, 28), bool)
    damaged[:, 0, 10:14, 10:14], mask[:, 10:14, 10:14] = 0.5 + 1e-3, True
    monkeypatch.setattr(localisation, "clean_images", lambda: clean)
    monkeypatch.setattr(localisation, "make_defects", lambda *_: (damaged, mask))
    found = localisation.without_a_network((1,))
    assert list(found["error_made"].values()) == pytest.approx([16 * 0.501**2] * 35, abs=1e-4)
    assert found["located"]["gap 1"]["pixel_auroc"] > 0.99  # the only bright place
    assert found["located"]["gap 1"]["right_sign"] == 1     # brighter than grey, and ink was added
