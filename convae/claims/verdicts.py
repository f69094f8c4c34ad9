"""From records to verdicts: effects with intervals, corrected tests, and what open choices change.

How a verdict comes about stands in README.md. An effect is the mean over the seeds, with Student's
95 % interval; ratios are averaged by their logarithms. Its one-sided sign-flip test is exact, and
corrected for the number of criteria (Benjamini and Hochberg 1995).
"""

from itertools import chain, product

import numpy as np
from scipy.stats import f as f_distribution
from scipy.stats import false_discovery_control

from convae.claims.design import CHOICES, design
from convae.claims.statements import CLAIMS, Criterion, Records, tail_ratio
from convae.evaluation.intervals import mean_with_t_interval, ratio_of_shares, sign_flip_p

RATE = 0.05                 # of false discoveries; and the level of the tests of choices
UNDECIDABLE = (0.25, 0.75)  # share of the universes that pass
FAILED = 0.9                # error over the images' energy of a failed training; a blank's is 1
VERDICTS = ("reproduced", "reproduced in part", "not reproduced", "not decidable from the text")
# Of claim F2, by title: the model's family and name, and which images it was not trained on.
TAILS = {
    "64-D VAE, test images": ("conv", "vae_64d", "unseen"),
    "64-D VAE, held-out training images": ("split", "vae_64d", "held_out"),
    "3-D VAE, test images": ("conv", "vae_3d", "unseen"),
    "3-D VAE, held-out training images": ("split", "vae_3d", "held_out"),
}
CONTROLS = ("neighbour_score", "cluster_agreement", "silhouette")


def evaluate(seeds: dict[tuple, Records], universes: dict[tuple, Records]) -> dict:
    """The content of ``figures/claims.json``.

    Parameters
    ----------
    seeds, universes : dict
        Records of the default choices and of other choices, by (universe, seed), as
        :func:`convae.claims.records.records_of` gives them. Without universes, nothing is said of
        them.
    """
    records = list(seeds.values())
    measured = {}
    for name, claim in CLAIMS.items():
        measured[name] = [over_seeds(criterion, records) for criterion in claim.criteria]
    _decide(list(chain.from_iterable(measured.values())))
    failed = failed_trainings(universes)
    failed_universes = {training["universe"] for training in failed}
    claims = {}
    for name, claim in CLAIMS.items():
        for criterion, result in zip(claim.criteria, measured[name], strict=True):
            result["universes"] = over_universes(criterion, universes, failed_universes)
        holds = [result["holds"] for result in measured[name]]
        primary = measured[name][0]["universes"]
        claims[name] = {
            "where": claim.where,
            "statement": claim.statement,
            "notebook": claim.notebook,
            "verdict": verdict(holds, primary and primary["share"]),
            "verdict_over_seeds": verdict(holds, None),
            "criteria": measured[name],
        }
    return {
        "seeds": [seed for _, seed in seeds],
        "universes": design() if universes else None,
        "undecidable": UNDECIDABLE,
        "replicates": sorted({seed for _, seed in universes}),
        "failed": failed,
        "claims": claims,
        "tails": {title: _tails(records, *source) for title, source in TAILS.items()},
        "controls": _controls(records),
    }


def verdict(holds: list[bool], share_of_universes: float | None) -> str:
    """One of :data:`VERDICTS`.

    Examples
    --------
    >>> verdict([True, False], share_of_universes=0.9)
    'reproduced in part'
    >>> verdict([True, True], share_of_universes=0.5)
    'not decidable from the text'
    """
    low, high = UNDECIDABLE
    if share_of_universes is not None and low <= share_of_universes <= high:
        return "not decidable from the text"
    return "reproduced" if all(holds) else "reproduced in part" if any(holds) else "not reproduced"


def over_seeds(criterion: Criterion, records: list[Records]) -> dict:
    """The effect over the seeds: mean, interval, every seed's, and p that it is not the claim's."""
    values = np.array([criterion.effect(of_seed) for of_seed in records], float)
    margins = _scale(criterion.unit, values) - _scale(criterion.unit, criterion.threshold)
    return {
        "measured": criterion.measured,
        "unit": criterion.unit,
        "threshold": criterion.threshold,
        "below": criterion.below,
        **_interval(criterion.unit, values),
        "by_seed": values,
        "p": sign_flip_p(-margins if criterion.below else margins),
    }


def failed_trainings(universes: dict[tuple, Records]) -> list[dict]:
    """Those whose error over the images' energy is above :data:`FAILED`."""
    failed = []
    for (universe, seed), records in universes.items():
        for family in ("conv", "small"):
            for name, record in getattr(records, family).items():
                error = record["shift"][0]["error"]
                if error > FAILED:
                    failed.append({"universe": universe, "seed": seed, "family": family,
                                   "model": name, "error": error})
    return failed


def over_universes(criterion: Criterion, universes: dict[tuple, Records],
                   failed: set[int] = frozenset()) -> dict | None:
    """The effect in every universe, the share of them that pass, and what each choice explains.

    A universe's effect is the mean over its seeds, the same for all. `failed` are universes to
    leave out of a second share. None if the universes lack one of the criterion's models.
    """
    numbers, by_seed = _effects_by_universe(criterion, universes)  # (U,) and (U, seeds)
    if not numbers:
        return None
    effects = _mean(criterion.unit, by_seed)
    passes = effects < criterion.threshold if criterion.below else effects > criterion.threshold
    kept = ~np.isin(numbers, list(failed))
    choices = _main_effects(criterion.unit, effects, passes, np.array(design())[numbers])
    return {
        "effects": effects,
        "by_seed": by_seed,
        "seeds_explain": _share_of_seeds(_scale(criterion.unit, by_seed)),
        "share": float(passes.mean()),
        "share_without_failed": float(passes[kept].mean()),
        "choices": choices,
        "most": min(choices, key=lambda name: (choices[name]["p"], -choices[name]["explains"])),
    }


