"""Notebook 07's figures draw the numbers that they were given; ``verify`` compares the pictures."""

import numpy as np
import pytest

from convae.anomaly.study.plots import (
    alarm_rates,
    by_class,
    inspections,
    outlined,
    ranking,
    severities,
    trade_off,
)


def points(axes):
    """From the labels of an axes' lines to their points."""
    return {line.get_label(): line.get_xydata().tolist() for line in axes.get_lines()}


def test_ranking_draws_each_method_at_what_its_mean_lacks_to_100_the_best_on_top():
    rows = [("a", "ours", 97.0, 96.5, 97.2), ("b", "baseline", 95.0, 95.0, 95.0),
            ("c", "published", 98.0, 98.0, 98.0), ("d", "ours", 96.0, 95.9, 96.4)]
    (axes,) = ranking(rows).axes
    drawn = [point for line in axes.get_lines() for point in line.get_xydata().tolist()]
    for place in ([5, 0], [4, 1], [3, 2], [2, 3]):
        assert place in drawn


def test_by_class_draws_a_mark_for_each_score_in_each_class():
    (axes,) = by_class({"one": [90, 95], "two": [91, 96]}, "xy", "title").axes
    for name, expected in {"one": [90, 95], "two": [91, 96]}.items():
        x, y = np.transpose(points(axes)[name])
        assert x.round().tolist() == [0, 1] and y.tolist() == expected


def test_severities_draw_a_row_for_each_measure_and_a_column_for_each_kind():
    measures = {
        "image": {"gap": {"detector": [0.1, 0.2]}, "blot": {"detector": [0.3, 0.4]}},
        "overlap": {"gap": {"detector": [0.5, 0.6], "no model": [0.2, 0.3]},
                    "blot": {"detector": [0.7, 0.8]}},
    }
    drawn = [points(axes) for axes in severities(measures, (1, 2)).axes]
    assert [panel["detector"] for panel in drawn] == [
        [[1, 0.1], [2, 0.2]], [[1, 0.3], [2, 0.4]], [[1, 0.5], [2, 0.6]], [[1, 0.7], [2, 0.8]]]
    assert drawn[2]["no model"] == [[1, 0.2], [2, 0.3]]


def test_trade_off_draws_a_line_for_each_family():
    panels = {
        "repair": {"vae": {2: 0.9, 4: 0.8}, "pca": {2: 3.0, 4: 2.0}},
        "error": {"vae": {2: 30, 4: 20}},
    }
    names = {"vae": "VAE", "pca": "PCA"}
    figure = trade_off(panels, {"repair": {"median": 1.5}}, names, {"error": "squared"})
    repair, error = map(points, figure.axes)
    assert repair["VAE"] == [[2, 0.9], [4, 0.8]] and repair["PCA"] == [[2, 3.0], [4, 2.0]]
    assert error == {"VAE": [[2, 30], [4, 20]]}


def test_alarm_rates_draw_a_dot_for_each_digit():
    rates = {0.05: {"unseen": [0.03, 0.07], "test_normal": [0.1, 0.2]}}
    names = {"unseen": "same source", "test_normal": "test set"}
    figure = alarm_rates(rates, {0.05: (0.02, 0.08)}, names)
    drawn = [line.get_xdata() for line in figure.axes[0].get_lines()]
    for values in rates[0.05].values():
        assert any(np.array_equal(x, values) for x in drawn)


def test_inspections_draw_the_pictures_of_each_image_in_a_column():
    shown = [({"file": f"good/{i}.png", "p_value": 0.005 * i, "anomalous": i == 1},
              {name: np.full((4, 6), 10 * i + k, np.uint8) for k, name in enumerate("abc")})
             for i in (1, 2)]
    axes = inspections(shown).axes
    drawn = [each.get_images()[0].get_array()[0, 0] for each in axes]
    assert drawn == [10, 20, 11, 21, 12, 22]


@pytest.mark.parametrize(("rows", "left", "top"), [(slice(18, 23), 0, 5), (slice(0, 5), 0, 0)])
def test_outlined_place_lies_in_the_middle_of_its_section_or_at_the_edge(rows, left, top):
    mask = np.zeros((40, 40), bool)
    mask[rows, 10:15] = True
    image = np.full((40, 40), 0.4)
    shown = {"sound": (image, np.zeros_like(mask)), "stain": (image, mask)}
    sound, stain = outlined({"weave": shown}, 30).axes
    assert len(sound.collections) == 0 and len(stain.collections) == 1
    assert stain.get_xlim() == (left - 0.5, left + 29.5)
    assert stain.get_ylim() == (top + 29.5, top - 0.5)
