"""Counts and shares of misrecognised digits are drawn as they are."""

import numpy as np
import pytest

from convae.evaluation.intervals import share
from convae.evaluation.recognition import Prediction, confusion
from convae.plots.recognition import confusion_matrix, misrecognition_by_place
from convae.reproduce.notebook import to_png
from tests.plots.data import COUNTS


def test_the_confusion_matrix_writes_each_count_in_its_row_and_column():
    axes = confusion_matrix(COUNTS).axes[0]
    written = {text.get_position(): int(text.get_text()) for text in axes.texts}
    assert written == {(column, row): count for (row, column), count in np.ndenumerate(COUNTS)}


def test_the_confusion_matrix_is_coloured_by_the_rows_misrecognised_share():
    shown = confusion_matrix(COUNTS).axes[0].images[0].get_array()
    assert np.ma.getmaskarray(shown).sum() == 10 and np.ma.getmaskarray(shown).diagonal().all()
    assert shown[3, 5] == pytest.approx(COUNTS[3, 5] / COUNTS[3].sum())
    np.testing.assert_allclose(shown.filled(0).sum(1), 1 - COUNTS.diagonal() / COUNTS.sum(1))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("inputs", "outputs"), [
    (range(10), range(10)), ([3] * 9, [3] * 9), ([3] * 9, [5] * 9)])
def test_a_confusion_matrix_without_mistakes_or_with_empty_rows_is_drawn(inputs, outputs):
    certain = np.ones(len(inputs))
    before, after = (Prediction(np.array(digits), certain) for digits in (inputs, outputs))
    assert to_png(confusion_matrix(confusion(before, after)))


def test_misrecognition_by_place_has_a_bar_an_interval_and_a_count_for_each_group():
    edges, sizes = np.array([0, 0.1, 0.5, 1]), np.array([1_000, 0, 50])
    shares = [share(10, 1_000), share(0, 0), share(40, 50)]
    figure = misrecognition_by_place(edges, shares, sizes)
    (axes,) = figure.axes
    bars = next(c for c in axes.containers if hasattr(c, "patches"))
    np.testing.assert_array_equal([bar.get_height() for bar in bars.patches], [0.01, np.nan, 0.8])
    assert [t.get_text() for t in axes.texts] == ["1,000", "0", "50"]
    assert to_png(figure)
