"""The tables of figures/anomaly.json from records, and the folder of examples."""

import itertools
import json

import numpy as np
import pytest
from PIL import Image

from convae.anomaly import demo
from convae.anomaly.folders import Folder
from convae.anomaly.study import false_alarms, results, tables
from convae.anomaly.study.textures import TEXTURES
from convae.evaluation.defects import KINDS


def record(cls, data="mnist", latent_dim=16, **auroc):
    return {"data": data, "cls": cls, "latent_dim": latent_dim, "auroc": auroc}


def test_means_and_intervals_are_over_seeds():
    records = [record(cls, plain=[0.5 + 0.01 * cls, 0.6 + 0.01 * cls], together=[1])
               for cls in range(10)]
    records += [record(cls, svm=[0.9]) for cls in range(10)]
    records += [record(cls, data="digits", plain=[0]) for cls in range(10)]
    records += [record(cls, latent_dim=2, plain=[0.1]) for cls in range(10)]
    found = tables.protocol(records, "mnist")
    assert found["plain"]["mean"] == pytest.approx(0.595)
    interval = found["plain"]["low"], found["plain"]["high"]
    assert interval == pytest.approx((0.545, 0.645))  # of two seeds, the range
    assert found["plain"]["by_class"] == pytest.approx([0.55 + 0.01 * cls for cls in range(10)])
    assert found["plain"]["by_seed"].shape == (2, 10)
    assert found["svm"]["low"] == found["svm"]["mean"] == pytest.approx(0.9)
    assert found["together"]["mean"] == 1
    assert tables.protocol(records, "digits")["plain"]["mean"] == 0
    assert tables.protocol(records, "mnist", 2)["plain"]["mean"] == pytest.approx(0.1)


def test_false_alarm_rates_are_means_over_digits():
    values = {"unseen": 0.1, "test_normal": 0.2, "test_anomalous": 0.9, "precision": 0.99,
              "defects": {kind: [0.1, 0.2, 0.3, 0.4, 0.5] for kind in KINDS}}
    records = [{"digit": digit, "rates": {str(rate): {"combined": values | {"unseen": 0.02 * digit}}
                                          for rate in false_alarms.RATES}}
               for digit in reversed(range(10))]
    of = tables.alarm_rates(records)["0.05"]
    low, high = of["expected"]
    assert low < 0.05 < high
    found = of["scores"]["combined"]
    assert found["unseen"]["value"] == pytest.approx(0.09)
    assert found["unseen"]["by_digit"] == pytest.approx([0.02 * digit for digit in range(10)])
    assert found["test_normal"]["low"] == found["test_normal"]["high"] == pytest.approx(0.2)
    assert found["defects"]["gap"] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])


def test_defects_are_means_over_seeds_by_family_and_dimension(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "RECORDS", tmp_path)
    (tmp_path / "without_a_network.json").write_text('{"median": {"gap 1": 1.5}}')
    recipes = [task.arguments["recipe"] for task in tables.defect_tasks()]
    records = [{"recipe": recipe.to_dict(),
                "clean_error": float(recipe.latent_dim + recipe.seed),
                "defects": {"gap 1": {"repair": 0.1 * recipe.seed,
                                      "image_auroc": {"squared_error": 0.5}}}}
               for recipe in recipes]
    found = tables.defects(records)
    assert found["without_a_network"] == {"median": {"gap 1": 1.5}}
    assert found["families"]["vae"].keys() == {str(d) for d in tables.DIMENSIONS}
    assert found["families"]["dense_vae"].keys() == {str(d) for d in tables.OTHER_DIMENSIONS}
    of = found["families"]["vae"]["16"]
    assert of["clean_error"]["value"] == pytest.approx(18)
    assert of["defects"]["gap 1"]["repair"] == pytest.approx(0.2)
    assert found["families"]["ae"]["8"]["defects"]["gap 1"]["repair"] == pytest.approx(0.15)


def test_textures_are_means_over_seeds():
    records = [{"texture": texture,
                "false_alarms": 0.1 * seed,
                "defects": {"clear stain": {"found": 0.4 * seed}}}
               for texture in TEXTURES for seed in (3, 4)]
    found = tables.textures(records)
    assert found.keys() == TEXTURES.keys()
    assert found["weave"]["false_alarms"] == pytest.approx(0.35)
    assert found["weave"]["defects"]["clear stain"]["found"] == pytest.approx(1.4)


def test_nested_numbers_are_averaged_place_by_place():
    found = tables.mean([{"a": {"b": 1}, "c": 2}, {"a": {"b": 3}, "c": 4}])
    assert found == {"a": {"b": 2}, "c": 3}


def test_published_means_are_those_of_their_digits():
    for of in itertools.chain(*results.load()["published"].values()):
        assert of["checked"].split(":")[0] in ("read", "quoted", "unchecked")
        if "by_class" in of:
            assert np.mean(of["by_class"]) == pytest.approx(of["mean"], abs=0.11), of["method"]
        else:
            assert of["checked"] == "unchecked"


def test_examples_are_files_of_three_kinds(tmp_path):
    images = demo.write_images(tmp_path / "images")
    normal = demo.write_normal(tmp_path / "normal")
    numbers = {p.name: len(list(p.iterdir())) for p in images.iterdir()}
    assert numbers == {"good": 100, "with a defect": 42, "other digits": 36}
    assert len(list(normal.iterdir())) == 1_000
    assert Image.open(next((images / "good").iterdir())).size == (28, 28)
    assert len(list(Folder(images))) == 178


def test_the_examples_model_is_replaced_only_if_fitting_gives_another(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "MODEL", tmp_path / "example.safetensors")
    fitted = []
    monkeypatch.setattr(demo.folders, "fit", lambda folder, model, **options: (
        fitted.append(len(list(folder.iterdir()))), model.write_bytes(b"fitted")))
    assert demo.renew_model() == [demo.MODEL] and demo.MODEL.read_bytes() == b"fitted"
    assert demo.renew_model() == [] and fitted == [1_000, 1_000]


def test_the_committed_tables_follow_from_the_committed_records():
    committed = json.loads(results.ANOMALY.read_text(encoding="utf-8"))
    assert committed == json.loads(tables.to_json(tables.tables()))
    assert committed.keys() == {"published", *tables.STUDIES}


def test_every_task_has_its_record():
    for name in tables.STUDIES:
        tasks = tables.STUDIES[name]()
        assert {r["key"] for r in tables.load(name)} == {task.key for task in tasks}, name
