"""What ``figures/claims.json`` holds, read and put in words: for notebooks, and for the README."""

from pathlib import Path

import numpy as np

from convae._io import FIGURES, read_json
from convae.evaluation.intervals import Estimate
from convae.reproduce.notebook import Notebook
from convae.reproduce.output import show_table
from convae.reproduce.readme import render

CLAIMS = FIGURES / "claims.json"
README_TEMPLATE = Path(__file__).with_name("readme.md.j2")
FORMATS = {"share": ".1%", "times": ".2f", "number": ".2f"}  # of effects, by unit


def load() -> dict:
    """The content of ``figures/claims.json``."""
    return read_json(CLAIMS)


def effect(criterion: dict) -> str:
    """A criterion's effect with its 95 % interval over the seeds.

    Examples
    --------
    >>> effect({"effect": 2.412, "low": 2.13, "high": 2.749, "unit": "times"})
    '2.41 (2.13 – 2.75) times'
    """
    estimate = Estimate(criterion["effect"], criterion["low"], criterion["high"])
    return number(criterion, estimate)


def number(criterion: dict, value: float | Estimate) -> str:
    """A value of a criterion's effect, such as ``2.41 times``."""
    text = f"{value:{FORMATS[criterion['unit']]}}"
    return f"{text} times" if criterion["unit"] == "times" else text


def threshold(criterion: dict) -> str:
    """The threshold that the effect must pass, such as ``> 1.5``."""
    value = criterion["threshold"]
    text = f"{value:.0%}" if criterion["unit"] == "share" else f"{value:g}"
    return f"{'<' if criterion['below'] else '>'} {text}"


def choice_text(choice) -> str:
    """A choice or its value as it is read, such as ``cross entropy`` or ``none``."""
    return str(choice).replace("_", " ") if choice != [] else "none"


def passes(criterion: dict, effects) -> np.ndarray:
    """Which of `effects`, of any shape, lie on the claim's side of the criterion's threshold."""
    effects = np.asarray(effects, float)
    if criterion["below"]:
        return effects < criterion["threshold"]
    return effects > criterion["threshold"]


def seeds_that_pass(criterion: dict) -> str:
    """With how many seeds the effect passes its threshold, such as ``7 of 10``."""
    passing = passes(criterion, criterion["by_seed"])
    return f"{passing.sum()} of {len(passing)}"


def universes_that_pass(criterion: dict) -> str:
    """In how many universes the effect passes its threshold, such as ``27 of 36``."""
    count = len(criterion["universes"]["effects"])
    return f"{round(count * criterion['universes']['share'])} of {count}"


def summary(claim: dict) -> str:
    """What was measured for a claim.

    Its primary criterion, how many criteria hold, and with how many seeds and in how many universes
    the primary one passes.
    """
    primary = claim["criteria"][0]
    measured = primary["measured"][0].upper() + primary["measured"][1:]
    held = sum(criterion["holds"] for criterion in claim["criteria"])
    sentences = [
        f"{measured}: {effect(primary)}; claimed: {threshold(primary)}.",
        f"{held} of {len(claim['criteria'])} criteria hold.",
    ]
    if primary["universes"]:
        sentences.append(f"The first passes with {seeds_that_pass(primary)} seeds "
                         f"and in {universes_that_pass(primary)} universes.")
    return " ".join(sentences)


def verdict(claim: dict) -> str:
    """The verdict, and that over seeds alone where it differs."""
    return "; ".join([f"**{claim['verdict']}**", *with_our_choices(claim)])


def with_our_choices(claim: dict) -> list[str]:
    """What the verdict is over seeds alone, if it is another; else nothing."""
    alone = claim["verdict_over_seeds"]
    return [f"with our choices {alone}"] if alone != claim["verdict"] else []


def conclude(notebook: Notebook):
    """Show what a notebook measured for each claim with its models, and the claim's verdict.

    Raises
    ------
    ValueError
        If the notebook measured something for a claim that the paper does not make.
    """
    claims = notebook.results(CLAIMS)["claims"]
    if unknown := sorted(notebook.measured.keys() - claims.keys()):
        raise ValueError(f"the paper has no claim {', '.join(unknown)}; "
                         f"it has {', '.join(claims)}")
    rows = []
    for name, measured in notebook.measured.items():
        claim = claims[name]
        title = f"{name} ({claim['where']})"
        rows.append((title, claim["statement"], measured, summary(claim), verdict(claim)))
    header = ("claim", "the paper (our words)", "these models", "over seeds and choices", "verdict")
    show_table(header, rows)


def readme_block() -> list[str]:
    """The README's table of claims, and how it came about."""
    return [render(README_TEMPLATE, **load(), summary=summary, verdict=verdict)]
