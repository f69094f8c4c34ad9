"""From records to verdicts: effects with intervals, tests corrected for their number, and what the
open choices change.

- An effect is the mean over the seeds, with a bootstrap 95 % interval over them; ratios are
  averaged by their logarithms.
- It **holds** if it lies on the claim's side of its threshold by an exact sign-flip test over the
  seeds, one-sided, at a false
  discovery rate of 5 % over all criteria of all claims (Benjamini and Hochberg 1995).
- A claim is **reproduced** if all its criteria hold, **reproduced in part** if some do, **not
  reproduced** if none does.
- If the primary criterion passes its threshold in a quarter to three quarters of the universes,
  that is, of the choices which
  the paper leaves open, the claim is **not decidable from the text**, whatever the default choices
  say.
"""

import numpy as np
from scipy.stats import f as f_distribution
from scipy.stats import false_discovery_control

from convae.claims.design import CHOICES, design
from convae.claims.statements import CLAIMS, Cast, Criterion, tail_ratio
from convae.evaluation.intervals import mean_over_seeds, ratio_of_shares, sign_flip_p

RATE = 0.05
UNDECIDABLE = (0.25, 0.75)
FAILED = 0.9  # error over the images' energy from which a training has failed: at 1 the output might as well be blank
VERDICTS = ("reproduced", "reproduced in part", "not reproduced", "not decidable from the text")

Casts = dict[tuple[int | None, int], Cast]


def evaluate(seeds: Casts, universes: Casts) -> dict:
    """The content of ``figures/claims.json``.

    Parameters
    ----------
    seeds : dict
        Casts of the default choices, one a seed.
    universes : dict
        Casts of other choices, by (universe, seed); may be empty, and then nothing is said of them.
    """
    casts = list(seeds.values())
    measured = {(claim, i): over_seeds(criterion, casts)
                for claim, c in CLAIMS.items() for i, criterion in enumerate(c.criteria)}
    adjusted = false_discovery_control([m["p"] for m in measured.values()])
    for m, p in zip(measured.values(), adjusted, strict=True):
        m |= {"p_adjusted": float(p), "holds": bool(p < RATE)}
    failed = failed_trainings(universes)
    claims = {}
    for name, claim in CLAIMS.items():
        criteria = [measured[name, i] for i in range(len(claim.criteria))]
        for criterion, m in zip(claim.criteria, criteria, strict=True):
            m["universes"] = over_universes(criterion, universes, {of["universe"] for of in failed})
        primary = criteria[0]["universes"]
        claims[name] = {
            "where": claim.where, "statement": claim.statement, "notebook": claim.notebook,
            "verdict": verdict([m["holds"] for m in criteria], primary and primary["share"]),
            "verdict_over_seeds": verdict([m["holds"] for m in criteria], None),
            "criteria": criteria,
        }
    return {
        "seeds": [seed for _, seed in seeds],
        "universes": design() if universes else None,
        "undecidable": UNDECIDABLE,
        "replicates": sorted({seed for _, seed in universes}),
        "failed": failed,
        "claims": claims,
        "tails": _tails(casts),
        "controls": _controls(casts),
    }


def verdict(holds: list[bool], share_of_universes: float | None) -> str:
    """One of :data:`VERDICTS`."""
    if share_of_universes is not None and UNDECIDABLE[0] <= share_of_universes <= UNDECIDABLE[1]:
        return "not decidable from the text"
    return "reproduced" if all(holds) else "reproduced in part" if any(holds) else "not reproduced"


def over_seeds(criterion: Criterion, casts: list[Cast]) -> dict:
    """The effect over the casts, one a seed: mean, interval, every seed's, and the exact p that it
    is not the claim's."""
    values = np.array([criterion.effect(cast) for cast in casts], float)
    margins = (_scale(criterion, values) - _scale(criterion, criterion.threshold)) * (-1 if criterion.below else 1)
    return {
        "measured": criterion.measured, "unit": criterion.unit, "threshold": criterion.threshold, "below": criterion.below,
        **_interval(criterion.unit, values), "by_seed": values, "p": sign_flip_p(margins),
    }


def failed_trainings(universes: Casts) -> list[dict]:
    """Those whose error is above :data:`FAILED`: universe, seed, family, model, error over
    energy."""
    return [{"universe": universe, "seed": seed, "family": family, "model": name, "error": record["shift"][0]["error"]}
            for (universe, seed), cast in universes.items() for family in ("conv", "small")
            for name, record in getattr(cast, family).items() if record["shift"][0]["error"] > FAILED]


