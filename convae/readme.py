"""The README's figures and its table of claims, written from figures/*.json."""

import json
from pathlib import Path

from convae.claims import CLAIMS
from convae.notebook import ROOT

README = ROOT / "README.md"
START, END = "<!-- generated from figures/*.json: start -->", "<!-- generated: end -->"


def changes(contents: dict[Path, str | bytes]) -> dict[Path, str]:
    """The README as it has to be once `contents` are written, if that differs from what it is."""
    old = README.read_text(encoding="utf-8")
    new = render(old, contents)
    return {} if new == old else {README: new}


def render(text: str, contents: dict[Path, str | bytes] | None = None) -> str:
    """The README's text with the generated part renewed, from `contents` where they hold a figure, else from the disk."""
    before, _, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{README}: the lines {START!r} and {END!r} must stand in it, in this order")
    figures = [_figure(ROOT / "figures" / f"fig{n}.json", contents or {}) for n in range(1, 9)]
    return f"{before}{START}\n{_gallery(figures)}\n{_table(figures)}\n{END}{after}"


def _figure(path, contents):
    content = contents.get(path) or path.read_bytes()
    return json.loads(content)


def _gallery(figures):
    lines = []
    for figure in figures:
        number = figure["figure"].removeprefix("fig")
        lines += [f"![Figure {number}: {figure['shows']}](figures/{figure['figure']}.png)\n",
                  f"**Figure {number}.** {figure['shows']}.\n"]
    return "\n".join(lines)


def _table(figures):
    findings = {claim: (finding, figure["figure"]) for figure in figures for claim, finding in figure["findings"].items()}
    lines = ["| claim | the paper says (our words) | we measured | verdict |", "|---|---|---|---|"]
    for claim, (where, statement) in CLAIMS.items():
        if claim in findings:
            finding, figure = findings[claim]
            lines.append(f"| {claim} ({where}) | {statement} | {finding['measured']} "
                         f"([numbers](figures/{figure}.json)) | **{finding['verdict']}** |")
        else:
            lines.append(f"| {claim} ({where}) | {statement} | not yet measured | – |")
    return "\n".join(lines)
