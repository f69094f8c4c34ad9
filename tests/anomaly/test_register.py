"""Parts are found where they lie and moved to where they usually do; cloth is left alone."""

import numpy as np
import pytest

from convae.anomaly import register
from convae.anomaly.register import Template, align, moved, resized
from convae.anomaly.study import textures
from convae.anomaly.study.textures import make_textures

ROWS, COLUMNS = np.mgrid[:90, :120]


def part(row, column, seed=0, noise=0.02):
    """A bright bar with a dark hole on a grey ground."""
    image = np.full((90, 120), 0.4)
    image[(abs(ROWS - row) < 20) & (abs(COLUMNS - column) < 35)] = 0.8
    image[np.hypot(ROWS - row, COLUMNS - column - 20) < 6] = 0.1
    image += np.random.default_rng(seed).normal(0, noise, image.shape)
    return image.clip(0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def places():
    return np.random.default_rng(0).integers((-4, -4), (5, 5), (30, 2)) + (45, 60)


@pytest.fixture(scope="module")
def fitted(places):
    return Template.fit([part(*place, seed) for seed, place in enumerate(places)])


def test_parts_are_moved_onto_one_another(fitted, places):
    shifts = [fitted.align(part(*at, seed))[1] for seed, at in enumerate(places)]
    ends = places + np.array(shifts)
    assert np.ptp(places, 0).min() > 5 and np.ptp(ends, 0).max() <= 1
    aligned, shift = fitted.align(part(49, 55, seed=99))
    assert abs(np.add((49, 55), shift) - ends[0]).max() <= 1 and shift != (0, 0)
    assert abs(aligned - fitted.mean).mean() < 0.03 and abs(fitted.standardised(aligned)).mean() < 1


def test_missing_hole_stands_out_where_it_should_be(fitted):
    damaged = part(48, 55, seed=99)
    damaged[np.hypot(ROWS - 48, COLUMNS - 75) < 7] = 0.8
    aligned = align(damaged, fitted)
    found = aligned.undo(aligned.standardised, np.zeros_like(damaged))
    hole = np.hypot(ROWS - 48, COLUMNS - 75) < 5
    assert found[hole].min() > 5 and np.abs(found[~hole & (ROWS < 40)]).mean() < 1


def test_a_part_is_not_followed_further_than_a_tenth_of_the_image(fitted):
    _, shift = fitted.align(part(45, 30))
    assert np.abs(shift).max() <= 9


@pytest.mark.parametrize("texture", ["weave", "brushed", "studs"])
def test_cloth_has_no_template(texture):
    assert Template.fit(list(make_textures(texture, 20, 0))) is None


@pytest.mark.xfail(
    reason="a pattern that repeats every fifth of the image is taken for a part", strict=True)
def test_coarse_cloth_has_no_template():
    images = []
    for seed in range(20):
        across, along = textures._lattice(np.random.default_rng(seed), 33)
        squared_distance = (across % 1 - 0.5)**2 + (along % 1 - 0.5)**2
        images.append(np.exp(-squared_distance / 0.08).astype(np.float32))
    assert Template.fit(images) is None


DARK_CORNERS = 1 - 0.35 * sum(((axis - 84) / 84)**2 for axis in np.mgrid[:168, :168]) / 2
FROM_ONE_SIDE = 1 - 0.4 * np.mgrid[:168, :168][1] / 168


@pytest.mark.parametrize("light", [DARK_CORNERS, FROM_ONE_SIDE])
@pytest.mark.parametrize("texture", ["weave", "brushed"])
def test_cloth_in_uneven_light_has_no_template(texture, light):
    assert Template.fit(list((make_textures(texture, 20, 0) * light).astype(np.float32))) is None


@pytest.mark.parametrize("shape", [(28, 300), (40, 200), (300, 60)])
def test_noise_in_strips_has_no_template(shape):
    noise = np.random.default_rng(0).random((20, *shape), np.float32)
    assert Template.fit(list(noise)) is None


@pytest.mark.parametrize("light", [1, DARK_CORNERS, FROM_ONE_SIDE])
@pytest.mark.parametrize("texture", ["part", "plate"])
def test_parts_on_a_ground_of_texture_have_a_template(texture, light):
    found = Template.fit(list((make_textures(texture, 20, 0) * light).astype(np.float32)))
    # the ground differs from image to image
    assert found.deviation[70:98, 70:98].max() < 0.75 * np.median(found.deviation)


def test_images_of_different_sizes_have_no_template():
    assert Template.fit([part(45, 60, seed)[:90 - seed] for seed in range(5)]) is None


@pytest.mark.parametrize("level", [0, 0.1, 0.7, 0.9, 1])
def test_an_even_image_stays_where_it_is(fitted, level):
    aligned, shift = fitted.align(np.full((90, 120), level, np.float32))
    assert shift == (0, 0) and (aligned == np.float32(level)).all()


def test_template_of_copies_of_one_image_divides_by_no_zero():
    found = Template.fit([part(45, 60)] * 5)
    assert found.align(part(45, 60))[1] == (0, 0)
    assert np.isfinite(found.standardised(part(45, 60, seed=1))).all()
    assert found.deviation.min() == np.float32(register.SMALLEST)


@pytest.mark.parametrize("shift", [(0, 0), (3, -5), (-7, 2)])
def test_moved_there_and_back_an_image_is_as_it_was_but_for_its_edge(shift):
    image = np.random.default_rng(0).random((40, 50), np.float32)
    there = moved(image, shift, np.zeros_like(image))
    back = moved(there, (-shift[0], -shift[1]), image)
    assert np.array_equal(back, image)
    down, right = shift
    assert there[20 + down, 20 + right] == image[20, 20]
    assert (there == 0).sum() == 40 * 50 - (40 - abs(down)) * (50 - abs(right))


def test_an_image_of_another_size_is_resized_and_the_result_has_its_own_size(fitted):
    large = resized(part(49, 55, seed=99), (180, 240))
    aligned = align(large, fitted)
    assert aligned.image.shape == (90, 120)
    back = aligned.undo(aligned.image, large)
    assert back.shape == (180, 240) and abs(back - large).mean() < 0.03


@pytest.mark.parametrize("shape", [(20, 200), (1, 1)])
def test_without_a_template_an_image_is_only_padded(shape):
    image = np.random.default_rng(0).random(shape, np.float32)
    aligned = align(image, None)
    assert min(aligned.image.shape) >= 28
    assert aligned.image is aligned.standardised and aligned.shift == (0, 0)
    assert np.array_equal(aligned.undo(aligned.image, image), image)
