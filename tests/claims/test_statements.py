"""The criteria on made-up records with known answers, which have nothing that real records lack."""

from pathlib import Path

import numpy as np
import pytest
from jinja2 import TemplateSyntaxError

from convae.claims.records import load_baseline, records_of
from convae.claims.statements import CLAIMS, Criterion, Records

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
KINDS = ("gap", "blot", "mirrored top to bottom", "two digits on top of each other",
         "pixels in random order", "inverted grey levels")
CLUSTERING = ("A", "B1", "B2", "C1", "C2", "C3")


def look():
    return {"fine_detail": 0.3, "grey_ink": 0.3, "edge_steepness": 0.3, "raggedness": 0.3,
            "variety": 3.0}


def compared():
    return {**look(), "misrecognised": 0.02, "misrecognised_nearest": 0.02, "ink_changed": 0.3,
            "reach": 0.3}


def of_errors(known=600):
    tail = {percentile: {"known": known, "unseen": 100} for percentile in ("50", "99")}
    return {"images": 10_000, "largest_distance": 0.02, "probability_larger": 0.5, "tail": tail}


def record(name, split=False):
    """In the shape that :func:`convae.claims.measure.run` gives; two of one name are alike, but no
    dictionary is shared."""
    model, d = name.split("_")
    error = {"images_trained_on": 60_000, "unseen": of_errors()}
    error["caught"] = dict.fromkeys(KINDS, 0.5)
    if split:
        error |= {"images_trained_on": 50_000, "held_out": of_errors(known=500)}
    made = {"error": error, "shift": [shifted(pixels) for pixels in range(5)]}
    if d != "64d":
        sizes = np.linspace(1, 2, 10).tolist()
        made["latent"] = {
            "neighbour_score": 0.8, "cluster_agreement": 0.6, "silhouette": 0.3,
            "deep_in_own_cluster": [0.7] * 10, "width": 10.0,
            "sizes": sizes, "median_sizes": sizes, "gap_depth": [0.95] * 10}
    if d == "2d":
        made["latent"] |= {"occupied": 0.6, "occupied_without_gaps": 0.8}
    if model == "vae":
        made["look"] = {"outputs": compared(), "inputs_blurred_as_much": compared()}
        defects = {kind: {"found": 0.9, "map_area": 0.9} for kind in ("blot", "gap")}
        made["correction"] = {"left_alone": 0.6, **defects}
    if name == "vae_3d":
        made["overlap"] = {"area": 0.9, "area_nearest": 0.9, "between": 0.6,
                           "pair_correlation": 0.6}
    return made


def shifted(pixels):
    return {"error": 0.1 + 0.1 * pixels, "misrecognised": 0.01 + 0.01 * pixels,
            "displacement": 0.2 * pixels}


@pytest.fixture
def records():
    names = [f"{model}_{d}d" for model in ("ae", "vae") for d in (2, 3, 64)]
    families = {}
    for family in ("conv", "small", "wide"):
        families[family] = {name: record(name) for name in names}
    split = {name: record(name, split=True) for name in ("vae_3d", "vae_64d")}
    baseline = {"inputs": look(), "perfect_repair": {"gap": 0.9, "blot": 1.0}}
    return Records(**families, split=split, baseline=baseline)


def effects(claim, records):
    return [criterion.effect(records) for criterion in CLAIMS[claim].criteria]


def about(*values):
    return pytest.approx(list(values))


def all_criteria():
    return [(name, i, criterion) for name, claim in CLAIMS.items()
            for i, criterion in enumerate(claim.criteria)]


# What there is

def test_each_claim_has_a_place_a_notebook_and_criteria_that_say_what_they_measure():
    assert list(CLAIMS) == "A B1 B2 C1 C2 C3 D E F1 F2 G H1 H2 H3 H4 I J K".split()
    assert len(all_criteria()) == 73
    for claim in CLAIMS.values():
        assert claim.where and claim.statement.endswith(".")
        assert (NOTEBOOKS / f"{claim.notebook}.ipynb").exists()
        measured = [criterion.measured for criterion in claim.criteria]
        assert len(set(measured)) == len(measured) >= 1 and all(measured)


def test_a_claim_says_less_only_where_it_denies_something():
    assert [(name, i) for name, i, criterion in all_criteria() if criterion.below] == [
        ("D", 0), ("D", 1), ("D", 2), ("E", 4), ("F1", 0), ("F1", 1)]


