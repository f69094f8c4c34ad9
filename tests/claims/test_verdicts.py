"""From effects to verdicts: intervals, p-values and their correction, universes."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import f as f_distribution
from scipy.stats import ttest_1samp

from convae.claims import verdicts
from convae.claims.design import CHOICES, design
from convae.claims.statements import Criterion, Records

UNDECIDABLE = "not decidable from the text"


def records(value):
    return Records(conv={"x": value})


def criterion(threshold=0.0, **options):
    return Criterion("x", "conv.x", threshold, **options)


def over_seeds(values, **options):
    return verdicts.over_seeds(criterion(**options), [records(value) for value in values])


def universes(effect, noise={101: 0.01, 102: -0.01}.get):
    """Records of all universes and two seeds: an effect of the choices, and noise of the seed."""
    found = {}
    for number, row in enumerate(design()):
        for seed in (101, 102):
            found[number, seed] = records(effect(row) + noise(seed))
    return found


def over_universes(effect, *noise):
    return verdicts.over_universes(criterion(), universes(effect, *noise))


def of_one_seed(effects):
    return {(number, 101): records(effect) for number, effect in enumerate(effects)}


def test_an_effect_is_the_mean_over_the_seeds_with_students_interval():
    result = over_seeds([1.0, 2.0, 3.0, 4.0])
    assert result["effect"] == 2.5
    interval = ttest_1samp([1, 2, 3, 4], 0).confidence_interval(0.95)
    assert (result["low"], result["high"]) == pytest.approx(tuple(interval))
    assert list(result["by_seed"]) == [1, 2, 3, 4]


def test_ratios_are_averaged_by_their_logarithms():
    assert over_seeds([0.5, 2.0], unit="times", threshold=1)["effect"] == pytest.approx(1)
    assert over_seeds([2.0, 8.0], unit="times", threshold=1)["effect"] == pytest.approx(4)


@pytest.mark.parametrize(("sign", "below", "p"), [
    (1, False, 1 / 1024), (-1, True, 1 / 1024), (-1, False, 1), (1, True, 1)])
def test_p_asks_whether_the_effect_lies_on_the_claims_side(sign, below, p):
    values = sign * np.linspace(1, 2, 10)
    assert over_seeds(values, below=below)["p"] == pytest.approx(p)


@pytest.mark.parametrize(("holds", "share", "expected"), [
    ([True, True], None, "reproduced"),
    ([True, False], None, "reproduced in part"),
    ([False, False], None, "not reproduced"),
    ([True, True], 0.9, "reproduced"),
    ([False], 0.1, "not reproduced"),
    ([True, True], 0.75, UNDECIDABLE),
    ([False], 0.25, UNDECIDABLE),
])
def test_the_verdict_follows_from_the_criteria_and_the_share_of_universes(holds, share, expected):
    assert verdicts.verdict(holds, share) == expected
    assert expected in verdicts.VERDICTS


@pytest.mark.parametrize("choice", CHOICES)
def test_a_choice_that_alone_decides_explains_everything_and_the_others_nothing(choice):
    first, *_ = CHOICES[choice]
    result = over_universes(lambda row: 1.0 if row[choice] == first else -1.0)
    assert result["most"] == choice
    assert result["share"] == pytest.approx(1 / len(CHOICES[choice]))
    for name, effect in result["choices"].items():
        assert effect["explains"] == pytest.approx(float(name == choice), abs=1e-9)
    levels = result["choices"][choice]["levels"]
    assert [level["value"] for level in levels] == list(CHOICES[choice])
    assert [level["share"] for level in levels] == [value == first for value in CHOICES[choice]]


def test_p_of_a_choice_is_that_of_the_f_test_among_all_main_effects_times_their_number():
    rows = design()
    noise = np.random.default_rng(0).normal(size=36)
    effects = [2 * (row["kl_weight"] == 2) + (row["epochs"] == 5) for row in rows] + noise
    result = verdicts.over_universes(criterion(), of_one_seed(effects))
    choices = result["choices"]
    assert result["most"] == "kl_weight"
    assert choices["kl_weight"]["p"] < 0.05 < choices["slope"]["p"]

    def residual(names):
        columns = [np.ones(36)]
        for name in names:
            columns += [np.array([row[name] == v for row in rows]) for v in CHOICES[name][1:]]
        return np.linalg.lstsq(np.array(columns, float).T, effects, rcond=None)[1][0]

    left = residual(CHOICES) / 25
    for name, values in CHOICES.items():
        freedom = len(values) - 1
        explained = residual([other for other in CHOICES if other != name]) - residual(CHOICES)
        p = f_distribution.sf(explained / freedom / left, freedom, 25)
        assert choices[name]["p"] == pytest.approx(min(1, 7 * p)), name


def test_universes_with_a_failed_training_are_named_and_left_out_of_a_second_share():
    def trained(error):
        return {"ae_2d": {"shift": [{"error": error}, {"error": 2.0}]}}

    of_models = {}
    for universe in range(36):
        dense_error = 0.95 if universe == 7 else 0.4
        of_models[universe, 101] = SimpleNamespace(conv=trained(0.3), small=trained(dense_error))
    failed = {"universe": 7, "seed": 101, "family": "small", "model": "ae_2d", "error": 0.95}
    assert verdicts.failed_trainings(of_models) == [failed]
    effects = [-1.0 if universe in (7, 8) else 1.0 for universe in range(36)]
    result = verdicts.over_universes(criterion(), of_one_seed(effects), {7})
    assert (result["share"], result["share_without_failed"]) == (34 / 36, 34 / 35)


def test_a_universe_counts_once_with_the_mean_of_its_seeds():
    result = over_universes(lambda row: 1.0)
    assert np.allclose(result["effects"], 1) and len(result["effects"]) == 36
    assert result["share"] == 1
    assert np.allclose(result["by_seed"], [1.01, 0.99])


@pytest.mark.parametrize("shift", [0, 3])  # of one seed in all universes, which makes no difference
def test_seeds_lead_to_expect_all_variance_between_universes_where_no_choice_matters(shift):
    generator = np.random.default_rng(0)

    def noise(seed):
        return generator.normal() + shift * (seed == 102)

    shares = [over_universes(lambda row: 0.0, noise)["seeds_explain"] for _ in range(99)]
    assert np.median(shares) == pytest.approx(1, abs=0.1)


def test_seeds_explain_as_much_as_they_differ_where_a_choice_matters():
    # Half of the universes differ one way between their seeds, half the other way.
    signs = iter([1, -1, -1, 1] * 18)
    result = over_universes(lambda row: 1.0 if row["optimiser"] == "muon" else -1.0,
                            lambda seed: 0.01 * next(signs))
    assert result["seeds_explain"] == pytest.approx(36 * 2 * 0.01**2 / 2 / 36, rel=1e-3)


def test_seeds_that_differ_equally_in_all_universes_explain_nothing():
    result = over_universes(lambda row: 1.0 if row["optimiser"] == "muon" else -1.0)
    assert result["seeds_explain"] == pytest.approx(0)


def test_what_seeds_explain_is_unknown_from_one_seed():
    result = verdicts.over_universes(criterion(), of_one_seed(np.arange(36.0)))
    assert result["seeds_explain"] is None


def test_universes_of_which_seeds_are_missing_are_refused():
    incomplete = universes(lambda row: 1.0)
    del incomplete[7, 102]
    with pytest.raises(ValueError, match="different numbers of seeds; do their sweep to its end"):
        verdicts.over_universes(criterion(), incomplete)


def test_a_criterion_has_no_universes_where_its_models_were_not_trained():
    split = Criterion("y", "split.y", 0)
    assert verdicts.over_universes(split, universes(lambda row: 1.0)) is None
    assert verdicts.over_universes(criterion(), {}) is None