def _decide(criteria):
    """Whether each criterion holds, its p corrected for the number of criteria."""
    adjusted = false_discovery_control([criterion["p"] for criterion in criteria])
    for criterion, p in zip(criteria, adjusted, strict=True):
        criterion["p_adjusted"] = float(p)
        criterion["holds"] = bool(p < RATE)


def _effects_by_universe(criterion, universes):
    """The universes' numbers, and the effect in each of their rows with each seed."""
    by_universe = {}
    try:
        for (universe, _), records in universes.items():
            by_universe.setdefault(universe, []).append(criterion.effect(records))
    except KeyError:  # needs models that are trained with the default choices only
        return [], None
    if len(set(map(len, by_universe.values()))) > 1:
        raise ValueError("universes have different numbers of seeds; do their sweep to its end: "
                         "convae sweep universes")
    numbers = sorted(by_universe)
    return numbers, np.array(list(map(by_universe.get, numbers)), float)


def _main_effects(unit, effects, passes, rows):
    """How much of the variance between universes each choice explains, and p that it does nothing.

    p is that of the F-test in a model of all choices' main effects, times the number of choices
    (Bonferroni): chance always explains some share. In an orthogonal array the shares add up.
    """
    scaled = _scale(unit, effects)
    total = _sum_of_squares(scaled)
    choices, explained, freedom_left = {}, 0.0, len(effects) - 1
    for name, values in CHOICES.items():
        fitted, levels = np.zeros_like(scaled), []
        for value in values:
            chosen = np.array([row[name] == value for row in rows])
            fitted[chosen] = scaled[chosen].mean()
            effect, share = _mean(unit, effects[chosen]), passes[chosen].mean()
            levels.append({"value": value, "effect": effect, "share": share})
        explains = _sum_of_squares(fitted) / total if total else 0.0
        choices[name] = {"explains": explains, "levels": levels}
        explained += explains
        freedom_left -= len(values) - 1
    unexplained = max(0.0, 1 - explained) if total else 1.0
    mean_square_left = max(unexplained / freedom_left, 1e-12)
    for choice in choices.values():
        freedom = len(choice["levels"]) - 1
        ratio = choice["explains"] / freedom / mean_square_left
        p = f_distribution.sf(ratio, freedom, freedom_left)
        choice["p"] = min(1.0, len(CHOICES) * float(p))
    return choices


def _share_of_seeds(scaled):
    """The share of the variance between universes that chance in training leads to expect.

    It is estimated from how much seeds differ within universes. Seeds are crossed with universes:
    what one does to all of them moves all means equally and does not count. The share is unknown
    with one seed, and as an estimate it can come out above 1.
    """
    universes, seeds = scaled.shape  # of the effects on the scale of their unit
    if seeds == 1:
        return None
    total = _sum_of_squares(scaled.mean(1))
    interaction = scaled - scaled.mean(1, keepdims=True) - scaled.mean(0) + scaled.mean()
    return float((interaction**2).sum() / (seeds - 1) / seeds / total) if total else 0.0


def _sum_of_squares(values):
    return float(((values - values.mean()) ** 2).sum())


def _interval(unit, values):
    estimate = _unscale(unit, mean_with_t_interval(_scale(unit, values)))
    return dict(zip(("effect", "low", "high"), estimate, strict=True))


def _mean(unit, values):
    """Of effects over their last axis."""
    return _unscale(unit, np.mean(_scale(unit, values), -1))


def _scale(unit, values):
    """On the scale on which effects are averaged and compared: of ratios, their logarithms."""
    return np.log(values) if unit == "times" else np.asarray(values, float)


def _unscale(unit, values):
    return np.exp(values) if unit == "times" else np.asarray(values)


def _tails(records, family, name, images):
    """Claim F2 at every threshold: the ratio over the seeds, and the exact interval of the median
    seed alone."""
    errors = [getattr(of_seed, family)[name]["error"] for of_seed in records]
    tails = {}
    for percentile in errors[0][images]["tail"]:
        ratios = np.array([tail_ratio(error, images, percentile) for error in errors])
        median = errors[np.argsort(ratios)[len(ratios) // 2]]
        counts, unseen = median[images]["tail"][percentile], median[images]["images"]
        exact = ratio_of_shares(counts["unseen"], unseen,
                                counts["known"], median["images_trained_on"])
        tails[percentile] = {**_interval("times", ratios), "median_seed": exact._asdict()}
    return tails


def _controls(records):
    """What the measures of clustering give for permuted labels, by measure and dimension.

    They must find nothing (1-NN: one in ten, by chance).
    """
    controls = {}
    for key, d in product(CONTROLS, (2, 3)):
        latent = [of_seed.conv[f"ae_{d}d"]["latent"] for of_seed in records]
        of_seeds = [numbers[f"{key}_permuted"] for numbers in latent]
        controls.setdefault(key, {})[f"{d}d"] = of_seeds
    return controls
