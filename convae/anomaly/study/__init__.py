"""What was measured of the detector: protocols, their records, tables, plots and words."""
