"""The paper's claims, read from ``claims.toml``, and their criteria's effects on records."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jinja2 import Environment, StrictUndefined, UndefinedError

from convae.evaluation.latent import spread

CLUSTERING = ("A", "B1", "B2", "C1", "C2", "C3")  # which K repeats with fully connected models


class Records(NamedTuple):
    """The records that the claims are evaluated on: one seed, one set of choices."""

    conv: dict[str, dict]        #: of the convolutional models, by name, such as ``vae_64d``
    small: dict[str, dict] = {}  #: of fully connected models with about as many parameters
    wide: dict[str, dict] = {}   #: of fully connected models with 400 hidden units
    split: dict[str, dict] = {}  #: of convolutional models trained on 50,000 training images
    baseline: dict = {}          #: of :func:`convae.claims.measure.baseline`


@dataclass(frozen=True)
class Criterion:
    """A measured effect, and the threshold on the claim's side of which it must lie.

    Examples
    --------
    >>> width = Criterion("width of the AE", "conv.ae_2d.latent.width", threshold=10)
    >>> width.effect(Records(conv={"ae_2d": {"latent": {"width": 12.5}}}))
    12.5
    """

    measured: str         #: what, in words
    formula: str          #: of the effect, as ``claims.toml`` has it
    threshold: float
    below: bool = False   #: the claim says less than the threshold, not more
    unit: str = "share"   #: ``share``, ``times`` (a ratio, compared by its logarithm) or ``number``

    def effect(self, records: Records) -> float:
        """The formula's value; a KeyError if `records` lack one of its models."""
        try:
            return float(_compiled(self.formula)(records._asdict()))
        except UndefinedError as error:
            raise KeyError(f"{self.measured}: {error}") from None


@dataclass(frozen=True)
class Claim:
    """A testable claim of the paper."""

    where: str                                #: section, and figure if the claim is read off one
    statement: str                            #: in our words
    criteria: tuple[Criterion, ...] = field(repr=False)
    notebook: str                             #: where it is seen


def agreement(conv: dict[str, dict], dense: dict[str, dict]) -> float:
    """Share of the criteria of A, B and C that hold or fail for dense and conv. models together."""
    agree = []
    for criterion in [criterion for name in CLUSTERING for criterion in CLAIMS[name].criteria]:
        try:
            conv_holds = criterion.effect(Records(conv)) > criterion.threshold
            dense_holds = criterion.effect(Records(conv=dense)) > criterion.threshold
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


FORMULAS = Environment(undefined=StrictUndefined)
FORMULAS.globals |= {
    "abs": abs, "min": min, "max": max, "mean": np.mean, "spread": spread,
    "gap_share": gap_share, "rise": rise, "tail_ratio": tail_ratio, "agreement": agreement,
}


@cache
def _compiled(formula: str) -> Callable[[dict], float]:
    return FORMULAS.compile_expression(formula, undefined_to_none=False)


def _read(path: Path) -> dict[str, Claim]:
    claims = tomllib.loads(path.read_text(encoding="utf-8"))
    for claim in claims.values():
        criteria = map(_in_its_dimensions, claim["criteria"])
        claim["criteria"] = tuple(chain.from_iterable(criteria))
    return {name: Claim(**claim) for name, claim in claims.items()}


def _in_its_dimensions(table: dict) -> list[Criterion]:
    """The criterion that a table describes, or one for each of its dimensions."""
    dimensions = table.pop("dimensions", None)
    criterion = Criterion(**table)
    if dimensions is None:
        return [criterion]
    criteria = []
    for d in dimensions:
        formula = criterion.formula.replace("{d}", str(d))
        measured = f"{criterion.measured}, {d}-D"
        criteria.append(replace(criterion, measured=measured, formula=formula))
    return criteria


CLAIMS = _read(Path(__file__).with_name("claims.toml"))