def over_universes(criterion: Criterion, universes: Casts, failed: set[int] = frozenset()) -> dict | None:
    """The effect in every universe, the share in which it passes, and how much of its variance each
    choice explains.

    A universe's effect is the mean over its seeds, the same for all. With each choice's share
    stands p of the F-test that the choice does nothing, in a model of all choices' main effects,
    times the number of choices (Bonferroni): some share is always explained by chance. What seeds
    explain is the share that chance leads to expect, estimated from how much they differ within
    universes, beyond what a seed does to all alike; it is unknown with one seed, and can come out
    above 1. `failed` are universes to leave out of a second share.
    """
    by_universe: dict[int, list[float]] = {}
    for (universe, _), cast in universes.items():
        try:
            by_universe.setdefault(universe, []).append(criterion.effect(cast))
        except KeyError:  # needs models that are trained with the default choices only
            return None
    if not by_universe:
        return None
    if len({len(values) for values in by_universe.values()}) > 1:
        raise ValueError("universes have different numbers of seeds; do their sweep to its end: convae sweep universes")
    rows = design()
    by_seed = np.array([by_universe[u] for u in sorted(by_universe)], float)
    effects = np.array([_mean(criterion, values) for values in by_seed])
    passes = effects < criterion.threshold if criterion.below else effects > criterion.threshold
    scaled = _scale(criterion, effects)
    total = float(((scaled - scaled.mean()) ** 2).sum())
    choices = {}
    for name, values in CHOICES.items():
        at = [np.array([rows[u][name] == value for u in sorted(by_universe)]) for value in values]
        between = sum(level.sum() * (scaled[level].mean() - scaled.mean()) ** 2 for level in at)
        choices[name] = {
            "explains": float(between) / total if total else 0.0,
            "levels": [{"value": value, "effect": _mean(criterion, effects[level]), "share": passes[level].mean()}
                       for value, level in zip(values, at, strict=True)],
        }
    left = max(0.0, 1 - sum(of["explains"] for of in choices.values()))  # in an orthogonal array the shares add up
    for name, of in choices.items():
        of["p"] = _p_of_choice(of["explains"], len(CHOICES[name]) - 1, left if total else 1.0, len(effects))
    kept = np.array([u not in failed for u in sorted(by_universe)])
    return {"effects": effects, "by_seed": by_seed, "seeds_explain": _share_of_seeds(_scale(criterion, by_seed), total),
            "share": float(passes.mean()), "share_without_failed": float(passes[kept].mean()),
            "choices": choices, "most": min(choices, key=lambda name: (choices[name]["p"], -choices[name]["explains"]))}


def _share_of_seeds(scaled, total):
    """Of the sum of squares between universes' means, the share that their seeds' variance leads to
    expect: seeds are crossed with universes, and what one does to all of them moves all means
    alike."""
    universes, seeds = scaled.shape
    if seeds == 1:
        return None
    left = scaled - scaled.mean(1, keepdims=True) - scaled.mean(0) + scaled.mean()
    return float((left**2).sum() / (seeds - 1) / seeds / total) if total else 0.0


def _p_of_choice(explains, freedom, left, n):
    left_freedom = n - 1 - sum(len(values) - 1 for values in CHOICES.values())
    ratio = explains / freedom / max(left / left_freedom, 1e-12)
    return min(1.0, len(CHOICES) * float(f_distribution.sf(ratio, freedom, left_freedom)))


def _interval(unit, values):
    estimate = mean_over_seeds(np.log(values) if unit == "times" else values)
    back = np.exp if unit == "times" else float
    return {name: float(back(value)) for name, value in zip(("effect", "low", "high"), estimate, strict=True)}


def _scale(criterion, values):
    return np.log(values) if criterion.unit == "times" else np.asarray(values, float)


def _mean(criterion, values):
    mean = float(np.mean(_scale(criterion, values)))
    return float(np.exp(mean)) if criterion.unit == "times" else mean


def _tails(casts: list[Cast]) -> dict:
    """Claim F2 at every threshold: the ratio over the seeds, and the exact interval of the median
    seed alone."""
    tails = {}
    for title, record, name in (
            ("64-D VAE, test images", lambda c: c.conv["vae_64d"], "unseen"),
            ("64-D VAE, held-out training images", lambda c: c.split["vae_64d"], "held_out"),
            ("3-D VAE, test images", lambda c: c.conv["vae_3d"], "unseen"),
            ("3-D VAE, held-out training images", lambda c: c.split["vae_3d"], "held_out")):
        tails[title] = {}
        for percentile in record(casts[0])["error"][name]["tail"]:
            ratios = np.array([tail_ratio(record(c), name, float(percentile)) for c in casts])
            median = record(casts[int(np.argsort(ratios)[len(ratios) // 2])])["error"]
            counts = median[name]["tail"][percentile]
            exact = ratio_of_shares(counts["unseen"], median[name]["images"], counts["known"], median["images_trained_on"])
            tails[title][percentile] = {**_interval("times", ratios), "median_seed": exact._asdict()}
    return tails


def _controls(casts: list[Cast]) -> dict:
    """What the measures of clustering give for permuted labels: they must find nothing (1-NN: one
    in ten, by chance)."""
    return {key: {f"{d}d": [cast.conv[f"ae_{d}d"]["latent"][f"{key}_permuted"] for cast in casts] for d in (2, 3)}
            for key in ("neighbour_score", "cluster_agreement", "silhouette")}
