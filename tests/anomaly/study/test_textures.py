"""Textures and their defects are what they are said to be."""

import numpy as np
import pytest

from convae.anomaly.study import textures
from convae.anomaly.study.textures import (
    DEFECTS,
    SIDE,
    TEXTURES,
    cases,
    damage_textures,
    make_textures,
)


@pytest.mark.parametrize("texture", TEXTURES)
def test_textures_are_seeded_and_all_different(texture):
    images = make_textures(texture, 3, 0)
    assert images.shape == (3, SIDE, SIDE) and images.dtype == np.float32
    assert 0 <= images.min() and images.max() <= 1 and images.std() > 0.05
    assert (make_textures(texture, 3, 0) == images).all()
    assert abs(images[0] - images[1]).mean() > 0.02
    assert abs(make_textures(texture, 1, 1)[0] - images[0]).mean() > 0.02


@pytest.mark.parametrize("defect", ["scratch", "stain", "smear"])
def test_a_defect_changes_one_place_by_its_strength(defect):
    clean = make_textures("weave", 4, 0)
    strong, masks = damage_textures(clean, defect, 1.0, 1)
    weak, same = damage_textures(clean, defect, 0.5, 1)
    assert (masks == same).all()
    assert (20 < masks.sum((1, 2))).all() and (masks.sum((1, 2)) < 300).all()
    strong_change, weak_change = abs(strong - clean), abs(weak - clean)
    assert strong_change[masks].mean() > 20 * strong_change[~masks].mean()
    assert weak_change[masks].mean() == pytest.approx(strong_change[masks].mean() / 2, rel=0.15)
    rows, columns = (np.ptp(np.nonzero(masks[0])[axis]) for axis in (0, 1))
    assert max(rows, columns) < 32


def test_where_a_part_is_missing_there_is_nothing_but_ground():
    clean, ground = make_textures("part", 4, 0), make_textures("brushed", 4, 2)
    damaged, masks = damage_textures(clean, "missing", 1.0, 1)
    rows, columns = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    middle, outside = np.hypot(rows, columns) < 40, np.hypot(rows, columns) > 57
    assert (masks[:, middle]).all() and not (masks[:, outside]).any()
    assert (damaged == clean)[:, outside].all()
    with_part, without = clean[:, middle], damaged[:, middle]
    assert with_part.std() < 0.3 * ground.std()
    assert without.std() == pytest.approx(ground.std(), rel=0.1)
    assert without.mean() == pytest.approx(ground.mean(), abs=0.02)
    assert with_part.mean() > ground.mean() + 0.1


@pytest.mark.parametrize("defect", ["missing mark", "misplaced mark"])
def test_a_mark_that_is_missing_or_misplaced_leaves_bare_plate(defect):
    clean = make_textures("plate", 6, 0)
    damaged, masks = damage_textures(clean, defect, 1.0, 1)
    rows, columns = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    plate = np.hypot(rows, columns) < 38
    marks = [(images < 0.5)[:, plate].sum(1) for images in (clean, damaged)]
    assert marks[0] == pytest.approx(3 * np.pi * 4.5**2, rel=0.1)
    assert marks[1] / marks[0] == pytest.approx(2 / 3 if defect == "missing mark" else 1, abs=0.05)
    assert (damaged == clean)[:, ~plate].all()
    assert (50 < masks.sum((1, 2))).all() and (masks.sum((1, 2)) < 160).all()
    gone = (clean < 0.5) & (damaged > 0.6)
    assert abs(damaged[gone] - 0.7).mean() < 0.03 and masks[gone].all()


@pytest.mark.parametrize("defect", textures.ANYWHERE)
def test_about_half_of_the_defects_of_a_part_lie_on_it(defect):
    _, masks = damage_textures(make_textures("brushed", 1, 0).repeat(200, 0), defect, 1.0, 0)
    disc = np.hypot(*(np.mgrid[:SIDE, :SIDE] - SIDE / 2)) < 45
    on_it = [disc[mask].mean() > 0.5 for mask in masks]
    assert 0.35 < np.mean(on_it) < 0.65


def test_only_a_part_can_be_missing_and_not_faintly():
    assert {texture: len(cases(texture)) for texture in TEXTURES} == {
        "weave": 6, "brushed": 6, "studs": 6, "part": 7, "plate": 8}
    assert all(name.endswith(defect) and defect in DEFECTS and 0 < strength <= 1
               for texture in TEXTURES for name, (defect, strength) in cases(texture).items())
