"""The README's figures, its table of claims and what it says of anomaly detection, written from figures/*.json."""

import json
from pathlib import Path

from convae import findings
from convae.notebook import ROOT

README = ROOT / "README.md"
METHOD = """
Each verdict rests on models of {seeds} seeds that no threshold was chosen on, but for two criteria of E that were mended
[later](convae/claims/README.md). A criterion is an effect with its 95 % interval over the seeds; it holds if it passes its
threshold by an exact test, at a false discovery rate of 5 % over all {criteria} criteria. {universes}
[06_claims](notebooks/06_claims.ipynb) shows every criterion and every seed, [figures/claims.json](figures/claims.json) has the
numbers, [convae/claims/](convae/claims/) says what the measures cannot. Optimiser, schedule and epochs of the default were chosen
by the loss on 10,000 of the training images, held out.
"""
UNIVERSES = """**Universes** are sets of the choices that the paper leaves open: loss, LeakyReLU's slope, optimiser, epochs,
maps in layer 4, normalised layers, weight of the KL term; two seeds each. A claim whose first criterion passes in {low:.0%} to
{high:.0%} of them is not decidable from the text, whatever came of our own choices."""

ANOMALIES = """**How good is it?** With one digit of MNIST normal and the nine others to be found, the mean area under the
ROC curve, in per cent with its 95 % interval over seeds, is {plain} by the paper's plain difference of input and
output, {baseline} by the best of {baselines} methods without a network, none of them tuned ({baseline_name}),
**{combined}** by what `convae detect` uses and **{detector}** by one part of it alone, the
distance to the nearest normal images. Of the published ones in [notebook 07](notebooks/07_anomaly_detection.ipynb),
the best has {best:.1f} ({best_name}, {best_checked}), and the best of the autoencoders that reproduce their input
as it is {autoencoder:.1f} ({autoencoder_name}). With a false-alarm rate of 1 % asked for, `convae detect` calls {unseen:.1%} of
unseen normal training digits anomalous and {test:.1%} of the test digits, which other people wrote, and finds {recall:.0%} of
all other digits. Small defects are harder: of seven kinds made on normal digits, at the severest of five levels, it finds
{defects:.0%} on average; the notebook has each kind and level.

**Where is it worse?** With one digit as the anomaly, and nine normal, the mean area is {rest:.1f}. On
Fashion-MNIST it is {fashion:.1f}, and {fashion_baseline:.1f} by a method without a network ({fashion_baseline_name}).
Of synthetic large images, with 60 good ones and a rate of 5 %, it finds {marks:.0%} of the marks that are missing or
misplaced on a plate, and in pictures of a smooth part on brushed metal {scratch:.0%} of the clear scratches and {stain:.0%} of
the clear stains, but {faint:.0%} of the faint stains; of pictures with a blurred place it calls {smear:.0%} bad, and of good
ones {sound:.0%}. On these parts a plain statistic of the pixels, in tiles alone, has a mean area of {alone:.1f}, and all of
it, with the networks, {together:.1f}. Try it on some bad parts of your own before you rely on it."""


def changes(contents: dict[Path, str | bytes]) -> dict[Path, str]:
    """The README as it has to be once `contents` are written, if that differs from what it is."""
    old = README.read_text(encoding="utf-8")
    new = render(old, contents)
    return {} if new == old else {README: new}


def render(text: str, contents: dict[Path, str | bytes] | None = None) -> str:
    """The README's text with the generated part renewed, from `contents` where they hold a figure, else from the disk."""
    figures = [_figure(ROOT / "figures" / f"fig{n}.json", contents or {}) for n in range(1, 9)]
    text = replace_block(text, "figures/anomaly.json", [_anomalies()])
    return replace_block(text, "figures/*.json", ["## What the paper claims, and what we measured\n", *_table(),
                                                  _method(), "## The figures\n", *_gallery(figures)])


