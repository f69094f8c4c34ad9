"""The tables of figures/anomaly.json from records, and the folder of examples."""

import numpy as np
import pytest
from PIL import Image

from convae.anomaly import examples, published, rates, study
from convae.anomaly.defects import KINDS
from convae.anomaly.folders import Folder


def record(cls, data="mnist", latent_dim=16, **auroc):
    return {"data": data, "cls": cls, "latent_dim": latent_dim, "auroc": auroc}


def test_means_and_intervals_are_over_seeds():
    records = [record(cls, plain=[0.5 + 0.01 * cls, 0.6 + 0.01 * cls], together=[1]) for cls in range(10)]
    records += [record(cls, svm=[0.9]) for cls in range(10)] + [record(cls, data="digits", plain=[0]) for cls in range(10)]
    records += [record(cls, latent_dim=2, plain=[0.1]) for cls in range(10)]
    found = study._protocol(records, "mnist")
    assert found["plain"]["mean"] == pytest.approx(0.595)
    assert (found["plain"]["low"], found["plain"]["high"]) == pytest.approx((0.545, 0.645))
    assert found["plain"]["by_class"] == pytest.approx([0.55 + 0.01 * cls for cls in range(10)])
    assert found["plain"]["by_seed"].shape == (2, 10)
    assert found["svm"]["low"] == found["svm"]["mean"] == pytest.approx(0.9)
    assert found["together"]["mean"] == 1
    assert study._protocol(records, "digits")["plain"]["mean"] == 0
    assert study._protocol(records, "mnist", 2)["plain"]["mean"] == pytest.approx(0.1)


def test_rates_are_over_digits():
    values = {"unseen": 0.1, "test_normal": 0.2, "test_anomalous": 0.9, "precision": 0.99,
              "defects": {kind: [0.1, 0.2, 0.3, 0.4, 0.5] for kind in KINDS}}
    records = [{"digit": digit, "rates": {str(rate): {"combined": values | {"unseen": 0.02 * digit}} for rate in rates.RATES}}
               for digit in reversed(range(10))]
    of = study._rates(records)["0.05"]
    low, high = of["expected"]
    assert low < 0.05 < high
    found = of["scores"]["combined"]
    assert found["unseen"]["value"] == pytest.approx(0.09)
    assert found["unseen"]["by_digit"] == pytest.approx([0.02 * digit for digit in range(10)])
    assert found["as_expected"] == pytest.approx(np.mean([low <= 0.02 * digit <= high for digit in range(10)])) != 0
    assert found["test_normal"]["low"] == found["test_normal"]["high"] == pytest.approx(0.2)
    assert found["defects"]["gap"] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])


def test_means_place_by_place():
    assert study._mean([{"a": {"b": 1}, "c": 2}, {"a": {"b": 3}, "c": 4}]) == {"a": {"b": 2}, "c": 3}


def test_published_means_are_those_of_their_digits():
    for of in [of for table in published.PUBLISHED.values() for of in table]:
        assert of["checked"].split(":")[0] in ("read", "quoted", "unchecked")
        if "by_class" in of:
            assert np.mean(of["by_class"]) == pytest.approx(of["mean"], abs=0.11), of["method"]
        else:
            assert of["checked"] == "unchecked"


def test_examples_are_files_of_three_kinds(tmp_path):
    images = examples.write_images(tmp_path / "images")
    normal = examples.write_normal(tmp_path / "normal")
    assert {p.name: len(list(p.iterdir())) for p in images.iterdir()} == {"good": 100, "with a defect": 42, "other digits": 36}
    assert len(list(normal.iterdir())) == 1_000
    assert Image.open(next((images / "good").iterdir())).size == (28, 28)
    assert len(list(Folder(images))) == 178
