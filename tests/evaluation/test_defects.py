"""Defects are where their masks say, grow with their level, and are the same for the same seed."""

import numpy as np
import pytest
import torch

from convae.anomaly.study.localisation import clean_images
from convae.evaluation.defects import KINDS, LEVELS, VISIBLE, make_defects

REMOVES, ADDS = ("scratch", "gap"), ("blot", "protrusion", "thickening", "salt")


@pytest.fixture(scope="module")
def clean():
    return clean_images()[::5]


@pytest.mark.parametrize("kind", KINDS)
def test_masks_are_exact_and_defects_grow_with_their_level(clean, kind):
    sizes = []
    for level in LEVELS:
        damaged, masks = make_defects(clean, kind, level)
        change = (damaged - clean)[:, 0].numpy()
        assert damaged.shape == clean.shape and 0 <= damaged.min() and damaged.max() <= 1
        assert (masks == (abs(change) > VISIBLE)).all()
        assert masks.any((1, 2)).mean() > 0.95
        if kind in REMOVES:
            assert change.max() <= 1e-6
        if kind in ADDS:
            assert change.min() >= -1e-6
        sizes.append(masks.sum())
    assert sizes == sorted(sizes) and sizes[-1] > 1.5 * sizes[0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_decides_where_defects_are(clean, kind):
    first, again, other = (make_defects(clean, kind, 3, seed)[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_gaps_and_blots_are_in_one_place(clean):
    for kind in ("gap", "blot"):
        _, masks = make_defects(clean, kind, 2)
        rows, columns = masks.any(2).sum(1), masks.any(1).sum(1)
        assert rows.max() <= 6 and columns.max() <= 6, kind


@pytest.mark.parametrize(("kind", "level", "images", "problem"), [
    ("dent", 1, torch.ones(1, 1, 28, 28), "kind must be one of scratch"),
    ("gap", 6, torch.ones(1, 1, 28, 28), "level must be"),
    ("gap", 1, torch.ones(2, 1, 28, 28) * torch.tensor([1, 0]).view(2, 1, 1, 1),
     "image 1 has no ink"),
])
def test_defects_of_unknown_kind_or_level_or_without_ink_are_refused(kind, level, images, problem):
    with pytest.raises(ValueError, match=problem):
        make_defects(images, kind, level)


def test_the_lowest_level_of_salt_changes_two_pixels(clean):
    _, masks = make_defects(clean, "salt", 1)
    assert (np.unique(masks.sum((1, 2))) == [2]).all()
