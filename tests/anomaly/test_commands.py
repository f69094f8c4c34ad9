"""``convae fit`` and ``convae detect``, as an engineer types them, with mistakes as well."""

import csv
import json
import re

import pytest
import safetensors.torch
import torch

from convae.anomaly import folders


def test_detect_writes_scores_of_every_file(place, model, tmp_path, command, capsys):
    options = ("--model", model, "--out", tmp_path / "R", "--false-alarms", "0.02")
    assert not command("detect", place / "new", *options)
    assert "99 normal images were held out" in capsys.readouterr().out
    content = json.loads((tmp_path / "R" / "scores.json").read_text(encoding="utf-8"))
    rows = content["scores"]
    assert len(rows) == content["images"] == 40
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)
    others = {f"others/{path.name}" for path in (place / "new" / "others").iterdir()}
    assert {row["file"] for row in rows[:10]} == others
    assert all(row["anomalous"] and row["p_value"] == 0.01 for row in rows[:10])
    assert sum(row["anomalous"] for row in rows) == content["anomalous"] < 15
    with (tmp_path / "R" / "scores.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == ["file", "score", "p_value", "anomalous"]
    assert [(row["file"], float(row["score"]), row["anomalous"] == "1") for row in table] == \
        [(row["file"], row["score"], row["anomalous"]) for row in rows]
    written = sorted(path.name for path in (tmp_path / "R").iterdir())
    assert written == ["report.html", "scores.csv", "scores.json"]


def test_interrupted_detection_says_how_to_go_on(place, tmp_path, command, monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(folders, "detect", interrupt)
    options = ("--model", tmp_path / "m", "--out", tmp_path / "R")
    assert command("detect", place / "new", *options) == 130
    assert "interrupted; the same command goes on where it was" in capsys.readouterr().err


def test_fit_to_too_few_images_says_how_many_are_needed(tmp_path, write_digits, command):
    write_digits(tmp_path / "few", 1, 0, 9)
    message = command("fit", tmp_path / "few", "--model", tmp_path / "m.safetensors")
    assert ("9 normal images are too few: at least 10 are needed, "
            "and 198 for a false-alarm rate of 0.01") in message
    assert not (tmp_path / "m.safetensors").exists()


@pytest.mark.parametrize(("arguments", "problem"), [
    ("{place}/nowhere", "there is no folder .*nowhere"),
    ("{tmp}/empty", r"no images in .*empty \(other files: 0\)"),
    ("{tmp}/text", "text is a file, not a folder of images"),
    ("{place}/normal --false-alarms 2", "false_alarms must be a share between 0 and 1"),
    ("{place}/normal --members 0", "members must be a whole number from 1"),
    ("{place}/normal --latent-dim 0", "latent_dim"),
    ("{place}/normal --epochs 0", "epochs"),
])
def test_mistakes_in_fit_are_named(place, tmp_path, command, arguments, problem):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("no images")
    filled = [word.format(place=place, tmp=tmp_path) for word in arguments.split()]
    assert re.search(problem, command("fit", *filled, "--model", tmp_path / "m"))
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(("arguments", "problem"), [
    ("--model {tmp}/nothing", "there is no model .*nothing: give a file"),
    ("--model {tmp}/text", "text is no model that convae fit has written"),
    ("--model {tmp}/other", "other is no model that convae fit has written"),
    ("--model {tmp}", "there is no model"),
    ("--model {model} --false-alarms 0", "false_alarms"),
    ("--model {model} --show -1", "show must be"),
    ("--model {model} --out {tmp}/text", "text is a file; give a folder"),
])
def test_mistakes_in_detect_are_named(place, model, tmp_path, command, arguments, problem):
    (tmp_path / "text").write_text("no model")
    safetensors.torch.save_file({"x": torch.ones(1)}, tmp_path / "other")
    filled = [word.format(model=model, tmp=tmp_path) for word in arguments.split(" ")]
    assert re.search(problem, command("detect", place / "new", "--out", tmp_path / "R", *filled))
    assert not (tmp_path / "R").exists()
