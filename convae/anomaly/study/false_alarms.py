"""Are false-alarm rates kept, and what is found then? A threshold chosen on some normal digits,
tried on others."""

import torch

from convae._io import key_of
from convae.anomaly.conformal import p_values
from convae.anomaly.detector import Detector, constants
from convae.data import load_mnist
from convae.evaluation.defects import KINDS, LEVELS, make_defects
from convae.reproduce.sweep import Task

VERSION = 1                  # of what is measured and how: another version makes other keys
RATES = (0.01, 0.05, 0.1)
HELD_OUT = 1_000             # normal training images for the threshold, and as many others to try it on
DAMAGED = 100                # normal test images, the first ones, that get each defect


def task(digit: int, seed: int) -> Task:
    """One normal digit, one seed."""
    key = key_of(["rates", digit, seed, constants(), VERSION])
    return Task(f"rates {digit} seed {seed}", key, run, {"digit": digit, "seed": seed})


def run(digit: int, seed: int) -> dict:
    """By score and by the rate asked for: the share of alarms among other normal training images
    and among MNIST's test images, which other people wrote; the share of other digits and of normal
    ones with a defect that is found."""
    (images, labels), (test, test_labels) = load_mnist(train=True), load_mnist(train=False)
    normal = images[labels == digit]
    normal = normal[torch.randperm(len(normal), generator=torch.Generator().manual_seed(seed))]
    found = Detector.fit(normal[2 * HELD_OUT:], seed=seed, progress=False)
    calibration, unseen = normal[:2 * HELD_OUT].split(HELD_OUT)
    same = test_labels == digit
    clean = test[same][:DAMAGED]
    groups = {"calibration": calibration, "unseen": unseen, "test_normal": test[same], "test_anomalous": test[~same],
              **{f"{kind} {level}": make_defects(clean, kind, level)[0] for kind in KINDS for level in LEVELS}}
    scores = {name: found.all_scores(group) for name, group in groups.items()}
    record = {"digit": digit, "seed": seed, "rates": {}}
    for rate in RATES:
        for score in scores["calibration"]:
            alarms = {name: p_values(scores["calibration"][score], of[score]) <= rate for name, of in scores.items()}
            true, false = (int(alarms[name].sum()) for name in ("test_anomalous", "test_normal"))
            record["rates"].setdefault(str(rate), {})[score] = {
                **{name: round(float(alarms[name].mean()), 6) for name in ("unseen", "test_normal", "test_anomalous")},
                "precision": round(true / max(1, true + false), 6),
                "defects": {kind: [round(float(alarms[f"{kind} {level}"].mean()), 6) for level in LEVELS] for kind in KINDS}}
    return record
