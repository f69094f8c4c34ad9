"""From a folder of images to scores.

Every file is read once, what is interrupted goes on, and no other results are lost.
"""

import json
import os
import shutil
from functools import partialmethod
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from convae.anomaly import folders
from convae.anomaly.model import Inspector


@pytest.fixture(autouse=True)
def draw_no_histogram(monkeypatch):
    """It takes most of a report's time, and is none of these tests' business."""
    monkeypatch.setattr(folders.report, "score_histogram", lambda *_: Figure())


def test_images_score_the_same_as_files_and_as_one_array(place, model, tmp_path):
    files = sorted((place / "new").glob("*.png"))
    (tmp_path / "arrays").mkdir()
    images = np.stack([np.asarray(Image.open(file)) for file in files])
    np.savez(tmp_path / "arrays" / "all.npz", ones=images)

    def scores(folder, out):
        found = folders.detect(folder, model, out, show=0, progress=False)
        return {row["file"]: row["score"] for row in found.scores}

    single = scores(place / "new", tmp_path / "a")
    packed = scores(tmp_path / "arrays", tmp_path / "b")
    assert list(packed.values()) == sorted(packed.values(), reverse=True)
    for i, file in enumerate(files):
        assert packed[f"all.npz[ones][{i}]"] == pytest.approx(single[file.name], rel=1e-9)


def test_unreadable_files_are_named_and_stop_nothing(place, model, tmp_path, capsys):
    shutil.copytree(place / "new" / "others", tmp_path / "new")
    (tmp_path / "new" / "empty.png").touch()
    (tmp_path / "new" / "text.jpg").write_text("no picture")
    found = folders.detect(tmp_path / "new", model, tmp_path / "R", progress=False)
    assert len(found.scores) == 10
    assert found.unreadable == {"empty.png": "is empty",
                                "text.jpg": "holds no picture of a known format"}
    assert "passed over: empty.png is empty" in capsys.readouterr().err
    written = json.loads((tmp_path / "R" / "scores.json").read_text())
    assert written["unreadable"] == found.unreadable
    assert "empty.png" in (tmp_path / "R" / "report.html").read_text()


def test_folder_with_nothing_readable_is_an_error(model, tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "empty.png").touch()
    with pytest.raises(ValueError, match="none of the 1 files in .* can be read"):
        folders.detect(tmp_path / "new", model, tmp_path / "R", progress=False)


def test_interrupted_detection_goes_on_where_it_was(place, model, tmp_path, monkeypatch):
    scored, real = [], Inspector.scores

    def scores(inspector, images, stop=None):
        for score in real(inspector, images):
            if len(scored) == stop:
                raise KeyboardInterrupt
            scored.append(score)
            yield score

    monkeypatch.setattr(folders, "BATCH", 7)
    whole = folders.detect(place / "new", model, tmp_path / "whole", progress=False).scores
    monkeypatch.setattr(Inspector, "scores", partialmethod(scores, stop=25))
    with pytest.raises(KeyboardInterrupt):
        folders.detect(place / "new", model, tmp_path / "R", progress=False)
    assert [p.name for p in (tmp_path / "R").iterdir()] == [folders.PARTIAL]
    with (tmp_path / "R" / folders.PARTIAL).open("a") as file:
        file.write('{"file": "cut o')
    monkeypatch.setattr(Inspector, "scores", scores)
    scored.clear()
    resumed = folders.detect(place / "new", model, tmp_path / "R", progress=False).scores
    for row, expected in zip(resumed, whole, strict=True):
        # a score's last digits depend on the batch
        assert row == expected | {"score": pytest.approx(expected["score"], rel=1e-9)}
    assert 40 - 21 <= len(scored) <= 40 - 21 + 1  # three batches were finished, but for a file
    assert not (tmp_path / "R" / folders.PARTIAL).exists()


