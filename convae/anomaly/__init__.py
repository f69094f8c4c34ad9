"""Anomaly detection from normal images alone (sections 2 and 4.3): scores, where, thresholds, and
folders of images."""

from convae.anomaly.estimator import AnomalyDetector
from convae.anomaly.folders import Detection, detect, fit
from convae.anomaly.model import Inspector

__all__ = ["AnomalyDetector", "Detection", "Inspector", "detect", "fit"]
