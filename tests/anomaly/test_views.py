"""Large images in tiles and as a whole: defects are found, where they are."""

import numpy as np
import pytest
from PIL import Image

from convae.anomaly import views
from convae.anomaly.model import Inspector
from convae.anomaly.study.textures import make_textures


def test_tiles_are_drawn_from_as_many_images_as_tiles_are_wanted(monkeypatch):
    monkeypatch.setattr(views, "TILES", 7)
    images = [np.full((60, 60), i / 20, np.float32) for i in range(20)]
    held_out = np.arange(20) % 4 == 0
    seen = []
    monkeypatch.setattr(
        views.Detector, "fit", lambda tiles, **_: seen.append(tiles[:, 0, 0, 0].numpy()) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        views.Tiles.fit(images, held_out, seed=0, gaussian=True)
    (drawn,) = seen
    assert len(drawn) == len(set(drawn)) == 7
    assert not set(drawn) & {image[0, 0] for image in images[::4]}


@pytest.mark.parametrize("pixels, kept", [
    (10**8, range(60)),
    (25 * 3600, range(0, 60, 4)),
    (1, range(0, 60, 4)),
])
def test_of_large_photographs_some_from_all_along_are_kept_in_memory(monkeypatch, pixels, kept):
    monkeypatch.setattr(views, "PIXELS", pixels)
    seen = []
    monkeypatch.setattr(views.Template, "fit", lambda images: seen.extend(images) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        images = [np.full((60, 60), i / 60, np.float32) for i in range(60)]
        views.Tiles.fit(images, np.zeros(60, bool), seed=0, gaussian=True)
    assert [round(60 * float(image[0, 0])) for image in seen] == list(kept)


def test_small_defect_of_a_large_photograph_is_found_in_tiles_where_it_is(
        of_photographs, photographs):
    assert of_photographs.view == "both" and len(of_photographs.calibration) == 12
    good, bad = photographs(2, 1)
    bad[20:30, 30:42] = 0
    good, found = of_photographs.inspections([good, bad])
    assert found.score > of_photographs.threshold(0.1) > good.score
    assert found.difference.shape == found.normal.shape == bad.shape
    row, column = np.unravel_index(found.difference.argmin(), bad.shape)
    assert 18 <= row < 32 and 28 <= column < 44
    assert list(of_photographs.scores([bad])) == [found.score]


def test_missing_part_is_found_in_tiles_and_on_the_whole(of_photographs, photographs):
    """Every tile of the empty ground is a normal one, but not where it is."""
    (empty,) = photographs(1, 2, part=False)
    assert of_photographs.in_place
    for view in of_photographs.views:
        *good, missing = view.scores([*photographs(12, 3), empty])
        assert missing > 2 * max(good) and missing > of_photographs.threshold(0.1)


def test_view_that_scores_an_image_highest_shows_it(of_photographs, photographs):
    images = [*photographs(4, 3), *photographs(2, 2, part=False)]
    looks = [list(view.looks(images)) for view in of_photographs.views]
    for i, found in enumerate(of_photographs.inspections(images)):
        best = np.argmax([of_view[i].score for of_view in looks])
        assert found.score == pytest.approx(looks[best][i].score, rel=1e-9)
        expected = of_photographs.views[best].inspection(looks[best][i]).difference
        assert found.difference == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_of_two_maps_the_one_further_off_the_usual_is_shown(of_photographs, photographs):
    image = next(photographs(1, 3))
    for view in of_photographs.views:
        look = next(view.looks([image]))
        maps = look.maps / np.reshape(view.map_scale, (2, 1, 1))
        difference = view.inspection(look).difference
        assert (abs(difference) == abs(maps).max(0)).all()
        assert all((difference == each).any() for each in maps)


def test_detail_that_is_missing_or_misplaced_is_found_where_it_should_be(
        of_photographs, photographs):
    """Bare part, and bare ground, are normal; not everywhere."""
    for image in photographs(3, 5):
        bright, dark = image.copy(), image.copy()
        bright[2:14, 2:14], dark[70:80, 95:105] = 0.9, 0.4
        for damaged, sign, middle in ((bright, 1, (8, 8)), (dark, -1, (75, 100))):
            (found,) = of_photographs.inspections([damaged])
            assert found.score > of_photographs.threshold(0.1)
            row, column = np.unravel_index((sign * found.difference).argmax(), image.shape)
            assert abs(row - middle[0]) < 10 and abs(column - middle[1]) < 10


def test_image_of_another_size_is_looked_at_in_that_of_the_normal_ones(of_photographs, photographs):
    image = next(photographs(1, 6))
    large = Image.fromarray(image).resize((400, 300), Image.Resampling.BICUBIC)
    before, after = of_photographs.inspections([image, np.asarray(large).clip(0, 1)])
    assert after.difference.shape == (300, 400)
    assert after.score == pytest.approx(before.score, rel=0.2)


def test_images_of_different_sizes_can_be_fitted(fit_quickly, photographs):
    inspector = fit_quickly(image[:100 + 7 * i, :120] for i, image in enumerate(photographs(10, 0)))
    assert inspector.view == "both" and not inspector.in_place
    assert np.isfinite(list(inspector.scores([*photographs(1, 1), np.zeros((400, 28))]))).all()


def test_speck_on_a_blank_ground_is_hardly_unusual(fit_quickly):
    """Where normal images are quite even, nothing usual says how much a grey level counts."""
    rows, columns = np.mgrid[:80, :80]
    generator = np.random.default_rng(0)
    part = np.hypot(rows - 40, columns - 40) < 20
    images = [np.where(part, 0.5 + generator.normal(0, 0.03, part.shape), 1).round(2)
              for _ in range(20)]
    speck, hole = images[0].copy(), images[0].copy()
    speck[5, 5], hole[38:43, 38:43] = 254 / 255, 1
    clean, speck, hole = fit_quickly(images, epochs=2).scores([images[0], speck, hole])
    assert speck == pytest.approx(clean, rel=0.1) and hole > 1.5 * speck


@pytest.mark.parametrize("view", ["tiles", "both"])
def test_images_no_larger_than_a_tile_are_not_cut_into_tiles(view):
    with pytest.raises(ValueError, match="larger than a tile of 28 × 28 pixels, and none is"):
        Inspector.fit([np.zeros((28, 20))] * 10, view)


def test_textures_are_not_taken_for_parts(fit_quickly):
    inspector = fit_quickly(make_textures("weave", 12, 0), "tiles")
    assert not inspector.in_place and len(inspector.views[0].scale) == 1


@pytest.mark.parametrize("pixels", [0, 1, 20, 200])
def test_images_that_are_all_but_equal_can_be_fitted(fit_quickly, pixels):
    """White ones, with some pixels a grey level darker."""
    images = np.ones((10, 60, 60), np.float32)
    generator = np.random.default_rng(0)
    for image in images:
        image.ravel()[generator.choice(image.size, pixels, replace=False)] = 254 / 255
    inspector = fit_quickly(images)
    (dark,) = inspector.scores([np.zeros((60, 60))])
    assert np.isfinite(inspector.calibration).all() and dark > inspector.threshold(0.1)


@pytest.mark.parametrize("seed", range(3))
def test_copies_of_one_image_can_be_fitted(fit_quickly, seed):
    image = np.random.default_rng(seed).random((60, 60)).astype(np.float32)
    inspector = fit_quickly([image] * 10)
    assert np.isfinite(inspector.calibration).all()
    assert np.isfinite(list(inspector.scores([image, 1 - image]))).all()


@pytest.mark.parametrize("view", ["whole", "tiles"])
def test_one_view_alone_can_be_asked_for(fit_quickly, photographs, view):
    inspector = fit_quickly(photographs(12, 0), view)
    assert [type(each).__name__.lower() for each in inspector.views] == [view] == [inspector.view]
    assert np.isfinite(list(inspector.scores(photographs(2, 1)))).all()
