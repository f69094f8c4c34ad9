"""From folders of image files to scores and report, as an engineer does it; and every way in which
that can go wrong."""

import csv
import json
import os
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
from PIL import Image

from convae import __main__
from convae.anomaly import folders, report, views
from convae.anomaly.model import FORMAT, Inspector
from convae.anomaly.study.textures import make_textures
from convae.data import load_mnist

QUICK = {"epochs": 60, "members": 1, "progress": False}


def write_digits(folder, digit, start, stop, suffix="png"):
    """Some of MNIST's training images of a digit, as files."""
    images, labels = load_mnist(train=True)
    folder.mkdir(parents=True, exist_ok=True)
    for i in (labels == digit).nonzero()[start:stop, 0].tolist():
        Image.fromarray((255 * images[i, 0].numpy()).round().astype(np.uint8)).save(folder / f"{digit}_{i:05}.{suffix}")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Normal ones, new ones (30 normal, 10 not), and a model, in a folder with spaces and Japanese
    letters in its name."""
    place = tmp_path_factory.mktemp("画像 検査")
    write_digits(place / "normal", 1, 0, 250)
    write_digits(place / "new", 1, 250, 280)
    write_digits(place / "new" / "others", 0, 0, 10, "bmp")
    folders.fit(place / "normal", place / "models" / "ones.safetensors", **QUICK)
    return place


def run(monkeypatch, *arguments):
    """The command line's exit status, and what it says if it fails."""
    monkeypatch.setattr(sys, "argv", ["convae", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        __main__.main()
    return stopped.value.code


def test_from_files_to_scores(place, tmp_path, monkeypatch, capsys):
    assert run(monkeypatch, "detect", place / "new", "--model", place / "models" / "ones.safetensors", "--out", tmp_path / "R",
               "--false-alarms", "0.02") == 0
    assert "99 normal images were held out: enough for a false-alarm rate of 0.02 on average (it needs 49). Of 1,000 new " \
        "normal images this model will call " in capsys.readouterr().out
    content = json.loads((tmp_path / "R" / "scores.json").read_text(encoding="utf-8"))
    rows = content["scores"]
    assert len(rows) == content["images"] == 40
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)
    assert {row["file"] for row in rows[:10]} == {f"others/{p.name}" for p in (place / "new" / "others").iterdir()}
    assert all(row["anomalous"] and row["p_value"] == 0.01 for row in rows[:10])
    assert sum(row["anomalous"] for row in rows) == content["anomalous"] < 15
    table = list(csv.DictReader((tmp_path / "R" / "scores.csv").open(encoding="utf-8", newline="")))
    assert list(table[0]) == ["file", "score", "p_value", "anomalous"]
    assert [(row["file"], float(row["score"]), row["anomalous"] == "1") for row in table] == \
        [(row["file"], row["score"], row["anomalous"]) for row in rows]
    assert sorted(p.name for p in (tmp_path / "R").iterdir()) == ["report.html", "scores.csv", "scores.json"]


def test_the_report_is_one_file_that_shows_what_was_asked_for(place, tmp_path):
    folders.detect(place / "new", place / "models" / "ones.safetensors", tmp_path, show=12, progress=False)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("<article>") == 12
    assert page.count("<img") == 36
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert "resized to 28 × 28 pixels" in page


def test_the_same_images_as_one_array_score_the_same(place, tmp_path):
    files = sorted((place / "new").glob("*.png"))
    (tmp_path / "arrays").mkdir()
    np.savez(tmp_path / "arrays" / "all.npz", ones=np.stack([np.asarray(Image.open(file)) for file in files]))
    model = place / "models" / "ones.safetensors"
    single = {row["file"]: row["score"] for row in folders.detect(place / "new", model, tmp_path / "a", progress=False).scores}
    packed = folders.detect(tmp_path / "arrays", model, tmp_path / "b", progress=False)
    packed = {row["file"]: row["score"] for row in packed.scores}
    assert list(packed.values()) == sorted(packed.values(), reverse=True)
    assert [packed[f"all.npz[ones][{i}]"] for i in range(30)] == pytest.approx([single[file.name] for file in files], rel=1e-4)


def test_unreadable_files_are_named_and_stop_nothing(place, tmp_path, capsys):
    shutil.copytree(place / "new" / "others", tmp_path / "new")
    (tmp_path / "new" / "empty.png").touch()
    (tmp_path / "new" / "text.jpg").write_text("no picture")
    found = folders.detect(tmp_path / "new", place / "models" / "ones.safetensors", tmp_path / "R", progress=False)
    assert len(found.scores) == 10
    assert found.unreadable == {"empty.png": "is empty", "text.jpg": "holds no picture of a known format"}
    assert "passed over: empty.png is empty" in capsys.readouterr().err
    assert json.loads((tmp_path / "R" / "scores.json").read_text())["unreadable"] == found.unreadable
    assert "empty.png" in (tmp_path / "R" / "report.html").read_text()


def test_nothing_readable_is_an_error(place, tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "empty.png").touch()
    with pytest.raises(ValueError, match="none of the 1 files in .* can be read"):
        folders.detect(tmp_path / "new", place / "models" / "ones.safetensors", tmp_path / "R", progress=False)


def test_interrupted_it_goes_on_where_it_was(place, tmp_path, monkeypatch):
    model, scored = place / "models" / "ones.safetensors", []
    real = Inspector.scores

    def scores(self, images, stop=None):
        for i, score in enumerate(real(self, images)):
            if i == stop:
                raise KeyboardInterrupt
            scored.append(score)
            yield score

    whole = folders.detect(place / "new", model, tmp_path / "whole", progress=False).scores
    monkeypatch.setattr(Inspector, "scores", lambda self, images: scores(self, images, stop=25))
    with pytest.raises(KeyboardInterrupt):
        folders.detect(place / "new", model, tmp_path / "R", progress=False)
    assert [p.name for p in (tmp_path / "R").iterdir()] == [folders.PARTIAL]
    with (tmp_path / "R" / folders.PARTIAL).open("a") as file:
        file.write('{"file": "cut o')
    monkeypatch.setattr(Inspector, "scores", scores)
    scored.clear()
    assert folders.detect(place / "new", model, tmp_path / "R", progress=False).scores == whole
    assert 10 <= len(scored) <= 16
    assert not (tmp_path / "R" / folders.PARTIAL).exists()


def interrupt_after_scoring(folder, model, out):
    """A detection that leaves the scores of all images behind, and no report."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folders.report, "page", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            folders.detect(folder, model, out, progress=False)


def files_read(monkeypatch):
    """The files that are read from now on, in order."""
    names, read = [], folders.Folder.read

    def note_and_read(images, name):
        names.append(name)
        return read(images, name)

    monkeypatch.setattr(folders.Folder, "read", note_and_read)
    return names


def test_each_file_is_read_once(place, tmp_path, monkeypatch):
    names = files_read(monkeypatch)
    monkeypatch.setattr(folders, "BATCH", 7)
    detection = folders.detect(place / "new", place / "models" / "ones.safetensors", tmp_path, show=5,
                               progress=False)
    assert len(names) == len(set(names)) == 40
    assert [row for row, _ in detection.shown] == detection.scores[:5]


def test_after_an_interruption_only_images_that_the_report_shows_are_read_again(place, tmp_path, monkeypatch):
    model = place / "models" / "ones.safetensors"
    at_once = folders.detect(place / "new", model, tmp_path / "at once", show=5, progress=False)
    interrupt_after_scoring(place / "new", model, tmp_path / "R")
    names = files_read(monkeypatch)
    detection = folders.detect(place / "new", model, tmp_path / "R", show=5, progress=False)
    assert sorted(names) == sorted(row["file"] for row in detection.scores[:5])
    for (row, pictures), (same_row, same_pictures) in zip(detection.shown, at_once.shown, strict=True):
        assert row == same_row and pictures.keys() == same_pictures.keys()
        assert all(np.array_equal(pictures[name], same_pictures[name]) for name in pictures)


def test_batches_end_after_so_many_images_or_pixels(monkeypatch):
    monkeypatch.setattr(folders, "BATCH", 3)
    monkeypatch.setattr(folders, "BATCH_PIXELS", 100)
    sizes = [1, 1, 1, 1, 99, 500, 2]
    batches = folders._batches((folders.Key(str(size), ""), np.zeros(size)) for size in sizes)
    assert [[int(key.file) for key, _ in batch] for batch in batches] == [[1, 1, 1], [1, 99], [500], [2]]


@pytest.mark.parametrize("change", ["model", "image"])
def test_what_has_changed_since_is_scored_anew(place, tmp_path, monkeypatch, change):
    shutil.copytree(place / "new" / "others", tmp_path / "new")
    model = shutil.copy(place / "models" / "ones.safetensors", tmp_path / "m.safetensors")
    interrupt_after_scoring(tmp_path / "new", model, tmp_path / "R")
    if change == "model":
        inspector = Inspector.load(model)
        inspector.calibration = inspector.calibration + 1
        inspector.save(model)
    else:
        Image.new("L", (28, 28), 255).save(sorted((tmp_path / "new").iterdir())[0])
    scored = []
    real = Inspector.scores
    monkeypatch.setattr(Inspector, "scores", lambda self, images: (scored.append(s) or s for s in real(self, images)))
    folders.detect(tmp_path / "new", model, tmp_path / "R", progress=False)
    assert len(scored) == {"model": 10, "image": 1}[change]


def test_what_could_not_be_read_is_tried_again(place, tmp_path, monkeypatch):
    model, arguments = place / "models" / "ones.safetensors", {"progress": False}

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("PIL.Image.open", refuse)
    with pytest.raises(ValueError, match="none of the 40 files"):
        folders.detect(place / "new", model, tmp_path, **arguments)
    monkeypatch.undo()
    assert len(folders.detect(place / "new", model, tmp_path, **arguments).scores) == 40


def test_interrupted_as_it_goes_on_it_keeps_what_it_had(place, tmp_path, monkeypatch):
    model = place / "models" / "ones.safetensors"
    interrupt_after_scoring(place / "new", model, tmp_path)
    before = (tmp_path / folders.PARTIAL).read_text()

    def interrupt(*_):
        raise KeyboardInterrupt

    for step in ("write_all_atomically", "_score_files"):
        monkeypatch.setattr(folders, step, interrupt)
        with pytest.raises(KeyboardInterrupt):
            folders.detect(place / "new", model, tmp_path, progress=False)
        assert (tmp_path / folders.PARTIAL).read_text() == before
        monkeypatch.undo()


def test_a_name_that_is_no_text_is_written_so_that_it_can_be_read(place, tmp_path, capsys):
    folder = tmp_path / "new"
    shutil.copytree(place / "new" / "others", folder)
    for name in (b"\x89\xe6.bmp", b"\x89.png"):  # in another encoding than UTF-8
        try:
            (folder / os.fsdecode(name)).write_bytes(next(folder.glob("0_*")).read_bytes() if name.endswith(b"bmp") else b"")
        except OSError:
            pytest.skip("this file system takes UTF-8 names only")
    found = folders.detect(folder, place / "models" / "ones.safetensors", tmp_path / "R", progress=False)
    assert "\\x89\\xe6.bmp" in [row["file"] for row in found.scores] and found.unreadable == {"\\x89.png": "is empty"}
    assert "\\x89\\xe6.bmp" in (tmp_path / "R" / "scores.csv").read_text(encoding="utf-8")
    assert "passed over: \\x89.png" in capsys.readouterr().err


def test_an_image_that_is_gone_when_the_report_is_made_keeps_its_score(place, tmp_path, monkeypatch):
    model = place / "models" / "ones.safetensors"
    shutil.copytree(place / "new" / "others", tmp_path / "new")
    interrupt_after_scoring(tmp_path / "new", model, tmp_path / "R")
    complete = folders.Gallery.complete

    def remove_one_and_complete(gallery, images):
        next((tmp_path / "new").iterdir()).unlink()
        complete(gallery, images)

    monkeypatch.setattr(folders.Gallery, "complete", remove_one_and_complete)
    found = folders.detect(tmp_path / "new", model, tmp_path / "R", progress=False)
    assert len(found.scores) == 10 and len(found.shown) == 9
    assert all(row in found.scores for row, _ in found.shown)


def test_where_no_model_can_be_written_nothing_is_learnt(place, tmp_path, monkeypatch):
    monkeypatch.setattr(Inspector, "fit", lambda *_, **__: pytest.fail("it learns"))
    with pytest.raises(IsADirectoryError, match=r"is a folder; give a file to write, such as .*parts\.safetensors"):
        folders.fit(place / "normal", tmp_path)
    monkeypatch.setattr(folders.os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match="cannot be written to"):
        folders.fit(place / "normal", tmp_path / "m.safetensors")


@pytest.mark.parametrize(("image", "problem"), [
    (np.zeros((5, 5, 3)), r"image 1 has shape \(5, 5, 3\)"), (np.full((5, 5), 200.0), "image 1 has values from 200 to 200"),
    (np.full((5, 5), np.nan), "image 1 has values from nan"), (np.zeros((0, 5)), "image 1 has shape"),
])
@pytest.mark.parametrize("method", ["scores", "inspections", "fit"])
def test_arrays_that_are_no_images_are_refused(place, image, problem, method):
    inspector = Inspector.load(place / "models" / "ones.safetensors")
    with pytest.raises(ValueError, match=problem):
        list(getattr(inspector, method)([np.zeros((5, 5)), image]))


def test_images_must_be_there_more_than_once_to_be_learnt_from():
    with pytest.raises(TypeError, match="more than once"):
        Inspector.fit(iter([np.zeros((28, 28))] * 20))


@pytest.mark.parametrize("side", [28, 40, 60])
def test_arrays_of_double_precision_are_learnt_from_as_well(side):
    images = list(np.random.default_rng(0).random((12, side, side)))
    found = Inspector.fit(images, epochs=1, progress=False)
    assert len(found.calibration) == 6 and np.isfinite(list(found.scores(images))).all()


def test_of_very_many_images_some_give_a_tile_each(monkeypatch):
    monkeypatch.setattr(views, "TILES", 7)
    images = [np.full((60, 60), i / 20, np.float32) for i in range(20)]
    held_out = np.arange(20) % 4 == 0
    seen = []
    monkeypatch.setattr(views.Detector, "fit", lambda tiles, **_: seen.append(tiles[:, 0, 0, 0].numpy()) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        views.Tiles.fit(images, held_out, seed=0, gaussian=True)
    (drawn,) = seen
    assert len(drawn) == len(set(drawn)) == 7 and not set(drawn) & {image[0, 0] for image in images[::4]}


@pytest.mark.parametrize("pixels, kept", [(10**8, range(60)), (25 * 3600, range(0, 60, 4)), (1, range(0, 60, 4))])
def test_of_large_photographs_some_from_all_along_are_kept_in_memory(monkeypatch, pixels, kept):
    monkeypatch.setattr(views, "PIXELS", pixels)
    seen = []
    monkeypatch.setattr(views.Register, "fit", lambda images: seen.extend(images) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        views.Tiles.fit([np.full((60, 60), i / 60, np.float32) for i in range(60)], np.zeros(60, bool), seed=0, gaussian=True)
    assert [round(60 * float(image[0, 0])) for image in seen] == list(kept)


def test_of_large_images_the_report_keeps_pictures_of_a_size_to_look_at(place, tmp_path):
    (tmp_path / "new").mkdir()
    Image.new("L", (1000, 600), 200).save(tmp_path / "new" / "large.png")
    found = folders.detect(tmp_path / "new", place / "models" / "ones.safetensors", tmp_path / "R", progress=False)
    ((_, pictures),) = found.shown
    assert {name: picture.shape for name, picture in pictures.items()} == {
        "image": (288, 480), "where it differs": (288, 480, 3), "what would be normal": (288, 480)}


def test_if_most_are_anomalous_it_asks_whether_they_are_of_the_same_kind(place, tmp_path):
    model = place / "models" / "ones.safetensors"
    assert "More than half" in folders.detect(place / "new" / "others", model, tmp_path, progress=False).advice
    assert "More than half" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "More than half" not in folders.detect(place / "new", model, tmp_path / "R", progress=False).advice


def test_another_folders_results_are_not_replaced(place, tmp_path, monkeypatch):
    model = place / "models" / "ones.safetensors"
    folders.detect(place / "new" / "others", model, tmp_path, progress=False)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    folders.detect(place / "new" / ".." / "new" / "others", model, tmp_path, false_alarms=0.5, progress=False)
    assert (after := {p.name: p.read_bytes() for p in tmp_path.iterdir()}) != before
    message = run(monkeypatch, "detect", place / "new", "--model", model, "--out", tmp_path)
    assert re.search("has the results on .*others: give another folder for the report, or remove it", message)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == after
    for name, text in (("scores.json", "a table"), ("scores.json", "[]"), ("scores.json", "{}"), ("scores.csv", "mine")):
        shutil.rmtree(tmp_path / "mine", ignore_errors=True)
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / name).write_text(text)
        message = run(monkeypatch, "detect", place / "new", "--model", model, "--out", tmp_path / "mine")
        assert f"{name} was not written by convae detect" in message
        assert (tmp_path / "mine" / name).read_text() == text


def test_results_are_a_folders_wherever_it_was_named_from(place, tmp_path, monkeypatch):
    model = place / "models" / "ones.safetensors"
    for name in ("a", "b"):
        shutil.copytree(place / "new" / "others", tmp_path / name / "new")
    monkeypatch.chdir(tmp_path / "a")
    folders.detect(Path("new"), model, tmp_path / "R", progress=False)
    folders.detect(tmp_path / "a" / "new", model, tmp_path / "R", progress=False)
    monkeypatch.chdir(tmp_path / "b")
    with pytest.raises(FileExistsError, match="has the results on"):
        folders.detect(Path("new"), model, tmp_path / "R", progress=False)


def test_interrupted_it_says_how_to_go_on(place, tmp_path, monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(folders, "detect", interrupt)
    assert run(monkeypatch, "detect", place / "new", "--model", tmp_path / "m", "--out", tmp_path / "R") == 130
    assert "interrupted; the same command goes on where it was" in capsys.readouterr().err


def test_a_full_disk_leaves_the_old_results(place, tmp_path, monkeypatch):
    model = place / "models" / "ones.safetensors"
    folders.detect(place / "new", model, tmp_path, progress=False)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fdopen", full)
    assert "No space left on device" in run(monkeypatch, "detect", place / "new", "--model", model, "--out", tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.name != folders.PARTIAL} == before


def test_too_few_normal_images(place, tmp_path, monkeypatch):
    write_digits(tmp_path / "few", 1, 0, 9)
    message = run(monkeypatch, "fit", tmp_path / "few", "--model", tmp_path / "m.safetensors")
    assert "9 normal images are too few: at least 10 are needed, and 198 for a false-alarm rate of 0.01" in message
    assert not (tmp_path / "m.safetensors").exists()


def test_few_normal_images_make_a_threshold_that_says_so(place, tmp_path):
    write_digits(tmp_path / "some", 1, 0, 40)
    inspector = folders.fit(tmp_path / "some", tmp_path / "m.safetensors", **QUICK)
    assert len(inspector.calibration) == 20
    assert inspector.calibration[-1] < inspector.threshold(0.01) == pytest.approx(inspector.calibration[-1], rel=1e-4)
    advice = report.advice(len(inspector.calibration), 0.01)
    assert "20 normal images were held out, and a false-alarm rate of 0.01 needs 99: fit to at least 198" in advice
    assert "about 0.048" in advice


@pytest.mark.parametrize(("arguments", "problem"), [
    (["fit", "{}/nowhere", "--model", "{}/m"], "there is no folder .*nowhere"),
    (["fit", "{}/empty", "--model", "{}/m"], r"no images in .*empty \(other files: 0\)"),
    (["fit", "{}/normal", "--model", "{}/m", "--false-alarms", "2"], "false_alarms must be a share between 0 and 1"),
    (["fit", "{}/normal", "--model", "{}/m", "--members", "0"], "members must be a whole number from 1"),
    (["fit", "{}/normal", "--model", "{}/m", "--latent-dim", "0"], "latent_dim"),
    (["fit", "{}/normal", "--model", "{}/m", "--epochs", "0"], "epochs"),
    (["fit", "{}/text", "--model", "{}/m"], "text is a file, not a folder of images"),
    (["detect", "{}/new", "--model", "{}/nothing", "--out", "{}/R"], "there is no model .*nothing: give a file"),
    (["detect", "{}/new", "--model", "{}/text", "--out", "{}/R"], "text is no model that convae fit has written"),
    (["detect", "{}/new", "--model", "{}/other", "--out", "{}/R"], "other is no model that convae fit has written"),
    (["detect", "{}/new", "--model", "{}/normal", "--out", "{}/R"], "there is no model .*normal"),
    (["detect", "{}/new", "--model", "{}/models/ones.safetensors", "--out", "{}/R", "--false-alarms", "0"], "false_alarms"),
    (["detect", "{}/new", "--model", "{}/models/ones.safetensors", "--out", "{}/R", "--show", "-1"], "show must be"),
    (["detect", "{}/new", "--model", "{}/models/ones.safetensors", "--out", "{}/text"], "text is a file; give a folder"),
])
def test_mistakes_get_an_answer(place, monkeypatch, arguments, problem):
    (place / "empty").mkdir(exist_ok=True)
    (place / "text").write_text("no model")
    safetensors.torch.save_file({"x": safetensors.torch.torch.ones(1)}, place / "other")
    message = run(monkeypatch, *(text.replace("{}", str(place)) for text in arguments))
    assert re.search(problem, message)
    assert not (place / "m").exists()
    assert not (place / "R").exists()


def test_a_model_of_another_format_is_refused(place, tmp_path):
    content = safetensors.torch.load_file(place / "models" / "ones.safetensors")
    with safetensors.safe_open(place / "models" / "ones.safetensors", "pt") as file:
        metadata = json.loads(file.metadata()["convae.anomaly"])
    safetensors.torch.save_file(content, tmp_path / "m", {"convae.anomaly": json.dumps(metadata | {"format": 99})})
    with pytest.raises(ValueError, match=f"has format 99, and this version of convae reads format {FORMAT}: make it again"):
        Inspector.load(tmp_path / "m")


def test_a_model_cut_off_is_refused(place, tmp_path):
    (tmp_path / "m").write_bytes((place / "models" / "ones.safetensors").read_bytes()[:-1000])
    with pytest.raises(ValueError, match="no model that convae fit has written"):
        Inspector.load(tmp_path / "m")


def test_a_loaded_model_scores_as_the_saved_one(place, tmp_path):
    inspector = folders.fit(place / "normal", tmp_path / "m.safetensors", **QUICK)
    images = list(folders.Folder(place / "new"))
    loaded = Inspector.load(tmp_path / "m.safetensors")
    assert list(loaded.scores(images)) == list(inspector.scores(images))
    assert loaded.threshold(0.02) == inspector.threshold(0.02)
    assert (tmp_path / "m.safetensors").read_bytes() == (place / "models" / "ones.safetensors").read_bytes()  # same seed


def photographs(n, seed, part=True):
    """A bright disc, not always in the same place, on stripes."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:150, :200]
    for _ in range(n):
        image = 0.4 + 0.15 * np.sin((columns + 2 * rows) / 3 + generator.uniform(0, 6))
        row, column = generator.uniform(-4, 4, 2) + (75, 100)
        if part:
            image[np.hypot(rows - row, columns - column) < 45] = 0.9
        yield (image + generator.normal(0, 0.03, rows.shape)).clip(0, 1).astype(np.float32)


@pytest.fixture(scope="module", autouse=True)
def fewer_tiles():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(views, "TILES", 4_000)
        yield


@pytest.fixture(scope="module")
def of_photographs():
    return Inspector.fit(list(photographs(24, 0)), seed=1, **(QUICK | {"epochs": 4}))


def test_a_small_defect_of_a_large_photograph_is_found_in_tiles_where_it_is(of_photographs):
    assert of_photographs.view == "both" and len(of_photographs.calibration) == 12
    good, bad = photographs(2, 1)
    bad[20:30, 30:42] = 0
    good, found = of_photographs.inspections([good, bad])
    assert found.score > of_photographs.threshold(0.1) > good.score
    assert found.difference.shape == found.normal.shape == bad.shape
    row, column = np.unravel_index(found.difference.argmin(), bad.shape)
    assert 18 <= row < 32 and 28 <= column < 44
    assert list(of_photographs.scores([bad])) == [found.score]


def test_that_the_part_is_missing_is_seen_in_tiles_and_on_the_whole(of_photographs):
    """Every tile of the empty ground is a normal one, but not where it is."""
    (empty,) = photographs(1, 2, part=False)
    assert of_photographs.in_place
    for view in of_photographs.views:
        *good, missing = view.scores([*photographs(12, 3), empty])
        assert missing > 2 * max(good) and missing > of_photographs.threshold(0.1)


def test_the_view_that_scores_an_image_highest_shows_it(of_photographs):
    images = [*photographs(4, 3), *photographs(2, 2, part=False)]
    looks = [list(view.looks(images)) for view in of_photographs.views]
    for i, found in enumerate(of_photographs.inspections(images)):
        best = np.argmax([of_view[i].score for of_view in looks])
        assert found.score == pytest.approx(looks[best][i].score, rel=1e-9)
        expected = of_photographs.views[best].inspection(looks[best][i]).difference
        assert found.difference == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_of_two_maps_the_one_further_off_the_usual_is_shown(of_photographs):
    image = next(photographs(1, 3))
    for view in of_photographs.views:
        look = next(view.looks([image]))
        maps = look.maps / np.reshape(view.usual, (2, 1, 1))
        difference = view.inspection(look).difference
        assert (abs(difference) == abs(maps).max(0)).all() and all((difference == each).any() for each in maps)


def test_a_detail_that_is_missing_or_misplaced_is_found_where_it_should_be(of_photographs):
    """Bare part, and bare ground, are normal; not everywhere."""
    for image in photographs(3, 5):
        bright, dark = image.copy(), image.copy()
        bright[2:14, 2:14], dark[70:80, 95:105] = 0.9, 0.4
        for damaged, sign, middle in ((bright, 1, (8, 8)), (dark, -1, (75, 100))):
            (found,) = of_photographs.inspections([damaged])
            assert found.score > of_photographs.threshold(0.1)
            row, column = np.unravel_index((sign * found.difference).argmax(), image.shape)
            assert abs(row - middle[0]) < 10 and abs(column - middle[1]) < 10


def test_images_of_different_sizes_can_be_fitted():
    images = [image[:100 + 7 * i, :120] for i, image in enumerate(photographs(10, 0))]
    found = Inspector.fit(images, **(QUICK | {"epochs": 1}))
    assert found.view == "both" and not found.in_place
    assert np.isfinite(list(found.scores([*photographs(1, 1), np.zeros((400, 28))]))).all()


def test_an_image_of_another_size_is_looked_at_in_that_of_the_normal_ones(of_photographs):
    image = next(photographs(1, 6))
    large = np.asarray(Image.fromarray(image).resize((400, 300), Image.Resampling.BICUBIC)).clip(0, 1)
    before, after = of_photographs.inspections([image, large])
    assert after.difference.shape == (300, 400) and after.score == pytest.approx(before.score, rel=0.2)


def test_a_speck_on_a_blank_ground_is_no_wonder():
    """Where normal images are quite even, nothing usual says how much a grey level counts."""
    rows, columns = np.mgrid[:80, :80]
    generator = np.random.default_rng(0)
    part = np.hypot(rows - 40, columns - 40) < 20
    images = [np.where(part, 0.5 + generator.normal(0, 0.03, part.shape), 1).round(2) for _ in range(20)]
    found = Inspector.fit(images, **(QUICK | {"epochs": 2}))
    speck, hole = images[0].copy(), images[0].copy()
    speck[5, 5], hole[38:43, 38:43] = 254 / 255, 1
    clean, speck, hole = found.scores([images[0], speck, hole])
    assert speck == pytest.approx(clean, rel=0.1) and hole > 1.5 * speck


@pytest.mark.parametrize("view", ["tiles", "both"])
def test_images_no_larger_than_a_tile_are_not_cut_into_tiles(view):
    with pytest.raises(ValueError, match="larger than a tile of 28 × 28 pixels, and none is"):
        Inspector.fit([np.zeros((28, 20))] * 10, view)


def test_held_out_images_score_as_new_ones_do(monkeypatch):
    """Were anything learnt from them, they would score lower, and too many new ones be called
    anomalous."""
    monkeypatch.setattr(views, "TILES", 2_000)
    ranks = []
    for seed in range(4):
        images = list(np.random.default_rng(seed).random((60, 32, 32)))  # noise, of which all that is learnt is by heart
        found = Inspector.fit(images[:40], "tiles", seed=seed, **(QUICK | {"epochs": 1, "latent_dim": 2}))
        assert len(found.calibration) == 20
        ranks.append(np.mean(np.array(list(found.scores(images[40:])))[:, None] < found.calibration))
    assert np.mean(ranks) == pytest.approx(0.5, abs=0.15)


def test_that_images_were_resized_to_be_compared_in_place_is_said(of_photographs, tmp_path):
    of_photographs.save(tmp_path / "m")
    (tmp_path / "new").mkdir()
    for i, image in enumerate(photographs(3, 8)):
        picture = Image.fromarray((255 * image).astype(np.uint8))
        (picture.resize((150, 150)) if i == 1 else picture).save(tmp_path / "new" / f"{i}.png")
    found = folders.detect(tmp_path / "new", tmp_path / "m", tmp_path / "R", progress=False)
    assert "Images of another size than the normal ones: 1. They were resized" in found.advice
    assert json.loads((tmp_path / "R" / "scores.json").read_text(encoding="utf-8"))["resized"] == 1
    page = (tmp_path / "R" / "report.html").read_text(encoding="utf-8")
    assert "the mean of the normal images, moved to where this one lies" in page


def test_textures_are_not_taken_for_parts():
    found = Inspector.fit(list(make_textures("weave", 12, 0)), "tiles", **(QUICK | {"epochs": 1}))
    assert not found.in_place and len(found.views[0].levels) == 1


def test_an_inspector_of_two_views_is_kept_with_both(of_photographs, tmp_path):
    of_photographs.save(tmp_path / "m")
    images, loaded = list(photographs(3, 4)), Inspector.load(tmp_path / "m")
    assert loaded.view == "both" and list(loaded.scores(images)) == list(of_photographs.scores(images))
    for before, after in zip(of_photographs.inspections(images), loaded.inspections(images), strict=True):
        assert np.array_equal(before.difference, after.difference) and before.score == after.score


@pytest.mark.parametrize("pixels", [0, 1, 20, 200])
def test_images_that_are_all_but_alike_can_be_fitted(pixels):
    """White ones, with some pixels a grey level darker."""
    images = np.ones((10, 100, 100), np.float32)
    generator = np.random.default_rng(0)
    for image in images:
        image.ravel()[generator.choice(image.size, pixels, replace=False)] = 254 / 255
    found = Inspector.fit(list(images), **(QUICK | {"epochs": 1}))
    (dark,) = found.scores([np.zeros((100, 100))])
    assert np.isfinite(found.calibration).all() and dark > found.threshold(0.1)


@pytest.mark.parametrize("seed", range(3))
def test_copies_of_one_image_can_be_fitted(seed):
    image = np.random.default_rng(seed).random((60, 60)).astype(np.float32)
    found = Inspector.fit([image] * 10, **(QUICK | {"epochs": 1}))
    assert np.isfinite(found.calibration).all() and np.isfinite(list(found.scores([image, 1 - image]))).all()


@pytest.mark.parametrize("view", ["whole", "tiles"])
def test_one_view_alone_can_be_asked_for(view):
    found = Inspector.fit(list(photographs(12, 0)), view, **(QUICK | {"epochs": 1}))
    assert [type(each).__name__.lower() for each in found.views] == [view] == [found.view]
    assert np.isfinite(list(found.scores(photographs(2, 1)))).all()
