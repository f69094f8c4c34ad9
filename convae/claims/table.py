"""The table of verdicts as HTML: sorted by a click on a column's head, each row opening to its plot
and its numbers."""

import base64
from html import escape

from convae.claims import results
from convae.claims.plots import criteria_of
from convae.claims.verdicts import RATE
from convae.reproduce.notebook import DPI_SHOWN, to_png

COLOURS = {"reproduced": "#1f6fd0", "reproduced in part": "#5b86bd", "not reproduced": "#e76300",
           "not decidable from the text": "#707070"}
STYLE = """
<style>
.claims { border-collapse: collapse; width: 100%; font-size: 13px; table-layout: auto !important; }
.claims td, .claims th { padding: 4px 8px; vertical-align: top; text-align: left !important; }
.claims > thead th { cursor: pointer; user-select: none; border-bottom: 2px solid #888; }
.claims > thead th::after { content: "\\00a0↕"; color: #aaa; }
.claims tbody { border-bottom: 1px solid #ddd; }
.claims summary { cursor: pointer; color: #1f6fd0; }
.claims img { max-width: 100%; }
</style>
"""
SCRIPT = """
<script>
for (const head of document.querySelectorAll(".claims > thead th")) {
  head.onclick = () => {
    const table = head.closest("table"), column = head.cellIndex, up = head.dataset.up !== "1";
    head.dataset.up = up ? "1" : "0";
    const key = body => body.rows[0].cells[column].dataset.key;
    const bodies = [...table.tBodies].sort((a, b) => key(a).localeCompare(key(b), "en", { numeric: true }) * (up ? 1 : -1));
    bodies.forEach(body => table.append(body));
  };
}
</script>
"""
HEADS = ("claim", "the paper (our words)", "primary effect", "criteria that hold", "universes", "verdict")


def verdict_table(claims: dict) -> str:
    """HTML of the claims of ``figures/claims.json``."""
    heads = "".join(f"<th>{head}</th>" for head in HEADS)
    bodies = "\n".join(_body(i, name, claim) for i, (name, claim) in enumerate(claims.items()))
    return f'{STYLE}<table class="claims"><thead><tr>{heads}</tr></thead>\n{bodies}\n</table>{SCRIPT}'


def _body(number, name, claim):
    criteria, primary = claim["criteria"], claim["criteria"][0]
    held, universes = sum(c["holds"] for c in criteria), primary["universes"]
    cells = (
        (f"{number:02}", f"<b>{name}</b> ({claim['where']})"),
        (claim["statement"], escape(claim["statement"])),
        (f"{primary['effect']:012.6f}", f"{escape(primary['measured'])}: <b>{results.effect(primary)}</b>; claimed: "
                                        f"{escape(results.rule(primary))}"),
        (f"{held / len(criteria):.3f}", f"{held} of {len(criteria)}"),
        (f"{universes['share']:.3f}", results.universes_that_pass(primary)) if universes else ("", "–"),
        (claim["verdict"], "<br>".join([f'<b style="color: {COLOURS[claim["verdict"]]}">{claim["verdict"]}</b>',
                                        *results.with_our_choices(claim)])),
    )
    row = "".join(f'<td data-key="{escape(key, quote=True)}">{text}</td>' for key, text in cells)
    picture = base64.b64encode(to_png(criteria_of(claim), DPI_SHOWN)).decode()
    seen_in = f'<a href="{claim["notebook"]}.ipynb">{claim["notebook"]}</a>'
    return (f"<tbody><tr>{row}</tr>\n<tr><td></td><td colspan={len(HEADS) - 1}><details>"
            f"<summary>every criterion and seed</summary>"
            f'{_numbers(criteria)}<img alt="Criteria of claim {name}, every seed" src="data:image/png;base64,{picture}">'
            f"<br>The figure: {seen_in}</details></td></tr></tbody>")


def _numbers(criteria):
    heads = "".join(f"<th>{head}</th>" for head in ("criterion", "claimed", "effect (95 % interval)", "p, corrected", "holds",
                                                    "universes", "most affected by"))
    rows = "\n".join(_criterion(c) for c in criteria)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _affected_by(universes):
    """The choice that most surely changes it, if any does."""
    if not universes or universes["choices"][universes["most"]]["p"] >= RATE:
        return "–"
    return results.text_of(universes["most"])


def _criterion(c):
    universes = c["universes"]
    texts = (c["measured"], results.rule(c), results.effect(c), f"{c['p_adjusted']:.4f}", "yes" if c["holds"] else "no",
             results.universes_that_pass(c) if universes else "–", _affected_by(universes))
    return "<tr>" + "".join(f"<td>{escape(text)}</td>" for text in texts) + "</tr>"