def interrupt_after_scoring(folder, model, out):
    """A detection that leaves the scores of all images behind, and no report."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folders.report, "page", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            folders.detect(folder, model, out, progress=False)


def files_read(monkeypatch):
    """The files that are read from now on, in order."""
    names, read_images = [], folders.read_images

    def note_and_read(path):
        names.append(path.name)
        return read_images(path)

    monkeypatch.setattr(folders, "read_images", note_and_read)
    return names


def test_each_file_is_read_once(place, model, tmp_path, monkeypatch):
    names = files_read(monkeypatch)
    monkeypatch.setattr(folders, "BATCH", 7)
    detection = folders.detect(place / "new", model, tmp_path, show=5, progress=False)
    assert len(names) == len(set(names)) == 40
    assert [row for row, _ in detection.shown] == detection.scores[:5]


def test_after_an_interruption_only_images_that_the_report_shows_are_read_again(
        place, model, tmp_path, monkeypatch):
    at_once = folders.detect(place / "new", model, tmp_path / "at once", show=5, progress=False)
    interrupt_after_scoring(place / "new", model, tmp_path / "R")
    names = files_read(monkeypatch)
    detection = folders.detect(place / "new", model, tmp_path / "R", show=5, progress=False)
    assert sorted(names) == sorted(Path(row["file"]).name for row in detection.scores[:5])
    both = zip(detection.shown, at_once.shown, strict=True)
    for (row, pictures), (same_row, same_pictures) in both:
        assert row == same_row and pictures.keys() == same_pictures.keys()
        assert all(np.array_equal(pictures[name], same_pictures[name]) for name in pictures)


def test_batches_end_after_so_many_images_or_pixels(monkeypatch):
    monkeypatch.setattr(folders, "BATCH", 3)
    monkeypatch.setattr(folders, "BATCH_PIXELS", 100)
    sizes = [1, 2, 3, 4, 99, 500, 5]
    batches = folders._batches((size, np.zeros(size)) for size in sizes)
    assert list(map(list, batches)) == [[1, 2, 3], [4, 99], [500], [5]]


@pytest.mark.parametrize("change", ["model", "image"])
def test_image_or_model_changed_since_an_interruption_is_scored_anew(
        place, model, tmp_path, monkeypatch, change):
    shutil.copytree(place / "new" / "others", tmp_path / "new")
    model = shutil.copy(model, tmp_path / "m.safetensors")
    interrupt_after_scoring(tmp_path / "new", model, tmp_path / "R")
    if change == "model":
        inspector = Inspector.load(model)
        inspector.calibration = inspector.calibration + 1
        inspector.save(model)
    else:
        Image.new("L", (28, 28), 255).save(sorted((tmp_path / "new").iterdir())[0])
    names = files_read(monkeypatch)
    folders.detect(tmp_path / "new", model, tmp_path / "R", show=0, progress=False)
    assert len(names) == {"model": 10, "image": 1}[change]


def test_files_that_could_not_be_read_are_tried_again(place, model, tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("PIL.Image.open", refuse)
    with pytest.raises(ValueError, match="none of the 40 files"):
        folders.detect(place / "new", model, tmp_path, progress=False)
    monkeypatch.undo()
    assert len(folders.detect(place / "new", model, tmp_path, progress=False).scores) == 40


def test_detection_interrupted_twice_keeps_its_scores(place, model, tmp_path, monkeypatch):
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


def test_file_name_that_is_not_utf_8_is_written_as_text(place, model, tmp_path, capsys):
    folder = tmp_path / "new"
    shutil.copytree(place / "new" / "others", folder)
    for name in (b"\x89\xe6.bmp", b"\x89.png"):  # in another encoding than UTF-8
        try:
            content = next(folder.glob("0_*")).read_bytes() if name.endswith(b"bmp") else b""
            (folder / os.fsdecode(name)).write_bytes(content)
        except OSError:
            pytest.skip("this file system takes UTF-8 names only")
    found = folders.detect(folder, model, tmp_path / "R", progress=False)
    assert "\\x89\\xe6.bmp" in [row["file"] for row in found.scores]
    assert found.unreadable == {"\\x89.png": "is empty"}
    assert "\\x89\\xe6.bmp" in (tmp_path / "R" / "scores.csv").read_text(encoding="utf-8")
    assert "passed over: \\x89.png" in capsys.readouterr().err


def test_image_that_is_gone_when_the_report_is_made_keeps_its_score(
        place, model, tmp_path, monkeypatch):
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


def test_nothing_is_learnt_where_no_model_can_be_written(place, tmp_path, monkeypatch):
    monkeypatch.setattr(Inspector, "fit", lambda *_, **__: pytest.fail("it learns"))
    advice = r"is a folder; give a file to write, such as .*parts\.safetensors"
    with pytest.raises(IsADirectoryError, match=advice):
        folders.fit(place / "normal", tmp_path)
    monkeypatch.setattr(folders.os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match="cannot be written to"):
        folders.fit(place / "normal", tmp_path / "m.safetensors")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_another_folders_results_are_not_replaced(place, model, tmp_path):
    others = place / "new" / "others"
    folders.detect(others, model, tmp_path, progress=False)
    before = contents(tmp_path)
    same_folder = place / "new" / ".." / "new" / "others"
    folders.detect(same_folder, model, tmp_path, false_alarms=0.5, progress=False)
    after = contents(tmp_path)
    assert after != before
    advice = "has the results on .*others: give another folder for the report, or"
    with pytest.raises(FileExistsError, match=advice):
        folders.detect(place / "new", model, tmp_path, progress=False)
    assert contents(tmp_path) == after


@pytest.mark.parametrize(("name", "text"), [
    ("scores.json", "a table"),
    ("scores.json", "[]"),
    ("scores.json", "{}"),
    ("scores.csv", "mine"),
])
def test_files_of_other_origin_are_not_replaced(place, model, tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(FileExistsError, match=f"{name} was not written by convae detect"):
        folders.detect(place / "new", model, tmp_path, progress=False)
    assert (tmp_path / name).read_text() == text


def test_results_belong_to_a_folder_by_its_absolute_path(place, model, tmp_path, monkeypatch):
    for name in ("a", "b"):
        shutil.copytree(place / "new" / "others", tmp_path / name / "new")
    monkeypatch.chdir(tmp_path / "a")
    folders.detect(Path("new"), model, tmp_path / "R", progress=False)
    folders.detect(tmp_path / "a" / "new", model, tmp_path / "R", progress=False)
    monkeypatch.chdir(tmp_path / "b")
    with pytest.raises(FileExistsError, match="has the results on"):
        folders.detect(Path("new"), model, tmp_path / "R", progress=False)


def test_full_disk_leaves_the_old_results(place, model, tmp_path, monkeypatch):
    folders.detect(place / "new", model, tmp_path, progress=False)
    before = contents(tmp_path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fdopen", full)
    with pytest.raises(OSError, match="No space left on device"):
        folders.detect(place / "new", model, tmp_path, progress=False)
    after = contents(tmp_path)
    after.pop(folders.PARTIAL, None)
    assert after == before
