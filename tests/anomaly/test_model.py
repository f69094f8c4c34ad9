"""A model of images of any size: what it learns from, what it keeps in its file."""

import json

import numpy as np
import pytest
import safetensors.torch

from convae.anomaly import folders
from convae.anomaly.model import FORMAT, Inspector


@pytest.mark.parametrize(("image", "problem"), [
    (np.zeros((5, 5, 3)), r"image 1 has shape \(5, 5, 3\)"),
    (np.full((5, 5), 200.0), "image 1 has values from 200 to 200"),
    (np.full((5, 5), np.nan), "image 1 has values from nan"),
    (np.zeros((0, 5)), "image 1 has shape"),
])
@pytest.mark.parametrize("method", ["scores", "inspections", "fit"])
def test_arrays_that_are_not_images_are_refused(model, image, problem, method):
    inspector = Inspector.load(model)
    with pytest.raises(ValueError, match=problem):
        list(getattr(inspector, method)([np.zeros((5, 5)), image]))


def test_images_that_can_be_gone_through_once_only_are_refused():
    with pytest.raises(TypeError, match="more than once"):
        Inspector.fit(iter([np.zeros((28, 28))] * 20))


@pytest.mark.parametrize("side", [28, 40, 60])
def test_arrays_of_double_precision_can_be_fitted(fit_quickly, side):
    images = list(np.random.default_rng(0).random((12, side, side)))
    inspector = fit_quickly(images)
    assert len(inspector.calibration) == 6 and np.isfinite(list(inspector.scores(images))).all()


def test_threshold_with_too_few_held_out_images_is_their_highest_score(tmp_path, write_digits):
    write_digits(tmp_path / "some", 1, 0, 40)
    model = tmp_path / "m.safetensors"
    inspector = folders.fit(tmp_path / "some", model, epochs=10, progress=False)
    assert len(inspector.calibration) == 20
    highest = inspector.calibration[-1]
    assert highest < inspector.threshold(0.01) == pytest.approx(highest, rel=1e-4)


def test_held_out_images_score_as_new_ones_do(fit_quickly):
    """Were they learnt from, they would score lower, and too many new ones be called anomalous."""
    ranks = []
    for seed in range(4):
        # noise can only be learnt by heart
        noise = list(np.random.default_rng(seed).random((60, 32, 32)))
        inspector = fit_quickly(noise[:40], "tiles", seed=seed, latent_dim=2)
        assert len(inspector.calibration) == 20
        scores = np.array(list(inspector.scores(noise[40:])))
        ranks.append(np.mean(scores[:, None] < inspector.calibration))
    assert np.mean(ranks) == pytest.approx(0.5, abs=0.15)


def test_model_of_another_format_is_refused(model, tmp_path):
    content = safetensors.torch.load_file(model)
    with safetensors.safe_open(model, "pt") as file:
        metadata = json.loads(file.metadata()["convae.anomaly"])
    changed = {"convae.anomaly": json.dumps(metadata | {"format": 99})}
    safetensors.torch.save_file(content, tmp_path / "m", changed)
    problem = f"has format 99, and this version of convae reads format {FORMAT}: make it again"
    with pytest.raises(ValueError, match=problem):
        Inspector.load(tmp_path / "m")


def test_model_that_was_cut_off_is_refused(model, tmp_path):
    (tmp_path / "m").write_bytes(model.read_bytes()[:-1000])
    with pytest.raises(ValueError, match="no model that convae fit has written"):
        Inspector.load(tmp_path / "m")


def test_loaded_model_scores_as_the_saved_one(place, tmp_path):
    files = [tmp_path / name for name in ("first", "second")]
    first, _ = (folders.fit(place / "normal", file, epochs=2, progress=False) for file in files)
    assert files[0].read_bytes() == files[1].read_bytes()  # the same seed
    images, loaded = list(folders.Folder(place / "new")), Inspector.load(files[0])
    assert list(loaded.scores(images)) == list(first.scores(images))
    assert loaded.threshold(0.02) == first.threshold(0.02)


def test_model_of_two_views_is_kept_with_both(of_photographs, photographs, tmp_path):
    of_photographs.save(tmp_path / "m")
    images, loaded = list(photographs(3, 4)), Inspector.load(tmp_path / "m")
    assert loaded.view == "both"
    assert list(loaded.scores(images)) == list(of_photographs.scores(images))
    inspections = of_photographs.inspections(images), loaded.inspections(images)
    for before, after in zip(*inspections, strict=True):
        assert np.array_equal(before.difference, after.difference) and before.score == after.score
