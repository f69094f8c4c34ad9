"""The estimator does what scikit-learn expects of an outlier detector."""

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from convae.anomaly.estimator import AnomalyDetector
from convae.data import load_mnist

QUICK = AnomalyDetector(members=1, epochs=2, latent_dim=2, false_alarms=0.1, random_state=0)


@parametrize_with_checks([QUICK])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def digits():
    images, labels = load_mnist(train=True)
    flat = images.flatten(1).numpy()
    return flat[labels == 1][:300], flat[labels == 0][:50]


@pytest.fixture(scope="module")
def fitted(digits):
    return clone(QUICK).set_params(epochs=60, false_alarms=0.05).fit(digits[0][:200])


def test_zeros_are_anomalous_to_a_detector_of_ones(fitted, digits):
    ones, zeros = digits[0][200:], digits[1]
    assert (fitted.predict(zeros) == -1).all()
    assert (fitted.predict(ones) == 1).mean() > 0.8
    assert np.median(fitted.score_samples(zeros)) < fitted.score_samples(ones).min()
    assert (fitted.p_values(zeros) <= 0.05).all()
    assert ((fitted.p_values(ones) <= 0.05) == (fitted.predict(ones) == -1)).all()


def test_estimator_works_in_a_pipeline_and_through_joblib(fitted, digits, tmp_path):
    ones = digits[0]
    pipeline = make_pipeline(FunctionTransformer(lambda x: x / 255), clone(QUICK))
    pipeline.fit(255 * ones[:100])
    assert pipeline.predict(255 * ones[100:]).shape == (200,)
    joblib.dump(fitted, tmp_path / "estimator.joblib")
    loaded = joblib.load(tmp_path / "estimator.joblib")
    assert (loaded.score_samples(ones) == fitted.score_samples(ones)).all()


def test_estimator_is_kept_without_pickle(fitted, digits, tmp_path):
    fitted.save(tmp_path / "m.safetensors")
    loaded = AnomalyDetector.load(tmp_path / "m.safetensors")
    assert (loaded.predict(digits[0]) == fitted.predict(digits[0])).all()
    assert loaded.get_params() == fitted.get_params()


def test_score_of_an_image_does_not_depend_on_what_it_is_scored_with(fitted, digits):
    ones = np.concatenate([digits[0][:20], digits[0][-20:]])  # learnt from, and not
    alone = np.concatenate([fitted.score_samples(row[None]) for row in ones])
    # the margin is that of Inspector.threshold
    assert alone == pytest.approx(fitted.score_samples(ones), rel=1e-9, abs=0)
    predicted_alone = np.concatenate([fitted.predict(row[None]) for row in ones])
    assert (predicted_alone == fitted.predict(ones)).all()


def test_any_number_of_features_is_laid_out_as_an_image():
    x = np.random.default_rng(0).normal(size=(60, 37))
    estimator = clone(QUICK).fit(x)
    (picture, *_) = estimator._images(x[:1].astype(np.float32))
    assert picture.shape == (28, 28)
    assert 0 <= picture.min() and picture.max() <= 1


@pytest.mark.parametrize(("changes", "problem"), [
    ({"false_alarms": 0}, "false_alarms must"),
    ({"members": 0}, "members"),
    ({"latent_dim": 0}, "latent_dim"),
    ({"epochs": 0}, "epochs"),
])
def test_parameters_out_of_range_are_refused(digits, changes, problem):
    with pytest.raises(ValueError, match=problem):
        clone(QUICK).set_params(**changes).fit(digits[0])
