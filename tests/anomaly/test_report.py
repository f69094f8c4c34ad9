"""The report shows what was asked for, in one file, and says whether it can be trusted."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from convae.anomaly import folders, report


@pytest.fixture(scope="module")
def of_new(place, model, tmp_path_factory):
    """A detection in the folder of 30 ones and 10 zeros, and its page."""
    out = tmp_path_factory.mktemp("report")
    detection = folders.detect(place / "new", model, out, show=12, progress=False)
    return detection, (out / "report.html").read_text(encoding="utf-8")


def test_page_shows_as_many_images_as_asked_for_and_needs_no_other_file(of_new):
    _, page = of_new
    assert page.count("<article>") == 12
    assert page.count("<img") == 36
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert "resized to 28 × 28 pixels" in page


def test_names_of_files_are_escaped(place, model, tmp_path):
    (tmp_path / "new").mkdir()
    picture = next((place / "new" / "others").iterdir()).read_bytes()
    try:
        (tmp_path / "new" / "<b> & co.bmp").write_bytes(picture)
    except OSError:
        pytest.skip("this file system does not take such names")
    folders.detect(tmp_path / "new", model, tmp_path / "R", progress=False)
    page = (tmp_path / "R" / "report.html").read_text(encoding="utf-8")
    assert "&lt;b&gt; &amp; co.bmp" in page and "<b> & co" not in page


def test_large_images_are_shown_in_a_size_to_look_at(model, tmp_path):
    (tmp_path / "new").mkdir()
    Image.new("L", (1000, 600), 200).save(tmp_path / "new" / "large.png")
    detection = folders.detect(tmp_path / "new", model, tmp_path / "R", progress=False)
    ((_, pictures),) = detection.shown
    assert {name: picture.shape for name, picture in pictures.items()} == {
        "image": (288, 480), "where it differs": (288, 480, 3), "what would be normal": (288, 480)}


def test_report_asks_for_a_new_model_if_most_images_are_anomalous(place, model, tmp_path, of_new):
    most = folders.detect(place / "new" / "others", model, tmp_path, progress=False)
    assert "More than half" in most.advice
    assert "More than half" in (tmp_path / "report.html").read_text(encoding="utf-8")
    few, _ = of_new
    assert "More than half" not in few.advice


def test_report_says_how_many_images_were_resized(of_photographs, photographs, tmp_path):
    of_photographs.save(tmp_path / "m")
    (tmp_path / "new").mkdir()
    for i, image in enumerate(photographs(3, 8)):
        picture = Image.fromarray((255 * image).astype(np.uint8))
        if i == 1:
            picture = picture.resize((150, 150))
        picture.save(tmp_path / "new" / f"{i}.png")
    detection = folders.detect(tmp_path / "new", tmp_path / "m", tmp_path / "R", progress=False)
    assert "Images of another size than the normal ones: 1. They were resized" in detection.advice
    assert json.loads((tmp_path / "R" / "scores.json").read_text(encoding="utf-8"))["resized"] == 1
    page = (tmp_path / "R" / "report.html").read_text(encoding="utf-8")
    assert "the mean of the normal images, moved to where this one lies" in page


def test_advice_names_what_a_rate_needs():
    enough = report.advice(99, 0.02)
    assert "enough for a false-alarm rate of 0.02 on average (it needs 49)" in enough
    too_few = report.advice(20, 0.01)
    assert "a false-alarm rate of 0.01 needs 99: fit to at least 198" in too_few
    assert "about 0.048" in too_few
