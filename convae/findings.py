"""The verdicts on the paper's claims, as ``figures/claims.json`` holds them: read, and put in words.

How they are reached is `convae.claims`' business; notebooks and README only report them.
"""

import json
from functools import cache
from pathlib import Path

from convae.evaluation.statistics import Estimate

CLAIMS = Path(__file__).parents[1] / "figures" / "claims.json"
FORMS = {"share": ".1%", "times": ".2f", "number": ".2f"}


@cache
def load() -> dict:
    """The content of ``figures/claims.json``."""
    return json.loads(CLAIMS.read_text(encoding="utf-8"))


def effect(criterion: dict) -> str:
    """A criterion's effect with its interval over the seeds, such as ``2.41 (2.13 – 2.75) times``."""
    text = f"{Estimate(criterion['effect'], criterion['low'], criterion['high']):{FORMS[criterion['unit']]}}"
    return f"{text} times" if criterion["unit"] == "times" else text


def rule(criterion: dict) -> str:
    """The threshold that it must pass, such as ``> 1.5``."""
    threshold = f"{criterion['threshold']:.0%}" if criterion["unit"] == "share" else f"{criterion['threshold']:g}"
    return f"{'<' if criterion['below'] else '>'} {threshold}"


def in_words(claim: dict) -> str:
    """What was measured for a claim: its primary criterion, how many hold, and in how many universes the primary one does."""
    primary = claim["criteria"][0]
    held = sum(criterion["holds"] for criterion in claim["criteria"])
    words = [f"{primary['measured'][0].upper()}{primary['measured'][1:]}: {effect(primary)}; claimed: {rule(primary)}.",
             f"{held} of {len(claim['criteria'])} criteria hold."]
    if universes := primary["universes"]:
        words.append(f"Passed in {universes['share']:.0%} of {len(universes['effects'])} universes.")
    return " ".join(words)
