"""From effects to verdicts: intervals, exact tests, their correction, universes; and the committed
file against the records."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import f as f_distribution

from convae.claims import records as committed
from convae.claims import results as in_words
from convae.claims import verdicts
from convae.claims.design import CHOICES, REPLICATES, SEEDS, design
from convae.claims.statements import CLAIMS, Criterion, Records
from convae.evaluation.intervals import sign_flip_p


def records(value):
    return Records(conv={"x": value}, small={}, wide={}, split={}, baseline={})


def criterion(threshold=0.0, **options):
    return Criterion("x", {"value": "conv.x"}, threshold, **options)


def over_seeds(values, **options):
    return verdicts.over_seeds(criterion(**options), [records(v) for v in values])


def test_an_effect_is_the_mean_and_its_interval_lies_around_it_within_the_seeds_range():
    found = over_seeds([1.0, 2.0, 3.0, 4.0])
    assert found["effect"] == 2.5
    assert 1 <= found["low"] < 2.5 < found["high"] <= 4
    assert list(found["by_seed"]) == [1, 2, 3, 4]


def test_ratios_are_averaged_by_their_logarithms():
    assert over_seeds([0.5, 2.0], unit="times", threshold=1)["effect"] == pytest.approx(1)
    assert over_seeds([2.0, 8.0], unit="times", threshold=1)["effect"] == pytest.approx(4)


@pytest.mark.parametrize(("values", "below", "p"), [
    (np.linspace(1, 2, 10), False, 1 / 1024), (-np.linspace(1, 2, 10), True, 1 / 1024),
    (-np.linspace(1, 2, 10), False, 1), (np.linspace(1, 2, 10), True, 1)])
def test_p_asks_whether_the_effect_lies_on_the_claims_side(values, below, p):
    assert over_seeds(values, below=below)["p"] == pytest.approx(p)


def test_the_sign_flip_test_counts_all_choices_of_signs():
    differences = np.array([3.0, 1.0, -2.0, 0.5])
    means = [np.mean(differences * signs) for signs in product((1, -1), repeat=4)]
    assert sign_flip_p(differences) == pytest.approx(np.mean([m >= differences.mean() - 1e-12 for m in means]))


def test_the_sign_flip_test_finds_no_more_than_chance_where_there_is_nothing():
    generator = np.random.default_rng(0)
    p = [sign_flip_p(generator.normal(size=8)) for _ in range(400)]
    assert np.mean(np.array(p) < 0.05) < 0.09
    assert 0.4 < np.mean(p) < 0.6


@pytest.mark.parametrize("count", [0, 17])
def test_the_sign_flip_test_refuses_what_it_cannot_do_exactly(count):
    with pytest.raises(ValueError, match=f"got {count}"):
        sign_flip_p(np.ones(count))


@pytest.mark.parametrize(("holds", "share", "expected"), [
    ([True, True], None, "reproduced"), ([True, False], None, "reproduced in part"), ([False, False], None, "not reproduced"),
    ([True, True], 0.9, "reproduced"), ([False], 0.1, "not reproduced"),
    ([True, True], 0.75, "not decidable from the text"), ([False], 0.25, "not decidable from the text")])
def test_the_verdict_follows_from_the_criteria_and_the_share_of_universes(holds, share, expected):
    assert verdicts.verdict(holds, share) == expected
    assert expected in verdicts.VERDICTS


def universes(effect, noise={101: 0.01, 102: -0.01}.get):
    return {(u, seed): records(effect(row) + noise(seed)) for u, row in enumerate(design()) for seed in (101, 102)}


@pytest.mark.parametrize("choice", CHOICES)
def test_a_choice_that_alone_decides_is_found_and_the_others_explain_nothing(choice):
    first, *_ = CHOICES[choice]
    found = verdicts.over_universes(criterion(), universes(lambda row: 1.0 if row[choice] == first else -1.0))
    assert found["most"] == choice
    assert found["choices"][choice]["explains"] == pytest.approx(1)
    assert all(of["explains"] == pytest.approx(0, abs=1e-9) for name, of in found["choices"].items() if name != choice)
    assert found["share"] == pytest.approx(1 / len(CHOICES[choice]))
    shares = {level["value"]: level["share"] for level in found["choices"][choice]["levels"]}
    assert shares == {value: float(value == first) for value in CHOICES[choice]}


def test_a_choices_p_is_that_of_the_f_test_among_all_main_effects_times_the_number_of_choices():
    effects = np.random.default_rng(0).normal(size=36) + [2 * (row["kl_weight"] == 2) + (row["epochs"] == 5) for row in design()]
    found = verdicts.over_universes(criterion(), {(u, 101): records(effect) for u, effect in enumerate(effects)})
    assert found["most"] == "kl_weight" and found["choices"]["kl_weight"]["p"] < 0.05 < found["choices"]["slope"]["p"]

    def left(names):
        columns = [[row[name] == value for row in design()] for name in names for value in CHOICES[name][1:]]
        return np.linalg.lstsq(np.array([[1] * 36, *columns], float).T, effects, rcond=None)[1][0]

    for name, values in CHOICES.items():
        ratio = (left([n for n in CHOICES if n != name]) - left(CHOICES)) / (len(values) - 1) / (left(CHOICES) / 25)
        assert found["choices"][name]["p"] == pytest.approx(min(1, 7 * f_distribution.sf(ratio, len(values) - 1, 25))), name


def test_universes_with_a_failed_training_are_named_and_left_out_of_a_second_share():
    def trained(error):
        return {"ae_2d": {"shift": [{"error": error}, {"error": 2.0}]}}

    by_seed = {}
    for universe in range(36):
        dense_error = 0.95 if universe == 7 else 0.4
        by_seed[universe, 101] = SimpleNamespace(conv=trained(0.3), small=trained(dense_error))
    failed = {"universe": 7, "seed": 101, "family": "small", "model": "ae_2d", "error": 0.95}
    assert verdicts.failed_trainings(by_seed) == [failed]
    effects = {(u, 101): records(-1.0 if u in (7, 8) else 1.0) for u in range(36)}
    found = verdicts.over_universes(criterion(), effects, {7})
    assert (found["share"], found["share_without_failed"]) == (34 / 36, 34 / 35)


def test_a_universe_counts_once_with_the_mean_of_its_seeds():
    found = verdicts.over_universes(criterion(), universes(lambda row: 1.0))
    assert np.allclose(found["effects"], 1) and len(found["effects"]) == 36 and found["share"] == 1
    assert np.allclose(found["by_seed"], [1.01, 0.99])


@pytest.mark.parametrize("shift", [0, 3])  # of one seed in all universes alike, which makes no difference between these
def test_where_no_choice_matters_seeds_lead_to_expect_all_variance_between_universes(shift):
    generator = np.random.default_rng(0)
    draws = [universes(lambda _: 0.0, lambda seed: generator.normal() + shift * (seed == 102)) for _ in range(99)]
    shares = [verdicts.over_universes(criterion(), by_seed)["seeds_explain"] for by_seed in draws]
    assert np.median(shares) == pytest.approx(1, abs=0.1)


def test_where_a_choice_matters_seeds_explain_as_much_as_they_differ():
    signs = iter([1, -1, -1, 1] * 18)  # of universe and seed by turns: half of the universes the one way, half the other
    found = verdicts.over_universes(criterion(), universes(lambda row: 1.0 if row["optimiser"] == "muon" else -1.0,
                                                           lambda _: 0.01 * next(signs)))
    assert found["seeds_explain"] == pytest.approx(36 * 2 * 0.01**2 / 2 / 36, rel=1e-3)
    alike = verdicts.over_universes(criterion(), universes(lambda row: 1.0 if row["optimiser"] == "muon" else -1.0))
    assert alike["seeds_explain"] == pytest.approx(0)


def test_universes_of_which_seeds_are_missing_are_an_error():
    by_seed = universes(lambda _: 1.0)
    del by_seed[7, 102]
    with pytest.raises(ValueError, match="different numbers of seeds; do their sweep to its end"):
        verdicts.over_universes(criterion(), by_seed)


def test_what_seeds_explain_is_unknown_from_one():
    one = {(u, 101): records(float(u)) for u in range(36)}
    assert verdicts.over_universes(criterion(), one)["seeds_explain"] is None


def test_what_the_universes_do_not_train_has_none():
    assert verdicts.over_universes(Criterion("y", {"value": "split.y"}, 0), universes(lambda row: 1.0)) is None
    assert verdicts.over_universes(criterion(), {}) is None


def test_the_committed_verdicts_are_those_of_the_committed_records():
    assert committed.claims_json() == in_words.CLAIMS.read_text(encoding="utf-8")


def test_the_second_seed_of_the_universes_changed_the_verdict_that_it_is_said_to_have_changed():
    first = {place: records for place, records in committed.records_of("universes").items() if place[1] == REPLICATES[0]}
    claims = in_words.load()["claims"]
    alone = {name: verdicts.over_universes(claim.criteria[0], first) for name, claim in CLAIMS.items()}
    verdict = {name: verdicts.verdict([c["holds"] for c in claims[name]["criteria"]], found and found["share"])
               for name, found in alone.items()}
    assert {name: of for name, of in verdict.items() if of != claims[name]["verdict"]} == {"A": "not decidable from the text"}
    page = (committed.RECORDS.parent / "README.md").read_text(encoding="utf-8")
    assert "It changed one verdict: A was not decidable with the first seed alone." in " ".join(page.split())


def test_every_claim_has_its_criteria_over_ten_seeds_that_no_threshold_was_chosen_on():
    results = in_words.load()
    assert len(SEEDS) >= 10 and 0 not in SEEDS and results["seeds"] == list(SEEDS)
    assert list(results["claims"]) == list(CLAIMS)
    for name, claim in results["claims"].items():
        assert (claim["statement"], claim["where"], claim["notebook"]) == (
            CLAIMS[name].statement, CLAIMS[name].where, CLAIMS[name].notebook)
        assert claim["verdict"] in verdicts.VERDICTS
        assert [c["measured"] for c in claim["criteria"]] == [c.measured for c in CLAIMS[name].criteria]
        for c in claim["criteria"]:
            assert len(c["by_seed"]) == len(SEEDS) and c["low"] <= c["effect"] <= c["high"] and 0 < c["p"] <= c["p_adjusted"] <= 1


def test_the_page_on_the_claims_gives_the_baselines_numbers():
    page, baseline = (committed.RECORDS.parent / "README.md").read_text(encoding="utf-8"), committed.load_baseline()
    assert f"errs on {100 * (1 - baseline['reads_as_labelled']['nearest']):.1f} % of" in page
    assert f"with an area of {baseline['perfect_repair']['gap']:.2f} only" in page
    assert baseline["perfect_repair"]["blot"] == 1


def test_permuted_labels_show_no_clusters():
    controls = in_words.load()["controls"]
    for d in ("2d", "3d"):
        assert np.allclose(controls["neighbour_score"][d], 0.1, atol=0.015)
        assert np.allclose(controls["cluster_agreement"][d], 0, atol=0.005)
        assert max(controls["silhouette"][d]) < 0


def test_the_records_belong_to_the_tasks_of_the_design():
    assert len(committed.records_of("seeds")) == len(SEEDS)
    for c in committed.records_of("seeds").values():
        assert {len(c.conv), len(c.small), len(c.wide)} == {6} and len(c.split) == 2


def test_k_counts_as_many_criteria_as_notebook_06_says():
    def counted(records):
        found = 0
        for criterion in [c for name in "A B1 B2 C1 C2 C3".split() for c in CLAIMS[name].criteria]:
            try:
                found += bool(np.isfinite(criterion.effect(records)))
            except KeyError:
                pass
        return found

    over_seeds, over_universes = (counted(next(iter(committed.records_of(study).values()))) for study in ("seeds", "universes"))
    text = (in_words.CLAIMS.parents[1] / "notebooks" / "06_claims.ipynb").read_text(encoding="utf-8")
    assert f"K counts the {over_universes} criteria of A to C in 2-D alone, not all {over_seeds}" in text