def test_units_are_known_and_a_ratios_threshold_has_a_logarithm():
    assert {criterion.unit for _, _, criterion in all_criteria()} == {"share", "times", "number"}
    ratios = [criterion for _, _, criterion in all_criteria() if criterion.unit == "times"]
    assert all(criterion.threshold >= 1 for criterion in ratios)


# Formulas

def value_of(formula, records):
    return Criterion("x", formula, threshold=0).effect(records)


def test_a_formula_is_arithmetic_on_values_at_dotted_paths(records):
    records.conv["vae_3d"]["overlap"] |= {"area": 0.9, "between": 0.3}
    path, other = "conv.vae_3d.overlap.area", "conv.vae_3d.overlap.between"
    assert value_of(path, records) == 0.9
    assert value_of(f"{path} / {other}", records) == pytest.approx(3)
    assert value_of(f"{path} / {other} - {path}", records) == pytest.approx(2.1)


def test_a_formula_that_nothing_can_evaluate_is_refused(records):
    with pytest.raises(TemplateSyntaxError):
        value_of("conv.a over conv.b", records)


@pytest.mark.parametrize("formula", [
    "conv.vae_3d.overlap.depth", "conv.ae_4d.latent.width", "depth(conv)",
])
def test_a_formula_of_what_there_is_not_is_a_key_error_that_names_the_criterion(records, formula):
    with pytest.raises(KeyError, match="x: .*(depth|ae_4d)"):
        value_of(formula, records)


# Records

def test_every_effect_is_a_number(records):
    assert all(np.isfinite(criterion.effect(records)) for _, _, criterion in all_criteria())


def test_equal_models_have_no_effect_where_models_are_compared(records):
    no_effect = {"C1": 1, "C2": 1, "C3": 0, "F2": 1, "H2": 1, "H3": 1, "H4": 0, "K": 1}
    for claim, expected in no_effect.items():
        assert effects(claim, records) == about(*[expected] * len(CLAIMS[claim].criteria)), claim
    assert effects("J", records) == about(1, 0, 1, 1, 0, 1)


def holds_all_of(real, made):
    if isinstance(made, dict):
        return isinstance(real, dict) and all(
            key in real and holds_all_of(real[key], made[key]) for key in made)
    if isinstance(made, list):
        return (isinstance(real, list) and len(real) == len(made)
                and all(map(holds_all_of, real, made)))
    return isinstance(real, (int, float))


def test_the_committed_records_have_all_that_the_made_up_ones_have(records):
    real = records_of("seeds")
    assert len(real) >= 10
    for of_seed in real.values():
        for family in Records._fields:
            assert holds_all_of(getattr(of_seed, family), getattr(records, family)), family
    assert holds_all_of(load_baseline(), records.baseline)


SPLIT = [("F2", 1), ("F2", 2), ("F2", 3)]


@pytest.mark.parametrize(("family", "needed_by"), [
    ("conv", [(name, i) for name, i, _ in all_criteria() if (name, i) not in SPLIT]),
    ("small", [("J", 0), ("J", 1), ("J", 2), ("K", 0)]),
    ("wide", [("J", 3), ("J", 4), ("J", 5), ("K", 1)]),
    ("split", SPLIT), ("baseline", [("E", 2), ("E", 3), ("H3", 0), ("H3", 1), ("H3", 2)])])
def test_an_effect_without_its_models_is_a_key_error_and_no_number(records, family, needed_by):
    lacking = []
    for name, i, criterion in all_criteria():
        try:
            assert np.isfinite(criterion.effect(records._replace(**{family: {}})))
        except KeyError:
            lacking.append((name, i))
    assert lacking == needed_by


# A to C: the latent space

def test_a_takes_the_digit_with_the_fewest_points_deep_in_its_cluster(records):
    records.conv["ae_2d"]["latent"] |= {"neighbour_score": 0.61, "cluster_agreement": 0.62,
                                        "silhouette": 0.63}
    records.conv["ae_3d"]["latent"]["deep_in_own_cluster"][4] = 0.1
    assert effects("A", records) == about(0.61, 0.8, 0.62, 0.6, 0.63, 0.3, 0.7, 0.1)


def test_b1_is_the_largest_cluster_over_the_smallest(records):
    records.conv["ae_2d"]["latent"]["sizes"] = [4.0, *[2.0] * 8, 1.0]
    records.conv["ae_3d"]["latent"]["median_sizes"] = [0.5, *[1.0] * 8, 1.5]
    assert effects("B1", records) == about(4, 2, 2, 3)


