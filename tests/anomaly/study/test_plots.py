"""Notebook 07's figures show what they were given."""

import numpy as np
import pytest

from convae.anomaly.study.plots import alarm_rates, by_class, inspections, outlined, ranking, severities, trade_off


def lines(axes):
    """From the labels of an axes' lines to their points."""
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in axes.get_lines()}


def test_the_ranking_has_each_method_at_its_mean_the_best_on_top():
    rows = [("a", "ours", 97.0, 96.5, 97.2), ("b", "baseline", 95.0, 95.0, 95.0), ("c", "published", 98.0, 98.0, 98.0),
            ("d", "ours", 96.0, 95.9, 96.4)]
    (axes,) = ranking(rows).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["b", "d", "a", "c"]
    for container in axes.containers:
        points, _, (bars,) = container
        for x, y, segment in zip(points.get_xdata(), points.get_ydata(), bars.get_segments(), strict=True):
            name, _, mean, low, high = next(row for row in rows if row[2] == pytest.approx(100 - x))
            assert axes.get_yticklabels()[int(y)].get_text() == name
            assert sorted(100 - segment[:, 0]) == pytest.approx([low, high])
    assert axes.xaxis_inverted()


def test_each_score_has_a_mark_for_each_class_in_its_cell():
    (axes,) = by_class({"one": [90, 95], "two": [91, 96]}, "xy", "title").axes
    marks = {label: points for label, points in lines(axes).items() if not label.startswith("_")}
    assert {label: y for label, (_, y) in marks.items()} == {"one": [90, 95], "two": [91, 96]}
    assert all(np.round(x).tolist() == [0, 1] for x, _ in marks.values())
    assert [label.get_text() for label in axes.get_xticklabels()] == ["x", "y"] and axes.get_xlabel() == "title"


def test_each_measure_has_a_row_and_each_kind_a_column():
    measures = {measure: {kind: {"plain error": [i + k, 0.5], "detector": [0.1, i]} for k, kind in enumerate(["gap", "blot"])}
                for i, measure in enumerate(["image", "overlap"])}
    measures["overlap"]["gap"]["no model"] = [0.2, 0.3]
    figure = severities(measures, (1, 2))
    for i in range(2):
        for k in range(2):
            expected = {"plain error": ([1, 2], [i + k, 0.5]), "detector": ([1, 2], [0.1, i])}
            extra = {"no model": ([1, 2], [0.2, 0.3])} if (i, k) == (1, 0) else {}
            assert lines(figure.axes[2 * i + k]) == expected | extra
    assert [axes.get_title() for axes in figure.axes[:2]] == ["gap", "blot"]
    assert [axes.get_ylabel() for axes in figure.axes[::2]] == ["image", "overlap"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["plain error", "detector", "no model"]


def test_the_trade_off_has_a_line_for_each_family_and_levels_across():
    panels = {"repair": {"vae": {2: 0.9, 4: 0.8}, "pca": {2: 3.0, 4: 2.0}}, "error": {"vae": {2: 30, 4: 20}}}
    figure = trade_off(panels, {"repair": {"median": 1.5}}, {"vae": "VAE", "pca": "PCA"}, {"error": "squared"})
    repair, error = figure.axes
    found = lines(repair)
    assert found["VAE"] == ([2, 4], [0.9, 0.8]) and found["PCA"] == ([2, 4], [3.0, 2.0])
    assert repair.get_yscale() == "log" and error.get_yscale() == "linear"
    assert [1.5, 1.5] in [list(y) for _, y in found.values()] and "median" in [text.get_text() for text in repair.texts]
    assert lines(error) == {"VAE": ([2, 4], [30, 20])}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["VAE", "PCA"]


def test_alarm_rates_have_a_dot_for_each_digit_a_bar_at_their_mean_and_the_rate_asked_for():
    figure = alarm_rates({0.05: {"unseen": [0.03, 0.07], "test_normal": [0.1, 0.2]}}, {0.05: (0.02, 0.08)},
                         {"unseen": "same source", "test_normal": "test half"})
    (shaded,) = figure.axes[0].patches
    assert (shaded.get_x(), shaded.get_x() + shaded.get_width()) == pytest.approx((0.02, 0.08))
    assert figure.axes[0].get_xlim()[1] > 0.2
    drawn = [list(line.get_xdata()) for line in figure.axes[0].get_lines()]
    assert [0.03, 0.07] in drawn and [0.1, 0.2] in drawn
    assert [0.05, 0.05] in drawn and any(np.allclose(x, 0.15) for x in drawn)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["same source", "test half"]


def test_inspections_have_a_column_for_each_image():
    shown = [({"file": f"good/{i}.png", "p_value": 0.005 * i, "anomalous": i == 1},
              {"image": np.full((4, 6), 10 * i, np.uint8), "where it differs": np.full((4, 6, 3), 20 * i, np.uint8),
               "output": np.full((4, 6), 30 * i, np.uint8)}) for i in (1, 2)]
    axes = inspections(shown).axes
    for i in (1, 2):
        column = axes[i - 1::2]
        assert [each.get_images()[0].get_array().ravel()[0] for each in column] == [10 * i, 20 * i, 30 * i]
        assert column[0].get_title() == f"good\n{i}.png\np = {0.005 * i:.2g}\n{'anomalous' if i == 1 else 'not called'}"


def test_a_place_is_outlined_around_its_pixels_and_a_sound_image_is_not():
    place = np.zeros((40, 40), bool)
    place[18:23, 10:15] = True
    image = np.full((40, 40), 0.4)
    figure = outlined({"weave": {"sound": (image, np.zeros_like(place)), "stain": (image, place)}}, crop=30)
    sound, stain = figure.axes
    assert not sound.collections and sound.get_ylabel() == "weave" and stain.get_title() == "stain"
    (outline,) = (path.vertices for path in stain.collections[0].get_paths())
    assert outline.min(0) == pytest.approx([5.5, 13.5]) and outline.max(0) == pytest.approx([18.5, 26.5])
    assert stain.get_xlim() == (-0.5, 29.5) and stain.get_ylim() == (34.5, 4.5)  # row 20 in the middle, column 12 not
