"""Verdicts in words, in the closing tables of notebooks, and in the table of notebook 06."""

from types import SimpleNamespace

import pytest

from convae.claims import results, table


def criterion(**changes):
    universes = {"effects": [1.0, 2.0, 3.0, 4.0], "share": 0.75}
    return {"measured": "width over height", "unit": "times", "threshold": 1.5, "below": False,
            "effect": 2.0, "low": 1.75, "high": 2.25, "by_seed": [1.0, 2.0, 3.0], "holds": True,
            "universes": universes, **changes}


def claim(*criteria, **changes):
    return {"where": "4.1", "statement": "It is wide.", "verdict": "reproduced",
            "verdict_over_seeds": "reproduced", "criteria": list(criteria), **changes}


@pytest.mark.parametrize(("unit", "effect", "threshold"), [
    ("times", "2.00 (1.75 – 2.25) times", "> 1.5"),
    ("number", "2.00 (1.75 – 2.25)", "> 1.5"),
    ("share", "200.0% (175.0% – 225.0%)", "> 150%"),
])
def test_an_effect_and_its_threshold_are_written_in_their_unit(unit, effect, threshold):
    assert results.effect(criterion(unit=unit)) == effect
    assert results.threshold(criterion(unit=unit)) == threshold


def test_effects_pass_on_the_claims_side_of_the_threshold():
    assert list(results.passes(criterion(), [1.0, 2.0])) == [False, True]
    assert list(results.passes(criterion(below=True), [1.0, 2.0])) == [True, False]


def test_a_summary_counts_criteria_seeds_and_universes():
    text = results.summary(claim(criterion(), criterion(holds=False)))
    assert text == ("Width over height: 2.00 (1.75 – 2.25) times; claimed: > 1.5. "
                    "1 of 2 criteria hold. "
                    "The first passes with 2 of 3 seeds and in 3 of 4 universes.")


def test_a_summary_says_nothing_of_universes_where_there_are_none():
    assert results.summary(claim(criterion(universes=None))).endswith("1 of 1 criteria hold.")


def test_a_verdict_names_that_of_our_own_choices_where_it_differs():
    assert results.verdict(claim()) == "**reproduced**"
    other = claim(verdict="not decidable from the text")
    assert results.verdict(other) == "**not decidable from the text**; with our choices reproduced"


def test_no_notebook_concludes_about_a_claim_that_the_paper_does_not_make():
    notebook = SimpleNamespace(measured={"Z": "2"}, results=lambda path: results.load())
    with pytest.raises(ValueError, match="the paper has no claim Z; it has A, B1"):
        results.conclude(notebook)


def test_the_table_of_verdicts_escapes_what_it_shows():
    committed = results.load()["claims"]["D"]
    html = table.verdict_table({"D": {**committed, "statement": "less < than & more"}})
    assert "less &lt; than &amp; more" in html and "less < than" not in html
    assert html.count("<tbody>") == 2 and committed["verdict"] in html
