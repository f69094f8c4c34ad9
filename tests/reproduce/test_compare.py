"""What counts as the same figure, number, text or notebook, and what does not."""

import base64
import io
import re

import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from convae.reproduce import compare

TOLERANCE = {"relative": 0.01, "absolute": 0.001}


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "png")
    return buffer.getvalue()


PICTURE = np.full((40, 50, 3), 200)


def changed(pixels, by, rows):
    other = pixels.copy()
    other[:rows] += by
    return other


@pytest.mark.parametrize("old, new", [
    (1.0, 1.009),
    (0.0, 0.0009),
    (5, 5.0),
    ([1, 2], [1.001, 2]),
    ({"a": {"b": 1}}, {"a": {"b": 1.001}}),
    (None, None),
    ("6.0% of 10,000", "6.1% of 10,000"),
    ("ratio 0.97 (0.77 – 1.20)", "ratio 0.98 (0.77 – 1.21)"),
    (True, True),
])
def test_within_the_tolerance_nothing_differs(old, new):
    assert compare.content(old, new, TOLERANCE) == []


@pytest.mark.parametrize("old, new, says", [
    (1.0, 1.02, "x: 1.02, was 1"),
    (0.0, 0.002, "x: 0.002, was 0"),
    (1.0, float("nan"), "x: nan"),
    ([1, 2], [1, 2, 3], "x: 3 entries, were 2"),
    ({"a": 1}, {"b": 1}, "x: a is gone"),
    ({"a": 1}, {"b": 1}, "x: b is new"),
    ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, r"x\.a\[1\]\.b: 3, was 2"),
    (1, "1", "x: '1', was 1"),
    (1, True, "x: True"),
    (None, 0, "x: 0, was None"),
    ("agrees", "does not agree", "x: 'does not agree', was 'agrees'"),
    ("6.0% of 10,000", "6.2% of 10,000", "x: '6.2%"),
    ("97 images", "99 images", "x: '99 images'"),
    ("1 of 2", "1 of 2 shown", "x: "),
])
def test_what_differs_is_named_with_its_place_and_both_values(old, new, says):
    differences = compare.content(old, new, TOLERANCE, "x")
    assert any(re.search(says, d) for d in differences), differences


def test_images_that_differ_by_a_hair_are_alike():
    assert compare.png(png(PICTURE), png(changed(PICTURE, 1, 20))) == []


@pytest.mark.parametrize("other, says", [
    (changed(PICTURE, -150, 4), "looks different in 4 places, most of all near pixel (0, 0)"),
    (changed(PICTURE, 10, 40), "looks different in 12 places"),
    (PICTURE[:, :-1], "49 × 40 pixels, were 50 × 40"),
])
def test_images_that_look_different_are_reported(other, says):
    (difference,) = compare.png(png(PICTURE), png(other), "fig9.png")
    assert difference.startswith("fig9.png") and says in difference


def test_a_label_that_is_gone_is_noticed_in_a_large_image():
    large = np.full((900, 1800, 3), 255)
    labelled = large.copy()
    labelled[700:710, 1500:1503] = 0  # a stroke of a letter
    (difference,) = compare.png(png(large), png(labelled))
    assert "looks different in 2 places, most of all near pixel (1488, 704)" in difference


def test_pictures_inside_interactive_figures_are_compared_as_pictures():
    def figure(pixels):
        return {"source": "data:image/png;base64," + base64.b64encode(png(pixels)).decode()}

    old = figure(PICTURE)
    assert compare.content(old, figure(changed(PICTURE, 1, 20)), TOLERANCE) == []
    assert compare.content(old, figure(changed(PICTURE, 50, 20)), TOLERANCE) != []


def notebook(source="x = 1", text="0.25\n", markdown="# Title", picture=PICTURE, tags=()):
    shown = {"image/png": base64.b64encode(png(picture)).decode()}
    outputs = [new_output("stream", name="stdout", text=text),
               new_output("display_data", data=shown)]
    metadata = {"tags": list(tags)} if tags else {}
    return new_notebook(cells=[new_markdown_cell(markdown),
                               new_code_cell(source, outputs=outputs, metadata=metadata)])


def test_equal_notebooks_do_not_differ_whatever_their_execution_count_and_times():
    other = notebook()
    other.cells[1].execution_count = 7
    other.cells[1].metadata["execution"] = {"iopub.status.busy": "now"}
    assert compare.notebook(notebook(), other, TOLERANCE) == []


@pytest.mark.parametrize("other, says", [
    (notebook(source="x = 2"), "cell 2: its source changed"),
    (notebook(markdown="# Other"), "cell 1: its source changed"),
    (notebook(text="0.35\n"), "cell 2[0].stdout: '0.35"),
    (notebook(picture=changed(PICTURE, 50, 20)), "cell 2[1].image/png: looks different"),
    (notebook(tags=["parameters"]), "cell 2: its source changed"),
    (new_notebook(), "0 cells, were 2"),
    (new_notebook(cells=[*notebook().cells[:1], new_code_cell("x = 1")]),
     "cell 2: 0 entries, were 2"),
])
def test_notebooks_that_differ_are_reported_by_cell(other, says):
    assert any(says in d for d in compare.notebook(notebook(), other, TOLERANCE))
