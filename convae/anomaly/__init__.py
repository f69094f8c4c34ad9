"""Anomaly detection from normal images alone (sections 2 and 4.3): scores, where, thresholds, and
folders of images."""
