"""The README's figures and its table of claims, written from figures/*.json."""

import json
from pathlib import Path

from convae.claims import CLAIMS
from convae.notebook import ROOT

README = ROOT / "README.md"
CAUTION = """
One training run of each model stands behind these verdicts, and the rules that reach them, which stand in the notebooks,
were written with the numbers of an earlier run in sight. Trust the numbers first. Intervals tell what other unseen images
would change; other seeds, other choices where the paper is silent, or another classifier can change more. They are one
parameter away (below). C1 depends on the optimiser above all, because nothing fixes the scale of an AE's z: other ways of
training gave the AE from half to one and a half times the width shown here ([benchmarks/](benchmarks/README.md)). Optimiser,
schedule and epochs were chosen by the loss on 10,000 of the training images, held out.
"""


def changes(contents: dict[Path, str | bytes]) -> dict[Path, str]:
    """The README as it has to be once `contents` are written, if that differs from what it is."""
    old = README.read_text(encoding="utf-8")
    new = render(old, contents)
    return {} if new == old else {README: new}


def render(text: str, contents: dict[Path, str | bytes] | None = None) -> str:
    """The README's text with the generated part renewed, from `contents` where they hold a figure, else from the disk."""
    figures = [_figure(ROOT / "figures" / f"fig{n}.json", contents or {}) for n in range(1, 9)]
    return replace_block(text, "figures/*.json", ["## What the paper claims, and what we measured\n", *_table(figures),
                                                  CAUTION, "## The figures\n", *_gallery(figures)])


def replace_block(text: str, source: str, lines: list[str]) -> str:
    """The text with `lines` between the two comments that say what is generated from `source`."""
    start, end = markers(source)
    before, _, rest = text.partition(start)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"{README}: the lines {start!r} and {end!r} must stand in it, in this order")
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


def _table(figures):
    yield "| claim | the paper says (our words) | we measured | verdict |"
    yield "|---|---|---|---|"
    findings = {claim: (finding, figure["figure"]) for figure in figures for claim, finding in figure["findings"].items()}
    for claim, (where, statement) in CLAIMS.items():
        if claim in findings:
            finding, figure = findings[claim]
            yield (f"| {claim} ({where}) | {statement} | {finding['measured']} ([numbers](figures/{figure}.json)) "
                   f"| **{finding['verdict']}** |")
        else:
            yield f"| {claim} ({where}) | {statement} | not yet measured | – |"