def test_b2_is_the_share_of_cells_that_gaps_leave_empty_and_the_mean_depth_of_the_gaps(records):
    records.conv["ae_2d"]["latent"] |= {"occupied": 0.3, "occupied_without_gaps": 0.4,
                                        "gap_depth": [0.5, 1.0] * 5}
    assert effects("B2", records) == about(0.25, 0.75, 0.95)


def test_c1_is_the_aes_width_and_mean_size_over_the_vaes(records):
    records.conv["ae_2d"]["latent"] |= {"width": 12.0, "sizes": [2.0, 6.0] * 5}
    records.conv["vae_2d"]["latent"] |= {"width": 4.0, "sizes": [1.0, 0.6] * 5}
    assert effects("C1", records) == about(3, 1, 5, 1)


def test_c2_compares_spreads_relative_to_the_mean_size(records):
    ae, vae = records.conv["ae_2d"]["latent"], records.conv["vae_2d"]["latent"]
    ae |= {"sizes": [1.0, 3.0] * 5, "median_sizes": [10.0, 30.0] * 5}  # ½ either way
    vae |= {"sizes": [3.0, 5.0] * 5, "median_sizes": [9.0, 11.0] * 5}  # ¼, and a tenth
    assert effects("C2", records) == about(2, 1, 5, 1)


def test_c3_is_by_how_much_the_vae_has_fewer_and_shallower_gaps(records):
    ae, vae = records.conv["ae_2d"]["latent"], records.conv["vae_2d"]["latent"]
    ae |= {"occupied": 0.5, "occupied_without_gaps": 1.0, "gap_depth": [0.9] * 10}
    vae |= {"occupied": 0.4, "occupied_without_gaps": 0.5, "gap_depth": [0.2, 0.6] * 5}
    assert effects("C3", records) == about(0.5 - 0.2, 0.9 - 0.4, 0)


# D to G: 64 latent variables

def test_d_is_misrecognition_and_what_of_it_blur_does_not_explain(records):
    look_64d = records.conv["vae_64d"]["look"]
    look_64d["outputs"] |= {"misrecognised": 0.05, "misrecognised_nearest": 0.08}
    look_64d["inputs_blurred_as_much"] |= {"misrecognised": 0.02, "misrecognised_nearest": 0.09}
    assert effects("D", records) == about(0.05, 0.03, -0.01)


def test_e_takes_planted_defects_reach_and_digits_left_alone_from_64_d(records):
    records.conv["vae_64d"]["correction"] = {
        "gap": {"found": 0.1, "map_area": 0.8},
        "blot": {"found": 0.2, "map_area": 0.7},
        "left_alone": 0.6,
    }
    records.conv["vae_64d"]["look"]["outputs"]["reach"] = 0.5
    assert effects("E", records) == about(0.1, 0.2, 0.75, 0.4, 0.5, 0.6)


@pytest.mark.parametrize("probability", [0.42, 0.58])
def test_f1_counts_larger_and_smaller_errors_of_unseen_images_alike(records, probability):
    records.conv["vae_64d"]["error"]["unseen"] |= {
        "largest_distance": 0.07, "probability_larger": probability}
    assert effects("F1", records) == about(0.07, 0.08)


def test_f2_compares_shares_of_two_sets_of_different_sizes(records):
    unseen = records.conv["vae_64d"]["error"]["unseen"]
    held_out = records.split["vae_64d"]["error"]["held_out"]
    held_out_3d = records.split["vae_3d"]["error"]["held_out"]
    unseen["tail"]["99"] = {"known": 600, "unseen": 150}           # 1 and 1.5 %
    held_out["tail"]["99"] = {"known": 500, "unseen": 300}         # 1 and 3 %
    held_out["tail"]["50"] = {"known": 25_000, "unseen": 6_000}    # 50 and 60 %
    held_out_3d |= {"images": 5_000}
    held_out_3d["tail"]["99"] = {"known": 500, "unseen": 40}       # 1 and 0.8 %
    assert effects("F2", records) == about(1.5, 3, 0.8, 3 / 1.2)


def test_g_is_what_is_caught_of_each_kind(records):
    shares = np.linspace(0.1, 0.6, 6)
    records.conv["vae_64d"]["error"]["caught"] = dict(zip(KINDS, shares, strict=True))
    assert effects("G", records) == about(*shares)


# H and I: three latent variables

