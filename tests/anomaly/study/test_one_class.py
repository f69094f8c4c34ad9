"""The protocols score what they should, and read data sets whole or say why not."""

import gzip
import hashlib
import struct

import numpy as np
import pytest
import torch

from convae.anomaly import detector
from convae.anomaly.study import datasets, one_class, tables
from convae.data.download import DataError


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(detector, "SEEN", 3000)
    monkeypatch.setattr(detector, "EPOCHS", (1, 10))


def test_protocol_of_one_normal_digit_has_areas_of_every_score(quick):
    record = one_class.run("digits", "one", 0, 2, latent_dim=4)
    task = (record["data"], record["protocol"], record["cls"], record["seeds"])
    assert task == ("digits", "one", 0, 2)
    auroc = record["auroc"]
    assert set(auroc) > {"squared_error", "reconstruction_probability", "latent_distance",
                         "untrained", "detector"}
    assert len(auroc.pop("together")) == len(auroc.pop("combined_together")) == 1
    assert all(len(areas) == 2 for areas in auroc.values())
    assert any(areas[0] != areas[1] for areas in auroc.values())
    assert min(auroc["detector"]) > 0.97
    assert all(0 <= area <= 1 for areas in auroc.values() for area in areas)


def test_baselines_find_anomalies_in_both_protocols():
    one, rest = (one_class.run("digits", protocol, 1, 0, latent_dim=16)["auroc"]
                 for protocol in one_class.PROTOCOLS)
    assert one.keys() == rest.keys()
    assert min(min(areas) for areas in one.values()) > 0.85 and one != rest


def test_keys_tell_all_tasks_apart(monkeypatch):
    def keys():
        return [task.key for make in tables.STUDIES.values() for task in make()]

    before = keys()
    assert len(set(before)) == len(before)
    monkeypatch.setattr(detector, "AXES", 7)
    assert not set(before) & set(keys())


def test_scikit_learns_digits_are_like_mnists():
    data = datasets.load("digits")
    assert len(data.train) + len(data.test) == 1797
    assert np.bincount(data.test_labels).min() > 50
    places = torch.arange(28.0)
    mass = data.train.sum((1, 2, 3))
    assert ((data.train.sum((1, 3)) @ places) / mass - 13.5).abs().max() <= 0.51
    assert ((data.train.sum((1, 2)) @ places) / mass - 13.5).abs().max() <= 0.51


def small_fashion(monkeypatch, tmp_path):
    """One image in each half of Fashion-MNIST, as Debian's package has it; no network is asked."""
    images = b"\0\0\x08\x03" + struct.pack(">3I", 1, 28, 28) + bytes(784)
    labels = b"\0\0\x08\x01" + struct.pack(">I", 1) + b"\x07"
    contents = {name: images if "images" in name else labels for name in datasets.FASHION_MD5}
    for name, content in contents.items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
    monkeypatch.setenv("CONVAE_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets, "DEBIAN", tmp_path)
    monkeypatch.setattr(datasets, "from_torchvision", lambda name: {})
    return {name: hashlib.md5(content).hexdigest() for name, content in contents.items()}


def test_fashion_mnist_is_read_from_debians_package(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "FASHION_MD5", small_fashion(monkeypatch, tmp_path))
    data = datasets.load("fashion")
    assert data.train.shape == data.test.shape == (1, 1, 28, 28)
    assert data.train_labels.tolist() == data.test_labels.tolist() == [7]


def test_fashion_mnist_that_is_corrupted_is_refused(tmp_path, monkeypatch):
    small_fashion(monkeypatch, tmp_path)
    problem = "dataset-fashion-mnist: train-images-idx3-ubyte is corrupted"
    with pytest.raises(DataError, match=problem):
        datasets.load("fashion")


def test_unknown_data_set_is_refused():
    with pytest.raises(ValueError, match="no data set 'letters'; there are mnist, fashion, digits"):
        datasets.load("letters")
