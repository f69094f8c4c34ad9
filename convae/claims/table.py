"""The table of verdicts as HTML.

A click on a column's head sorts it; each row opens to its plot and its numbers.
"""

import base64
from pathlib import Path

from convae.claims import results
from convae.claims.plots import criteria_of
from convae.claims.verdicts import RATE
from convae.reproduce.output import DPI_SHOWN, to_png
from convae.reproduce.readme import render

TEMPLATE = Path(__file__).with_name("table.html.j2")
COLOURS = {
    "reproduced": "#1f6fd0",
    "reproduced in part": "#5b86bd",
    "not reproduced": "#e76300",
    "not decidable from the text": "#707070",
}


def verdict_table(claims: dict) -> str:
    """HTML of the claims of ``figures/claims.json``."""
    return render(TEMPLATE, claims=claims, results=results, colours=COLOURS, picture=_picture,
                  affected_by=_affected_by)


def _picture(claim):
    return base64.b64encode(to_png(criteria_of(claim), DPI_SHOWN)).decode()


def _affected_by(criterion):
    """The choice that most surely changes the effect, if any does."""
    universes = criterion["universes"]
    if not universes or universes["choices"][universes["most"]]["p"] >= RATE:
        return "–"
    return results.choice_text(universes["most"])
