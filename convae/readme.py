"""The README's figures and its table of claims, written from figures/*.json."""

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
maps in layer 4, normalised layers, weight of the KL term; one seed each. A claim whose first criterion passes in {low:.0%} to
{high:.0%} of them is not decidable from the text, whatever came of our own choices."""


def changes(contents: dict[Path, str | bytes]) -> dict[Path, str]:
    """The README as it has to be once `contents` are written, if that differs from what it is."""
    old = README.read_text(encoding="utf-8")
    new = render(old, contents)
    return {} if new == old else {README: new}


def render(text: str, contents: dict[Path, str | bytes] | None = None) -> str:
    """The README's text with the generated part renewed, from `contents` where they hold a figure, else from the disk."""
    figures = [_figure(ROOT / "figures" / f"fig{n}.json", contents or {}) for n in range(1, 9)]
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


def _method():
    results = findings.load()
    low, high = results["undecidable"]
    return METHOD.format(seeds=len(results["seeds"]), universes=UNIVERSES.format(low=low, high=high),
                         criteria=sum(len(claim["criteria"]) for claim in results["claims"].values()))
