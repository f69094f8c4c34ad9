"""What ``figures/claims.json`` holds, read and put in words: for notebooks, and for the README."""

import json
from functools import cache

import numpy as np

from convae._io import FIGURES
from convae.evaluation.intervals import Estimate
from convae.reproduce.notebook import Notebook, show_table

CLAIMS = FIGURES / "claims.json"
FORMS = {"share": ".1%", "times": ".2f", "number": ".2f"}
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



@cache
def load() -> dict:
    """The content of ``figures/claims.json``."""
    return json.loads(CLAIMS.read_text(encoding="utf-8"))


def effect(criterion: dict) -> str:
    """A criterion's effect with its interval over the seeds, such as ``2.41 (2.13 – 2.75)
    times``."""
    text = f"{Estimate(criterion['effect'], criterion['low'], criterion['high']):{FORMS[criterion['unit']]}}"
    return f"{text} times" if criterion["unit"] == "times" else text


def number(criterion: dict, value: float) -> str:
    """A value of a criterion's effect, without an interval, such as ``2.41 times``."""
    text = f"{value:{FORMS[criterion['unit']]}}"
    return f"{text} times" if criterion["unit"] == "times" else text


def text_of(choice) -> str:
    """A choice or its value as it is read, such as ``cross entropy`` or ``none``."""
    return str(choice).replace("_", " ") if choice != [] else "none"


def rule(criterion: dict) -> str:
    """The threshold that it must pass, such as ``> 1.5``."""
    threshold = f"{criterion['threshold']:.0%}" if criterion["unit"] == "share" else f"{criterion['threshold']:g}"
    return f"{'<' if criterion['below'] else '>'} {threshold}"


def in_words(claim: dict) -> str:
    """What was measured for a claim: its primary criterion, how many hold, with how many seeds and
    in how many universes the primary one passes."""
    primary = claim["criteria"][0]
    held = sum(criterion["holds"] for criterion in claim["criteria"])
    words = [f"{primary['measured'][0].upper()}{primary['measured'][1:]}: {effect(primary)}; claimed: {rule(primary)}.",
             f"{held} of {len(claim['criteria'])} criteria hold."]
    if primary["universes"]:
        words.append(f"The first passes with {seeds_that_pass(primary)} seeds and in {universes_that_pass(primary)} universes.")
    return " ".join(words)


def passes(criterion: dict, effects) -> np.ndarray:
    """Which of `effects`, of any shape, lie on the claim's side of its threshold."""
    effects = np.asarray(effects, float)
    return effects < criterion["threshold"] if criterion["below"] else effects > criterion["threshold"]


def seeds_that_pass(criterion: dict) -> str:
    """With how many seeds it passes its threshold, such as ``7 of 10``."""
    passing = passes(criterion, criterion["by_seed"])
    return f"{passing.sum()} of {len(passing)}"


def universes_that_pass(criterion: dict) -> str:
    """In how many universes it passes its threshold, such as ``27 of 36``."""
    n = len(criterion["universes"]["effects"])
    return f"{round(n * criterion['universes']['share'])} of {n}"


def verdict(claim: dict) -> str:
    """The verdict, and that over seeds alone where it differs."""
    return "; ".join([f"**{claim['verdict']}**", *with_our_choices(claim)])


def with_our_choices(claim: dict) -> list[str]:
    """What the verdict is over seeds alone, if it is another; else nothing."""
    alone = claim["verdict_over_seeds"]
    return [f"with our choices {alone}"] if alone != claim["verdict"] else []


def conclude(notebook: Notebook):
    """Show for each claim what was measured in a notebook, with its models, and what came of it
    over seeds and choices.

    Raises
    ------
    ValueError
        If the notebook measured something for a claim that the paper does not make.
    """
    claims = notebook.results(CLAIMS)["claims"]
    if unknown := sorted(notebook.measured.keys() - claims.keys()):
        raise ValueError(f"the paper has no claim {', '.join(unknown)}")
    show_table(("claim", "the paper (our words)", "these models", "over seeds and choices", "verdict"),
               [(f"{name} ({claims[name]['where']})", claims[name]["statement"], measured, in_words(claims[name]),
                 verdict(claims[name])) for name, measured in notebook.measured.items()])


def readme_block() -> list[str]:
    """The README's table of claims, and how it came about."""
    return ["## What the paper claims, and what we measured\n", *_table(), _method()]


def _table():
    yield "| claim | the paper says (our words) | we measured | verdict |"
    yield "|---|---|---|---|"
    for name, claim in load()["claims"].items():
        yield (f"| [{name}](notebooks/{claim['notebook']}.ipynb) ({claim['where']}) | {claim['statement']} "
               f"| {in_words(claim)} | {verdict(claim)} |")


def _method():
    results = load()
    low, high = results["undecidable"]
    return METHOD.format(seeds=len(results["seeds"]), universes=UNIVERSES.format(low=low, high=high),
                         criteria=sum(len(claim["criteria"]) for claim in results["claims"].values()))
