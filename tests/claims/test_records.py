"""The committed records, and that figures/claims.json and the pages are what follows from them."""

import numpy as np

from convae.claims import records, results, verdicts
from convae.claims.design import SEEDS
from convae.claims.statements import CLAIMS, Records
from convae.reproduce import readme


def test_every_seed_has_the_records_of_all_its_models():
    of_seeds = records.records_of("seeds")
    assert len(of_seeds) == len(SEEDS)
    for of_seed in of_seeds.values():
        sizes = {family: len(getattr(of_seed, family)) for family in Records._fields[:-1]}
        assert sizes == {"conv": 6, "small": 6, "wide": 6, "split": 2}


def test_a_model_that_is_not_trained_yet_has_no_record():
    tasks = records.STUDIES["seeds"]()
    assert records.grouped(tasks, {}, baseline={}) == {}


def test_a_perfect_repair_of_a_blot_localises_it():  # as the page on the claims says
    assert records.load_baseline()["perfect_repair"]["blot"] == 1


def test_the_committed_verdicts_are_those_of_the_committed_records():
    assert records.claims_json() == results.CLAIMS.read_text(encoding="utf-8")


def test_the_page_on_the_claims_is_current():
    assert readme.changes("figures/claims.json", records.page_block(), records.PAGE) == {}


def test_one_seed_alone_would_give_each_claim_a_verdict():
    first = records.verdicts_of_first_replicate()
    assert list(first) == list(CLAIMS)
    assert set(first.values()) <= set(verdicts.VERDICTS)


def test_claims_are_committed_with_their_criteria_over_seeds_that_no_threshold_was_chosen_on():
    committed = results.load()
    assert len(SEEDS) >= 10 and 0 not in SEEDS and committed["seeds"] == list(SEEDS)
    assert list(committed["claims"]) == list(CLAIMS)
    for name, claim in committed["claims"].items():
        stated = CLAIMS[name]
        assert (claim["statement"], claim["where"]) == (stated.statement, stated.where)
        assert claim["notebook"] == stated.notebook
        assert claim["verdict"] in verdicts.VERDICTS
        measured = [criterion["measured"] for criterion in claim["criteria"]]
        assert measured == [criterion.measured for criterion in stated.criteria]
        for criterion in claim["criteria"]:
            assert len(criterion["by_seed"]) == len(SEEDS)
            assert criterion["low"] <= criterion["effect"] <= criterion["high"]
            assert 0 < criterion["p"] <= criterion["p_adjusted"] <= 1


def test_permuted_labels_show_no_clusters():
    controls = results.load()["controls"]
    for d in ("2d", "3d"):
        assert np.allclose(controls["neighbour_score"][d], 0.1, atol=0.015)
        assert np.allclose(controls["cluster_agreement"][d], 0, atol=0.005)
        assert max(controls["silhouette"][d]) < 0
