"""The paper's claims, read from ``claims.toml``, and their criteria's effects on records."""

import json
import re
import tomllib
from dataclasses import dataclass, field
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import NamedTuple

import numpy as np

from convae.evaluation.latent import spread

OPERATORS = ("value", "over", "minus", "agreement")
CALL = re.compile(r"(\w+)\((.+)\)")  # of a measure, such as mean(conv.ae_2d.latent.sizes)
CLUSTERING = ("A", "B1", "B2", "C1", "C2", "C3")  # which K repeats with fully connected models


class Records(NamedTuple):
    """The records that the claims are evaluated on: one seed, one set of choices."""

    conv: dict[str, dict]   #: of the convolutional models, by name, such as ``vae_64d``
    small: dict[str, dict]  #: of the fully connected models with about as many parameters
    wide: dict[str, dict]   #: of the fully connected models with 400 hidden units
    split: dict[str, dict]  #: of convolutional models trained on 50,000 of the training images
    baseline: dict          #: of :func:`convae.claims.measure.baseline`


@dataclass(frozen=True)
class Criterion:
    """A measured effect, and the threshold on the claim's side of which it must lie.

    Examples
    --------
    >>> width = Criterion("width of the AE", {"value": "conv.ae_2d.latent.width"}, threshold=10)
    >>> width.effect(Records({"ae_2d": {"latent": {"width": 12.5}}}, {}, {}, {}, {}))
    12.5
    """

    measured: str         #: what, in words
    formula: dict         #: of the effect, as ``claims.toml`` has it
    threshold: float
    below: bool = False   #: the claim says less than the threshold, not more
    unit: str = "share"   #: ``share``, ``times`` (a ratio, compared by its logarithm) or ``number``

    def effect(self, records: Records) -> float:
        """The formula's value; a KeyError if `records` lack one of its models."""
        return evaluate(self.formula, records)


@dataclass(frozen=True)
class Claim:
    """A testable claim of the paper."""

    where: str                                #: section, and figure if the claim is read off one
    statement: str                            #: in our words
    criteria: tuple[Criterion, ...] = field(repr=False)
    notebook: str                             #: where it is seen


def evaluate(formula: str | dict, records: Records) -> float:
    """The value of a formula, or of a part of one, on records."""
    match formula:
        case str():
            return _measure(formula, records)
        case {"value": term}:
            return evaluate(term, records)
        case {"over": [numerator, denominator]}:
            return evaluate(numerator, records) / evaluate(denominator, records)
        case {"minus": [minuend, subtrahend]}:
            return evaluate(minuend, records) - evaluate(subtrahend, records)
        case {"agreement": family}:
            return agreement(records, getattr(records, family))
    raise ValueError(f"a formula is one of {', '.join(OPERATORS)} with its terms, got {formula}")


def agreement(records: Records, dense: dict[str, dict]) -> float:
    """Share of the criteria of A, B and C that hold or fail for dense and conv. models together."""
    dense_in_place_of_conv = records._replace(conv=dense)
    agree = []
    for criterion in [criterion for name in CLUSTERING for criterion in CLAIMS[name].criteria]:
        try:
            conv_holds = criterion.effect(records) > criterion.threshold
            dense_holds = criterion.effect(dense_in_place_of_conv) > criterion.threshold
        except KeyError:  # a set of choices without 3-D models
            continue
        agree.append(conv_holds == dense_holds)
    if not agree:
        raise KeyError("no criterion of A to C has its models in both families")
    return float(np.mean(agree))


def gap_share(latent: dict) -> float:
    """Share of the cells that would hold data if it had no gaps, but are empty."""
    return 1 - latent["occupied"] / latent["occupied_without_gaps"]


def rise(shifts: list[dict], key: str) -> float:
    """By how much shifts of 1 to 4 pixels raise a number, on average."""
    unshifted, *shifted = (shift[key] for shift in shifts)
    return float(np.mean(shifted) - unshifted)


def tail_ratio(error: dict, name: str, percentile: str) -> float:
    """Share of the images not trained on that err more than the percentile, over the same share of
    those trained on."""
    counts = error[name]["tail"][percentile]
    share_unseen = counts["unseen"] / error[name]["images"]
    share_trained_on = counts["known"] / error["images_trained_on"]
    return share_unseen / share_trained_on


MEASURES = {
    "min": np.min,
    "mean": np.mean,
    "spread": spread,
    "largest_over_smallest": lambda sizes: np.max(sizes) / np.min(sizes),
    "beyond_half": lambda area: area - 0.5,
    "from_half": lambda probability: abs(probability - 0.5),
    "gap_share": gap_share,
    "rise": rise,
    "tail_ratio": tail_ratio,
}


def _measure(term, records):
    if call := CALL.fullmatch(term):
        path, *arguments = call[2].split(", ")
        return MEASURES[call[1]](_look_up(path, records), *arguments)
    return _look_up(term, records)


def _look_up(path, records):
    family, *keys = path.split(".")
    return reduce(getitem, keys, getattr(records, family))


def _read(path: Path) -> dict[str, Claim]:
    claims = tomllib.loads(path.read_text(encoding="utf-8"))
    for claim in claims.values():
        criteria = [c for table in claim["criteria"] for c in _in_its_dimensions(table)]
        claim["criteria"] = tuple(criteria)
    return {name: Claim(**claim) for name, claim in claims.items()}


def _in_its_dimensions(table):
    """The criterion that a table describes, or one for each of its dimensions."""
    dimensions = table.pop("dimensions", None)
    formula = {operator: table.pop(operator) for operator in OPERATORS if operator in table}
    if dimensions is None:
        return [Criterion(formula=formula, **table)]
    text, measured = json.dumps(formula), table.pop("measured")
    return [
        Criterion(f"{measured}, {d}-D", json.loads(text.replace("{d}", str(d))), **table)
        for d in dimensions
    ]


CLAIMS = _read(Path(__file__).with_name("claims.toml"))
