"""Notebooks, their parameters, the runs that make figures of them, sweeps over many models:
machinery that knows no result."""