def replace_block(text: str, source: str, lines: list[str]) -> str:
    """The text with `lines` between the two comments that say what is generated from `source`."""
    start, end = markers(source)
    before, _, rest = text.partition(start)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"no place in the page for what comes from {source}: the lines {start!r} and {end!r} must stand in it, "
                         f"in this order")
    return "\n".join([f"{before}{start}", *lines, f"{end}{after}"])


def markers(source: str) -> tuple[str, str]:
    """The comments before and after what is generated from `source`."""
    return f"<!-- generated from {source}: start -->", f"<!-- generated from {source}: end -->"


def _figure(path, contents):
    content = contents.get(path) or path.read_bytes()
    return json.loads(content)


def _gallery(figures):
    for figure in figures:
        number = figure["figure"].removeprefix("fig")
        yield f"![Figure {number}: {figure['shows']}](figures/{figure['figure']}.png)\n"
        yield f"**Figure {number}.** {figure['shows']}.\n"


def _table():
    yield "| claim | the paper says (our words) | we measured | verdict |"
    yield "|---|---|---|---|"
    for name, claim in findings.load()["claims"].items():
        yield (f"| [{name}](notebooks/{claim['notebook']}.ipynb) ({claim['where']}) | {claim['statement']} "
               f"| {findings.in_words(claim)} | {findings.verdict(claim)} |")


def _anomalies():
    results = findings.load_anomaly()
    scores, published = results["one-class"]["mnist"], results["published"]["one_class"]
    baseline = findings.best_baseline(scores)
    autoencoder, best = (max(of, key=lambda method: method["mean"]) for of in
                         ([method for method in published if method["autoencoder"]], published))
    found = results["false-alarms"]["0.01"]["scores"]["combined"]
    severest = [levels[-1] for levels in found["defects"].values()]
    fashion = results["one-class"]["fashion"]
    fashion_baseline = findings.best_baseline(fashion)
    on_plate, on_part = ({name: of["found"] for name, of in results["textures"][texture]["defects"].items()}
                         for texture in ("plate", "part"))
    on_parts = [of["image_auroc"] for texture in ("part", "plate") for of in results["textures"][texture]["defects"].values()]
    alone, together = (100 * sum(of[score] for of in on_parts) / len(on_parts) for score in ("gaussian_in_place", "combined"))
    return ANOMALIES.format(
        baselines=sum(name in findings.BASELINES for name in scores),
        rest=findings.per_cent(results["one-class-rest"]["16"]["combined"]).value,
        fashion=findings.per_cent(fashion["combined"]).value,
        fashion_baseline=findings.per_cent(fashion[fashion_baseline]).value,
        fashion_baseline_name=findings.SCORES[fashion_baseline],
        marks=(on_plate["missing mark"] + on_plate["misplaced mark"]) / 2, scratch=on_part["clear scratch"],
        stain=on_part["clear stain"], faint=on_part["faint stain"], smear=on_part["clear smear"],
        sound=results["textures"]["part"]["false_alarms"], alone=alone, together=together,
        plain=findings.area(scores["squared_error"]), detector=findings.area(scores["detector"]),
        combined=findings.area(scores["combined"]), baseline=findings.area(scores[baseline]),
        baseline_name=findings.SCORES[baseline], autoencoder=autoencoder["mean"], autoencoder_name=autoencoder["method"],
        best=best["mean"], best_name=best["method"],
        best_checked="read" if best["checked"].startswith("read") else "not read at its source", unseen=found["unseen"]["value"],
        test=found["test_normal"]["value"], recall=found["test_anomalous"]["value"], defects=sum(severest) / len(severest))


def _method():
    results = findings.load()
    low, high = results["undecidable"]
    return METHOD.format(seeds=len(results["seeds"]), universes=UNIVERSES.format(low=low, high=high),
                         criteria=sum(len(claim["criteria"]) for claim in results["claims"].values()))
