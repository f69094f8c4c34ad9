"""Measurements on trained models and their outputs; labels only judge, they never train."""
