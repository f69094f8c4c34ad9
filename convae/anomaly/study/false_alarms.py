"""Are false-alarm rates kept, and what is found then? A threshold chosen on some normal digits,
tried on others."""

from itertools import product

import torch

from convae._io import key_of
from convae.anomaly.conformal import p_values
from convae.anomaly.detector import Detector
from convae.anomaly.study.keys import detector_constants
from convae.data import load_mnist
from convae.evaluation.defects import KINDS, LEVELS, make_defects
from convae.reproduce.sweep import Task

VERSION = 1                  # of what is measured and how: another version makes other keys
RATES = (0.01, 0.05, 0.1)
HELD_OUT = 1_000             # normal training images for the threshold, and as many to try it on
DAMAGED = 100                # normal test images, the first ones, that get each defect


def task(digit: int, seed: int) -> Task:
    """One normal digit, one seed."""
    key = key_of(["rates", digit, seed, detector_constants(), VERSION])
    return Task(f"rates {digit} seed {seed}", key, run, {"digit": digit, "seed": seed})


def run(digit: int, seed: int) -> dict:
    """By the rate asked for and by score: the share of alarms among other normal training images
    and among MNIST's test images, which other people wrote; the share of other digits and of normal
    ones with a defect that is found."""
    (images, labels), (test, test_labels) = load_mnist(train=True), load_mnist(train=False)
    normal = images[labels == digit]
    normal = normal[torch.randperm(len(normal), generator=torch.Generator().manual_seed(seed))]
    calibration, unseen, rest = normal.tensor_split((HELD_OUT, 2 * HELD_OUT))
    detector = Detector.fit(rest, seed=seed, progress=False)
    same = test_labels == digit
    groups = {"unseen": unseen, "test_normal": test[same], "test_anomalous": test[~same]}
    for kind, level in product(KINDS, LEVELS):
        groups[kind, level], _ = make_defects(test[same][:DAMAGED], kind, level)
    normal_scores = detector.all_scores(calibration)
    p: dict[str, dict] = {score: {} for score in normal_scores}
    for name, group in groups.items():
        for score, of_group in detector.all_scores(group).items():
            p[score][name] = p_values(normal_scores[score], of_group)
    rates = {}
    for rate in RATES:
        rates[str(rate)] = {score: _shares(of_score, rate) for score, of_score in p.items()}
    return {"digit": digit, "seed": seed, "rates": rates}


def _shares(p: dict, rate: float) -> dict:
    """Shares of alarms in each group, and of those in the test images that are right."""
    alarms = {name: of_group <= rate for name, of_group in p.items()}
    share = {name: round(float(of_group.mean()), 6) for name, of_group in alarms.items()}
    true, false = alarms["test_anomalous"].sum(), alarms["test_normal"].sum()
    return {
        "unseen": share["unseen"],
        "test_normal": share["test_normal"],
        "test_anomalous": share["test_anomalous"],
        "precision": round(float(true / max(1, true + false)), 6),
        "defects": {kind: _by_level(share, kind) for kind in KINDS},
    }


def _by_level(share, kind):
    return [share[kind, level] for level in LEVELS]
