"""Measurements on trained models and their outputs. Labels are used here only to judge, never to
train."""
