"""Are false-alarm rates kept? A threshold chosen on some normal digits, tried on others."""

import hashlib
import json
from dataclasses import dataclass

import numpy as np
import torch

from convae.anomaly.conformal import expected_rate, p_values
from convae.anomaly.detector import Detector, constants
from convae.data import load_mnist

VERSION = 1                  # of what is measured and how: another version makes other keys
RATES = (0.01, 0.05, 0.1)
HELD_OUT = 1_000             # normal training images for the threshold, and as many others to try it on


@dataclass(frozen=True)
class Task:
    """One normal digit, one seed."""

    digit: int
    seed: int

    @property
    def key(self) -> str:
        """Sixteen hexadecimal digits that differ whenever the task, the detector or the measuring does."""
        content = ["rates", self.digit, self.seed, constants(), VERSION]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        """For progress and reports."""
        return f"rates {self.digit} seed {self.seed}"


def run(task: Task) -> dict:
    """For each rate asked for: the share of alarms among normal images of the same source and of MNIST's test half, whose writers
    are others; and the share of other digits that are found."""
    (images, labels), (test, test_labels) = load_mnist(train=True), load_mnist(train=False)
    normal = images[labels == task.digit]
    normal = normal[torch.randperm(len(normal), generator=torch.Generator().manual_seed(task.seed))]
    found = Detector.fit(normal[2 * HELD_OUT:], seed=task.seed, progress=False)
    calibration, unseen = (found.scores(part).numpy() for part in normal[:2 * HELD_OUT].split(HELD_OUT))
    others = found.scores(test).numpy()
    same = (test_labels == task.digit).numpy()
    record = {"key": task.key, "digit": task.digit, "seed": task.seed, "rates": {}}
    for rate in RATES:
        alarms = {name: p_values(calibration, scores) <= rate for name, scores in
                  {"unseen": unseen, "test_normal": others[same], "test_anomalous": others[~same]}.items()}
        record["rates"][str(rate)] = {name: round(float(np.mean(each)), 6) for name, each in alarms.items()} | {
            "expected": expected_rate(HELD_OUT, rate, HELD_OUT)}
        true, false = (int(alarms[name].sum()) for name in ("test_anomalous", "test_normal"))
        record["rates"][str(rate)]["precision"] = round(true / max(1, true + false), 6)
    return record