def test_h1_compares_changed_ink_with_that_of_64_d_and_with_blur(records):
    for d, ink, by_blur, reach in (("3d", 0.4, 0.1, 0.7), ("64d", 0.2, 0.1, 0.3)):
        records.conv[f"vae_{d}"]["look"]["outputs"] |= {"ink_changed": ink, "reach": reach}
        records.conv[f"vae_{d}"]["look"]["inputs_blurred_as_much"]["ink_changed"] = by_blur
    records.conv["vae_64d"]["look"]["inputs_blurred_as_much"]["ink_changed"] = 0.4
    assert effects("H1", records) == about(2, (0.4 / 0.1) / (0.2 / 0.4), 0.7, 0.4)


def test_h2_is_above_1_if_the_3_d_outputs_vary_least_and_have_the_smoothest_outlines(records):
    records.conv["vae_3d"]["look"] = {
        "outputs": compared() | {"variety": 2.0, "raggedness": 0.1},
        "inputs_blurred_as_much": compared() | {"variety": 5.0, "raggedness": 0.4},
    }
    assert effects("H2", records) == about(3 / 2, 5 / 2, 0.3 / 0.1, 0.4 / 0.1)


def test_h3_is_above_1_if_the_3_d_outputs_are_blurred(records):
    records.conv["vae_3d"]["look"]["outputs"] |= {
        "fine_detail": 0.1, "grey_ink": 0.6, "edge_steepness": 0.2}
    assert effects("H3", records) == about(0.3 / 0.1, 0.6 / 0.3, 0.3 / 0.2)


def test_h4_is_by_how_much_3_d_is_misrecognised_more_often(records):
    outputs_3d = records.conv["vae_3d"]["look"]["outputs"]
    outputs_3d |= {"misrecognised": 0.2, "misrecognised_nearest": 0.5}
    records.conv["vae_3d"]["look"]["inputs_blurred_as_much"]["misrecognised"] = 0.07
    outputs_64d = records.conv["vae_64d"]["look"]["outputs"]
    outputs_64d |= {"misrecognised": 0.04, "misrecognised_nearest": 0.1}
    records.conv["vae_64d"]["look"]["inputs_blurred_as_much"]["misrecognised"] = 0.01
    assert effects("H4", records) == about(0.16, 0.13 - 0.03, 0.4)


def test_i_takes_the_overlap_from_3_d(records):
    records.conv["vae_3d"]["overlap"] = {
        "area": 0.1, "area_nearest": 0.2, "pair_correlation": 0.3, "between": 0.4}
    assert effects("I", records) == about(0.1, 0.2, 0.3, 0.4)


# J and K: fully connected models

def test_j_compares_what_shifts_of_1_to_4_pixels_add_to_no_shift(records):
    # Convolutional: the error rises by 0.25, misrecognition by 0.025, z moves by 0.5
    rises = {"small": (0.5, 0.05, 1.0), "wide": (0.125, 0.015, 0.25)}
    for family, (error, misrecognised, displacement) in rises.items():
        for pixels, shift in enumerate(getattr(records, family)["vae_64d"]["shift"]):
            rise = pixels / 2.5  # 1 on average
            shift |= {"error": 0.7 + error * rise, "misrecognised": 0.3 + misrecognised * rise,
                      "displacement": displacement * rise}
    assert effects("J", records) == about(2, 0.025, 2, 0.5, -0.01, 0.5)


def test_k_counts_the_criteria_of_a_to_c_that_come_out_on_the_same_side(records):
    counted = sum(len(CLAIMS[claim].criteria) for claim in CLUSTERING)
    records.small["ae_2d"]["latent"]["neighbour_score"] = 0.9         # above 0.5, like conv.
    records.wide["ae_2d"]["latent"]["neighbour_score"] = 0.4          # below
    records.wide["ae_3d"]["latent"]["deep_in_own_cluster"][9] = 0.4   # below
    assert effects("K", records) == about(1, 1 - 2 / counted)


def test_k_looks_at_2_d_alone_where_no_dense_model_has_three_latent_variables(records):
    criteria = [criterion for claim in CLUSTERING for criterion in CLAIMS[claim].criteria]
    counted = sum("3-D" not in criterion.measured for criterion in criteria)
    del records.small["ae_3d"], records.small["vae_3d"]
    records.small["ae_2d"]["latent"]["silhouette"] = 0.2
    assert effects("K", records)[0] == pytest.approx(1 - 1 / counted)
